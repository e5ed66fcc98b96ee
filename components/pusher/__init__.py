"""Stage 9: versions for TensorFlow Serving, each appearing whole or not at all."""
