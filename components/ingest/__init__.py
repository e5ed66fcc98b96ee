"""Stage 1: sequence data to tf.Examples, split without leaking."""
