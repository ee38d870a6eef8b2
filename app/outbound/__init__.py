"""HTTP out: the only package with an HTTP client."""
