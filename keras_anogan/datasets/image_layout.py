"""Which images of a folder are normal, which are anomalous, and which are not used, before any of them is opened."""

from __future__ import annotations

import collections
import dataclasses
import glob
import itertools
import os
import pathlib
import re
from collections.abc import Iterable, Sequence

from keras_anogan.datasets.image_files import image_suffixes

# Words in the names of folders whose images hardly are normal ones to train on.
SUSPECT = re.compile(
    r"abnormals?|annotations?|anomal(y|ies|ous)|bad|broken|damaged?|defect(s|ive)?|defekte?|fail(ed)?|fault(s|y)?|fehler|"
    r"gt|groundtruth|ko|masks?|ng|nio|nok|outliers?|reject(s|ed)?|scrap|test"
)
SUSPECT_PAIRS = frozenset({("ground", "truth"), ("not", "ok"), ("not", "good"), ("no", "good")})
GOOD = frozenset({"good", "normal", "ok", "gut", "io"})  # words in the names of folders of normal ones
LISTS = (".txt", ".lst")  # of files that name images
NOT_TOLD = frozenset({"thumbs.db", "desktop.ini"})  # what systems leave in every folder


@dataclasses.dataclass(frozen=True)
class Layout:
    """Image files by what they are.

    Attributes:
        train: normal images.
        test: images to test on: (file, its kind, its path below the folder of its kind).
        remarks: what was left out or taken for granted, one sentence each.
    """

    train: list[pathlib.Path]
    test: list[tuple[pathlib.Path, str, pathlib.PurePath]]
    remarks: list[str]


def find_layout(
    root: pathlib.Path,
    need_train: bool,
    normal_dirs: Sequence[str],
    abnormal_dirs: Sequence[str],
    flat: bool | None,
) -> Layout:
    """What a folder holds; see `scan_image_folder` for its arguments and errors."""
    files = files_below(root)
    images = [path for path in files if path.suffix.lower() in image_suffixes()]
    if not images:
        raise ValueError(f"Expected images (PNG, JPEG, TIFF and what else Pillow reads) in {root}. Received: none.")
    by_folder = _by_folder(root, images)
    if normal_dirs or abnormal_dirs:
        found = _named(root, images, by_folder, normal_dirs, abnormal_dirs, flat)
    elif not flat and ((root / "train" / "good").is_dir() or ((root / "test").is_dir() and not need_train)):
        found = _mvtec(root, images)
    else:
        found = Layout(images, [], _guard(root, images, by_folder, flat) if need_train else [])
    if not found.train and need_train:
        where = root / "train" / "good" if (root / "train" / "good").is_dir() else root
        raise ValueError(f"Expected normal images in {where}. Received: none.")
    return dataclasses.replace(found, remarks=[*found.remarks, *_left_out(root, files, images, found)])


def files_below(folder: pathlib.Path) -> list[pathlib.Path]:
    """The files below a folder, sorted, those of linked folders too; nothing that is hidden, and no folder twice.

    Raises:
        ValueError: for a folder that can't be opened.
    """
    found: list[pathlib.Path] = []
    seen: set[tuple[int, int]] = set()
    waiting: list[pathlib.Path] = [folder]
    linked: list[pathlib.Path] = []
    while waiting:
        here = waiting.pop(0)
        try:
            status = here.stat()
            entries = [] if (status.st_dev, status.st_ino) in seen else list(here.iterdir())
        except OSError as error:
            raise ValueError(f"Could not open the folder {here} ({error.strerror}).") from error
        seen.add((status.st_dev, status.st_ino))
        for entry in sorted(entry for entry in entries if not entry.name.startswith(".")):
            if not entry.is_dir():
                found.append(entry)
            else:
                (linked if entry.is_symlink() else waiting).append(entry)
        if not waiting:  # links last: a folder that is here and linked too has its own name
            waiting, linked = linked, []
    return sorted(found)


def named_images(source: str, lists: bool = True) -> list[pathlib.Path]:
    """The image files, absolute, that a path names: a file, a folder, a pattern, or a text file of these, a line each.

    Raises:
        FileNotFoundError: where nothing is, or nothing fits the pattern.
        ValueError: for a text file that can't be read, or, without `lists`, for any.
    """
    path = pathlib.Path(os.path.abspath(source))
    if path.is_dir():
        return [file for file in files_below(path) if file.suffix.lower() in image_suffixes()]
    if path.is_file() and path.suffix.lower() in LISTS:
        if not lists:
            raise ValueError(f"Expected images, folders and patterns in a list. Received: {path}, a list too.")
        return [file for line in _lines(path) for file in named_images(line, lists=False)]
    if path.is_file():
        return [path]
    fitting = sorted(glob.glob(str(path), recursive=True)) if glob.has_magic(source) else []
    if not fitting:
        what = "nothing fits this pattern" if glob.has_magic(source) else "nothing is there"
        raise FileNotFoundError(
            f"Expected images, a folder, a pattern or a list of images. Received: {source}; {what}."
        )
    return [file for name in fitting for file in named_images(name, lists)]


