"""What is kept of the database elsewhere, how it comes back, and what must not come back with it."""
