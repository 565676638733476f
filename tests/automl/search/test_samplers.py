"""Samplers one by one: local search, TPE, differential evolution, and fresh draws."""

from __future__ import annotations

import ConfigSpace as CS
import numpy as np
import pytest
from simulated import done, mixed_loss, mixed_space, played

from automl.errors import SettingError
from automl.search.catalogue import build
from automl.search.draw import as_dict, encode, fresh, from_unit, sample, to_unit
from automl.search.history import History
from automl.search.samplers.dehb import DEHB, crossover, mutant
from automl.search.samplers.local import Local
from automl.search.samplers.random import Random
from automl.search.samplers.tpe import TPE
from automl.search.schedules.full import Full
from automl.search.trial import Proposal, Result, State, Trial


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def grid_space(levels: int = 3, size: int = 3) -> CS.ConfigurationSpace:
    space = CS.ConfigurationSpace()
    space.add([CS.Categorical(f"e{i}", list("abcdefgh"[:levels])) for i in range(size)])
    return space


def trials(*lines: tuple[dict[str, object], float | None], budget: float = 1.0) -> History:
    """A history of configurations with their losses; None for a crash."""
    outcomes = [Result(State.CRASHED) if loss is None else Result(State.DONE, loss) for _, loss in lines]
    return History(tuple(Trial(i, Proposal(lines[i][0], budget), i, outcome) for i, outcome in enumerate(outcomes)))


# Draws


def test_draws_follow_the_priors_and_leave_the_space_untouched() -> None:
    space, generator = mixed_space(), rng()
    state = space.random.get_state()[1].copy()
    drawn = [sample(space, generator) for _ in range(600)]
    np.testing.assert_array_equal(space.random.get_state()[1], state)
    nets = np.mean([c["model"] == "net" for c in drawn])
    assert nets == pytest.approx(3 / 8, abs=0.06)  # net and tree 3/9 each, none 2/9 of what is allowed
    assert np.mean([np.log10(c["rate"]) for c in drawn]) == pytest.approx(-2, abs=0.15)


def test_points_of_the_unit_cube_lead_back_to_their_configurations() -> None:
    space, generator = mixed_space(), rng()
    for _ in range(50):
        config = sample(space, generator)
        point = to_unit(space, config)
        assert np.isnan(point).sum() == len(space) - len(config)
        assert np.nanmin(point) >= 0
        assert np.nanmax(point) <= 1
        back = from_unit(space, point, generator)
        assert back is not None
        assert {k: v for k, v in back.items() if k != "rate" and k != "drop"} == {
            k: v for k, v in config.items() if k != "rate" and k != "drop"
        }
        np.testing.assert_allclose(encode(space, back), encode(space, config), atol=1e-9)


def test_a_fresh_draw_avoids_what_was_tried() -> None:
    space = grid_space(levels=2, size=2)
    history = trials(*(({"e0": a, "e1": b}, 0.0) for a, b in ["aa", "ab", "ba"]))
    for seed in range(20):
        assert fresh(Random(), space, history, rng(seed)) == {"e0": "b", "e1": "b"}


def test_an_exhausted_space_gives_repeats_instead_of_hanging() -> None:
    space = grid_space(levels=2, size=1)
    history = trials(({"e0": "a"}, 0.0), ({"e0": "b"}, 0.0))
    assert fresh(Random(), space, history, rng())["e0"] in ("a", "b")


def test_values_that_are_no_plain_data_are_refused() -> None:
    with pytest.raises(SettingError, match="hyperparameter 'e0'"):
        as_dict({"e0": (1, 2)})
    space = CS.ConfigurationSpace()
    space.add(CS.Categorical("layers", [(8, 8), (16,)]))
    with pytest.raises(SettingError, match="'layers'"):
        build("random", space, seed=0, min_share=1.0)


# Local search


def differences(a: dict[str, object], b: dict[str, object]) -> int:
    return sum(a[k] != b[k] for k in a.keys() & b.keys())


def test_local_search_changes_one_parameter_of_the_best_point() -> None:
    history = trials(({"e0": "a", "e1": "a", "e2": "a"}, 1.0), ({"e0": "a", "e1": "b", "e2": "a"}, 2.0))
    for seed in range(10):
        config = Local()(grid_space(), history, rng(seed))
        assert differences(config, dict(history[0].config)) == 1
        assert config not in [t.config for t in history]


def test_local_search_moves_at_the_first_improvement() -> None:
    better: dict[str, object] = {"e0": "a", "e1": "b", "e2": "a"}
    history = trials(({"e0": "a", "e1": "a", "e2": "a"}, 1.0), (better, 0.5))
    assert all(differences(Local()(grid_space(), history, rng(s)), better) == 1 for s in range(10))


def test_local_search_restarts_when_all_neighbours_are_tried() -> None:
    top: dict[str, object] = {"e0": "a", "e1": "a", "e2": "a"}
    around = [top | {f"e{i}": v} for i in range(3) for v in "bc"]
    history = trials((top, 0.0), *((config, None if i == 2 else 1.0) for i, config in enumerate(around)))
    far = [differences(Local()(grid_space(), history, rng(seed)), top) for seed in range(20)]
    assert max(far) >= 2


def test_local_search_visits_a_whole_small_space() -> None:
    history = played(Full(grid_space(), Local(), 0), 27, lambda t: float(t.config["e0"] == "c"))
    assert len({tuple(sorted(t.config.items())) for t in history}) == 27


