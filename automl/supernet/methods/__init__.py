"""Ways to find architectures over shared weights, one a file."""
