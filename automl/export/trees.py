"""Trees as one TreeEnsemble operator in double precision, so that no threshold is rounded and no branch flips.

The inputs are numbers of single precision in double precision, as the originals see them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from automl.export.graph import INT64, Graph

AT_MOST, MEMBER = 0, 6  # modes of a node: x ≤ split, x in the set
SUM = 1

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Tree:
    """A binary tree of m nodes, the root first.

    Attributes
    ----------
    left, right: (m,) nodes where a row goes next, left if its number is at most the split; unused at leaves.
    leaf: (m,) True for leaves.
    feature: (m,) column that is looked at. split: (m,).
    missing_left: (m,) where NaN goes.
    value: (m,) what a leaf adds to the prediction.
    members: by node, the whole numbers that go left, in place of a split.
    """

    left: Ints
    right: Ints
    leaf: Mask
    feature: Ints
    split: Floats
    missing_left: Mask
    value: Floats
    members: dict[int, Ints]


def sum_of_trees(graph: Graph, X: str, trees: Sequence[Tree], targets: Sequence[int], base: Floats) -> str:
    """(rows, len(base)) double: `base`, and to column `targets[k]` what tree k adds.

    Parameters
    ----------
    X: (rows, d) double, NaN where missing.
    """
    base = base.astype(np.float64)
    grown = [(tree, target) for tree, target in zip(trees, targets, strict=True) if not tree.leaf[0]]
    for tree, target in zip(trees, targets, strict=True):
        base[target] += tree.value[0] if tree.leaf[0] else 0.0
    if not grown:
        return constant_rows(graph, X, base)
    total = graph.op("TreeEnsemble", X, domain="ai.onnx.ml", **_attributes(grown, len(base)))
    return graph.op("Add", total, graph.constant(base[None]))


def leaves_of_trees(graph: Graph, X: str, trees: Sequence[Tree]) -> str:
    """(rows, trees) int64: `value` of the leaf that each row reaches in each tree, a whole number below 2⁵³."""
    found = sum_of_trees(graph, X, trees, range(len(trees)), np.zeros(len(trees)))
    return graph.cast(found, INT64)


def constant_rows(graph: Graph, X: str, row: Floats) -> str:
    """(rows, len(row)) double, the same row for each of X (rows, d)."""
    rows = graph.op("Shape", X, start=0, end=1)
    shape = graph.op("Concat", rows, graph.constant(np.array([1])), axis=0)
    return graph.op("Expand", graph.constant(row.astype(np.float64)[None]), shape)


def _attributes(trees: Sequence[tuple[Tree, int]], targets: int) -> dict[str, object]:
    parts = []
    first_node = first_leaf = 0
    for tree, target in trees:
        parts.append(_numbered(tree, target, first_node, first_leaf))
        first_node += int((~tree.leaf).sum())
        first_leaf += int(tree.leaf.sum())
    joined = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    tensors = {"nodes_modes": np.uint8, "nodes_splits": np.float64, "leaf_weights": np.float64}
    sets = joined.pop("membership_values")
    attributes: dict[str, object] = {
        name: array.astype(tensors[name]) if name in tensors else array.astype(np.int64).tolist()
        for name, array in joined.items()
    }
    if len(sets):
        attributes["membership_values"] = sets
    return {**attributes, "n_targets": targets, "aggregate_function": SUM, "post_transform": 0}


def _numbered(tree: Tree, target: int, first_node: int, first_leaf: int) -> dict[str, npt.NDArray[np.generic]]:
    """The attributes of one tree, whose inner nodes and leaves are counted from these numbers on."""
    inner, leaves = np.flatnonzero(~tree.leaf), np.flatnonzero(tree.leaf)
    # A leaf below the root comes last: ONNX Runtime may take a root for a leaf if one child, a leaf, has the number of
    # the other child, a node (onnxruntime issue 24679). Nodes are fewer than leaves, so it never has.
    last = np.isin(leaves, [tree.left[0], tree.right[0]])
    leaves = np.concatenate([leaves[~last], leaves[last]])
    number = np.empty(len(tree.leaf), dtype=np.int64)
    number[inner] = first_node + np.arange(len(inner))
    number[leaves] = first_leaf + np.arange(len(leaves))
    left, right = tree.left[inner], tree.right[inner]
    # An empty set has no member: nothing but what is missing may go left.
    sets = {node: tree.members[node] for node in inner.tolist() if node in tree.members}
    mode = np.array([MEMBER if len(sets.get(node, ())) else AT_MOST for node in inner.tolist()])
    split = np.array([-1.0 if node in sets else tree.split[node] for node in inner.tolist()])
    members = [[*codes.tolist(), np.nan] for codes in sets.values() if len(codes)]
    return {
        "nodes_featureids": tree.feature[inner],
        "nodes_modes": mode,
        "nodes_splits": split,
        "nodes_missing_value_tracks_true": tree.missing_left[inner],
        "nodes_truenodeids": number[left],
        "nodes_trueleafs": tree.leaf[left],
        "nodes_falsenodeids": number[right],
        "nodes_falseleafs": tree.leaf[right],
        "membership_values": np.array([code for codes in members for code in codes], dtype=np.float64),
        "leaf_weights": tree.value[leaves],
        "leaf_targetids": np.full(len(leaves), target),
        "tree_roots": np.array([first_node]),
    }
