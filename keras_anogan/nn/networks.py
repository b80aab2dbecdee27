"""Functional builders of networks that two or more papers use.

Roles and signatures: generator z -> x; encoder x -> z; discriminator x -> (logit (batch, 1), features (batch, n));
critic x -> (value (batch, 1), features (batch, n)), without batch normalisation, because a gradient penalty is a
property of each sample.
Outputs are float32 under any dtype policy. `seed` fixes the initial weights; None draws them anew.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import keras
import tensorflow as tf
from keras import layers

from keras_anogan.nn.layers import LeakyReLUWithoutCurvature


def build_mlp_generator(
    shape: Sequence[int],
    latent_dim: int = 100,
    units: Sequence[int] = (128, 256, 512, 1024),
    batchnorm_epsilon: float = 1e-5,
    seed: int | None = None,
) -> keras.Model:
    """Fully connected generator z (batch, latent_dim) -> x (batch, *shape) in [-1, 1].

    LeakyReLU(0.2) throughout, batch normalisation after every hidden layer but the first: the network of
    the f-AnoGAN MNIST exercise (A03ki/f-AnoGAN). There `batchnorm_epsilon` is 0.8, a momentum in the
    argument of the epsilon.
    """
    shape = _check_shape(shape)
    dense = _torch_like_dense(seed)
    z = keras.Input((latent_dim,), name="z")
    h = layers.LeakyReLU(0.2)(dense(units[0], fan_in=latent_dim)(z))
    for fan_in, width in itertools.pairwise(units):
        h = dense(width, fan_in=fan_in)(h)
        h = layers.BatchNormalization(momentum=0.9, epsilon=batchnorm_epsilon)(h)
        h = layers.LeakyReLU(0.2)(h)
    x = dense(math.prod(shape), fan_in=units[-1])(h)
    x = layers.Activation("tanh", dtype="float32")(layers.Reshape(shape)(x))
    return keras.Model(z, x, name="generator")


def build_mlp_critic(shape: Sequence[int], units: Sequence[int] = (512, 256), seed: int | None = None) -> keras.Model:
    """Fully connected critic x (batch, *shape) -> (value (batch, 1), features (batch, units[-1]))."""
    shape = _check_shape(shape)
    dense = _torch_like_dense(seed)
    x = keras.Input(shape, name="x")
    h = layers.Flatten()(x)
    for fan_in, width in itertools.pairwise((math.prod(shape), *units)):
        h = LeakyReLUWithoutCurvature(0.2)(dense(width, fan_in=fan_in)(h))
    return keras.Model(x, _value_and_features(h, dense(1, fan_in=units[-1])), name="critic")


def build_mlp_encoder(
    shape: Sequence[int],
    latent_dim: int = 100,
    units: Sequence[int] = (512, 256),
    latent_activation: str | Callable | None = "tanh",
    seed: int | None = None,
) -> keras.Model:
    """Fully connected encoder x (batch, *shape) -> z (batch, latent_dim).

    `latent_activation="tanh"` is as published; z ~ N(0, 1) leaves [-1, 1] in about a third of its
    coordinates, so None (linear) is worth trying.
    """
    shape = _check_shape(shape)
    dense = _torch_like_dense(seed)
    x = keras.Input(shape, name="x")
    h = layers.Flatten()(x)
    for fan_in, width in itertools.pairwise((math.prod(shape), *units)):
        h = layers.LeakyReLU(0.2)(dense(width, fan_in=fan_in)(h))
    z = dense(latent_dim, fan_in=units[-1])(h)
    return keras.Model(x, layers.Activation(latent_activation, dtype="float32")(z), name="encoder")


def build_dcgan_generator(
    shape: Sequence[int], latent_dim: int = 128, filters: int = 64, seed: int | None = None
) -> keras.Model:
    """DCGAN generator z (batch, latent_dim) -> image (batch, *shape) in [-1, 1] (Radford et al. 2016).

    Transposed convolutions 4x4 with stride 2, batch normalisation and ReLU; from 4..7 pixels a side, e.g.
    28 = 7 x 2^2, 32 = 4 x 2^3, 64 = 4 x 2^4. N(0, 0.02^2) initial weights. At most eight times `filters` channels.
    """
    shape, start, widths = dcgan_plan(shape, filters)
    init = initializers(keras.initializers.RandomNormal(0.0, 0.02), seed)
    z = keras.Input((latent_dim,), name="z")
    h = layers.Dense(math.prod(start) * widths[-1], use_bias=False, kernel_initializer=next(init))(z)
    h = layers.Reshape((*start, widths[-1]))(h)
    h = layers.ReLU()(_batch_norm()(h))
    for width in reversed(widths[:-1]):
        h = layers.Conv2DTranspose(width, 4, 2, "same", use_bias=False, kernel_initializer=next(init))(h)
        h = layers.ReLU()(_batch_norm()(h))
    x = layers.Conv2DTranspose(shape[-1], 4, 2, "same", kernel_initializer=next(init))(h)
    return keras.Model(z, layers.Activation("tanh", dtype="float32")(x), name="generator")


def build_dcgan_critic(shape: Sequence[int], filters: int = 64, seed: int | None = None) -> keras.Model:
    """DCGAN critic image (batch, *shape) -> (value (batch, 1), features: the flattened last convolution).

    Convolutions 4x4 with stride 2 and LeakyReLU(0.2), no normalisation.
    """
    shape, _, widths = dcgan_plan(shape, filters)
    init = initializers(keras.initializers.RandomNormal(0.0, 0.02), seed)
    x = h = keras.Input(shape, name="x")
    for width in widths:
        h = LeakyReLUWithoutCurvature(0.2)(layers.Conv2D(width, 4, 2, "same", kernel_initializer=next(init))(h))
    value = layers.Dense(1, kernel_initializer=next(init))
    return keras.Model(x, _value_and_features(layers.Flatten()(h), value), name="critic")


def build_dcgan_discriminator(shape: Sequence[int], filters: int = 64, seed: int | None = None) -> keras.Model:
    """DCGAN discriminator image (batch, *shape) -> (logit (batch, 1), features: the flattened last convolution).

    Convolutions 4x4 with stride 2 and LeakyReLU(0.2), batch normalisation from the second on (Radford et al. 2016).
    """
    shape, _, widths = dcgan_plan(shape, filters)
    init = initializers(keras.initializers.RandomNormal(0.0, 0.02), seed)
    x = h = keras.Input(shape, name="x")
    for stage, width in enumerate(widths):
        h = layers.Conv2D(width, 4, 2, "same", use_bias=stage == 0, kernel_initializer=next(init))(h)
        h = layers.LeakyReLU(0.2)(_batch_norm()(h) if stage else h)
    f = layers.Flatten()(h)
    logit = layers.Dense(1, kernel_initializer=next(init))(f)
    return keras.Model(x, float32_outputs(logit=logit, features=f), name="discriminator")


def build_dcgan_encoder(
    shape: Sequence[int],
    latent_dim: int = 128,
    filters: int = 64,
    latent_activation: str | Callable | None = "tanh",
    seed: int | None = None,
) -> keras.Model:
    """DCGAN encoder image (batch, *shape) -> z (batch, latent_dim): the critic's layers with batch normalisation."""
    shape, _, widths = dcgan_plan(shape, filters)
    init = initializers(keras.initializers.RandomNormal(0.0, 0.02), seed)
    x = h = keras.Input(shape, name="x")
    for width in widths:
        h = layers.Conv2D(width, 4, 2, "same", use_bias=False, kernel_initializer=next(init))(h)
        h = layers.LeakyReLU(0.2)(_batch_norm()(h))
    z = layers.Dense(latent_dim, kernel_initializer=next(init))(layers.Flatten()(h))
    return keras.Model(x, layers.Activation(latent_activation, dtype="float32")(z), name="encoder")


