"""A folder of images, streamed: flat (all normal), in MVTec-AD's layout, or with folders that the user names.

ROOT/train/good/*           normal images to train on
ROOT/test/good/*            normal images to test on
ROOT/test/<defect>/*        anomalous images, any number of kinds
ROOT/ground_truth/<defect>/ masks: <name>_mask.png (or <name>.png) for test/<defect>/<name>.png, bright where the image
                            is anomalous
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import os
import pathlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from keras_anogan.datasets.image_files import Facts, image_suffixes, inspect_image, load_image, read_mask, white_of
from keras_anogan.datasets.image_layout import files_below, find_layout, named_images
from keras_anogan.datasets.image_remarks import on_colors, on_depth, on_files, some
from keras_anogan.nn.scaling import content_size
from keras_anogan.words import counted

COLORS = ("auto", "rgb", "grey")
THREADS = 4  # that decode: Pillow lets others run meanwhile
MOST_AT_ONCE = 2**24  # bytes of raw images
Tested = Sequence[tuple[pathlib.Path, str, pathlib.PurePath]]


@dataclasses.dataclass(frozen=True)
class ImageFolder:
    """What a scan of a folder found; no pixels are kept.

    Attributes:
        root: the folder.
        train: normal images, for training, stopping and calibration.
        test: images to score; empty for a flat folder.
        labels: int64 (len(test),): 0 for `test/good`, 1 for any other kind.
        channels: 1 (grey) or 3 (RGB), of what `load` reads.
        skipped: broken files that were left out.
        fingerprint: SHA-256 over names and contents.
        masks: for each test image the file of its mask, None for a normal one; None without `ground_truth`.
        kinds: for each test image "good", or the name of its folder.
        dtype: "uint8", or "uint16" where normal images have more than 8 bits a pixel.
        white: the value of white; 255 for uint8.
        remarks: what was found, and done without being asked, one sentence each.
        facts: of every image, by its file.
    """

    root: pathlib.Path
    train: tuple[pathlib.Path, ...]
    test: tuple[pathlib.Path, ...]
    labels: np.ndarray
    channels: int
    skipped: tuple[pathlib.Path, ...]
    fingerprint: str
    masks: tuple[pathlib.Path | None, ...] | None = None
    kinds: tuple[str, ...] = ()
    dtype: str = "uint8"
    white: int = 255
    remarks: tuple[str, ...] = ()
    facts: dict[pathlib.Path, Facts] = dataclasses.field(default_factory=dict, repr=False)

    @property
    def load(self) -> Callable[[pathlib.Path], np.ndarray]:
        """The function that reads a file as all files of the folder are read: one number of channels, one white."""
        return functools.partial(load_image, channels=self.channels, dtype=self.dtype, white=self.white)


def scan_image_folder(
    root: Any,
    skip_broken: bool = False,
    need_train: bool = True,
    color: str = "auto",
    normal_dirs: Sequence[str] = (),
    abnormal_dirs: Sequence[str] = (),
    flat: bool | None = None,
) -> ImageFolder:
    """Read a folder of images once, decode every file, and say what is there.

    Folders that are linked are read too. What is hidden is not.

    Args:
        root: a flat folder (every image in it, or below it, is normal), one in MVTec-AD's layout, or one whose folders
            are named below.
        skip_broken: leave out files that can't be decoded instead of raising.
        need_train: whether a folder without normal images is refused; for scoring it need not have any.
        color: "rgb", "grey", or "auto": RGB if any image is.
        normal_dirs: folders in `root` whose images are normal; by default all that are not abnormal.
        abnormal_dirs: folders in `root` whose images are anomalous; each is a kind of its own.
        flat: True takes all images below the folder to be normal, whatever its layout. None believes it of a folder of
            no layout, unless a name in it speaks against it, such as "bad" or "test"; False refuses several folders.

    Raises:
        FileNotFoundError: if the folder does not exist.
        ValueError: for no images, no normal images, folders of which it is not known what they hold, a file that can't
            be decoded, test images of more bits a pixel than the normal ones; with `need_train` and a folder of masks,
            an anomalous test image without one, or one of another size.
    """
    root = pathlib.Path(root)
    if color not in COLORS:
        raise ValueError(f"Expected the color to be one of {COLORS}. Received: {color!r}.")
    if not root.is_dir():
        raise FileNotFoundError(f"Expected a folder of images. Received: {root}, which is not a folder.")
    layout = find_layout(root, need_train, normal_dirs, abnormal_dirs, flat)
    facts, broken = _facts([*layout.train, *(path for path, _, _ in layout.test)], skip_broken)
    train = tuple(path for path in layout.train if path in facts)
    tested = [found for found in layout.test if found[0] in facts]
    if not (train if need_train else facts):
        raise ValueError(f"Expected normal images in {root}. Received: only files that can't be read.")
    labels = np.array([kind != "good" for _, kind, _ in tested], "int64")
    has_masks = need_train and bool(tested) and (root / "ground_truth").is_dir()  # scoring has no use for them
    masks, remarks = _masks(root, tested, facts) if has_masks else (None, [])
    dtype, white = _depth(train, facts) if need_train else ("uint8", 255)
    channels = {"rgb": 3, "grey": 1}.get(color) or max(fact.channels for fact in facts.values())
    on_pixels = [*on_colors(facts, channels, color), *on_depth(facts, white)] if need_train else []
    return ImageFolder(
        root=root,
        train=train,
        test=tuple(path for path, _, _ in tested),
        labels=labels,
        channels=channels,
        skipped=broken,
        fingerprint=_fingerprint(root, facts, masks or ()),
        masks=masks,
        kinds=tuple(kind for _, kind, _ in tested),
        dtype=dtype,
        white=white,
        remarks=(*layout.remarks, *on_pixels, *on_files(facts), *remarks, *_on_broken(broken)),
        facts=facts,
    )


def gather_images(sources: Sequence[Any], skip_broken: bool = False) -> ImageFolder:
    """Images to score from here and there, as `train` of an `ImageFolder`; its root is the folder that they share.

    Args:
        sources: image files, folders, patterns such as "day*/*.png", and text files with one of these a line.
        skip_broken: as in `scan_image_folder`.

    Raises:
        FileNotFoundError: for a path where nothing is, or a pattern that nothing fits.
        ValueError: for no images, or one that can't be decoded.
    """
    paths = list(dict.fromkeys(path for source in sources for path in named_images(str(source))))
    if not paths:
        raise ValueError(f"Expected images. Received: {', '.join(map(str, sources))}, which name none.")
    facts, broken = _facts(paths, skip_broken)
    if not facts:
        raise ValueError("Expected images. Received: only files that can't be read.")
    root = pathlib.Path(os.path.commonpath([path.parent for path in paths]))
    return ImageFolder(
        root=root,
        train=tuple(facts),
        test=(),
        labels=np.zeros(0, "int64"),
        channels=max(fact.channels for fact in facts.values()),
        skipped=broken,
        fingerprint=_fingerprint(root, facts, ()),
        remarks=(*on_files(facts), *_on_broken(broken)),
        facts=facts,
    )


def _facts(paths: list[pathlib.Path], skip_broken: bool) -> tuple[dict[pathlib.Path, Facts], tuple[pathlib.Path, ...]]:
    """What each image is that can be decoded, and the files that can't be."""
    with ThreadPoolExecutor(THREADS) as pool:
        facts = dict(zip(paths, pool.map(inspect_image, paths), strict=True))
    broken = tuple(path for path, fact in facts.items() if fact.problem)
    if broken and not skip_broken:
        more = f" (and {len(broken) - 1} more)" if len(broken) > 1 else ""
        raise ValueError(f"{facts[broken[0]].problem}{more}; --skip-broken leaves such files out.")
    return {path: fact for path, fact in facts.items() if not fact.problem}, broken


