"""Runs that are killed at random moments, and what comes of those that go on after them."""
