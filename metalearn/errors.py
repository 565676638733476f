"""Errors of the meta-learning library."""

from __future__ import annotations


class StoreError(ValueError):
    """A store cannot be opened, read or written as asked; the message names the value, the rule and the cure."""
