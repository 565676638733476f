"""Decision trees of scikit-learn, and forests of them, also AutoNet's own, in a graph."""

from __future__ import annotations

from typing import Any

import numpy as np

from automl.architectures.forests import FAINT
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


def convert_forest_learner(graph: Graph, learner: Any, inputs: Inputs) -> str:
    """(rows, classes) probabilities or (rows, 1) values of AutoNet's own forests, as they are saved."""
    _, arrays = learner.state()
    inner, values, classes = arrays["inner"], arrays["values"].astype(np.float64), arrays["classes"]
    place = np.cumsum(~inner) - 1  # of a leaf among the leaves
    node = np.maximum(np.cumsum(inner) - 1, 0)  # of a node among the inner ones
    whole = Tree(
        leaf=~inner,
        **{name: arrays[name][node] for name in ("left", "right", "feature")},
        split=arrays["threshold"][node],
        missing_left=arrays["missing_left"][node].astype(np.bool_),
        value=place if len(classes) else values[np.maximum(place, 0), 0] / len(arrays["counts"]),
        members={},
    )
    trees = _apart(whole, arrays["counts"])
    if not len(classes):
        return sum_of_trees(graph, inputs.value, trees, [0] * len(trees), np.zeros(1))
    votes = graph.op("Gather", graph.constant(values), leaves_of_trees(graph, inputs.value, trees))
    total = graph.op("ReduceSum", votes, graph.constant(np.array([1])), keepdims=0)
    total = graph.op("Add", total, graph.constant(np.float64(FAINT)))
    return graph.op("Div", total, graph.op("ReduceSum", total, graph.constant(np.array([1])), keepdims=1))


def _apart(whole: Tree, counts: np.ndarray[Any, Any]) -> list[Tree]:
    """Trees of these numbers of nodes that lie one after another in one."""
    ends = np.cumsum(counts)
    names = [name for name in vars(whole) if name != "members"]
    return [
        Tree(**{name: getattr(whole, name)[end - count : end] for name in names}, members={})
        for count, end in zip(counts, ends, strict=True)
    ]


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
