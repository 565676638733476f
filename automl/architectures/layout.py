"""The layers of a family's network as a plan, so that weights can be handed on as between genotypes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from automl.genotypes.plan import Plan


@dataclass(frozen=True)
class Layout:
    """What a network is made of.

    Attributes
    ----------
    plan: its steps; the parts of hidden layer or block i are called `layer<i>.…`. A norm of any kind is a "norm", any
        activation a "relu".
    modules: name of each step with weights → path of its module in the network.
    style: what must be equal where weights mean the same: activation, norm and the like.
    widths: of the hidden layers, or of the groups of blocks.
    """

    plan: Plan
    modules: Mapping[str, str]
    style: tuple[Any, ...]
    widths: tuple[int, ...]
