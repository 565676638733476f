"""LightGBM's trees in a graph, read from what it tells of itself in JSON."""

from __future__ import annotations

from typing import Any

import numpy as np

from automl.errors import ExportError
from automl.export.graph import Graph
from automl.export.inputs import Inputs
from automl.export.trees import Tree, sum_of_trees

ZERO = np.float64(np.float32(1e-35))
"""Up to which LightGBM takes a number for 0 (its kZeroThreshold); it splits zeros from other numbers exactly there."""


def convert_lightgbm(graph: Graph, learner: Any, inputs: Inputs) -> str:
    """(rows, classes) probabilities or (rows, 1) values of a booster of LightGBM."""
    import lightgbm

    _, arrays = learner.state()
    told = lightgbm.Booster(model_str=arrays["model"].tobytes().decode(), params={"verbosity": -1}).dump_model()
    outputs, objective = told["num_tree_per_iteration"], told["objective"]
    trees = [_tree(each["tree_structure"]) for each in told["tree_info"]]
    faint = graph.op("LessOrEqual", graph.op("Abs", inputs.value), graph.constant(ZERO))
    X = graph.op("Where", faint, graph.constant(np.float64(0)), inputs.value)
    raw = sum_of_trees(graph, X, trees, [k % outputs for k in range(len(trees))], np.zeros(outputs))
    if objective.startswith("multiclass "):
        return graph.op("Softmax", raw, axis=1)
    if objective == "binary sigmoid:1":
        second = graph.op("Sigmoid", raw)
        return graph.join([graph.op("Sub", graph.constant(np.float64(1)), second), second])
    if objective != "regression":
        raise ExportError(
            f"LightGBM's objective {objective!r} has no ONNX form; known are regression, binary, multiclass"
        )
    return raw


def _tree(root: dict[str, Any]) -> Tree:
    nodes: list[dict[str, Any]] = []
    children: list[tuple[int, int]] = []
    waiting = [(root, -1, "")]
    while waiting:
        node, parent, side = waiting.pop()
        number = len(nodes)
        nodes.append(node)
        children.append((0, 0))
        if parent >= 0:
            left, right = children[parent]
            children[parent] = (number, right) if side == "left" else (left, number)
        if "left_child" in node:
            waiting += [(node["right_child"], number, "right"), (node["left_child"], number, "left")]
    sets = {k: node["threshold"] for k, node in enumerate(nodes) if node.get("decision_type") == "=="}
    return Tree(
        left=np.array([left for left, _ in children]),
        right=np.array([right for _, right in children]),
        leaf=np.array(["left_child" not in node for node in nodes]),
        feature=np.array([node.get("split_feature", 0) for node in nodes]),
        split=np.array([0.0 if k in sets else node.get("threshold", 0.0) for k, node in enumerate(nodes)]),
        missing_left=np.array([_missing_left(node) for node in nodes]),
        value=np.array([node.get("leaf_value", 0.0) for node in nodes]),
        members={k: np.array([int(code) for code in codes.split("||")]) for k, codes in sets.items()},
    )


def _missing_left(node: dict[str, Any]) -> bool:
    """Where NaN goes: as was learned, as 0 where training had no NaN, and to the right of a set."""
    if node.get("decision_type") != "<=":
        return False
    if node["missing_type"] == "Zero":
        raise ExportError("LightGBM with zero_as_missing has no ONNX form; leave it at False")
    return bool(node["default_left"] if node["missing_type"] == "NaN" else node["threshold"] >= 0.0)
