"""Neuroevolution on problems of its own: NEAT on XOR, CoDeepNEAT on digits; random search beside both.

    python tests/benchmarks/neuroevolution.py --seeds 10 --image-seeds 5

* XOR, as in Stanley & Miikkulainen (2002), section 4.1: evolution begins without hidden units, may add up to four and
  finds all weights; solved where the fitness, 4 minus the squared errors of the four cases, exceeds 3.9. Generations of
  30 networks, at most 100; random search draws as many networks from the same space.
* digits: chains of one to four convolutions and pools, and their learning rate; each network is trained for four epochs
  on 500 of scikit-learn's 8×8 digits. The search sees the error on 400 others, and that of its best network on 897
  more is reported. Every method trains as many networks. CoDeepNEAT assembles 20 a generation.
"""

from __future__ import annotations

import argparse
import statistics
import time
from typing import Any

import ConfigSpace as CS
import numpy as np
import torch
from sklearn.datasets import load_digits
from torch import Tensor
from torch.nn import functional

from automl.genotypes.genotype import build as network_of
from automl.genotypes.spaces import ChainSpace, decode, joined
from automl.search.catalogue import METHODS, build
from automl.search.history import History
from automl.search.trial import Proposal, Result, State, Trial, trial_seed

GENERATION, MOST = 30, 100
"""Networks a generation of NEAT, and generations at most."""

SOLVED = 0.1
"""Squared error below which the fitness exceeds 3.9 of 4."""

EPOCHS, BATCH, TRAIN, JUDGE = 4, 50, 500, 400
"""Epochs and rows a step of a network for digits; images that it learns from, and others by which it is judged."""


def weights_space(hidden: int = 4) -> CS.ConfigurationSpace:
    """Weights of a network of two inputs and up to so many hidden units."""
    space = CS.ConfigurationSpace()
    count = CS.Integer("hidden", (0, hidden), default=0)
    space.add([count, *(CS.Float(f"out_{source}", (-8.0, 8.0)) for source in ("bias", "x1", "x2"))])
    for i in range(1, hidden + 1):
        for end in ("bias", "x1", "x2", "out"):
            weight = CS.Float(f"h{i}_{end}", (-8.0, 8.0))
            space.add(weight)
            space.add(CS.GreaterThanCondition(weight, count, i - 1))
    return space


def xor_loss(weights: Any) -> float:
    """The squared error over the four cases."""
    x1, x2, y = np.array([0, 0, 1, 1]), np.array([0, 1, 0, 1]), np.array([0, 1, 1, 0])
    total = weights["out_bias"] + weights["out_x1"] * x1 + weights["out_x2"] * x2
    for i in range(1, weights["hidden"] + 1):
        unit = np.tanh(weights[f"h{i}_bias"] + weights[f"h{i}_x1"] * x1 + weights[f"h{i}_x2"] * x2)
        total = total + weights[f"h{i}_out"] * unit
    return float(((1 / (1 + np.exp(-total)) - y) ** 2).sum())


def networks_to_xor(method: str, seed: int) -> tuple[int | None, int]:
    """Networks until XOR is solved, None where it is not, and hidden units of the one that solves it."""
    space, sampler, past = weights_space(), METHODS[method].sampler(), History()
    for number in range(GENERATION * MOST):
        config = sampler(space, past, np.random.default_rng([seed, number]))
        loss = xor_loss(config)
        if loss < SOLVED:
            return number + 1, config["hidden"]
        if method != "random":  # which remembers nothing
            past = past.put(Trial(number, Proposal(config), trial_seed(seed, number), Result(State.DONE, loss)))
    return None, 0


def xor(seeds: int) -> None:
    print("method       solved   generations of 30: median (most)   hidden units: median")
    for method in ("neat", "random"):
        found = [networks_to_xor(method, seed) for seed in range(seeds)]
        generations = sorted((n - 1) // GENERATION + 1 for n, _ in found if n is not None)
        units = [hidden for n, hidden in found if n is not None]
        figures = (
            f"{statistics.median(generations):g} ({generations[-1]})   {statistics.median(units):g}" if units else ""
        )
        print(f"{method:<12} {len(units)} of {seeds}   {figures}", flush=True)


def chains() -> CS.ConfigurationSpace:
    training = CS.ConfigurationSpace()
    training.add(CS.Float("rate", (1e-4, 1e-1), log=True))
    bounds = ChainSpace(layers=(1, 4), kernels=(1, 3, 5), filters=(4, 8, 16), halvings=2, dense=(0, 0))
    return joined(bounds, training)


def errors(space: CS.ConfigurationSpace, config: Any, seed: int, images: Tensor, labels: Tensor) -> tuple[float, float]:
    """Shares of wrong digits of a trained network: among those it is judged by, and among the rest."""
    torch.manual_seed(seed)
    genotype, training = decode(space, config)
    network = network_of(genotype, (1, 8, 8), 10)
    optimizer = torch.optim.Adam(network.parameters(), lr=training["rate"])
    for _ in range(EPOCHS):
        for rows in torch.randperm(TRAIN).split(BATCH):
            optimizer.zero_grad()
            functional.cross_entropy(network(images[rows]), labels[rows]).backward()
            optimizer.step()
    with torch.no_grad():
        wrong = (network.eval()(images[TRAIN:]).argmax(1) != labels[TRAIN:]).float()
    return float(wrong[:JUDGE].mean()), float(wrong[JUDGE:].mean())


def search(method: str, seed: int, trials: int, images: Tensor, labels: Tensor) -> tuple[list[float], float]:
    """The errors that the search saw, and the error of its best network on the digits that it did not see."""
    space, past, unseen = chains(), History(), []
    optimizer = build(method, space, seed=seed, min_share=1.0)
    for number in range(trials):
        proposal = optimizer.ask(past)
        assert proposal is not None, "methods at the full budget always have a proposal"
        told, kept = errors(space, proposal.config, trial_seed(seed, number), images, labels)
        unseen.append(kept)
        past = past.put(Trial(number, proposal, trial_seed(seed, number), Result(State.DONE, told)))
    return [trial.loss for trial in past], unseen[past.best.number]


def digits(seeds: int, trials: int) -> None:
    torch.set_num_threads(1)
    data = load_digits()
    order = np.random.default_rng(0).permutation(len(data.target))
    images = torch.tensor(data.images[order] / 16, dtype=torch.float32)[:, None]
    labels = torch.tensor(data.target[order])
    print(
        f"\nmethod       error in % of the best of {trials}: seen, unseen; mean error of the first 20, of the last 20"
    )
    for method in ("codeepneat", "random"):
        start = time.perf_counter()
        found = [search(method, seed, trials, images, labels) for seed in range(seeds)]
        columns = (
            [min(seen) for seen, _ in found],
            [kept for _, kept in found],
            [float(np.mean(seen[:20])) for seen, _ in found],
            [float(np.mean(seen[-20:])) for seen, _ in found],
        )
        words = [f"{100 * np.mean(c):.2f} ± {196 * np.std(c, ddof=1) / len(c) ** 0.5:.2f}" for c in columns]
        print(f"{method:<12} {'   '.join(words)}   {time.perf_counter() - start:.0f} s", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=10, help="of XOR")
    parser.add_argument("--image-seeds", type=int, default=5, help="of digits, at least 2; 0 leaves them out")
    parser.add_argument("--trials", type=int, default=60, help="networks for digits a search, at least 20")
    arguments = parser.parse_args()
    xor(arguments.seeds)
    if arguments.image_seeds:
        digits(arguments.image_seeds, arguments.trials)


if __name__ == "__main__":
    main()
