"""Stage 4: preprocessing, the same graph in training and serving."""
