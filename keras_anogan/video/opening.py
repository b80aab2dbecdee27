"""From files and folders to footage, and from footage to a prepared store."""

from __future__ import annotations

import hashlib
import math
import os
import pathlib
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from keras_anogan.datasets.image_files import image_suffixes
from keras_anogan.files import lies_in, read_json, write_json
from keras_anogan.video.files import VIDEO_SUFFIXES, VideoFile
from keras_anogan.video.footage import Footage, contents_of
from keras_anogan.video.order import order_remarks
from keras_anogan.video.recordings import ArrayRecording, Fitted, FrameFolder, natural_order
from keras_anogan.video.store import STORE, is_store, open_store, write_recording
from keras_anogan.words import counted

SMALL = 32  # pixels of a side below which a remark is made
RATIO = 1.1  # of width to height before and after, above which a remark is made


def _source_contents(recording: Any) -> str:
    """What tells a recording's source from another with its name and length.

    Of a video file it is the file's size and its first MiB, so that nothing has to be decoded; of others `contents_of`.
    """
    if not isinstance(recording, VideoFile):
        return contents_of(recording)
    with open(recording.path, "rb") as file:
        digest = hashlib.sha256(file.read(1 << 20))
    return f"{recording.path.stat().st_size} {digest.hexdigest()}"


def open_footage(source: Any, size: tuple[int, int] | None = None, grey: bool | None = None, every: int = 1) -> Footage:
    """Footage of a store, of days on disk, or of arrays.

    Args:
        source: one of

            - a path: a store that `prepare` wrote, a folder of days, or one day;
            - a list of paths, each of which is a day: a folder, a file or a store;
            - frames, uint8 (n, H, W[, C]); or a list of such arrays, or a dict of them by name, each a day of its own.

            A day's folder holds video files, .npy files, or image files, which are one recording. It may also hold
            folders of these, one recording each; such a day has to stand in a list, or it would be a folder of days.
            Video is turned as its files say. Times that are missing in a file are a gap: see `video.clock.holes`.
        size: (height, width) to resize frames to; None leaves them. Not for a store, and arrays are taken as they are.
        grey: True for one channel, False for three; None for what is there. Not for a store or arrays either.
        every: take every so many frames; neither for a store nor for arrays.

    Raises:
        FileNotFoundError, ValueError: one sentence on what is wrong with the source.
        ImportError: for video files without PyAV.
    """
    if every < 1:
        raise ValueError(f"Expected every >= 1. Received: every={every!r}.")
    if isinstance(source, Footage):
        return source
    if hasattr(source, "shape"):
        return Footage([ArrayRecording(source)])
    if isinstance(source, dict):
        return Footage([ArrayRecording(frames, day=str(name)) for name, frames in source.items()])
    if isinstance(source, (list, tuple)) and source and hasattr(source[0], "shape"):
        return Footage([ArrayRecording(frames, day=str(i)) for i, frames in enumerate(source)])
    single = isinstance(source, (str, os.PathLike))
    paths = [pathlib.Path(day) for day in ([source] if single else source)]
    for path in paths:
        if not path.exists():
            raise FileNotFoundError(f"Expected footage in {path}. Received: nothing is there.")
        if any((path / part / "good").is_dir() for part in ("train", "test")):
            raise ValueError(
                f"Expected footage. Received: {path}, a folder of photographs with train/good or test/good."
            )
    if single and paths[0].is_dir() and not is_store(paths[0]):
        paths = _days_in(paths[0])
    recordings, thinned = [], set()
    for path in paths:
        if is_store(path):
            if size is not None or grey is not None or every != 1:
                raise ValueError(
                    f"Expected no size, grey or every for a prepared store. Received: some for {path}; prepare again."
                )
            store = open_store(path)
            found, thinning = list(store.recordings), store.every
        else:
            found, thinning = _recordings(path, size, grey, every), every
        if not found:
            what = f"{', '.join(VIDEO_SUFFIXES[:3])}, .npy or image files"
            raise ValueError(f"Expected {what} in {path}. Received: none.")
        recordings += found
        thinned.add(thinning)
    if len(thinned) > 1:
        raise ValueError(f"Expected footage with one `every`. Received: {sorted(thinned)}.")
    return Footage(recordings, thinned.pop() if thinned else 1)


