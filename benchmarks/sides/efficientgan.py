"""EfficientGAN on rows: `fit` and `predict`, against the loop in which it is usually found in Keras.

That loop makes batches by `predict` and trains each player by `train_on_batch`. It has one optimizer for each model,
as Keras 3 wants it.
"""

from __future__ import annotations

import tempfile
from typing import Any

import numpy as np
from case import EPOCHS, FEATURES, Case, draw

from sides import Side

ROWS = 25  # real rows in a batch, and as many generated ones


def ours(case: Case) -> Side:
    """`fit` with callbacks, or `predict` in batches of 4,096."""
    from keras_anogan import build_phases
    from keras_anogan.callbacks import EpochBackup, TerminateOnNonFinite
    from keras_anogan.training.averages import NetworkEMA

    (detector,) = build_phases("efficientgan", (FEATURES,)).values()
    detector.compile()
    rows = draw((FEATURES,), case.units)

    def train() -> None:
        with tempfile.TemporaryDirectory() as folder:
            callbacks = [TerminateOnNonFinite(), NetworkEMA(0.999), EpochBackup(f"{folder}/backup", 2.0)]
            steps = case.units // EPOCHS
            detector.fit(rows, batch_size=ROWS, epochs=EPOCHS, steps_per_epoch=steps, verbose=0, callbacks=callbacks)

    def score() -> None:
        detector.predict(rows, batch_size=4096)

    return Side({"train": train, "score": score}[case.task])


def theirs(case: Case) -> Side:
    """The usual loop, or a `predict` of each network."""
    encoder, generator, judge, encoding, generating = usual_models()
    rows, chance = draw((FEATURES,)), np.random.default_rng(0)
    ones, zeros = np.ones((ROWS, 1)), np.zeros((ROWS, 1))

    def train() -> None:
        for _ in range(case.their_units):
            real = rows[chance.integers(0, len(rows), ROWS)]
            noise = chance.normal(size=(ROWS, 32))
            made, codes = generator.predict(noise, verbose=0), encoder.predict(real, verbose=0)
            judge.train_on_batch([real, codes], ones)
            judge.train_on_batch([made, noise], zeros)
            encoding.train_on_batch(real, zeros)
            generating.train_on_batch(noise, ones)

    def score() -> None:
        codes = encoder.predict(rows, verbose=0)
        made = generator.predict(codes, verbose=0)
        judge.predict([rows, codes], verbose=0)
        np.abs(rows - made).sum(axis=1)

    return Side({"train": train, "score": score}[case.task])


def usual_models() -> tuple[Any, ...]:
    """Encoder, generator and judge, and two models that train encoder and generator through the frozen judge."""
    import keras

    from keras_anogan.nn.networks import build_table_encoder, build_table_generator

    def adam() -> keras.optimizers.Optimizer:
        return keras.optimizers.Adam(1e-5, beta_1=0.5)

    def hidden(h: Any) -> Any:
        return keras.layers.Dropout(0.2)(keras.layers.LeakyReLU(0.1)(keras.layers.Dense(128)(h)))

    encoder, generator = build_table_encoder(FEATURES), build_table_generator(FEATURES)
    x, z = keras.Input((FEATURES,)), keras.Input((32,))
    both = hidden(keras.layers.Concatenate()([hidden(x), hidden(z)]))
    judge = keras.Model([x, z], keras.layers.Dense(1, activation="sigmoid")(both))
    judge.compile(loss="binary_crossentropy", optimizer=adam())
    rows, noise = draw((FEATURES,), ROWS), np.random.default_rng(1).normal(size=(ROWS, 32))
    ones, zeros = np.ones((ROWS, 1)), np.zeros((ROWS, 1))
    judge.train_on_batch([rows, noise], ones)  # Keras 3 looks at `trainable` when it traces
    judge.trainable = False
    encoding = keras.Model(x, judge([x, encoder(x)]))
    generating = keras.Model(z, judge([generator(z), z]))
    for model, batch, target in ((encoding, rows, zeros), (generating, noise, ones)):
        model.compile(loss="binary_crossentropy", optimizer=adam())
        model.train_on_batch(batch, target)
    before = judge.get_weights()[0].copy()
    judge.train_on_batch([rows, noise], zeros)
    assert len(encoding.trainable_variables) == 4
    assert (judge.get_weights()[0] != before).any()
    return encoder, generator, judge, encoding, generating
