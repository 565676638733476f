"""Our metafeatures beside those that auto-sklearn published for the same tables, and beside pymfe's.

    python tests/benchmarks/metafeatures.py published --data FOLDER --out metafeatures.json
    PYTHONPATH=WHERE_PYMFE_IS:$PYTHONPATH python tests/benchmarks/metafeatures.py pymfe --data FOLDER

`benchmarks/metalearning/autosklearn_metalearning` of the data folder holds auto-sklearn's values for sets of OpenML,
each computed on 67 % of the rows by a split that is not known. It was not stratified: the numbers of rows of the rarest
class lie about what is expected as those of random parts do, which is printed. So a value should lie within the range
of ours on 100 random parts of so many rows, but for one in fifty of those that vary. Sets are matched by name, rows and
columns; landmarks and components were not published. Its moments are of the columns after one-hot encoding, ours of the
numeric columns alone: so the same function is applied to what was encoded. Where a set was published with other types
of columns, other gaps or with constant columns (which ours leaves out), what depends on them is counted apart.

pymfe (Alcobaça et al. 2020) gives features of whole tables; those that it defines as auto-sklearn does must be equal,
and landmarks, whose folds are its own, near.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from common import Output, data_folder, load_table, parser, say, show

from automl.preprocessing.columns import TableEncoder
from metalearn.metafeatures import Sample, describe, simple

SHARE, DRAWS = 0.67, 100
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


def described(X: pd.DataFrame, y: np.ndarray, labels: bool) -> dict[str, float]:
    """Our metafeatures of a table, but for what is learned; moments also of the levels of its categories."""
    arrays = TableEncoder().fit_transform(X)
    numbers, codes = arrays.numbers.astype(np.float64), arrays.codes.astype(np.int64)
    of_classes: dict[str, float] = {}
    classes = 0
    if labels:
        names, y = np.unique(y, return_inverse=True)
        classes, of_classes = len(names), simple.class_shares(y.astype(np.float64))
    sample = Sample.of(numbers, codes, y.astype(np.float64), classes=classes)
    levels = [(k == level).astype(np.float64)[:, None] for k in sample.categories.T for level in np.unique(k)]
    moments = simple.moments(np.hstack([sample.numbers, *levels]))
    return simple.sizes(numbers, codes, classes) | simple.symbols(codes) | moments | of_classes


def matched(folder: Path) -> Iterator[tuple[str, pd.Series, pd.DataFrame, np.ndarray, bool]]:
    """Tables that were published, with the values."""
    base = folder / "benchmarks" / "metalearning" / "autosklearn_metalearning"
    tables = {labels: published(base / name / "feature_values.arff") for labels, name in FOLDERS.items()}
    for name in pd.read_csv(folder / "tabular.tsv", sep="\t")["name"]:
        X, y, labels = load_table(folder, name)
        theirs = NAMES.get(name, name)
        if theirs not in tables[labels].index:
            continue
        values = tables[labels].loc[theirs]
        if abs(values.NumberOfInstances - SHARE * len(X)) <= 2 and values.NumberOfFeatures == X.shape[1]:
            yield name, values, X, y, labels


def deviation(values: pd.Series, y: np.ndarray) -> float:
    """By how many standard deviations of a random part the published number of the rarest class is off."""
    rows, n, rarest = values.NumberOfInstances, len(y), pd.Series(y).value_counts().min()
    expected = rows * rarest / n
    spread = np.sqrt(expected * (1 - rarest / n) * (n - rows) / (n - 1))  # hypergeometric
    return float((values.ClassProbabilityMin * rows - expected) / spread)


def depends(feature: str, types: bool, gaps: bool, constants: bool) -> bool:
    """Whether a feature depends on what the published set has otherwise than ours: types, gaps, constant columns."""
    words: list[str] = []
    words += ["Symbols", "Kurtosis", "Skewness", "Nominal", "Numeric", "Categorical"] if types else []
    words += ["Missing", "Kurtosis", "Skewness", "Symbols"] if gaps else []
    words += ["Features", "Ratio", "Percentage", "Kurtosis", "Skewness", "Symbols"] if constants else []
    return any(word in feature for word in words)


def compare_published(folder: Path, output: Output) -> None:
    deviations = []
    for name, values, X, y, labels in matched(folder):
        rows, parts = int(values.NumberOfInstances), []
        for seed in range(DRAWS):
            chosen = np.random.default_rng(seed).permutation(len(X))[:rows]
            parts.append(described(X.iloc[chosen].reset_index(drop=True), y[chosen], labels))
        ours = pd.DataFrame(parts)
        if labels:
            deviations.append(deviation(values, y))

        def outside(feature: str, ours: pd.DataFrame = ours, values: pd.Series = values) -> bool:
            slack = 1e-6 * abs(values[feature]) + 1e-9
            return bool(not ours[feature].min() - slack <= values[feature] <= ours[feature].max() + slack)

        otherwise = (
            outside("NumberOfCategoricalFeatures"),
            outside("NumberOfMissingValues"),
            outside("NumberOfFeatures"),
        )
        for feature in ours.columns.intersection(values.dropna().index):  # none was published of no column
            row = {"table": name, "feature": feature, "published": values[feature], "mean": ours[feature].mean()}
            row |= {"least": ours[feature].min(), "most": ours[feature].max(), "outside": outside(feature)}
            row |= {"varies": bool(np.ptp(ours[feature]) > 0), "otherwise": depends(feature, *otherwise)}
            output.rows.append(row)
        output.write()
        mine = [row for row in output.rows if row["table"] == name]
        off = [row["feature"] for row in mine if row["outside"] and not row["otherwise"]]
        apart = sum(row["otherwise"] for row in mine)
        say(f"{name}: {len(mine)} values, {apart} apart, outside: {', '.join(off) or 'none'}")
    report(output.rows, deviations)


def report(rows: list[dict[str, Any]], deviations: list[float]) -> None:
    found = pd.DataFrame(rows)
    kinds = {
        "the same on every part": found[~found.otherwise & ~found.varies],
        "vary": found[~found.otherwise & found.varies],
        "other types, gaps or constants": found[found.otherwise],
    }
    lines = [{"values": k, "number": len(f), "outside": int(f.outside.sum())} for k, f in kinds.items()]
    show("Published values outside of the range of ours", lines, ["values", "number", "outside"])
    names = found[found.outside & ~found.otherwise].groupby("table").feature.agg(", ".join)
    show("Outside", [{"table": t, "features": f} for t, f in names.items()], ["table", "features"])
    apart = found[found.otherwise].table.nunique()
    off = float(np.sqrt(np.mean(np.square(deviations))))
    say(f"{found.table.nunique()} tables, {apart} of them with other types, gaps or constants")
    say(f"the rarest class is off by {off:.2f} standard deviations of random parts; 1 is random, 0 stratified")


SAME = {
    **{"nr_inst": "NumberOfInstances", "nr_attr": "NumberOfFeatures", "nr_class": "NumberOfClasses"},
    **{"nr_num": "NumberOfNumericFeatures", "nr_cat": "NumberOfCategoricalFeatures"},
    **{"attr_to_inst": "DatasetRatio", "inst_to_attr": "InverseDatasetRatio", "class_ent": "ClassEntropy"},
    **{"num_to_cat": "RatioNumericalToNominal", "cat_to_num": "RatioNominalToNumerical"},
    **{
        f"{theirs}.{way.lower()}": f"{ours}{way}"
        for theirs, ours in (("freq_class", "ClassProbability"), ("kurtosis", "Kurtosis"), ("skewness", "Skewness"))
        for way in ("Min", "Max", "Mean")
    },
}
NEAR = {"linear_discr.mean": "LandmarkLDA", "naive_bayes.mean": "LandmarkNaiveBayes"}
"""The others take another criterion, or columns as they are instead of scaled ones."""


def compare_pymfe(folder: Path, output: Output) -> None:
    from pymfe.mfe import MFE

    for name in pd.read_csv(folder / "tabular.tsv", sep="\t")["name"]:
        X, y, labels = load_table(folder, name)
        arrays = TableEncoder().fit_transform(X)
        numbers, codes = arrays.numbers.astype(np.float64), arrays.codes.astype(np.int64)
        if not labels or len(X) > 10_000 or X.shape[1] > 100 or np.isnan(numbers).any():
            continue  # ours are of a sample then; and pymfe takes no gaps
        y = np.unique(y, return_inverse=True)[1]
        ours = describe(numbers, codes, y.astype(np.float64), classes=int(y.max()) + 1)
        features = sorted({each.partition(".")[0] for each in (*SAME, *NEAR)})
        made = MFE("all", features=features, summary=["min", "max", "mean"], num_cv_folds=5, random_state=0)
        nominal = list(range(numbers.shape[1], numbers.shape[1] + codes.shape[1]))
        made.fit(np.hstack([numbers, codes]), y, cat_cols=nominal, transform_cat=None, suppress_warnings=True)
        theirs = dict(
            zip(*made.extract(kurtosis={"method": 1}, skewness={"method": 1}, suppress_warnings=True), strict=True)
        )
        for key, feature in (SAME | NEAR).items():
            if key not in theirs or np.isnan(theirs[key]) or (key in NEAR and codes.shape[1]):
                continue  # of no column; and pymfe's landmarks take numbers alone
            row = {"table": name, "feature": feature, "ours": ours[feature], "theirs": float(theirs[key])}
            output.rows.append({**row, "difference": abs(ours[feature] - float(theirs[key])), "near": key in NEAR})
        output.write()
        say(name)
    found = pd.DataFrame(output.rows)
    found["relative"] = found.difference / found.theirs.abs().clip(lower=1.0)
    lines = [
        {"feature": feature, "tables": len(f), "greatest difference": f.relative.max(), "mean": f.relative.mean()}
        for feature, f in found.groupby("feature")
    ]
    show("Beside pymfe, differences over max(1, |value|)", lines, list(lines[0]))
    equal = found[~found.near]
    say(f"{found.table.nunique()} tables, {int((equal.relative < 1e-9).sum())} of {len(equal)} values equal")


def main() -> int:
    made = parser(__doc__)
    made.add_argument("beside", choices=("published", "pymfe"))
    args = made.parse_args()
    folder, output = data_folder(args), Output(args.out)
    {"published": compare_published, "pymfe": compare_pymfe}[args.beside](folder, output)
    output.write()
    return 0


if __name__ == "__main__":
    sys.exit(main())
