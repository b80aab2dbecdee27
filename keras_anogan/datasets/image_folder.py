"""A folder of images, streamed: flat (all normal), or in MVTec-AD's layout.

ROOT/train/good/*           normal images to train on
ROOT/test/good/*            normal images to test on
ROOT/test/<defect>/*        anomalous images, any number of kinds
ROOT/ground_truth/<defect>/ masks: <name>_mask.png (or <name>.png) for test/<defect>/<name>.png, not black where
                            the image is anomalous
"""

from __future__ import annotations

import dataclasses
import hashlib
import io
import os
import pathlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp")
_Fact = tuple[str, int, str]  # of a file: SHA-256, channels (0: it can't be used), why not


@dataclasses.dataclass(frozen=True)
class ImageFolder:
    """What a scan of a folder found; no pixels are kept.

    Attributes:
        root: the folder.
        train: normal images, for training, stopping and calibration.
        test: images to score; empty for a flat folder.
        labels: int64 (len(test),): 0 for `test/good`, 1 for any other kind.
        channels: 1 (grey) or 3 (RGB).
        skipped: broken files that were left out.
        fingerprint: SHA-256 over names and contents.
        masks: for each test image the file of its mask, None for a normal one; None without `ground_truth`.
    """

    root: pathlib.Path
    train: tuple[pathlib.Path, ...]
    test: tuple[pathlib.Path, ...]
    labels: np.ndarray
    channels: int
    skipped: tuple[pathlib.Path, ...]
    fingerprint: str
    masks: tuple[pathlib.Path | None, ...] | None = None


def scan_image_folder(root: Any, skip_broken: bool = False, need_train: bool = True) -> ImageFolder:
    """Read a folder of images once, decode every file, and say what is there.

    Args:
        root: a flat folder (every image in it, or below it, is normal) or one in MVTec-AD's layout.
        skip_broken: leave out files that can't be decoded instead of raising.
        need_train: whether a folder without `train/good` is refused; for scoring it need not be there.

    Raises:
        FileNotFoundError: if the folder does not exist.
        ValueError: for no images, no normal images, a file that can't be decoded, grey and RGB images mixed; with
            `need_train` and a folder of masks, an anomalous test image without one, or one of another size.
    """
    root = pathlib.Path(root)
    if not root.is_dir():
        raise FileNotFoundError(f"Expected a folder of images. Received: {root}, which is not a folder.")
    train, test = _train_and_test(root, need_train)
    facts, broken = _facts([*train, *test], skip_broken)
    train, test = ([path for path in paths if path in facts] for paths in (train, test))
    if not (train if need_train else facts):
        raise ValueError(f"Expected normal images in {root}. Received: only files that can't be read.")
    channels = _common_channels(facts)
    labels = np.array([path.relative_to(root / "test").parts[0] != "good" for path in test], "int64")
    has_masks = need_train and bool(test) and (root / "ground_truth").is_dir()  # scoring has no use for them
    masks = _masks(root, test, labels) if has_masks else None
    fingerprint = _fingerprint(root, facts, masks or ())
    return ImageFolder(root, tuple(train), tuple(test), labels, channels, broken, fingerprint, masks)


def _train_and_test(root: pathlib.Path, need_train: bool) -> tuple[list[pathlib.Path], list[pathlib.Path]]:
    """The images to train on and to test on, before any is opened."""
    if (root / "train").is_dir() or (root / "test").is_dir():
        train, test = _images(root / "train" / "good"), _images(root / "test")
        if not train and need_train:
            raise ValueError(f"Expected normal images in {root / 'train' / 'good'}. Received: none.")
        if loose := [path for path in test if path.parent == root / "test"]:
            raise ValueError(
                f"Expected test images in test/good or test/<defect>. Received: {loose[0]}, of which nobody knows "
                "whether it is normal."
            )
    else:
        train, test = _images(root), []
    if not [*train, *test]:
        raise ValueError(f"Expected images ({', '.join(SUFFIXES)}) in {root}. Received: none.")
    return train, test


def _facts(paths: list[pathlib.Path], skip_broken: bool) -> tuple[dict[pathlib.Path, _Fact], tuple[pathlib.Path, ...]]:
    """What each image is that can be decoded, and the files that can't be."""
    with ThreadPoolExecutor(4) as pool:
        facts = dict(zip(paths, pool.map(_inspect, paths), strict=True))
    broken = tuple(path for path, (_, channels, _) in facts.items() if channels == 0)
    if broken and not skip_broken:
        more = f" (and {len(broken) - 1} more)" if len(broken) > 1 else ""
        raise ValueError(f"{facts[broken[0]][2]}{more}; --skip-broken leaves such files out.")
    return {path: fact for path, fact in facts.items() if fact[1] > 0}, broken


def _common_channels(facts: dict[pathlib.Path, _Fact]) -> int:
    """1 if all images are grey, 3 if all are RGB."""
    kinds = {channels: path for path, (_, channels, _) in reversed(facts.items())}
    if len(kinds) > 1:
        raise ValueError(
            f"Expected images that are all grey or all RGB. Received: {kinds[1]} is grey and {kinds[3]} is RGB; "
            "convert them to one of the two."
        )
    return next(iter(kinds))


def _fingerprint(root: pathlib.Path, facts: dict[pathlib.Path, _Fact], masks: Sequence[pathlib.Path | None]) -> str:
    """SHA-256 over the names and contents of images, and the contents of masks."""
    digest = hashlib.sha256()
    for path, (content, _, _) in facts.items():
        digest.update(os.fsencode(path.relative_to(root).as_posix()) + f"\0{content}\n".encode())
    for mask in masks:
        digest.update(b"" if mask is None else hashlib.sha256(mask.read_bytes()).digest())
    return digest.hexdigest()


