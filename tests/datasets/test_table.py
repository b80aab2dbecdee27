"""Tables: which columns are read and how, what is refused, and the way from a CSV file to a served detector."""

import csv
import datetime
import decimal
import json
import pathlib
import subprocess
import sys

import keras
import numpy as np
import pandas as pd
import pytest

import keras_anogan_cli
from keras_anogan import PCA, ConformalThreshold, FittedDetector
from keras_anogan.datasets import normal_rows, read_table
from keras_anogan.datasets.table import choose_columns
from keras_anogan.runs.tasks import split_table
from keras_anogan.serving.tables import TableEncoder, raw_columns


def command(*arguments):
    return keras_anogan_cli.run([str(argument) for argument in arguments])


def parts(n=400, broken=40, seed=0):
    """Parts whose weight is twice their size, but for the broken ones; some cells are missing."""
    draw = np.random.default_rng(seed)
    size = draw.normal(10.0, 2.0, n)
    frame = pd.DataFrame(
        {
            "id": np.arange(n),
            "size, mm": size,
            "weight/g": 2.0 * size + draw.normal(0.0, 0.2, n),
            "kind": draw.choice(["a", "b"], n),
            "made": pd.Timestamp("2026-01-01") + pd.to_timedelta(draw.integers(0, 100, n), "D"),
            "label": "ok",
        }
    )
    frame.loc[: broken - 1, "weight/g"] += draw.choice([-8.0, 8.0], broken)
    frame.loc[: broken - 1, "label"] = "broken"
    frame.loc[n - 7 :, "size, mm"] = np.nan
    frame.loc[n - 3 :, "kind"] = None
    return frame.sample(frac=1.0, random_state=seed, ignore_index=True)


# What is read.


@pytest.mark.parametrize("name", ["t.csv", "t.csv.gz", "t.parquet"])
def test_csv_and_parquet_are_read(name, tmp_path):
    frame = parts()[["id", "kind"]]
    write = frame.to_parquet if name.endswith("parquet") else frame.to_csv
    write(tmp_path / name, index=False)
    found = read_table(tmp_path / name)
    assert list(found.columns) == ["id", "kind"]
    assert (found["id"] == frame["id"]).all()


def test_a_file_that_is_no_table_is_refused_in_a_sentence(tmp_path):
    with pytest.raises(FileNotFoundError, match="does not exist"):
        read_table(tmp_path / "nothing.csv")
    for name, content, word in (
        ("empty.csv", b"", "Could not read"),
        ("header.csv", b"a,b\n", "at least one row"),
        ("bad.parquet", b"not parquet", "Could not read"),
        ("ragged.csv", b"a,b\n1,2\n1,2,3,4\n", "Could not read"),
        ("longer.csv", b"a,b\n1,2,9\n3,4,9\n", "Could not read"),
        ("twice.csv", b"a,a,b\n1,2,3\n", "'a' twice"),
        ("picture.csv", b"\x89PNG\0\0\0\r\x1a\xff", "no text"),
    ):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ValueError, match=word) as error:
            read_table(tmp_path / name)
        assert "\n" not in str(error.value)


def test_numbers_dates_and_categories_are_told_apart():
    frame = parts().assign(empty=np.nan, flag=True)
    assert choose_columns(frame, drop=["id", "label"]) == {
        "size, mm": "float64",
        "weight/g": "float64",
        "kind": "string",
        "flag": "string",
    }
    assert choose_columns(frame, wanted={"made": {"kind": "date"}, "id": {"kind": "number"}}).keys() >= {"made", "id"}
    with pytest.raises(ValueError, match="--drop nope"):
        choose_columns(frame, drop=["nope"])
    with pytest.raises(ValueError, match="Expected a column to learn from"):
        choose_columns(frame[["id"]], drop=["id"])


