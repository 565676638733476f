"""How a process is ended, or is not: Ctrl-C, SIGTERM, and the death of its parent."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from types import FrameType

STDIN = 0


class Presses:
    """Counts how often Ctrl-C was pressed while it is entered. The first one ends a search with what it found.

    Parameters
    ----------
    told: called with the count at every press.
    """

    def __init__(self, told: Callable[[int], None] = lambda count: None) -> None:
        self.count = 0
        self._told = told

    def __enter__(self) -> Presses:
        if threading.current_thread() is threading.main_thread():  # only there can it arrive
            self._before = signal.signal(signal.SIGINT, self._press)
        return self

    def __exit__(self, *_: object) -> None:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGINT, self._before)

    def _press(self, _number: int, _frame: FrameType | None) -> None:
        self.count += 1
        self._told(self.count)
        raise KeyboardInterrupt


@contextmanager
def taken(act: Callable[[int], None]) -> Iterator[None]:
    """Ctrl-C calls `act` with the number of presses so far instead of raising; a handler that was there is called too.

    For code that waits for threads: KeyboardInterrupt, raised inside one of their locks, would leave it locked.
    """
    if threading.current_thread() is not threading.main_thread():  # only there can it arrive
        yield
        return
    before, count = signal.getsignal(signal.SIGINT), 0

    def press(number: int, frame: FrameType | None) -> None:
        nonlocal count
        count += 1
        if callable(before):
            with suppress(KeyboardInterrupt):
                before(number, frame)
        act(count)

    signal.signal(signal.SIGINT, press)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def terminations() -> Iterator[Sequence[int]]:
    """SIGTERM does not end the process, but adds its number to what is given."""
    noted: list[int] = []
    if threading.current_thread() is not threading.main_thread():  # only there can it arrive
        yield noted
        return
    before = signal.signal(signal.SIGTERM, lambda number, frame: noted.append(number))
    try:
        yield noted
    finally:
        signal.signal(signal.SIGTERM, before)


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


def end_with_parent(first: Callable[[], None] = lambda: None) -> None:
    """Have this process end when its standard input does: the parent holds the other end of it, and is gone then.

    Parameters
    ----------
    first: called before.
    """

    def watch() -> None:
        while os.read(STDIN, 4096):
            pass
        first()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
