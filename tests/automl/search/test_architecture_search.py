"""The methods of architecture search one by one."""

from __future__ import annotations

import itertools

import ConfigSpace as CS
import numpy as np
import pytest
from simulated import architecture_loss, architecture_space, mixed_loss, mixed_space, played

from automl.errors import SettingError
from automl.genotypes.spaces import BranchesSpace, ChainSpace, EdgeCellSpace, decode, joined
from automl.search.candidates import codes_of, differences, drawn, features, mutated, neighbours, unit
from automl.search.catalogue import build
from automl.search.draw import as_dict, check_config, encode
from automl.search.draw import decode as decoded
from automl.search.history import History
from automl.search.lessons import log_scaled, losses
from automl.search.samplers.codeepneat import Parts
from automl.search.samplers.evolution import Evolution
from automl.search.samplers.large_scale import Layers as Stack
from automl.search.samplers.nasbot import _rest as kernel_of_the_rest
from automl.search.samplers.neat import NEAT, Genes, Genome, Settings
from automl.search.samplers.pnas import changes, grown
from automl.search.trial import Proposal, Result, State, Trial, config_key
from automl.search.warmup import warm_up


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


# Candidates


@pytest.mark.parametrize("space", [mixed_space(), architecture_space()], ids=["mixed", "architectures"])
def test_draws_and_mutants_are_configurations(space: CS.ConfigurationSpace) -> None:
    codes = drawn(space, 100, rng())
    for code, mutant in zip(codes, mutated(space, codes, rng(1)), strict=True):
        config, changed = decoded(space, code), decoded(space, mutant)
        for each, vector in ((config, code), (changed, mutant)):
            if each is not None:  # a forbidden clause
                assert check_config(space, each) == each
                np.testing.assert_allclose(codes_of(space, [each])[0], vector)
        differing = (np.abs(code - mutant) > 1e-12) & ~np.isnan(code) & ~np.isnan(mutant)
        assert differing.sum() == 1  # everything else was woken or put to sleep


def test_neighbours_differ_in_one_choice_belong_to_their_code_and_are_allowed() -> None:
    space = mixed_space()
    codes = drawn(space, 40, rng())
    around, owners = neighbours(space, codes, rng(1))
    assert set(owners) == set(range(40))
    for code, near in zip(codes[owners], around, strict=True):
        config = decoded(space, near)
        assert config is not None
        assert check_config(space, config) == config
        assert ((code != near) & ~np.isnan(code) & ~np.isnan(near)).sum() == 1


def test_a_cell_has_24_neighbours_and_a_level_those_next_to_it() -> None:
    cells = joined(EdgeCellSpace())
    around, _ = neighbours(cells, drawn(cells, 1, rng()), rng())
    assert len(np.unique(around, axis=0)) == 24  # six edges, four other operations
    levels = CS.ConfigurationSpace()
    levels.add(CS.OrdinalHyperparameter("size", [1, 2, 4, 8]))
    around, owners = neighbours(levels, np.array([[0.0], [2.0]]), rng())
    np.testing.assert_array_equal(around[:, 0], [1, 1, 3])
    np.testing.assert_array_equal(owners, [0, 1, 1])


def test_a_code_says_what_the_configuration_of_the_space_says() -> None:
    for space in (mixed_space(), architecture_space()):
        for code in drawn(space, 60, rng()):
            config = decoded(space, code)
            if config is not None:
                assert config == as_dict(CS.Configuration(space, vector=code))
                assert list(map(type, config.values())) == list(map(type, check_config(space, config).values()))
                np.testing.assert_array_equal(codes_of(space, [config])[0], encode(space, config))


def test_features_hold_every_choice_apart() -> None:
    space = joined(EdgeCellSpace())
    codes = drawn(space, 50, rng())
    assert features(space, codes).shape == (50, 30)
    np.testing.assert_array_equal(features(space, codes).sum(axis=1), 6)


def test_categories_are_equally_far_apart_and_what_is_asleep_is_far_from_what_is_not() -> None:
    space = CS.ConfigurationSpace()
    kind, rate, level = (
        CS.Categorical("kind", list("abc")),
        CS.Float("rate", (0.0, 1.0)),
        CS.OrdinalHyperparameter("level", [1, 2]),
    )
    space.add(kind, rate, level, CS.EqualsCondition(rate, kind, "a"))
    points = unit(
        space,
        codes_of(
            space,
            [
                {"kind": "a", "rate": 0.25, "level": 1},
                {"kind": "a", "rate": 0.75, "level": 2},
                {"kind": "b", "level": 1},
                {"kind": "c", "level": 1},
            ],
        ),
    )
    np.testing.assert_allclose(
        3 * differences(space, points, points),
        [[0, 1, 2, 2], [1, 0, 2.5, 2.5], [2, 2.5, 0, 1], [2, 2.5, 1, 0]],
    )
    among = [list(space).index("kind")]
    np.testing.assert_array_equal(differences(space, points, points, among)[2], [1, 1, 0, 1])