def test_dates_in_a_csv_are_dates_and_days_that_do_not_exist_are_told(tmp_path):
    (tmp_path / "t.csv").write_text("day,at,text\n2026-01-01,2026-01-01T08:30:00Z,2026-01-01 or so\n2026-01-03,,x\n")
    frame = read_table(tmp_path / "t.csv")
    assert choose_columns(frame) == {"text": "string"}
    kept = choose_columns(frame, wanted={"day": {"kind": "date"}, "at": {"kind": "date"}})
    assert kept == {"day": "float64", "at": "float64", "text": "string"}
    seconds = raw_columns(frame, {"day": "float64", "at": "float64"})
    assert seconds["day"][1] - seconds["day"][0] == 2 * 86_400
    assert np.isnan(seconds["at"][1])
    (tmp_path / "t.csv").write_text("day\n2026-13-45\n2026-01-03\n")
    with pytest.raises(ValueError, match="Received: '2026-13-45' in row 1"):
        raw_columns(read_table(tmp_path / "t.csv"), {"day": "float64"})


def test_cells_of_a_category_do_not_depend_on_the_others_in_their_file(tmp_path):
    (tmp_path / "train.csv").write_text("c\ntrue\nfalse\nunknown\n007\n1.10\n2026-01-01\n")
    (tmp_path / "new.csv").write_text("c\ntrue\n")
    whole = read_table(tmp_path / "train.csv")
    assert raw_columns(whole, {"c": "string"})["c"].tolist() == [
        "true",
        "false",
        "unknown",
        "007",
        "1.10",
        "2026-01-01",
    ]
    for cell in ("true", "007", "1.10", "2026-01-01"):
        (tmp_path / "new.csv").write_text(f"c\n{cell}\n")
        assert raw_columns(read_table(tmp_path / "new.csv", text=["c"]), {"c": "string"})["c"].tolist() == [cell]


def test_parquet_dates_decimals_and_durations_are_numbers(tmp_path):
    frame = pd.DataFrame(
        {
            "day": [datetime.date(2026, 1, 1), None, datetime.date(2026, 1, 3)],
            "price": [decimal.Decimal("1.5"), decimal.Decimal("2.5"), None],
            "took": pd.to_timedelta([1, 2, 3], "s"),
            "n": pd.array([1, 2, None], "Int64"),
        }
    )
    frame.to_parquet(tmp_path / "t.parquet")
    found = read_table(tmp_path / "t.parquet")
    kept = choose_columns(found, wanted={"day": {"kind": "date"}})
    assert kept == dict.fromkeys(frame.columns, "float64")
    raw = raw_columns(found, kept)
    assert raw["price"][:2].tolist() == [1.5, 2.5]
    assert raw["took"].tolist() == [1.0, 2.0, 3.0]
    assert raw["day"][2] - raw["day"][0] == 2 * 86_400
    assert normal_rows(found[:2], "n > 1")[0].tolist() == [False, True]


def test_conditions_tell_normal_rows_and_name_their_columns():
    frame = parts()
    normal, named = normal_rows(frame, 'label == "ok" and `size, mm` < 100')
    assert normal.sum() == ((frame["label"] == "ok") & (frame["size, mm"] < 100)).sum()
    assert named == ("size, mm", "label")
    odd = pd.DataFrame({"class": ["ok", "bad"], "a-b": [1, 2], "a": [0, 0], "b": [0, 0]})
    assert normal_rows(odd, "`class` == 'ok' and `a-b` < 3")[1] == ("class", "a-b")
    for bad in ("lable == 1", "label", "id +", "__import__('os').getcwd()", ""):
        with pytest.raises(ValueError, match="Expected a condition"):
            normal_rows(frame, bad)


def test_raw_columns_know_what_is_missing_and_refuse_what_is_wrong():
    dtypes = {"n": "float64", "c": "string"}
    found = raw_columns(pd.DataFrame({"n": ["1.5", None, "2"], "c": [1.0, np.nan, 2.0], "more": 0}), dtypes)
    assert found["n"][[0, 2]].tolist() == [1.5, 2.0]
    assert np.isnan(found["n"][1])
    assert found["c"].tolist() == ["1", "(missing)", "2"]  # whole numbers, as they read without a missing cell
    for bad, word in (
        (np.zeros((3, 2)), "Received: ndarray"),
        ({"n": [1.0]}, "without 'c'"),
        ({"n": ["1", "x"], "c": ["a", "b"]}, "Received: 'x' in row 2"),
        ({"n": [1.0, np.inf], "c": ["a", "b"]}, "Received: inf in row 2"),
        ({"n": [], "c": []}, "at least one row"),
    ):
        with pytest.raises(ValueError, match=word):
            raw_columns(bad, dtypes)


