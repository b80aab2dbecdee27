"""Callbacks that know about several players: pictures, guards, backups, TensorBoard."""

from keras_anogan.callbacks.backup import BestEpoch, EpochBackup, OracleLoss, read_backup
from keras_anogan.callbacks.guards import CollapseMonitor, TerminateOnNonFinite
from keras_anogan.callbacks.pictures import ImageGrid
from keras_anogan.callbacks.stopping import ReconstructionStop
from keras_anogan.callbacks.tensorboard import TensorBoardLogs
from keras_anogan.pictures import save_grid
from keras_anogan.training.averages import NetworkEMA

__all__ = [
    "BestEpoch",
    "CollapseMonitor",
    "EpochBackup",
    "ImageGrid",
    "NetworkEMA",
    "OracleLoss",
    "ReconstructionStop",
    "TensorBoardLogs",
    "TerminateOnNonFinite",
    "read_backup",
    "save_grid",
]