def _on_broken(broken: Sequence[pathlib.Path]) -> list[str]:
    return [f"Left out {counted(len(broken), 'image files')} that can't be read: {some(broken)}."] if broken else []


def _depth(train: Sequence[pathlib.Path], facts: dict[pathlib.Path, Facts]) -> tuple[str, int]:
    """The dtype of raw images, and the value of white, by the normal images alone.

    Raises:
        ValueError: for a test image of more bits a pixel where no normal one has so many.
    """
    peaks = [peak for path in train if (peak := facts[path].peak) is not None]
    if peaks:
        return "uint16", white_of(max(peaks))
    check_depth(facts, "uint8")
    return "uint8", 255


def check_depth(facts: dict[pathlib.Path, Facts], dtype: str) -> None:
    """Refuse images of more than 8 bits where those that were trained on have 8: nobody knows their white.

    Raises:
        ValueError: naming the first one.
    """
    deep = [path for path, fact in facts.items() if fact.peak is not None]
    if deep and dtype == "uint8":
        more = f" (and {len(deep) - 1} more)" if len(deep) > 1 else ""
        raise ValueError(
            f"Expected images of 8 bits a pixel, as those that are trained on have. Received: {deep[0]}{more}, of 16 "
            f"bits with values up to {facts[deep[0]].peak:,}; convert all to one kind."
        )


