"""Stage 7: what the evaluation means for the model."""
