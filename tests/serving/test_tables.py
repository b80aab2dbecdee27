"""The encoder of tables: what rules its scale, what it knows of further rows, and where rows deviate."""

import pathlib

import keras
import numpy as np
import pandas as pd
import pytest

from keras_anogan import PCA, ConformalThreshold, FittedDetector
from keras_anogan.datasets import read_table
from keras_anogan.datasets.table import type_columns
from keras_anogan.nn.scaling import centre_and_spread, far_cells
from keras_anogan.runs.tasks import split_table
from keras_anogan.serving.scoring import column_deviations
from keras_anogan.serving.tables import TableEncoder

DRAW = np.random.default_rng(0)


def encoded(values, new):
    encoder = TableEncoder({"x": "float64"}).adapt({"x": np.asarray(values, "float64")})
    return encoder.encode({"x": np.asarray(new, "float64")})[:, 0]


# The scale of a column.


@pytest.mark.parametrize("value", [100.0, 14.62, 0.1, 0.0, -1e9])
def test_a_constant_column_is_zero_and_what_differs_shows_within_bounds(value):
    found = encoded(np.full(1_000, value), [value, value + 1e-7, value + 1.0, value + 1e12])
    np.testing.assert_allclose(found, [0.0, 0.0, 1.0, 10.0], atol=1e-6)


@pytest.mark.parametrize("glitch", [1e3, -999.0, 1e9])
def test_glitches_do_not_rule_the_scale(glitch):
    values = DRAW.normal(size=1_000)
    clean = encoded(values, [-1.0, 0.0, 1.0])
    values[::25] = glitch  # 4 % of the cells
    assert far_cells(values).sum() == 40
    np.testing.assert_allclose(encoded(values, [-1.0, 0.0, 1.0]), clean, atol=0.1)
    assert abs(encoded(values, [glitch])[0]) == 10.0


@pytest.mark.parametrize(
    "values",
    [
        DRAW.normal(size=1_000),
        DRAW.exponential(size=1_000),
        DRAW.uniform(size=1_000),
        DRAW.poisson(0.02, 1_000).astype(float),  # counts, mostly zero
        np.where(DRAW.random(1_000) < 0.1, DRAW.normal(1e3, 1.0, 1_000), DRAW.normal(size=1_000)),  # two levels
        (DRAW.random(1_000) < 0.01).astype(float),
        np.where(DRAW.random(1_000) < 0.5, np.nan, DRAW.normal(size=1_000)),
        np.concatenate([DRAW.normal(size=920), np.full(40, 1e3), np.full(40, -1e3)]),  # 8 %: levels of their own
        DRAW.normal(size=19) * np.array([1e9, *[1.0] * 18]),  # too few to say
    ],
)
def test_ordinary_columns_are_scaled_by_mean_and_standard_deviation(values):
    assert not far_cells(values).any()
    mean, spread = centre_and_spread(values)
    assert mean == pytest.approx(np.nanmean(values))
    assert spread == pytest.approx(np.nanstd(values))


def test_glitches_among_counts_do_not_rule_either():
    values = DRAW.poisson(0.3, 2_000).astype(float)
    spread = values.std()
    values[:5] = 1e9
    assert centre_and_spread(values)[1] == pytest.approx(spread, rel=0.05)
    assert centre_and_spread(np.full(10, np.nan)) == (0.0, 1.0)


def test_two_hundred_columns_have_one_layer():
    raw = {f"c{i}": DRAW.normal(i, 1.0 + i, 60) for i in range(200)}
    encoder = TableEncoder(dict.fromkeys(raw, "float64")).adapt(raw)
    assert sum(not isinstance(layer, keras.layers.InputLayer) for layer in encoder.encoder.layers) == 1
    rows = encoder.encode(raw)
    assert rows.shape == (60, 400)
    np.testing.assert_allclose(rows[:, ::2].mean(axis=0), 0.0, atol=1e-5)
    np.testing.assert_allclose(rows[:, ::2].std(axis=0), 1.0, atol=1e-4)
    assert encoder.feature_columns[:4] == ("c0", "c0", "c1", "c1")


def test_features_of_numbers_come_first_whatever_the_order_of_columns():
    raw = {"c": np.array(["x", "y"], object), "n": np.array([1.0, 3.0]), "d": np.array(["z", "z"], object)}
    raw["m"] = np.array([5.0, np.nan])
    encoder = TableEncoder({"c": "string", "n": "float64", "d": "string", "m": "float64"}).adapt(raw)
    assert encoder.feature_columns == ("n", "n", "m", "m", "c", "c", "c", "d", "d")
    np.testing.assert_allclose(encoder.encode(raw), [[-1, 0, 0, 0, 0, 1, 0, 0, 1], [1, 0, 0, 1, 0, 0, 1, 0, 1]])


# Further rows.


@pytest.fixture(scope="module")
def fitted():
    n = 600
    load = DRAW.uniform(size=n)
    frame = pd.DataFrame({"load": [f"{100 * v:.2f} %" for v in load], "power": 50.0 * load + DRAW.normal(0.0, 1.0, n)})
    frame["kind"] = DRAW.choice(["a", "b", *[f"rare{i}" for i in range(200)]], n, p=[0.25, 0.25, *[0.0025] * 200])
    frame["day"] = pd.date_range("2024-01-01", periods=n, freq="h").strftime("%d.%m.%Y %H:%M")
    frame["flag"] = DRAW.choice(["true", "false"], n)
    task = split_table(frame, wanted={"day": {"kind": "date"}})
    detector = PCA(task.train.shape[1:])
    detector.compile()
    detector.fit(task.train)
    return FittedDetector(task.encoder, detector, ConformalThreshold(0.05).adapt(detector.predict(task.calibrate)))


