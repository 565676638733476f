"""Graphs under construction."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper
from onnx import numpy_helper as arrays
from sessions import session

from automl.export.graph import DOUBLE, FLOAT, STRING, Graph

X = np.array([[-np.inf], [-2.0], [0.5], [np.nan], [3.0], [np.inf]])


def run(graph: Graph, **given: Any) -> Any:
    return session(graph.model("")).run(None, given)[0]


def test_clip_keeps_what_is_missing() -> None:
    graph = Graph(["x", "out"])
    graph.output("out", graph.clip(graph.input("x", DOUBLE), np.float64(-1), np.float64(2)), DOUBLE, 1)
    assert np.array_equal(run(graph, x=X)[:, 0], [-1, -1, 0.5, np.nan, 2, 2], equal_nan=True)


def test_the_cosine_is_exact_however_large_the_angle() -> None:
    graph = Graph(["x", "out"])
    graph.output("out", graph.cosine(graph.input("x", DOUBLE)), DOUBLE, 1)
    angles = np.outer(10.0 ** np.arange(0, 20, 2), [-1.7, 0.0, 0.3, 2.9]).reshape(-1, 1)
    np.testing.assert_allclose(run(graph, x=angles), np.cos(angles), rtol=0, atol=1e-14)


def test_equal_operations_and_constants_are_kept_once() -> None:
    graph = Graph(["x"])
    x = graph.input("x", DOUBLE)
    assert graph.constant(np.array([1.0, 2.0])) == graph.constant(np.array([1.0, 2.0]))
    assert graph.constant(np.array([1.0, 2.0])) != graph.constant(np.array([1, 2]))
    assert graph.constant(0.0) != graph.constant(-0.0)
    assert graph.op("Neg", x) == graph.op("Neg", x)
    assert graph.op("Softmax", x, axis=0) != graph.op("Softmax", x, axis=1)


def test_no_value_takes_the_name_of_a_column() -> None:
    graph = Graph(["neg_1", "neg_2"])
    graph.input("neg_1", DOUBLE)
    assert graph.op("Neg", "neg_1") == "neg_3"


def test_large_constants_are_stored_in_single_precision_where_that_is_exact() -> None:
    exact, fine = np.arange(1000, dtype=np.float64)[None], np.arange(1000, dtype=np.float64)[None] / 3
    graph = Graph(["x", "out"])
    x = graph.input("x", DOUBLE)
    graph.output("out", graph.op("Add", graph.op("Add", x, graph.constant(exact)), graph.constant(fine)), DOUBLE, 1000)
    assert {t.data_type for t in graph.model("").graph.initializer} == {FLOAT, DOUBLE}
    assert np.array_equal(run(graph, x=np.ones((2, 1)))[1:], 1 + exact + fine)


def test_text_is_a_constant_too() -> None:
    graph = Graph(["out"])
    graph.output("out", graph.constant(np.array(["ä", "b"], dtype=object)), STRING)
    assert run(graph).tolist() == ["ä", "b"]


@pytest.mark.parametrize("kind", ["Cos", "Erf", "Selu", "Softplus"])
def test_another_model_is_inlined_even_where_double_precision_has_no_operator(kind: str) -> None:
    weights = arrays.from_array(np.array([[2.0]]), "w")
    nodes = [helper.make_node("MatMul", ["x", "w"], ["y"]), helper.make_node(kind, ["y"], ["z"])]
    ends = [helper.make_tensor_value_info(name, TensorProto.DOUBLE, ["n", 1]) for name in ("x", "z")]
    other = helper.make_model(
        helper.make_graph(nodes, "other", ends[:1], ends[1:], [weights]), opset_imports=[helper.make_opsetid("", 18)]
    )
    graph = Graph(["x", "out"])
    x = graph.input("x", DOUBLE)
    first, second = graph.inline(other, [x]), graph.inline(other, [graph.op("Neg", x)])
    graph.output("out", graph.join([*first, *second]), DOUBLE, 2)
    (one, two), (three, four) = run(graph, x=np.array([[0.25], [-0.25]]))
    assert (one, two) == pytest.approx((four, three))
    known = {
        "Cos": 0.8775825619,
        "Erf": 0.5204998778,
        "Selu": 0.5253505,
        "Softplus": 0.9740769841,
    }  # of 0.5, by the definitions
    assert one == pytest.approx(known[kind], abs=1e-7)
