"""The planted-leak kit: clean data with exactly one defect, and what finds it."""
