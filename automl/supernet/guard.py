"""When a search over weights of operations is stopped, before all that is left are skip connections.

Skip connections help the other operations to learn, and so gain weight the longer the search lasts. Liang et al.
(2019), "DARTS+", arXiv:1909.06035: stop when the normal cell has more than two of them; here not before operations with
weights have learned something, since such an early stop leaves pools. Zela et al. (2020),
"Understanding and Robustifying Differentiable Architecture Search", ICLR, arXiv:1909.09656, section 4.3: stop when the
curvature of the validation loss by the weights of operations has risen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from automl.errors import SettingError
from automl.supernet.found import Epoch


@dataclass(frozen=True)
class Guard:
    """A rule that stops a search.

    Attributes
    ----------
    most_skips: skip connections that the derived cell may have, >= 0; None to count none.
    since: share of the budget, in [0, 1), before which they do not stop the search.
    fall: the search stops when the mean eigenvalue of `window` epochs, divided by the one `window` epochs later, falls
        below this (0.75 and 5 in the paper); None does not look at the curvature, which about doubles the time.
    """

    most_skips: int | None = 2
    since: float = 0.5
    fall: float | None = None
    window: int = 5

    def __post_init__(self) -> None:
        if self.most_skips is not None and self.most_skips < 0:
            raise SettingError(f"most_skips is {self.most_skips!r}; it must be at least 0, or None to count none")
        if not 0 <= self.since < 1:
            raise SettingError(f"since is {self.since!r}; it must be in [0, 1): a share of the budget")
        if self.fall is not None and not 0 < self.fall < 1:
            raise SettingError(f"fall is {self.fall!r}; it must be in (0, 1), such as 0.75, or None")
        if self.window < 1:
            raise SettingError(f"window is {self.window!r}; it must be at least 1")

    def last_good(self, epochs: Sequence[Epoch], spent: float) -> int | None:
        """Epochs, from the first, after which the weights of operations are to be taken; None to go on.

        Parameters
        ----------
        spent: share of the budget after these epochs.
        """
        if self.most_skips is not None and spent > self.since and epochs and epochs[-1].skips > self.most_skips:
            return len(epochs) - 1
        if self.fall is not None and len(epochs) >= 2 * self.window:
            values = np.array([epoch.eigenvalue for epoch in epochs])
            now, before = values[-self.window :].mean(), values[-2 * self.window : -self.window].mean()
            if now > 0 and before / now < self.fall:
                return len(epochs) - self.window
        return None
