"""Files of the version before modules moved: they load, and score as they did.

`tests/data/inputs_and_scores.npz` has the inputs by kind, and under "<kind>-<file>" what each file's model said then.
"""

import pathlib

import keras
import numpy as np
import pytest

from keras_anogan import IFTM
from keras_anogan.datasets import read_table

DATA = pathlib.Path(__file__).parent / "data"
SAVED = np.load(DATA / "inputs_and_scores.npz")
FILES = {key.split("-", 1)[1]: key for key in SAVED if "-" in key}


def test_every_saved_file_has_its_scores():
    assert {path.stem for path in DATA.glob("*.keras")} == set(FILES)


@pytest.mark.parametrize("name", sorted(FILES))
def test_a_saved_file_loads_and_scores_as_before(name):
    kind = FILES[name].split("-")[0]
    model = keras.models.load_model(DATA / f"{name}.keras")
    if kind == "calibration":
        got = np.array([model.layers[-1].threshold])
    elif kind == "table":
        got = model.predict(read_table(str(DATA / "table.csv")))
    elif isinstance(model, IFTM):
        past = model.identity.input_shape[1]
        got = model.errors(SAVED[kind][:, :past], SAVED[kind])
    else:
        got = model.predict(SAVED[kind], verbose=0)
    want = SAVED[FILES[name]]
    tolerance = 1e-5 if "windows" in kind else 1e-6
    np.testing.assert_allclose(got, want, rtol=tolerance, atol=tolerance * np.abs(want).max())
