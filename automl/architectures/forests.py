"""Averages of scikit-learn's randomised trees (Breiman 2001, doi:10.1023/A:1010933404324), shrunk and kept as arrays.

A small leaf says "certainly" of a handful of rows. Each tree is therefore shrunk towards its root (Agarwal et al. 2022,
"Hierarchical Shrinkage", arXiv 2202.00858, eq. 2), which costs no training and leaves no class without probability:

    f(leaf) = mean(root) + Σ (mean(node) − mean(parent)) / (1 + λ / rows(parent)),  over the nodes on the way.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from automl.architectures.learner import VISIT, Clock, Rows
from automl.artefact import State

TREES = 150
"""Of a full run."""
SORTED = 250_000
"""Rows × columns that a tree sorts at its root, at most: so it is grown in less than a second, however long a table."""
LEAF_VALUES = 16_000_000
"""Numbers in all leaves of a forest together, 4 bytes each: with many classes trees are allowed fewer leaves."""
FAINT = 1e-3
"""Votes, of as many as there are trees, that every class has from the start: a rare one may be in no tree's rows."""
_BATCH_NODES = 100_000
"""Nodes that are shrunk together: small trees one by one would take longer than growing them."""


def most_leaves(wanted: int, outputs: int) -> int:
    """Leaves that a tree may have, at least 2."""
    return max(2, min(wanted, LEAF_VALUES // (TREES * outputs)))


def considered(inputs: int, exponent: float) -> int:
    """Columns that a split chooses from, inputs^exponent: 0.5 is the square root of them, 1 all."""
    return max(1, round(inputs**exponent))


@dataclass(frozen=True)
class Trees:
    """Trees one after another; a node names its children by their place in its own tree.

    Attributes
    ----------
    counts: (t,) nodes of each tree.
    inner: (n,) False for the leaves.
    left, right: (m,) children of the inner nodes.
    feature, threshold, missing_left: (m,) a row goes left where its feature is ≤ the threshold, or missing and so said.
    values: (n − m, k) float32, of the leaves in their order: shares of the classes, or one value.
    """

    counts: NDArray[np.int64]
    inner: NDArray[np.bool_]
    left: NDArray[np.int32]
    right: NDArray[np.int32]
    feature: NDArray[np.int32]
    threshold: NDArray[np.float64]
    missing_left: NDArray[np.uint8]
    values: NDArray[np.float32]

    @classmethod
    def shrunk(cls, grown: list[Any], strength: float) -> Trees:
        """Fitted `sklearn.tree._tree.Tree` objects, shrunk by λ = `strength` ≥ 0."""
        counts = np.array([tree.node_count for tree in grown])
        nodes = np.concatenate([tree.__getstate__()["nodes"] for tree in grown])
        means = np.concatenate([tree.value[:, 0, :] for tree in grown])
        first = np.repeat(np.cumsum(counts) - counts, counts)
        inner = nodes["left_child"] >= 0
        children = np.stack([nodes["left_child"] + first, nodes["right_child"] + first])
        shrunk = means.copy()
        parents = (np.cumsum(counts) - counts)[inner[np.cumsum(counts) - counts]]  # level by level, from the roots
        while len(parents):
            step = 1 / (1 + strength / nodes["weighted_n_node_samples"][parents])
            for child in children[:, parents]:
                shrunk[child] = shrunk[parents] + (means[child] - means[parents]) * step[:, None]
            below = children[:, parents].ravel()
            parents = below[inner[below]]
        kept = nodes[inner]
        return cls(
            counts,
            inner,
            kept["left_child"].astype(np.int32),
            kept["right_child"].astype(np.int32),
            kept["feature"].astype(np.int32),
            kept["threshold"].copy(),
            kept["missing_go_to_left"].copy(),
            shrunk[~inner].astype(np.float32),
        )

    @classmethod
    def joined(cls, parts: list[Trees]) -> Trees:
        return cls(**{name: np.concatenate([vars(part)[name] for part in parts]) for name in vars(parts[0])})

    def walkers(self, inputs: int) -> list[Any]:
        """`sklearn.tree._tree.Tree` objects that find the leaf of a row of `inputs` columns; they hold no values."""
        from sklearn.tree._tree import NODE_DTYPE, Tree

        nodes = np.zeros(len(self.inner), dtype=NODE_DTYPE)
        nodes["left_child"] = nodes["right_child"] = -1  # a leaf
        nodes["left_child"][self.inner], nodes["right_child"][self.inner] = self.left, self.right
        nodes["feature"][self.inner], nodes["threshold"][self.inner] = self.feature, self.threshold
        nodes["missing_go_to_left"][self.inner] = self.missing_left
        made = []
        for part in np.split(nodes, np.cumsum(self.counts)[:-1]):
            tree = Tree(inputs, np.ones(1, dtype=np.intp), 1)
            empty = np.zeros((len(part), 1, 1))
            tree.__setstate__({"max_depth": 0, "node_count": len(part), "nodes": part.copy(), "values": empty})
            made.append(tree)
        return made


class Forest:
    """The mean of trees, each grown on rows drawn with replacement or on all of them.

    Parameters
    ----------
    tree: an unfitted tree of scikit-learn, as which every tree is grown.
    bootstrap: whether rows are drawn with replacement.
    most_rows: drawn for each tree, at least 1; where there are fewer, as many as there are.
    shrinkage: λ in rows, ≥ 0.
    """

    converged = False
    losses = ()

    def __init__(self, tree: Any, *, bootstrap: bool, most_rows: int, shrinkage: float) -> None:
        self._tree, self._bootstrap, self._most_rows, self._shrinkage = tree, bootstrap, most_rows, shrinkage

    def fit_within(self, train: Rows, valid: Rows, *, share: float, seed: int, deadline: float | None) -> None:
        """Grow a share of the trees, one after another while there is time; the first one always."""
        if train.weight is not None:  # shrinkage counts rows
            train = train._replace(weight=train.weight / train.weight.mean())
        classes = np.unique(train.y) if hasattr(self._tree, "predict_proba") else np.empty(0)
        seeds = np.random.SeedSequence(seed).spawn(max(1, round(share * TREES)))
        parts: list[Trees] = []
        batch: list[Any] = []
        clock = Clock(deadline)
        for each in seeds:
            batch.append(self._grow(train, each))
            late = clock.over()
            if late or each is seeds[-1] or sum(tree.node_count for tree in batch) > _BATCH_NODES:
                parts.append(Trees.shrunk(batch, self._shrinkage))
                batch = []
            if late:
                break
        self._set(Trees.joined(parts), train.X.shape[1], classes)

    def _grow(self, train: Rows, seed: np.random.SeedSequence) -> Any:
        rng = np.random.default_rng(seed)
        # One tree is fitted again and again: making copies would take longer than growing small ones.
        self._tree.random_state = int(rng.integers(2**31))
        rows, weight = len(train.y), train.weight
        if self._bootstrap or rows > self._most_rows:
            drawn = rng.choice(rows, min(rows, self._most_rows), replace=self._bootstrap)
            times = np.bincount(drawn, minlength=rows).astype(np.float64)
            weight = times if weight is None else times * weight
        return self._tree.fit(train.X, train.y, sample_weight=weight).tree_

    def _set(self, trees: Trees, inputs: int, classes: NDArray[Any]) -> None:
        self.classes_, self._trees, self._inputs = classes, trees, inputs
        self._walkers = trees.walkers(inputs)
        self._leaf = np.split(np.cumsum(~trees.inner, dtype=np.int32) - 1, np.cumsum(trees.counts)[:-1])

    @property
    def effort(self) -> float:
        return len(self._walkers) / TREES

    def keep(self, rounds: int) -> None:
        """All trees are kept: none is judged before it is grown."""

    @property
    def work(self) -> float:
        depths = np.log2(np.maximum(self._trees.counts, 2))
        return float(VISIT * (1.5 * depths.sum() + len(depths) * self._trees.values.shape[1]))

    def predict(self, X: NDArray[Any]) -> NDArray[np.float64]:
        return self._votes(X)[:, 0] / len(self._walkers)

    def predict_proba(self, X: NDArray[Any]) -> NDArray[np.float64]:
        votes = self._votes(X) + FAINT
        return votes / votes.sum(axis=1, keepdims=True)

    def _votes(self, X: NDArray[Any]) -> NDArray[np.float64]:
        rows = np.asarray(X, dtype=np.float32)
        total = np.zeros((len(rows), self._trees.values.shape[1]))
        for tree, leaf in zip(self._walkers, self._leaf, strict=True):
            total += self._trees.values[leaf[tree.apply(rows)]]
        return total

    def state(self) -> State:
        return {"inputs": self._inputs}, {"classes": self.classes_, **vars(self._trees)}

    @classmethod
    def restored(cls, state: State) -> Forest:
        """The forest that gave this state; it predicts the same bits and cannot be fitted."""
        values, arrays = state
        forest = cls(None, bootstrap=False, most_rows=1, shrinkage=0.0)
        parts = dict(arrays)
        classes = parts.pop("classes")
        forest._set(Trees(**parts), values["inputs"], classes)
        return forest
