"""What the product decides: plain Python, frozen dataclasses, `now` is an argument."""
