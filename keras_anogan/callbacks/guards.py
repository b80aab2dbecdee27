"""Callbacks that watch a training and say in words what goes wrong."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_anogan.callbacks.pictures import noise_generator


class TerminateOnNonFinite(keras.callbacks.Callback):
    """Stops training as soon as any logged loss is NaN or infinite, and says which one and at which step.

    Attributes:
        reason: the sentence, or None while all is well.
    """

    def __init__(self) -> None:
        super().__init__()
        self.reason: str | None = None

    def on_train_begin(self, logs: dict | None = None) -> None:
        self.reason = None

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        for key, value in (logs or {}).items():
            if self.reason is None and not math.isfinite(float(value)):
                step = int(keras.ops.convert_to_numpy(getattr(self.model, "step", batch + 1)))
                self.reason = f"Training stopped: {key} became {float(value)} at step {step}."
                print(f"\n{self.reason}")
                self.model.stop_training = True


class CollapseMonitor(keras.callbacks.Callback):
    """Watches whether a GAN still makes different images, and whether its two players are still in touch.

    After an epoch it adds two numbers to the logs, from up to 256 real images and 256 generated ones. A detector whose
    networks make nothing of noise is watched by its reconstructions of the real images instead.

    - `diversity`: mean squared distance of pairs of generated images, divided by that of pairs of real ones. About 1
      is healthy; a generator that has collapsed onto a few images is near 0.
    - `balance`: share of (real, generated) pairs of which the discriminator or critic values the real image higher.
      At 0.5 it can't tell them apart, at 1 it always can.

    When `diversity` stays below `least_diversity` for `patience` epochs without rising, or `balance` below
    `least_balance` (the discriminator then prefers what is generated, so its gradient leads the generator away from
    the data), it says so: one sentence, once. A young generator makes equal images too, so nothing is said in the
    first `warm_up` steps, or in the first half of a shorter `fit`.

    The model trains a `critic` or `discriminator` of x alone, whose first output is its value. It has a `generator`
    z -> x, or explains a `reconstruction` without a search (see `watches`).

    Args:
        real: held-out normal rows, (n, ...), n >= 2; the stop set, say.
        least_diversity, least_balance: bounds of what is healthy.
        patience: epochs below a bound before the warning.
        warm_up: steps of training before the first warning.
        seed: of the fixed z.

    Attributes:
        warning: the sentence, or None while all is well.

    Raises:
        ValueError: for fewer than two real rows, real rows that are all equal, or another model.
    """

    def __init__(
        self,
        real: Any,
        least_diversity: float = 0.2,
        least_balance: float = 0.25,
        patience: int = 3,
        warm_up: int = 200,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.real = np.asarray(real[np.arange(min(len(real), 256))], "float32")
        self.spread = _mean_pair_distance(self.real) if len(self.real) > 1 else 0.0
        if not self.spread > 0.0:
            raise ValueError(f"Expected at least two different real rows. Received: {len(self.real)} rows, all equal.")
        self.bounds = {"diversity": least_diversity, "balance": least_balance}
        self.patience, self.warm_up, self.seed = patience, warm_up, seed
        self.warning: str | None = None

    @staticmethod
    def watches(model: Any) -> bool:
        """Whether a model is one that can be watched.

        ALOCC's discriminator normalises real and reconstructed images apart while it learns, so that its values of both
        can't be compared afterwards; a detector that is not `watchable` is not watched.
        """
        judge, generator = _judge(model), noise_generator(model)
        watchable = not hasattr(model, "explain") or model.tags.watchable
        if judge is None or len(judge.inputs) != 1 or not watchable:
            return False
        made = model.sample_shape if generator is None else generator.output_shape[1:]
        return tuple(judge.input_shape[1:]) == tuple(made) and (generator is not None or _reconstructs(model))

    def set_model(self, model: keras.Model) -> None:
        super().set_model(model)
        if not self.watches(model):
            raise ValueError(
                "Expected a model that trains a critic or discriminator of x alone, with a generator or "
                f"reconstructions. Received: {type(model).__name__}."
            )

    def on_train_begin(self, logs: dict | None = None) -> None:
        self.warning = None
        planned = (self.params.get("epochs") or 0) * (self.params.get("steps") or 0)
        self._young = min(self.warm_up, planned // 2) if planned else self.warm_up
        judge: Any = _judge(self.model)
        make = self._maker()

        @tf.function
        def look() -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
            made = make()
            real_value, made_value = (keras.tree.flatten(judge(x, training=False))[0] for x in (self.real, made))
            return made, real_value, made_value

        self._look = look
        self._low: dict[str, list[float]] = {"diversity": [], "balance": []}  # values since it fell below its bound

    def _maker(self) -> Callable[[], tf.Tensor]:
        """What makes the images that are compared with real ones."""
        generator = noise_generator(self.model)
        if generator is None:
            self._made = "reconstructed"
            return lambda: self.model.explain(tf.constant(self.real))["reconstruction"]
        self._made = "generated"
        z = np.random.default_rng(self.seed).standard_normal((256, *generator.input_shape[1:])).astype("float32")
        return lambda: generator(z, training=False)

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        made, real_value, made_value = (np.asarray(part) for part in self._look())
        gaps = real_value.reshape(-1, 1) - made_value.reshape(1, -1)
        found = {
            "diversity": _mean_pair_distance(made) / self.spread,
            "balance": float((gaps > 0).mean() + 0.5 * (gaps == 0).mean()),
        }
        if logs is not None:
            logs.update(found)
        young = int(keras.ops.convert_to_numpy(self.model.step)) < self._young
        for key, value in found.items():
            self._low[key] = [] if young or value >= self.bounds[key] else [*self._low[key], value]
            if self.warning is None and self._is_ill(key):
                since = epoch + 2 - len(self._low[key])
                self.warning = f"Warning: since epoch {since} {MEANING[key].format(value, made=self._made)}."
                print(f"\n{self.warning}")

    def _is_ill(self, key: str) -> bool:
        low = self._low[key]
        rises = key == "diversity" and len(low) >= self.patience and low[-1] > 1.1 * low[-self.patience]
        return len(low) >= self.patience and not rises


MEANING = {
    "diversity": "{made} images hardly differ from each other, the generator has collapsed: their mean distance is "
    "{:.3g} of that of real ones",
    "balance": "the critic or discriminator prefers {made} images: it values the real one higher in only {:.3g} of "
    "pairs",
}


def _judge(model: Any) -> keras.Model | None:
    """The critic or discriminator that a model trains, if it trains one."""
    trained = {name for names in model.players.values() for name in names}
    return next((getattr(model, name) for name in ("critic", "discriminator") if name in trained), None)


def _reconstructs(model: Any) -> bool:
    if not hasattr(model, "explain") or model.tags.search_at_query:
        return False
    return "reconstruction" in model.explain(tf.zeros((1, *model.sample_shape)))


def _mean_pair_distance(rows: np.ndarray) -> float:
    """Mean squared distance, by element, over all pairs of different rows: twice the unbiased variance."""
    return float(2.0 * rows.reshape(len(rows), -1).astype("float64").var(axis=0, ddof=1).mean())
