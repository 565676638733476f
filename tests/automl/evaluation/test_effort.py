"""What a network takes is counted before it is trained, and says how long a full run of it may be."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from torch import nn

from automl.evaluation.effort import CALL_SECONDS, FLOPS_PER_SECOND, PASSES, Work, affordable_epochs, forward_work


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Dropout(0.5), nn.Linear(8, 3))

    def forward(self, numbers: torch.Tensor, codes: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.body(numbers)
        return out


def test_the_operations_of_a_row_are_those_of_its_products() -> None:
    network = Net().train()
    work = forward_work(network, torch.zeros(5, 6), torch.zeros(5, 0))
    assert work.flops == 2 * (6 * 8 + 8 * 3)
    assert work.calls == 5  # two views of the weights, two products, one activation; no dropout when it is judged
    assert work.values == 8 + 8 + 3  # of the products and the activation; views cost nothing
    assert network.training


def test_counting_loads_no_compiler() -> None:
    code = (
        "import sys, torch; from test_effort import Net, forward_work;"
        "forward_work(Net(), torch.zeros(2, 6), torch.zeros(2, 0)); assert 'sympy' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=__file__.rpartition("/")[0], timeout=120)


def test_epochs_fill_the_seconds() -> None:
    work, rows, batch, seconds = Work(2e6, 30), 4000, 200, 40.0
    step = batch * PASSES * work.flops / FLOPS_PER_SECOND + work.calls * CALL_SECONDS
    alone = affordable_epochs(work, rows, batch, networks=5, together=False, seconds=seconds, most=1000)
    assert alone == int(seconds / (5 * 20 * step))


def test_networks_that_step_together_share_the_calls_but_not_the_arithmetic() -> None:
    few = {"networks": 5, "seconds": 10.0, "most": 10_000}
    calls, arithmetic = Work(0.0, 30), Work(1e6, 0)
    one, five = (affordable_epochs(calls, 1000, 100, together=t, **few) for t in (True, False))  # type: ignore[arg-type]
    assert one / five == pytest.approx(5, rel=0.01)
    one, five = (affordable_epochs(arithmetic, 1000, 100, together=t, **few) for t in (True, False))  # type: ignore[arg-type]
    assert one == five


def test_a_run_is_neither_shorter_than_the_fewest_epochs_nor_longer_than_asked() -> None:
    many = {"networks": 5, "together": False}
    assert affordable_epochs(Work(1e9, 100), 10_000, 100, seconds=1.0, most=100, **many) == 8  # type: ignore[arg-type]
    assert affordable_epochs(Work(1e9, 100), 10_000, 100, seconds=1.0, most=3, **many) == 3  # type: ignore[arg-type]
    assert affordable_epochs(Work(1e3, 10), 100, 100, seconds=100.0, most=50, **many) == 50  # type: ignore[arg-type]
