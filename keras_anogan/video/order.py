"""Whether frames in a folder are a film: photographs have numbers in their names too."""

from __future__ import annotations

from typing import Any

import numpy as np

from keras_anogan.video.footage import Footage
from keras_anogan.video.recordings import FrameFolder

PAIRS = 32  # of frames in a row that are looked at, in one recording
LEAST_PAIRS = 10
SIDE = 16  # pixels of the small grey pictures that are compared: noise of a camera is gone in them
FLOOR = 5.0  # grey levels of 255; frames that differ by less show a scene at rest
ALIKE = 0.8  # times the difference of any two frames; those in a row of a film differ by much less


def order_remarks(footage: Footage) -> tuple[str, ...]:
    """One sentence if frames in a row, of image files, differ as much as any two of them; these may be photographs."""
    for recording in footage.recordings:
        if isinstance(recording, FrameFolder) and not _is_film(recording):
            return (
                f"Images in {recording.paths[0].parent} that follow one another differ as much as any two of them: "
                "are they photographs, which are for `train`, and no film?",
            )
    return ()


def _is_film(recording: Any) -> bool:
    """Whether frames in a row are more alike than any two; True where there are too few to tell, or nothing moves."""
    bad, breaks = set(recording.corrupt), set(recording.breaks)
    firsts = [i for i in range(len(recording) - 1) if not {i, i + 1} & bad and i + 1 not in breaks]
    if len(firsts) < LEAST_PAIRS:
        return True
    chosen = np.unique(np.linspace(0, len(firsts) - 1, PAIRS).astype(int))
    pairs = [recording.read(np.array([firsts[i], firsts[i] + 1])) for i in chosen]
    small = np.array([[_small(frame) for frame in pair] for pair in pairs])
    half = len(small) // 2  # each is compared with one from half the recording away
    in_a_row = np.median(np.abs(small[:, 0] - small[:, 1]).mean(axis=(1, 2)))
    any_two = np.median(np.abs(small[:, 0] - np.roll(small[:, 0], half, axis=0)).mean(axis=(1, 2)))
    return bool(in_a_row < FLOOR or in_a_row < ALIKE * any_two)


def _small(frame: np.ndarray) -> np.ndarray:
    """A frame as grey levels, float32 (SIDE, SIDE)."""
    from PIL import Image

    image = Image.fromarray(frame[..., 0] if frame.shape[-1] == 1 else frame).convert("L")
    return np.asarray(image.resize((SIDE, SIDE), Image.Resampling.BOX), "float32")