def _lines(path: pathlib.Path) -> list[str]:
    """The paths in a text file: as they stand there, or beside the file where nothing is at that place."""
    try:
        lines = [line.strip() for line in path.read_text(encoding="utf-8-sig").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        why = "is no UTF-8 text" if isinstance(error, ValueError) else "can't be read"
        raise ValueError(f"Expected a text file with one path a line. Received: {path}, which {why}.") from error
    named = [line for line in lines if line and not line.startswith("#")]
    return [line if glob.has_magic(line) or os.path.exists(line) else str(path.parent / line) for line in named]


def _by_folder(root: pathlib.Path, images: Iterable[pathlib.Path]) -> dict[str, int]:
    """How many images lie in each folder, by its path below the root; "" is the root itself."""
    count = collections.Counter(path.relative_to(root).parent.as_posix() for path in images)
    return {"" if name == "." else name: number for name, number in count.items()}


def _mvtec(root: pathlib.Path, images: list[pathlib.Path]) -> Layout:
    train, test = [], []
    for path in images:
        parts = path.relative_to(root).parts
        if parts[:2] == ("train", "good"):
            train.append(path)
        elif parts[0] == "test" and len(parts) == 2:
            raise ValueError(
                f"Expected test images in test/good or test/<defect>. Received: {path}, of which nobody knows "
                "whether it is normal."
            )
        elif parts[0] == "test":
            test.append((path, parts[1], pathlib.PurePath(*parts[2:])))
    return Layout(train, test, [])


def _named(
    root: pathlib.Path,
    images: list[pathlib.Path],
    by_folder: dict[str, int],
    normal_dirs: Sequence[str],
    abnormal_dirs: Sequence[str],
    flat: bool | None,
) -> Layout:
    """The layout that the user tells; without a normal folder, all that is not abnormal is."""
    normal, abnormal = ([_inside(root, name, by_folder) for name in names] for names in (normal_dirs, abnormal_dirs))
    train: list[pathlib.Path] = []
    test: list[tuple[pathlib.Path, str, pathlib.PurePath]] = []
    for path in images:
        inner = path.relative_to(root)
        kind = next((name for name in abnormal if inner.is_relative_to(name)), None)
        if kind is not None:
            name = kind.as_posix()  # "good" is what normal test images are called
            test.append((path, f"abnormal {name}" if name == "good" else name, inner.relative_to(kind)))
        elif any(inner.is_relative_to(name) for name in normal) or (not normal and inner.parts[0] != "ground_truth"):
            train.append(path)
    remarks = [] if normal else _guard(root, train, _by_folder(root, train), flat)
    used = {path.relative_to(root).parent.as_posix() for path in train}
    idle = next((name for name in by_folder if name and name not in used), None)
    if not abnormal and idle is not None:
        remarks.append(f"What it finds is measured where anomalous images are named, such as --abnormal-dir {idle}.")
    return Layout(train, test, remarks)


def _inside(root: pathlib.Path, name: str, by_folder: dict[str, int]) -> pathlib.PurePath:
    """The folder of that name, as a path below the root."""
    inner = pathlib.PurePath(pathlib.PurePath(name).as_posix().removeprefix(f"{root.as_posix()}/"))
    if not any(pathlib.PurePath(folder).is_relative_to(inner) for folder in by_folder) or ".." in inner.parts:
        raise ValueError(f"Expected a folder in {root} that holds images: {_list(by_folder)}. Received: {name}.")
    return inner


def _guard(root: pathlib.Path, images: list[pathlib.Path], by_folder: dict[str, int], flat: bool | None) -> list[str]:
    """Refuse sub-folders that hardly hold normal images, or say that all were taken for normal."""
    below = {name: count for name, count in by_folder.items() if name}
    if flat or not below:
        return []
    suspects = [name for name in below if any(is_suspect(part) for part in pathlib.PurePath(name).parts)]
    if suspects or (flat is False and len(by_folder) > 1):
        what = suspects[0] if suspects else next(iter(below))
        normal = next((name for name in below if is_good(name)), None)
        normal = normal or next((name for name in below if name not in suspects), "NAME")
        other = next((name for name in [what, *below] if name != normal), None)
        words = f"{_quoted(normal)} or --abnormal-dir {_quoted(what)}"
        words = words if other is None else f"{_quoted(normal)} --abnormal-dir {_quoted(other)}"
        raise ValueError(
            f"Expected images of which it is known that they are normal. Received: {root} with the folders "
            f"{_list(by_folder)}; say --normal-dir {words}, one option for each folder, "
            "or --flat if all of it is normal, or lay it out as train/good, test/good and test/<defect>."
        )
    return [f"All images below {root} are taken to be normal: {_list(by_folder)}."] if len(by_folder) > 1 else []


def is_good(folder: str) -> bool:
    """Whether a folder's name says that its images are normal."""
    return bool(set(re.findall(r"[a-z]+", folder.lower())) & GOOD) and not is_suspect(folder)


def is_suspect(folder: str) -> bool:
    """Whether a folder's name says that its images are anomalous, to be tested on, or masks."""
    words = re.findall(r"[a-z]+", folder.lower())
    return any(map(SUSPECT.fullmatch, words)) or not SUSPECT_PAIRS.isdisjoint(itertools.pairwise(words))


def _left_out(root: pathlib.Path, files: list[pathlib.Path], images: list[pathlib.Path], found: Layout) -> list[str]:
    """Remarks on images that are not used, and on files that are no images by their names."""
    used = {*found.train, *(path for path, _, _ in found.test)}
    unused = [p for p in images if p not in used and p.relative_to(root).parts[0] != "ground_truth"]
    remarks = [f"Images that are not used: {_list(_by_folder(root, unused))}."] if unused else []
    known = set(images)
    others = [path for path in files if path not in known and path.name.lower() not in NOT_TOLD]
    if others:
        kinds = collections.Counter(path.suffix.lower() or "no suffix" for path in others)
        told = ", ".join(f"{count:,} {kind}" for kind, count in kinds.most_common(5))
        remarks.append(f"Files that are no images by their names are left out: {told}, such as {others[0]}.")
    return remarks


def _list(by_folder: dict[str, int], most: int = 6) -> str:
    told = [f"{name or '.'} ({count:,})" for name, count in list(by_folder.items())[:most]]
    return ", ".join(told) + (f" and {len(by_folder) - most} more" if len(by_folder) > most else "")


def _quoted(name: str) -> str:
    return f'"{name}"' if " " in name else name
