"""The mechanism of adversarial training: several optimizers over named networks, and nothing of any paper.

`AdversarialModel` compiles one optimizer per player, takes one player's step (under mixed precision and on several
replicas too), logs, saves and loads. It has no `train_step`: that is what a paper's file is for.
"""

from __future__ import annotations

import inspect
import pathlib
from collections.abc import Iterator
from typing import Any, ClassVar

import keras
import numpy as np
import tensorflow as tf

from keras_anogan.training.averages import AveragedModel
from keras_anogan.training.batches import Batches, EpochBatches, Rows, check_rows, data_of, with_batches_of_validation
from keras_anogan.training.given import checked_batches, refuse_arguments, warn_of_range
from keras_anogan.training.noise import SeededModel
from keras_anogan.training.replicas import agree_on_overflow, replicas

if keras.backend.backend() != "tensorflow":
    raise ImportError(
        "keras_anogan trains with TensorFlow. Expected the Keras backend 'tensorflow'. "
        f"Received: {keras.backend.backend()!r}; set KERAS_BACKEND=tensorflow before Keras is imported."
    )


class AdversarialModel(SeededModel, AveragedModel):
    """A `keras.Model` over named networks that several players train against each other.

    A subclass declares, as class attributes,

    - `networks`: names of the Keras models that its constructor takes, e.g. `("generator", "critic")`;
    - `players`: which networks each player's optimizer moves, e.g. `{"critic": ("critic",)}`;
    - `logs`: names of the losses that `log` averages over an epoch;
    - `uses_labels`: whether `train_step` is given labels of normal data;

    and writes `default_optimizers`, `train_step` and `call`. Every constructor argument is kept under its
    own name, as in scikit-learn, so `get_config` needs no code in the subclass.

    Args:
        seed: integer; noise is a function of (seed, step), data order of (seed, epoch).
        name: name of the model.
        **networks: one `keras.Model` for each name in `networks`.
    """

    networks: ClassVar[tuple[str, ...]] = ()
    players: ClassVar[dict[str, tuple[str, ...]]] = {}
    logs: ClassVar[tuple[str, ...]] = ()
    uses_labels: ClassVar[bool] = False

    def __init__(self, *, seed: int = 0, name: str | None = None, **networks: keras.Model) -> None:
        super().__init__(name=name, dtype="float32")
        if set(networks) != set(self.networks):
            raise ValueError(f"Expected the networks {self.networks}. Received: {tuple(networks)}.")
        for key, network in networks.items():
            if not isinstance(network, keras.Model):
                raise ValueError(f"Expected `{key}` to be a keras.Model. Received: {network!r}.")
            setattr(self, key, network)
        self.seed = seed
        self.optimizers: dict[str, keras.optimizers.Optimizer] = {}
        self.step = self.add_weight(
            shape=(), dtype="int64", initializer="zeros", trainable=False, name="step", aggregation="only_first_replica"
        )
        self.loss_means = {key: keras.metrics.Mean(name=key) for key in self.logs}
        self.gradient_means = {p: keras.metrics.Mean(name=f"{p}_gradient_norm") for p in self.players}
        self._logs_gradients = False

    def default_optimizers(self) -> dict[str, keras.optimizers.Optimizer]:
        """A fresh optimizer for each player: the paper's; none where there are no players."""
        if not self.players:
            return {}
        raise NotImplementedError(f"{type(self).__name__} has to say which optimizers its players use.")

    def adam_optimizers(self, rate: float) -> dict[str, keras.optimizers.Optimizer]:
        """Adam(rate, beta_1=0.5) for each player: what a user gets who chooses a learning rate and no optimizer."""
        return {player: keras.optimizers.Adam(rate, beta_1=0.5) for player in self.players}

    def default_jit_compile(self) -> bool:
        """Whether steps are compiled with XLA by default: where that was measured to be faster.

        That is on one replica, for networks without convolutions.
        """
        layers = [layer for key in self.networks for layer in getattr(self, key)._flatten_layers()]
        convolves = any("Conv" in type(layer).__name__ for layer in layers)
        return bool(layers) and not convolves and replicas() == 1

    def default_steps_per_execution(self) -> int:
        """Training steps that Keras runs in one call: 32 for tables, whose steps take about as long as a call; else 1.

        On several replicas it is 1 too, since TensorFlow can't run these models in a loop there.
        """
        return 32 if len(self.sample_shape) == 1 and replicas() == 1 else 1

    def default_steps(self) -> int | None:
        """Steps that training takes where nobody says otherwise; None: as many epochs as the user asks for."""
        return None

    def rows_per_step(self, batch_size: int) -> int:
        """Rows of data that one `train_step` takes when a player's batch has `batch_size` rows."""
        return batch_size

    @property
    def call_shape(self) -> tuple[int, ...]:
        """Shape of one input of `call`, without the batch axis: the input of the first network."""
        return tuple(getattr(self, self.networks[0]).input_shape[1:])

    def compile(self, optimizers: dict[str, Any] | None = None, jit_compile: bool | None = None, **kwargs: Any) -> None:
        """Configure training.

        Args:
            optimizers: dict from player to Keras optimizer (or its name); a player that is missing gets the
                paper's. Each player needs its own object.
            jit_compile: whether training steps and `predict` are compiled with XLA; None takes what was
                measured to be faster for this kind of network.
            **kwargs: `run_eagerly`, `steps_per_execution` (default: 32 for rows (features,), else 1), as in
                `keras.Model.compile`.

        Raises:
            ValueError: for an unknown player or an optimizer that two players share.
        """
        given = dict(optimizers or {})
        if unknown := sorted(set(given) - set(self.players)):
            raise ValueError(f"Expected optimizers for the players {tuple(self.players)}. Received: {unknown[0]!r}.")
        chosen = {**self.default_optimizers(), **given} if set(given) != set(self.players) else given
        chosen = {player: keras.optimizers.get(chosen[player]) for player in self.players}
        if len({id(optimizer) for optimizer in chosen.values()}) < len(chosen):
            raise ValueError("Expected one optimizer object per player. Received: the same object for two players.")
        if jit_compile is None:
            jit_compile = self.default_jit_compile() and not kwargs.get("run_eagerly", False)
        if not kwargs.get("run_eagerly", False):
            kwargs.setdefault("steps_per_execution", self.default_steps_per_execution())
        super().compile(optimizer=None, loss=None, jit_compile=jit_compile, **kwargs)
        self.optimizers = {}
        for player, optimizer in chosen.items():  # built at once, because Keras restores only slots that exist
            if self._computes_in_float16(player) and not isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
                optimizer = keras.optimizers.LossScaleOptimizer(optimizer, name=f"{player}_loss_scale")
            if not optimizer.built:
                optimizer.build(self.player_variables(player))
            self.optimizers[player] = optimizer
        if not self.built:
            self(keras.Input(self.call_shape))

    def forget_training(self) -> None:
        """Drop the optimizers, whose slots take twice the place of the weights in a file.

        The model scores, saves and exports as before; to train it further, compile it again.
        """
        self.optimizers, self.compiled, self.train_function = {}, False, None

    def get_compile_config(self) -> dict | None:
        if not self.compiled:
            return None
        optimizers = {p: keras.saving.serialize_keras_object(o) for p, o in self.optimizers.items()}
        return {
            "optimizers": optimizers,
            "jit_compile": self.jit_compile,
            "run_eagerly": self.run_eagerly,
            "steps_per_execution": self.steps_per_execution,
        }

    def compile_from_config(self, config: dict) -> None:
        self.compile(**{**config, "optimizers": keras.saving.deserialize_keras_object(config["optimizers"])})

    def player_variables(self, player: str) -> list[keras.Variable]:
        """Trainable variables that the optimizer of `player` moves."""
        return [v for key in self.players[player] for v in getattr(self, key).trainable_variables]

    def _computes_in_float16(self, player: str) -> bool:
        layers = (layer for key in self.players[player] for layer in getattr(self, key)._flatten_layers())
        return any(layer.compute_dtype == "float16" for layer in layers)

    def update(self, player: str, tape: tf.GradientTape, loss: tf.Tensor) -> None:
        """Move one player's networks down `loss`, a scalar: the mean over this replica's rows.

        The gradient is loss-scaled where the player's optimizer asks for it (float16), and divided by the
        number of replicas, because Keras adds the replicas' gradients up.
        """
        optimizer = self.optimizers[player]
        share = tf.ones_like(loss) / replicas()
        if isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
            share = optimizer.scale_loss(share)
        variables = self.player_variables(player)
        gradients = tape.gradient(loss, variables, output_gradients=share)
        if isinstance(optimizer, keras.optimizers.LossScaleOptimizer) and replicas() > 1:
            gradients = agree_on_overflow(gradients)
        if self._logs_gradients:
            norm = tf.linalg.global_norm(gradients) / share
            finite = tf.math.is_finite(norm)  # an overflow is skipped by the loss scale, and by this mean
            self.gradient_means[player].update_state(tf.where(finite, norm, 0.0), tf.cast(finite, "float32"))
        optimizer.apply(gradients, variables)

    def log(self, **values: tf.Tensor) -> dict[str, tf.Tensor]:
        """End a step: advance the step counter, return each loss averaged over the epoch so far."""
        if self.averages is not None:
            self.averages.update(tf.convert_to_tensor(self.step))
        self.step.assign_add(1)
        self._seed_layers()
        for key, value in values.items():
            self.loss_means[key].update_state(value)
        means = {key: self.loss_means[key].result() for key in values}
        if self._logs_gradients:
            means |= {f"{p}_gradient_norm": mean.result() for p, mean in self.gradient_means.items()}
        return means

    def log_gradient_norms(self) -> None:
        """From the next `fit` on, log `<player>_gradient_norm` too: the 2-norm of each player's whole gradient.

        On several replicas it is the mean of the norms of each replica's own gradient.
        """
        if not self._logs_gradients:
            self._logs_gradients = True
            self.train_function = None  # the traced step does not know of them

    def fit(
        self, x: Any = None, y: Any = None, batch_size: int | None = None, **kwargs: Any
    ) -> keras.callbacks.History:
        """Keras's `fit`; rows in memory are fed in an order that depends on (seed, epoch) alone.

        Args:
            x: normal data: an array (n, ...), an object with `__len__` and `rows[indices]`, or a pair of one of these
                and labels; a `Batches`, or anything else with an `epoch` and `as_dataset` (see `EpochBatches`); or
                what Keras takes besides, whose order is then yours.
            y: labels; ignored unless the class says that it uses labels of normal data.
            batch_size: rows in one player's batch (default 32).
            **kwargs: as in `keras.Model.fit`; `validation_data` may be rows too.

        Returns:
            A `keras.callbacks.History`.

        Raises:
            ValueError: for no rows, a wrong shape, NaN or infinite values, shuffle=False, a validation_split, weights
                of samples or classes.

        Images or windows that do not lie in [-1, 1] are trained on as they are, with a warning.
        """
        owner = type(self).__name__
        refuse_arguments(owner, kwargs)
        data = data_of(x, y)
        kwargs = with_batches_of_validation(kwargs, self.sample_shape, owner)
        if isinstance(data, Rows):
            data = self._batched(data, batch_size or 32, kwargs.pop("steps_per_epoch", None))
        given = kwargs.pop("callbacks", None) or []
        callbacks = [_EpochStart(data), *(given if isinstance(given, (list, tuple)) else [given])]
        self._remember(data)
        if not isinstance(data, EpochBatches):
            labels = data.y if self.uses_labels else None
            batches = checked_batches(data.x, self.sample_shape, owner)
            if isinstance(batches, (tf.data.Dataset, Iterator)):
                kwargs.setdefault("shuffle", False)  # Keras can't, and would warn that it does not
            return self._fit(batches, labels, batch_size=batch_size, callbacks=callbacks, **kwargs)
        if not kwargs.pop("shuffle", True):
            raise ValueError("Expected shuffle=True: the order is drawn from (seed, epoch). Received: shuffle=False.")
        if kwargs.pop("validation_split", 0):
            raise ValueError("Expected rows held out by you, as `validation_data`. Received: validation_split.")
        dataset = data.as_dataset(kwargs.pop("steps_per_epoch", None))
        try:
            return self._fit(dataset, callbacks=callbacks, shuffle=False, **kwargs)
        except tf.errors.OpError:
            if data.error is not None:
                raise data.error from None  # what could not be read, said by who read it
            raise

    def save(self, filepath: Any, *args: Any, **kwargs: Any) -> None:
        """Keras's `save`, to a `.keras` file.

        Raises:
            ValueError: for another suffix: what HDF5 would hold could not be loaded.
        """
        check_keras_file(filepath, type(self).__name__, **kwargs)
        super().save(filepath, *args, **kwargs)

    def _batched(self, data: Rows, batch_size: int, steps: int | None) -> EpochBatches:
        """Rows, checked, as batches of `batch_size` for each player."""
        rows, labels = self.check_rows(data.rows), data.labels if self.uses_labels else None
        if isinstance(rows, np.ndarray):
            warn_of_range(float(rows.min()), float(rows.max()), self.sample_shape, type(self).__name__)
        return EpochBatches(Batches(rows, self.rows_per_step(batch_size), self.seed, labels, steps))

    def _fit(self, *args: Any, **kwargs: Any) -> keras.callbacks.History:
        try:
            return super().fit(*args, **kwargs)
        except BaseException:  # Ctrl-C too: nobody asked the next fit to follow these averages
            self.drop_averages()
            raise

    def _maybe_symbolic_build(self, iterator: Any = None, data_batch: Any = None) -> None:
        """Nothing: `compile` has built networks and optimizers. Keras's own adds the replicas' first batches up, which
        fails where they are not equally long."""

    def _remember(self, data: Any) -> None:
        """Tell data that keep a record of who was trained on them."""
        for model in (self, *(getattr(self, key) for key in self.networks)):
            data.tell(model)

    def check_rows(self, x: Any) -> Any:
        """Return `x`, with arrays as float32, or refuse it with a sentence (see `check_rows`)."""
        return x if not hasattr(x, "__array__") else check_rows(x, self.sample_shape, type(self).__name__)

    @property
    def sample_shape(self) -> tuple[int, ...]:
        """Shape of one row of training data, without the batch axis."""
        return self.call_shape

    def get_config(self) -> dict:
        parameters = inspect.signature(type(self).__init__).parameters
        keys = [key for key in parameters if key not in ("self", "kwargs", "networks")]
        keys += [key for key in ("seed", "name") if key not in keys]
        config = {key: getattr(self, key) for key in keys}
        return {key: _serialize(value) for key, value in config.items()}

    @classmethod
    def from_config(cls, config: dict, custom_objects: dict | None = None) -> AdversarialModel:
        return cls(**{key: _deserialize(value, custom_objects) for key, value in config.items()})


def check_keras_file(path: Any, owner: str, zipped: bool | None = None, **_: Any) -> None:
    """Refuse to save to a file that Keras could not load again, such as HDF5, which knows no models of several parts.

    Raises:
        ValueError: one sentence.
    """
    if zipped is not False and not str(path).endswith(".keras") and "://" not in str(path):
        raise ValueError(
            f"{owner} expected a file that ends in .keras. Received: {path}; "
            f"{pathlib.Path(path).with_suffix('.keras')} would do."
        )


class _EpochStart(keras.callbacks.Callback):
    """Sets what depends on epoch or step, after a backup may have restored them: data order, dropout's noise."""

    def __init__(self, data: Any) -> None:
        super().__init__()
        self.data = data

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        self.data.begin(epoch)
        self.model._seed_layers()


def _serialize(value: Any) -> Any:
    return keras.saving.serialize_keras_object(value) if isinstance(value, (keras.Model, keras.Layer)) else value


def _deserialize(value: Any, custom_objects: dict | None) -> Any:
    if isinstance(value, dict) and "class_name" in value:
        return keras.saving.deserialize_keras_object(value, custom_objects=custom_objects)
    return value
