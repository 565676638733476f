"""Eight processes write one store, and one of them, drawn by chance, is killed every second.

    python tests/benchmarks/store_kill.py --out store_kill.json
    python tests/benchmarks/store_kill.py --url postgresql://user@host/name

Without `--url`, a SQLite file in a temporary folder. Each process writes the trials of a run of its own, and notes each
one in a file of its own once the store has said that it is written; one that was killed is started again and goes on
where the store says that its run stands. Required: every trial that was noted is in the store with the loss that was
noted, each run has each number once and nothing else, no run was begun twice, and the store finds nothing wrong with
itself. Exits with 1 where that does not hold.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from common import Output, parser, show

from metalearn import Store

WRITER = Path(__file__).with_name("store_writer.py")


def start(url: str, name: str, count: int, folder: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, str(WRITER), url, name, str(count), str(folder)])


def killed(url: str, names: list[str], count: int, folder: Path, seed: int) -> int:
    """Have the processes write until all trials are there; the number of kills."""
    rng, kills = np.random.default_rng(seed), 0
    running = {name: start(url, name, count, folder) for name in names}
    while running:
        time.sleep(1.0)
        running = {name: process for name, process in running.items() if process.poll() != 0}
        if not running:
            break
        victim = list(running)[int(rng.integers(len(running)))]
        if running[victim].poll() is None:
            running[victim].send_signal(signal.SIGKILL)
            running[victim].wait()
            kills += 1
        for name, process in running.items():
            if process.poll() not in (None, 0):
                running[name] = start(url, name, count, folder)
    return kills


def judged(url: str, names: list[str], count: int, folder: Path) -> dict[str, Any]:
    """What is wrong, counted."""
    with Store(url, artefacts=folder) as store:
        runs = [run for run in store.runs() if run.fingerprint in names]
        lost = changed = noted = wrong = 0
        for run in runs:
            kept = {trial.number: trial.loss for trial in store.trials(run)}
            wrong += sorted(kept) != list(range(count))
            for line in (folder / run.fingerprint).read_text().splitlines():
                number, loss = line.split()
                noted += 1
                lost += int(number) not in kept
                changed += kept.get(int(number), float(loss)) != float(loss)
        twice = len(runs) - len({run.fingerprint for run in runs})
        problems = len(store.problems())
    return {"noted": noted, "lost": lost, "changed": changed, "wrong_runs": wrong, "twice": twice, "problems": problems}


def main() -> int:
    made = parser(__doc__, data=False)
    made.add_argument("--url", help="store; default: a SQLite file")
    made.add_argument("--processes", type=int, default=8)
    made.add_argument("--trials", type=int, default=500, help="of each process")
    args = made.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        url = args.url or f"sqlite:///{folder}/runs.db"
        names = [f"run-{k}" for k in range(args.processes)]
        began = time.monotonic()
        kills = killed(url, names, args.trials, folder, args.seed)
        row = {"store": url.partition(":")[0], "processes": args.processes, "trials": args.processes * args.trials}
        row |= {"kills": kills, "seconds": time.monotonic() - began, **judged(url, names, args.trials, folder)}
    output = Output(args.out)
    output.add(row)
    columns = list(row)
    show("Killed writers", output.rows, columns)
    output.write()
    return int(any(row[name] for name in ("lost", "changed", "wrong_runs", "twice", "problems")))


if __name__ == "__main__":
    sys.exit(main())
