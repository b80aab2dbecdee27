"""Callbacks that know about several players: pictures, guards, backups, TensorBoard."""

from keras_anogan.callbacks.backup import BestEpoch, EpochBackup, OracleLoss, read_backup
from keras_anogan.callbacks.ema import NetworkEMA
from keras_anogan.callbacks.guards import CollapseMonitor, TerminateOnNonFinite
from keras_anogan.callbacks.pictures import ImageGrid, save_grid
from keras_anogan.callbacks.tensorboard import TensorBoardLogs

__all__ = [
    "BestEpoch",
    "CollapseMonitor",
    "EpochBackup",
    "ImageGrid",
    "NetworkEMA",
    "OracleLoss",
    "TensorBoardLogs",
    "TerminateOnNonFinite",
    "read_backup",
    "save_grid",
]
