"""Warm starts: wrappers that let past tasks have a say in any method, one to a file."""