def build_resnet_generator(
    shape: Sequence[int], latent_dim: int = 128, filters: int = 64, seed: int | None = None
) -> keras.Model:
    """Residual generator z (batch, latent_dim) -> image (batch, *shape) in [-1, 1]: f-AnoGAN's at 64 pixels.

    Pre-activation blocks (batch normalisation, ReLU, convolution 3x3, twice; 1x1 shortcut) that double the side by
    repeating pixels, from 4..7 pixels a side; 8, 8, 4, 2, 1 times `filters` channels at 4, 8, 16, 32, 64 pixels
    (tSchlegl/f-AnoGAN, after Gulrajani et al. 2017).
    """
    shape, start, widths = _resnet_plan(shape, filters)
    glorot, he = _glorot_and_he(seed)
    z = keras.Input((latent_dim,), name="z")
    h = layers.Dense(math.prod(start) * widths[-1], kernel_initializer=glorot())(z)
    h = layers.Reshape((*start, widths[-1]))(h)
    for width in reversed(widths[:-1]):
        h = _residual_block(h, width, "up", _batch_norm, glorot, he)
    h = layers.ReLU()(_batch_norm()(h))
    x = layers.Conv2D(shape[-1], 3, padding="same", kernel_initializer=he())(h)
    return keras.Model(z, layers.Activation("tanh", dtype="float32")(x), name="generator")


