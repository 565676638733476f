"""Images in files: which there are in a folder, what each is, and its pixels."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from automl.errors import DataError

if TYPE_CHECKING:
    from PIL.Image import Image

ENDINGS = frozenset({".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"})
GRAY_MODES = frozenset({"1", "L", "LA", "La", "I", "I;16", "I;16B", "I;16L"})
"""Pillow's names of what has one channel, beside transparency."""
SHOWN = 5
"""Files that an error names."""
_Out = TypeVar("_Out")


@dataclass(frozen=True)
class Header:
    """What a file says of its image before it is decoded.

    Attributes
    ----------
    height, width: in pixels. colour: whether it has more than one channel. alpha: whether it has transparency.
    """

    height: int
    width: int
    colour: bool
    alpha: bool


def class_folders(folder: Path) -> tuple[list[Path], list[str]]:
    """The images of a folder that holds a subfolder for each class, and the class of each: sorted by both.

    Raises
    ------
    DataError: there is no such folder, it has no subfolders, or one of them holds no image.
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: there is no such folder; give one that holds a subfolder of images for each class")
    classes = sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    if not classes:
        raise DataError(f"{folder} holds no subfolders; put the images of each class into one that is called as it is")
    paths: list[Path] = []
    labels: list[str] = []
    for each in classes:
        found = images_in(each)
        paths += found
        labels += [each.name] * len(found)
    return paths, labels


def images_in(folder: Path) -> list[Path]:
    """All images in a folder and the folders in it, sorted; told by the endings of their names.

    Raises
    ------
    DataError: there is none.
    """
    found = sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in ENDINGS and not path.name.startswith(".") and path.is_file()
    )
    if not found:
        raise DataError(
            f"{folder} holds no image; put some there, with a name ending in {', '.join(sorted(ENDINGS))}, or remove it"
        )
    return found


def headers(paths: Sequence[Path]) -> list[Header]:
    """What each file says of its image; DataError names those that are no images."""
    return _each(paths, _header)


def pixels(paths: Sequence[Path], channels: int, size: tuple[int, int]) -> NDArray[np.uint8]:
    """(n, channels, height, width) of images in files, converted to so many channels (1 or 3) and resized.

    Transparent parts are laid on white.

    Raises
    ------
    DataError: names the files that cannot be decoded, up to five, and counts them.
    """
    out = np.empty((len(paths), channels, *size), dtype=np.uint8)

    def read(place: int) -> None:
        with _opened(paths[place]) as image:
            out[place] = as_planes(converted(image, channels), size)

    _each(range(len(paths)), read, lambda place: paths[place])
    return out


def as_planes(image: Image, size: tuple[int, int]) -> NDArray[np.uint8]:
    """(channels, height, width) of a picture that is resized where it has another size."""
    from PIL.Image import Resampling

    if (image.height, image.width) != size:
        image = image.resize((size[1], size[0]), Resampling.BILINEAR)  # of Pillow's: means over what is shrunk
    values = np.asarray(image)
    return values[None] if values.ndim == 2 else np.moveaxis(values, -1, 0)


def converted(image: Image, channels: int) -> Image:
    """The picture as 8-bit gray (1) or RGB (3); ValueError for what has no such form."""
    from PIL import Image as pillow

    if image.mode.startswith("I"):  # 16 bits and more, which Pillow would clip instead of scaling
        values = np.asarray(image).astype(np.float64)
        if values.min() < 0 or values.max() > 65_535:
            raise ValueError(f"its values, {values.min():g} to {values.max():g}, are no 16-bit gray")
        image = pillow.fromarray((values / 257).round().astype(np.uint8))
    if image.mode == "F":
        raise ValueError("its pixels are floating-point numbers, whose range is not known; write it with 8 or 16 bits")
    if _has_alpha(image):
        image = image.convert("RGBA")
        image = pillow.alpha_composite(pillow.new("RGBA", image.size, "white"), image)
    return image.convert("L" if channels == 1 else "RGB")


def _has_alpha(image: Image) -> bool:
    return image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info


def _header(path: Path) -> Header:
    with _opened(path) as image:
        return Header(image.height, image.width, image.mode not in GRAY_MODES, _has_alpha(image))


def _opened(path: Path) -> Image:
    from PIL import Image as pillow

    if not path.is_file():
        raise FileNotFoundError("there is no such file")
    return pillow.open(path)


def _each(
    items: Sequence[Any], work: Callable[[Any], _Out], path_of: Callable[[Any], Path] = lambda item: item
) -> list[_Out]:
    """The results for all items, by a thread a core; DataError names the files of those that fail."""

    def tried(item: Any) -> _Out | str:
        try:
            return work(item)
        except Exception as error:  # Pillow's decoders raise OSError, SyntaxError, ValueError, struct.error and more
            return f"{path_of(item)}: {str(error).strip() or type(error).__name__}"

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        results = list(pool.map(tried, items))
    failed = [result for result in results if isinstance(result, str)]
    if failed:
        more = f", and {len(failed) - SHOWN} more" if len(failed) > SHOWN else ""
        raise DataError(
            f"{len(failed)} of {len(items)} images cannot be read ({'; '.join(failed[:SHOWN])}{more}); "
            "mend or remove them"
        )
    return results  # type: ignore[return-value]  # none of them is an error
