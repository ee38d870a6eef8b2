"""Grants that the vendor has at others, and what is done under them."""
