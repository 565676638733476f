"""The page and the summary of a batch."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from automl.batch.report import page, summary
from automl.batch.result import BatchResult, Quality, TaskResult, TaskState, read_result, write_result
from automl.search.rank_correlation import RankCorrelation

DONE = TaskResult(
    "digits",
    TaskState.DONE,
    "d",
    kind="classification",
    metric="neg_log_loss",
    scored="accuracy",
    rows=1347,
    test_rows=450,
    features=64,
    seconds=30.25,
    trials=41,
    validation_loss=0.0625,
    autonet=Quality(0.0512, 0.98),
    baseline=Quality(0.125, 0.9625),
    curve=((1.0, 0.5), (2.0, 0.075), (4.0, 0.075)),
    rungs=(RankCorrelation(1 / 9, 2, None, None), RankCorrelation(1 / 3, 12, 0.811, 0.667)),
)
WORSE = TaskResult(
    "wine",
    TaskState.DONE,
    "w",
    metric="accuracy",
    validation_loss=0.5,
    autonet=Quality(0.5, 0.5),
    baseline=Quality(0.25, 0.75),
)
FAILED = TaskResult("broken", TaskState.FAILED, error="y holds <b>'x' & more</b>")
WAITING = TaskResult("later", TaskState.WAITING)
BATCH = BatchResult(Path("results"), (DONE, WORSE, FAILED, WAITING))


class Reader(HTMLParser):
    """The text of a page, its elements, and whether each that was opened was closed."""

    ALONE = ("meta",)

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in self.ALONE:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words += data


@pytest.fixture(scope="module")
def read() -> Reader:
    return Reader(page(BATCH))


def test_every_element_is_closed(read: Reader) -> None:
    assert read.open == []


def test_the_page_needs_no_other_file(read: Reader) -> None:
    links = [value for _, attributes in read.elements for key, value in attributes.items() if key in ("src", "href")]
    assert all(value is not None and value.startswith("#") for value in links)
    assert not {"script", "link", "img", "iframe"} & {tag for tag, _ in read.elements}
    assert "url(" not in page(BATCH)


def test_the_page_says_how_it_went(read: Reader) -> None:
    words = " ".join(read.words.split())
    assert "2 of 4 tasks done" in words
    assert "AutoNet has the lower loss on 1 of 2 tasks" in words
    assert "1 not started. 1 failed." in words
    for said in ("1,797", "log loss", "1 − accuracy", "0.0512", "0.125", "0.9800", "30.2"):
        assert said in words


def test_the_page_says_how_well_each_budget_foretold_full_training(read: Reader) -> None:
    words = " ".join(read.words.split())
    assert "budget 0.111: not known (2 pairs); budget 0.333: Spearman 0.81, Kendall 0.67 (12 pairs)" in words


def test_what_failed_says_why_as_text_and_not_as_markup(read: Reader) -> None:
    assert "y holds <b>'x' & more</b>" in read.words
    assert "b" not in {tag for tag, _ in read.elements}


def test_the_drawings_have_words_for_those_who_do_not_see_them(read: Reader) -> None:
    drawings = [attributes for tag, attributes in read.elements if tag == "svg"]
    assert [(d["role"], d["aria-labelledby"]) for d in drawings] == [("img", "plot-digits")]
    assert "goes from 0.5 to 0.075 in 4.0 seconds of trials; that of the ensemble is 0.0625" in read.words


def test_the_page_has_a_language_headings_in_order_and_one_id_each(read: Reader) -> None:
    assert dict(read.elements)["html"] == {"lang": "en"}
    assert [tag for tag, _ in read.elements if tag in ("h1", "h2")] == ["h1", *["h2"] * 4]
    ids = [attributes["id"] for _, attributes in read.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert all("scope" in attributes for tag, attributes in read.elements if tag == "th")


def luminance(colour: str) -> float:
    """Relative luminance of #rrggbb (WCAG 2.2)."""
    parts = [int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_text_stands_out_from_its_ground_in_both_schemes(scheme: int) -> None:
    block = re.findall(r":root \{(.*?)\}", page(BATCH), re.DOTALL)[scheme]
    colours = dict(re.findall(r"--(\w+): (#[0-9a-f]{6});", block))
    for name in ("ink", "soft", "curve", "line", "good", "bad"):
        for ground in ("page", "card"):
            light, dark = sorted((luminance(colours[name]), luminance(colours[ground])), reverse=True)
            assert (light + 0.05) / (dark + 0.05) >= 4.5, (name, ground)


def test_a_page_without_any_model_says_so() -> None:
    assert "No task has a model yet." in page(BatchResult(Path(), (WAITING,)))


def test_the_summary_holds_every_field_of_every_task() -> None:
    told = json.loads(json.dumps(summary(BATCH)))
    assert told["complete"] is False
    assert told["counts"] == {"waiting": 1, "running": 0, "done": 2, "interrupted": 0, "failed": 1}
    assert told["tasks"][0]["autonet"] == {"loss": 0.0512, "score": 0.98}


@pytest.mark.parametrize("result", [DONE, FAILED], ids=lambda result: result.name)
def test_a_result_is_read_as_it_was_written(tmp_path: Path, result: TaskResult) -> None:
    write_result(result, tmp_path)
    assert read_result(tmp_path) == result
    assert [path.name for path in tmp_path.iterdir()] == ["result.json"]


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"name": "a", "state": "done", "more": 1}'])
def test_a_file_that_is_no_result_of_this_version_counts_as_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "result.json").write_text(text, encoding="utf-8")
    assert read_result(tmp_path) is None
