"""What can be chosen about the preparation of columns."""

from __future__ import annotations

from dataclasses import dataclass

from automl.errors import SettingError

MOST_COMPONENTS = 100


@dataclass(frozen=True, slots=True)
class Preparation:
    """How columns become the input of a model; the defaults only fill, mark and scale numbers.

    Attributes
    ----------
    imputation: a key of `impute.IMPUTATIONS`: what stands in for missing numbers.
    missing_indicator: whether a column more says where a number was missing.
    scaling: a key of `scale.SCALINGS`.
    encoding: "embedding" leaves categories to the model: networks have a column per level up to nine levels and learn
        an embedding beyond, linear models have a column per level. Else a key of `encodings.ENCODINGS`, after which
        no category is left.
    smoothing: of the encoding "target": rows of the overall mean that are added to each level's own, > 0.
    coalescing: whether rare levels become one, the level of what is missing or new.
    min_frequency: share of the training rows below which a level is rare, in (0, 1).
    reduction: "none", or a key of `reduce.REDUCTIONS`; of all numbers, encoded categories included.
    components: columns that pca, truncated_svd, nystroem and kitchen_sinks make, at most 100; fewer where the table
        has fewer columns or rows.
    whiten: whether pca gives each component the same spread.
    gamma: of nystroem and kitchen_sinks, > 0: the kernel is exp(−gamma · |x − x'|² / v), v the sum of the columns'
        variances.
    select_by: of select, a key of `reductions.select.SCORES`.
    select_share: share of the columns that select keeps, five at least, in (0, 1].
    crossed: columns, those that tell most of the target, of which polynomial adds all products of two, 2 to 12.
    class_weighting: whether the classes weigh the same in training, however rare; nothing for regression. This is up
        to the evaluation, which holds the weights.
    """

    imputation: str = "median"
    missing_indicator: bool = True
    scaling: str = "quantile"
    encoding: str = "embedding"
    smoothing: float = 10.0
    coalescing: bool = False
    min_frequency: float = 0.01
    reduction: str = "none"
    components: int = 30
    whiten: bool = False
    gamma: float = 0.5
    select_by: str = "anova_f"
    select_share: float = 0.5
    crossed: int = 6
    class_weighting: bool = False

    def __post_init__(self) -> None:
        rules = {
            "smoothing": (self.smoothing > 0, "> 0"),
            "min_frequency": (0 < self.min_frequency < 1, "in (0, 1)"),
            "components": (1 <= self.components <= MOST_COMPONENTS, f"between 1 and {MOST_COMPONENTS}"),
            "gamma": (self.gamma > 0, "> 0"),
            "select_share": (0 < self.select_share <= 1, "in (0, 1]"),
            "crossed": (2 <= self.crossed <= 12, "between 2 and 12"),
        }
        for name, (holds, rule) in rules.items():
            if not holds:
                raise SettingError(f"{name}={getattr(self, name)!r} in the preparation must be {rule}")
