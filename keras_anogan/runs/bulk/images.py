"""Blocks of image files, on a disk or in object storage."""

from __future__ import annotations

import contextlib
import os
import pathlib
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from keras_anogan.datasets.image_files import Facts, image_suffixes, inspect_image
from keras_anogan.datasets.image_layout import named_images
from keras_anogan.datasets.image_remarks import on_new, on_shapes
from keras_anogan.runs.folder import Run
from keras_anogan.runs.inputs import Inputs, image_rows
from keras_anogan.serving.preprocessing import white_level

THREADS = 8  # files in object storage are waited for, not computed


def is_address(source: Any) -> bool:
    """Whether a source is in object storage, such as s3://bucket/photos."""
    return "://" in str(source)


def cut(run: Run, data: Sequence[str], size: int) -> list[tuple[int, dict[str, Any]]]:
    """(images, where they are) of each block; every image file below a folder counts, whatever the folders are called.

    Raises:
        FileNotFoundError, ValueError: for a source where nothing is, and for addresses beside paths.
    """
    if any(map(is_address, data)):
        if len(data) > 1:
            raise ValueError(f"Expected one address of object storage. Received: {len(data)} sources.")
        root, found = _listed(data[0])
    else:
        paths = dict.fromkeys(path for source in data for path in named_images(str(source)))
        root = os.path.commonpath([path.parent for path in paths]) if paths else ""
        found = sorted((path.relative_to(root).as_posix(), path.stat().st_size) for path in paths)
    if not found:
        raise ValueError(f"Expected images. Received: {', '.join(map(str, data))}, with none.")
    parts = [found[first : first + size] for first in range(0, len(found), size)]
    return [
        (
            len(part),
            {"root": str(root), "files": [name for name, _ in part], "bytes": sum(length for _, length in part)},
        )
        for part in parts
    ]


@contextlib.contextmanager
def opened(run: Run, place: dict[str, Any]) -> Iterator[tuple[Inputs, dict[str, str]]]:
    """The images of a block, and what of it can't be scored."""
    with _on_disk(place["root"], place["files"]) as folder:
        paths = [folder / name for name in place["files"]]
        with ThreadPoolExecutor() as pool:
            facts = dict(zip(paths, pool.map(inspect_image, paths), strict=True))
        fitted = run.fitted
        names = {path: path.relative_to(folder).as_posix() for path in paths}
        why = {path: _problem(fact, fitted.raw_dtype, folder, names[path]) for path, fact in facts.items()}
        good = {path: fact for path, fact in facts.items() if not why[path]}
        channels, white = fitted.detector.sample_shape[-1], white_level(fitted.preprocessing)
        remarks = on_new(good, channels, fitted.raw_dtype, white), on_shapes(good, run.metrics.get("ratios"))
        ids = {"id": [names[path] for path in good]}
        inputs = Inputs(image_rows(run, list(good)), ids, remarks=(*remarks[0], *remarks[1]))
        yield inputs, {names[path]: reason for path, reason in why.items() if reason}


def _problem(fact: Facts, dtype: str, folder: pathlib.Path, name: str) -> str:
    """Why an image can't be scored; "" where it can."""
    if fact.problem:
        return fact.problem.replace(f"{folder}{os.sep}", "")
    deep = fact.peak is not None and dtype == "uint8"
    return f"{name} has 16 bits a pixel; images that were trained on have 8" if deep else ""


# Object storage.


def _listed(address: str) -> tuple[str, list[tuple[str, int]]]:
    """An address, and (name below it, bytes) of each image file."""
    from pyarrow import fs

    system, path = _file_system(address)
    found = system.get_file_info(fs.FileSelector(path, recursive=True))
    suffixes = image_suffixes()
    files = [info for info in found if info.is_file and pathlib.PurePosixPath(info.path).suffix.lower() in suffixes]
    return address, sorted((info.path[len(path) :].lstrip("/"), info.size) for info in files)


def _file_system(address: str) -> tuple[Any, str]:
    from pyarrow import fs

    try:
        system, path = fs.FileSystem.from_uri(address)
        there = system.get_file_info(path)
    except (ValueError, OSError) as error:  # pyarrow's own errors are of these classes
        why = str(error).splitlines()[0].rstrip(".")
        raise ValueError(f"Could not open {address}: {why}.") from error
    if there.type != fs.FileType.Directory:
        raise FileNotFoundError(f"Expected a folder of images. Received: {address}; nothing is there.")
    return system, path


@contextlib.contextmanager
def _on_disk(root: str, files: Sequence[str]) -> Iterator[pathlib.Path]:
    """The folder in which the files lie: their own, or one for copies that goes when they are scored."""
    if not is_address(root):
        yield pathlib.Path(root)
        return
    system, path = _file_system(root)
    with tempfile.TemporaryDirectory() as folder:

        def fetch(name: str) -> None:
            target = pathlib.Path(folder, name)
            target.parent.mkdir(parents=True, exist_ok=True)
            with system.open_input_stream(f"{path}/{name}") as stream:
                target.write_bytes(stream.read())

        with ThreadPoolExecutor(THREADS) as pool:
            list(pool.map(fetch, files))
        yield pathlib.Path(folder)
