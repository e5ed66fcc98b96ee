"""Compares logged requests with what a model was trained on."""
