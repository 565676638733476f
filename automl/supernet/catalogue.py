"""The ways to find architectures over shared weights, by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

from automl.errors import unknown

if TYPE_CHECKING:
    from automl.supernet.found import Method


def _darts() -> Method:
    from automl.supernet.methods.darts import Darts

    return Darts()


def _second() -> Method:
    from automl.supernet.methods.darts import Darts

    return Darts(order=2)


def _enas() -> Method:
    from automl.supernet.methods.enas import ENAS

    return ENAS()


def _random() -> Method:
    from automl.supernet.methods.random_sharing import RandomSharing

    return RandomSharing()


def _spos() -> Method:
    from automl.supernet.methods.spos import SPOS

    return SPOS()


ONE_SHOT: Mapping[str, tuple[Callable[[], Method], str]] = MappingProxyType(
    {
        "darts": (
            _darts,
            "Weights of operations by gradient (Liu, Simonyan & Yang 2019), helped as in DARTS- (Chu et al. 2021)",
        ),
        "darts-2": (
            _second,
            "DARTS of second order (Liu, Simonyan & Yang 2019), helped as in DARTS- (Chu et al. 2021)",
        ),
        "enas": (_enas, "A controller and shared weights in turn (Pham et al. 2018)"),
        "random-sharing": (_random, "Random search with shared weights (Li & Talwalkar 2019)"),
        "spos": (_spos, "Single path one-shot: evolution over shared weights (Guo et al. 2020)"),
    }
)
"""Name → what makes the method, and one line with the paper. torch is imported when it is made."""


def one_shot(name: str) -> Method:
    """The method of a name; SettingError names the nearest one if there is none."""
    if name not in ONE_SHOT:
        raise unknown("one-shot method", name, ONE_SHOT)
    return ONE_SHOT[name][0]()
