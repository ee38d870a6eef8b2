"""HTTP in: the only package that handles requests."""
