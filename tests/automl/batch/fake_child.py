"""A child that learns nothing: what it does goes by the name of its task."""

from __future__ import annotations

import os
import signal
import sys

from automl.batch.child import Job
from automl.batch.result import Quality, TaskResult, TaskState, write_result


def main() -> None:
    signal.alarm(60)  # a test that went wrong must end
    job = Job.read(os.fdopen(0, "rb", buffering=0, closefd=False).readline())
    name, place = job.task.name, job.folder.parent
    with (place / "started.txt").open("a", encoding="utf-8") as started:
        started.write(f"{name} {os.environ['LOKY_MAX_CPU_COUNT']} {os.environ['OMP_NUM_THREADS']}\n")
    if name.startswith("meets"):  # a pipe with a name opens when both ends are there
        with (place / "pipe").open("r" if name == "meets_a" else "w"):
            pass
    if name.startswith("dies"):
        os.kill(os.getpid(), signal.SIGKILL)
    if name.startswith("fails"):
        write_result(TaskResult(name, TaskState.FAILED, job.digest, error="none of 2 trials finished"), job.folder)
        sys.exit(1)
    state = TaskState.DONE
    if name.startswith(("pressed", "stubborn")):
        state = pressed(job, stubborn=name.startswith("stubborn"))
    ours, theirs = Quality(0.1, 0.9), Quality(0.2, 0.8)
    curve = ((1.0, 0.5), (2.0, 0.25), (4.0, 0.25))
    known = {"metric": "neg_log_loss", "scored": "accuracy", "kind": "classification", "trials": 3, "seconds": 1.5}
    result = TaskResult(
        name, state, job.digest, **known, validation_loss=0.2, autonet=ours, baseline=theirs, curve=curve
    )
    write_result(result, job.folder)


def pressed(job: Job, *, stubborn: bool) -> TaskState:
    """Have Ctrl-C pressed at the batch, and wait until it is passed on."""
    passed_on, arrived = os.pipe()
    os.set_blocking(arrived, False)
    signal.signal(signal.SIGINT, lambda *_: None)
    signal.set_wakeup_fd(arrived)  # a mask would not do: it is the main thread's, and libraries have others
    os.kill(os.getppid(), signal.SIGINT)
    os.read(passed_on, 1)
    if stubborn:
        os.kill(os.getppid(), signal.SIGINT)
        while True:
            signal.pause()
    return TaskState.INTERRUPTED


if __name__ == "__main__":
    main()
