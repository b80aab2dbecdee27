"""Spoilt copies of normal samples: what a detector should find where nobody has anomalies to test it on.

A copy differs from a normal sample in a way that real anomalies may, or may not, have. So these copies can order
detectors, and cannot tell how good they are.
"""

from __future__ import annotations

import numpy as np

KINDS = {  # for a reader
    "patch": "a square from elsewhere in another one",
    "scratch": "a straight line",
    "halves": "the right half of another one",
    "blur": "means over small squares",
    "mixed": "half of the columns from another row",
    "one cell": "one column from another row",
    "far": "one number moved by four standard deviations",
    "jump": "the last frame of another window",
    "backwards": "the frames in reverse order",
}


def spoilt_images(x: np.ndarray, seed: int = 0) -> dict[str, np.ndarray]:
    """Copies of images, each kind of them like x.

    - "patch": a square of a quarter of the shorter side, from elsewhere in another image (CutPaste, Li et al. 2021);
    - "scratch": a straight line of half the shorter side, black on bright images and white on dark ones;
    - "halves": the left half of the image and the right half of another one;
    - "blur": the mean over squares of an eighth of the shorter side.

    Args:
        x: float32 (n, H, W, C) in [-1, 1], n >= 2.
        seed: of places and partners.
    """
    draw = np.random.default_rng(seed)
    n, height, width, _ = x.shape
    side = max(2, min(height, width) // 4)
    partner = _partners(n, draw)
    patch = x.copy()
    for i in range(n):
        (top, left), (above, beside) = _corner(draw, height, width, side), _corner(draw, height, width, side)
        patch[i, top : top + side, left : left + side] = x[partner[i], above : above + side, beside : beside + side]
    return {
        "patch": patch,
        "scratch": np.stack([_scratched(image, draw) for image in x]),
        "halves": np.concatenate([x[:, :, : width // 2], x[partner][:, :, width // 2 :]], axis=2),
        "blur": _blocks(x, max(2, min(height, width) // 8)),
    }


def spoilt_rows(x: np.ndarray, columns: list[np.ndarray], seed: int = 0) -> dict[str, np.ndarray]:
    """Copies of encoded rows of a table, each kind of them like x.

    - "mixed": half of the columns from another row, so that each cell is usual and the row is not;
    - "one cell": one column from another row;
    - "far": one numeric feature moved away by four standard deviations.

    Args:
        x: float32 (n, features), n >= 2.
        columns: for each column of the table the numbers of its features.
        seed: of rows and columns.
    """
    draw = np.random.default_rng(seed)
    n = len(x)
    partner = _partners(n, draw)
    mixed, one, far = x.copy(), x.copy(), x.copy()
    spread = x.std(axis=0)
    numeric = [i for i in range(x.shape[1]) if len(np.unique(x[:, i])) > 2] or list(range(x.shape[1]))
    for i in range(n):
        chosen = draw.permutation(len(columns))
        for column in chosen[: max(1, len(columns) // 2)]:
            mixed[i, columns[column]] = x[partner[i], columns[column]]
        one[i, columns[chosen[0]]] = x[partner[i], columns[chosen[0]]]
        feature = draw.choice(numeric)
        far[i, feature] += 4.0 * draw.choice([-1.0, 1.0]) * max(float(spread[feature]), 1e-3)
    return {"mixed": mixed, "one cell": one, "far": far}


def spoilt_windows(x: np.ndarray, seed: int = 0) -> dict[str, np.ndarray]:
    """Copies of windows of frames, each kind of them like x.

    - "patch": a square of a quarter of the shorter side in the last frame, from another window;
    - "jump": the last frame of another window;
    - "backwards": the frames in reverse order.

    Args:
        x: float32 (n, frames, H, W, C) in [-1, 1], n >= 2.
        seed: of places and partners.
    """
    draw = np.random.default_rng(seed)
    n, _, height, width, _ = x.shape
    side, partner = max(2, min(height, width) // 4), _partners(n, draw)
    patch, jump = x.copy(), x.copy()
    for i in range(n):
        (top, left), (above, beside) = _corner(draw, height, width, side), _corner(draw, height, width, side)
        patch[i, -1, top : top + side, left : left + side] = x[
            partner[i], -1, above : above + side, beside : beside + side
        ]
    jump[:, -1] = x[partner, -1]
    return {"patch": patch, "jump": jump, "backwards": x[:, ::-1].copy()}


def _partners(n: int, draw: np.random.Generator) -> np.ndarray:
    """For each sample another one."""
    return (np.arange(n) + draw.integers(1, n, n)) % n


def _corner(draw: np.random.Generator, height: int, width: int, side: int) -> tuple[int, int]:
    return int(draw.integers(0, height - side + 1)), int(draw.integers(0, width - side + 1))


def _scratched(image: np.ndarray, draw: np.random.Generator) -> np.ndarray:
    """An image with a straight line through its middle part, a thirtieth of the shorter side wide."""
    height, width, _ = image.shape
    rows, columns = np.mgrid[0:height, 0:width]
    angle = draw.uniform(0.0, np.pi)
    along = np.cos(angle) * (columns - draw.uniform(0.25, 0.75) * width) + np.sin(angle) * (
        rows - draw.uniform(0.25, 0.75) * height
    )
    across = -np.sin(angle) * (columns - width / 2) + np.cos(angle) * (rows - height / 2)
    half = max(0.5, min(height, width) / 60.0)
    line = (np.abs(across) <= half) & (np.abs(along) <= min(height, width) / 4.0)
    grey = -1.0 if image.mean() > 0.0 else 1.0
    return np.where(line[..., None], np.float32(grey), image)


def _blocks(x: np.ndarray, side: int) -> np.ndarray:
    """Images whose squares are replaced by their means; a last narrow one is a rectangle."""
    starts = [np.arange(0, size, side) for size in x.shape[1:3]]
    sums = np.add.reduceat(np.add.reduceat(x, starts[0], axis=1), starts[1], axis=2)
    counts = [np.diff([*first, size]) for first, size in zip(starts, x.shape[1:3], strict=True)]
    means = sums / (counts[0][None, :, None, None] * counts[1][None, None, :, None])
    return np.repeat(np.repeat(means, counts[0], axis=1), counts[1], axis=2).astype("float32")
