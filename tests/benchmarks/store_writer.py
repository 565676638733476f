"""A process of store_kill.py: writes the trials of a run that are not there yet, and notes each one that is written.

python store_writer.py URL RUN TRIALS FOLDER
"""

from __future__ import annotations

import random
import sys
import time
from pathlib import Path

from metalearn import Store, TrialRecord

PAUSE = 0.01
"""Seconds between trials, so that the process lives long enough to be killed at any point of a write."""


def write(url: str, name: str, count: int, folder: Path) -> None:
    with Store(url, artefacts=folder) as store:
        run = store.open_run(name, space="", method="", seed=0, settings={})
        for number in range(len(store.trials(run)), count):
            loss = random.random()
            store.write(run, TrialRecord(number, {"x": loss}, state="done", loss=loss))
            with (folder / name).open("a") as file:
                file.write(f"{number} {loss!r}\n")
            time.sleep(PAUSE)


if __name__ == "__main__":
    write(sys.argv[1], sys.argv[2], int(sys.argv[3]), Path(sys.argv[4]))
