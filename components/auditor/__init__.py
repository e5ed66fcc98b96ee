"""Stage 3: findings about the data; the gate that stops bad data."""
