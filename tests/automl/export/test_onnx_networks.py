"""Networks in a graph: every family, whatever its configuration, on numbers alone, codes alone, or both."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from sessions import session
from torch import Tensor, nn

from automl.architectures.catalogue import FAMILIES, family
from automl.architectures.family import Shape, is_network, native, takes_images
from automl.architectures.prime import prime
from automl.evaluation.blueprints import Blueprint
from automl.evaluation.fitted import NetworkModel
from automl.evaluation.target import Target
from automl.export.columns import Encoded
from automl.export.graph import DOUBLE, FLOAT, INT64, Graph
from automl.export.networks import convert_networks
from automl.preprocessing.columns import Arrays
from automl.preprocessing.dense import DensePreparer
from automl.space import complete

NETWORKS = [name for name in FAMILIES if is_network(family(name)) and not takes_images(family(name))]
LEVELS = (3, 4, 15)
CLOSE = 1e-6
FEW = {"num_groups": 2, "blocks_per_group": 1, "blocks_per_group_1": 1, "blocks_per_group_2": 1}


def table(rows: int, seed: int = 0, numbers: int = 4, codes: int = 3) -> Arrays:
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(rows, numbers)).astype(np.float32)
    values[rng.random(values.shape) < 0.1] = np.nan
    return Arrays(values, np.column_stack([rng.integers(0, n, rows) for n in LEVELS])[:, :codes].astype(np.int32))


def network(of: Any, arrays: Arrays, outputs: int, seed: int = 0, config: dict[str, Any] | None = None) -> NetworkModel:
    """A network of a family that is not trained, but has seen its rows."""
    levels = LEVELS[: arrays.codes.shape[1]]
    preparer = DensePreparer.fit(arrays, levels=levels)
    space = family(of).space()
    chosen = native(dict(space.get_default_configuration())) if config is None else config
    blueprint = Blueprint(chosen, preparer.width, tuple(n - 1 for n in levels), outputs, len(arrays))
    made = blueprint.build(family(of), seed)
    numbers, codes = torch.from_numpy(preparer.transform(arrays)), torch.from_numpy(arrays.codes.astype(np.int64))
    prime(made, numbers, codes, torch.from_numpy(np.arange(len(arrays)) % max(outputs, 2)), seed)
    with torch.no_grad():
        made.train()(numbers, codes)  # batch norms see the rows, too
    return NetworkModel(made.eval(), blueprint, preparer, Target(outputs))


def assert_predict_alike(models: list[NetworkModel], *tables: Arrays) -> None:
    first = tables[0]
    names = [f"n{j}" for j in range(first.numbers.shape[1])], [f"c{j}" for j in range(first.codes.shape[1])]
    graph = Graph([*names[0], *names[1], *(f"out{k}" for k in range(len(models)))])
    numbers, codes = [graph.input(name, FLOAT) for name in names[0]], [graph.input(name, INT64) for name in names[1]]
    nothing = graph.columns(graph.cast((numbers or codes)[0], FLOAT), [])
    encoded = Encoded(
        graph.join(numbers or [nothing]),
        graph.join(codes or [graph.cast(nothing, INT64)]),
        LEVELS[: len(codes)],
        len(numbers),
    )
    for k, value in enumerate(convert_networks(graph, models, encoded)):
        graph.output(f"out{k}", value, DOUBLE, models[k].target.outputs)
    opened = session(graph.model(""))
    for arrays in tables:
        given = {name: arrays.numbers[:, j : j + 1] for j, name in enumerate(names[0])}
        given |= {name: arrays.codes[:, j : j + 1].astype(np.int64) for j, name in enumerate(names[1])}
        for found, model in zip(opened.run(None, given), models, strict=True):
            np.testing.assert_allclose(found, model.predict(arrays), rtol=CLOSE, atol=CLOSE)


def shallow(name: str) -> dict[str, Any]:
    """The default with few groups and blocks: more of the same make an export longer, not another one."""
    space = family(name).space()
    return complete(space, {key: value for key, value in FEW.items() if key in space})


def narrow(config: dict[str, Any]) -> dict[str, Any]:
    """With layers that fit into memory: Auto-Net 1.0 may have six of 6144 units."""
    return {name: min(value, 64) if "units" in name else value for name, value in config.items()}


@pytest.mark.parametrize(
    "outputs", [pytest.param(1, id="values", marks=pytest.mark.slow), pytest.param(3, id="classes")]
)
def test_networks_of_all_families_predict_alike(outputs: int) -> None:
    train = table(60)
    models = [network(name, train, outputs, config=shallow(name)) for name in NETWORKS]
    assert_predict_alike(models, train, table(1, seed=1), table(5, 2))


@pytest.mark.slow
@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("columns", [(4, 3), (4, 0), (0, 3)], ids=["both", "numbers", "codes"])
def test_networks_of_random_configurations_predict_alike(name: str, columns: tuple[int, int]) -> None:
    numbers, codes = columns
    train, other = (table(rows, seed, numbers, codes) for rows, seed in ((60, 0), (7, 1)))
    space = family(name).space()
    space.seed(0)
    drawn = [narrow(native(dict(config))) for config in space.sample_configuration(2)]
    assert_predict_alike([network(name, train, 3, k, config) for k, config in enumerate(drawn)], train, other)


class Activations(nn.Module):
    """One of torch's activations after another; `float` and back on the way, as users may write."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(inputs, 8), nn.Linear(8, outputs)
        kinds = [nn.CELU, nn.ELU, nn.GELU, nn.Hardsigmoid, nn.Hardswish, nn.LeakyReLU, nn.Mish, nn.PReLU, nn.SELU]
        self.steps = nn.ModuleList([*(kind() for kind in kinds), nn.Softplus(), nn.Softsign(), nn.Tanhshrink()])

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(x)
        for step in self.steps:
            x = x + step(nn.functional.layer_norm(x, (8,)))
        return self.last(x.float().to(x.dtype))


class Own:
    """A user's family."""

    name = "own"

    def space(self) -> Any:
        from ConfigSpace import ConfigurationSpace

        return ConfigurationSpace({"unused": (0, 1)})

    def build(self, shape: Shape, *, unused: int) -> nn.Module:
        return Activations(shape.inputs, shape.outputs)


def test_a_network_of_ones_own_may_have_any_activation() -> None:
    train = table(60)
    assert_predict_alike([network(Own(), train, 3)], train, table(1, seed=1))
