"""Small pictures whose class can be seen, and files of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np


def pictures(n: int = 60, size: int = 8, channels: int = 1, classes: int = 2) -> tuple[Any, Any]:
    """(n, size, size, channels) bytes and labels: class k has a bright row at a place of its own, amid noise."""
    rng = np.random.default_rng(0)
    y = np.arange(n) % classes
    X = rng.integers(0, 80, (n, size, size, channels), dtype=np.uint8)
    X[np.arange(n), 1 + 3 * y] += np.uint8(150)
    return X, y


def write(folder: Path, n: int = 12, **more: Any) -> Path:
    """A folder with a subfolder of PNG files for each class."""
    from PIL import Image

    X, y = pictures(n, **more)
    for i, (values, label) in enumerate(zip(X, y, strict=True)):
        place = folder / f"class{label}"
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(values[..., 0] if values.shape[2] == 1 else values).save(place / f"{i:03}.png")
    return folder
