"""Peak memory of a fit and of all its processes, on a generated table of 50,000 rows and 100 columns.

    python tests/benchmarks/memory.py --out memory.json

RSS, the sum of the resident sizes, counts pages that forked workers share once for each of them; PSS, the sum of the
proportional sizes, counts them once and is what the machine has to have. RSS is looked at every 50 ms, PSS, which is
slow to read, every 500 ms.
"""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import psutil
from common import Output, add_settings, attempt, autonet, fresh, generated, parser, say, show, states

SAMPLES_A_PROPORTIONAL = 10
"""Looks at the resident memory per look at the proportional one, which is slow to read."""
EVERY = 0.05


class Memory:
    """Peak memory of a process and all below it, sampled in a thread.

    Parameters
    ----------
    every: seconds between looks at the resident memory.

    Attributes
    ----------
    rss: peak of the summed resident sizes, bytes; pages that processes share count once for each.
    pss: peak of the summed proportional sizes, in which shared pages count once; 0 where the system tells none.
    processes: most processes at once.
    """

    def __init__(self, every: float = 0.1) -> None:
        self._every = every
        self.rss = self.pss = self.processes = 0
        self._stop = threading.Event()

    def watch(self, pid: int) -> Callable[[], None]:
        """Begin with this process; returns what ends it."""
        thread = threading.Thread(target=self._sample, args=(psutil.Process(pid),), daemon=True)
        thread.start()

        def stop() -> None:
            self._stop.set()
            thread.join()

        return stop

    def _sample(self, root: psutil.Process) -> None:
        looks = 0
        while not self._stop.wait(self._every):
            tree = [root]
            with contextlib.suppress(psutil.Error):
                tree += root.children(recursive=True)
            self.processes = max(self.processes, len(tree))
            self.rss = max(self.rss, sum(_of(p, "rss") for p in tree))
            if looks % SAMPLES_A_PROPORTIONAL == 0:
                self.pss = max(self.pss, sum(_of(p, "pss") for p in tree))
            looks += 1

    def peaks(self) -> dict[str, float]:
        """For a row of a table, GiB."""
        return {"peak_rss_gib": self.rss / 2**30, "peak_pss_gib": self.pss / 2**30, "processes": self.processes}


def _of(process: psutil.Process, kind: str) -> int:
    try:
        info = process.memory_info() if kind == "rss" else process.memory_full_info()
        return int(getattr(info, kind, 0))
    except psutil.Error:  # it has ended meanwhile
        return 0


def fit_row(rows: int, columns: int, limit: float, jobs: int, seed: int, settings: dict[str, Any]) -> dict[str, Any]:
    """One fit, and the memory of its process before it."""
    X, y = generated(rows, columns)
    before = psutil.Process().memory_info().rss
    model = autonet(True, **{"time_limit": limit, "n_jobs": jobs, "random_state": seed, **settings})
    began = time.monotonic()
    model.fit(X, y)
    return {
        "seconds": time.monotonic() - began,
        "table_gib": X.nbytes / 2**30,
        "rss_before_gib": before / 2**30,
        "finished": len(model.history_.done),
        "states": states(model.history_),
    }


def main() -> int:
    made = parser(__doc__, data=False)
    made.add_argument("--rows", type=int, default=50_000)
    made.add_argument("--columns", type=int, default=100)
    made.add_argument("--limit", type=float, default=60.0, help="seconds")
    made.add_argument("--jobs", type=int, default=2)
    add_settings(made)
    args = made.parse_args()
    output, memory = Output(args.out), Memory(EVERY)
    given = (fit_row, args.rows, args.columns, args.limit, args.jobs, args.seed, args.settings)
    row = attempt(fresh, *given, watch=memory.watch)
    output.add({"rows": args.rows, "columns": args.columns, "limit": args.limit, **row, **memory.peaks()})
    say(f"peak {memory.rss / 2**30:.2f} GiB RSS, {memory.pss / 2**30:.2f} GiB PSS in {memory.processes} processes")
    shown = ("rows", "columns", "limit", "seconds", "table_gib", "rss_before_gib", "peak_rss_gib", "peak_pss_gib")
    show("Memory", output.rows, [*shown, "processes", "states", "error"])
    return int(any("error" in row for row in output.rows))


if __name__ == "__main__":
    sys.exit(main())
