"""`python -m automl` is the command `autonet`."""

from __future__ import annotations

from automl.cli import main

# Worker processes may import the main module again, under another name: they must not run the command.
if __name__ == "__main__":
    main()
