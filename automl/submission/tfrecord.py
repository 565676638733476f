"""TFRecord files of SequenceExamples without TensorFlow: the few wire types of Protocol Buffers that occur there.

A record is a length (u64), its checksum (u32), the payload and its checksum. Checksums are not verified.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from automl.errors import DataError

VARINT, EIGHT, BYTES, FOUR = 0, 1, 2, 5
"""Wire types."""
FEATURE_BYTES, FEATURE_FLOATS = 1, 2
"""Fields of a Feature; the third holds integers."""
Feature = list[bytes] | np.ndarray


@dataclass(frozen=True)
class Example:
    """A SequenceExample: features of the whole, and lists of features, one a step."""

    context: dict[str, Feature]
    steps: dict[str, list[Feature]]


def read_examples(path: Path) -> Iterator[Example]:
    """The examples of a file, in their order.

    Raises
    ------
    DataError: the file ends within a record, or a record is no SequenceExample.
    """
    with path.open("rb") as stream:
        while head := stream.read(12):
            if len(head) < 12:
                raise DataError(f"{path} ends within a record; copy it again")
            (length,) = struct.unpack("<Q", head[:8])
            payload = stream.read(length)
            if len(payload) < length or len(stream.read(4)) < 4:
                raise DataError(f"{path} ends within a record; copy it again")
            try:
                yield _example(payload)
            except (IndexError, struct.error, ValueError, UnicodeDecodeError) as error:
                raise DataError(f"{path} holds a record that is no SequenceExample ({error}); convert it") from error


def _example(payload: bytes) -> Example:
    context: dict[str, Feature] = {}
    steps: dict[str, list[Feature]] = {}
    for number, value in _fields(payload):
        if number == 1:
            context |= {name: _feature(body) for name, body in _map(value)}
        elif number == 2:
            steps |= {name: [_feature(body) for k, body in _fields(listed) if k == 1] for name, listed in _map(value)}
    return Example(context, steps)


def _map(message: Any) -> Iterator[tuple[str, bytes]]:
    """Entries of a map field: key and value."""
    for _, entry in _fields(message):
        parts = dict(_fields(entry))
        yield bytes(parts[1]).decode(), parts.get(2, b"")


def _feature(message: Any) -> Feature:
    for number, listed in _fields(message):
        values = list(_fields(listed))
        if number == FEATURE_BYTES:
            return [bytes(value) for _, value in values]
        if number == FEATURE_FLOATS:
            return np.concatenate([np.frombuffer(v, dtype="<f4") for _, v in values] or [np.empty(0, np.float32)])
        whole = [n for _, v in values for n in (_varints(v) if isinstance(v, bytes) else [v])]
        return np.array(whole, dtype=np.uint64).astype(np.int64)
    return np.empty(0)


def _fields(message: bytes) -> Iterator[tuple[int, Any]]:
    """Number and content of each field: an integer, or bytes."""
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        kind = key & 7
        if kind == VARINT:
            value, at = _varint(message, at)
            yield key >> 3, value
            continue
        if kind == BYTES:
            length, at = _varint(message, at)
        elif kind in (EIGHT, FOUR):
            length = 8 if kind == EIGHT else 4
        else:
            raise ValueError(f"unknown wire type {kind}")
        if at + length > len(message):
            raise ValueError("a field is longer than its message")
        yield key >> 3, message[at : at + length]
        at += length


def _varint(message: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[at]
        value, at, shift = value | (byte & 0x7F) << shift, at + 1, shift + 7
        if byte < 0x80:
            return value, at


def _varints(packed: bytes) -> Iterator[int]:
    at = 0
    while at < len(packed):
        value, at = _varint(packed, at)
        yield value


def picture(content: bytes) -> np.ndarray:
    """(rows, columns, channels) float32 in [0, 1] of a JPEG or PNG file.

    Raises
    ------
    DataError: Pillow is missing, or the content is no picture.
    """
    try:
        from PIL import Image
    except ImportError as error:
        raise DataError("reading pictures needs Pillow; install it: pip install pillow") from error
    try:
        with Image.open(io.BytesIO(content)) as image:
            grey = image.mode in ("1", "L", "I", "I;16", "F")
            array = np.asarray(image.convert("L" if grey else "RGB"), dtype=np.float32) / 255
    except OSError as error:
        raise DataError(f"a record holds what is no picture ({error})") from error
    return array[:, :, None] if array.ndim == 2 else array


def count_records(path: Path) -> int:
    """Records of a file, without reading them."""
    count, size = 0, path.stat().st_size
    with path.open("rb") as stream:
        while stream.tell() + 12 <= size:
            (length,) = struct.unpack("<Q", stream.read(12)[:8])
            stream.seek(length + 4, io.SEEK_CUR)
            count += stream.tell() <= size
    return count
