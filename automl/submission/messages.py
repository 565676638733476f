"""What a child tells its parent, over a pipe: a line of JSON, then arrays. A message that is cut off is none."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, Any

import numpy as np

from automl.submission.problem import Predictions


@dataclass(frozen=True)
class Begun:
    """Work on a problem has begun."""

    problem: str


@dataclass(frozen=True)
class Predicted:
    """A model's prediction of all parts, and its score on rows that it was not trained on; greater is better."""

    problem: str
    predictions: Predictions
    score: float


@dataclass(frozen=True)
class Failed:
    """Why there is no prediction."""

    problem: str
    reason: str


Message = Begun | Predicted | Failed


def send(stream: IO[bytes], message: Message) -> None:
    """Write a message; the other side reads it whole."""
    head: dict[str, object] = {"problem": message.problem, "kind": type(message).__name__}
    body = b""
    if isinstance(message, Failed):
        head["reason"] = message.reason
    elif isinstance(message, Predicted):
        buffer = io.BytesIO()
        arrays: dict[str, Any] = {part: np.asarray(p, dtype=np.float64) for part, p in message.predictions.items()}
        np.savez(buffer, **arrays)
        body = buffer.getvalue()
        head["score"] = message.score
    head["bytes"] = len(body)
    stream.write(json.dumps(head).encode() + b"\n" + body)
    stream.flush()


def messages(stream: IO[bytes]) -> Iterator[Message]:
    """The messages that arrive whole, until the stream ends."""
    while line := stream.readline():
        try:
            head = json.loads(line)
        except ValueError:  # cut off: its writer was killed
            return
        body = stream.read(head["bytes"])
        if len(body) < head["bytes"]:
            return
        if head["kind"] == "Begun":
            yield Begun(head["problem"])
        elif head["kind"] == "Failed":
            yield Failed(head["problem"], head["reason"])
        else:
            with np.load(io.BytesIO(body), allow_pickle=False) as arrays:
                yield Predicted(head["problem"], dict(arrays), head["score"])
