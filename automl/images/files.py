"""Images in files: which there are in a folder, what each is, and its pixels."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from numpy.typing import NDArray

from automl.errors import DataError

if TYPE_CHECKING:
    from PIL.Image import Image

ENDINGS = frozenset({".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"})
PARTS = frozenset({"test", "testing", "train", "training", "val", "valid", "validation"})
"""Names of folders that hold a part of a data set each, and no class."""
GRAY_MODES = frozenset({"1", "L", "LA", "La", "I", "I;16", "I;16B", "I;16L"})
"""Pillow's names of what has one channel, beside transparency."""
ORIENTATION, LYING = 0x0112, frozenset({5, 6, 7, 8})
"""Number of EXIF's note of how a camera was held, and its values where height and width are exchanged."""
SHOWN = 5
"""Files that a message names."""
_Out = TypeVar("_Out")


@dataclass(frozen=True)
class Header:
    """What a picture is before it is decoded.

    Attributes
    ----------
    height, width: in pixels, as it is looked at. colour: whether it has more than one channel. alpha: whether it has
        transparency.
    """

    height: int
    width: int
    colour: bool
    alpha: bool


def class_folders(folder: Path) -> tuple[list[Path], list[str]]:
    """The images of a folder that holds a subfolder for each class, and the class of each: sorted by both.

    Files that are no images or lie in no subfolder are left out, with a warning; hidden ones without.

    Raises
    ------
    DataError: there is no such folder, it has no subfolders, these are the parts of a data set rather than classes, or
    one of them holds no image.
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: there is no such folder; give one that holds a subfolder of images for each class")
    inside = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    classes = [path for path in inside if path.is_dir()]
    if not classes:
        raise DataError(f"{folder} holds no subfolders; put the images of each class into one that is called as it is")
    if len(classes) > 1 and all(path.name.lower() in PARTS for path in classes):
        names = " and ".join(path.name for path in classes)
        raise DataError(f"{folder} holds {names}, parts of a data set and no classes; give one of them, {classes[0]}")
    paths: list[Path] = []
    labels: list[str] = []
    left_out = [path for path in inside if not path.is_dir()]
    for each in classes:
        found, others = _sorted_out(each)
        paths += found
        labels += [each.name] * len(found)
        left_out += others
    _tell(left_out, folder)
    return paths, labels


def images_in(folder: Path) -> list[Path]:
    """All images in a folder and the folders in it, sorted; told by the endings of their names.

    Other files are left out, with a warning; hidden ones without.

    Raises
    ------
    DataError: there is no such folder, or no image in it.
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: there is no such file or folder; give an image or a folder of images")
    found, others = _sorted_out(folder)
    _tell(others, folder)
    return found


def _sorted_out(folder: Path) -> tuple[list[Path], list[Path]]:
    """The images in a folder and below, sorted, and what else lies there; nothing hidden."""
    images: list[Path] = []
    others: list[Path] = []
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not any(part.startswith(".") for part in path.relative_to(folder).parts):
            (images if path.suffix.lower() in ENDINGS else others).append(path)
    if not images:
        raise DataError(
            f"{folder} holds no image; put some there, with a name ending in {', '.join(sorted(ENDINGS))}, or remove it"
        )
    return images, others


def _tell(left_out: Sequence[Path], folder: Path) -> None:
    if left_out:
        named = ", ".join(str(path.relative_to(folder)) for path in left_out[:SHOWN])
        more = ", …" if len(left_out) > SHOWN else ""
        warnings.warn(
            f"{len(left_out)} files of {folder} are left out: by their names they are no images, or they lie in the "
            f"folder of no class ({named}{more})",
            stacklevel=3,
        )


def is_picture(item: object) -> bool:
    """Whether it is an image of Pillow's."""
    from PIL.Image import Image

    return isinstance(item, Image)


def headers(pictures: Sequence[Path | Image]) -> list[Header]:
    """What each picture is, in a file or in memory; DataError names those files that are no images."""
    return _each(pictures, lambda place: _header(pictures[place]))


def pixels(pictures: Sequence[Path | Image], channels: int, size: tuple[int, int]) -> NDArray[np.uint8]:
    """(n, channels, height, width) of pictures, upright, converted to so many channels (1 or 3) and resized.

    Transparent parts are laid on white.

    Raises
    ------
    DataError: names the files that cannot be decoded, up to five, and counts them.
    """
    out = np.empty((len(pictures), channels, *size), dtype=np.uint8)

    def read(place: int) -> None:
        from PIL import ImageOps

        with _opened(pictures[place]) as image:
            image.draft(None, (2 * max(size), 2 * max(size)))  # JPEGs of many more pixels are decoded at a part of them
            if "exif" in image.info:
                ImageOps.exif_transpose(image, in_place=True)
            out[place] = as_planes(converted(image, channels), size)

    _each(pictures, read)
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


def _header(picture: Path | Image) -> Header:
    with _opened(picture) as image:
        height, width = image.height, image.width
        if "exif" in image.info and image.getexif().get(ORIENTATION) in LYING:
            height, width = width, height
        return Header(height, width, image.mode not in GRAY_MODES, _has_alpha(image))


def _opened(picture: Path | Image) -> Image:
    from PIL import Image as pillow

    if not isinstance(picture, Path):
        return picture.copy()
    if not picture.is_file():
        raise FileNotFoundError("there is no such file")
    return pillow.open(picture)


def _each(pictures: Sequence[Path | Image], work: Callable[[int], _Out]) -> list[_Out]:
    """The results for all places, by a thread a core; DataError names the pictures of those that fail."""

    def tried(place: int) -> _Out | str:
        try:
            return work(place)
        except Exception as error:  # Pillow's decoders raise OSError, SyntaxError, ValueError, struct.error and more
            picture = pictures[place]
            name = str(picture) if isinstance(picture, Path) else f"number {place}"
            return f"{name}: {str(error).strip() or type(error).__name__}"

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        results = list(pool.map(tried, range(len(pictures))))
    failed = [result for result in results if isinstance(result, str)]
    if failed:
        more = f", and {len(failed) - SHOWN} more" if len(failed) > SHOWN else ""
        raise DataError(
            f"{len(failed)} of {len(pictures)} images cannot be read ({'; '.join(failed[:SHOWN])}{more}); "
            "mend or remove them"
        )
    return results  # type: ignore[return-value]  # none of them is an error