def test_local_search_takes_small_steps_on_numbers() -> None:
    space = CS.ConfigurationSpace()
    space.add([CS.Float("x", (0.0, 1.0)), CS.Integer("n", (1, 100))])
    history = trials(({"x": 0.5, "n": 50}, 0.0))
    for seed in range(50):
        config = Local()(space, history, rng(seed))
        assert (config["x"] == 0.5) != (config["n"] == 50)
        assert abs(config["x"] - 0.5) <= 0.25
        assert abs(config["n"] - 50) <= 26


def test_local_search_descends_on_a_conditional_mixed_space() -> None:
    local = played(Full(mixed_space(), Local(), 0), 100).best.loss
    uniform = np.mean([played(Full(mixed_space(), Random(), s), 100).best.loss for s in range(3)])
    assert local < uniform


# TPE


def test_a_continued_study_draws_what_a_rebuilt_one_draws() -> None:
    kept, space, generator = TPE(), mixed_space(), rng()
    history = History()
    for number in range(40):
        config = kept(space, history, rng(number))
        assert config == TPE()(space, history, rng(number))
        trial = Trial(number, Proposal(config), 0)
        history = history.put(trial)
        if number % 3 == 2:  # results arrive late and out of order
            for late in generator.permutation([t.number for t in history.running])[:3]:
                old = history[late]
                history = history.put(Trial(late, old.proposal, 0, done()(old)))


def test_tpe_learns_from_the_largest_budget_with_ten_trials_alone() -> None:
    space, generator = grid_space(levels=4, size=1), rng()
    cheap = [Trial(i, Proposal({"e0": "abcd"[i % 4]}, 1 / 3), 0, Result(State.DONE, i % 4)) for i in range(30)]
    full = [Trial(30 + i, Proposal({"e0": "bcd"[i % 3]}), 0, Result(State.DONE, float(i % 3))) for i in range(12)]
    picks = [TPE()(space, History((*cheap, *full)), generator)["e0"] for _ in range(20)]
    assert picks.count("b") > 10
    picks = [TPE()(space, History((*cheap, *full[:9])), generator)["e0"] for _ in range(20)]
    assert picks.count("a") > 10


def test_tpe_keeps_away_from_crashes() -> None:
    space, generator = grid_space(levels=2, size=1), rng()
    lines = [({"e0": "ab"[i % 2]}, None if i % 2 else 1.0 + i / 100) for i in range(40)]
    picks = [TPE()(space, trials(*lines), generator)["e0"] for _ in range(20)]
    assert picks.count("a") > 15


# Differential evolution


def test_mutants_stay_in_the_cube_and_follow_the_formula_inside() -> None:
    a, b, c = np.array([0.5, 0.9]), np.array([0.6, 1.0]), np.array([0.2, 0.0])
    point = mutant(a, b, c, 0.5, rng())
    assert point[0] == pytest.approx(0.5 + 0.5 * 0.4)
    assert 0 <= point[1] <= 1


def test_crossover_takes_at_least_one_entry_of_the_donor() -> None:
    for seed in range(20):
        child = crossover(np.zeros(5), np.ones(5), 0.0, rng(seed))
        assert child.sum() == 1


def test_differential_evolution_breeds_from_the_best_of_the_largest_budget() -> None:
    space = CS.ConfigurationSpace()
    space.add([CS.Float("x", (0.0, 1.0)), CS.Float("y", (0.0, 1.0))])
    lines = [({"x": 0.5 + i / 1000, "y": 0.25}, float(i)) for i in range(30)]
    children = [DEHB()(space, trials(*lines), rng(seed)) for seed in range(30)]
    assert all(abs(c["x"] - 0.51) < 0.03 for c in children)
    assert all(c["y"] == pytest.approx(0.25) for c in children)


# Convergence


def counting_ones(trial: Trial) -> float:
    """Stochastic counting-ones (Falkner et al. 2018, section 5.1): 4 categories and 4 Bernoulli rates."""
    noise = np.random.default_rng([trial.number, 1])
    samples = round(729 * trial.budget)
    bits = sum(int(trial.config[f"c{i}"]) for i in range(4))
    rates = sum(noise.binomial(samples, trial.config[f"x{i}"]) / samples for i in range(4))
    return -(bits + rates) / 8


def regret(method: str, seed: int, full_runs: float = 40) -> float:
    """Regret of the best configuration by its true value, after this much budget."""
    space = CS.ConfigurationSpace()
    space.add([CS.Categorical(f"c{i}", [0, 1]) for i in range(4)] + [CS.Float(f"x{i}", (0, 1)) for i in range(4)])
    optimizer, history, spent = build(method, space, seed=seed, min_share=9 / 729, eta=3), History(), 0.0
    while spent < full_runs:
        proposal = optimizer.ask(history)
        assert proposal is not None
        trial = Trial(len(history), proposal, 0)
        history = history.put(Trial(trial.number, proposal, 0, Result(State.DONE, counting_ones(trial))))
        spent += proposal.budget
    return 1 - sum(history.best.config.values()) / 8


@pytest.mark.slow
@pytest.mark.parametrize("method", ["tpe-hb", "dehb"])
def test_models_on_hyperband_beat_hyperband_on_counting_ones(method: str) -> None:
    seeds = range(6)
    model, plain = (np.mean([regret(m, s) for s in seeds]) for m in (method, "hyperband"))
    assert plain / model >= 1.2


@pytest.mark.slow
@pytest.mark.parametrize("method", ["local", "tpe", "dehb"])
def test_methods_beat_random_search_on_the_mixed_space(method: str) -> None:
    def best(name: str, seed: int) -> float:
        return played(build(name, mixed_space(), seed=seed, min_share=1.0), 100, mixed_loss).best.loss

    mean, uniform = (np.mean([best(name, s) for s in range(6)]) for name in (method, "random"))
    assert mean < uniform
