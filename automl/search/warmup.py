"""Warm-up: the configurations that a cheap score likes best are tried first, whatever the method.

Abdelfattah et al. (2021), "Zero-Cost Proxies for Lightweight NAS", arXiv:2101.08134, section 4. What it returns is the
`initial` of `optimize` and of the catalogue's `build`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from automl.errors import SettingError
from automl.genotypes.spaces import decode
from automl.search.draw import sample
from automl.search.trial import config_key

if TYPE_CHECKING:
    from ConfigSpace import ConfigurationSpace


def warm_up(
    space: ConfigurationSpace, score: Callable[[Any], float], *, candidates: int = 100, keep: int = 10, seed: int = 0
) -> tuple[dict[str, Any], ...]:
    """The best of random configurations by the score of their architectures, the best first.

    Parameters
    ----------
    space: of `automl.genotypes.spaces.joined`.
    score: of a genotype, greater is better, such as `automl.genotypes.proxies.proxy("synflow", …)`. What cannot be
        scored (NaN) comes last.
    candidates, keep: configurations drawn, and returned; 1 <= keep <= candidates.
    """
    if not 1 <= keep <= candidates:
        raise SettingError(f"keep is {keep!r} of {candidates!r} candidates; it must be at least 1 and at most all")
    rng = np.random.default_rng(seed)
    drawn = {config_key(config): config for config in (sample(space, rng) for _ in range(candidates))}
    configs = list(drawn.values())
    scores = np.nan_to_num([score(decode(space, config)[0]) for config in configs], nan=-np.inf, neginf=-np.inf)
    return tuple(configs[i] for i in np.argsort(-scores, kind="stable")[:keep])
