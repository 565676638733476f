"""torchvision's reference networks, with a stem that fits small images; trained from scratch or from a local file.

He et al. 2016 (arXiv:1512.03385), Howard et al. 2019 (arXiv:1905.02244), Ma et al. 2018 (arXiv:1807.11164), Tan & Le
2019 (arXiv:1905.11946). Nothing is downloaded: weights are those of a file that the user names.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from automl.architectures.family import IMAGES, ImageShape
from automl.errors import SettingError, unknown

if TYPE_CHECKING:
    from ConfigSpace import ConfigurationSpace
    from torch import Tensor, nn

NETWORKS = ("resnet18", "mobilenet_v3_small", "shufflenet_v2_x0_5", "efficientnet_b0")
SMALL = 64
"""Side of the images up to which the first layers keep the resolution, which they quarter for ImageNet."""


class TorchvisionNetworks:
    """Reference networks by name.

    Parameters
    ----------
    weights: name of a network → its file, .safetensors or what `torch.save` wrote of a state dict. Layers whose shape
        differs, as the classifier's, begin anew.
    """

    name = "torchvision"
    inputs = IMAGES

    def __init__(self, weights: Mapping[str, str | Path] | None = None) -> None:
        self.weights = {name: Path(path) for name, path in (weights or {}).items()}
        for name in self.weights:
            if name not in NETWORKS:
                raise unknown("reference network", name, NETWORKS)

    def space(self) -> ConfigurationSpace:
        from ConfigSpace import Categorical, ConfigurationSpace

        space = ConfigurationSpace()
        space.add(Categorical("network", NETWORKS, default=next(iter(self.weights), NETWORKS[0])))
        return space

    def build(self, shape: ImageShape, *, network: str) -> nn.Module:
        """A module from (n, channels, height, width) to (n, shape.outputs) logits."""
        from automl.architectures.torchvision_body import ReferenceNetwork

        small = min(shape.height, shape.width) <= SMALL
        return ReferenceNetwork(network, shape.channels, shape.outputs, small=small, weights=self.weights.get(network))

    def check_weights(self) -> None:
        """Read all files once: what cannot be used must be told before the search.

        Raises
        ------
        SettingError: a file is missing, damaged, holds more than tensors, or those of another network.
        """
        for network in self.weights:
            body: Any = self.build(ImageShape(3, 224, 224, outputs=1000, rows=1), network=network)
            body.prime(None, None)


def read_weights(path: Path) -> dict[str, Tensor]:
    """The state dict in a file; nothing in it is run.

    Raises
    ------
    SettingError: there is no such file, it is damaged, or it holds anything but tensors by name.
    """
    import torch
    from torch import Tensor

    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            return dict(load_file(path))
        held = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # zip, pickle, safetensors and the system have their own
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise SettingError(f"weights {str(path)!r} cannot be read: {reason}; give a file of a state dict") from error
    if not isinstance(held, Mapping) or not all(isinstance(tensor, Tensor) for tensor in held.values()):
        raise SettingError(f"weights {str(path)!r} hold no state dict; save `network.state_dict()`")
    return dict(held)
