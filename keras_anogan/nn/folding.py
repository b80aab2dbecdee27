"""A generator and a discriminator as a search runs them: the same functions, in fewer and better-suited operations.

A search asks both of them the same thing hundreds of times, and their weights stand still. So batch normalisation,
in inference mode a scale and a shift, goes into the kernel before it. And an image is kept as blocks of 2 x 2 pixels,
each a pixel of four times the channels: a convolution of stride 2 on one channel is one of stride 1 on four, which
TensorFlow's kernels are much better at, back and forth. Layers that are not known here are called as they are, and a
network that is no plain chain of layers is called as a whole.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
from collections.abc import Callable, Sequence

import keras
import tensorflow as tf
from keras import layers

Function = Callable[[tf.Tensor], tf.Tensor]


KERNELS = (layers.Dense, layers.Conv2D, layers.Conv2DTranspose)


ELEMENTWISE = {
    None,
    keras.activations.linear,
    keras.activations.tanh,
    keras.activations.sigmoid,
    keras.activations.relu,
}


MOST_CHANNELS = 4  # of an image that is worth cutting into blocks; with more, the zeros in the kernels cost more


@dataclasses.dataclass(frozen=True)
class Folded:
    """Both networks in inference mode, with the weights as they are now.

    Attributes:
        arrange: x (batch, ...) as the other two have it: blocks (batch, H/2, W/2, 4 C), or x as it is. The same values
            in another order, so that a norm of a difference is what it was.
        generate: z (batch, latent_dim) -> x, arranged.
        features: x, arranged -> features (batch, n).
    """

    arrange: Function
    generate: Function
    features: Function


def fold(generator: keras.Model, discriminator: keras.Model) -> Folded:
    """Generator z -> x and discriminator x -> (logit, features) for many calls with the same weights.

    Kernels are read and scaled here, once: fold inside a graph and outside its loop.
    """
    makes, reads = _chain(generator, 0), _chain(discriminator, 1)
    blocks = makes is not None and reads is not None and _makes_by_two(makes) and _reads_by_two(reads)
    return Folded(
        arrange=(lambda x: tf.nn.space_to_depth(x, 2)) if blocks else (lambda x: x),
        generate=_compose(_steps(makes, to_blocks=blocks)) if makes else lambda z: generator(z, training=False),
        features=_compose(_steps(reads, of_blocks=blocks)) if reads else lambda x: discriminator(x, training=False)[1],
    )


def _chain(network: keras.Model, output: int) -> list[keras.Layer] | None:
    """The layers from the only input to one of the outputs, or None where they are no plain chain."""
    if len(network.inputs) != 1:
        return None
    (start,), end = network.inputs, network.outputs[output]
    whole = keras.Model(start, end, name="chain")  # named: Keras counts the unnamed ones
    if type(network) not in (type(whole), keras.Sequential):
        return None  # it may have a `call` of its own
    found = [layer for layer in whole.layers if not isinstance(layer, layers.InputLayer)]
    tensors = [(layer.input, layer.output) for layer in found]
    joined = all(made is read for (_, made), (read, _) in itertools.pairwise(tensors))
    ends = bool(tensors) and tensors[0][0] is start and tensors[-1][1] is end
    return found if ends and joined and all(_reads_one_tensor(layer) for layer in found) else None


def _reads_one_tensor(layer: keras.Layer) -> bool:
    """Whether a layer was called with one tensor and nothing else that counts in inference."""
    called = layer._inbound_nodes[0].arguments
    return len(called.args) == 1 and all(key == "training" or value is None for key, value in called.kwargs.items())


def _makes_by_two(chain: Sequence[keras.Layer]) -> bool:
    """Whether a chain ends with a transposed convolution of stride 2 to an image, and functions of single values."""
    made = next((layer for layer in reversed(chain) if not _is_elementwise(layer)), None)
    if made is None or not isinstance(made, layers.Conv2DTranspose) or not _is_by_two(made):
        return False
    return made.activation in ELEMENTWISE and made.output.shape[-1] <= MOST_CHANNELS


def _reads_by_two(chain: Sequence[keras.Layer]) -> bool:
    """Whether a chain begins with a convolution of stride 2; of an image that `_makes_by_two`, whose sides are even."""
    return isinstance(chain[0], layers.Conv2D) and _is_by_two(chain[0])


def _is_by_two(layer: keras.Layer) -> bool:
    sides = tuple(layer.kernel_size)
    return _is_plain(layer) and layer.strides == (2, 2) and layer.padding == "same" and all(2 <= k <= 6 for k in sides)


def _is_plain(layer: keras.Layer) -> bool:
    """Whether a layer is one of `KERNELS`, without anything that is not done here."""
    if type(layer) not in KERNELS or layer.compute_dtype != "float32" or getattr(layer, "quantization_mode", None):
        return False
    if isinstance(layer, layers.Dense):
        return len(layer.input.shape) == 2
    whole = getattr(layer, "groups", 1) == 1 and getattr(layer, "output_padding", None) is None
    return whole and layer.data_format == "channels_last" and tuple(layer.dilation_rate) == (1, 1)


def _is_elementwise(layer: keras.Layer) -> bool:
    if type(layer) is layers.Activation:
        return layer.activation in ELEMENTWISE
    return type(layer) in (layers.ReLU, layers.LeakyReLU)


def _normalisation(after: Sequence[keras.Layer]) -> keras.Layer | None:
    """The next layer, if it is a batch normalisation that can go into a kernel."""
    if not after or type(after[0]) is not layers.BatchNormalization or after[0].compute_dtype != "float32":
        return None
    return after[0] if after[0].axis in (-1, len(after[0].input.shape) - 1) else None


def _compose(steps: Sequence[Function]) -> Function:
    return lambda x: functools.reduce(lambda h, step: step(h), steps, x)


def _steps(chain: Sequence[keras.Layer], of_blocks: bool = False, to_blocks: bool = False) -> list[Function]:
    """The functions of a chain's layers, one after the other; its first or last kernel is that of blocks."""
    kernels = [i for i, layer in enumerate(chain) if type(layer) in KERNELS]
    steps: list[Function] = []
    i = 0
    while i < len(chain):
        layer, after = chain[i], list(chain[i + 1 : i + 3])
        if not _is_plain(layer):
            steps.append(functools.partial(layer, training=False))
            i += 1
            continue
        reshaped = after.pop(0) if isinstance(layer, layers.Dense) and after and _reshapes(after[0]) else None
        activation = layer.activation or keras.activations.linear
        linear = activation is keras.activations.linear
        normalisation = _normalisation(after) if linear else None
        kernel, bias = _weights(layer, normalisation)
        if of_blocks and i == kernels[0]:
            steps.append(_of_blocks(kernel))
        elif to_blocks and i == kernels[-1]:
            steps.append(_to_blocks(kernel))
            bias = tf.tile(bias, (4,))
        else:
            steps.append(_applied(layer, kernel))
        steps.append(_finished(bias, activation))
        steps += [] if reshaped is None else [reshaped]
        i += 1 + (reshaped is not None) + (normalisation is not None)
    return steps


