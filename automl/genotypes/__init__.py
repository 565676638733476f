"""Architectures as values: checked, hashed, counted, drawn, searched, and made into torch modules."""
