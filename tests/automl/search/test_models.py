"""The models behind samplers: policies, Adam, ensembles, Gaussian processes, the arc kernel, OTMANN."""

from __future__ import annotations

import itertools

import ConfigSpace as CS
import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.stats import spearmanr
from simulated import architecture_space, mixed_space

from automl.genotypes.edge_cell import EdgeCell
from automl.genotypes.spaces import ChainSpace, EdgeCellSpace, decode, joined
from automl.search.candidates import drawn, unit
from automl.search.draw import sample
from automl.search.grammar import Grammar
from automl.search.models.adam import Adam
from automl.search.models.arc import Arc, Dimensions, _objective, fitted
from automl.search.models.ensemble import fitted as ensemble
from automl.search.models.otmann import Layers, distance, label_cost
from automl.search.models.policy import LSTM, Flat, pull
from metalearn.gaussian import Posterior, expected_improvement, semidefinite


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def cells(n: int, seed: int = 0) -> list[EdgeCell]:
    space, generator = joined(EdgeCellSpace()), rng(seed)
    return [decode(space, sample(space, generator))[0] for _ in range(n)]


# Policies and grammars


@pytest.mark.parametrize("space", [mixed_space(), architecture_space()], ids=["mixed", "architectures"])
def test_every_string_of_tokens_is_a_configuration_with_these_tokens(space: CS.ConfigurationSpace) -> None:
    grammar, generator = Grammar.of(space), rng()
    for _ in range(100):
        written: list[tuple[int, int]] = []

        def choose(place: int, before: object, written: list[tuple[int, int]] = written) -> int:
            written.append((place, int(generator.integers(grammar.sizes[place]))))
            return written[-1][1]

        config = grammar.written(choose, generator)
        if config is not None:
            read = grammar.tokens(config)
            assert [place for place, _ in read] == [place for place, _ in written]
            for (place, token), (_, wanted) in zip(read, written, strict=True):
                binned = grammar.sizes[place] == 8 and space.at[place] == "width"  # a whole number in another's bin
                assert abs(token - wanted) <= binned


@pytest.mark.parametrize("make", [Flat, lambda offsets: LSTM(offsets, units=5)], ids=["flat", "lstm"])
def test_gradients_of_policies_are_those_of_finite_differences(make: type[Flat]) -> None:
    policy, steps = make((0, 2, 5, 9)), ((0, 1), (1, 2), (2, 0))
    parameters = tuple(3 * p for p in policy.begin(rng()))

    def objective(changed: tuple[np.ndarray, ...]) -> float:
        total = 0.0
        for t, (place, token) in enumerate(steps):
            logits = policy.logits(changed, steps[:t], place)
            logs = logits - np.log(np.exp(logits).sum())
            total += -0.7 * logs[token] + 0.3 * (np.exp(logs) * logs).sum()
        return total

    found = policy.gradient(parameters, steps, 0.7, 0.3)
    for k, parameter in enumerate(parameters):
        for at in list(np.ndindex(parameter.shape))[::3]:
            ends = []
            for sign in (1, -1):
                moved = [p.copy() for p in parameters]
                moved[k][at] += sign * 1e-5
                ends.append(objective(tuple(moved)))
            assert found[k][at] == pytest.approx((ends[0] - ends[1]) / 2e-5, abs=1e-7)


def test_the_policy_gradient_is_unbiased_and_a_baseline_only_lowers_its_variance() -> None:
    logits, rewards = np.array([0.2, -0.3]), np.array([1.0, 3.0])
    p = np.exp(logits) / np.exp(logits).sum()
    exact = p * (rewards - p @ rewards)
    arms = rng().random(100_000) < p[1]
    plain, reduced = (
        np.where(arms[:, None], *(-pull(logits, arm, rewards[arm] - b, 0.0)[None] for arm in (1, 0)))
        for b in (0.0, 2.0)
    )
    np.testing.assert_allclose(plain.mean(axis=0), exact, rtol=0.02)
    np.testing.assert_allclose(reduced.mean(axis=0), exact, rtol=0.02)
    assert reduced[:, 0].var() < 0.5 * plain[:, 0].var()


