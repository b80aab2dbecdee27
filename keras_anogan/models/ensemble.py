"""Several detectors as one: their scores are made alike by held-out normal rows, then averaged.

Scores of two detectors have different units, and those of two seeds different scales. How unusual a score is among
those of held-out normal rows has no unit: that is a p-value, and p-values can be combined.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_anogan.detector import AnomalyDetector, Tags
from keras_anogan.training.batches import gathered, in_batches

COMBINATIONS = ("normal", "cauchy")
LEAST_ROWS = 20  # held out, to compare members by
KNOTS = 513  # of each member's table
ENDS = 64  # smallest and largest scores that all are knots
TAIL = 0.1  # share of the rows that tell how a table goes on beyond its last knot


@keras.saving.register_keras_serializable("keras_anogan")
class Ensemble(AnomalyDetector):
    """Members of any kind on the same input; the anomaly score combines how unusual each of them finds a sample.

    `adapt` learns how each member's scores of held-out normal rows are distributed. A score then becomes a normal score
    z = -Phi^-1(p), where p is the share of held-out rows that score higher; beyond the largest of them z goes on in a
    straight line, at the slope of the last tenth. The ensemble's score is

    - "normal": the mean of z over the members;
    - "cauchy": -log p of the mean of tan((1/2 - p) pi), Cauchy's combination (Liu and Xie 2020), which follows the
      member that is most alarmed.

    A threshold is set afterwards, on other rows, for the ensemble's own score.

    Args:
        members: detectors of samples of one shape; trained, or to be trained by `fit`, one after the other.
        combine: which of the two.
        seed: kept for the contract; members have their own.

    Raises:
        ValueError: for no members, members of different shapes, or an unknown combination.
    """

    tags = Tags(input="any", closed_form=True)

    def __init__(
        self, members: Sequence[AnomalyDetector], combine: str = "normal", seed: int = 0, name: str | None = None
    ) -> None:
        super().__init__(seed=seed, name=name)
        if not members or not all(isinstance(member, AnomalyDetector) for member in members):
            raise ValueError(f"Expected a list of detectors. Received: members={members!r}.")
        shapes = {tuple(member.sample_shape) for member in members}
        if len(shapes) > 1:
            raise ValueError(f"Expected members of samples of one shape. Received: {sorted(shapes)}.")
        if combine not in COMBINATIONS:
            raise ValueError(f"Expected combine to be one of {COMBINATIONS}. Received: combine={combine!r}.")
        self.members = list(members)
        self.combine = combine
        searches = any(member.tags.search_at_query for member in members)
        self.tags = dataclasses.replace(type(self).tags, search_at_query=searches)  # type: ignore[misc]
        shape = (len(members), KNOTS)
        self.levels = self.add_weight(shape=shape, initializer="zeros", trainable=False, name="levels")  # scores
        self.normals = self.add_weight(shape=shape, initializer="zeros", trainable=False, name="normals")  # their z

    @property
    def call_shape(self) -> tuple[int, ...]:
        return tuple(self.members[0].sample_shape)

    def compile(self, *args: Any, **kwargs: Any) -> None:
        """Compile the members that are not compiled yet; arguments as in every detector's `compile`."""
        for member in self.members:
            if not member.compiled:
                member.compile(*args, **kwargs)
        super().compile(jit_compile=False, run_eagerly=kwargs.get("run_eagerly", False))

    def fit(
        self, x: Any = None, y: Any = None, batch_size: int | None = None, **kwargs: Any
    ) -> keras.callbacks.History:
        """Train the members one after the other, and `adapt` to the rows given as `validation_data`.

        Args:
            x, y, batch_size, **kwargs: as in every detector's `fit`; a member that is solved at once is given x alone.

        Raises:
            ValueError: without rows as `validation_data`, besides what the members refuse.
        """
        held_out = kwargs.get("validation_data")
        if held_out is None:
            raise ValueError("Ensemble expected held-out normal rows as validation_data, to compare scores by.")
        for member in self.members:
            if member.tags.closed_form:
                member.fit(x)
            else:
                member.fit(x, y, batch_size, **kwargs)
        return self.adapt(held_out)

    def adapt(self, rows: Any) -> keras.callbacks.History:
        """Learn how each trained member's scores of normal rows are distributed.

        Args:
            rows: normal rows that no member was trained on, (n, ...) or an object with `__len__` and `rows[indices]`.

        Raises:
            ValueError: for fewer than `LEAST_ROWS` rows, or a member whose scores are all equal or not finite.
        """
        rows = self.check_rows(rows)
        if len(rows) < LEAST_ROWS:
            raise ValueError(f"Ensemble expected at least {LEAST_ROWS} held-out rows. Received: {len(rows)}.")
        levels, normals = [], []
        for member in self.members:
            member.check_solved()
            found = _scores(member, rows)
            if not np.isfinite(found).all() or found.min() == found.max():
                raise ValueError(
                    f"Ensemble expected finite scores of held-out rows that differ. Received: those of {member.name}, "
                    f"from {found.min():g} to {found.max():g}."
                )
            table = _table(found.astype("float64"))
            levels.append(table[0])
            normals.append(table[1])
        self.levels.assign(np.stack(levels))
        self.normals.assign(np.stack(normals))
        return self.solved()

    def forget_training(self) -> None:
        """Drop the members' optimizers."""
        super().forget_training()
        for member in self.members:
            member.forget_training()

    def explain(self, x: tf.Tensor) -> dict[str, tf.Tensor]:
        """`score`; `member_scores` and `normal_scores`, both (batch, members), as the members have them and as z.

        Members of one class have maps of one unit: where they have any, `anomaly_map` is the mean of them.
        """
        explained = [member.explain(x) for member in self.members]
        found = tf.stack([each["score"] for each in explained], axis=1)
        z = self._normal_scores(found)
        score = tf.reduce_mean(z, axis=1) if self.combine == "normal" else _cauchy(tf.cast(z, "float64"))
        result = {"score": score, "member_scores": found, "normal_scores": z}
        if self._alike and all("anomaly_map" in each for each in explained):
            result["anomaly_map"] = tf.add_n([each["anomaly_map"] for each in explained]) / len(explained)
        return result

    @property
    def _alike(self) -> bool:
        """Whether all members, or what they wrap, are of one class."""
        return len({(type(member), type(getattr(member, "detector", None))) for member in self.members}) == 1

    def _normal_scores(self, found: tf.Tensor) -> tf.Tensor:
        """Scores (batch, members) as z: straight lines between the knots, and beyond the outermost ones."""
        levels, normals = tf.convert_to_tensor(self.levels), tf.convert_to_tensor(self.normals)
        right = tf.searchsorted(levels, tf.transpose(found), side="left")  # (members, batch)
        right = tf.clip_by_value(right, 1, KNOTS - 1)
        (x0, x1), (z0, z1) = (
            [tf.gather(table, at, batch_dims=1) for at in (right - 1, right)] for table in (levels, normals)
        )
        return tf.transpose(z0 + (tf.transpose(found) - x0) * (z1 - z0) / (x1 - x0))

    def get_config(self) -> dict:
        members = [keras.saving.serialize_keras_object(member) for member in self.members]
        return {"members": members, "combine": self.combine, "seed": self.seed, "name": self.name}

    @classmethod
    def from_config(cls, config: dict, custom_objects: dict | None = None) -> Ensemble:
        read = keras.saving.deserialize_keras_object
        members = [read(member, custom_objects=custom_objects) for member in config["members"]]
        return cls(**{**config, "members": members})


