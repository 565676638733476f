"""The reference implementations' side of ports.py, run by the interpreter of an environment that has pytabkit.

    python ports_peer.py JOB.json

The job names the model, its parameters, the seed and a parquet file with the columns `target` and `part` ("train",
"valid" or "test"); the answer is a line of JSON with the test loss and the CPU seconds of the fit.
"""

import json
import math
import os
import sys
import time

os.environ["OMP_NUM_THREADS"] = "1"

import pandas as pd
import torch
from sklearn.metrics import log_loss, mean_squared_error


def main() -> None:
    from pytabkit.models.sklearn import sklearn_interfaces as models

    torch.set_num_threads(1)
    with open(sys.argv[1]) as file:
        job = json.load(file)
    frame = pd.read_parquet(job["table"])
    part, y = frame.pop("part"), frame.pop("target")
    split = {name: (frame[part == name], y[part == name].to_numpy()) for name in ("train", "valid", "test")}
    kind = "Classifier" if job["labels"] else "Regressor"
    made = getattr(models, f"{job['model']}_{kind}")
    model = made(random_state=job["seed"], device="cpu", n_threads=1, **job["parameters"])
    began = time.process_time()
    model.fit(*split["train"], *split["valid"])
    seconds = time.process_time() - began
    X, truth = split["test"]
    if job["labels"]:
        loss = log_loss(truth, model.predict_proba(X), labels=model.classes_)
    else:
        loss = math.sqrt(mean_squared_error(truth, model.predict(X)))
    print(json.dumps({"loss": float(loss), "seconds": seconds}))


if __name__ == "__main__":
    main()
