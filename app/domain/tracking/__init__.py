"""Which issues have clocks, and the facts that move them."""
