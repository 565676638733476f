"""What the organisers' platforms do with an unpacked archive, in our own words: for trying it before it is handed in.

`python -m automl.submission.platforms FORMAT PROGRAM INPUT OUTPUT SECONDS` runs it as far as a format needs more than
`python run.py`: AutoDL's ingestion, the program of NAS Unseen Data, a Codabench ingestion that calls `Model`, and what
the AutoML Benchmark hands to an integration.
"""

from __future__ import annotations

import importlib.util
import json
import sys
import time
import types
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType, SimpleNamespace
from typing import Any

import numpy as np

from automl.submission.catalogue import form
from automl.submission.formats.autodl import Metadata, Records
from automl.submission.formats.chalearn import text
from automl.submission.problem import Data, Problem
from automl.submission.search import targets_of

STARTED = "started"
"""Word of a line on standard output, before the seconds since the epoch from which a budget counts."""


def autodl(program: Path, source: Path, output: Path, seconds: float) -> None:
    """Train and test in turn until the model is done or the time is over; `start.txt` says when each file came."""
    for name in form("autodl").names(source):
        folder = source / f"{name}.data"
        model = _module(program, "model").Model(Metadata.of(folder / "train"))
        train, test = Records(folder / "train"), Records(folder / "test")
        began, k = _started(), 0
        output.mkdir(parents=True, exist_ok=True)
        (output / "start.txt").write_text(f"time_budget: {seconds}\nstart_time: {began}\n")
        while not model.done_training and (left := began + seconds - time.time()) > 0:
            model.train(train, remaining_time_budget=left)
            predictions = model.test(test, remaining_time_budget=began + seconds - time.time())
            if predictions is None:
                break
            with (output / "start.txt").open("a") as stream:  # before the file, as there
                stream.write(f"{k}: {time.time()}\n")
            (output / f"{name}.predict_{k}").write_bytes(text(predictions))
            k += 1
        (output / "end.txt").write_text(f"ingestion_duration: {time.time() - began}\ningestion_success: 1\n")


class Clock:
    """Seconds that are left, as the program of NAS Unseen Data tells them."""

    def __init__(self, seconds: float) -> None:
        self._end = time.perf_counter() + seconds

    def check(self) -> float:
        return self._end - time.perf_counter()


def nas_unseen(program: Path, source: Path, output: Path, seconds: float) -> None:
    """Process, search, train and predict each data set; one whose time is over at a stage has failed."""
    names = form("nas-unseen").names(source)
    output.mkdir(parents=True, exist_ok=True)
    processor, nas, trainer = (_module(program, stage) for stage in ("data_processor", "nas", "trainer"))
    _started()
    for name in names:
        folder = source if (source / "train_x.npy").exists() else source / name
        about = json.loads((folder / "metadata").read_text())
        clock = Clock(seconds / len(names))
        arrays = [np.load(folder / f"{part}.npy") for part in ("train_x", "train_y", "valid_x", "valid_y", "test_x")]
        about["time_remaining"] = clock.check()
        train, valid, test = processor.DataProcessor(*arrays, about, clock).process()
        about["time_remaining"] = clock.check()
        model = nas.NAS(train, valid, about, clock).search()
        about["time_remaining"] = clock.check()
        if clock.check() > 0:
            trained = trainer.Trainer(model, "cpu", train, valid, about, clock)
            trained.train()
            if clock.check() > 0:
                np.save(output / f"{about['codename']}.npy", trained.predict(test))


def codabench(program: Path, source: Path, output: Path, seconds: float) -> None:
    """Fit `Model` and have it predict every part of every data set."""
    chosen = form("codabench")
    _started()
    for name in chosen.names(source):
        problem = chosen.read(source, name)
        data, model = chosen.data(source, problem), _module(program, "model").Model()
        y = data.targets if problem.kind == "multilabel" else targets_of(problem, data.targets)
        model.fit(data.train, y)
        for part, content in _asked(chosen, source, problem, model, data).items():
            output.mkdir(parents=True, exist_ok=True)
            (output / part).write_bytes(content)


def _asked(chosen: Any, source: Path, problem: Problem, model: Any, data: Data) -> Mapping[str, bytes]:
    columns = {}
    for part, X in data.parts.items():
        found = np.asarray(model.predict(X) if problem.kind == "regression" else model.predict_proba(X), dtype=float)
        if problem.kind == "binary":
            found = found[:, 1]
        columns[part] = found.reshape(problem.rows[part], problem.outputs)
    return dict(chosen.files(source, problem, columns, 0))


def amlb(program: Path, source: Path, output: Path, seconds: float) -> None:
    """Call `run` of the integration with what the benchmark gives it, and write down what it returns."""
    callee: Any = types.ModuleType("frameworks.shared.callee")
    callee.result, callee.call_run = lambda **found: SimpleNamespace(**found), lambda run: None
    sys.modules |= {name: types.ModuleType(name) for name in ("frameworks", "frameworks.shared")}
    sys.modules[callee.__name__] = callee
    chosen = form("amlb")
    _started()
    for name in chosen.names(source):
        problem = chosen.read(source, name)
        about = json.loads((source / name / "task.json").read_text())
        dataset = SimpleNamespace(
            train=str(source / name / "train.csv"),
            test=str(source / name / "test.csv"),
            target=about["target"],
            classes=list(problem.labels),
        )
        config = SimpleNamespace(
            type="classification" if problem.labels else "regression",
            metric="auc" if len(problem.labels) == 2 else "logloss" if problem.labels else "rmse",
            max_runtime_seconds=seconds / len(chosen.names(source)),
            output_predictions_file="",
        )
        found = _module(program / "extensions" / "AutoNet", "exec").run(dataset, config)
        p = found.predictions[:, None] if not problem.labels else found.probabilities
        columns = p[:, 1:] if len(problem.labels) == 2 else p
        output.mkdir(parents=True, exist_ok=True)
        for file, content in chosen.files(source, problem, {"test": columns}, 0).items():
            (output / file).write_bytes(content)


def _started() -> float:
    """Say that the time begins to count: what was imported by the organisers before is not on the clock."""
    now = time.time()
    print(f"{STARTED} {now}", flush=True)
    return now


def _module(folder: Path, name: str) -> Any:
    """A module of an archive, by its file."""
    spec = importlib.util.spec_from_file_location(f"submitted_{name}", folder / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


PLATFORMS: Mapping[str, Callable[[Path, Path, Path, float], None]] = MappingProxyType(
    {"amlb": amlb, "autodl": autodl, "codabench": codabench, "nas-unseen": nas_unseen}
)
"""Format → what its platform does; the others run `run.py`."""
CALLED = tuple(PLATFORMS)


if __name__ == "__main__":
    _name, _program, _source, _output, _seconds = sys.argv[1:]
    PLATFORMS[_name](Path(_program), Path(_source), Path(_output), float(_seconds))
