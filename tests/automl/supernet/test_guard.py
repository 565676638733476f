"""When the search over weights of operations is stopped, and what is taken then."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from unittest import mock

import numpy as np
import pytest
import torch
from small_images import EDGE_CELLS, digits, layout

from automl.errors import SettingError
from automl.supernet.found import Epoch
from automl.supernet.guard import Guard
from automl.supernet.layout import skips
from automl.supernet.methods.darts import Darts, mixture, ranked, shares
from automl.supernet.network import Supernet
from automl.supernet.search import search


def course(skip_counts: list[int], eigenvalues: list[float] | None = None) -> list[Epoch]:
    values = eigenvalues or [float("nan")] * len(skip_counts)
    return [Epoch(1.0, skips=n, eigenvalue=v) for n, v in zip(skip_counts, values, strict=True)]


def test_one_skip_too_many_takes_the_epoch_before() -> None:
    guard = Guard(most_skips=2)
    assert guard.last_good(course([0, 1, 2]), 0.6) is None
    assert guard.last_good(course([0, 1, 2, 3]), 0.6) == 3
    assert Guard(most_skips=None).last_good(course([6, 6]), 0.6) is None


def test_skips_do_not_stop_a_search_that_has_just_begun() -> None:
    assert Guard().last_good(course([0, 3]), 0.2) is None
    assert Guard(since=0.1).last_good(course([0, 3]), 0.2) == 1


def test_a_risen_curvature_takes_the_epoch_before_the_rise() -> None:
    guard = Guard(most_skips=None, fall=0.75, window=2)
    assert guard.last_good(course([0] * 4, [1.0, 1.0, 1.3, 1.3]), 1.0) is None  # 1 / 1.3 = 0.77
    assert guard.last_good(course([0] * 4, [1.0, 1.0, 1.4, 1.4]), 1.0) == 2  # 1 / 1.4 = 0.71
    assert guard.last_good(course([0] * 3, [1.0, 9.0, 9.0]), 1.0) is None  # not two windows yet


def test_the_weakest_skips_give_way_to_the_next_operation() -> None:
    made = layout("edge_cell")
    values = np.tile([0.1, 0.4, 0.1, 0.3, 0.1], (6, 1))
    values[1] = [0.1, 0.5, 0.05, 0.05, 0.3]
    values[4] = [0.1, 0.6, 0.05, 0.2, 0.05]
    collapsed = ranked(made, values, keep=1, most_skips=6)[0].genotype
    guarded = ranked(made, values, keep=1, most_skips=2)[0].genotype
    assert collapsed.edges == ("skip_connect",) * 6
    assert guarded.edges == ("conv_3x3", "skip_connect", "conv_3x3", "conv_3x3", "skip_connect", "conv_3x3")


def test_the_derived_cell_comes_first_then_the_likeliest_that_differ_from_it() -> None:
    made, rng = layout("edge_cell"), np.random.default_rng(0)
    values = rng.dirichlet(np.ones(5), size=6)
    found = ranked(made, values, keep=5, most_skips=6)
    assert found[0].genotype == made.genotype(made.derived(values))
    assert found[0].loss == pytest.approx(-np.log(values[:, 1:].max(1)).sum())
    losses = [candidate.loss for candidate in found]
    assert losses == sorted(losses)
    for other in found[1:]:
        assert sum(a != b for a, b in zip(other.genotype.edges, found[0].genotype.edges, strict=True)) == 1
    assert all(len(skips(made, made.choices(c.genotype))) <= 6 for c in found)


def test_looking_at_the_curvature_changes_nothing_and_a_guard_bounds_the_skips() -> None:
    given = {"epochs": 2, "filters": 2, "keep": 3}
    plain, looked, strict = (
        search(*digits(128), EDGE_CELLS, method=Darts(guard=guard), **given)  # type: ignore[arg-type]
        for guard in (None, Guard(most_skips=None, fall=0.75), Guard(most_skips=0, since=0.0))
    )
    assert looked.candidates == plain.candidates
    assert np.isnan([epoch.eigenvalue for epoch in plain.epochs]).all()
    assert np.isfinite([epoch.eigenvalue for epoch in looked.epochs]).all()
    assert [epoch.training for epoch in looked.epochs] == [epoch.training for epoch in plain.epochs]
    assert all(genotype.operations["skip_connect"] == 0 for genotype in strict.genotypes)


def test_a_search_that_is_stopped_gives_what_the_guard_says_was_good() -> None:
    @dataclass(frozen=True)
    class Second(Guard):
        """Stops after two epochs, for what was there after the first."""

        def last_good(self, epochs: Sequence[Epoch], spent: float) -> int | None:
            return 1 if len(epochs) == 2 else None

    course = []

    def recorded(alpha: torch.Tensor) -> np.ndarray:
        course.append(shares(alpha))
        return course[-1]

    with mock.patch("automl.supernet.methods.darts.shares", recorded):
        method = Darts(guard=Second(most_skips=None), rate=0.3)
        found = search(*digits(128), EDGE_CELLS, method=method, epochs=5, filters=2, keep=1)
    assert len(found.epochs) == 2
    after_first, after_second = course[2], course[4]  # each is seen, then kept; the first of all is the beginning
    made = layout("edge_cell")
    assert found.candidates[0].loss == ranked(made, after_first, keep=1, most_skips=6)[0].loss
    assert found.candidates[0].loss != ranked(made, after_second, keep=1, most_skips=6)[0].loss


def test_an_auxiliary_skip_connection_adds_what_a_node_is_fed() -> None:
    made = layout("edge_cell")
    supernet = Supernet(made)
    alpha = torch.randn(len(made.edges), len(made.operations))
    weights = mixture(supernet, alpha, 0.5)
    assert torch.equal(mixture(supernet, alpha, 0.0), alpha.softmax(-1))
    at = made.operations.index("skip_connect")
    assert torch.allclose(weights[:, at], alpha.softmax(-1)[:, at] + 0.5)
    others = [i for i in range(len(made.operations)) if i != at]
    assert torch.equal(weights[:, others], alpha.softmax(-1)[:, others])


def test_the_help_of_skip_connections_has_gone_when_the_search_ends() -> None:
    with pytest.raises(SettingError, match="auxiliary is -1"):
        Darts(auxiliary=-1)
    totals = []

    class Watched(Supernet):
        def mixed(self, images: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
            totals.append(float(weights.detach().sum(1).mean()))
            return super().mixed(images, weights)

    with mock.patch("automl.supernet.methods.darts.Supernet", Watched):
        search(*digits(256), EDGE_CELLS, method=Darts(guard=None), epochs=2, filters=2)
    # Two epochs of two steps, each seen by the choices and by the weights, and a look after each epoch.
    assert totals == pytest.approx([2.0, 2.0, 1.75, 1.75, 1.5, 1.5, 1.5, 1.25, 1.25, 1.0])


@pytest.mark.parametrize("values", [{"most_skips": -1}, {"fall": 1.5}, {"window": 0}, {"since": 1.0}])
def test_a_guard_outside_its_bounds_is_refused(values: dict[str, float]) -> None:
    with pytest.raises(SettingError, match="must be"):
        Guard(**values)  # type: ignore[arg-type]
