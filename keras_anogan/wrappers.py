"""scikit-learn's verbs and scikit-learn's sign around any detector: higher is more *normal*, outliers are -1."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, OutlierMixin
from sklearn.utils import check_consistent_length, check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from keras_anogan.models import build_phases, check_parameters, entry, list_detectors, parameters_of, steps_per_epoch
from keras_anogan.nn.scaling import far_cells
from keras_anogan.thresholds import ConformalThreshold, calibration_needed
from keras_anogan.training.averages import NetworkEMA

UNLIKE = 1000  # ranges of columns that differ so many times are of a series' channels, not of pixels


class SKLearnOutlierDetector(OutlierMixin, BaseEstimator):
    """A detector as a scikit-learn outlier detector.

    `fit(X)` takes normal rows (n, features), windows of time series (n, T, F), or images (n, H, W) or (n, H, W, C), as
    array, list or DataFrame. The input size is read off them. They are scaled to [-1, 1] by the training rows' range:
    rows each column by its own, without cells that lie far from all others (`nn.scaling.far_cells`), with a warning;
    windows each of their F channels by its own, images by one for all pixels. The detector
    is given a window as a row of T * F numbers.

        search = GridSearchCV(SKLearnOutlierDetector("pca"), {"params__n_components": [4, 16]}, scoring=scoring)

    Args:
        detector: one of `list_detectors()`, such as "fanogan", "efficientgan" or "pca".
        kind: "rows", "series" or "images": what X holds. "auto" tells by the shape: two axes are rows, four are images.
            Three are grey images if neither side is more than twice as long as the other, or the numbers are bytes, and
            else series; `kind_` says what it was. Square windows of floats look like images: give "series" for them.
        contamination: "auto", or the share of outliers among the rows of `fit`, in (0, 0.5]. With "auto" the rows
            are normal, a share `calibrate` of them is kept from training, and the threshold is set on these so that
            at most `alpha` of normal rows are called outliers. With a number every row is trained on, and the
            threshold is that quantile of their own scores, as in scikit-learn's detectors.
        alpha: false-alarm rate, with "auto".
        calibrate: share of the rows for the threshold, with "auto".
        epochs, batch_size, learning_rate: of every phase of training that has no length of its own; Adam with
            beta_1 = 0.5. An epoch of rows has at least as many steps as the detector's `Tags.least_steps`.
        params: further arguments of the detector, such as {"latent_dim": 16}; `models.parameters_of` lists them.
            `set_params(params__latent_dim=16)` sets one of them.
        random_state: seed of weights, noise, order and split.
        verbose: as in `keras.Model.fit`.

    Attributes:
        detector_: the trained `AnomalyDetector`; it takes scaled rows.
        kind_: "rows", "series" or "images".
        offset_: `decision_function` is `score_samples` minus this.
        threshold_: the `ConformalThreshold`, or None with a number as contamination.
        data_min_, data_max_: what is scaled to -1 and 1.
        n_features_in_, feature_names_in_: as everywhere in scikit-learn; for rows alone.
    """

    def __init__(
        self,
        detector: str = "fanogan",
        *,
        kind: str = "auto",
        contamination: float | str = "auto",
        alpha: float = 0.05,
        calibrate: float = 0.2,
        epochs: int = 20,
        batch_size: int = 64,
        learning_rate: float = 2e-4,
        params: dict[str, Any] | None = None,
        random_state: Any = None,
        verbose: Any = 0,
    ) -> None:
        self.detector = detector
        self.kind = kind
        self.contamination = contamination
        self.alpha = alpha
        self.calibrate = calibrate
        self.epochs = epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.params = params
        self.random_state = random_state
        self.verbose = verbose

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Parameters by name; `deep` adds the detector's own, as params__latent_dim."""
        found = super().get_params(deep=False)
        if not deep:
            return found
        is_known = isinstance(self.detector, str) and self.detector in list_detectors()
        known = parameters_of(self.detector) if is_known else {}  # scikit-learn asks before anything is checked
        given = self.params if isinstance(self.params, dict) else {}
        inner = {**{key: parameter.default for key, parameter in known.items()}, **given}
        return {**found, **{f"params__{key}": value for key, value in inner.items()}}

    def set_params(self, **params: Any) -> SKLearnOutlierDetector:
        """Set parameters by name, one of the detector's as params__latent_dim.

        Raises:
            ValueError: for an unknown name, or one that the detector does not have.
        """
        inner = {key.removeprefix("params__"): params[key] for key in params if key.startswith("params__")}
        super().set_params(**{key: value for key, value in params.items() if not key.startswith("params__")})
        if inner:
            check_parameters(self.detector, inner)
            self.params = {**(self.params or {}), **inner}
        return self

    def fit(self, X: Any, y: Any = None) -> SKLearnOutlierDetector:
        """Train on normal rows; `y` is ignored, except by "siamese", which needs the normal class of each row.

        Raises:
            ValueError: for bad rows or parameters, or too few rows to calibrate `alpha`.
        """
        x = self._validate(X, reset=True)
        if y is not None:
            check_consistent_length(X, y)
        self._check_parameters(len(x))
        draw = check_random_state(self.random_state)
        seed = int(draw.randint(2**20))
        held = round(self.calibrate * len(x)) if self.contamination == "auto" else 0
        order = draw.permutation(len(x))
        train, calibration = x[np.sort(order[held:])], x[np.sort(order[:held])]
        train = self._scale(self._learn_range(train))
        momentum = entry(self.detector).tags.averaged
        for model in build_phases(self.detector, train.shape[1:], **{"seed": seed, **(self.params or {})}).values():
            if model.players:
                model.compile(optimizers=model.adam_optimizers(self.learning_rate))
                classes = np.asarray(y)[np.sort(order[held:])] if model.uses_labels and y is not None else None
                own = model.default_steps()
                model.fit(
                    train,
                    classes,
                    batch_size=self.batch_size,
                    epochs=self.epochs if own is None else 1,
                    steps_per_epoch=own or steps_per_epoch(self.detector, train.shape[1:], len(train), self.batch_size),
                    verbose=self.verbose,
                    callbacks=[] if momentum is None else [NetworkEMA(momentum)],
                )
            else:
                model.compile()
                model.fit(train)
            self.detector_ = model
        if self.contamination == "auto":
            scores = self.detector_.predict(self._scale(calibration))
            self.threshold_: Any = ConformalThreshold(self.alpha, capacity=held).adapt(scores)
            self.offset_ = -self.threshold_.threshold
        else:
            self.threshold_ = None
            self.offset_ = float(np.percentile(self._score(x), 100.0 * float(self.contamination)))
        return self

    def score_samples(self, X: Any) -> np.ndarray:
        """-A(x), float64 (n,): higher is more normal."""
        check_is_fitted(self)
        return self._score(self._validate(X, reset=False))

    def decision_function(self, X: Any) -> np.ndarray:
        """`score_samples` minus `offset_`, float64 (n,): negative for outliers."""
        return self.score_samples(X) - self.offset_

    def predict(self, X: Any) -> np.ndarray:
        """1 for normal rows, -1 for outliers, int (n,)."""
        return np.where(self.decision_function(X) < 0, -1, 1)

    def _learn_range(self, train: np.ndarray) -> np.ndarray:
        """Learn what is scaled to -1 and 1; of rows, cells far from all others are moved to the edge of that range."""
        if self.kind_ != "rows":
            axes = (0, 1) if self.kind_ == "series" else None
            self.data_min_, self.data_max_ = train.min(axis=axes), train.max(axis=axes)
            return train
        near = np.ma.array(train, mask=np.stack([far_cells(column) for column in train.T], axis=1))
        self.data_min_, self.data_max_ = near.min(axis=0).data, near.max(axis=0).data
        if far := int(near.mask.sum()):
            row, column = np.argwhere(near.mask)[0]
            warnings.warn(
                f"{far:,} of {train.size:,} cells lie far from all others of their column, such as "
                f"{train[row, column]:g} in column {column}: they don't count for its scale.",
                stacklevel=3,
            )
        return np.clip(train, self.data_min_, self.data_max_)

    def _score(self, x: np.ndarray) -> np.ndarray:
        return -self.detector_.predict(self._scale(x)).astype("float64")

    def _scale(self, x: np.ndarray) -> np.ndarray:
        span = self.data_max_ - self.data_min_
        scaled = 2.0 * (x - self.data_min_) / np.where(span > 0, span, 1.0) - 1.0
        shape = {"rows": x.shape, "series": (len(x), -1), "images": (*x.shape, *(1,) * (4 - x.ndim))}[self.kind_]
        return scaled.astype("float32").reshape(shape)

    def _validate(self, X: Any, reset: bool) -> np.ndarray:
        axes = np.ndim(X) if isinstance(X, (list, tuple)) else getattr(X, "ndim", 2)
        images = axes > 2
        bytes_given = getattr(X, "dtype", None) == np.uint8
        x = validate_data(
            self,
            X,
            reset=reset,
            dtype="float64",
            ensure_2d=not images,
            allow_nd=images,
            ensure_min_samples=2 if reset else 1,
        )
        if x.ndim not in (2, 3, 4):
            raise ValueError(
                "Expected rows (n, features), windows (n, T, F), or images (n, H, W) or (n, H, W, C). Received: shape "
                f"{x.shape}."
            )
        if reset:
            self._sample_shape = x.shape[1:]
            self.kind_ = self._kind_of(x, bytes_given)
        elif x.shape[1:] != self._sample_shape:
            raise ValueError(f"Expected samples of shape {self._sample_shape}. Received: shape {x.shape[1:]}.")
        return x

    def _kind_of(self, x: np.ndarray, bytes_given: bool) -> str:
        """What rows hold: as `kind` says, or by their shape."""
        possible = {2: ("rows",), 3: ("series", "images"), 4: ("images",)}[x.ndim]
        if self.kind in possible:
            return self.kind
        if self.kind != "auto":
            raise ValueError(
                f"Expected kind 'auto' or {' or '.join(map(repr, possible))} for shape {x.shape}. Received: "
                f"kind={self.kind!r}."
            )
        if x.ndim != 3:
            return possible[0]
        if not bytes_given and max(x.shape[1:]) > 2 * min(x.shape[1:]):
            return "series"
        spans = np.ptp(x, axis=(0, 1))
        if not bytes_given and spans.max() > UNLIKE * np.median(spans) > 0.0:
            warnings.warn(
                f"X of shape {x.shape} is taken for grey images with one scale, but the ranges of its columns differ "
                f"more than {UNLIKE:,} times; kind='series' gives each its own scale, kind='images' says it is right.",
                UserWarning,
                stacklevel=4,
            )
        return "images"

    def _check_parameters(self, rows: int) -> None:
        if not isinstance(self.params, (dict, type(None))):
            raise ValueError(f"Expected params to be a dict of the detector's parameters. Received: {self.params!r}.")
        for key in ("epochs", "batch_size"):
            value = getattr(self, key)
            if not isinstance(value, (int, np.integer)) or value < 1:
                raise ValueError(f"Expected {key} to be an integer >= 1. Received: {value!r}.")
        for key in ("learning_rate", "alpha", "calibrate"):
            value = getattr(self, key)
            if not isinstance(value, (int, float, np.number)) or not value > 0.0:
                raise ValueError(f"Expected {key} > 0. Received: {value!r}.")
        auto = self.contamination == "auto"
        if not auto and not (isinstance(self.contamination, (int, float)) and 0.0 < self.contamination <= 0.5):
            raise ValueError(f"Expected contamination 'auto' or in (0, 0.5]. Received: {self.contamination!r}.")
        if auto and not (self.calibrate < 1.0 and self.alpha < 1.0):
            raise ValueError(f"Expected calibrate < 1 and alpha < 1. Received: {self.calibrate!r} and {self.alpha!r}.")
        if auto and rows - round(self.calibrate * rows) < 2:
            raise ValueError(
                f"Expected at least two rows left to train on. Received: {rows} rows with calibrate={self.calibrate:g}."
            )
        if auto and (held := round(self.calibrate * rows)) < (needed := calibration_needed(self.alpha)):
            raise ValueError(
                f"Expected at least {needed} rows to calibrate alpha={self.alpha:g} (n >= 1/alpha - 1). Received: "
                f"{held} of {rows} rows (calibrate={self.calibrate:g}); more rows or a larger alpha would do."
            )
