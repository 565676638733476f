"""torchvision, imported where it is used: its import takes seconds."""

from __future__ import annotations

from types import ModuleType

_OWN_OPERATIONS = ("nms", "qnms")


def torchvision() -> ModuleType:
    """The library, of which AutoNet uses what is written in Python alone: reference networks and transforms.

    Its compiled part fits one build of torch. Where it was made for another one (for CUDA, beside a torch for CPUs), it
    cannot be loaded, and the import stops at two operations that it would have declared; these are declared here in its
    place, and stay without an implementation.
    """
    import torch

    try:
        import torchvision as library
    except RuntimeError as error:
        if "torchvision::" not in str(error):
            raise
        declared = torch.library.Library("torchvision", "FRAGMENT")
        for name in _OWN_OPERATIONS:
            declared.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        import torchvision as library

        library.autonet_declared = declared  # what is declared lives as long as this object
    return library
