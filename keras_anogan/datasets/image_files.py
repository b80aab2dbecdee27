"""One image file: what it is, and its pixels as a viewer shows them.

A photograph is turned as its EXIF orientation says, and transparent parts are white. Pillow decodes, and reads from a
file's content which format it has, not from its name.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import io
import os
import pathlib
from typing import Any

import numpy as np

STUBS = {"BUFR", "EPS", "GRIB", "HDF5", "MPEG", "WMF"}  # Pillow knows the names of these, and needs other programs
ORIENTATION = 0x0112  # of EXIF
WHITES = tuple(2**bits - 1 for bits in (8, 10, 12, 14, 16))
MID_GREY = 128
THUMBNAIL = 16  # pixels a side
MOST_KEPT = 2**16  # files of which facts are kept, some hundred bytes each
LOSSY = ("JPEG", "MPO", "JPEG2000", "WEBP", "AVIF")


@functools.cache
def image_suffixes() -> frozenset[str]:
    """Suffixes of the files that Pillow reads, small, such as ".png"."""
    from PIL import Image

    Image.init()
    readable = set(Image.OPEN) - STUBS
    return frozenset(suffix for suffix, kind in Image.registered_extensions().items() if kind in readable)


@dataclasses.dataclass(frozen=True)
class Facts:
    """What one file is.

    Attributes:
        content: SHA-256 of the file.
        channels: 1 (grey) or 3 (RGB); 0 where it can't be used.
        size: (height, width), as a viewer shows it.
        peak: largest value of a file of more than 8 bits a pixel; None for 8 bits.
        pages: images in the file, of which the first is read.
        turned: whether its EXIF orientation turned it.
        clear: whether parts were transparent.
        cut: whether it has 16 bits a colour, of which Pillow reads the upper 8.
        level: whether it is RGB with three equal channels.
        format: Pillow's name of its format, such as "PNG".
        blank: whether all pixels are equal.
        palette: whether its pixels are numbers of colours that are not grey.
        thumbnail: its grey levels at 16 x 16 pixels, a byte each.
        problem: why it can't be used.
    """

    content: str
    channels: int = 0
    size: tuple[int, int] = (0, 0)
    peak: int | None = None
    pages: int = 1
    turned: bool = False
    clear: bool = False
    cut: bool = False
    level: bool = False
    blank: bool = False
    format: str = ""
    palette: bool = False
    thumbnail: bytes = b""
    problem: str = ""


def inspect_image(path: pathlib.Path) -> Facts:
    """The facts of one file, which is read and decoded; a file that can't be used has a `problem`.

    What is known of a file is kept: to look at a folder again costs no decoding.
    """
    try:
        stat = os.stat(path)
    except OSError:
        return _inspected.__wrapped__(path, ())  # not kept
    return _inspected(path, (stat.st_mtime_ns, stat.st_ctime_ns, stat.st_size, stat.st_ino))


@functools.lru_cache(maxsize=MOST_KEPT)
def _inspected(path: pathlib.Path, state: tuple[int, ...]) -> Facts:
    """The facts of a file in a state: when it was last changed, how long it is, and which one."""
    content = b""
    try:
        content = path.read_bytes()
        pixels, facts = _decode(path, content)
    except OSError as error:
        facts = {"problem": f"Could not open the image {path} ({error.strerror})"}
    except ValueError as error:
        facts = {"problem": str(error)}
    else:
        level = pixels.shape[-1] == 3 and bool((pixels == pixels[..., :1]).all())
        blank = bool((pixels == pixels[:1, :1]).all())
        facts |= {"channels": pixels.shape[-1], "size": pixels.shape[:2], "level": level, "blank": blank}
        facts["thumbnail"] = _thumbnail(pixels, facts["peak"])
    return Facts(hashlib.sha256(content).hexdigest(), **facts)


def _thumbnail(pixels: np.ndarray, peak: int | None) -> bytes:
    from PIL import Image

    grey = pixels if peak is None else np.round(pixels * (255.0 / white_of(peak))).astype("uint8")
    small = Image.fromarray(_with_channels(grey, 1)[..., 0]).resize((THUMBNAIL, THUMBNAIL), Image.Resampling.BOX)
    return small.tobytes()


def load_image(path: Any, channels: int | None = None, dtype: str = "uint8", white: int | None = None) -> np.ndarray:
    """An image file as (height, width, channels), as a viewer shows it.

    Args:
        path: the file.
        channels: 1 makes it grey, 3 RGB; None leaves what it is.
        dtype: "uint8": values 0 to 255; a file of more than 8 bits a pixel is scaled from 0 to `white`. "uint16":
            values 0 to `white`; a file of more than 8 bits keeps its own, and one of 8 bits is scaled.
        white: the value of white in files of more than 8 bits; default: what `white_of` says of this file alone.

    Raises:
        ValueError: if the file can't be decoded, holds floats (nobody can tell their range), or whole numbers below 0
            or above 65,535.
    """
    pixels, facts = _decode(path, pathlib.Path(path).read_bytes())
    deep = facts["peak"] is not None
    white = white_of(facts["peak"] or 0) if white is None else white
    if channels is not None:
        pixels = _with_channels(pixels, channels)
    if deep and dtype == "uint8":
        return np.round(np.minimum(pixels / white, 1.0) * 255).astype("uint8")
    if not deep and dtype == "uint16":
        return np.round(pixels * (white / 255)).astype("uint16")
    return pixels


def white_of(peak: int) -> int:
    """The largest value of the fewest bits, 8, 10, 12, 14 or 16, that hold a value: 3,000 needs 12, so 4,095 is white.

    Cameras of 12 bits write files of 16, and nothing in the file tells.
    """
    return next(white for white in WHITES if white >= peak)


def read_mask(path: pathlib.Path) -> tuple[np.ndarray, int]:
    """A mask file as bool (height, width), True where it marks, and its largest value, 0 to 255.

    It is cut at mid-grey: edges that are smoothed, or blurred by JPEG, then lie where they were drawn. A lossless file
    without anything so bright holds numbers of labels, such as 0 and 1, and everything but 0 marks. So do the colours
    of a palette.

    Raises:
        ValueError: if the file can't be decoded.
    """
    pixels, facts = _decode(path, path.read_bytes(), background=0)
    if facts["peak"] is not None:
        pixels = pixels if facts["peak"] < MID_GREY else np.round(pixels / white_of(facts["peak"]) * 255)
    values = pixels.max(axis=-1)
    peak = int(values.max())
    labels = facts["format"] not in LOSSY and (peak < MID_GREY or facts["palette"])
    return values > 0 if labels else values >= MID_GREY, peak


def _decode(path: Any, content: bytes, background: int = 255) -> tuple[np.ndarray, dict[str, Any]]:
    """The pixels of a file, uint8 or uint16 (height, width, 1 or 3), and some of its `Facts`.

    Args:
        path: for sentences.
        content: of the file.
        background: what lies behind transparent parts, 0 to 255.
    """
    from PIL import Image

    if not content:
        raise ValueError(f"Could not read the image {path}: it is empty")
    try:
        with Image.open(io.BytesIO(content)) as image:
            facts = {"format": image.format or "", "pages": _pages(image), "cut": _is_cut(image)}
            turn = _orientation(image)
            image.load()
            facts |= {"turned": turn not in (0, 1), "peak": None, "clear": False, "palette": image.mode in ("P", "PA")}
            pixels = _pixels(_upright(image, turn), background, facts)
    except Image.UnidentifiedImageError as error:
        raise ValueError(f"Could not read the image {path}: its content is of no kind that Pillow knows") from error
    except Image.DecompressionBombError as error:
        raise ValueError(
            f"Could not read the image {path}: {str(error).rstrip('.')}; cut it into tiles, or shrink it"
        ) from error
    except _Unusable as error:
        raise ValueError(f"Expected an image of 8 or 16 bits. Received: {path}, {error}") from error
    except Exception as error:  # whatever a decoder may raise on a broken file
        raise ValueError(f"Could not read the image {path}: {str(error) or type(error).__name__}") from error
    return pixels, facts


class _Unusable(Exception):
    """An image that Pillow reads and whose range nobody knows."""


def _pixels(image: Any, background: int, facts: dict[str, Any]) -> np.ndarray:
    """Pixels of an image of any mode; adds to its facts."""
    if image.mode == "F":
        raise _Unusable("an image of floats, whose range nobody knows; convert it to whole numbers")
    if image.mode.startswith("I"):
        pixels = np.asarray(image).astype("int64")
        low, facts["peak"] = int(pixels.min()), int(pixels.max())
        if low < 0 or facts["peak"] > WHITES[-1]:
            raise _Unusable(f"whose values lie in [{low:,}, {facts['peak']:,}]; shift and scale them to [0, 65,535]")
        return pixels.astype("uint16")[..., None]
    grey = image.mode in ("1", "L", "LA", "La")
    if not image.has_transparency_data:
        pixels = np.asarray(image.convert("L" if grey else "RGB"))
        facts["palette"] = facts["palette"] and bool((pixels != pixels[..., :1]).any())
        return pixels[..., None] if grey else pixels
    pixels = np.asarray(image.convert("RGBA"))
    colours, alpha = pixels[..., : 1 if grey else 3], pixels[..., 3:] / 255.0
    facts["clear"] = bool((alpha < 1.0).any())
    facts["palette"] = facts["palette"] and bool((colours != colours[..., :1]).any())
    return colours if not facts["clear"] else np.round(colours * alpha + background * (1.0 - alpha)).astype("uint8")


def _with_channels(pixels: np.ndarray, channels: int) -> np.ndarray:
    """Pixels (height, width, 1 or 3) as grey or RGB."""
    from PIL import Image

    if pixels.shape[-1] == channels:
        return pixels
    if channels == 3:
        return np.repeat(pixels, 3, axis=-1)
    return np.asarray(Image.fromarray(pixels).convert("L"))[..., None]


def _orientation(image: Any) -> int:
    """1 to 8 as EXIF has it; 1 where it says nothing, or nothing that can be read."""
    try:
        return int(image.getexif().get(ORIENTATION, 1))
    except Exception:  # whatever a broken block makes Pillow raise: the pixels are whole
        return 1


def _upright(image: Any, turn: int) -> Any:
    """The image as a viewer shows it; of a TIFF Pillow has turned it already."""
    from PIL import ImageOps

    return image if turn in (0, 1) or _orientation(image) == 1 else ImageOps.exif_transpose(image)


def _pages(image: Any) -> int:
    """How many images a file holds; the second one that telephones add to a photograph does not count."""
    try:
        return 1 if image.format == "MPO" else int(getattr(image, "n_frames", 1))
    except Exception:  # a page that can't be read says nothing about the first
        return 1


def _is_cut(image: Any) -> bool:
    """Whether pixels of 16 bits a colour are made 8 while they are decoded."""
    return not image.mode.startswith(("I", "F")) and any(";16" in str(tile[3]) for tile in image.tile)