def build_resnet_critic(shape: Sequence[int], filters: int = 64, seed: int | None = None) -> keras.Model:
    """Residual critic image (batch, *shape) -> (value (batch, 1), features: the flattened last block).

    The generator's blocks the other way round, halving the side by averaging, with layer normalisation over
    height, width and channels (one scale and offset per channel) where the generator normalises over the batch.
    """
    x, h, glorot = _resnet_trunk(shape, filters, lambda: layers.GroupNormalization(groups=1, epsilon=1e-5), seed)
    value = layers.Dense(1, kernel_initializer=glorot())
    return keras.Model(x, _value_and_features(layers.Flatten()(h), value), name="critic")


def build_resnet_encoder(
    shape: Sequence[int],
    latent_dim: int = 128,
    filters: int = 64,
    latent_activation: str | Callable | None = "tanh",
    seed: int | None = None,
) -> keras.Model:
    """Residual encoder image (batch, *shape) -> z (batch, latent_dim): the critic's layers with batch normalisation."""
    x, h, glorot = _resnet_trunk(shape, filters, _batch_norm, seed)
    z = layers.Dense(latent_dim, kernel_initializer=glorot())(layers.Flatten()(h))
    return keras.Model(x, layers.Activation(latent_activation, dtype="float32")(z), name="encoder")


def build_table_encoder(
    features: int, latent_dim: int = 32, slope: float = 0.1, seed: int | None = None
) -> keras.Model:
    """Encoder x (batch, features) -> z (batch, latent_dim): 64 units with LeakyReLU, then linear."""
    init = initializers("glorot_uniform", seed)
    x = keras.Input((features,), name="x")
    h = layers.LeakyReLU(slope)(layers.Dense(64, kernel_initializer=next(init))(x))
    z = layers.Dense(latent_dim, kernel_initializer=next(init))(h)
    return keras.Model(x, float32_outputs(z=z)[0], name="encoder")


def build_table_generator(features: int, latent_dim: int = 32, seed: int | None = None) -> keras.Model:
    """Generator z (batch, latent_dim) -> x (batch, features): 64 and 128 units with ReLU, then linear."""
    init = initializers("glorot_uniform", seed)
    z = keras.Input((latent_dim,), name="z")
    h = layers.Dense(64, activation="relu", kernel_initializer=next(init))(z)
    h = layers.Dense(128, activation="relu", kernel_initializer=next(init))(h)
    x = layers.Dense(features, kernel_initializer=next(init))(h)
    return keras.Model(z, float32_outputs(x=x)[0], name="generator")


def has_batch_normalization(network: keras.Model) -> bool:
    """Whether any layer of a network, however deeply nested, normalises over the batch."""
    return any(isinstance(layer, layers.BatchNormalization) for layer in network._flatten_layers())


def check_inverse(encoder: keras.Model, generator: keras.Model) -> None:
    """Refuse an encoder and a generator that do not read what the other makes.

    Raises:
        ValueError: naming both shapes.
    """
    _check_meet(encoder.output_shape, generator.input_shape, "the encoder to make what the generator reads")
    _check_meet(generator.output_shape, encoder.input_shape, "the generator to make what the encoder reads")