# The encoder.


def test_the_encoder_standardises_numbers_and_has_a_feature_for_each_category():
    raw = {"n": np.array([1.0, 3.0, np.nan, 5.0]), "c": np.array(["x", "y", "x", "x"])}
    encoder = TableEncoder({"n": "float64", "c": "string"}).adapt(raw)
    assert encoder.feature_columns == ("n", "n", "c", "c", "c")
    assert encoder.categories("c") == ["x", "y"]
    assert encoder.categories("n") is None
    given = {"n": np.array([3.0, np.nan, 1e6], "float64"), "c": np.array(["y", "x", "new"])}
    want = [[0, 0, 0, 0, 1], [0, 1, 0, 1, 0], [10, 0, 1, 0, 0]]
    assert encoder.encode(given) == pytest.approx(np.array(want), abs=1e-6)
    spread = np.std([1.0, 3.0, 5.0])
    assert encoder.encode({"n": np.array([5.0], "float64"), "c": np.array(["x"])})[0, 0] == pytest.approx(2.0 / spread)
    assert encoder.unseen(given) == [("c", 1, "new", 2)]


def test_seconds_of_today_are_told_apart():
    seconds = 1.7e9 + np.arange(9.0)
    encoder = TableEncoder({"at": "float64"}).adapt({"at": seconds})
    assert len(np.unique(encoder.encode({"at": seconds})[:, 0])) == 9


def test_words_with_line_ends_survive_saving(tmp_path):
    words = np.array(["a", "", "b\nc", "d\u2028e", "[UNK]"] * 4, dtype=object)
    encoder = TableEncoder({"c": "string"}).adapt({"c": words})
    detector = PCA(encoder.encode({"c": words}).shape[1:])
    detector.compile()
    detector.fit(encoder.encode({"c": words}))
    model = FittedDetector(encoder, detector, ConformalThreshold(0.5).adapt([0.0, 1.0]))
    model.save(tmp_path / "detector.keras")
    loaded = keras.models.load_model(tmp_path / "detector.keras")
    assert np.array_equal(loaded.predict({"c": words}), model.predict({"c": words}))


def test_a_constant_column_and_many_categories_are_no_trouble():
    raw = {"n": np.full(300, 7.0, "float64"), "c": np.array([f"v{i}" for i in range(300)])}
    encoder = TableEncoder({"n": "float64", "c": "string"}, max_categories=5).adapt(raw)
    rows = encoder.encode(raw)
    assert rows.shape == (300, 2 + 6)
    assert np.isfinite(rows).all()
    assert not rows[:, :2].any()


def test_split_keeps_labels_from_the_detector_and_learns_from_training_rows_only():
    frame = parts()
    task = split_table(frame, 'label == "ok"')
    assert task.skipped == ("label",)
    assert set(task.encoder.feature_columns) == {"size, mm", "weight/g", "kind"}
    assert {column.name for column in task.columns if not column.used} == {"id", "made", "label"}
    assert task.labels.sum() == 40
    assert sum(map(len, (task.train, task.stop, task.calibrate))) + (task.labels == 0).sum() == 360
    column = task.encoder.feature_columns.index("weight/g")
    assert task.train[:, column].mean() == pytest.approx(0.0, abs=1e-5)
    assert task.train[:, column].std() == pytest.approx(1.0, abs=1e-4)
    assert (frame["label"].to_numpy()[task.test_rows] == np.where(task.labels, "broken", "ok")).all()
    frame.loc[3, "label"] = None
    with pytest.raises(ValueError, match="Received: 1 without"):
        split_table(frame, 'label == "ok"')
    frame = parts()
    with pytest.raises(ValueError, match="at least 20 normal rows"):
        split_table(frame, 'label == "broken" and id < 10')


