"""The timeline and the way out, with children that are told what to say."""

from __future__ import annotations

import io
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from automl.errors import DataError
from automl.submission.anytime import Clock, anytime
from automl.submission.guess import trivial_guess
from automl.submission.messages import Begun, Failed, Message, Predicted, messages, send
from automl.submission.outlet import MOST_NUMBER, Outlet, valid
from automl.submission.problem import Predictions, Problem

Y = np.eye(3)[[0, 0, 1, 2]]
A, B, C = (Problem.of(name, "multiclass", "bac_metric", Y, rows={"test": 2}) for name in "abc")
SURE = {"test": np.eye(3)[:2]}


class Told:
    """A child that says what it was told, and then ends."""

    def __init__(self, *said: Message, end: str = "") -> None:
        self.said, self._end = list(said), end

    def receive(self, until: float) -> Message | None:
        return self.said.pop(0) if self.said else None

    def end(self) -> str:
        return self._end


class Class:
    """Learners whose children are told by the names of their problems."""

    def __init__(self, quick: Mapping[str, Told], search: Mapping[str, Told], missing: Sequence[str] = ()) -> None:
        self._quick, self._search, self.asked, self.until = quick, search, list[str](), list[float]()
        self._missing = missing

    def missing(self) -> Sequence[str]:
        return self._missing

    def quick(self, problems: Sequence[Problem], until: float) -> Told:
        names = "".join(p.name for p in problems)
        self.asked.append(f"quick {names}")
        return self._quick.get(names, Told())

    def search(self, problem: Problem, until: float) -> Told:
        self.asked.append(f"search {problem.name}")
        self.until.append(until)
        return self._search.get(problem.name, Told())


def emitted(problems: Sequence[Problem], learners: Class, budget: float = 1000.0) -> list[tuple[str, float]]:
    heard: list[tuple[str, float]] = []

    def emit(problem: Problem, predictions: Predictions, score: float) -> bool:
        heard.append((problem.name, score))
        return True

    anytime(problems, Clock(time.monotonic(), budget), emit, learners)
    return heard


def test_every_data_set_is_guessed_before_anything_is_learned() -> None:
    learners = Class({"ab": Told(Begun("a"), Predicted("a", SURE, 0.3))}, {"b": Told(Predicted("b", SURE, 0.9))})
    assert emitted([A, B], learners)[:2] == [("a", -math.inf), ("b", -math.inf)]


def test_a_child_that_dies_costs_only_the_data_set_that_it_was_at() -> None:
    learners = Class(
        {
            "abc": Told(Begun("a"), Predicted("a", SURE, 0.3), Begun("b"), end="ended by signal 9"),
            "c": Told(Begun("c"), Predicted("c", SURE, 0.4)),
        },
        {"b": Told(Failed("b", "no memory"), Predicted("b", SURE, 0.5))},
    )
    heard = emitted([A, B, C], learners)[3:]
    assert heard == [("a", 0.3), ("c", 0.4), ("b", 0.5)]
    assert learners.asked == ["quick abc", "quick c", "search a", "search b", "search c"]


def test_a_child_that_says_nothing_is_not_asked_for_ever() -> None:
    learners = Class({"ab": Told(end="import failed"), "b": Told(end="import failed")}, {})
    assert len(emitted([A, B], learners)) == 2


@pytest.mark.parametrize(("own", "shares"), [((1200.0, None), (1 / 2, 1 / 2)), ((300.0, 900.0), (1 / 4, 3 / 4))])
def test_a_budget_is_shared_out_by_the_seconds_that_data_sets_have_of_their_own(own: Any, shares: Any) -> None:
    learners = Class({}, {})
    began = time.monotonic()
    emitted([replace(p, seconds=s) for p, s in zip((A, B), own, strict=True)], learners, budget=1000.0)
    # A search ends before its share of .9 of the budget by its share of .1; the second has what the first has left.
    assert [until - began for until in learners.until] == pytest.approx([800 * shares[0], 900 - 100 * shares[1]], abs=2)


def test_without_time_there_are_guesses_and_no_search() -> None:
    learners = Class({}, {})
    assert emitted([A, B], learners, budget=0.0) == [("a", -math.inf), ("b", -math.inf)]
    assert learners.asked == []


