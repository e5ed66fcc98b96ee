"""Stage 5: the GRU, its metrics and its export."""
