"""What every family of networks for images must keep: the default and some random configurations of each."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from automl.architectures.catalogue import FAMILIES, family
from automl.architectures.family import ImageShape, native, takes_images
from automl.architectures.image_inputs import ImageNetwork, image_network
from automl.architectures.prime import prime
from automl.architectures.rates import parameter_rates
from automl.architectures.torchvision_networks import NETWORKS, TorchvisionNetworks
from automl.errors import SettingError

IMAGES = [name for name in FAMILIES if takes_images(family(name))]
OURS = [name for name in IMAGES if name != "torchvision"]


def configurations(name: str, count: int) -> list[dict[str, Any]]:
    """The default and so many random ones."""
    space = family(name).space()
    space.seed(1)
    drawn = space.sample_configuration(count)
    return [native(dict(c)) for c in (space.get_default_configuration(), *(drawn if count > 1 else [drawn]))]


def network(name: str, config: dict[str, Any], size: tuple[int, int] = (8, 8), seed: int = 0) -> ImageNetwork:
    return image_network(
        name, config, channels=3, size=size, mean=[100.0] * 3, std=[50.0] * 3, outputs=3, rows=9, seed=seed
    )


def batch(rows: int = 4, size: tuple[int, int] = (8, 8)) -> tuple[torch.Tensor, torch.Tensor]:
    g = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (rows, 3, *size), generator=g, dtype=torch.uint8), torch.zeros(rows, 0).long()


def test_there_are_chains_branches_cells_and_reference_networks() -> None:
    assert {"cnn_chain", "cnn_branch", "cnn_cell", "cnn_edge_cell", "small_resnet", "torchvision"} == set(IMAGES)


@pytest.mark.parametrize("name", OURS)
def test_every_configuration_gives_a_logit_per_class_and_finite_gradients(name: str) -> None:
    for config in configurations(name, 4):
        net = network(name, config, size=(8, 11))
        logits = net(*batch(size=(8, 11)))
        assert logits.shape == (4, 3), config
        F.cross_entropy(logits, torch.tensor([0, 1, 2, 0])).backward()
        found = [parameter.grad for parameter in net.parameters() if parameter.grad is not None]
        assert all(torch.isfinite(gradient).all() for gradient in found), config
        assert parameter_rates(net).keys() == dict(net.named_parameters()).keys()


@pytest.mark.parametrize("name", IMAGES)
def test_activations_and_their_gradients_keep_the_layout_that_is_fast(name: str) -> None:
    for config in configurations(name, 6):
        net, wrong = network(name, config, size=(16, 16)), []

        def check(what: str, tensor: torch.Tensor, wrong: list[str] = wrong) -> None:
            if tensor.stride(1) != 1 and tensor.shape[2] * tensor.shape[3] > 1:  # a part of some channels is well too
                wrong.append(f"{what}: {tuple(tensor.shape)}, {tensor.stride()}")

        def watch(path: str, output: Any, check: Any = check) -> None:
            if isinstance(output, torch.Tensor) and output.dim() == 4:
                check(path, output)
                if output.requires_grad:
                    output.register_hook(lambda gradient: check(f"gradient of {path}", gradient))

        for path, module in net.body.named_modules():
            if not list(module.children()):
                module.register_forward_hook(lambda _module, _inputs, output, path=path: watch(path, output))
        F.cross_entropy(net(*batch(size=(16, 16))), torch.tensor([0, 1, 2, 0])).backward()
        assert not wrong, (config, wrong)


@pytest.mark.parametrize("name", OURS)
def test_the_default_learns_one_batch_by_heart(name: str) -> None:
    net, (x, codes), y = network(name, configurations(name, 1)[0]), batch(12), torch.arange(12) % 3
    optimizer = torch.optim.AdamW(net.parameters(), lr=5e-3)
    for _ in range(60):
        loss = F.cross_entropy(net(x, codes), y)
        if loss < 0.05:
            break
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss < 0.05


@pytest.mark.parametrize("name", OURS)
def test_equal_seeds_give_equal_weights_and_smaller_images_fit_the_same(name: str) -> None:
    config = configurations(name, 1)[0]
    first, same, other = network(name, config), network(name, config), network(name, config, seed=1)
    pairs = list(zip(first.parameters(), same.parameters(), other.parameters(), strict=True))
    assert all(torch.equal(a, b) for a, b, _ in pairs)
    assert not all(torch.equal(a, c) for a, _, c in pairs)
    network(name, config, size=(16, 16)).load_state_dict(first.state_dict())


def test_images_are_standardised_by_channel_and_resized_by_means() -> None:
    net = image_network(
        "small_resnet",
        configurations("small_resnet", 1)[0],
        channels=1,
        size=(1, 2),
        mean=[10.0],
        std=[5.0],
        outputs=2,
        rows=9,
    )
    x = torch.tensor([[[[0, 10, 20, 20], [20, 10, 20, 40]]]], dtype=torch.uint8)
    torch.testing.assert_close(net.dense(x, x), torch.tensor([[[[0.0, 3.0]]]]))


def test_a_body_that_is_primed_sees_some_images_as_it_will_be_fed_them() -> None:
    class Primed(nn.Module):
        def prime(self, x: torch.Tensor, targets: torch.Tensor) -> None:
            self.seen = (x, targets, self.training)

    net = ImageNetwork(Primed(), [100.0] * 3, [50.0] * 3, (4, 4))
    images, codes = batch(1_200)
    prime(net, images, codes, torch.arange(1_200), seed=0)
    x, targets, training = net.body.seen
    assert torch.equal(x, net.dense(images[:1_000], codes[:1_000]))
    assert targets.tolist() == list(range(1_000))
    assert (training, net.training) == (False, True)


@pytest.mark.parametrize("name", NETWORKS)
def test_reference_networks_take_small_images_of_any_number_of_channels(name: str) -> None:
    body = TorchvisionNetworks().build(ImageShape(1, 8, 8, outputs=5, rows=10), network=name)
    assert body(torch.zeros(2, 1, 8, 8)).shape == (2, 5)


def test_local_weights_begin_all_but_the_layers_that_differ(tmp_path: Path) -> None:
    name = "shufflenet_v2_x0_5"
    source = network("torchvision", {"network": name})
    held = {key.removeprefix("body.network."): tensor for key, tensor in source.state_dict().items()}
    torch.save(held, tmp_path / "weights.pth")
    made = TorchvisionNetworks({name: tmp_path / "weights.pth"})
    net = image_network(
        made, {"network": name}, channels=3, size=(8, 8), mean=[0] * 3, std=[1] * 3, outputs=7, rows=9, seed=5
    )
    prime(net, *batch(), torch.zeros(4), seed=0)
    own, theirs = net.state_dict(), source.state_dict()
    assert torch.equal(own["body.network.conv1.0.weight"], theirs["body.network.conv1.0.weight"])
    assert own["body.network.fc.weight"].shape == (7, 1024)


def test_weights_that_cannot_be_used_are_told_before_the_search(tmp_path: Path) -> None:
    (tmp_path / "damaged.pth").write_bytes(b"PK")
    torch.save({"weight": torch.zeros(3)}, tmp_path / "other.pth")
    torch.save([1, 2], tmp_path / "list.pth")
    for file, message in (
        ("damaged.pth", "cannot be read"),
        ("none.safetensors", "cannot be read"),
        ("other.pth", "fit 0%"),
        ("list.pth", "no state dict"),
    ):
        with pytest.raises(SettingError, match=message):
            TorchvisionNetworks({"shufflenet_v2_x0_5": tmp_path / file}).check_weights()
    with pytest.raises(SettingError, match="did you mean 'resnet18'"):
        TorchvisionNetworks({"resnet": "r.pth"})