def check_copier(network: keras.Model, name: str) -> None:
    """Refuse a network whose output has another shape than its input.

    Raises:
        ValueError: naming both.
    """
    if len(network.inputs) != 1 or tuple(network.output_shape) != tuple(network.input_shape):
        raise ValueError(
            f"Expected a {name} that makes images of the shape that it reads, {tuple(network.input_shape)}. "
            f"Received: {network.output_shape}."
        )


def check_judge(judge: keras.Model, name: str, reads: Sequence[tuple[str, Any]], outputs: Sequence[str]) -> None:
    """Refuse a discriminator or critic with other inputs or outputs than a paper's.

    Args:
        judge: the network.
        name: what to call it.
        reads: for each input, who makes it and its shape, e.g. ("the generator", generator.output_shape).
        outputs: names of its outputs, e.g. ("logit", "features").

    Raises:
        ValueError: naming what was found.
    """
    if len(judge.inputs) != len(reads) or len(judge.outputs) != len(outputs):
        what = f"{len(reads)} input{'s' * (len(reads) > 1)} and the outputs ({', '.join(outputs)})"
        found = f"{len(judge.inputs)} and {len(judge.outputs)}"
        raise ValueError(f"Expected a {name} with {what}. Received: {found}.")
    for (maker, made), tensor in zip(reads, judge.inputs, strict=True):
        _check_meet(made, tensor.shape, f"{maker} to make what the {name} reads")


def _check_meet(made: Any, read: Any, between: str) -> None:
    if tuple(made[1:]) != tuple(read[1:]):
        raise ValueError(f"Expected {between}, shape {tuple(read)}. Received: shape {tuple(made)}.")


def float32_outputs(**outputs: Any) -> list[Any]:
    """The given tensors as float32 under any dtype policy, through layers of the given names."""
    return [layers.Activation("linear", dtype="float32", name=name)(tensor) for name, tensor in outputs.items()]


def dtype_of_3d_convolutions() -> str | None:
    """The dtype of 3D convolutions: "float32" on a CPU under a bfloat16 policy, else None, which follows the policy.

    oneDNN's kernel for the gradient of their filters returns NaN or 1e36 in bfloat16 on processors with AVX-512 and
    no matrix units (AMX; TensorFlow 2.21, `Conv3DBackpropFilterV2`). Every CPU gets float32, so that a saved network
    trains wherever it is loaded. 3D convolutions in float16 are right, and so are those in 2D unless the map that they
    read is a single pixel, which no network here has.
    """
    half = keras.config.dtype_policy().compute_dtype == "bfloat16"
    return "float32" if half and not tf.config.list_physical_devices("GPU") else None


def initializers(kind: str | keras.initializers.Initializer, seed: int | None) -> Iterator[Any]:
    """Fresh initialisers of one kind, each with a seed of its own; None draws anew."""
    kind = keras.initializers.get(kind)
    for layer in itertools.count():
        yield kind.from_config(kind.get_config() | {"seed": None if seed is None else 1000 * seed + layer})


def _value_and_features(features: Any, value: keras.Layer) -> list[Any]:
    return float32_outputs(value=value(features), features=features)


def _check_shape(shape: Sequence[int]) -> tuple[int, ...]:
    shape = tuple(int(size) for size in shape)
    if not shape or min(shape) < 1:
        raise ValueError(f"Expected a shape of positive sizes without the batch axis. Received: {shape}.")
    return shape


def dcgan_plan(shape: Sequence[int], filters: int) -> tuple[tuple[int, ...], tuple[int, int], list[int]]:
    """Checked shape, the smallest feature map (height, width), and the filters of each stage.

    They double up to eight times `filters`, which images of 64 pixels reach: at 1,024 pixels they would have 2 billion
    weights.
    """
    shape, start, stages = _halvings(shape)
    return shape, start, [filters * min(8, 2**stage) for stage in range(stages)]


