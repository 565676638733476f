"""Lookahead: slow weights that follow the optimiser's steps from afar (Zhang et al. 2019, arXiv:1907.08610).

After every k steps the slow weights go a share α of the way to the fast ones, which go on from there; the moments of
the optimiser are kept (algorithm 1; "maintain" in appendix B.4). What is validated are the fast weights.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from automl.training.recipe import Recipe


class Lookahead:
    """Slow weights of named parameters.

    Parameters
    ----------
    slow: weights to go on from, in the names of the parameters; empty at the start, where they are the parameters.

    Attributes
    ----------
    slow: parameter name → tensor like the parameter.
    """

    def __init__(self, parameters: Mapping[str, Tensor], recipe: Recipe, slow: Mapping[str, Tensor]) -> None:
        self.every, self.alpha = recipe.lookahead_steps, recipe.lookahead_alpha
        self.slow = {name: torch.empty_like(p, requires_grad=False) for name, p in parameters.items()}
        self._slow, self._fast = list(self.slow.values()), list(parameters.values())
        with torch.no_grad():
            torch._foreach_copy_(self._slow, [slow.get(name, p) for name, p in parameters.items()])

    @torch.no_grad()
    def after_step(self, steps: int) -> None:
        """Move both when `steps`, those taken so far, are a multiple of k."""
        if steps % self.every == 0:
            torch._foreach_lerp_(self._slow, self._fast, self.alpha)
            torch._foreach_copy_(self._fast, self._slow)
