"""Sluice: what runs, in which order, where."""

__version__ = "0.1.0"
