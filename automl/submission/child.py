"""What a child does: `python -m automl.submission.child ORDER` reads, learns and tells its predictions to its parent.

It is the only part of a submission that imports more than NumPy. Whatever fails is told as a reason; what kills the
process costs nothing that was told before.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from automl.interrupts import end_with_parent
from automl.submission.anytime import process_began
from automl.submission.catalogue import form
from automl.submission.children import Order, end_descendants
from automl.submission.messages import Begun, Failed, Predicted, send
from automl.submission.problem import Format, Predictions, Problem

Answers = Iterator[tuple[Predictions, float]]


def main() -> None:
    """Carry out the order on the command line; messages go to standard output, all that is printed to the log."""
    order = Order(**json.loads(sys.argv[1]))
    began = process_began()  # its parent counts from then on
    end_with_parent(lambda: end_descendants(os.getpid()))
    stream = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    for k, name in enumerate(order.names):
        send(stream, Begun(name))
        now = time.monotonic()
        until = now + max(0.0, began + order.seconds - now) / (len(order.names) - k)
        try:
            chosen, source = form(order.format), Path(order.source)
            problem = chosen.read(source, name, order.metric)
            for predictions, score in (_searched if order.search else _quick)(problem, chosen, source, until):
                send(stream, Predicted(name, predictions, score))
        except MemoryError:
            send(stream, Failed(name, "the memory did not suffice"))
        except Exception as error:
            send(stream, Failed(name, f"{type(error).__name__}: {error}"))
    end_descendants(os.getpid())  # workers that are still importing would keep the log open


def _quick(problem: Problem, chosen: Format, source: Path, until: float) -> Answers:
    from automl.submission.quick import quick

    yield from quick(problem, chosen.data(source, problem), until)


def _searched(problem: Problem, chosen: Format, source: Path, until: float) -> Answers:
    from automl.submission.search import searched

    yield from searched(problem, chosen, source, until)


if __name__ == "__main__":
    main()