def _cauchy(z: tf.Tensor) -> tf.Tensor:
    """-log of the combined p-value, float32 (batch,), of normal scores z (batch, members), float64."""
    p = 0.5 * tf.math.erfc(tf.clip_by_value(z, -4.0, 30.0) / math.sqrt(2.0))
    statistic = tf.reduce_mean(1.0 / tf.tan(p * math.pi), axis=1)  # tan((1/2 - p) pi)
    combined = -tf.math.log(tf.atan2(tf.ones_like(statistic), statistic) / math.pi)
    far = tf.maximum(z, 1.0)
    logarithms = 0.5 * far**2 + tf.math.log(far) + 0.5 * math.log(2.0 * math.pi)  # -log p, where z is large
    beyond = tf.reduce_logsumexp(logarithms, axis=1) - math.log(z.shape[1])
    return tf.cast(tf.where(tf.reduce_max(z, axis=1) > 30.0, beyond, combined), "float32")


def _scores(member: AnomalyDetector, rows: Any) -> np.ndarray:
    return gathered(in_batches(lambda batch: np.asarray(member(tf.constant(batch))), rows))


def _table(scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Knots (scores, z) in strictly ascending order of scores; the outermost two of each end give the line beyond."""
    from scipy.special import ndtri

    n = len(scores)
    levels, counts = np.unique(scores, return_counts=True)
    z = ndtri((np.cumsum(counts) - 0.5 * counts) / n)  # the middle of equal scores
    if len(levels) > KNOTS - 2:
        last, ends = len(levels) - 1, np.arange(ENDS)
        between = np.linspace(0, last, KNOTS - 2 - 2 * ENDS).round().astype(int)
        kept = np.unique(np.concatenate([ends, between, last - ends]))
        levels, z = levels[kept], z[kept]
    spread = levels[-1] - levels[0]
    inner = int(np.searchsorted(levels, np.quantile(scores, 1.0 - TAIL), side="left"))
    inner = min(inner, len(levels) - 2)
    slopes = [
        (z[-1] - z[inner]) / (levels[-1] - levels[inner]),
        (z[1] - z[0]) / (levels[1] - levels[0]),
    ]
    levels = np.concatenate([[levels[0] - spread], levels, [levels[-1] + spread]])
    z = np.concatenate([[z[0] - spread * slopes[1]], z, [z[-1] + spread * slopes[0]]])
    missing = KNOTS - len(levels)
    levels = np.concatenate([levels, levels[-1] + spread * np.arange(1, missing + 1)])
    z = np.concatenate([z, z[-1] + spread * slopes[0] * np.arange(1, missing + 1)])
    return levels, z
