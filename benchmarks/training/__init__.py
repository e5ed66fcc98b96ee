"""Training speed of the Trainer against plain Keras and PyTorch, see `__main__`."""
