"""What looks like an attack or like a failure of ours, and who is told of it."""