def _resnet_plan(shape: Sequence[int], filters: int) -> tuple[tuple[int, ...], tuple[int, int], list[int]]:
    """As `dcgan_plan`, with the channels at every side from the image's down to the smallest."""
    shape, start, stages = _halvings(shape)
    return shape, start, [filters * min(8, 2**stage) for stage in range(stages + 1)]


def _halvings(shape: Sequence[int]) -> tuple[tuple[int, ...], tuple[int, int], int]:
    """Checked shape, the feature map (height, width) after halving it down to 4..7 pixels, and how often that was."""
    shape = _check_shape(shape)
    stages = 0
    if len(shape) == 3:
        while min(shape[:2]) >> stages > 7 and all(size % 2 ** (stages + 1) == 0 for size in shape[:2]):
            stages += 1
    if len(shape) != 3 or stages == 0 or not 3 <= min(shape[:2]) >> stages <= 7:
        raise ValueError(
            "Convolutional networks need images (height, width, channels) whose shorter side is 4 to 7 times a power "
            "of two, such as 8, 28, 32, 48, 64, 96 or 128, and whose longer side is a multiple of that power, such as "
            f"96 beside 64. Received: shape {shape}."
        )
    return shape, (shape[0] >> stages, shape[1] >> stages), stages


def _resnet_trunk(
    shape: Sequence[int], filters: int, norm: Callable[[], keras.Layer], seed: int | None
) -> tuple[Any, Any, Callable]:
    """Input, last feature map, and the initialiser that goes on with it."""
    shape, _, widths = _resnet_plan(shape, filters)
    glorot, he = _glorot_and_he(seed)
    x = keras.Input(shape, name="x")
    h = layers.Conv2D(widths[0], 3, padding="same", kernel_initializer=glorot())(x)
    for width in widths[1:]:
        h = _residual_block(h, width, "down", norm, glorot, he)
    return x, h, glorot


def _residual_block(
    x: Any, width: int, resample: str, norm: Callable[[], keras.Layer], glorot: Callable, he: Callable
) -> Any:
    """Norm, ReLU, convolution, twice, plus a 1x1 shortcut; "up" doubles the side of the image, "down" halves it."""
    first = width if resample == "up" else x.shape[-1]
    h = layers.ReLU()(norm()(x))
    if resample == "up":
        h, x = layers.UpSampling2D(2)(h), layers.UpSampling2D(2)(x)
    h = layers.Conv2D(first, 3, padding="same", use_bias=False, kernel_initializer=he())(h)
    h = layers.ReLU()(norm()(h))
    h = layers.Conv2D(width, 3, padding="same", kernel_initializer=he())(h)
    if resample == "down":
        h, x = layers.AveragePooling2D(2)(h), layers.AveragePooling2D(2)(x)
    return layers.Add()([layers.Conv2D(width, 1, kernel_initializer=glorot())(x), h])


def _batch_norm() -> keras.Layer:
    return layers.BatchNormalization(momentum=0.9, epsilon=1e-5)


def _glorot_and_he(seed: int | None) -> tuple[Callable, Callable]:
    """Makers of uniform initialisers of variance 2 / (fan_in + fan_out) and, before a ReLU, twice that."""
    numbers = itertools.count() if seed is None else itertools.count(1000 * seed)

    def maker(scale: float) -> Callable[[], keras.initializers.Initializer]:
        return lambda: keras.initializers.VarianceScaling(
            scale, "fan_avg", "uniform", seed=None if seed is None else next(numbers)
        )

    return maker(1.0), maker(2.0)


def _torch_like_dense(seed: int | None) -> Callable[..., keras.Layer]:
    """Dense layers whose kernel and bias start at U(-1/sqrt(fan_in), 1/sqrt(fan_in)), as the reference's do."""
    numbers = itertools.count() if seed is None else itertools.count(1000 * seed)

    def dense(width: int, fan_in: int) -> keras.Layer:
        limit = 1.0 / math.sqrt(fan_in)
        kernel, bias = (
            keras.initializers.RandomUniform(-limit, limit, seed=None if seed is None else next(numbers))
            for _ in range(2)
        )
        return layers.Dense(width, kernel_initializer=kernel, bias_initializer=bias)

    return dense
