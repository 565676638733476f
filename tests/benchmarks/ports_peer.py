"""The reference implementations' side of ports.py, run by the interpreter of an environment that has pytabkit.

    python ports_peer.py JOB.json

The job names the model, its parameters and the seed; see side.py. The answer is the test loss and the CPU seconds of
the fit.
"""

from __future__ import annotations

import math
import time
from typing import Any

import torch
from side import Part, answer, kinds
from sklearn.metrics import log_loss, mean_squared_error


def measured(job: dict[str, Any], parts: dict[str, Part]) -> dict[str, Any]:
    from pytabkit.models.sklearn import sklearn_interfaces as models

    torch.set_num_threads(1)
    kind = "Classifier" if job["labels"] else "Regressor"
    made = getattr(models, f"{job['model']}_{kind}")
    model = made(random_state=job["seed"], device="cpu", n_threads=1, **job["parameters"])
    began = time.process_time()
    model.fit(*parts["train"], *parts["valid"], cat_col_names=kinds(parts["train"][0])[0])
    seconds = time.process_time() - began
    X, truth = parts["test"]
    if job["labels"]:
        loss = log_loss(truth, model.predict_proba(X), labels=model.classes_)
    else:
        loss = math.sqrt(mean_squared_error(truth, model.predict(X)))
    return {"loss": float(loss), "seconds": seconds}


if __name__ == "__main__":
    answer(measured)