# From raw rows to alarms.


@pytest.fixture(scope="module")
def fitted():
    task = split_table(parts(), 'label == "ok"', drop=["id"])
    detector = PCA(task.train.shape[1:], n_components=5)
    detector.compile()
    detector.fit(task.train)
    threshold = ConformalThreshold(0.05).adapt(detector.predict(task.calibrate))
    return FittedDetector(task.encoder, detector, threshold), task


def test_raw_rows_go_in_and_scores_come_out_after_saving_too(fitted, tmp_path):
    model, task = fitted
    frame = parts()
    assert model.predict(frame.iloc[task.test_rows]) == pytest.approx(model.detector.predict(task.test), abs=1e-6)
    assert set(model.detect(frame[:5])) >= {"score", "is_anomaly", "p_value", "reconstruction"}
    model.save(tmp_path / "detector.keras")
    loaded = keras.models.load_model(tmp_path / "detector.keras")
    assert loaded.raw_columns == model.raw_columns
    assert np.array_equal(loaded.predict(frame), model.predict(frame))
    with pytest.raises(ValueError, match="without 'kind'"):
        loaded.predict(frame.drop(columns="kind"))


def test_the_saved_model_takes_columns_where_the_package_is_not(fitted, tmp_path):
    model, _ = fitted
    model.export(tmp_path / "serving" / "1")
    assert model.served_names["size, mm"] == "size__mm"
    frame = parts(seed=3)[:9]
    raw = {model.served_names[name]: values for name, values in model.check_raw(frame).items()}
    raw = {name: values.astype(str) if values.dtype == object else values for name, values in raw.items()}  # no pickle
    np.savez(tmp_path / "raw.npz", **raw)
    script = (
        "import sys; sys.modules['keras_anogan'] = None\n"
        "import numpy as np, tensorflow as tf\n"
        "served = tf.saved_model.load('serving/1').signatures['serving_default']\n"
        "raw = {name: tf.constant(values) for name, values in np.load('raw.npz').items()}\n"
        "np.save('scores.npy', served(**raw)['score'].numpy())\n"
    )
    subprocess.run([sys.executable, "-c", script], cwd=tmp_path, check=True, capture_output=True)
    assert np.load(tmp_path / "scores.npy") == pytest.approx(model.predict(frame), rel=1e-5)


def test_columns_of_similar_names_are_served_under_names_of_their_own():
    raw = {name: np.arange(8.0) for name in ("a b", "a_b", "A-b", "1", "", "self")}
    encoder = TableEncoder(dict.fromkeys(raw, "float64")).adapt(raw)
    detector = PCA((12,), n_components=2)
    detector.compile()
    detector.fit(encoder.encode(raw))
    names = FittedDetector(encoder, detector, ConformalThreshold(0.5).adapt([0.0, 1.0])).served_names
    assert len({name.lower() for name in names.values()} - {"self"}) == 6
    assert all(name.isidentifier() for name in names.values())


# The command line.


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("table")
    parts(700, 70).to_csv(folder / "parts.csv", index=False)
    out = folder / "run"
    settings = ["--normal-where", 'label == "ok"', "--drop", "id", "--alpha", "0.05", "--epochs", "40"]
    settings += ["--detector", "autoencoder", "--set", "latent_dim=2"]
    assert command("train", folder / "parts.csv", "--out", out, "--learning-rate", "1e-3", *settings) == 0
    return out


def test_train_on_a_table_writes_a_whole_run(run):
    metrics = json.loads((run / "metrics.json").read_text())
    assert metrics["auroc"] > 0.8
    assert metrics["rows"]["test"] == 70 + 126
    assert list(metrics["baselines"]) == ["pca_3", "neighbors", "gaussian", "isolation_forest"]
    page = (run / "report.html").read_text()
    assert "deviates in" in page
    assert "size, mm" in page
    assert "pixels" not in page
    assert (run / "serving" / "1" / "saved_model.pb").exists()


