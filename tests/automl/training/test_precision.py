"""In which precision networks are trained."""

import pytest
import torch
from torch import nn

from automl.architectures.image_inputs import ImageNetwork
from automl.training import precision
from automl.training.precision import has_matrix_units, mixed


@pytest.fixture
def network():
    body = nn.Sequential(nn.Conv2d(1, 4, 3), nn.Flatten(), nn.Linear(4 * 36, 3))
    return ImageNetwork(body, mean=[0.0], std=[1.0], size=(8, 8))


@pytest.fixture(params=[True, False], ids=["matrix units", "none"])
def units(request, monkeypatch):
    monkeypatch.setattr(precision, "has_matrix_units", lambda: request.param)
    return request.param


IMAGES, CODES = torch.zeros(2, 1, 8, 8, dtype=torch.uint8), torch.zeros(2, 0)


def test_convolutions_take_16_bits_where_the_cpu_has_units_for_them(network, units):
    with mixed(network, "cpu"):
        logits = network(IMAGES, CODES)
    assert logits.dtype == (torch.bfloat16 if units else torch.float32)


def test_weights_and_gradients_stay_in_32_bits(network, units):
    with mixed(network, "cpu"):
        loss = network(IMAGES, CODES).float().square().mean()
    loss.backward()
    kinds = {t.dtype for p in network.parameters() for t in (p, p.grad)}
    assert kinds == {torch.float32}


def test_networks_for_tables_keep_their_precision(units):
    table = nn.Linear(3, 2)
    with mixed(table, "cpu"):
        assert table(torch.zeros(4, 3)).dtype == torch.float32


def test_gradients_in_16_bits_point_where_those_in_32_do(network):
    def gradient(enabled: bool) -> torch.Tensor:
        network.zero_grad()
        generator = torch.Generator().manual_seed(0)
        images = torch.randint(0, 256, (32, 1, 8, 8), generator=generator).to(torch.uint8)
        targets = torch.randint(0, 3, (32,), generator=generator)
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=enabled):
            logits = network(images, CODES)
        nn.functional.cross_entropy(logits.float() / 100, targets).backward()
        return torch.cat([p.grad.flatten() for p in network.parameters()])

    cosine = torch.cosine_similarity(gradient(True), gradient(False), dim=0)
    assert cosine > 0.999  # bfloat16 keeps 8 bits: products err by .4 %


def test_whether_there_are_matrix_units_is_what_torch_knows_of_the_cpu():
    assert has_matrix_units() == bool(torch.cpu.get_capabilities().get("amx_bf16", False))
