"""Ctrl-C while a search is being finished."""

from __future__ import annotations

import signal

import pytest

from automl.interrupts import finishing


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
