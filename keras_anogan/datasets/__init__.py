"""Data sets and protocols."""

from keras_anogan.datasets.digits import load_digits
from keras_anogan.datasets.image_folder import ImageFolder, ImageRows, load_image, load_masks, scan_image_folder
from keras_anogan.datasets.mnist import load_mnist
from keras_anogan.datasets.protocols import Split, fanogan_exercise, hold_out, one_anomalous, one_class, three_ways
from keras_anogan.datasets.storage import data_dir

__all__ = [
    "ImageFolder",
    "ImageRows",
    "Split",
    "data_dir",
    "fanogan_exercise",
    "hold_out",
    "load_digits",
    "load_image",
    "load_masks",
    "load_mnist",
    "one_anomalous",
    "one_class",
    "scan_image_folder",
    "three_ways",
]