def test_adam_takes_the_steps_of_its_paper() -> None:
    state = Adam.of([np.array([1.0])])
    state = state.down([np.array([0.5])], rate=0.1)
    np.testing.assert_allclose(state.parameters[0], [0.9], rtol=1e-6)  # the first step is the rate, whatever the scale
    state = state.down([np.array([-0.5])], rate=0.1)
    first, second = 0.9 * 0.05 - 0.1 * 0.5, 0.999 * 0.00025 + 0.001 * 0.25
    step = 0.1 * (first / (1 - 0.81)) / np.sqrt(second / (1 - 0.999**2))
    np.testing.assert_allclose(state.parameters[0], [0.9 - step], rtol=1e-6)


def test_an_ensemble_learns_a_function_and_doubts_where_it_saw_nothing() -> None:
    x = rng().uniform(-1, 1, (60, 2))
    model = ensemble(x, x[:, 0] - x[:, 1] ** 2, rng(1), steps=300)
    seen, far = model.predict(x), model.predict(np.full((20, 2), 6.0))
    assert np.abs(seen.mean(0) - (x[:, 0] - x[:, 1] ** 2)).mean() < 0.05
    assert far.std(0).mean() > 5 * seen.std(0).mean()


# Gaussian processes


def test_a_gaussian_process_gives_the_conditional_distribution() -> None:
    kernel = np.array([[1.0, 0.5, 0.2], [0.5, 1.0, 0.4], [0.2, 0.4, 1.0]])
    y, noise = np.array([0.3, -0.7]), 0.1
    mean, deviation = Posterior.of(kernel[:2, :2], y, noise).predict(kernel[2:, :2], 1.0)
    inverse = np.linalg.inv(kernel[:2, :2] + (noise + 1e-8) * np.eye(2))
    np.testing.assert_allclose(mean, kernel[2, :2] @ inverse @ y)
    np.testing.assert_allclose(deviation**2, 1 - kernel[2, :2] @ inverse @ kernel[2, :2])


def test_expected_improvement_is_that_of_draws() -> None:
    draws = rng().normal(0.4, 0.3, 400_000)
    assert expected_improvement(np.array([0.4]), np.array([0.3]), 0.5)[0] == pytest.approx(
        np.maximum(0.5 - draws, 0).mean(), rel=0.01
    )


