"""What columns are taken for: what is learnt from, and what is left out and named."""

import numpy as np
import pandas as pd
import pytest

from keras_anogan.datasets.columns import choose_columns, describe_columns, lines_of

N = 200
DRAW = np.random.default_rng(0)


def kind(values, name="x", **given):
    frame = pd.DataFrame({name: values, "other": DRAW.normal(size=len(values))})
    found = describe_columns(frame, **given)[0]
    assert found.used == (found.kind in ("number", "constant", "category"))
    return found.kind


@pytest.mark.parametrize(
    ("values", "name", "want"),
    [
        (DRAW.normal(size=N), "x", "number"),
        (DRAW.integers(0, 50, N), "id", "number"),  # whatever its name: values come twice
        (DRAW.integers(0, 2**40, N), "reading", "number"),
        (np.round(np.sort(DRAW.normal(size=N)), 0), "x", "number"),  # sorted by it, as few values show
        (np.full(N, 14.62), "x", "constant"),
        (np.arange(N), "x", "counter"),
        (np.cumsum(DRAW.integers(0, 5, N)), "hours", "counter"),
        (-np.cumsum(DRAW.random(N)), "left", "counter"),
        (np.where(np.arange(N) % 7 == 0, np.nan, np.arange(N)), "x", "counter"),
        (1.7e9 + 60.0 * np.arange(N), "x", "counter"),
        (DRAW.permutation(N), "x", "id"),
        (DRAW.permutation(4 * N)[:N], "x", "id"),
        (DRAW.permutation(10**8)[:N], "part_id", "id"),
        (DRAW.permutation(10**8)[:N], "partId", "id"),
        (DRAW.permutation(10**8)[:N], "valid", "number"),
        (DRAW.permutation(1.7e9 + 1e5 * np.arange(N)), "timestamp", "date"),
        (DRAW.permutation(1.7e12 + 1e8 * np.arange(N)), "created_ts", "date"),
        (DRAW.permutation(pd.date_range("2023-12-20", periods=N).strftime("%Y%m%d").astype(int)), "x", "date"),
        (DRAW.permutation(pd.date_range("2023-12-20", periods=N, tz="UTC")), "x", "date"),
        (np.arange(N), "Unnamed: 0", "index"),
        (DRAW.permutation(N), "", "index"),
        (DRAW.normal(size=N), "Unnamed: 3", "number"),
        ([f"P{i}" for i in range(N)], "x", "id"),
        (DRAW.choice(["a", "b"], N), "x", "category"),
        (["a"] * N, "x", "category"),
        (DRAW.random(N) < 0.5, "x", "category"),
        (2**53 + DRAW.integers(0, 3, N), "x", "category"),  # float64 can't tell them apart
        (2**53 + np.arange(N)[::-1], "x", "id"),
        ([None] * N, "x", "empty"),
        (np.arange(5), "x", "number"),  # too few to say
    ],
)
def test_columns_are_told_apart(values, name, want):
    assert kind(values, name) == want


def test_columns_can_be_asked_for():
    frame = pd.DataFrame(
        {"day": pd.date_range("2024-01-01", periods=N, tz="UTC"), "n": np.arange(N), "c": np.arange(N) % 3}
    )
    with pytest.raises(ValueError, match="Expected a column to learn from"):
        choose_columns(frame[["day", "n"]])
    wanted = {"day": {"kind": "date"}, "n": {"kind": "number"}, "c": {"kind": "category"}}
    assert choose_columns(frame, wanted=wanted) == {"day": "float64", "n": "float64", "c": "string"}
    assert choose_columns(frame, wanted={"n": {"kind": "number"}, "c": {"kind": "id"}}) == {"n": "float64"}
    assert kind(np.arange(N) % 3, row_id="x") == "row id"
    assert kind(np.arange(N) % 3, labels=["x"]) == "label"
    assert kind(np.arange(N) % 3, drop=["x"]) == "dropped"
    for given in ({"drop": ["nope"]}, {"wanted": {"nope": {"kind": "id"}}}, {"row_id": "nope"}):
        with pytest.raises(ValueError, match=r"Received: --\w[\w-]* nope"):
            describe_columns(frame, **given)


def test_what_counts_in_normal_rows_is_a_counter():
    values = np.concatenate([np.arange(100), np.arange(50)])
    assert kind(values) == "number"
    assert kind(values, rows=np.arange(100)) == "counter"


def test_the_report_of_columns_says_what_there_is():
    values = DRAW.normal(size=N)
    values[7] = 1e9
    values[9] = np.nan
    frame = pd.DataFrame({"x": values, "day": pd.date_range("2024-01-01", periods=N, tz="UTC"), "v": 400.0})
    x, day, v = (column.as_dict() for column in describe_columns(frame, notes={"v": "400 V is 400"}))
    assert (x["missing"], x["unique"]) == (1, N - 1)
    assert x["high"] < 10
    assert x["remark"] == "1 cell far from all others, such as 1e+09 in row 8"
    assert (day["low"], day["high"]) == ("2024-01-01T00:00:00", "2024-07-18T00:00:00")
    assert v["remark"] == "always 400: a row that differs shows; 400 V is 400"
    lines = lines_of(describe_columns(frame))
    assert len(lines) == 4
    assert lines[2].split() == ["day", "date,", "left", "out", "0", "200", "2024-01-01", "to", "2024-07-18"]
    assert lines_of(describe_columns(frame), most=1)[-1] == "... and 2 more columns in metrics.json"
    assert lines_of(()) == []