def load_masks(masks: Sequence[pathlib.Path | None], size: tuple[int, int]) -> np.ndarray:
    """Mask files as bool (n, height, width): True where a pixel is anomalous.

    A mask is shrunk to `size`. A pixel counts as anomalous when at least half of its area is. Of a defect so small that
    no such pixel is left, every pixel counts that it touches.

    Args:
        masks: files, not black where the image is anomalous; None stands for a mask without anomalous pixels.
        size: (height, width) of the result.

    Raises:
        ValueError: for a file that can't be decoded or is all black.
    """
    from PIL import Image

    shrunk = np.zeros((len(masks), *size), bool)
    for i, path in enumerate(masks):
        if path is not None:
            marked = (load_image(path).max(axis=-1) > 0).astype("float32")
            if not marked.any():
                raise ValueError(f"Expected a mask that marks something. Received: {path}, which is all black.")
            share = np.asarray(Image.fromarray(marked).resize(size[::-1], Image.Resampling.BOX))
            shrunk[i] = share >= 0.5 if (share >= 0.5).any() else share > 0.0
    return shrunk


def load_image(path: Any) -> np.ndarray:
    """An image file as uint8 (H, W, 1) or (H, W, 3); 16-bit grey is scaled to 8, transparency dropped.

    Raises:
        ValueError: if the file can't be decoded, or holds floats (nobody can tell their range).
    """
    return _decode(path, pathlib.Path(path).read_bytes())


class ImageRows:
    """Image files as rows: `rows[indices]` decodes, preprocesses and stacks those images, float32 (n, h, w, C).

    Args:
        paths: image files.
        preprocess: function from raw images, uint8 (1, H, W, C), to float32 (1, h, w, C): the very one that
            the served model applies.
        cache_bytes: preprocessed images are kept in memory until they take up this much.
    """

    def __init__(
        self, paths: Sequence[pathlib.Path], preprocess: Callable[[np.ndarray], Any], cache_bytes: int = 2**28
    ) -> None:
        self.paths = tuple(paths)
        self.preprocess = preprocess
        self.cache_bytes = cache_bytes
        self._cache: dict[int, np.ndarray] = {}

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, indices: Any) -> np.ndarray:
        return np.stack([self._row(int(i)) for i in np.asarray(indices)])

    def take(self, indices: Any) -> ImageRows:
        """The rows at `indices`, as rows of their own."""
        return ImageRows([self.paths[int(i)] for i in indices], self.preprocess, self.cache_bytes)

    def _row(self, index: int) -> np.ndarray:
        row = self._cache.get(index)
        if row is None:
            row = np.asarray(self.preprocess(load_image(self.paths[index])[None]))[0]
            if (len(self._cache) + 1) * row.nbytes <= self.cache_bytes:
                self._cache[index] = row
        return row


def _images(folder: pathlib.Path) -> list[pathlib.Path]:
    """Image files below a folder, sorted; hidden files and what lies in hidden folders are left out."""
    found = (path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES and not path.is_dir())
    return sorted(p for p in found if not any(part.startswith(".") for part in p.relative_to(folder).parts))


def _masks(root: pathlib.Path, test: list[pathlib.Path], labels: np.ndarray) -> tuple[pathlib.Path | None, ...]:
    found: list[pathlib.Path | None] = []
    for path, label in zip(test, labels, strict=True):
        inside = path.relative_to(root / "test")
        names = [f"{inside.stem}_mask.png", f"{inside.stem}.png", f"{inside.stem}_mask{inside.suffix}", inside.name]
        there = [root / "ground_truth" / inside.parent / name for name in names]
        mask = next((file for file in there if file.is_file()), None)
        if label == 1 and mask is None:
            raise ValueError(f"Expected a mask {there[0]} for {path}. Received: none; ground_truth has to be complete.")
        if label == 1 and mask is not None and (sizes := [_size(file) for file in (path, mask)])[0] != sizes[1]:
            raise ValueError(f"Expected a mask of {sizes[0]} pixels for {path}. Received: {mask}, {sizes[1]} pixels.")
        found.append(mask if label == 1 else None)
    return tuple(found)


def _size(path: pathlib.Path) -> str:
    from PIL import Image

    try:
        with Image.open(path) as image:
            return f"{image.width} x {image.height}"
    except Exception as error:  # whatever a decoder may raise on a broken file
        raise ValueError(f"Could not read the image {path}") from error


def _inspect(path: pathlib.Path) -> _Fact:
    """The facts of one file, which is read and decoded."""
    content = b""
    try:
        content = path.read_bytes()
        channels, problem = _decode(path, content).shape[-1], ""
    except OSError as error:
        channels, problem = 0, f"Could not open the image {path} ({error.strerror})"
    except ValueError as error:
        channels, problem = 0, str(error)
    return hashlib.sha256(content).hexdigest(), channels, problem


def _decode(path: Any, content: bytes) -> np.ndarray:
    from PIL import Image

    try:
        with Image.open(io.BytesIO(content)) as image:
            image.load()
            mode = image.mode
            grey = mode in ("1", "L", "LA") or mode.startswith("I")
            pixels = np.asarray(image if mode.startswith("I") else image.convert("L" if grey else "RGB"))
    except Exception as error:  # whatever a decoder may raise on a broken file
        raise ValueError(f"Could not read the image {path}") from error
    if mode == "F":
        raise ValueError(f"Expected an image of 8 or 16 bits. Received: {path}, an image of floats")
    if mode.startswith("I"):
        pixels = (pixels.astype("int64") >> 8).clip(0, 255).astype("uint8")
    return pixels[..., None] if grey else pixels
