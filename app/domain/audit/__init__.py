"""What happened, so that it can be proven."""