def test_nasbot_holds_all_optimisers_equally_far_apart() -> None:
    training = CS.ConfigurationSpace()
    training.add(CS.Categorical("optimizer", ["sgd", "adam", "adamw"]))
    space = joined(EdgeCellSpace(), training)
    cell = dict.fromkeys((name for name in space if name != "optimizer"), "skip_connect")
    codes = codes_of(space, [{**cell, "optimizer": name} for name in ("sgd", "adam", "adamw")])
    kernel = kernel_of_the_rest(space, codes, codes)
    np.testing.assert_allclose(kernel, np.where(np.eye(3), 1.0, np.exp(-2)))


def test_models_see_good_losses_apart_and_bad_ones_together() -> None:
    scaled = log_scaled(np.array([0.10, 0.11, 0.30, 0.90]))
    assert scaled[1] - scaled[0] > 0.1 * (scaled[3] - scaled[2])


# Evolution


def history(*lines: tuple[dict[str, object], float]) -> History:
    trials = (Trial(i, Proposal(config), i, Result(State.DONE, loss)) for i, (config, loss) in enumerate(lines))
    return History(tuple(trials))


def test_no_individual_outlives_the_population() -> None:
    space = CS.ConfigurationSpace()
    space.add([CS.Categorical(f"e{i}", list("abcd")) for i in range(4)])
    best: dict[str, object] = dict.fromkeys(("e0", "e1", "e2", "e3"), "a")
    rest: list[tuple[dict[str, object], float]] = [
        (best | {"e0": "d", "e1": v, "e2": w}, 1.0) for v in "bcd" for w in "bcd"
    ]
    sampler = Evolution(population=5, sample=20)
    alive = [sampler(space, history((best, 0.0), *rest[:4]), rng(s)) for s in range(10)]
    assert all(sum(c[k] != best[k] for k in best) == 1 for c in alive)
    dead = [sampler(space, history((best, 0.0), *rest[:5]), rng(s)) for s in range(10)]
    assert all(sum(c[k] != best[k] for k in best) > 1 for c in dead)


@pytest.mark.parametrize(
    "definition", [ChainSpace(layers=(1, 5)), BranchesSpace(layers=(1, 5))], ids=["chain", "branches"]
)
def test_a_layer_is_added_and_removed_between_the_others(definition: ChainSpace | BranchesSpace) -> None:
    space = joined(definition)
    stack, generator = Stack.of(space), rng()
    codes = [code for code in drawn(space, 60, generator) if 2 <= _depth(space, code) <= 4]
    for code in codes:
        before = _operations(space, code)
        bigger, smaller = (stack.resized(code, by, generator) for by in (1, -1))
        for child, longer, shorter in ((bigger, None, before), (smaller, before, None)):
            if child is None or _depth(space, child) == _depth(space, code):
                continue  # dense layers may have been added or removed instead
            after = _operations(space, child)
            long, short = (after, shorter) if longer is None else (longer, after)
            assert short is not None
            assert any(long[:i] + long[i + 1 :] == short for i in range(len(long)))
    assert len(codes) > 20


def _depth(space: CS.ConfigurationSpace, code: np.ndarray) -> int:
    return len(_operations(space, code))


def _operations(space: CS.ConfigurationSpace, code: np.ndarray) -> list[str]:
    config = decoded(space, code)
    assert config is not None
    return [layer.operation for layer in decode(space, config)[0].layers if layer.operation != "dense"]


def test_large_scale_evolution_begins_with_trivial_networks() -> None:
    optimizer = build("evolution-large-scale", architecture_space(), seed=0, min_share=1.0)
    first = played(optimizer, 10, architecture_loss)
    assert {trial.config["arch:layers"] for trial in first} == {1}


def test_large_scale_evolution_breeds_where_no_trivial_network_is_new() -> None:
    space = joined(ChainSpace(layers=(0, 0), dense=(1, 3)))  # five networks of one layer
    optimizer = build("evolution-large-scale", space, seed=0, min_share=1.0)
    trials = played(optimizer, 20, lambda t: float(t.config["arch:units1"]))
    assert len({config_key(trial.config) for trial in trials}) >= 18
    assert {trial.config["arch:dense"] for trial in trials.trials[:3]} == {1}


