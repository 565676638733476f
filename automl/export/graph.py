"""An ONNX graph under construction: values are known by their names, operations are calls."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import sha256
from typing import Any

import numpy as np
import numpy.typing as npt
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, ValueInfoProto, compose, helper
from onnx import numpy_helper as arrays
from onnx.inliner import inline_local_functions
from onnx.shape_inference import infer_shapes

OPSET = 18  # of the operators of ai.onnx: what torch's exporter writes
TREES = 5  # of the operators of ai.onnx.ml: the first whose trees are computed in double precision
IR = 10  # of the file's format, the oldest that both allow
ROWS = "rows"  # the dimension that is left open
SMALL = 64  # entries up to which a constant of double precision is kept as it is

DOUBLE, FLOAT, INT64 = TensorProto.DOUBLE, TensorProto.FLOAT, TensorProto.INT64
STRING, BOOL = TensorProto.STRING, TensorProto.BOOL

SINGLE = frozenset(
    {
        *("Atan", "Celu", "Elu", "Erf", "Gelu", "HardSigmoid", "HardSwish", "LeakyRelu", "Mish", "PRelu", "Selu"),
        *("Softplus", "Softsign", "Tan", "ThresholdedRelu"),
    }
)
"""Operators that ONNX Runtime computes in single precision only; each is put between two casts."""


class Graph:
    """Nodes, constants, inputs and outputs, in the order in which they are computed.

    Equal constants, and operations on equal values, are kept once: members of an ensemble share much of their
    preparation.

    Parameters
    ----------
    taken: names that no value may have, those of the columns and outputs.

    Examples
    --------
    >>> graph = Graph(["height", "double"])
    >>> twice = graph.op("Add", graph.input("height", DOUBLE), "height")
    >>> graph.output("double", twice, DOUBLE)
    >>> graph.model("doubles").graph.node[0].op_type
    'Add'
    """

    def __init__(self, taken: Iterable[str]) -> None:
        self._taken = set(taken)
        self._count = 0
        self._known: dict[Any, str] = {}
        self._nodes: list[NodeProto] = []
        self._constants: list[TensorProto] = []
        self._inputs: list[ValueInfoProto] = []
        self._outputs: list[ValueInfoProto] = []

    def input(self, name: str, kind: int, about: str = "") -> str:
        """An input (rows, 1) of the element type `kind`."""
        self._inputs.append(helper.make_tensor_value_info(name, kind, [ROWS, 1], doc_string=about))
        return name

    def output(self, name: str, value: str, kind: int, columns: int | str | None = None, about: str = "") -> None:
        """Give out a value of shape (rows,), or (rows, columns), under this name; columns may be a name, too."""
        shape: list[str | int | None] = [ROWS] if columns is None else [ROWS, columns]
        self._nodes.append(helper.make_node("Identity", [value], [name]))
        self._outputs.append(helper.make_tensor_value_info(name, kind, shape, doc_string=about))

    def constant(self, value: npt.ArrayLike) -> str:
        """A constant of the array's dtype; one of double precision that single precision holds exactly is kept so."""
        array = np.ascontiguousarray(value) if np.ndim(value) else np.asarray(value)
        text = array.dtype.kind in "OU"
        held = tuple(array.flat) if text else sha256(array.tobytes()).digest()
        key = ("constant", array.dtype.str, array.shape, held)
        if key not in self._known:
            short = None if array.size <= SMALL else _shortened(array)
            if short is not None:
                self._known[key] = self.op("Cast", self.constant(short), to=DOUBLE)
            else:
                self._known[key] = self._fresh("constant")
                self._constants.append(arrays.from_array(array.astype(object) if text else array, self._known[key]))
        return self._known[key]

    def op(self, kind: str, *inputs: str, domain: str = "", **attributes: Any) -> str:
        """The one output of an operator; arrays among the attributes become tensors."""
        plain = not any(isinstance(a, np.ndarray) for a in attributes.values())
        key = (kind, inputs, repr(sorted(attributes.items())))
        if plain and key in self._known:
            return self._known[key]
        made = {k: arrays.from_array(a, k) if isinstance(a, np.ndarray) else a for k, a in attributes.items()}
        name = self._fresh(kind.lower())
        self._nodes.append(helper.make_node(kind, list(inputs), [name], domain=domain, **made))
        if plain:
            self._known[key] = name
        return name

    def cast(self, value: str, kind: int) -> str:
        """The value with elements of another type."""
        return self.op("Cast", value, to=kind)

    def columns(self, value: str, positions: Sequence[int] | npt.NDArray[Any]) -> str:
        """The columns at these positions of a value (rows, d)."""
        return self.op("Gather", value, self.constant(np.asarray(positions, dtype=np.int64)), axis=1)

    def join(self, values: Sequence[str]) -> str:
        """Values (rows, …) side by side."""
        return values[0] if len(values) == 1 else self.op("Concat", *values, axis=1)

    def clip(self, value: str, low: npt.ArrayLike, high: npt.ArrayLike) -> str:
        """The value within bounds; NaN stays, which Clip, Min and Max promise on no machine."""
        lowest, highest = self.constant(low), self.constant(high)
        value = self.op("Where", self.op("Greater", value, highest), highest, value)
        return self.op("Where", self.op("Less", value, lowest), lowest, value)

    def least(self, value: str, count: int) -> tuple[str, str]:
        """The `count` least numbers of each row (rows, count), ascending, and their columns."""
        names = self._fresh("least"), self._fresh("columns")
        inputs = [value, self.constant(np.array([count]))]
        self._nodes.append(helper.make_node("TopK", inputs, names, axis=1, largest=0, sorted=1))
        return names

    def cosine(self, value: str) -> str:
        """The cosine of doubles."""
        result = self._fresh("cosine")
        self._nodes += _cosine(value, result, self._halves())
        return result

    def _halves(self) -> tuple[str, str]:
        """The constants ½ and 1."""
        return self.constant(np.float64(0.5)), self.constant(np.float64(1))

    def inline(self, model: ModelProto, feeds: Sequence[str]) -> list[str]:
        """The outputs of another model whose inputs, in their order, are these values."""
        prefix = self._fresh("part") + "/"
        model = infer_shapes(inline_local_functions(model))
        part = compose.add_prefix(model, prefix).graph
        self._nodes += [
            helper.make_node("Identity", [feed], [own.name]) for feed, own in zip(feeds, part.input, strict=True)
        ]
        for tensor in part.initializer:
            self._nodes += self._kept(tensor)
        self._nodes += _in_reach(part, self._halves())
        return [value.name for value in part.output]

    def model(self, about: str, properties: dict[str, str] | None = None) -> ModelProto:
        """The graph as a model; it is not checked."""
        graph = helper.make_graph(
            self._nodes, "autonet", self._inputs, self._outputs, initializer=self._constants, doc_string=about
        )
        opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid("ai.onnx.ml", TREES)]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=IR, producer_name="autonet")
        helper.set_model_props(model, properties or {})
        return model

    def _fresh(self, hint: str) -> str:
        while True:
            self._count += 1
            name = f"{hint}_{self._count}"
            if name not in self._taken:
                return name

    def _kept(self, tensor: TensorProto) -> list[NodeProto]:
        """Keep another model's constant, and give the node that restores its precision, if one is needed."""
        short = _shortened(arrays.to_array(tensor)) if tensor.data_type == DOUBLE else None
        if short is None:
            self._constants.append(tensor)
            return []
        return [helper.make_node("Cast", [self.constant(short)], [tensor.name], to=DOUBLE)]


