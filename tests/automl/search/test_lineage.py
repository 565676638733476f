"""Lamarckian search: who inherits from whom, hill climbing by morphisms, and the front of error and size."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from simulated import SimulatedRunner, architecture_loss, architecture_space, done, mixed_space, played

from automl import AutoNetImageClassifier, optimize
from automl.architectures.catalogue import family
from automl.assemble import make_plan
from automl.errors import GenotypeError, SettingError
from automl.genotypes.spaces import ChainSpace, decode, joined
from automl.search.catalogue import METHODS, build
from automl.search.history import History
from automl.search.loop import run
from automl.search.offspring import grows, neighbours, parameters
from automl.search.pareto import draw_front, front, non_dominated
from automl.search.samplers.eas import EAS, Changes
from automl.search.samplers.nash import NASH
from automl.search.schedules.hyperband import Hyperband
from automl.search.trial import BRED_BRACKET, RUNNING, Lineage, Offspring, Proposal, Result, State, Trial
from automl.space import FAMILY, joint_space

INHERITING = [name for name, line in METHODS.items() if line.inherit]


def residual_space() -> Any:
    """Chains to which every morphism of a chain leads."""
    return joined(ChainSpace(layers=(1, 5), filters=(8, 16, 32, 64), halvings=1, dense=(0, 0), residual=True))


def bred(child: Offspring) -> Proposal:
    """As the schedule of a method that inherits asks for it."""
    return Proposal(child.config, bracket=0 if child.parent is None else BRED_BRACKET, parent=child.parent)


def size_loss(trial: Trial) -> float:
    """Least for five layers, at least four of them wide."""
    genotype, _ = decode(residual_space(), trial.config)
    wide = sum(layer.filters >= 32 or layer.residual for layer in genotype.layers)
    return float(5 - len(genotype.layers) + 4 - min(wide, 4))


@pytest.mark.parametrize("method", INHERITING)
def test_children_name_a_finished_trial_that_came_before(method: str) -> None:
    n = 20 if METHODS[method].architectures else 40
    history = played(build(method, architecture_space(), seed=1, min_share=1.0), n, architecture_loss)
    bred = [t for t in history if t.proposal.parent is not None]
    assert len(bred) >= 8
    for trial in bred:
        assert trial.proposal.parent is not None
        assert trial.proposal.parent < trial.number
        assert history[trial.proposal.parent].state is State.DONE
        assert not trial.proposal.promoted


@pytest.mark.parametrize("plain", ["evolution", "evolution-large-scale", "local"])
def test_inheriting_changes_what_is_begun_with_and_not_what_is_proposed(plain: str) -> None:
    histories = [
        played(build(method, mixed_space(), seed=2, min_share=1.0), 40) for method in (plain, f"{plain}-inherit")
    ]
    assert [t.config for t in histories[0]] == [t.config for t in histories[1]]
    assert all(t.proposal.parent is None for t in histories[0])


def test_a_mutant_differs_from_its_parent_in_one_value() -> None:
    history = played(build("evolution-inherit", mixed_space(), seed=0, min_share=1.0), 45)
    for trial in history.trials[30:]:
        assert trial.proposal.parent is not None
        before, after = history[trial.proposal.parent].config, trial.config
        assert sum(before[name] != after[name] for name in before.keys() & after.keys()) == 1


def test_children_have_seeds_of_their_own_and_promoted_trials_their_parents() -> None:
    runner = SimulatedRunner(done(architecture_loss))
    history = run(
        build("nash", architecture_space(), seed=0, min_share=1.0), runner, seed=5, history=History(), n_trials=6
    )
    assert len({t.seed for t in history}) == 6
    space = mixed_space()
    promoting = Hyperband(space, METHODS["random"].sampler(), 0, 1 / 9)
    history = run(promoting, SimulatedRunner(done()), seed=5, history=History(), n_trials=12)
    promoted = [t for t in history if t.proposal.promoted]
    assert promoted
    assert all(t.proposal.parent is not None and t.seed == history[t.proposal.parent].seed for t in promoted)


def test_an_objective_is_told_whose_weights_it_may_begin_with() -> None:
    told: list[Lineage] = []

    def objective(config: dict[str, Any], budget: float, seed: int, *, lineage: Lineage) -> float:
        told.append(lineage)
        return float(len(config))

    history = optimize(objective, architecture_space(), method="nash", n_trials=11, seed=0)
    assert [each.number for each in told] == list(range(11))
    best = min(history.trials[:8], key=lambda t: (t.loss, t.number)).number
    assert [each.parent for each in told] == [t.proposal.parent for t in history] == [*8 * [None], *3 * [best]]


# NASH


def test_nash_climbs() -> None:
    optimizer = build("nash", residual_space(), seed=0, min_share=1.0)
    history = played(optimizer, 50, size_loss)
    drawn = played(build("random", residual_space(), seed=0, min_share=1.0), 50, size_loss)
    assert history.best.loss == 0
    losses = [min(t.loss for t in history.trials[:n]) for n in (1, 9, 17, 25, 50)]
    assert losses == sorted(losses, reverse=True)
    assert np.mean([t.loss for t in history.trials[25:]]) < np.mean([t.loss for t in drawn]) - 1


def test_nash_goes_on_from_the_best_of_a_step_and_trains_its_copy_on() -> None:
    sampler = NASH(neighbours=3, morphs=1, start=1)
    space, rng = residual_space(), np.random.default_rng(0)
    history = History()
    for number in range(7):
        child: Offspring = sampler.child(space, history, rng)
        loss = [5.0, 4.0, 3.0, 6.0, 2.0, 9.0, 9.0][number]
        proposal = bred(child)
        history = history.put(Trial(number, proposal, number, Result(State.DONE, loss, 1.0)))
    assert [t.proposal.parent for t in history] == [None, 0, 0, 0, 2, 2, 2]
    assert history[1].config == history[0].config
    assert history[4].config == history[2].config
    current = sampler.current(history)
    assert current is not None
    assert current.number == 4


def test_a_step_of_failures_is_tried_again() -> None:
    sampler, space, rng = NASH(neighbours=2, morphs=1, start=1), residual_space(), np.random.default_rng(0)
    history = History()
    for number in range(5):
        child = sampler.child(space, history, rng)
        result = Result(State.DONE, 1.0, 1.0) if number == 0 else Result(State.CRASHED)
        history = history.put(Trial(number, bred(child), number, result))
    assert [t.proposal.parent for t in history] == [None, 0, 0, 0, 0]


def test_each_child_that_fails_takes_a_morphism_from_the_next_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    steps: list[int] = []

    def spy(_space: Any, config: Any, _rng: Any, *, steps: int, kinds: Any, counted: list[int] = steps) -> Any:
        counted.append(steps)
        return config

    monkeypatch.setattr("automl.search.samplers.nash.morphed", spy)
    sampler, space, rng = NASH(neighbours=8, morphs=5, start=1), residual_space(), np.random.default_rng(0)
    history = History()
    for number in range(9):
        child = sampler.child(space, history, rng)
        result = Result(State.DONE, 1.0, 1.0) if number < 3 else Result(State.MEMORY)
        history = history.put(Trial(number, bred(child), number, result))
    assert steps == [5, 5, 4, 3, 2, 1, 1]


def climbed(losses: list[tuple[int | None, float | None]]) -> Trial | None:
    """Where a climb by steps of two stands after trials of these parents and losses; None is still running."""
    history = History()
    for number, (parent, loss) in enumerate(losses):
        result = RUNNING if loss is None else Result(State.DONE, loss, 1.0)
        history = history.put(Trial(number, bred(Offspring({}, parent)), number, result))
    return NASH(neighbours=2, start=2).current(history)


def test_the_climb_begins_at_the_best_of_several_that_have_no_parent() -> None:
    assert climbed([(None, 5.0), (None, None)]) is None
    begun = climbed([(None, 5.0), (None, 4.0)])
    assert begun is not None
    assert begun.number == 1


def test_a_straggler_that_is_better_does_not_call_back_a_climb_that_went_on() -> None:
    ended = [(None, 5.0), (None, None), (None, 4.0)]
    went_on = [*ended, (2, 3.5), (2, None), (2, 3.9)]
    for late in (went_on, [went_on[0], (None, 1.0), *went_on[2:]]):
        stands = climbed(late)
        assert stands is not None
        assert stands.number == 3
    stands = climbed([*went_on[:4], (2, 0.1), went_on[5], (3, 3.4)])
    assert stands is not None
    assert stands.number == 3


# LEMONADE


def two_losses(trial: Trial) -> float:
    """Falls with the parameters, so that large and small networks are all worth something."""
    return 10 - float(np.log10(parameters(residual_space(), trial.config))) + 0.3 * (trial.number % 3)


def test_the_front_of_lemonade_is_not_dominated_and_holds_all_that_is_not() -> None:
    space = residual_space()
    history = played(build("lemonade", space, seed=0, min_share=1.0), 40, two_losses)
    points = {t.number: (parameters(space, t.config), t.loss) for t in history}
    best = front(space, history)
    assert len(best) >= 4
    for trial in best:
        size, loss = points[trial.number]
        assert not any(
            other_size <= size and other_loss <= loss and (other_size, other_loss) != (size, loss)
            for other_size, other_loss in points.values()
        )
    kept = {points[t.number] for t in best}
    for size, loss in points.values():
        assert any(a <= size and b <= loss for a, b in kept)
    assert [points[t.number][0] for t in best] == sorted(points[t.number][0] for t in best)


def test_lemonade_shrinks_networks_as_well_as_it_grows_them() -> None:
    space = residual_space()
    history = played(build("lemonade", space, seed=1, min_share=1.0), 30, two_losses)
    grown = [
        parameters(space, t.config) - parameters(space, history[t.proposal.parent].config)
        for t in history
        if t.proposal.parent is not None
    ]
    assert min(grown) < 0 < max(grown)


@pytest.mark.parametrize("method", ["nash", "lemonade", "eas"])
def test_reference_networks_beside_genotypes_are_compared_but_not_changed(method: str) -> None:
    space = joint_space([family("small_resnet"), family("cnn_chain")])
    reference = dict(space.get_default_configuration())
    optimizer = build(method, space, seed=0, min_share=1.0, initial=[reference])
    history = played(optimizer, 12, lambda trial: float(trial.number))  # what came first is best
    assert [t.config[FAMILY] for t in history] == ["small_resnet"] + 11 * ["cnn_chain"]
    bred_from = {t.proposal.parent for t in history} - {None}
    assert bred_from
    assert 0 not in bred_from
    assert history.best.number == 0
    assert [t.number for t in front(space, history)][-1] == 1
    assert draw_front(space, history).count("<circle") == 11


def test_the_front_of_an_estimator_is_over_the_space_of_its_plan() -> None:
    model = AutoNetImageClassifier(families=["small_resnet", "cnn_chain"], optimizer="lemonade", n_trials=4)
    plan = make_plan(model)
    optimizer = build(plan.method, plan.space, seed=0, min_share=1.0, initial=plan.initial[:1])
    history = played(optimizer, 4, lambda trial: float(trial.number))
    assert history[0].config[FAMILY] == "small_resnet"
    assert {t.number for t in front(plan.space, history)} <= {1, 2, 3}


def test_sizes_are_of_architectures_and_the_error_names_the_cure() -> None:
    with pytest.raises(GenotypeError, match="make it by"):
        front(mixed_space(), played(build("random", mixed_space(), seed=0, min_share=1.0), 1))
    nothing = joint_space([family("small_resnet"), family("cnn_chain")], weights={"cnn_chain": 1e-9})
    with pytest.raises(GenotypeError, match="greater weight"):
        build("lemonade", nothing, seed=0, min_share=1.0).ask(History())
    assert not grows(nothing, nothing.get_default_configuration())


def test_points_that_are_no_numbers_are_on_no_front() -> None:
    nan = float("nan")
    assert non_dominated([(1, nan), (2, 2.0), (nan, 0.0), (3, 1.0), (2, nan), (4, 3.0)]) == [1, 3]
    assert non_dominated([(7, 1.0)]) == [0]
    assert non_dominated([]) == []


def test_points_that_are_equal_count_once() -> None:
    assert non_dominated([(2, 1.0), (1, 2.0), (2, 1.0), (3, 1.0), (3, 0.5), (1, 3.0)]) == [1, 0, 4]


def test_the_front_is_drawn_with_a_dot_for_each_trial(tmp_path: Path) -> None:
    space = residual_space()
    history = played(build("lemonade", space, seed=0, min_share=1.0), 10, two_losses)
    text = draw_front(space, history, tmp_path / "front.svg")
    root = ElementTree.fromstring(text)
    assert (tmp_path / "front.svg").read_text(encoding="utf-8") == text
    dots = [each for each in root.iter() if each.tag.endswith("circle")]
    assert len(dots) == 10
    assert sum(dot.get("fill") == "#dc2626" for dot in dots) == len(front(space, history))
    draw_front(space, history, tmp_path / "front.png")
    assert (tmp_path / "front.png").read_bytes().startswith(b"\x89PNG")
    with pytest.raises(SettingError, match="must end in"):
        draw_front(space, history, tmp_path / "front.jpg")
    with pytest.raises(SettingError, match="no front to draw"):
        draw_front(space, History())


# EAS


def test_what_the_agent_did_is_read_off_a_child() -> None:
    space = residual_space()
    parent = next(
        config
        for config in (c for _, c in neighbours(space, dict(space.get_default_configuration()), ("widen", "deepen")))
        if decode(space, config)[0].layers
    )
    changes = Changes.of(space, parent)
    widen = next(m for m, _ in neighbours(space, parent, ("widen",)))
    child = dict(neighbours(space, parent, ("widen",)))[widen]
    base = len(space)
    read, written = changes.written(child)
    assert read == changes.read
    assert (base + int(widen.args[0]), 1) in written
    assert all(token in (0, 1) for place, token in written if place < base + 16)
    _, nothing = changes.written(parent)
    assert all(token == 0 for _, token in nothing)


def test_eas_learns_to_widen_where_that_pays() -> None:
    optimizer = build("eas", residual_space(), seed=0, min_share=1.0)
    history = played(optimizer, 40, size_loss)
    assert history.best.loss <= 1
    assert history.best.loss < history[0].loss


def test_an_infinite_loss_teaches_the_agent_nothing() -> None:
    optimizer = build("eas", residual_space(), seed=0, min_share=1.0)
    history = played(optimizer, 10, lambda trial: float("inf") if trial.number % 2 else size_loss(trial))
    assert {t.proposal.parent for t in history if t.proposal.parent is not None} <= {0, 2, 4, 6, 8}


def test_eas_takes_the_best_network_after_enough_children() -> None:
    sampler, space = EAS(children=2), residual_space()
    first = dict(space.get_default_configuration())
    config = {k: v.item() if hasattr(v, "item") else v for k, v in first.items()}
    trials = [
        Trial(0, Proposal(config), 0, Result(State.DONE, 5.0, 1.0)),
        Trial(1, bred(Offspring(config, 0)), 1, Result(State.DONE, 3.0, 1.0)),
        Trial(2, bred(Offspring(config, 0)), 2, Result(State.DONE, 4.0, 1.0)),
    ]
    current = [sampler.current(History(tuple(trials[:n]))) for n in (1, 2, 3)]
    assert [t.number for t in current if t is not None] == [0, 0, 1]
    failed = replace(trials[0], result=Result(State.CRASHED))
    assert sampler.current(History((failed,))) is None
