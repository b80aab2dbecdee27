"""Arrays as pixels: images in [-1, 1] as bytes, marked pixels, many images on one sheet."""

from __future__ import annotations

import base64
import io
import math
from typing import Any

import numpy as np

from keras_anogan.files import replacing


def grid_pixels(images: np.ndarray, columns: int) -> np.ndarray:
    """Images in [-1, 1], shape (n, H, W, 1 or 3), on one uint8 sheet (height, width, 1 or 3), `columns` in a row.

    Values outside [-1, 1] are clipped, NaN is grey. Small images are enlarged by a whole factor.
    """
    n, height, width, channels = images.shape
    rows = math.ceil(n / columns)
    sheet = np.full((rows * (height + 1) + 1, columns * (width + 1) + 1, channels), 255, "uint8")
    pixels = np.round((np.clip(np.nan_to_num(images), -1.0, 1.0) + 1.0) * 127.5).astype("uint8")
    for i, image in enumerate(pixels):
        top, left = (i // columns) * (height + 1) + 1, (i % columns) * (width + 1) + 1
        sheet[top : top + height, left : left + width] = image
    scale = max(1, 140 // max(height, width))
    return sheet.repeat(scale, axis=0).repeat(scale, axis=1)


def save_grid(images: np.ndarray, path: Any, columns: int) -> None:
    """Write images in [-1, 1], shape (n, H, W, 1 or 3), as one PNG with `columns` images in a row."""
    from PIL import Image

    sheet = grid_pixels(images, columns)
    with replacing(path) as partial:
        Image.fromarray(sheet[..., 0] if sheet.shape[-1] == 1 else sheet).save(partial, format="PNG")


def to_pixels(image: np.ndarray) -> np.ndarray:
    """An image in [-1, 1], (H, W, 1 or 3), as uint8 (H, W) or (H, W, 3)."""
    pixels = np.round((np.clip(image, -1.0, 1.0) + 1.0) * 127.5).astype("uint8")
    return pixels[..., 0] if pixels.shape[-1] == 1 else pixels


def marked_pixels(image: np.ndarray, marked: np.ndarray, mask: np.ndarray | None = None) -> np.ndarray:
    """An image in [-1, 1] as uint8 RGB (H, W, 3), darkened, with marked pixels in red and the edge of a mask in cyan.

    Args:
        image: (H, W, 1 or 3).
        marked: bool (H, W).
        mask: bool (H, W), what is really anomalous, or None.
    """
    grey = to_pixels(image).astype("float32") * 0.6
    pixels = np.repeat(grey[..., None], 3, axis=-1) if grey.ndim == 2 else grey
    pixels[marked] = 0.35 * pixels[marked] + 0.65 * np.array([255.0, 60.0, 40.0], "float32")
    if mask is not None:
        pixels[_outline(mask)] = (0.0, 220.0, 255.0)
    return np.round(pixels).astype("uint8")


def pixels_uri(pixels: np.ndarray, most_side: int | None = None) -> str:
    """uint8 pixels, (H, W) or (H, W, 3), as a PNG data URI, shrunk to sides of at most `most_side` pixels."""
    from PIL import Image

    image = Image.fromarray(pixels)
    if most_side is not None:
        image.thumbnail((most_side, most_side))
    buffer = io.BytesIO()
    image.save(buffer, format="PNG", optimize=True)
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def overlaid_pixels(photograph: np.ndarray, heat: np.ndarray, strength: np.ndarray, marked: np.ndarray | None) -> Any:
    """A photograph at its own size with a map laid over it, and the outline of what is marked: uint8 (H, W, 3).

    Args:
        photograph: uint8 (H, W, 1 or 3).
        heat: the map as colours, uint8 (h, w, 3); stretched to the photograph.
        strength: (h, w) in [0, 1], how much of the photograph the map hides.
        marked: bool (h, w), or None.
    """
    from PIL import Image

    height, width = photograph.shape[:2]

    def stretched(values: np.ndarray, how: Any = Image.Resampling.BILINEAR) -> np.ndarray:
        return np.asarray(Image.fromarray(values).resize((width, height), how))

    paper = np.repeat(photograph, 3 // photograph.shape[2], axis=2).astype("float32")
    weight = stretched(strength.astype("float32"))[..., None]
    pixels = (1.0 - weight) * paper + weight * stretched(heat).astype("float32")
    if marked is not None and marked.any():
        pixels[_outline(stretched(marked.astype("uint8"), Image.Resampling.NEAREST) > 0)] = (0.0, 220.0, 255.0)
    return np.round(pixels).astype("uint8")


def _outline(mask: np.ndarray) -> np.ndarray:
    """The edge of a mask, bool (H, W), as thick as the picture is large; what lies at the border has an edge there."""
    from scipy import ndimage

    return mask & ~ndimage.binary_erosion(mask, iterations=max(1, round(min(mask.shape) / 200)))