def _shortened(array: npt.NDArray[Any]) -> npt.NDArray[np.float32] | None:
    """A large array of doubles in single precision, or None where that would lose anything."""
    if array.dtype != np.float64 or array.size <= SMALL:
        return None
    with np.errstate(over="ignore"):
        short = array.astype(np.float32)
    return short if np.array_equal(short, array, equal_nan=True) else None


def _in_reach(part: GraphProto, halves: tuple[str, str]) -> list[NodeProto]:
    """The nodes of a graph with operators that ONNX Runtime has; `halves` are the constants ½ and 1."""
    kinds = {value.name: value.type.tensor_type.elem_type for value in [*part.value_info, *part.input, *part.output]}
    kinds |= {tensor.name: tensor.data_type for tensor in part.initializer}
    nodes: list[NodeProto] = []
    for node in part.node:
        if node.op_type in SINGLE and kinds.get(node.output[0]) == DOUBLE:
            nodes += _in_single(node)
        elif node.op_type == "Cos" and kinds.get(node.output[0]) == DOUBLE:
            nodes += _cosine(node.input[0], node.output[0], halves)
        elif node.op_type == "CastLike" and node.input[1] in kinds:
            nodes.append(helper.make_node("Cast", [node.input[0]], node.output, to=kinds[node.input[1]]))
        else:
            nodes.append(node)
    return nodes


def _cosine(value: str, result: str, halves: tuple[str, str]) -> list[NodeProto]:
    """The cosine of doubles as 1 − 2 sin²(x / 2): ONNX Runtime has had no other one for long.

    Halving is exact, however large x is; adding π / 2 is not.
    """
    half, one = halves
    names = [f"{result}/{part}" for part in ("half", "sine", "square", "twice")]
    steps = [
        ("Mul", [value, half]),
        ("Sin", names[:1]),
        ("Mul", [names[1], names[1]]),
        ("Add", [names[2], names[2]]),
        ("Sub", [one, names[3]]),
    ]
    return [
        helper.make_node(kind, inputs, [name]) for (kind, inputs), name in zip(steps, [*names, result], strict=True)
    ]


def _in_single(node: NodeProto) -> list[NodeProto]:
    """A node of double precision, computed in single precision."""
    result = node.output[0]
    inputs = [f"{result}/single_{k}" for k in range(len(node.input))]
    casts = [
        helper.make_node("Cast", [whole], [short], to=FLOAT) for whole, short in zip(node.input, inputs, strict=True)
    ]
    single = NodeProto()
    single.CopyFrom(node)
    del single.input[:], single.output[:]
    single.input.extend(inputs)
    single.output.append(f"{result}/single")
    return [*casts, single, helper.make_node("Cast", [single.output[0]], [result], to=DOUBLE)]
