"""The scikit-learn face of images: read, check, encode, predict."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from automl.base import PARAMETERS, Classifier
from automl.errors import DataError
from automl.images.encoder import ImageEncoder, checked_images
from automl.images.files import class_folders

if TYPE_CHECKING:
    from automl.plan import Plan

HELD_OUT, JUDGED = 0.2, 3_000
"""Share of the images that is held out, and how many are at most."""


_PARAMETERS = PARAMETERS.replace(
    "None: five folds below 5,000 rows (for\n        networks alone: where there is time for them), else 0.2.",
    "None: 0.2 held out, at most 3,000 images.",
).replace(
    "\n    Attributes\n",
    """    image_size : int or (int, int), default=None
        Side, or height and width, in pixels, to which all images are resized. None: the size that half of them or more
        have, else the medians of heights and widths; where the longer side is above 64 pixels, shrunk to that.
    weights : dict, default=None
        Name of a network of the family "torchvision", such as "resnet18", → local file of its weights (.safetensors, or
        a state dict by `torch.save`), which it begins with. None trains from scratch; nothing is downloaded.

    Attributes
""",
)


class AutoNetImageClassifier(Classifier):
    __doc__ = (
        """Searches convolutional networks jointly with their training; predicts with an ensemble of what it found.
"""
        + _PARAMETERS
        + """    classes_ : ndarray
        The labels, sorted; columns of `predict_proba`.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> digits = load_digits()
    >>> model = AutoNetImageClassifier(n_trials=1, random_state=0)
    >>> model.fit(digits.images[:500], digits.target[:500]).predict_proba(digits.images[500:510]).shape
    (10, 10)
    """
    )

    images: ClassVar[bool] = True

    def __init__(
        self,
        *,
        time_limit: float | None = None,
        n_trials: int | None = None,
        optimizer: str | None = None,
        fidelities: Any = None,
        search_space: Any = None,
        families: Any = None,
        metric: Any = None,
        resampling: Any = None,
        ensemble_size: int | None = None,
        n_jobs: int | None = -1,
        memory_limit: float | None = None,
        trial_time_limit: float | None = None,
        device: str = "auto",
        store: Any = None,
        warm_start: Any = "auto",
        knowledge: str | Path | None = None,
        preset: str = "medium",
        random_state: Any = None,
        verbose: int = 0,
        image_size: int | tuple[int, int] | None = None,
        weights: Mapping[str, str | Path] | None = None,
    ) -> None:
        super().__init__(
            time_limit=time_limit,
            n_trials=n_trials,
            optimizer=optimizer,
            fidelities=fidelities,
            search_space=search_space,
            families=families,
            metric=metric,
            resampling=resampling,
            ensemble_size=ensemble_size,
            n_jobs=n_jobs,
            memory_limit=memory_limit,
            trial_time_limit=trial_time_limit,
            device=device,
            store=store,
            warm_start=warm_start,
            knowledge=knowledge,
            preset=preset,
            random_state=random_state,
            verbose=verbose,
        )
        self.image_size = image_size
        self.weights = weights

    def fit(
        self,
        X: Any,
        y: Any = None,
        sample_weight: Any = None,
        groups: Any = None,
        *,
        keep: Callable[..., None] | None = None,
    ) -> Self:
        """Search, and build the ensemble.

        Parameters
        ----------
        X: array (n, height, width) or (n, height, width, channels); a list of such images, maybe of several sizes, or
            of Pillow's; a list of paths; or a folder with a subfolder of images for each class, and no y. Bytes are
            taken as they are; of other numbers the range from the least to the greatest becomes 0 to 255.
        y: (n,) labels, or (n, labels) of 0 and 1 where an image may have several.
        sample_weight: (n,) non-negative; weights training and metric alike.
        groups: (n,) labels of images that belong together and are never split between training and validation.
        keep: given the fitted estimator before its run counts as finished in the store, to save it beyond any kill.

        Raises
        ------
        SettingError: a parameter breaks a rule. DataError: images or labels cannot be learned from; names the files.
        SearchFailed: no trial finished.
        """
        X, y = _labelled(X, y)
        return super().fit(X, y, sample_weight, groups, keep=keep)

    def refit(self, X: Any, y: Any = None, sample_weight: Any = None, groups: Any = None) -> Self:
        """Train the members of the ensemble anew on all images, each for as long as was best for it.

        Takes the same data as `fit`; see `AutoNetClassifier.refit`.
        """
        X, y = _labelled(X, y)
        return super().refit(X, y, sample_weight, groups)

    def _checked(self, X: Any, *, reset: bool) -> Any:
        return checked_images(X)

    def _fitted_encoder(self, X: Any) -> ImageEncoder:
        encoder = ImageEncoder.fit(X, self.image_size)
        self.n_features_in_ = int(np.prod(encoder.image))
        return encoder

    def _resampling(self, rows: int, plan: Plan) -> Any:
        return min(HELD_OUT, JUDGED / rows) if self.resampling is None else self.resampling

    def _targets(self, y: Any) -> tuple[NDArray[Any], Any]:
        codes, metric = super()._targets(y)
        if codes.ndim == 1:
            lone = np.asarray(metric.classes)[np.bincount(codes) < 2].tolist()
            if lone:
                raise DataError(
                    f"of the class {lone[0]!r} there is one image only ({len(lone)} such classes); a class needs one "
                    "to learn from and one to judge by: add images or leave the class out"
                )
        return codes, metric

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        tags.input_tags.three_d_array = True
        return tags


def _labelled(X: Any, y: Any) -> tuple[Any, Any]:
    """Images and labels, which a folder holds both."""
    if not isinstance(X, str | os.PathLike):
        return X, y
    if y is not None:
        raise DataError(f"X is the folder {str(X)!r}, whose subfolders are the labels: leave y out, or give paths as X")
    return class_folders(Path(X))
