"""Measurements: they compare within one run, report medians and ratios, and gate nothing."""