def _reshapes(layer: keras.Layer) -> bool:
    return type(layer) is layers.Reshape


def _weights(layer: keras.Layer, normalisation: keras.Layer | None) -> tuple[tf.Tensor, tf.Tensor]:
    """Kernel and bias, with the scale and shift of a batch normalisation, if one follows."""
    kernel, transposed = tf.convert_to_tensor(layer.kernel), isinstance(layer, layers.Conv2DTranspose)
    units = kernel.shape[-2 if transposed else -1]  # a transposed kernel is (height, width, made, read)
    bias = tf.convert_to_tensor(layer.bias) if layer.use_bias else tf.zeros((units,))
    if normalisation is None:
        return kernel, bias
    scale = tf.math.rsqrt(tf.convert_to_tensor(normalisation.moving_variance) + normalisation.epsilon)
    scale = scale if normalisation.gamma is None else scale * tf.convert_to_tensor(normalisation.gamma)
    shift = -tf.convert_to_tensor(normalisation.moving_mean) * scale
    shift = shift if normalisation.beta is None else shift + tf.convert_to_tensor(normalisation.beta)
    pixels = units // scale.shape[0]  # of dense units that are reshaped to a map; else 1
    scale, shift = tf.tile(scale, (pixels,)), tf.tile(shift, (pixels,))
    return kernel * (scale[:, None] if transposed else scale), bias * scale + shift


def _applied(layer: keras.Layer, kernel: tf.Tensor) -> Function:
    if isinstance(layer, layers.Dense):
        return lambda x: tf.matmul(tf.cast(x, kernel.dtype), kernel)
    strides, padding = layer.strides, layer.padding.upper()
    if isinstance(layer, layers.Conv2DTranspose):
        made = layer.output.shape[1:]
        return lambda x: tf.nn.conv2d_transpose(
            tf.cast(x, kernel.dtype), kernel, (tf.shape(x)[0], *made), strides, padding
        )
    return lambda x: tf.nn.conv2d(tf.cast(x, kernel.dtype), kernel, strides, padding)


def _finished(bias: tf.Tensor, activation: Function) -> Function:
    return lambda x: activation(tf.nn.bias_add(x, bias))


# Blocks of 2 x 2 pixels. A convolution of stride 2 reads the pixels 2 i - before, ... for its output i. With zeros
# around its kernel these are the three blocks i - 1, i and i + 1, their pixels in `tf.nn.space_to_depth`'s order.


def block_kernel(kernel: tf.Tensor) -> tf.Tensor:
    """Kernel (h, w, image channels, maps) of stride 2, "same", as one of stride 1 on blocks.

    Args:
        kernel: of a convolution; of a transposed one it is the same, read the other way round. h and w are 2 to 6.

    Returns:
        (3, 3, 4 x image channels, maps).
    """
    before = [2 - (side - 2) // 2 for side in kernel.shape[:2]]
    zeros = [(lead, 6 - side - lead) for lead, side in zip(before, kernel.shape[:2], strict=True)]
    channels, maps = kernel.shape[2:]
    apart = tf.reshape(tf.pad(kernel, [*zeros, (0, 0), (0, 0)]), (3, 2, 3, 2, channels, maps))
    return tf.reshape(tf.transpose(apart, (0, 2, 1, 3, 4, 5)), (3, 3, 4 * channels, maps))


def _of_blocks(kernel: tf.Tensor) -> Function:
    kernel = block_kernel(kernel)
    return lambda x: tf.nn.conv2d(tf.cast(x, kernel.dtype), kernel, 1, "SAME")


def _to_blocks(kernel: tf.Tensor) -> Function:
    turned = tf.transpose(tf.reverse(block_kernel(kernel), (0, 1)), (0, 1, 3, 2))  # (3, 3, maps, 4 x image channels)
    return lambda x: tf.nn.conv2d(tf.cast(x, kernel.dtype), turned, 1, "SAME")
