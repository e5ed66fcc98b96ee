"""Benchmarks: scripts that anyone can run; RESULTS.md keeps the last table of each."""