def conditional(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Points of one to four active dimensions after the first, and a loss that depends on how many there are."""
    generator = rng(seed)
    depth = generator.integers(1, 5, n)
    x = generator.random((n, 4))
    x[np.arange(4)[None] >= depth[:, None]] = np.nan
    y = np.nansum((x - 0.4) ** 2, axis=1) + 0.8 * np.cos(2.0 * depth)
    return np.column_stack([(depth - 0.5) / 4, x]), y


def plain(points: np.ndarray, filler: float) -> np.ndarray:
    return np.where(np.isnan(points), filler, points)


def test_the_arc_kernel_is_positive_semidefinite() -> None:
    points, _ = conditional(300, 0)
    arc = Arc(Dimensions(np.zeros(5, dtype=bool)), np.full(5, 0.7), np.full(5, 0.6))
    assert np.linalg.eigvalsh(arc(points, points)).min() >= -1e-8


def test_inactive_values_change_no_entry_of_the_arc_kernel() -> None:
    space, generator = mixed_space(), rng()
    codes = drawn(space, 40, generator, active=False)
    from automl.search.candidates import settled

    other = np.where(np.isnan(settled(space, codes)), drawn(space, 40, generator, active=False), codes)
    arc = Arc(Dimensions(np.zeros(len(space), dtype=bool)), np.full(len(space), 0.7), np.full(len(space), 0.6))
    a, b = (unit(space, settled(space, each)) for each in (codes, other))
    np.testing.assert_array_equal(arc(a, a), arc(b, b))


def test_the_gradient_of_the_arc_kernel_s_posterior_is_that_of_finite_differences() -> None:
    points, y = conditional(12, 1)
    objective = _objective(Dimensions(np.array([True, False, False, False, False])), points, (y - y.mean()) / y.std())
    x = rng(2).normal(0, 0.5, 12)
    _, found = objective(x)
    for i in range(12):
        step = np.eye(12)[i] * 1e-6
        slope = (objective(x + step)[0] - objective(x - step)[0]) / 2e-6
        assert found[i] == pytest.approx(slope, rel=1e-4, abs=1e-5)


def missed(mean: np.ndarray, y: np.ndarray) -> float:
    """Root mean squared error in standard deviations."""
    return float(np.sqrt(np.mean((mean - y) ** 2)) / y.std())


def arc_error(x: np.ndarray, y: np.ndarray, x_new: np.ndarray, y_new: np.ndarray) -> float:
    centre, scale = y.mean(), y.std()
    arc = fitted(Dimensions(np.zeros(x.shape[1], dtype=bool)), x, (y - centre) / scale)
    posterior = Posterior.of(arc(x, x), (y - centre) / scale, arc.noise)
    return missed(posterior.predict(arc(x_new, x), arc.amplitude)[0] * scale + centre, y_new)


def rbf_error(x: np.ndarray, y: np.ndarray, x_new: np.ndarray, y_new: np.ndarray) -> float:
    """Of a squared-exponential kernel with a length a dimension, by maximum likelihood."""
    centre, scale, d = y.mean(), y.std(), x.shape[1]

    def kernel(p: np.ndarray, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return np.exp(p[-2] - 0.5 * ((a[:, None] - b[None]) ** 2 @ np.exp(2 * p[:d])))

    def posterior(p: np.ndarray) -> Posterior:
        return Posterior.of(kernel(p, x, x), (y - centre) / scale, float(np.exp(p[-1])) + 1e-6)

    bounds = [(-6.0, 4.0)] * d + [(-4.0, 4.0), (-12.0, 1.0)]
    starts = (np.r_[np.full(d, length), 0.0, -4.0] for length in (-0.5, 0.7))
    fits = [minimize(lambda p: -posterior(p).log_marginal, s, method="L-BFGS-B", bounds=bounds) for s in starts]
    p = min(fits, key=lambda fit: fit.fun).x
    return missed(posterior(p).predict(kernel(p, x_new, x), float(np.exp(p[-2])))[0] * scale + centre, y_new)


def test_the_arc_kernel_predicts_what_hangs_on_depth_better_than_imputation() -> None:
    arc, imputed = [], []
    for seed in range(3):
        (x, y), (x_new, y_new) = conditional(60, seed), conditional(200, 100 + seed)
        arc.append(arc_error(x, y, x_new, y_new))
        imputed.append([rbf_error(plain(x, f), y, plain(x_new, f), y_new) for f in (-1.0, 0.5)])
    assert np.mean(arc) <= 0.6 * np.mean(imputed, axis=0).min()


# OTMANN


def test_equal_networks_have_no_distance_and_the_order_does_not_matter() -> None:
    layers = [Layers.of(cell.graph()) for cell in cells(12)]
    for a, b in itertools.combinations(layers, 2):
        assert distance(a, b, 0.5)[0] == pytest.approx(distance(b, a, 0.5)[0], abs=1e-9)
        assert 0 <= distance(a, b, 0.5)[1] <= 1
    assert all(distance(a, a, 0.5)[0] == pytest.approx(0, abs=1e-9) for a in layers)


def test_the_cost_of_labels_is_a_metric() -> None:
    labels = [
        "conv_1x1",
        "conv_3x3",
        "conv_3x3/2",
        "sep_conv_5x5",
        "max_pool_3x3",
        "avg_pool_3x3",
        "skip_connect",
        "dense",
    ]
    for a, b, c in itertools.product(labels, repeat=3):
        assert label_cost(a, c) <= label_cost(a, b) + label_cost(b, c) + 1e-12


@pytest.mark.slow
def test_the_triangle_inequality_holds_on_all_triples_of_sixty() -> None:
    chains = joined(ChainSpace(layers=(1, 6), filters=(8, 16, 32)))
    generator = rng(1)
    networks = [Layers.of(cell.graph()) for cell in cells(30)]
    networks += [Layers.of(decode(chains, sample(chains, generator))[0].graph()) for _ in range(30)]
    matrix = np.array([[distance(a, b, 0.5)[0] for b in networks] for a in networks])
    detours = matrix[:, :, None] + matrix[None, :, :]  # i → j → k
    assert (matrix[:, None, :] <= detours + 1e-6 * matrix.max()).all()
    np.testing.assert_allclose(matrix, matrix.T, atol=1e-6)
    kernel = np.exp(-matrix / np.median(matrix))
    assert np.linalg.eigvalsh(semidefinite(kernel)).min() >= -1e-8


def test_projection_leaves_a_semidefinite_matrix_alone() -> None:
    matrix = np.array([[1.0, 0.9, 0.0], [0.9, 1.0, 0.9], [0.0, 0.9, 1.0]])
    assert np.linalg.eigvalsh(matrix).min() < 0
    assert np.linalg.eigvalsh(semidefinite(matrix)).min() >= -1e-12
    np.testing.assert_allclose(semidefinite(np.eye(3)), np.eye(3), atol=1e-12)


@pytest.mark.slow
def test_a_gaussian_process_over_transport_ranks_chains_better_than_their_size() -> None:
    space = joined(ChainSpace(layers=(1, 6), filters=(8, 16, 32, 64), dense=(0, 0), halvings=0))
    generator = rng(5)
    genotypes = [decode(space, sample(space, generator))[0] for _ in range(150)]
    y = np.array([_quality(g) for g in genotypes]) + 0.05 * generator.standard_normal(150)
    size = np.array([[len(g.layers), np.log(g.plan((3, 16, 16), 10).parameters)] for g in genotypes])
    networks = [Layers.of(g.graph()) for g in genotypes]
    transport = np.array([[distance(a, b, 0.5)[1] for b in networks] for a in networks])
    gap = np.abs(size[:, None] - size[None]) / size.std(axis=0)
    ranks = [_rank(matrix, y) for matrix in (transport, gap.sum(axis=2))]
    assert ranks[0] >= 0.6
    assert ranks[0] > ranks[1]


def _quality(genotype: object) -> float:
    """Convolutions of 3×3 help with falling returns; pools early in a chain hurt."""
    total = 0.0
    for i, layer in enumerate(genotype.layers):  # type: ignore[attr-defined]
        if "pool" in layer.operation:
            total += 0.6 / (1 + i)
        else:
            total -= np.log2(layer.filters) / 6 / (1 + 0.5 * i) * (1.0 if layer.kernel == 3 else 0.4)
    return total


def _rank(between: np.ndarray, y: np.ndarray) -> float:
    """Spearman correlation of the likeliest exp(−d / length) on the last third."""
    split = 100
    centred = (y[:split] - y[:split].mean()) / y[:split].std()
    fits = []
    for length in np.median(between) * np.array([0.25, 0.5, 1.0, 2.0, 4.0]):
        kernel = semidefinite(np.exp(-between / length))
        fits.append((Posterior.of(kernel[:split, :split], centred, 0.05), kernel))
    posterior, kernel = max(fits, key=lambda fit: fit[0].log_marginal)
    mean, _ = posterior.predict(kernel[split:, :split], 1.0)
    return float(spearmanr(mean, y[split:])[0])
