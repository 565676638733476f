"""Images of any make as one array of bytes. Fitted once, without looking at y."""

from __future__ import annotations

import os
import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from automl.errors import ArtefactError, DataError, SettingError
from automl.images.files import Header, as_planes, headers, images_in, is_picture, pixels
from automl.preprocessing.columns import Arrays

MOST_CHANNELS = 4
"""Beyond which what is last in a shape is taken for a width, where what is second could be channels."""
MOST_SIDE = 64
"""Pixels of the longer side to which larger images are shrunk, unless a size is asked for: what CPUs train on."""
OTHER_RANGE = 0.5
"""Share of the range of the images of `fit` by which others may lie beyond it before a warning."""
NUMBERS_AT_ONCE = 2**22
"""Numbers that are converted at once: what that needs in between must not grow with the images."""
FORMAT = 1

Images = Any
"""Array (n, height, width, channels), or a list of single images (height, width, channels), or a list of pictures,
which are paths or Pillow's."""


def checked_images(X: Any) -> Images:
    """X as one array, as a list of arrays where sizes differ, or as a list of pictures.

    Parameters
    ----------
    X: array (n, height, width) or (n, height, width, channels); a sequence of single images, arrays or Pillow's; a
        sequence of paths, also as the only column of a frame; the path of one image; or a folder, all of whose images
        are meant, sorted.

    Raises
    ------
    DataError: it is none of these, or holds what is no number; the message has the shape and the cure.
    """
    if isinstance(X, str | os.PathLike):
        place = Path(X)
        return [place] if place.is_file() else list(images_in(place))
    if hasattr(X, "iloc"):
        X = _only_column(X)
    if isinstance(X, np.ndarray) and X.dtype != object and X.dtype.kind not in "US":
        return _checked_array(X)
    items = list(X) if hasattr(X, "__iter__") else None
    if not items:
        raise DataError(f"X holds no images: {type(X).__name__}; give an array (n, height, width[, channels]) or paths")
    pictures = [isinstance(item, str | os.PathLike) or is_picture(item) for item in items]
    if all(pictures):
        return [item if is_picture(item) else Path(item) for item in items]
    if any(pictures):
        raise DataError("X holds paths or pictures beside other things; give these or arrays")
    arrays = [np.asarray(item) for item in items]
    if len({array.shape for array in arrays}) == 1:
        return _checked_array(np.stack(arrays))
    return [_checked_image(array, place) for place, array in enumerate(arrays)]


def _only_column(frame: Any) -> list[Any]:
    if frame.ndim == 2 and frame.shape[1] != 1:
        raise DataError(
            f"X is a table of {frame.shape[1]} columns; give the paths of images as one, or use AutoNetClassifier"
        )
    return list(frame.iloc[:, 0] if frame.ndim == 2 else frame)


def _checked_array(X: NDArray[Any]) -> NDArray[Any]:
    """(n, height, width, channels) of numbers."""
    cure = "give images (n, height, width) or (n, height, width, channels)"
    if X.ndim == 2:
        raise DataError(
            f"X has the shape {X.shape}, rows of a table or one image; {cure}, such as X.reshape(-1, 8, 8) or X[None], "
            "or use AutoNetClassifier"
        )
    if X.ndim not in (3, 4) or 0 in X.shape:
        raise DataError(f"X has the shape {X.shape}; {cure}")
    if X.ndim == 4 and X.shape[1] <= MOST_CHANNELS < X.shape[3]:
        raise DataError(f"X has the shape {X.shape}, with the channels first; {cure}: X.transpose(0, 2, 3, 1)")
    _check_numbers(X)
    return X[..., None] if X.ndim == 3 else X


def _checked_image(array: NDArray[Any], place: int) -> NDArray[Any]:
    """(height, width, channels) of numbers; `place` is the image's among others of other shapes."""
    if array.ndim not in (2, 3) or 0 in array.shape:
        raise DataError(
            f"image {place} of X has the shape {array.shape}; give each as (height, width) or (height, width, channels)"
        )
    _check_numbers(array[None], place)
    return array[..., None] if array.ndim == 2 else array