def _days_in(folder: pathlib.Path) -> list[pathlib.Path]:
    """Folders of days in a folder, or the folder itself, a day."""
    own = _sources(folder, deep=False)
    days = [path for path in _listed(folder) if path.is_dir() and _sources(path, deep=True)]
    if own and days:
        raise ValueError(
            f"Expected either recordings or folders of days in {folder}. Received: both, such as {days[0].name}/ and "
            f"{own[0][1]}; move one of them away, or give the days one by one."
        )
    return days or [folder]


def _recordings(day: pathlib.Path, size: Any, grey: bool | None, every: int) -> list[Any]:
    sources = [(day, day.stem)] if day.is_file() else _sources(day, deep=True)
    name = day.resolve().name if day.is_dir() else day.stem
    return [_recording(path, name, called, size, grey, every) for path, called in sources]


def _recording(path: Any, day: str, name: str, size: Any, grey: bool | None, every: int) -> Any:
    if isinstance(path, list):
        return FrameFolder(path, day, name, size, grey, every)
    if path.suffix.lower() in VIDEO_SUFFIXES:
        return VideoFile(path, day, name, size, grey, every)
    if path.suffix.lower() != ".npy":
        raise ValueError(f"Expected a video, an .npy file or a folder of frames. Received: {path}.")
    try:
        frames = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, OSError, EOFError) as error:
        raise ValueError(f"Could not read the array {path}: it is no whole .npy file of numbers.") from error
    recording = ArrayRecording(frames[::every], day, name)
    wanted = (*(size or recording.frame_shape[:2]), recording.frame_shape[2] if grey is None else 1 if grey else 3)
    return recording if wanted == recording.frame_shape else Fitted(recording, size, grey)


def _sources(day: pathlib.Path, deep: bool) -> list[tuple[Any, str]]:
    """(file, or list of frames; name) of each recording in a day's folder; `deep` looks into folders of frames too."""
    files = [path for path in _listed(day) if path.is_file()]
    found: list[tuple[Any, str]] = [
        (path, path.stem) for path in files if path.suffix.lower() in (*VIDEO_SUFFIXES, ".npy")
    ]
    if frames := [path for path in files if path.suffix.lower() in image_suffixes()]:
        found.append((frames, day.name))
    if deep:
        for folder in (path for path in _listed(day) if path.is_dir()):
            frames = [path for path in _listed(folder) if path.suffix.lower() in image_suffixes()]
            found += [(frames, folder.name)] if frames else []
            found += [
                (path, f"{folder.name}_{path.stem}")
                for path in _listed(folder)
                if path.is_file() and path.suffix.lower() in (*VIDEO_SUFFIXES, ".npy")
            ]
    return found


def _listed(folder: pathlib.Path) -> list[pathlib.Path]:
    return sorted((path for path in folder.iterdir() if not path.name.startswith(".")), key=natural_order)


def _check_store(out: pathlib.Path, asked: dict[str, Any]) -> None:
    """Refuse recordings that can't be files of a store, and a folder that holds something else than this store.

    Raises:
        ValueError: one sentence on what is in the way.
    """
    names = [(day, name) for day, name, _ in asked["recordings"]]
    if twice := [name for name in names if names.count(name) > 1]:
        raise ValueError(f"Expected recordings of different names in a day. Received: two of {'/'.join(twice[0])}.")
    for name in {part for pair in names for part in pair}:
        if name in ("", ".", "..") or "/" in name or os.sep in name:
            raise ValueError(f"Expected days and recordings that can name a file. Received: {name!r}.")
    unfinished = out / f".{STORE}"
    for path in (out / STORE, unfinished):
        if path.exists() and read_json(path).get("version") != asked["version"]:
            raise ValueError(
                f"{out} was prepared by an earlier version, which kept no times and turned no video; choose another "
                "folder."
            )
        if path.exists() and read_json(path) != asked:
            raise ValueError(f"{out} was prepared from other footage, or otherwise; choose another folder.")
    if out.exists() and not out.is_dir():
        raise ValueError(f"Expected a folder for the store. Received: {out}, which is a file.")
    if out.is_dir() and any(out.iterdir()) and not (unfinished.exists() or (out / STORE).exists()):
        raise ValueError(f"Expected a new or empty folder for the store. Received: {out}, which holds other files.")


