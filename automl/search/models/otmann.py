"""OTMANN: the distance between two networks as the cost of moving the computation of one onto the other.

Kandasamy, Neiswanger, Schneider, Póczos & Xing (2018), "Neural Architecture Search with Bayesian Optimisation and
Optimal Transport", NeurIPS, arXiv:1802.07191, section 3. A layer has a mass, the size of its computation. Moving mass
from one layer to another costs what their labels differ and ν times what their places in the network differ; mass that
finds no partner costs 1 (to a dummy layer, as costs above 2 never pay). The transport is solved exactly by POT.

Costs of labels are a metric here, a sum of what sets operations apart (0.3 or 0.5 for kinds of one class, √2/10·√|k −
k'| for kernels, 0.1 for strides) inside a class and 2 between classes, so that the distance obeys the triangle
inequality; the penalties of the authors' code do so only after they are closed under it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from automl.genotypes.graph import Graph

APART = 2.0
"""Cost between layers that are not matched: twice the cost of leaving one without a partner."""

DENSE_SHARE, END_SHARE, LEAST_END = 0.1, 0.1, 100.0
"""Mass of a dense layer relative to a convolution, of input and output relative to all others, and its least value."""

CLASSES = {"conv": "conv", "sep_conv": "conv", "dil_conv": "conv", "max_pool": "pool", "avg_pool": "pool"}


@dataclass(frozen=True)
class Layers:
    """The layers of a network as transport sees them.

    Attributes
    ----------
    labels: of each layer.
    mass: (n,) > 0.
    places: (n, 18) path lengths: shortest, longest and mean over random walks, from the input and to the output,
        counted in all layers, in convolutions, and in pools.
    """

    labels: tuple[str, ...]
    mass: np.ndarray
    places: np.ndarray

    @classmethod
    def of(cls, graph: Graph) -> Layers:
        """The layers of a graph that stand between its input and output."""
        kept = [i for i in range(len(graph.labels)) if graph.live[i]] if graph.connected else [0, len(graph.labels) - 1]
        place = {node: i for i, node in enumerate(kept)}
        parents = [[place[p] for p in graph.parents[node] if p in place] for node in kept]
        labels = tuple(graph.labels[node] for node in kept)
        units = np.array([max(graph.units[node], 1) for node in kept], dtype=float)
        mass = np.array([_mass(labels[i], units, parents[i], i) for i in range(len(kept))])
        mass[[0, -1]] = max(LEAST_END, END_SHARE * mass[1:-1].sum())
        children: list[list[int]] = [[] for _ in kept]
        for node, takes in enumerate(parents):
            for parent in takes:
                children[parent].append(node)
        columns = []
        for counted in (None, "conv", "pool"):
            weight = [1.0 if counted is None else float(_parts(label)[0] == counted) for label in labels]
            columns += _lengths(parents, weight, range(len(kept)))
            columns += _lengths(children, weight, reversed(range(len(kept))))
        return cls(labels, mass, np.array(columns).T)


def distance(a: Layers, b: Layers, structure: float) -> tuple[float, float]:
    """OTMANN's distance, and the same as a share of both masses (in [0, 1]).

    Parameters
    ----------
    structure: ν, the weight of places beside labels.
    """
    import ot

    label = np.array([[label_cost(x, y) for y in b.labels] for x in a.labels])
    place = np.abs(a.places[:, None, :] - b.places[None, :, :]).mean(axis=2)
    cost = np.ones((len(a.labels) + 1, len(b.labels) + 1))
    cost[:-1, :-1] = np.minimum(label + structure * place, APART)
    cost[-1, -1] = 0.0
    first, second = a.mass.sum(), b.mass.sum()
    supply, demand = np.append(a.mass, second), np.append(b.mass, first)
    total = first + second
    moved = float(ot.emd2(supply / total, demand / total, cost, check_marginals=False))
    return moved * total, moved


@lru_cache(maxsize=4096)
def label_cost(a: str, b: str) -> float:
    """What two layers differ by themselves, a metric."""
    if a == b:
        return 0.0
    (class_a, kind_a, kernel_a, stride_a), (class_b, kind_b, kernel_b, stride_b) = _parts(a), _parts(b)
    if class_a != class_b or class_a == "other":
        return APART
    kinds = {"conv": 0.3, "pool": 0.5}[class_a] * (kind_a != kind_b)
    return float(kinds + np.sqrt(2) / 10 * np.sqrt(abs(kernel_a - kernel_b)) + 0.1 * (stride_a != stride_b))


@lru_cache(maxsize=4096)
def _parts(label: str) -> tuple[str, str, int, str]:
    """Class, kind, kernel and stride of a label such as `sep_conv_3x3/2`."""
    found = re.fullmatch(r"(\w+?)_(\d+)x(\d+)(?:_\d+x\d+)?(/2)?", label)
    kind = (found[1] if found else label).removeprefix("residual_")
    if found and kind in CLASSES:
        return CLASSES[kind], kind, max(int(found[2]), int(found[3])), found[4] or ""
    return "other", label, 0, ""


def _mass(label: str, units: np.ndarray, parents: list[int], node: int) -> float:
    incoming = float(units[parents].sum()) if parents else 1.0
    if _parts(label)[0] == "conv":
        return incoming * float(units[node])
    return DENSE_SHARE * incoming * float(units[node]) if label.endswith("dense") else incoming


def _lengths(takes: list[list[int]], weight: list[float], order: Iterable[int]) -> list[list[float]]:
    """Shortest, longest and random-walk path lengths from the end where `order` begins."""
    shortest, longest, walk = ([0.0] * len(takes) for _ in range(3))
    for node in order:
        if takes[node]:
            shortest[node] = weight[node] + min(shortest[p] for p in takes[node])
            longest[node] = weight[node] + max(longest[p] for p in takes[node])
            walk[node] = weight[node] + sum(walk[p] for p in takes[node]) / len(takes[node])
    return [shortest, longest, walk]
