"""Ctrl-C: how often it was pressed, and while a search is being finished."""

from __future__ import annotations

import signal

import pytest

from automl.interrupts import Presses, finishing, taken


def test_the_first_interrupt_is_ignored_and_the_second_is_not() -> None:
    with finishing():
        signal.raise_signal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)


def test_afterwards_an_interrupt_is_one_again() -> None:
    with finishing():
        pass
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)


def test_presses_are_counted_and_told_and_forgotten_afterwards() -> None:
    told: list[int] = []
    before = signal.getsignal(signal.SIGINT)
    with Presses(told.append) as presses:
        for _ in range(2):
            with pytest.raises(KeyboardInterrupt):
                signal.raise_signal(signal.SIGINT)
    assert (presses.count, told) == (2, [1, 2])
    assert signal.getsignal(signal.SIGINT) is before


def test_an_interrupt_that_is_taken_raises_nothing_and_is_told_to_the_handler_before() -> None:
    told: list[int] = []
    counts: list[int] = []
    with Presses(told.append) as presses:
        with taken(counts.append):
            for _ in range(3):
                signal.raise_signal(signal.SIGINT)
        assert counts == told == [1, 2, 3]
        assert presses.count == 3
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
