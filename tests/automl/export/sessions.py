"""Graphs and models run by ONNX Runtime, and the tables that they are fed."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import onnxruntime
import pandas as pd

from automl.export.columns import Encoded
from automl.export.graph import DOUBLE, FLOAT, INT64, Graph
from automl.export.model import build
from automl.preprocessing.columns import Arrays


def mixed(rows: int = 120, seed: int = 0) -> pd.DataFrame:
    """Numbers, infinite and missing ones among them, a timestamp, and categories of text and of numbers."""
    rng = np.random.default_rng(seed)
    price = rng.normal(size=rows)
    price[:5] = [np.nan, np.inf, -np.inf, 1e30, np.nan]
    return pd.DataFrame(
        {
            "price": price,
            "stamp": 1.7e9 + rng.integers(0, 1000, rows),
            "age": rng.integers(18, 80, rows),
            "flag": rng.random(rows) > 0.5,
            "maybe": pd.array([None, True, False, None] * (rows // 4), dtype="boolean"),
            "city": rng.choice(["Oslo", "Rome", "Ulm", None], rows),
            "street": rng.choice([f"street {k}" for k in range(30)], rows),
            "zone": pd.Categorical(rng.integers(0, 5, rows) * 7),
            "size": pd.Categorical(rng.choice([0.5, 1.5, 2.5], rows)),
        }
    )


def strange(rows: int = 40) -> pd.DataFrame:
    """Rows of such a table with much that training has not met."""
    table = mixed(rows, seed=9)
    table[["price", "stamp", "age"]] = table[["price", "stamp", "age"]].astype(float) * [1e6, 1.5, -3]
    table.loc[:9, "city"], table.loc[5:14, "street"] = "nowhere", "new"
    table.loc[20:, ["price", "stamp", "age"]] = np.nan
    return table.assign(zone=[5, *[0] * (rows - 1)], size=[9.9, np.nan, *[0.5] * (rows - 2)])


def session(model: Any) -> Any:
    """A session of one thread that says nothing below an error."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level, options.intra_op_num_threads = 3, 1
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def feeds(opened: Any, table: pd.DataFrame, missing: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The columns of a table as a session wants them; `missing` is what the model says of itself by default."""
    if missing is None:
        missing = json.loads(opened.get_modelmeta().custom_metadata_map["missing"])
    kinds = {"tensor(string)": object, "tensor(int64)": np.int64, "tensor(double)": np.float64}
    found = {}
    for put in opened.get_inputs():
        column = table[put.name].astype(object)
        whole = column.where(column.notna(), missing.get(put.name, np.nan))
        found[put.name] = whole.to_numpy(dtype=kinds[put.type])[:, None]
    return found


def assert_predicts_alike(estimator: Any, *tables: pd.DataFrame) -> Any:
    """The exported model predicts what the estimator does, for whole tables and for single rows; gives the session."""
    opened = session(build(estimator))
    for whole in tables:
        for table in (whole, whole.iloc[:1], whole.iloc[-1:]):
            given = feeds(opened, table)
            if hasattr(estimator, "classes_"):
                probabilities, labels = opened.run(["probabilities", "label"], given)
                np.testing.assert_allclose(probabilities, estimator.predict_proba(table), atol=1e-6)
                assert labels.tolist() == estimator.predict(table).tolist()
            else:
                (values,) = opened.run(["prediction"], given)
                wanted = estimator.predict(table)
                np.testing.assert_allclose(values, wanted, atol=1e-6 * max(1.0, np.abs(wanted).max()))
    return opened


def computed(add: Callable[[Graph, Encoded], str], arrays: Arrays, levels: tuple[int, ...] = ()) -> Any:
    """What a function adds to a graph, for encoded rows."""
    numbers, codes = [f"n{j}" for j in range(arrays.numbers.shape[1])], [f"c{j}" for j in range(len(levels))]
    graph = Graph([*numbers, *codes, "out"])
    values = [graph.input(name, FLOAT) for name in numbers]
    marks = [graph.input(name, INT64) for name in codes]
    nothing = graph.columns(graph.cast((values or marks)[0], FLOAT), [])
    encoded = Encoded(
        graph.join(values or [nothing]), graph.join(marks or [graph.cast(nothing, INT64)]), levels, len(values)
    )
    graph.output("out", graph.cast(add(graph, encoded), DOUBLE), DOUBLE, "columns")
    given = {name: arrays.numbers[:, j : j + 1] for j, name in enumerate(numbers)}
    given |= {name: arrays.codes[:, j : j + 1].astype(np.int64) for j, name in enumerate(codes)}
    return session(graph.model("")).run(None, given)[0]
