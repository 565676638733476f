"""The target on its way to the workers: pickled once, with its large arrays in a file that all workers map.

So a new worker has a data set of gigabytes within milliseconds, and all workers together hold it in memory once.
A worker that writes to such an array gets the pages that it writes for itself.
"""

from __future__ import annotations

import mmap
import os
import pickle
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import IO, Any

import cloudpickle
import numpy as np

Span = tuple[int, int]
"""Start and length of an array in the file, in bytes."""

LEAST = 2**16
"""Bytes from which on an array goes into the file; smaller ones are not worth pages of their own."""


DESCRIPTORS_TRAVEL = os.name == "posix"
"""Whether an open file can be handed to a worker; where it cannot, the arrays stay in the pickle."""


@dataclass(frozen=True, slots=True)
class Parcel:
    """A pickled target.

    Attributes
    ----------
    stream: the pickle, without the arrays in the file.
    file: the arrays, in an open file without a name; None if there are none.
    spans: where they lie in it.
    """

    stream: bytes
    file: IO[bytes] | None = None
    spans: tuple[Span, ...] = ()

    @property
    def descriptor(self) -> int | None:
        return None if self.file is None else self.file.fileno()

    def close(self) -> None:
        """Close the file; workers that have mapped it keep their arrays. A second call does nothing."""
        if self.file is not None:
            self.file.close()


def pack(target: Callable[..., Any]) -> Parcel:
    """Pickle the target by cloudpickle; raises whatever its parts raise."""
    if not DESCRIPTORS_TRAVEL:
        return Parcel(cloudpickle.dumps(target))
    arrays: list[memoryview] = []

    def keep_inside(buffer: pickle.PickleBuffer) -> bool:
        array = buffer.raw()
        if array.nbytes < LEAST:
            return True
        arrays.append(array)
        return False

    stream = cloudpickle.dumps(target, protocol=5, buffer_callback=keep_inside)
    if not arrays:
        return Parcel(stream)
    try:
        return Parcel(stream, *_written(arrays))
    except OSError:  # no room for temporary files: then each worker gets a copy through its connection
        return Parcel(cloudpickle.dumps(target))


def _written(arrays: Sequence[memoryview]) -> tuple[IO[bytes], tuple[Span, ...]]:
    file = tempfile.TemporaryFile(prefix="autonet-")  # noqa: SIM115 - stays open for as long as its parcel
    try:
        spans = []
        for array in arrays:
            start = -(-file.tell() // mmap.PAGESIZE) * mmap.PAGESIZE  # aligned for every type of number
            file.seek(start)
            file.write(array)
            spans.append((start, array.nbytes))
        file.flush()
    except BaseException:
        file.close()
        raise
    return file, tuple(spans)


if sys.platform != "win32":

    def unpack(stream: bytes, descriptor: int | None, spans: Sequence[Span]) -> Any:
        """The target again, in a worker; the descriptor of the arrays' file is closed."""
        if descriptor is None:
            return pickle.loads(stream)
        whole = mmap.mmap(descriptor, 0, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ | mmap.PROT_WRITE)
        os.close(descriptor)
        # Touch every page, so that the data count as what the worker held at its start, not as its trials' memory.
        np.frombuffer(whole, np.uint8)[:: mmap.PAGESIZE].max()
        view = memoryview(whole)
        return pickle.loads(stream, buffers=[view[start : start + length] for start, length in spans])

else:

    def unpack(stream: bytes, descriptor: int | None, spans: Sequence[Span]) -> Any:
        """The target again, in a worker."""
        return pickle.loads(stream)
