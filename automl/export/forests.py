"""Decision trees of scikit-learn, and forests of them, in a graph."""

from __future__ import annotations

from typing import Any

import numpy as np

from automl.export.graph import Graph
from automl.export.inputs import Inputs
from automl.export.trees import Tree, leaves_of_trees, sum_of_trees


def convert_forest(graph: Graph, estimator: Any, inputs: Inputs) -> str:
    """(rows, classes) probabilities or (rows, 1) values: the mean over the trees, which see missing numbers, too."""
    grown = [tree.tree_ for tree in getattr(estimator, "estimators_", [estimator])]
    if not hasattr(estimator, "classes_"):
        trees = [_tree(tree, tree.value[:, 0, 0] / len(grown)) for tree in grown]
        return sum_of_trees(graph, inputs.value, trees, [0] * len(trees), np.zeros(1))
    # A leaf of the operator holds one number: here its row in the table of all leaves' probabilities.
    ends = np.cumsum([tree.node_count for tree in grown])
    trees = [_tree(tree, np.arange(end - tree.node_count, end)) for tree, end in zip(grown, ends, strict=True)]
    table = np.concatenate([tree.value[:, 0, :] for tree in grown])
    table = table / table.sum(axis=1, keepdims=True)
    leaves = leaves_of_trees(graph, inputs.value, trees)
    votes = graph.op("Gather", graph.constant(table), leaves)
    return graph.op("ReduceMean", votes, graph.constant(np.array([1])), keepdims=0)


def _tree(tree: Any, value: np.ndarray[Any, Any]) -> Tree:
    leaf = tree.children_left < 0
    missing = getattr(tree, "missing_go_to_left", None)
    return Tree(
        left=tree.children_left,
        right=tree.children_right,
        leaf=leaf,
        feature=tree.feature,
        split=tree.threshold,
        missing_left=np.zeros(len(leaf), dtype=np.bool_) if missing is None else missing.astype(np.bool_),
        value=value,
        members={},
    )
