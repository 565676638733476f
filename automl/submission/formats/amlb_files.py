"""The files that make AutoNet known to the OpenML AutoML Benchmark, as text: they run in its environment, not here."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

CONFIG = """\
frameworks:
  definition_file:
    - '{root}/resources/frameworks.yaml'
    - '{user}/frameworks.yaml'
"""
FRAMEWORKS = """\
AutoNet:
  module: extensions.AutoNet
  version: 'stable'
  project: AutoNet
"""
MODULE = '''\
"""AutoNet for the AutoML Benchmark: runs in the interpreter that AUTONET_PYTHON names, or in the benchmark's own."""

import os
import sys


def run(dataset, config):
    from frameworks.shared.caller import run_in_venv

    # Paths, not frames: pickles do not cross versions of pandas and NumPy.
    data = dict(
        train=dataset.train.data_path("csv"),
        test=dataset.test.data_path("csv"),
        target=dataset.target.name,
        classes=dataset.target.values,
    )
    python = os.environ.get("AUTONET_PYTHON", sys.executable)
    return run_in_venv(__file__, "exec.py", input_data=data, dataset=dataset, config=config, python_exec=python)
'''
EXEC = '''\
"""Runs in any interpreter that has what AutoNet needs; returns what the benchmark asks for."""

import csv
import json
import os
import sys
import tempfile
import time
from pathlib import Path

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "lib"))

from frameworks.shared.callee import call_run, result  # noqa: E402


def run(dataset, config):
    import numpy as np

    from automl.submission.compete import compete
    from automl.submission.problem import Settings

    began = time.monotonic()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "in" / "task").mkdir(parents=True)
        labels = config.type == "classification"
        about = dict(
            train=str(Path(dataset.train).resolve()),
            test=str(Path(dataset.test).resolve()),
            target=dataset.target,
            classes=[str(c) for c in dataset.classes] if labels else [],
            metric=config.metric,
        )
        (folder / "in" / "task" / "task.json").write_text(json.dumps(about))
        compete(folder / "in", folder / "out", Settings("amlb", float(config.max_runtime_seconds)), began=began)
        with (folder / "out" / "task_predictions.csv").open(newline="") as stream:
            header, *rows = list(csv.reader(stream))
    # NumPy's own text and numbers: object arrays do not cross its versions.
    numbers = np.array([row[:-1] for row in rows], dtype=float) if labels else None
    answers = [row[-1] for row in rows]
    return result(
        output_file=config.output_predictions_file,
        predictions=np.array(answers, dtype=str) if labels else np.array(answers, dtype=float),
        probabilities=numbers,
        probabilities_labels=header[:-1] if labels else None,
        target_is_encoded=False,
        models_count=1,
        training_duration=time.monotonic() - began,
    )


if __name__ == "__main__":
    call_run(run)
'''
CONSTRAINTS = """\
short:
  folds: 1
  max_runtime_seconds: 60
  cores: 2
"""
FILES: Mapping[str, str] = MappingProxyType(
    {
        "config.yaml": CONFIG,
        "constraints.yaml": CONSTRAINTS,
        "extensions/AutoNet/__init__.py": MODULE,
        "extensions/AutoNet/exec.py": EXEC,
        "frameworks.yaml": FRAMEWORKS,
    }
)
"""Name → content; `lib` with our packages stands beside `extensions`."""
