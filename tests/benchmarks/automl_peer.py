"""AutoGluon's and FLAML's side of peers.py, run by the interpreter of an environment that has them.

    python automl_peer.py JOB.json

The job names the system, the time limit in seconds, the seed and the cores; see side.py. Both minimise the log loss.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from side import Part, answer, as_they_are, fitted


def autogluon(job: dict[str, Any], parts: dict[str, Part]) -> dict[str, Any]:
    """The preset `medium_quality`; it takes no seed."""
    from autogluon.tabular import TabularPredictor

    (X, y), (X_test, _) = parts["train"], parts["test"]
    began = time.monotonic()
    predictor = TabularPredictor(label="target", eval_metric="log_loss", path="autogluon", verbosity=0)
    predictor.fit(
        X.assign(target=y), time_limit=job["time_limit"], presets="medium_quality", num_cpus=job["jobs"], num_gpus=0
    )
    fit_end = time.monotonic()
    frame = predictor.predict_proba(X_test, as_multiclass=True)
    predicted = np.asarray(frame, dtype=np.float64)
    return {
        "seconds": fit_end - began,
        "predict_seconds": time.monotonic() - fit_end,
        "classes": [str(c) for c in frame.columns],
        "predicted": (predicted / predicted.sum(axis=1, keepdims=True)).tolist(),  # they are of single precision
    }


def flaml(job: dict[str, Any], parts: dict[str, Part]) -> dict[str, Any]:
    from flaml import AutoML

    settings = {"task": "classification", "metric": "log_loss", "time_budget": job["time_limit"], "verbose": 0}
    return fitted(AutoML(), job["labels"], parts, as_they_are, **settings, n_jobs=job["jobs"], seed=job["seed"])


SYSTEMS = {"AutoGluon": autogluon, "FLAML": flaml}


if __name__ == "__main__":
    answer(lambda job, parts: SYSTEMS[job["system"]](job, parts))