# PNAS, NEAT, CoDeepNEAT


def test_the_first_level_are_all_cells_that_differ_from_the_default_in_one_edge() -> None:
    space = joined(EdgeCellSpace())
    optimizer = build("pnas", space, seed=0, min_share=1.0)
    trials = played(optimizer, 26, lambda t: float(sum(v == "conv_3x3" for v in t.config.values())))
    off = [sum(value != "skip_connect" for value in trial.config.values()) for trial in trials]
    assert off == [0, *[1] * 24, 2]
    codes = codes_of(space, [dict.fromkeys(space, "skip_connect")])
    assert len(grown(space, codes, rng())) == 24
    assert changes(grown(space, codes, rng())[0], codes[0]) == 1


def test_compatibility_is_zero_for_equals_symmetric_and_counts_what_only_one_has() -> None:
    space = mixed_space()
    genes = Genes(space, Settings())
    codes = drawn(space, 20, rng())
    for a, b in itertools.combinations(codes, 2):
        assert genes.distance(a, b) == genes.distance(b, a)
        assert genes.distance(a, a) == 0
        assert genes.distance(a, b) >= (np.isnan(a) != np.isnan(b)).sum()


def test_neat_leaves_the_global_random_numbers_alone() -> None:
    import random

    random.seed(1)
    before = random.getstate()
    NEAT()(mixed_space(), History(), rng())
    assert random.getstate() == before


def test_neat_goes_on_where_almost_every_genome_would_be_a_species_of_its_own() -> None:
    space = joined(EdgeCellSpace())
    trials = played(build("neat", space, seed=0, min_share=1.0), 64, lambda t: float(len(set(t.config.values()))))
    assert len({config_key(trial.config) for trial in trials}) == 64


def test_neat_stands_still_in_an_exhausted_space() -> None:
    space = CS.ConfigurationSpace()
    parts = [CS.Categorical(f"c{i}", list("abc"), default="aab"[i]) for i in range(3)]
    space.add(*parts, CS.ForbiddenEqualsRelation(parts[1], parts[2]))
    cells = [dict(zip(space, each, strict=True)) for each in itertools.product("abc", repeat=3) if each[1] != each[2]]
    past = history(*((cell, float(i)) for i, cell in enumerate(cells)))
    sampler = NEAT()
    assert [sampler(space, past, rng(s)) for s in range(3)] == [NEAT()(space, past, rng(s)) for s in range(3)]


def test_a_configuration_that_is_tried_again_does_not_change_what_neat_has_bred() -> None:
    space = mixed_space()
    past = played(build("neat", space, seed=0, min_share=1.0), 35, mixed_loss)
    best = min(past.trials[:30], key=lambda t: t.loss)  # of the first generation
    again = Trial(35, best.proposal, 0, Result(State.DONE, 10 * max(t.loss for t in past)))
    assert NEAT()(space, past.put(again), rng()) == NEAT()(space, past, rng())


def test_structure_of_the_less_fit_parent_comes_with_its_genes() -> None:
    space = network_space()
    genes = Genes(space, Settings(crossover=1.0))
    fit, unfit, child = Genome(0), Genome(1), Genome(2)
    fit.fitness, unfit.fitness = 1.0, 0.0
    weights = {name: 0.5 for name in space if name != "hidden"}
    fit.code = codes_of(space, [{"hidden": 0, "out_bias": 1.0, "out_x1": 1.0, "out_x2": 1.0}])[0]
    unfit.code = codes_of(space, [{"hidden": 4, **weights}])[0]
    depths = set()
    for _ in range(20):
        child.configure_crossover(fit, unfit, genes)
        config = decoded(space, child.code)
        assert config is not None
        depths.add(config["hidden"])
        assert all(value == pytest.approx(0.5) for name, value in config.items() if name[0] == "h" and "_" in name)
    assert depths == {0, 4}


def test_marked_parts_are_the_modules_and_equal_ones_share_a_population() -> None:
    parts = Parts.of(joined(ChainSpace(layers=(1, 4), dense=(0, 0), halvings=0)))
    assert len(parts.slots) == 4
    assert set(parts.kinds) == {0}
    assert [parts.space.at[place] for place in parts.outside] == ["arch:layers"]
    assert len(Parts.of(mixed_space()).slots) == len(mixed_space())


@pytest.mark.parametrize("sign", [1, -1], ids=["shallow", "deep"])
def test_blueprints_of_the_better_depth_survive(sign: int) -> None:
    space = joined(ChainSpace(layers=(1, 8), dense=(0, 0), halvings=0))
    optimizer = build("codeepneat", space, seed=0, min_share=1.0)
    trials = played(optimizer, 120, lambda t: sign * float(t.config["arch:layers"]))
    depths = [sign * trial.config["arch:layers"] for trial in trials]
    assert np.mean(depths[60:]) < np.mean(depths[:20]) - 2  # 20 networks a generation


