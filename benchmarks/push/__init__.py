"""What happens to versions when pushes are killed."""
