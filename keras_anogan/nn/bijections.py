"""Layers that are bijections and tell the logarithm of their Jacobian determinant: what flows are built of."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import layers, ops

from keras_anogan.nn.networks import initializers

LOG_2 = math.log(2.0)


class Bijection(layers.Layer):
    """An invertible layer of rows: x (batch, size) -> [y (batch, size), log |det dy/dx| (batch,)], both float32."""

    def inverse(self, y: Any) -> Any:
        """x of y, shape (batch, size)."""
        raise NotImplementedError(f"{type(self).__name__} has to define inverse(y).")


@keras.saving.register_keras_serializable("keras_anogan")
class Whitening(Bijection):
    """y = exp(log_scale) H (x - mean): a rotation H to principal components, then a scale; the identity until `adapt`.

    H turns the k principal axes A (size, k) into the first k coordinates and fills up the others with some orthonormal
    basis of the rest: with E the first k columns of I and W = E - A,

        H = I - W S W^T,   S = (I - E^T A)^-1,   H A = E,   H H^T = I,

    so that it costs O(size k) and is invertible at any size (a block reflector, Schreiber and Parlett 1988). Alone
    it is the Gaussian model of probabilistic PCA, which is what the score "ratio" compares a flow with.

    Args:
        components: k, of at most `size`.
    """

    def __init__(self, components: int, **kwargs: Any) -> None:
        super().__init__(**{**kwargs, "dtype": "float32"})
        self.components = components

    def build(self, shape: Any) -> None:
        size, k = shape[-1], self.components
        for name, wide in (("mean", (size,)), ("log_scale", (size,)), ("w", (size, k)), ("s", (k, k))):
            weight = self.add_weight(shape=wide, initializer="zeros", trainable=False, name=name)
            setattr(self, name, weight)

    def call(self, x: Any) -> list[Any]:
        x = x - self.mean
        y = x - ops.matmul(ops.matmul(ops.matmul(x, self.w), ops.transpose(self.s)), ops.transpose(self.w))
        return [y * ops.exp(self.log_scale), ops.zeros_like(y[:, 0]) + ops.sum(self.log_scale)]

    def inverse(self, y: Any) -> Any:
        y = y * ops.exp(-self.log_scale)
        return y - ops.matmul(ops.matmul(ops.matmul(y, self.w), self.s), ops.transpose(self.w)) + self.mean

    def adapt(self, x: np.ndarray, variance: float = 0.0, seed: int = 0) -> None:
        """Solve for mean, rotation and scale, so that rows like x, with noise of this variance, get variance 1.

        Args:
            x: float32 (n, size), n >= 2.
            variance: of the noise that training adds to every entry; at least 1e-6 is counted.
            seed: of scikit-learn's randomised solver.
        """
        from sklearn.decomposition import PCA as Solver

        size, k = self.w.shape
        rank = min(k, len(x) - 1)
        axes = Solver(rank, random_state=seed).fit(x).components_.T.astype("float64")  # (size, rank)
        axes *= _signs(axes[:rank])
        w, s = np.zeros((size, k)), np.zeros((k, k))
        w[:, :rank] = np.eye(size, rank) - axes
        s[:rank, :rank] = np.linalg.inv(np.eye(rank) - axes[:rank])
        self.mean.assign(x.mean(axis=0, dtype="float64"))
        self.w.assign(w)
        self.s.assign(s)
        self.log_scale.assign(np.zeros(size))
        spread = ops.convert_to_numpy(self(x)[0]).var(axis=0, dtype="float64")
        self.log_scale.assign(-0.5 * np.log(spread + max(variance, 1e-6)))

    def get_config(self) -> dict:
        return {**super().get_config(), "components": self.components}


def _signs(square: np.ndarray) -> np.ndarray:
    """Signs for the columns of a square matrix, with which I - matrix is far from singular.

    Every pivot of its elimination is then at least one (Ballard et al. 2014, "Reconstructing Householder vectors from
    tall-skinny QR").
    """
    rest, signs = square.copy(), np.zeros(len(square))
    for i in range(len(square)):
        signs[i] = -1.0 if rest[i, i] > 0.0 else 1.0
        rest[i, i] -= signs[i]
        rest[i + 1 :, i + 1 :] -= np.outer(rest[i + 1 :, i] / rest[i, i], rest[i, i + 1 :])
    return signs


@keras.saving.register_keras_serializable("keras_anogan")
class Permutation(Bijection):
    """The first `among` entries in another order, a function of `seed`; it decides what the next couplings split."""

    def __init__(self, among: int, seed: int = 0, **kwargs: Any) -> None:
        super().__init__(**{**kwargs, "dtype": "float32"})
        self.among = among
        self.seed = seed

    def build(self, shape: Any) -> None:
        self.order = np.arange(shape[-1])
        self.order[: self.among] = np.random.default_rng(self.seed).permutation(self.among)

    def call(self, x: Any) -> list[Any]:
        return [ops.take(x, self.order, axis=-1), ops.zeros_like(x[:, 0])]

    def inverse(self, y: Any) -> Any:
        return ops.take(y, np.argsort(self.order), axis=-1)

    def get_config(self) -> dict:
        return {**super().get_config(), "among": self.among, "seed": self.seed}


@keras.saving.register_keras_serializable("keras_anogan")
class Coupling(Bijection):
    """Affine coupling: y_b = x_b exp(s(x_a)) + t(x_a), everything else as it was (Dinh et al. 2017, eq. 7 and 8).

    s and t are the two halves of what one fully connected network (ReLU) makes of x_a; s is bounded by a tanh, as
    there, so that exp(s) is finite in float16 too. The network begins with zeros: the coupling is the identity.

    Args:
        given: (start, stop) of the entries x_a.
        moved: (start, stop) of the entries x_b.
        units: widths of the hidden layers.
        bound: of |s|.
        seed: of the initial weights; None draws them anew.
        dtype: of the network; the affine map is float32 always.
    """

    def __init__(
        self,
        given: Sequence[int],
        moved: Sequence[int],
        units: Sequence[int] = (256, 256),
        bound: float = 2.0,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**{**kwargs, "autocast": False})
        self.given, self.moved, self.units = tuple(given), tuple(moved), tuple(units)
        self.bound = bound
        self.seed = seed
        init = initializers("he_normal", seed)
        self.dense = [
            layers.Dense(width, activation="relu", kernel_initializer=next(init), dtype=self.dtype_policy)
            for width in self.units
        ]
        width = 2 * (self.moved[1] - self.moved[0])
        self.dense.append(layers.Dense(width, kernel_initializer="zeros", dtype=self.dtype_policy))

    def build(self, shape: Any) -> None:
        width = self.given[1] - self.given[0]
        for layer in self.dense:
            layer.build((None, width))
            width = layer.units

    def call(self, x: Any) -> list[Any]:
        s, t = self._affine(x)
        return [self._replaced(x, self._moved(x) * ops.exp(s) + t), ops.sum(s, axis=-1)]

    def inverse(self, y: Any) -> Any:
        s, t = self._affine(y)
        return self._replaced(y, (self._moved(y) - t) * ops.exp(-s))

    def get_config(self) -> dict:
        keys = ("given", "moved", "units", "bound", "seed")
        config = {key: value for key, value in super().get_config().items() if key != "autocast"}
        return {**config, **{key: getattr(self, key) for key in keys}}

    def _affine(self, x: Any) -> tuple[Any, Any]:
        """s and t, float32 (batch, moved entries)."""
        h = x[:, self.given[0] : self.given[1]]
        for layer in self.dense:
            h = layer(h)
        s, t = ops.split(ops.cast(h, "float32"), 2, axis=-1)
        return self.bound * ops.tanh(s / self.bound), t

    def _moved(self, x: Any) -> Any:
        return x[:, self.moved[0] : self.moved[1]]

    def _replaced(self, x: Any, moved: Any) -> Any:
        return ops.concatenate([x[:, : self.moved[0]], moved, x[:, self.moved[1] :]], axis=-1)
