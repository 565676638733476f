"""The process of one task: `python -m automl.batch.child`, with its job as a line of JSON on standard input.

Standard input stays open for as long as the batch lives: its end means that the batch was killed, and this process
ends with it, and its workers with this process.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from automl.batch.result import TaskResult, TaskState, write_result
from automl.errors import AutoNetError
from automl.interrupts import STDIN, Presses, end_with_parent
from automl.taskfile import TaskFile


@dataclass(frozen=True)
class Job:
    """What a child is told.

    Attributes
    ----------
    folder: of the task's results, absolute.
    store: URL of the store. artefacts: folder of its runs' files; None for the one beside a file.
    memory: MiB that the task's workers may take together.
    """

    task: TaskFile
    digest: str
    folder: Path
    store: str
    artefacts: Path | None
    memory: float

    def line(self) -> bytes:
        return json.dumps(asdict(self), default=str).encode() + b"\n"

    @classmethod
    def read(cls, line: bytes) -> Job:
        held: Mapping[str, Any] = json.loads(line)
        task = TaskFile(**{**held["task"], "path": Path(held["task"]["path"])})
        artefacts = None if held["artefacts"] is None else Path(held["artefacts"])
        return cls(task, held["digest"], Path(held["folder"]), held["store"], artefacts, held["memory"])


def attempt(job: Job) -> None:
    """Learn the task; whatever happens, its folder holds a result at the end."""
    with Presses() as presses:
        try:
            _learn(job, presses)
        except BaseException as error:  # a second Ctrl-C, too: why there is no model stands in the result
            state = TaskState.INTERRUPTED if presses.count else TaskState.FAILED
            write_result(TaskResult(job.task.name, state, job.digest, error=reason(error)), job.folder)
            raise


def _learn(job: Job, presses: Presses) -> None:
    from automl.batch.learn import learn
    from metalearn import Store

    with Store(job.store, artefacts=job.artefacts) as store:
        learn(job.task, job.folder, store, job.memory, presses)


def reason(error: BaseException) -> str:
    """Why there is no model, in the words of the error; its type where they are not AutoNet's own."""
    if isinstance(error, KeyboardInterrupt):
        return "stopped by Ctrl-C"
    text = str(error).strip()
    return text if isinstance(error, AutoNetError) and text else f"{type(error).__name__}: {text}".removesuffix(": ")


def main() -> None:
    """Run the job of standard input."""
    with open(STDIN, "rb", buffering=0, closefd=False) as given:
        job = Job.read(given.readline())
    end_with_parent()  # what has finished is in the store
    attempt(job)


if __name__ == "__main__":
    main()
