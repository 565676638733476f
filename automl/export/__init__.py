"""A fitted estimator for other runtimes. What it needs is an extra, and so imported when it is asked for."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from automl.errors import ExportError

if TYPE_CHECKING:
    from automl.estimator import AutoNetClassifier, AutoNetRegressor

LIBRARIES = ("onnx", "onnxscript", "skl2onnx")


def export_onnx(estimator: AutoNetClassifier | AutoNetRegressor, path: str | Path) -> None:
    """Write a fitted estimator as one ONNX model; see its method `export_onnx`."""
    for library in LIBRARIES:
        if find_spec(library) is None:
            raise ExportError(f"export_onnx needs {library}, which is not installed; pip install 'autonet[onnx]'")
    from automl.export.model import write

    write(estimator, Path(path))
