"""What the example configurations reach, end to end, see `__main__`."""