def size_remarks(footage: Footage) -> tuple[str, ...]:
    """What should be known of the size of frames, one sentence each: if it is small, or unlike that of their source."""
    height, width = footage.frame_shape[:2]
    sources = {tuple(recording.source_size) for recording in footage.recordings}
    remarks = []
    if min(height, width) < SMALL:
        remarks.append(f"Frames of {width} x {height} pixels show little: a side has less than {SMALL}.")
    if any(height > own[0] or width > own[1] for own in sources):
        own = min(sources)
        remarks.append(
            f"Frames are enlarged from {own[1]} x {own[0]} to {width} x {height} pixels, which shows nothing more."
        )
    change, own = max((_change(own, (height, width)), own) for own in sources)
    if change > RATIO:
        better = _fitting(own, height * width)
        remarks.append(
            f"Frames of {own[1]} x {own[0]} pixels are pressed into {width} x {height}: their ratio of width to height "
            f"changes by {change - 1.0:.0%}{better and f'; --size {better} would keep it'}."
        )
    return tuple(remarks)


def _change(one: Sequence[int], other: Sequence[int]) -> float:
    """Of the ratio of width to height from one (height, width) to another: 1.1 for ten per cent either way."""
    quotient = one[1] * other[0] / (one[0] * other[1])
    return max(quotient, 1.0 / quotient)


def _fitting(own: Sequence[int], area: int) -> str:
    """The size that is nearest in area, sides divisible by 32 as C-VGAN takes them, if one has nearly this ratio."""
    found = []
    for height in range(32, own[0] + 1, 32):
        size = height, round(height * own[1] / own[0] / 32) * 32
        if size[1] and _change(own, size) <= RATIO:
            found.append((abs(math.log(height * size[1] / area)), f"{size[1]}x{height}"))
    return min(found, default=(0.0, ""))[1]


def prepare(
    source: Any,
    out: Any,
    size: tuple[int, int] | None = None,
    grey: bool | None = None,
    every: int = 1,
    say: Callable[[str], None] = lambda line: None,
) -> Footage:
    """Convert footage once to a store in which any frame is read at once, without decoding.

    Call it again after an interruption: recordings that are done are not converted again. In the folder,
    `<day>/<recording>.frames` holds frames as bytes, `.seconds` their times, and the .json file beside it their shape,
    gaps and corrupt frames; `footage.json` comes last and says what the store was made of.

    Args:
        source, size, grey, every: as in `open_footage`.
        out: folder outside the source; new, empty, or begun by the same call.
        say: takes one line of news at a time, also what `size_remarks` and `order_remarks` say.

    Returns:
        The prepared footage.

    Raises:
        FileNotFoundError, ValueError: one sentence on what is wrong with the source or the folder.
    """
    out = pathlib.Path(out)
    for path in source if isinstance(source, (list, tuple)) else [source]:
        if isinstance(path, (str, os.PathLike)) and lies_in(out, path):
            raise ValueError(f"Expected a store outside the data. Received: {out} in {path}.")
    footage = open_footage(source, size, grey, every)
    asked = {
        "version": 2,  # 1: without times and sizes of the source, video as it lies in its file
        "frame_shape": list(footage.frame_shape),
        "every": every,
        "recordings": [[recording.day, recording.name, len(recording)] for recording in footage.recordings],
        "contents": [_source_contents(recording) for recording in footage.recordings],
    }
    _check_store(out, asked)
    for remark in (*size_remarks(footage), *order_remarks(footage)):
        say(remark)
    unfinished = out / f".{STORE}"
    out.mkdir(parents=True, exist_ok=True)
    if not (out / STORE).exists():
        write_json(unfinished, asked)
        for recording in footage.recordings:
            target = out / recording.day / f"{recording.name}.json"
            if target.exists():
                say(f"{recording.day}/{recording.name}: done before.")
                continue
            begun = time.perf_counter()
            kept, corrupt = write_recording(recording, target)
            broken = f", {corrupt} that can't be read left out" if corrupt else ""
            frames, seconds = counted(kept, "frames"), time.perf_counter() - begun
            say(f"{recording.day}/{recording.name}: {frames}{broken}, {seconds:.1f} s.")
        os.replace(unfinished, out / STORE)
    return open_store(out)
