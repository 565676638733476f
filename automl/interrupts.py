"""Ctrl-C while a search that was not interrupted is being finished."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def finishing() -> Iterator[None]:
    """The first Ctrl-C is ignored, since what it asks for is being done; the second does what it always does."""
    if threading.current_thread() is not threading.main_thread():  # only there can it arrive
        yield
        return
    before = signal.getsignal(signal.SIGINT)

    def press(number: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGINT, before)

    signal.signal(signal.SIGINT, press)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
