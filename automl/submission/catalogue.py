"""The table of formats by name. A format is imported when it is asked for."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from types import MappingProxyType

from automl.errors import unknown
from automl.submission.problem import Format

FORMATS: Mapping[str, str] = MappingProxyType(
    {
        "amlb": "automl.submission.formats.amlb:AMLB",
        "arrays": "automl.submission.formats.arrays:ArrayFiles",
        "autodl": "automl.submission.formats.autodl:AutoDL",
        "chalearn": "automl.submission.formats.chalearn:ChaLearn",
        "codabench": "automl.submission.formats.codabench:Codabench",
        "kaggle": "automl.submission.formats.kaggle:Kaggle",
        "nas-unseen": "automl.submission.formats.nas_unseen:NASUnseen",
    }
)
"""Name → "module:class"; the class takes no arguments."""


def form(name: str) -> Format:
    """The format of this name."""
    if name not in FORMATS:
        raise unknown("format", name, FORMATS)
    module, _, kind = FORMATS[name].partition(":")
    made: Format = getattr(import_module(module), kind)()
    return made
