"""Data sets, readers of folders and tables, and protocols: which rows are trained on, calibrated on and tested on."""

from keras_anogan.datasets.cifar10 import load_cifar10
from keras_anogan.datasets.digits import load_digits
from keras_anogan.datasets.fabric import write_fabric
from keras_anogan.datasets.image_files import load_image
from keras_anogan.datasets.image_folder import ImageFolder, ImageRows, gather_images, load_masks, scan_image_folder
from keras_anogan.datasets.kdd99 import TableSplit, kdd99_paper, kdd99_realistic, load_kdd99
from keras_anogan.datasets.machine import machine_table
from keras_anogan.datasets.mnist import load_mnist
from keras_anogan.datasets.ped2 import Ped2, load_ped2
from keras_anogan.datasets.protocols import (
    Split,
    fanogan_exercise,
    ganomaly_exercise,
    hold_out,
    one_anomalous,
    one_class,
    three_ways,
)
from keras_anogan.datasets.storage import data_dir
from keras_anogan.datasets.street import StreetDay, make_street, write_street
from keras_anogan.datasets.table import is_table, normal_rows, open_table, read_table

__all__ = [
    "ImageFolder",
    "ImageRows",
    "Ped2",
    "Split",
    "StreetDay",
    "TableSplit",
    "data_dir",
    "fanogan_exercise",
    "ganomaly_exercise",
    "gather_images",
    "hold_out",
    "is_table",
    "kdd99_paper",
    "kdd99_realistic",
    "load_cifar10",
    "load_digits",
    "load_image",
    "load_kdd99",
    "load_masks",
    "load_mnist",
    "load_ped2",
    "machine_table",
    "make_street",
    "normal_rows",
    "one_anomalous",
    "one_class",
    "open_table",
    "read_table",
    "scan_image_folder",
    "three_ways",
    "write_fabric",
    "write_street",
]
