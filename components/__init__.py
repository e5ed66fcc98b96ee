"""The custom stages, one folder each."""