def test_what_is_not_installed_is_told_before_anything_is_learned_and_nothing_is_searched() -> None:
    learners, said = Class({"a": Told(Begun("a"), Predicted("a", SURE, 0.3))}, {}, missing=["torch"]), list[str]()

    def emit(problem: Problem, predictions: Predictions, score: float) -> bool:
        said.append(f"{problem.name} {score}")
        return True

    anytime([A], Clock(time.monotonic(), 1000.0), emit, learners, said.append)
    why = "there will be no search: torch cannot be found; install what is missing"
    assert said == ["a -inf", why, "a 0.3"]
    assert learners.asked == ["quick a"]


class Plain:
    """A format of one file, which may refuse."""

    name = "plain"
    refuses: Exception | None = None

    def files(self, source: Path, problem: Problem, predictions: Predictions, number: int) -> Mapping[str, bytes]:
        if self.refuses:
            raise self.refuses
        return {"answer": predictions["test"].tobytes(), f"number{number}": b""}


def outlet(folder: Path, form: Any = None, end: float = math.inf) -> tuple[Outlet, list[str]]:
    said: list[str] = []
    return Outlet(form or Plain(), folder, folder / "out", end=end, log=said.append), said


def test_a_worse_prediction_is_refused_and_a_better_one_replaces_what_stood(tmp_path: Path) -> None:
    out, said = outlet(tmp_path)
    assert out.emit(A, trivial_guess(A), -math.inf)
    assert out.emit(A, SURE, 0.5)
    stood = (tmp_path / "out" / "answer").read_bytes()
    assert not out.emit(A, trivial_guess(A), 0.4)
    assert not out.emit(A, trivial_guess(A), math.nan)
    assert (tmp_path / "out" / "answer").read_bytes() == stood
    assert "no better than 0.5" in said[-2]


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({}, "the part 'test' is missing"),
        ({"test": np.ones((3, 3))}, r"shape \(3, 3\), \(2, 3\) is wanted"),
        ({"test": np.full((2, 3), np.nan)}, "6 values that are no finite numbers"),
        ({"test": np.full((2, 3), np.inf)}, "6 values"),
    ],
)
def test_a_prediction_that_is_not_valid_is_refused(tmp_path: Path, wrong: Predictions, why: str) -> None:
    with pytest.raises(DataError, match=why):
        valid(A, wrong)
    out, said = outlet(tmp_path)
    assert not out.emit(A, wrong, 1.0)
    assert not (tmp_path / "out").exists()
    assert said


def test_probabilities_are_clipped_and_rows_sum_to_one() -> None:
    checked = valid(A, {"test": np.array([[2.0, -1.0, 1.0], [0.0, 0.0, 0.0]])})["test"]
    np.testing.assert_allclose(checked, [[0.5, 0.0, 0.5], [1 / 3, 1 / 3, 1 / 3]])


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), IndexError("out of range")])
def test_what_cannot_be_written_is_told_and_leaves_what_was_written_before(tmp_path: Path, error: Exception) -> None:
    form = Plain()
    out, said = outlet(tmp_path, form)
    out.emit(A, trivial_guess(A), -math.inf)
    before = (tmp_path / "out" / "answer").read_bytes()
    form.refuses = error
    assert not out.emit(A, SURE, 1.0)
    assert (tmp_path / "out" / "answer").read_bytes() == before
    assert str(error) in said[-1]


def test_nothing_is_written_after_the_end(tmp_path: Path) -> None:
    out, _ = outlet(tmp_path, end=time.monotonic())
    assert not out.emit(A, SURE, 1.0)
    assert list((tmp_path / "out").iterdir()) == []


def test_predictions_are_numbered_up_to_999(tmp_path: Path) -> None:
    out, said = outlet(tmp_path)
    taken = [out.emit(A, SURE, float(k)) for k in range(MOST_NUMBER + 3)]
    assert sum(taken) == MOST_NUMBER + 1
    assert not taken[-1]
    assert "as many as the organisers can sort" in said[-1]


def test_messages_arrive_whole_or_not_at_all() -> None:
    stream = io.BytesIO()
    told: list[Message] = [Begun("a"), Predicted("a", SURE, 0.25), Failed("b", "two\nlines"), Predicted("c", SURE, 1.0)]
    for message in told:
        send(stream, message)
    content = stream.getvalue()
    heard = list(messages(io.BytesIO(content)))
    assert heard[0] == told[0]
    assert heard[2] == told[2]
    assert isinstance(heard[1], Predicted)
    np.testing.assert_array_equal(heard[1].predictions["test"], SURE["test"])
    assert len(list(messages(io.BytesIO(content[:-1])))) == 3
    assert len(list(messages(io.BytesIO(content[:5])))) == 0
