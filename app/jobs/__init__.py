"""Time in: what happens by itself, and the commands an operator gives."""
