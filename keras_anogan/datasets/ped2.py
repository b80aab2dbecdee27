"""UCSD Ped2: a camera over a pavement, 16 normal clips to train on, 12 to test on, with masks of what does not belong.

Mahadevan et al., "Anomaly Detection in Crowded Scenes", CVPR 2010. Anomalous are bicycles, skaters, carts.
"""

from __future__ import annotations

import dataclasses
import pathlib
import tarfile
import tempfile
from typing import Any

import numpy as np

from keras_anogan.datasets.image_files import image_suffixes, load_image
from keras_anogan.datasets.storage import data_dir, fetch

ORIGIN = "http://www.svcl.ucsd.edu/projects/anomaly/UCSD_Anomaly_Dataset.tar.gz"
ARCHIVE = "UCSD_Anomaly_Dataset.tar.gz"
PLACES = ("ucsd_ped2", "UCSDped2", "UCSD_Anomaly_Dataset.v1p2/UCSDped2")


@dataclasses.dataclass(frozen=True)
class Ped2:
    """Clips of UCSD Ped2 by name, in the order of their names.

    Attributes:
        train: normal clips, uint8 (n, H, W, 1).
        test: clips with normal and anomalous frames.
        labels: for each test clip int64 (n,): 1 where any pixel of a frame is anomalous.
        masks: for each test clip bool (n, H, W): the pixels.
    """

    train: dict[str, np.ndarray]
    test: dict[str, np.ndarray]
    labels: dict[str, np.ndarray]
    masks: dict[str, np.ndarray]


def load_ped2(size: tuple[int, int] | None = (64, 128)) -> Ped2:
    """UCSD Ped2 from the data folder, or downloaded there (700 MB, with Ped1).

    Two layouts are read: `ucsd_ped2/train/001/*.png`, `test/001`, `test/001_gt`; and the original archive's,
    `UCSDped2/Train/Train001/*.tif`, `Test/Test001`, `Test/Test001_gt`.

    Args:
        size: (height, width) of the frames; None leaves them at the 240 x 360 of the original.

    Raises:
        FileNotFoundError: if it is not there and can't be downloaded.
        ValueError: for clips without frames, or without a mask for every frame.
    """
    root = _find() or _download()
    train = {name: _clip(folder, size) for name, folder in _clips(root, "train").items()}
    tested = _clips(root, "test")
    test = {name: _clip(folder, size) for name, folder in tested.items()}
    labels, masks = {}, {}
    for name, folder in tested.items():
        labels[name], masks[name] = _masks(folder.with_name(f"{folder.name}_gt"), test[name])
    return Ped2(train, test, labels, masks)


def _find() -> pathlib.Path | None:
    places = (data_dir() / place for place in PLACES)
    return next((place for place in places if place.is_dir()), None)


def _download() -> pathlib.Path:
    archive = fetch(ARCHIVE, ORIGIN)
    try:
        with tarfile.open(archive) as tar, tempfile.TemporaryDirectory(dir=data_dir(), prefix=".ped2-") as work:
            members = [m for m in tar.getmembers() if "UCSDped2" in pathlib.PurePosixPath(m.name).parts]
            tar.extractall(work, members=members, filter="data")
            found = sorted(path for path in pathlib.Path(work).rglob("UCSDped2") if path.is_dir())
            if found:
                found[0].rename(data_dir() / "UCSDped2")  # whole, or not there
    except (tarfile.TarError, EOFError, OSError) as error:
        raise ValueError(f"Could not unpack {archive}: {error}; delete it to download it again.") from error
    root = _find()
    if root is None:
        raise ValueError(f"Expected UCSDped2 in {archive}. Received: an archive without it.")
    return root


def _clips(root: pathlib.Path, part: str) -> dict[str, pathlib.Path]:
    """Folders of the clips of "train" or "test", by the digits of their names."""
    folder = next((root / name for name in (part, part.capitalize()) if (root / name).is_dir()), root / part)
    found = [path for path in sorted(folder.glob("*")) if path.is_dir() and not path.name.endswith("_gt")]
    if not found:
        raise ValueError(f"Expected clips in {folder}. Received: none.")
    return {path.name.lower().removeprefix(part): path for path in found}


def _frames(folder: pathlib.Path) -> list[pathlib.Path]:
    paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in image_suffixes() and path.name[0] != ".")
    if not paths:
        raise ValueError(f"Expected frames in {folder}. Received: none.")
    return paths


def _clip(folder: pathlib.Path, size: tuple[int, int] | None) -> np.ndarray:
    return np.stack([_sized(load_image(path), size) for path in _frames(folder)])


def _masks(folder: pathlib.Path, clip: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    paths = _frames(folder) if folder.is_dir() else []
    if len(paths) != len(clip):
        raise ValueError(f"Expected {len(clip)} masks in {folder}. Received: {len(paths)}.")
    raw = [load_image(path).max(axis=-1, keepdims=True) > 0 for path in paths]
    labels = np.array([mask.any() for mask in raw], "int64")
    masks = [_sized((mask * 255).astype("uint8"), clip.shape[1:3])[..., 0] >= 128 for mask in raw]
    return labels, np.stack(masks)


def _sized(image: np.ndarray, size: Any) -> np.ndarray:
    """A grey frame (H, W, 1) of that size, by area."""
    from PIL import Image

    image = image[..., :1] if image.shape[-1] == 1 else np.round(image.mean(axis=-1, keepdims=True)).astype("uint8")
    if size is None or image.shape[:2] == tuple(size):
        return image
    return np.asarray(Image.fromarray(image[..., 0]).resize((size[1], size[0]), Image.Resampling.BOX))[..., None]
