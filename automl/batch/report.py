"""What a batch leaves for people and programs: summary.json and index.html."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from automl.batch.plot import plot
from automl.batch.result import BatchResult, TaskState, as_json, write_whole
from automl.metrics import loss_name

SUMMARY, PAGE = "summary.json", "index.html"
TEMPLATE = Path(__file__).with_name("page.html.jinja")


def write_report(batch: BatchResult) -> None:
    """Write both files into the folder of the batch; each appears whole or not at all."""
    write_whole(batch.folder / SUMMARY, as_json(summary(batch)))
    write_whole(batch.folder / PAGE, page(batch))


def summary(batch: BatchResult) -> dict[str, object]:
    """The results as JSON values, with their number by state."""
    counts = {state.value: batch.count(state) for state in TaskState}
    return {"complete": batch.complete, "counts": counts, "tasks": [asdict(task) for task in batch]}


def page(batch: BatchResult) -> str:
    """The results as one HTML page that needs no other file."""
    from jinja2 import Environment, StrictUndefined

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters["loss_name"] = loss_name
    template = environment.from_string(TEMPLATE.read_text(encoding="utf-8"))
    plots = {
        task.name: None if task.validation_loss is None else plot(task.curve, task.validation_loss) for task in batch
    }
    judged = [task for task in batch if task.autonet is not None]
    return template.render(batch=batch, plots=plots, judged=judged, wins=sum(task.wins for task in judged))
