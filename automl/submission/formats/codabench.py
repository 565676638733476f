"""Codabench: data sets as those of ChaLearn; a zip of predictions, or a `Model` that the organisers' program calls."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from automl.submission.formats.chalearn import ChaLearn, latest_faults, latest_files
from automl.submission.problem import Data, Predictions, Problem, Settings

DEFAULT_SECONDS = 600.0
"""The platform's limit on execution where a phase says nothing."""


@dataclass(frozen=True)
class Codabench:
    """A file `NAME_test.predict` and `NAME_valid.predict`, replaced by better ones."""

    name: str = "codabench"

    def names(self, source: Path) -> Sequence[str]:
        return ChaLearn().names(source)

    def read(self, source: Path, name: str, metric: str | None = None) -> Problem:
        return ChaLearn().read(source, name, metric)

    def data(self, source: Path, problem: Problem) -> Data:
        return ChaLearn().data(source, problem)

    def files(self, source: Path, problem: Problem, predictions: Predictions, number: int) -> Mapping[str, bytes]:
        return latest_files(problem, predictions)

    def faults(self, source: Path, problem: Problem, output: Path) -> Sequence[str]:
        return latest_faults(problem, output)

    def top(self, settings: Settings) -> Mapping[str, str]:
        from automl.submission.archive import START

        about = '"""What an ingestion program fits and asks for predictions: `Model`, or `model`."""\n\n'
        code = (
            "\nfrom automl.submission.fit_predict import FitPredict  # noqa: E402\n\n\n"
            "class Model(FitPredict):\n"
            f"    seconds = {settings.seconds or DEFAULT_SECONDS!r}\n"
            f"    metric = {settings.metric!r}\n\n\nmodel = Model\n"
        )
        # A description without a command: the program is left to the organisers' ingestion.
        return {"metadata": "description: AutoNet\n", "model.py": about + START + code}

    def toy(self, folder: Path) -> None:
        from automl.submission.toys import chalearn_toys

        chalearn_toys(folder, ("mult",))  # each `fit` has the seconds to itself
