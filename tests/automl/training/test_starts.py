"""Learned first weights: few steps from them lead far, and a fit can begin with them."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from small_runs import folds
from torch import nn

from automl.architectures.inputs import TabularNet, tabular_network
from automl.architectures.learned_start import LearnedStart
from automl.architectures.prime import prime
from automl.architectures.starts import load_start, save_start
from automl.errors import ArtefactError, DataError, SettingError
from automl.training.data import Rows
from automl.training.starts import descend, learn_start

CONFIG = {"form": "brick", "n_layers": 2, "activation": "silu", "dropout": 0.0, "norm": "none"}


class Regressor(nn.Module):
    """The network of the paper: two layers of 64 units with tanh."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(1, 64), nn.Tanh(), nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, 1))

    def forward(self, numbers: torch.Tensor, codes: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.body(numbers)
        return out


def regressor(seed: int) -> nn.Module:
    torch.manual_seed(seed)
    return Regressor()


def sinusoid(rng: np.random.Generator, rows: int = 50) -> Rows:
    """Of an amplitude in [.1, 5] and any phase, on [-5, 5] (Finn, Abbeel & Levine 2017, section 5.1)."""
    amplitude, phase = rng.uniform(0.1, 5.0), rng.uniform(0, 2 * np.pi)
    x = torch.from_numpy(rng.uniform(-5, 5, (rows, 1))).float()
    return Rows(x, torch.zeros((rows, 0), dtype=torch.int64), (amplitude * torch.sin(x + phase)).flatten())


def error_after_five_steps(start: dict[str, torch.Tensor], task: Rows, rng: np.random.Generator) -> float:
    """On forty rows, after five steps on the first ten."""
    network = regressor(0)
    network.load_state_dict(start)
    shown, hidden = (Rows(task.numbers[i], task.codes[i], task.targets[i]) for i in (slice(10), slice(10, None)))
    descend(network, shown, loss="squared", steps=5, rate=0.02, batch_size=10, rng=rng)
    with torch.no_grad():
        return float((network(hidden.numbers, hidden.codes).flatten() - hidden.targets).square().mean())


def test_five_steps_on_new_sinusoids_leave_at_most_half_the_error_of_a_random_start() -> None:
    rng = np.random.default_rng(0)
    known = [sinusoid(rng) for _ in range(1000)]
    learned = learn_start(known, regressor, loss="squared", rounds=500, share=0.3)
    new = [sinusoid(rng) for _ in range(50)]
    error = np.mean([error_after_five_steps(learned, task, np.random.default_rng(1)) for task in new])
    random = [
        np.mean([error_after_five_steps(regressor(seed).state_dict(), task, np.random.default_rng(1)) for task in new])
        for seed in range(3)
    ]
    assert error <= 0.5 * min(random)


def test_the_same_seed_learns_the_same_start() -> None:
    tasks = [sinusoid(np.random.default_rng(k)) for k in range(3)]
    first, second, other = (learn_start(tasks, regressor, loss="squared", rounds=5, seed=seed) for seed in (0, 0, 1))
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert not torch.equal(first["body.0.weight"], other["body.0.weight"])


def test_one_round_moves_the_weights_a_share_of_the_way() -> None:
    task = sinusoid(np.random.default_rng(0), rows=10)
    begun, trained = regressor(7).state_dict(), regressor(7)
    descend(trained, task, loss="squared", steps=3, rate=0.02, batch_size=10, rng=np.random.default_rng(0))
    found = learn_start([task], regressor, loss="squared", rounds=1, steps=3, share=0.25, seed=7)
    for name, tensor in trained.state_dict().items():  # with all rows in each batch, their order matters not
        torch.testing.assert_close(found[name], begun[name] + 0.25 * (tensor - begun[name]), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("bad", [{"rounds": 0}, {"rate": 0.0}, {"share": 1.5}])
def test_numbers_out_of_range_are_refused(bad: dict[str, float]) -> None:
    with pytest.raises(SettingError):
        learn_start([sinusoid(np.random.default_rng(0))], regressor, loss="squared", **bad)  # type: ignore[arg-type]


def rows(n: int = 20, columns: int = 1, codes: int = 0, targets: torch.Tensor | None = None) -> Rows:
    x = torch.linspace(-1, 1, n * columns).reshape(n, columns)
    return Rows(x, torch.full((n, codes), 7), torch.zeros(n) if targets is None else targets)


@pytest.mark.parametrize(
    ("task", "said"),
    [
        (rows(0), "task 1 has no rows"),
        (rows(columns=4), "task 1, with 4 numbers and 0 codes a row, does not fit"),
        (Rows(torch.tensor([[0.0], [torch.nan]]), torch.zeros((2, 0), dtype=torch.int64), torch.zeros(2)), "fill what"),
        (rows(targets=torch.ones(20, dtype=torch.int64)), "finite float32 targets for each of the 1 outputs"),
        (rows(targets=torch.zeros(20, 2)), "finite float32 targets"),
        (rows(targets=torch.full((20,), torch.inf)), "finite float32 targets"),
    ],
)
def test_a_task_of_another_shape_is_named(task: Rows, said: str) -> None:
    with pytest.raises(DataError, match=said):
        learn_start([sinusoid(np.random.default_rng(0)), task], regressor, loss="squared", rounds=1)


def test_classes_and_levels_that_the_network_lacks_are_told() -> None:
    def classifier(seed: int) -> TabularNet:
        return tabular_network("mlp", {**CONFIG, "max_units": 8}, numbers=1, levels=[3], outputs=3, rows=9, seed=seed)

    def embedding(seed: int) -> TabularNet:
        return tabular_network("mlp", {**CONFIG, "max_units": 8}, numbers=1, levels=[6, 12], outputs=3, rows=9)

    with pytest.raises(DataError, match="whole numbers from 0 to 2"):
        learn_start([rows(codes=1, targets=torch.full((20,), 3))], classifier, loss="cross_entropy", rounds=1)
    with pytest.raises(DataError, match="whole numbers from 0 to 2"):
        learn_start([rows(codes=1)], classifier, loss="cross_entropy", rounds=1)
    many = Rows(torch.zeros((9, 1)), torch.full((9, 2), 40), torch.zeros(9, dtype=torch.int64))
    with pytest.raises(DataError, match="columns and levels"):
        learn_start([many], embedding, loss="cross_entropy", rounds=1)
    with pytest.raises(SettingError, match="unknown loss 'mse'"):
        learn_start([rows()], regressor, loss="mse", rounds=1)  # type: ignore[arg-type]


def test_a_rate_that_is_too_large_is_told() -> None:
    with pytest.raises(FloatingPointError, match="smaller rate"):
        learn_start([sinusoid(np.random.default_rng(0))], regressor, loss="squared", rounds=20, rate=1e6)


# In a fit


def network(of: str | LearnedStart, seed: int, width: int = 16) -> TabularNet:
    return tabular_network(
        of, {**CONFIG, "max_units": width}, numbers=4, levels=[3, 20], outputs=2, rows=100, seed=seed
    )


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    """A file with the weights of a network of seed 5."""
    save_start(network("mlp", 5).state_dict(), tmp_path / "start.safetensors")
    return tmp_path / "start.safetensors"


def test_a_start_is_read_as_it_was_written(kept: Path) -> None:
    read = load_start(kept)
    assert all(torch.equal(read[name], tensor) for name, tensor in network("mlp", 5).state_dict().items())


def test_networks_of_equal_shape_begin_with_the_learned_weights_and_others_as_ever(kept: Path) -> None:
    started = pickle.loads(pickle.dumps(LearnedStart("mlp", kept)))
    rows = folds()[0].train
    for width, seed in ((16, 5), (8, 1)):
        made, plain = network(started, 1, width), network("mlp", seed, width)
        prime(made, rows.numbers, rows.codes, rows.targets, 0)
        found = {name.replace("body.body.", "body."): tensor for name, tensor in made.state_dict().items()}
        here = {name: tensor for name, tensor in plain.state_dict().items() if name.startswith("body.")}
        assert all(torch.equal(found[name], tensor) for name, tensor in here.items())


def test_a_started_family_is_its_own_and_says_what_the_family_says(kept: Path) -> None:
    started = LearnedStart("mlp", kept)
    assert (started.name, started.members) == ("mlp_started", True)
    assert started.space() == LearnedStart("mlp", kept).space()
    assert not hasattr(started, "recipe_space")


def test_a_model_is_built_without_the_file_that_it_began_with(kept: Path) -> None:
    weights = network(LearnedStart("mlp", kept), 1).state_dict()
    kept.unlink()
    read = network(LearnedStart("mlp", kept), 2)
    read.load_state_dict(weights)
    assert all(torch.equal(read.state_dict()[name], weights[name]) for name in weights)


def test_a_file_that_is_missing_or_no_start_is_told_when_it_is_to_be_searched(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="no file"):
        LearnedStart("mlp", tmp_path / "none").space()
    with pytest.raises(SettingError, match="no file"):
        LearnedStart("mlp", tmp_path).space()
    (tmp_path / "pickled").write_bytes(pickle.dumps({"body.0.weight": 1.0}))
    with pytest.raises(SettingError, match="holds no first weights"):
        LearnedStart("mlp", tmp_path / "pickled").space()
    save_start(regressor(0).get_submodule("body").state_dict(), tmp_path / "part")
    with pytest.raises(SettingError, match=r"'0\.bias', .* no name that begins with 'body\.'"):
        LearnedStart("mlp", tmp_path / "part").space()
    with pytest.raises(ArtefactError, match="cannot write"):
        save_start(regressor(0).state_dict(), tmp_path / "no" / "folder")
    with pytest.raises(SettingError, match="builds no networks"):
        LearnedStart("linear", tmp_path)
    (tmp_path / "bad").write_bytes(b"no tensors")
    with pytest.raises(ArtefactError, match="cannot read"):
        load_start(tmp_path / "bad")