def _check_numbers(X: NDArray[Any], first: int = 0) -> None:
    """Refuse what is no number; `first` is the place of the first of the images."""
    if X.dtype.kind not in "buif":
        raise DataError(f"X holds {X.dtype}, which are no pixels; give whole or floating-point numbers")
    if X.dtype.kind == "f" and not np.isfinite(X).all():
        bad = first + np.flatnonzero(~np.isfinite(X).reshape(len(X), -1).all(axis=1))
        raise DataError(f"Input X contains NaN or infinity, in {len(bad)} images, first in number {bad[0]}; mend them")


@dataclass(frozen=True)
class ImageEncoder:
    """Images → `Arrays` with bytes (n, channels, height, width).

    Bytes stay as they are. Other numbers are spread so that the range of the images of `fit` becomes 0 to 255.

    Attributes
    ----------
    image: channels, height and width.
    low, high: numbers that become 0 and 255.

    Examples
    --------
    >>> faces = np.arange(16.0).reshape(1, 4, 4)
    >>> encoder = ImageEncoder.fit(checked_images(faces))
    >>> encoder.image, encoder.transform(checked_images(faces)).images[0, 0, 3].tolist()
    ((1, 4, 4), [204, 221, 238, 255])
    """

    image: tuple[int, int, int]
    low: float
    high: float
    levels: ClassVar[tuple[int, ...]] = ()
    """Of categorical columns, of which images have none."""

    @classmethod
    def fit(cls, X: Images, size: Any = None) -> ImageEncoder:
        """Learn channels, size and range.

        Parameters
        ----------
        size: side, or (height, width), of all images. None: as half of them or more are, else the medians; shrunk to a
            longer side of 64 pixels.

        Raises
        ------
        DataError: images with different numbers of channels in arrays. SettingError: no size.
        """
        found = _facts(X)
        size = _size(size) or _usual_size([(h.height, h.width) for h in found])
        if _are_pictures(X):
            return cls((3 if any(h.colour for h in found) else 1, *size), 0.0, 255.0)
        channels = Counter(array.shape[-1] for array in X)
        if len(channels) > 1:
            raise DataError(
                f"images have {' and '.join(f'{n} channels ({k} images)' for n, k in channels.most_common())}; "
                "give all the same number"
            )
        low, high = (0.0, 255.0) if _are_bytes(X) else _range(X)
        return cls((next(iter(channels)), *size), low, high)

    def transform(self, X: Images) -> Arrays:
        """The images as bytes; those of another size or number of channels are converted, with a warning.

        Raises
        ------
        DataError: names what cannot be read or converted.
        """
        channels, height, width = self.image
        found = _facts(X)
        if _are_pictures(X):
            self._tell(found, pictures=True)
            if channels not in (1, 3):
                raise DataError(
                    f"the model was fitted on images of {channels} channels; files have 1 or 3; give arrays"
                )
            return Arrays.of_images(pixels(X, channels, (height, width)))
        for place, array in enumerate(X):
            if array.shape[-1] != channels:
                raise DataError(
                    f"image {place} has {array.shape[-1]} channels, the model was fitted on {channels}; give as many"
                )
        self._tell(found, pictures=False)
        self._tell_range(X)
        out = np.empty((len(X), *self.image), dtype=np.uint8)
        if isinstance(X, np.ndarray) and X.shape[1:3] == (height, width):
            at_once = max(1, NUMBERS_AT_ONCE // X[0].size)
            for first in range(0, len(X), at_once):
                part = slice(first, first + at_once)
                out[part] = self._bytes(X[part]).transpose(0, 3, 1, 2)
        else:
            for place, array in enumerate(X):
                out[place] = _resized(self._bytes(array), (height, width))
        return Arrays.of_images(out)

    def _bytes(self, values: NDArray[Any]) -> NDArray[np.uint8]:
        if values.dtype == np.uint8 and (self.low, self.high) == (0.0, 255.0):
            return values
        share = (values.astype(np.float64) - self.low) / ((self.high - self.low) or 1.0)
        return np.round(np.clip(share, 0, 1) * 255).astype(np.uint8)

    def _tell_range(self, X: Sequence[NDArray[Any]] | NDArray[Any]) -> None:
        """Warn of numbers that can hardly mean what those of `fit` did, such as 0 to 1 after 0 to 255."""
        if _are_bytes(X) and (self.low, self.high) == (0.0, 255.0):
            return
        (low, high), span = _range(X), self.high - self.low
        beyond = max(self.low - low, high - self.high) > OTHER_RANGE * span
        if beyond or 0 < OTHER_RANGE * (high - low) < span / 255:
            warnings.warn(
                f"X holds numbers from {low:g} to {high:g}, the images of fit from {self.low:g} to {self.high:g}; "
                "scale them alike, or what is predicted is nearly black or white",
                stacklevel=2,
            )

    def _tell(self, found: Sequence[Header], *, pictures: bool) -> None:
        """Warn of images that are converted, with their number."""
        channels, height, width = self.image
        other = sum((h.height, h.width) != (height, width) for h in found)
        told = [f"{other} of {len(found)} images are resized to {height}×{width} pixels"] if other else []
        if pictures:
            gray, alpha = sum(not h.colour for h in found), sum(h.alpha for h in found)
            if channels == 3 and gray:
                told.append(f"{gray} are gray and become RGB")
            if channels == 1 and gray < len(found):
                told.append(f"{len(found) - gray} are coloured and become gray")
            if alpha:
                told.append(f"{alpha} are transparent and are laid on white")
        if told:
            warnings.warn(f"{', '.join(told)}; image_size chooses the size", stacklevel=2)

    def state(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        """Values that JSON can hold, and no arrays."""
        return {"format": FORMAT, "image": self.image, "low": self.low, "high": self.high}, {}

    @classmethod
    def from_state(cls, values: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> ImageEncoder:
        """The encoder of a state; ArtefactError where it is of another format."""
        if values.get("format") != FORMAT:
            raise ArtefactError(f"the images' encoder has format {values.get('format')!r}; this version reads {FORMAT}")
        channels, height, width = values["image"]
        return cls((channels, height, width), values["low"], values["high"])


def _are_pictures(X: Images) -> bool:
    return not isinstance(X[0], np.ndarray)


def _are_bytes(X: Images) -> bool:
    return all(array.dtype == np.uint8 for array in ([X] if isinstance(X, np.ndarray) else X))


def _facts(X: Images) -> list[Header]:
    if _are_pictures(X):
        return headers(X)
    return [Header(array.shape[0], array.shape[1], array.shape[2] > 1, False) for array in X]


def _usual_size(sizes: Sequence[tuple[int, int]]) -> tuple[int, int]:
    (height, width), count = max(Counter(sizes).items(), key=lambda item: (item[1], item[0]))
    if 2 * count < len(sizes):
        height, width = (int(np.median(sides)) for sides in zip(*sizes, strict=True))
    factor = min(1.0, MOST_SIDE / max(height, width))
    return max(1, round(factor * height)), max(1, round(factor * width))


def _size(size: Any) -> tuple[int, int] | None:
    if size is None:
        return None
    pair = (size, size) if isinstance(size, int | np.integer) else tuple(size) if isinstance(size, list | tuple) else ()
    if len(pair) != 2 or any(isinstance(n, bool) or not isinstance(n, int | np.integer) or n < 1 for n in pair):
        raise SettingError(f"image_size {size!r} must be a number of pixels, or (height, width), or None")
    return int(pair[0]), int(pair[1])


def _range(X: Sequence[NDArray[Any]] | NDArray[Any]) -> tuple[float, float]:
    if isinstance(X, np.ndarray):
        return float(X.min()), float(X.max())
    return float(min(a.min() for a in X)), float(max(a.max() for a in X))


def _resized(values: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """(height, width, channels) → (channels, *size), channel by channel."""
    from PIL import Image as pillow

    return np.concatenate([as_planes(pillow.fromarray(plane), size) for plane in np.moveaxis(values, -1, 0)])
