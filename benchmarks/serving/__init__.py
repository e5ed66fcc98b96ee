"""Latency of a served model, and versions that switch under load."""