def test_score_a_table_says_where_rows_deviate_and_what_is_unknown(run, tmp_path, capsys):
    new = parts(seed=8).drop(columns="label").fillna({"kind": "a"})
    new.loc[4, "kind"] = "zebra"
    new.loc[6, "weight/g"] = 90.0
    new.to_csv(tmp_path / "new.csv", index=False)
    assert command("score", run, tmp_path / "new.csv", "--out", tmp_path / "scores.csv") == 0
    said = capsys.readouterr().out
    assert "Column 'kind' has 1 row with a value that the detector does not know, such as 'zebra' in row 5" in said
    assert "Scored 400 rows" in said
    with open(tmp_path / "scores.csv", newline="") as file:
        lines = list(csv.DictReader(file))
    assert len(lines) == 400
    assert lines[6]["is_anomaly"] == "1"
    assert lines[6]["deviates_in"].startswith("weight/g ")
    assert "label" not in lines[0]


def test_rows_without_a_label_get_none(run, tmp_path, capsys):
    parts(seed=9).assign(label=None).to_csv(tmp_path / "new.csv", index=False)
    assert command("score", run, tmp_path / "new.csv", "--out", tmp_path / "scores.csv") == 0
    assert "AUROC" not in capsys.readouterr().out
    assert "label" not in (tmp_path / "scores.csv").read_text().split("\n")[0].split(",")


def test_score_knows_labels_where_the_condition_can_be_asked(run, tmp_path, capsys):
    parts(seed=9).to_csv(tmp_path / "new.csv", index=False)
    assert command("score", run, tmp_path / "new.csv", "--out", tmp_path / "scores.csv") == 0
    assert "AUROC" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (("--normal-where", "lable == 1"), "lable"),
        (("--drop", "nope"), "--drop nope"),
        (("--normal", "3"), "--normal-where"),
        (("--detector", "fanogan"), "alad, anogan, autoencoder, efficientgan"),
        (("--image-size", "32"), "--image-size"),
        (("--patience", "0"), "--patience"),
        (("--alpha", "0.01"), "at least 99 rows"),
    ],
)
def test_mistakes_with_tables_end_with_a_sentence(arguments, word, tmp_path, capsys):
    parts(100, 0).to_csv(tmp_path / "parts.csv", index=False)
    assert command("train", tmp_path / "parts.csv", "--out", tmp_path / "run", *arguments) == 2
    said = capsys.readouterr().err
    assert word in said
    assert said.count("\n") == 1
    assert not (tmp_path / "run").exists()


def test_images_and_tables_are_not_mixed_up(run, tmp_path, capsys):
    assert command("score", run, "digits", "--out", tmp_path / "s.csv") == 2
    assert "Expected a table" in capsys.readouterr().err
    bad = parts(seed=1)
    bad["weight/g"] = "heavy"
    bad.to_csv(tmp_path / "bad.csv", index=False)
    assert command("score", run, tmp_path / "bad.csv", "--out", tmp_path / "s.csv") == 2
    assert "Expected numbers in column 'weight/g'. Received: 'heavy' in row 1" in capsys.readouterr().err
    assert not pathlib.Path(tmp_path / "s.csv").exists()


def test_patience_stops_early_and_keeps_the_best_epoch(tmp_path, capsys):
    parts(300, 0).to_csv(tmp_path / "parts.csv", index=False)
    settings = ["--alpha", "0.1", "--drop", "id", "--drop", "label", "--learning-rate", "0.02", "--patience", "1"]
    settings += ["--detector", "autoencoder"]
    assert command("train", tmp_path / "parts.csv", "--out", tmp_path / "run", "--epochs", "12", *settings) == 0
    with open(tmp_path / "run" / "history.csv", newline="") as file:
        epochs = list(csv.DictReader(file))
    stop = [float(epoch["stop_score"]) for epoch in epochs]
    assert len(epochs) < 12
    assert stop[-1] >= min(stop) == stop[-2]
    assert "Went back to epoch" in capsys.readouterr().out
