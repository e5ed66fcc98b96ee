"""Whether an export loads and answers as TensorFlow Serving will ask it to."""
