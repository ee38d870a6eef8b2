"""A vendor's policy: its promises, checked and versioned."""