def test_networks_that_were_tried_make_way_for_draws() -> None:
    space = CS.ConfigurationSpace()
    parts = [CS.Categorical(f"c{i}", list("abc"), default="abab"[i]) for i in range(4)]
    space.add(*parts, *(CS.ForbiddenEqualsRelation(a, b) for a, b in itertools.pairwise(parts)))
    trials = played(build("codeepneat", space, seed=0, min_share=1.0), 24, lambda t: float(ord(t.config["c0"])))
    assert len({config_key(trial.config) for trial in trials}) >= 20  # of 3 · 2 · 2 · 2


# Warm-up


def test_a_warm_up_returns_the_best_by_its_score_first() -> None:
    space = joined(EdgeCellSpace())
    best = warm_up(space, lambda cell: cell.operations["conv_3x3"], candidates=60, keep=5)
    counts = [sum(value == "conv_3x3" for value in config.values()) for config in best]
    assert counts == sorted(counts, reverse=True)
    assert counts[-1] >= 2
    with pytest.raises(SettingError, match="keep is 0"):
        warm_up(space, lambda cell: 0.0, keep=0)


def test_failed_trials_count_as_the_worst() -> None:
    trials = [Trial(i, Proposal({}), 0, Result(State.DONE, loss)) for i, loss in enumerate((1.0, 3.0))]
    trials.append(Trial(2, Proposal({}), 0, Result(State.CRASHED)))
    np.testing.assert_array_equal(losses(trials), [1.0, 3.0, 3.0])


# Convergence


@pytest.mark.slow
@pytest.mark.parametrize(
    "method",
    [
        "evolution",
        "evolution-large-scale",
        "reinforce",
        "reinforce-flat",
        "bananas",
        "pnas",
        "hamming-gp",
        "arc-gp",
        "neat",
    ],
)
def test_methods_beat_random_search_on_the_mixed_space(method: str) -> None:
    def best(name: str, seed: int) -> float:
        return played(build(name, mixed_space(), seed=seed, min_share=1.0), 100, mixed_loss).best.loss

    mean, uniform = (np.mean([best(name, seed) for seed in range(6)]) for name in (method, "random"))
    assert mean < uniform


def network_space(hidden: int = 4) -> CS.ConfigurationSpace:
    """Weights of a network of two inputs and up to so many hidden units, as genes."""
    space = CS.ConfigurationSpace()
    count = CS.Integer("hidden", (0, hidden), default=0)
    space.add([count, *(CS.Float(f"out_{source}", (-8.0, 8.0)) for source in ("bias", "x1", "x2"))])
    for i in range(1, hidden + 1):
        for end in ("bias", "x1", "x2", "out"):
            weight = CS.Float(f"h{i}_{end}", (-8.0, 8.0))
            space.add(weight)
            space.add(CS.GreaterThanCondition(weight, count, i - 1))
    return space


def xor_loss(trial: Trial) -> float:
    """4 minus the fitness of Stanley & Miikkulainen (2002): the squared error over the four cases."""
    w = trial.config
    x1, x2, y = np.array([0, 0, 1, 1]), np.array([0, 1, 0, 1]), np.array([0, 1, 1, 0])
    total = w["out_bias"] + w["out_x1"] * x1 + w["out_x2"] * x2
    for i in range(1, w["hidden"] + 1):
        total = total + w[f"h{i}_out"] * np.tanh(w[f"h{i}_bias"] + w[f"h{i}_x1"] * x1 + w[f"h{i}_x2"] * x2)
    return float(((1 / (1 + np.exp(-total)) - y) ** 2).sum())


def generations_to_xor(seed: int, most: int) -> int | None:
    """Generations of 30 until the fitness exceeds 3.9 of 4; None if none does."""
    space, sampler, past = network_space(), NEAT(), History()
    for number in range(30 * most):
        config = sampler(space, past, np.random.default_rng([seed, number]))
        trial = Trial(number, Proposal(config), seed)
        loss = xor_loss(trial)
        if loss < 0.1:
            return number // 30
        past = past.put(Trial(number, Proposal(config), seed, Result(State.DONE, loss)))
    return None


@pytest.mark.slow
def test_neat_solves_xor_from_a_network_without_hidden_units() -> None:
    needed = [generations_to_xor(seed, most=100) for seed in range(10)]
    assert sum(n is not None for n in needed) >= 9