def later(**changes):
    frame = {"load": ["50 %"] * 10, "power": [25.0] * 10, "kind": ["a"] * 10, "day": ["05.01.2024 08:00"] * 10}
    return pd.DataFrame({**frame, "flag": ["true"] * 10, **changes})


def test_what_training_rows_were_not_like_is_told(fitted):
    encoder = fitted.preprocessing
    assert encoder.remarks(encoder.check_raw(later())) == []
    away = encoder.remarks(encoder.check_raw(later(day=["05.04.2024 08:00"] * 10, power=[25.0] * 8 + [999.0] * 2)))
    assert away[0].startswith("Column 'day' lies outside what was seen, 2024-01-01")
    assert away[0].endswith("in 10 of 10 rows.")
    assert len(away) == 1  # two of ten numbers are not notably many
    trained = encoder.rare["kind"][0]
    told = encoder.remarks(encoder.check_raw(later(kind=["zebra", trained, *["a"] * 8])))
    assert told[0].startswith("Column 'kind' has 1 row with a value that the detector does not know, such as 'zebra'")
    assert told[1].startswith(f"Column 'kind' has 1 row with a rare value, such as '{trained}' in row 2")
    assert encoder.unseen(encoder.check_raw(later(kind=["zebra", trained, *["a"] * 8]))) == [("kind", 1, "zebra", 0)]


def test_rows_are_read_as_in_training_wherever_they_come_from(fitted, tmp_path):
    fitted.save(tmp_path / "d.keras")
    loaded = keras.models.load_model(tmp_path / "d.keras")
    typed = type_columns(later(), loaded.preprocessing.wanted).frame
    typed["flag"] = True  # as a Parquet file has it
    want = fitted.predict(later())
    for model in (fitted, loaded):
        np.testing.assert_array_equal(model.predict(typed), want)
        np.testing.assert_array_equal(model.predict(model.check_raw(later())), want)
    with pytest.raises(ValueError, match=r"Expected numbers in column 'load'. Received: 'off' in row 1"):
        fitted.predict(later(load=["off"] * 10))


def test_cells_are_shown_as_readers_know_them(fitted):
    encoder = fitted.preprocessing
    raw = encoder.check_raw(later(power=[None] * 10))
    assert [encoder.shown(name, raw[name][0]) for name in ("load", "power", "kind", "day")] == [
        "50",
        "(missing)",
        "a",
        "2024-01-05 08:00:00",
    ]


# Where rows deviate.


def test_the_column_that_breaks_with_the_others_comes_first_after_loading_too(fitted, tmp_path):
    fitted.save(tmp_path / "d.keras")
    loaded = keras.models.load_model(tmp_path / "d.keras")
    new = later(
        power=[25.0, 45.0, *[25.0] * 8],  # 45 is ordinary, but not at half the load
        kind=["a", "a", "zebra", *["a"] * 7],
        load=["50 %", "50 %", "50 %", None, *["50 %"] * 6],
    )
    for model in (fitted, loaded):
        found = column_deviations(model, model.preprocess(model.check_raw(new)).numpy(), most=2)
        assert found[1][0][0] in ("power", "load")
        assert found[2][0][0] == "kind"
        assert found[3][0][0] == "load"
        assert all(0.0 <= share <= 1.0 for row in found for _, share in row)


def test_the_right_column_is_first_in_nine_of_ten_rows():
    n = 1_200
    r = np.random.default_rng(1)
    load = r.uniform(size=n)
    frame = pd.DataFrame(
        {"load": load, "power": 100 * load + r.normal(0, 4, n), "speed": np.sqrt(load) + r.normal(0, 0.02, n)}
    )
    frame["count"] = r.poisson(0.3, n).astype(float)
    frame["mode"] = np.where(load > 0.7, "high", np.where(load > 0.3, "middle", "low"))
    new = frame[1_000:].reset_index(drop=True)
    task = split_table(frame[:1_000], wanted={name: {"kind": "number"} for name in frame.columns[:4]})
    broken = np.array(["power", "speed", "count", "mode"])[np.arange(200) % 4]
    for i, name in enumerate(broken):
        if name == "mode":
            new.loc[i, name] = {"high": "low", "middle": "other", "low": "high"}[new.loc[i, name]]
        else:
            new.loc[i, name] += {"power": 40.0, "speed": -0.5, "count": 9.0}[name]
    encoder = task.encoder
    found = encoder.deviations.measure(encoder.encode(encoder.check_raw(new)))
    assert np.mean(np.array(encoder.deviations.names)[found.argmax(axis=1)] == broken) > 0.9


def test_files_of_before_say_where_rows_differ_from_their_reconstruction():
    data = pathlib.Path(__file__).parent.parent / "data"
    model = keras.models.load_model(data / "fitted_table.keras")
    raw = model.check_raw(read_table(data / "table.csv"))
    found = column_deviations(model, model.preprocess(raw).numpy(), most=2)
    assert len(found) == len(raw["age"])
    assert {name for row in found for name, _ in row} <= set(raw)
    assert model.preprocessing.remarks(raw) == []
