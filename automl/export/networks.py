"""Networks in a graph, by torch's exporter."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from onnx import ModelProto
from torch import Tensor, nn

from automl.architectures.stacking import duplicate
from automl.errors import ExportError
from automl.evaluation.fitted import NetworkModel
from automl.export.columns import Encoded
from automl.export.graph import DOUBLE, OPSET, Graph
from automl.export.preparation import prepare
from automl.preprocessing.dense import DensePreparer

EXAMPLE_ROWS = 3  # torch takes one row, or none, for a special case


def convert_networks(graph: Graph, models: Sequence[NetworkModel], encoded: Encoded) -> list[str]:
    """(rows, classes) probabilities or (rows, outputs) raw values of each network, double.

    Computed in double precision as in `training.predict`.

    Raises
    ------
    ExportError: torch cannot export a network.
    """
    feeds, examples = [], []
    for model in models:
        assert isinstance(model.preparer, DensePreparer), "estimators for images have no `export_onnx`"
        prepared = prepare(graph, model.preparer, encoded)
        feeds += [graph.cast(prepared.numbers, DOUBLE), prepared.codes]
        examples += [
            torch.zeros(EXAMPLE_ROWS, model.preparer.width, dtype=torch.float64),
            torch.zeros(EXAMPLE_ROWS, len(prepared.levels), dtype=torch.int64),
        ]
    exported = _exported(_Networks(models), examples)
    return graph.inline(exported, feeds)


class _Networks(nn.Module):
    """Several networks as one: numbers (rows, d) and codes (rows, c) of each in turn → predictions of each."""

    def __init__(self, models: Sequence[NetworkModel]) -> None:
        super().__init__()
        self.networks = nn.ModuleList(duplicate(model.network).cpu().double().eval() for model in models)
        self.classification = models[0].target.outputs > 1

    def forward(self, inputs: list[Tensor]) -> list[Tensor]:
        pairs = zip(self.networks, inputs[::2], inputs[1::2], strict=True)
        return [self._predicted(network(numbers, codes)) for network, numbers, codes in pairs]

    def _predicted(self, logits: Tensor) -> Tensor:
        """Predictions of logits (rows, outputs), or of (rows, k, outputs): k predictions, whose mean counts."""
        values = logits.softmax(-1) if self.classification else logits
        return values.mean(1) if values.dim() == 3 else values


def _exported(networks: _Networks, examples: list[Tensor]) -> ModelProto:
    open_rows = {0: torch.export.Dim.DYNAMIC}
    try:
        with _silence(), torch.no_grad():
            program = torch.export.export(
                networks, (examples,), dynamic_shapes=([open_rows] * len(examples),), strict=False
            )
            # Constants are not folded: the weights stay numbers of single precision, which take half the space.
            exported = torch.onnx.export(
                program, dynamo=True, opset_version=OPSET, optimize=False, verbose=False, external_data=False
            )
    except Exception as error:  # the exporter fails with errors of many types
        first = next(iter(str(error).strip().splitlines()), "")
        hint = "; take x.shape[0] in place of len(x), which fixes the rows" if "specialized" in str(error) else ""
        raise ExportError(f"torch cannot export its network ({type(error).__name__}: {first}){hint}") from error
    assert exported is not None
    return exported.model_proto


@contextmanager
def _silence() -> Iterator[None]:
    """Without what torch says of itself, such as of libraries that are not there."""
    logger = logging.getLogger("torch.onnx")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(before)
