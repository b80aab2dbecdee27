"""Photographs with numbers in their names are no film, and one remark says so."""

import numpy as np
import pytest
from PIL import Image

from keras_anogan.datasets.street import make_street
from keras_anogan.video import open_footage, prepare
from keras_anogan.video.order import order_remarks


def write(folder, frames):
    folder.mkdir(parents=True)
    for i, frame in enumerate(frames):
        Image.fromarray(frame).save(folder / f"img_{i:04d}.png")


@pytest.fixture(scope="module")
def street():
    return make_street(days=1, frames=160, seed=0)[0].frames


def test_photographs_with_numbers_in_their_names_are_told_of(tmp_path):
    draw = np.random.default_rng(0)
    write(
        tmp_path / "photos",
        [np.kron(draw.integers(0, 256, (3, 4), "uint8"), np.ones((8, 8), "uint8")) for _ in range(40)],
    )
    said = []
    prepare(tmp_path / "photos", tmp_path / "store", say=said.append)
    assert any("photos that follow one another differ as much as any two" in line for line in said)
    assert len(order_remarks(open_footage(tmp_path / "photos", every=2))) == 1


def test_films_are_not_told_of(tmp_path, street):
    draw = np.random.default_rng(0)
    write(tmp_path / "street", street)
    still = np.full((64, 64), 120.0)
    write(tmp_path / "rest", [(still + draw.normal(0, 8, still.shape)).clip(0, 255).astype("uint8") for _ in range(40)])
    write(tmp_path / "short", street[:8])
    for name in ("street", "rest", "short"):
        assert order_remarks(open_footage(tmp_path / name)) == ()
    assert order_remarks(open_footage(draw.integers(0, 256, (40, 8, 8), "uint8"))) == ()  # an array, not looked at