def _fingerprint(root: pathlib.Path, facts: dict[pathlib.Path, Facts], masks: Sequence[pathlib.Path | None]) -> str:
    """SHA-256 over the names and contents of images, and the contents of masks."""
    digest = hashlib.sha256()
    for path, fact in facts.items():
        digest.update(os.fsencode(path.relative_to(root).as_posix()) + f"\0{fact.content}\n".encode())
    for mask in masks:
        digest.update(b"" if mask is None else hashlib.sha256(mask.read_bytes()).digest())
    return digest.hexdigest()


def _masks(
    root: pathlib.Path, tested: Tested, facts: dict[pathlib.Path, Facts]
) -> tuple[tuple[pathlib.Path | None, ...], list[str]]:
    """The mask of each test image, None for a normal one, and remarks on them."""
    found: list[pathlib.Path | None] = []
    empty: list[pathlib.Path] = []
    dim: list[pathlib.Path] = []
    there: dict[pathlib.Path, list[pathlib.Path]] = {}
    for path, kind, inner in tested:
        if kind == "good":
            found.append(None)
            continue
        named = root / "ground_truth" / kind / inner
        if named.parent not in there:
            there[named.parent] = files_below(named.parent) if named.parent.is_dir() else []
        mask = _mask_of(path, named, there[named.parent])
        marked, peak = read_mask(mask)
        sizes = [f"{size[1]} x {size[0]}" for size in (facts[path].size, marked.shape)]
        if sizes[0] != sizes[1]:
            turned = ", after its EXIF orientation has turned it" if facts[path].turned else ""
            raise ValueError(
                f"Expected a mask of {sizes[0]} pixels for {path}{turned}. Received: {mask}, {sizes[1]} pixels."
            )
        found.append(mask)
        empty += [] if marked.any() else [mask]
        dim += [mask] if marked.any() and 1 < peak < 128 else []
    remarks = []
    if empty:
        remarks.append(f"Masks that mark nothing, whose images count in no figure of pixels: {_counted(empty)}.")
    if dim:
        remarks.append(f"Masks without a pixel above mid-grey, of which all but black is marked: {_counted(dim)}.")
    return tuple(found), remarks


def _counted(paths: Sequence[pathlib.Path]) -> str:
    return f"{len(paths):,}, {some(paths)}"


def _mask_of(path: pathlib.Path, named: pathlib.Path, there: list[pathlib.Path]) -> pathlib.Path:
    """The mask of a test image among files, PNG before others; `named` is where one of its very name would lie."""
    stems = (f"{named.stem}_mask", named.stem)
    fitting = [
        p for p in there if p.stem in stems and p.parent == named.parent and p.suffix.lower() in image_suffixes()
    ]
    mask = min(fitting, key=lambda p: (stems.index(p.stem), p.suffix.lower() != ".png"), default=None)
    if mask is None:
        wanted = named.with_name(f"{named.stem}_mask.png")
        raise ValueError(f"Expected a mask {wanted} for {path}. Received: none; ground_truth has to be complete.")
    return mask


