"""Any configuration of a published space is built and trained."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from small_tasks import make_task

from automl.architectures.catalogue import family
from automl.architectures.family import native
from automl.evaluation.fidelity import Resources
from automl.evaluation.fit_networks import fit_networks
from automl.search.trial import Proposal, Trial
from automl.settings import space_settings
from automl.space import FAMILY, joint_space

WIDEST = 24
ONE_EPOCH = Resources(epochs=1e-6)


def narrow(config: dict[str, Any]) -> dict[str, Any]:
    """The configuration with layers that a test has time for."""
    return {name: min(v, WIDEST) if "units" in name or "output_dim" in name else v for name, v in config.items()}


@pytest.mark.parametrize("name", ["autonet-1", "autonet-2", "autopytorch", "cocktails"])
def test_the_default_and_30_random_configurations_train_for_an_epoch(name: str) -> None:
    settings, task = space_settings(name), make_task(resampling=0.3)
    families = {each: family(each) for each in settings.families}
    space = joint_space(list(families.values()), parts=settings.spaces(), seed=0)
    seen = set()
    for number, drawn in enumerate([space.get_default_configuration(), *space.sample_configuration(30)]):
        config = narrow(native(dict(drawn)))
        seen.add(config[FAMILY])
        trial = Trial(number, Proposal(config, 1.0), seed=number)
        fitted = fit_networks(
            task, families[config[FAMILY]], trial, ONE_EPOCH, epochs=9, checkpoint=None, deadline=None, device="cpu"
        )
        assert len(fitted.curve) == 1, config
        for probabilities in fitted.predictions:
            assert probabilities.shape == (27, 3), config
            assert np.isfinite(probabilities).all(), config
    assert seen == set(families)
