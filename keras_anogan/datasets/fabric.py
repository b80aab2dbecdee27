"""Made photographs of a woven fabric, with scratches, stains and holes: a folder to try `keras-anogan train` on.

They are drawn, not photographed, but have what photographs of cloth have: a weave that is never at the same place,
yarn of uneven thickness, uneven light, a camera's noise, and JPEG. Whoever tunes with labels may do it here.
"""

from __future__ import annotations

import pathlib
from typing import Any

import numpy as np

SIDE = 128  # pixels of a photograph
KINDS = ("scratch", "stain", "hole")
PERIOD = 8.0  # pixels from one thread to the next
COLORS = ((0.74, 0.66, 0.52), (0.50, 0.58, 0.68))  # of two cloths: linen, denim


def write_fabric(
    folder: Any, train: int = 84, good: int = 24, each: int = 12, cloth: int = 0, seed: int = 0
) -> pathlib.Path:
    """Write photographs of a cloth into a folder of MVTec-AD's layout, with masks.

    Args:
        folder: is made; files of these names in it are overwritten.
        train, good: photographs in train/good and test/good.
        each: photographs in test/scratch, test/stain and test/hole.
        cloth: 0 for linen, 1 for denim, a twill.
        seed: of all that is drawn.

    Returns:
        The folder.

    Raises:
        ValueError: for a cloth that there is not.
    """
    if cloth not in range(len(COLORS)):
        raise ValueError(f"Expected the cloth 0 or 1. Received: cloth={cloth!r}.")
    from PIL import Image

    folder = pathlib.Path(folder)
    draw = np.random.default_rng([seed, cloth])
    parts = {"train/good": train, "test/good": good, **{f"test/{kind}": each for kind in KINDS}}
    for part, count in parts.items():
        kind = part.split("/")[1]
        (folder / part).mkdir(parents=True, exist_ok=True)
        for i in range(count):
            photograph, mask = photograph_of_fabric(draw, None if kind == "good" else kind, cloth)
            Image.fromarray(photograph).save(folder / part / f"{i:03d}.jpg", quality=92)
            if kind != "good":
                target = folder / "ground_truth" / kind / f"{i:03d}_mask.png"
                target.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(mask.astype("uint8") * 255).save(target)
    return folder


def photograph_of_fabric(
    draw: np.random.Generator, kind: str | None = None, cloth: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """One photograph, uint8 (128, 128, 3), and the mask of its defect, bool (128, 128).

    Args:
        draw: NumPy's generator.
        kind: one of `KINDS`, or None for a normal one.
        cloth: as in `write_fabric`.
    """
    rows, columns = np.mgrid[0:SIDE, 0:SIDE].astype("float64")
    pattern = _weave(draw, rows, columns, cloth)
    mask, strength, level = _defect(draw, kind, rows, columns)
    cloth_light = np.clip(0.78 + 0.16 * pattern, 0.0, 1.0) * (1.0 - strength) + level * strength
    slope, turn = 0.12 * draw.uniform(0.3, 1.0), draw.uniform(0, 2 * np.pi)
    light = 1.0 + slope * (np.cos(turn) * (columns / SIDE - 0.5) + np.sin(turn) * (rows / SIDE - 0.5))
    color = np.array(COLORS[cloth]) * draw.normal(1.0, 0.015)
    photograph = (cloth_light * light)[..., None] * color * 1.25
    photograph += draw.normal(0.0, 0.012, (SIDE, SIDE, 1)) + draw.normal(0.0, 0.006, (SIDE, SIDE, 3))
    return (photograph.clip(0.0, 1.0) * 255.0).round().astype("uint8"), mask


def _weave(draw: np.random.Generator, rows: np.ndarray, columns: np.ndarray, cloth: int) -> np.ndarray:
    """Threads up and across, -1 to 1, turned and shifted as no two photographs are alike."""
    turn = np.deg2rad(draw.normal(0.0, 0.4))
    along = np.cos(turn) * columns - np.sin(turn) * rows + draw.uniform(0, PERIOD)
    across = np.sin(turn) * columns + np.cos(turn) * rows + draw.uniform(0, PERIOD)
    warp, weft = (np.cos(2 * np.pi * place / PERIOD) for place in (along, across))
    if cloth == 1:  # a twill: each thread across begins half a thread later
        warp = np.cos(2 * np.pi * (along + across / 2.0) / PERIOD)
    count = int(SIDE / PERIOD) + 4
    slubs = [draw.normal(0.0, 0.18, count)[(place / PERIOD).astype(int) % count] for place in (along, across)]
    return 0.5 * warp * weft + 0.25 * (warp + weft) + slubs[0] + slubs[1]


def _defect(
    draw: np.random.Generator, kind: str | None, rows: np.ndarray, columns: np.ndarray
) -> tuple[np.ndarray, np.ndarray, float]:
    """Mask of a defect, how much of the cloth it hides (0 to 1), and its own brightness."""
    top, left = draw.uniform(0.15, 0.85, 2) * SIDE
    turn = draw.uniform(0, np.pi)
    along = np.cos(turn) * (columns - left) + np.sin(turn) * (rows - top)
    across = -np.sin(turn) * (columns - left) + np.cos(turn) * (rows - top)
    if kind == "scratch":
        bend = 3.0 * np.sin(along / draw.uniform(12, 24))
        length, width = draw.uniform(18, 38) / 2.0, draw.uniform(0.9, 1.5)
        inside = np.exp(-(((across - bend) / width) ** 2)) * (np.abs(along) < length)
        return inside > 0.3, 0.75 * inside, float(draw.choice([0.35, 1.15]))
    if kind == "stain":
        wide, high = draw.uniform(6, 13, 2)
        away = np.sqrt((along / wide) ** 2 + (across / high) ** 2)
        inside = 1.0 / (1.0 + np.exp(6.0 * (away - 1.0)))
        return inside > 0.5, draw.uniform(0.3, 0.5) * inside, 0.35
    if kind == "hole":
        radius = draw.uniform(3.0, 6.0)
        edge = 1.0 + 0.2 * np.sin(3 * np.arctan2(across, along) + draw.uniform(0, 6))
        away = np.sqrt(along**2 + across**2) / (radius * edge)
        inside = 1.0 / (1.0 + np.exp(9.0 * (away - 1.0)))
        return inside > 0.5, inside, 0.12
    nothing = np.zeros((SIDE, SIDE))
    return nothing > 0.0, nothing, 0.0