def load_masks(masks: Sequence[pathlib.Path | None], size: tuple[int, int], pad: bool = False) -> np.ndarray:
    """Mask files as bool (n, height, width): True where a pixel is anomalous.

    A mask is cut at mid-grey (see `read_mask`) and shrunk to `size`. A pixel counts as anomalous when at least half of
    its area is. Of a defect so small that no such pixel is left, every pixel counts that it touches. A mask without
    anything brighter than mid-grey marks nothing.

    Args:
        masks: files, bright where the image is anomalous; None stands for a mask without anomalous pixels.
        size: (height, width) of the result.
        pad: a mask keeps its shape in the middle of it; default: one of another shape is squeezed.

    Raises:
        ValueError: for a file that can't be decoded.
    """
    from PIL import Image

    shrunk = np.zeros((len(masks), *size), bool)
    for i, path in enumerate(masks):
        if path is not None and (marked := read_mask(path)[0]).any():
            height, width = content_size(marked.shape[0], marked.shape[1], size) if pad else size
            top, left = (size[0] - height) // 2, (size[1] - width) // 2
            image = Image.fromarray(marked.astype("float32"))
            share = np.asarray(image.resize((width, height), Image.Resampling.BOX))
            half = share >= 0.5
            shrunk[i, top : top + height, left : left + width] = half if half.any() else share > 0.0
    return shrunk


class ImageRows:
    """Image files as rows: `rows[indices]` decodes, preprocesses and stacks those images, float32 (n, h, w, C).

    Some are decoded at a time, by a thread each, and those of one size are preprocessed in one call: a call costs
    twenty times as much as to decode an image of 64 x 64 pixels. So many are held as fit into 16 MiB.

    Args:
        paths: image files.
        preprocess: function from raw images of one size, (n, H, W, C), to float32 (n, h, w, C), each by itself: the
            very one that the served model applies.
        cache_bytes: preprocessed images are kept in memory until they take up this much.
        load: function from a file to a raw image (H, W, C), such as `ImageFolder.load`.
    """

    def __init__(
        self,
        paths: Sequence[pathlib.Path],
        preprocess: Callable[[np.ndarray], Any],
        cache_bytes: int = 2**28,
        load: Callable[[pathlib.Path], np.ndarray] = load_image,
    ) -> None:
        self.paths = tuple(paths)
        self.preprocess = preprocess
        self.cache_bytes = cache_bytes
        self.load = load
        self._cache: dict[int, np.ndarray] = {}
        self._at_once = 1  # images that are read together, until one has told its size

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, indices: Any) -> np.ndarray:
        numbers = [int(i) for i in np.asarray(indices)]
        found = {i: self._cache[i] for i in numbers if i in self._cache}
        missing = [i for i in dict.fromkeys(numbers) if i not in found]
        while missing:
            taken, missing = missing[: self._at_once], missing[self._at_once :]
            raw = self._loaded(taken)
            found |= self._preprocessed(raw)
            self._at_once = max(1, MOST_AT_ONCE // max(image.nbytes for image in raw.values()))
        return np.stack([found[i] for i in numbers])

    def take(self, indices: Any) -> ImageRows:
        """The rows at `indices`, as rows of their own."""
        return ImageRows([self.paths[int(i)] for i in indices], self.preprocess, self.cache_bytes, self.load)

    def _loaded(self, numbers: list[int]) -> dict[int, np.ndarray]:
        """The raw images with these numbers."""
        paths = [self.paths[i] for i in numbers]
        if len(paths) == 1:
            return {numbers[0]: self.load(paths[0])}
        with ThreadPoolExecutor(THREADS) as pool:
            return dict(zip(numbers, pool.map(self.load, paths), strict=True))

    def _preprocessed(self, raw: dict[int, np.ndarray]) -> dict[int, np.ndarray]:
        """Rows of raw images, which are kept while there is room."""
        alike: dict[tuple[int, ...], list[int]] = {}
        for i, image in raw.items():
            alike.setdefault(image.shape, []).append(i)
        found = {}
        for numbers in alike.values():
            rows = np.asarray(self.preprocess(np.stack([raw[i] for i in numbers])))
            for i, row in zip(numbers, rows, strict=True):
                found[i] = row
                if (len(self._cache) + 1) * row.nbytes <= self.cache_bytes:
                    self._cache[i] = row.copy()  # not the whole batch that it is part of
        return found
