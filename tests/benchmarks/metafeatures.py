"""Our metafeatures beside those that auto-sklearn published for the same tables.

    python tests/benchmarks/metafeatures.py --data FOLDER --out metafeatures.json

`benchmarks/metalearning/autosklearn_metalearning` of the data folder holds auto-sklearn's values for sets of OpenML,
each computed on a training part of 67 % of the rows whose split is not known. A value that any split leaves as it is
(numbers of columns and classes, say) must be equal; the others must lie where ours lie on random stratified parts of
that size: within four of their standard deviations. Sets are matched by name, rows and columns. A set that was
published with other types of columns differs in whatever depends on them, which is printed by set.
"""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from common import Output, autonet, data_folder, load_table, parser, say, show
from sklearn.model_selection import train_test_split

SHARE, DRAWS, DEVIATIONS = 0.67, 8, 4.0
MOST_CELLS = 300_000
"""Larger tables are left out: eight draws of each take minutes."""
NAMES = {
    **{"balance_scale": "balance-scale", "breast_w": "breast-w", "tic_tac_toe": "tic-tac-toe"},
    **{"banknote": "banknote-authentication", "mlbench_dna": "dna", "page_blocks": "page-blocks"},
    **{"ring": "ringnorm", "magic_telescope": "magictelescope", "housing": "boston", "puma8NH": "puma8nh"},
    **{"kr_vs_kp": "kr-vs-kp", "credit_approval": "credit-approval", "satellite": "satimage"},
    **{"house8L": "house_8l", "planes2d": "2dplanes"},
}
"""What auto-sklearn calls tables of ours; the others have one name."""
FOLDERS = {True: "accuracy_binary.classification_dense", False: "r2_regression_dense"}


def published(path: Path) -> pd.DataFrame:
    """The table of an ARFF file of numbers, by the name of the set."""
    names, rows = [], []
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.upper().startswith("@ATTRIBUTE"):
            names.append(line.split()[1])
        elif line and not line.startswith(("@", "%")):
            rows.append(line.split(","))
    return pd.DataFrame(rows, columns=names).replace("?", "nan").set_index("instance_id").astype(float)


def described(X: pd.DataFrame, y: Any, labels: bool, rows: int, seed: int) -> dict[str, float]:
    """Our metafeatures of a random part of so many rows."""
    from automl.metafeatures import metafeatures

    strata = y if labels and pd.Series(y).value_counts().min() > 1 else None
    part, _, target, _ = train_test_split(X, y, train_size=rows, random_state=seed, stratify=strata)
    task, _ = autonet(labels, resampling=0.3)._task(part, target, None, None, 0)
    return metafeatures(task)


def main() -> int:
    args = parser(__doc__).parse_args()
    folder, output = data_folder(args), Output(args.out)
    base = folder / "benchmarks" / "metalearning" / "autosklearn_metalearning"
    tables = {labels: published(base / name / "feature_values.arff") for labels, name in FOLDERS.items()}
    for name in pd.read_csv(folder / "tabular.tsv", sep="\t")["name"]:
        X, y, labels = load_table(folder, name)
        theirs = NAMES.get(name, name)
        if theirs not in tables[labels].index or X.size > MOST_CELLS:
            continue
        values = tables[labels].loc[theirs]
        rows = int(values.NumberOfInstances)
        if abs(rows - SHARE * len(X)) > 2 or values.NumberOfFeatures != X.shape[1]:
            continue
        ours = pd.DataFrame([described(X, y, labels, rows, seed) for seed in range(DRAWS)])
        for feature in ours.columns.intersection(values.index):
            mean, spread, value = ours[feature].mean(), ours[feature].std(), values[feature]
            fits = bool(abs(value - mean) <= DEVIATIONS * spread + 1e-6 * abs(mean) + 1e-9)
            row = {"table": name, "feature": feature, "published": value, "mean": mean, "spread": spread}
            output.add({**row, "fits": fits})
        say(f"{name}: {sum(r['fits'] for r in output.rows if r['table'] == name)} of {len(ours.columns)}")
    of = Counter(row["table"] for row in output.rows)
    off = Counter(row["table"] for row in output.rows if not row["fits"])
    lines = [{"table": name, "compared": of[name], "outside": off[name]} for name in of]
    show("Metafeatures outside of where ours lie", lines, ["table", "compared", "outside"])
    whole, fitting = [name for name in of if not off[name]], np.mean([row["fits"] for row in output.rows])
    say(f"{len(whole)} of {len(of)} tables agree in all, and {fitting:.3f} of the values")
    output.write()
    return 0


if __name__ == "__main__":
    sys.exit(main())
