"""A Siamese network: an image that lies far from every normal class, in a space that the network learns, is anomalous.

"Dimensionality Reduction by Learning an Invariant Mapping" (Hadsell, Chopra, LeCun, CVPR 2006): two copies of one
network embed two images, those of one class near each other, those of two classes apart. A public MNIST notebook with
one anomalous digit names the idea at its end. It is the one detector here that needs labels: which normal class each
normal image belongs to.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from keras_anogan.detector import AnomalyDetector, Tags
from keras_anogan.nn import losses
from keras_anogan.nn.networks import initializers
from keras_anogan.training.batches import Batches

MOMENTUM = 0.9  # of the classes' centres: slower ones lag behind a young embedding and mislead the score


def build_siamese_encoder(
    shape: Sequence[int], latent_dim: int = 32, filters: int = 32, seed: int | None = None
) -> keras.Model:
    """Embedding image (batch, H, W, C) -> z (batch, latent_dim).

    Convolutions 3x3 with ReLU of 1, 2 and 4 times `filters` maps, the first two followed by the maximum over 2x2, then
    4 x `filters` units with ReLU and a linear layer. No batch normalisation: an embedding is a property of one image.
    """
    shape = tuple(int(size) for size in shape)
    if len(shape) != 3 or min(shape) < 1 or min(shape[:2]) < 4:
        raise ValueError(f"Expected images (height, width, channels) with sides >= 4. Received: {shape}.")
    init = initializers("he_uniform", seed)
    x = h = keras.Input(shape, name="x")
    for stage in range(3):
        h = layers.Conv2D(filters * 2**stage, 3, padding="same", activation="relu", kernel_initializer=next(init))(h)
        h = layers.MaxPooling2D(2)(h) if stage < 2 else h
    h = layers.Dense(4 * filters, activation="relu", kernel_initializer=next(init))(layers.Flatten()(h))
    z = layers.Dense(latent_dim, kernel_initializer=next(init))(h)
    return keras.Model(x, layers.Activation("linear", dtype="float32")(z), name="encoder")


@keras.saving.register_keras_serializable("keras_anogan")
class Siamese(AnomalyDetector):
    """An embedding in which normal classes lie apart; A(x) is the distance to the nearest class centre.

    The loss is the contrastive one (eq. 4 of the paper) over all pairs of a batch. A centre is a moving average of its
    class's embeddings. **Labels are needed:** `fit((x, y))` or `fit(x, y)` with the class of each normal image, an
    integer in [0, classes); labels of anomalies never.

    Args:
        encoder: keras.Model x (batch, ...) -> z (batch, latent_dim), without batch normalisation.
        classes: how many normal classes there are at most; one that never occurs has no centre.
        margin: distance that two classes are pushed apart to; the default was chosen on scikit-learn's digits.
        seed: integer; decides the data order.

    Raises:
        ValueError: for classes < 2 or margin <= 0.
    """

    tags = Tags(input="any", uses_normal_labels=True)
    networks = ("encoder",)
    players = {"encoder": ("encoder",)}
    logs = ("loss",)

    def __init__(
        self, encoder: keras.Model, classes: int = 10, margin: float = 4.0, seed: int = 0, name: str | None = None
    ) -> None:
        super().__init__(encoder=encoder, seed=seed, name=name)
        if int(classes) != classes or classes < 2:
            raise ValueError(f"Expected classes to be an integer >= 2. Received: classes={classes!r}.")
        if not margin > 0.0:
            raise ValueError(f"Expected margin > 0. Received: margin={margin!r}.")
        self.classes = int(classes)
        self.margin = margin
        shape = (self.classes, *encoder.output_shape[1:])
        first = {"trainable": False, "initializer": "zeros", "aggregation": "only_first_replica"}
        self.centres = self.add_weight(shape=shape, name="centres", **first)
        self.seen = self.add_weight(shape=shape[:1], name="seen", **first)  # 1 for classes with a centre

    def default_optimizers(self) -> dict[str, keras.optimizers.Optimizer]:
        """Adam(1e-3)."""
        return {"encoder": keras.optimizers.Adam(1e-3)}

    def fit(
        self, x: Any = None, y: Any = None, batch_size: int | None = None, **kwargs: Any
    ) -> keras.callbacks.History:
        """Keras's `fit`, with the class of each row as `y`.

        Raises:
            ValueError: for bad rows, no labels, labels that are no integers in [0, classes), or one class only; of a
                Dataset that is known when `fit` ends, and rows of a class outside belong to none.
        """
        rows, labels = x if isinstance(x, tuple) and len(x) == 2 and y is None else (x, y)
        if not isinstance(rows, (tf.data.Dataset, keras.utils.PyDataset, Batches)):
            rows = self.check_rows(np.asarray(rows) if isinstance(rows, (list, tf.Tensor)) else rows)
            labels = self._check_labels(labels)
        history = super().fit(rows, labels, batch_size=batch_size, **kwargs)
        if int(keras.ops.convert_to_numpy(self.step)) and (found := int(np.sum(self.seen))) < 2:
            raise ValueError(
                f"Expected at least two classes in [0, {self.classes}) as labels. Received: {found} of them."
            )
        return history

    def _check_labels(self, labels: Any) -> np.ndarray:
        if labels is None:
            raise ValueError(
                "Siamese expected the normal class of every row, an integer of each as y. Received: no labels."
            )
        labels = np.asarray(labels)
        if labels.ndim != 1 or labels.dtype.kind not in "iu" or not len(labels):
            raise ValueError(f"Expected one integer label per row. Received: {labels.dtype}, shape {labels.shape}.")
        if labels.min() < 0 or labels.max() >= self.classes:
            found = labels.min() if labels.min() < 0 else labels.max()
            raise ValueError(f"Expected labels in [0, {self.classes}), the number of classes. Received: {found}.")
        if len(np.unique(labels)) < 2:
            raise ValueError(f"Expected at least two normal classes to tell apart. Received: only {labels[0]}.")
        return labels

    def train_step(self, data: Any) -> dict[str, tf.Tensor]:
        x, y, _ = keras.utils.unpack_x_y_sample_weight(data)
        y = tf.reshape(y, [-1])
        with tf.GradientTape() as tape:
            z = self.encoder(x, training=True)  # (batch, latent_dim)
            loss = losses.contrastive_loss(z, y, self.margin)
        self.update("encoder", tape, loss)
        self._move_centres(z, y)
        return self.log(loss=loss)

    def _move_centres(self, z: tf.Tensor, y: tf.Tensor) -> None:
        """Move each class's centre towards the mean of its embeddings in this batch; the first batch sets it."""
        member = tf.one_hot(tf.cast(y, "int32"), self.classes, dtype="float32")  # (batch, classes)
        total, count = tf.matmul(member, z, transpose_a=True), tf.reduce_sum(member, axis=0)
        if (replica := tf.distribute.get_replica_context()).num_replicas_in_sync > 1:
            total, count = replica.all_reduce("sum", [total, count])
        here = tf.cast(count > 0.0, "float32")
        old, seen = tf.convert_to_tensor(self.centres), tf.convert_to_tensor(self.seen)
        share = (here * (1.0 - MOMENTUM * seen))[:, None]
        self.centres.assign(old + share * (total / tf.maximum(count, 1.0)[:, None] - old))
        self.seen.assign(tf.maximum(seen, here))

    def explain(self, x: tf.Tensor) -> dict[str, tf.Tensor]:
        """`score`, `latent`, and `nearest_class`, the class that the score is the distance to."""
        z = self.encoder(x, training=False)  # (batch, latent_dim)
        squares = tf.reduce_sum(tf.square(z[:, None] - self.centres), axis=-1)  # (batch, classes)
        nothing_seen = tf.reduce_max(self.seen) == 0.0
        squares = tf.where((self.seen > 0.0) | nothing_seen, squares, squares.dtype.max)
        return {
            "score": tf.sqrt(tf.reduce_min(squares, axis=-1)),
            "latent": z,
            "nearest_class": tf.argmin(squares, axis=-1, output_type="int32"),
        }
