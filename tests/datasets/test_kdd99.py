"""KDD Cup 1999: the papers' protocol row for row, the realistic one, and files that are not it."""

import gzip
import importlib

import numpy as np
import pandas as pd
import pytest

from keras_anogan import evaluation
from keras_anogan.datasets import data_dir, kdd99_paper, kdd99_realistic, load_kdd99
from keras_anogan.datasets.kdd99 import CATEGORICAL, COLUMNS, FILE, ROWS

published = pytest.mark.skipif(not (data_dir() / FILE).exists(), reason="KDD99 is not in the data folder")


def stand_in(rows=400, seed=0):
    """A file of KDD99's form: three kinds of traffic, some rows twice."""
    draw = np.random.default_rng(seed)
    kind = draw.choice(["smurf", "neptune", "normal"], rows, p=[0.5, 0.3, 0.2])
    frame = pd.DataFrame({column: draw.integers(0, 50, rows) for column in COLUMNS})
    frame["src_bytes"] = draw.integers(0, 10**6, rows) * np.where(kind == "normal", 50, 1)  # beyond the attacks' range
    frame["protocol_type"] = draw.choice(["tcp", "udp", "icmp"], rows)
    frame["service"] = np.where(kind == "normal", "http", draw.choice(["ecr_i", "private"], rows))
    frame["flag"] = draw.choice(["SF", "REJ"], rows)
    for column in ("land", "logged_in", "is_host_login", "is_guest_login"):
        frame[column] = draw.integers(0, 2, rows)
    frame["num_outbound_cmds"] = 0
    frame["kind"] = kind
    return pd.concat([frame, frame[: rows // 4]], ignore_index=True)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_ANOGAN_DATA", str(tmp_path))
    return tmp_path


def write(path, frame):
    with gzip.open(path, "wt") as file:
        frame.assign(kind=frame["kind"] + ".").to_csv(file, header=False, index=False)


def test_the_published_file_is_read_with_names_and_kinds(folder):
    write(folder / FILE, stand_in())
    frame = load_kdd99()
    assert tuple(frame.columns) == (*COLUMNS, "kind")
    assert set(frame["kind"]) == {"smurf", "neptune", "normal"}  # without the file's full stops
    assert frame["src_bytes"].dtype == "float64"


def test_without_the_file_scikit_learn_downloads_it(folder, monkeypatch):
    frame, asked = stand_in(), {}

    def fetch(**kwargs):
        asked.update(kwargs)
        rows = frame[list(COLUMNS)].to_numpy(dtype=object)
        for i, column in enumerate(COLUMNS):
            if column in ("protocol_type", "service", "flag"):
                rows[:, i] = [value.encode() for value in rows[:, i]]
        return rows, np.array([f"{kind}.".encode() for kind in frame["kind"]], dtype=object)

    monkeypatch.setattr("sklearn.datasets.fetch_kddcup99", fetch)
    found = load_kdd99()
    assert asked == {"data_home": str(folder.resolve()), "percent10": True, "return_X_y": True}
    pd.testing.assert_frame_equal(found, _floats(frame))


def _floats(frame):
    numbers = [column for column in COLUMNS if column not in ("protocol_type", "service", "flag")]
    return frame.astype(dict.fromkeys(numbers, "float64"))


def test_a_download_that_fails_is_one_sentence(folder, monkeypatch):
    def fetch(**kwargs):
        raise OSError("no network")

    monkeypatch.setattr("sklearn.datasets.fetch_kddcup99", fetch)
    with pytest.raises(FileNotFoundError, match=r"KERAS_ANOGAN_DATA.*no network"):
        load_kdd99()


@pytest.mark.parametrize("rows", [None, b"1,2,3\n4,5,6\n", b""], ids=["not gzip", "three columns", "empty"])
def test_another_file_is_refused(rows, folder):
    (folder / FILE).write_bytes(b"not gzip" if rows is None else gzip.compress(rows))
    with pytest.raises(ValueError, match=r"10 % file|columns of KDD Cup 1999"):
        load_kdd99()


def test_paper_protocol_trains_on_attacks_and_scales_by_them():
    frame = stand_in()
    split = kdd99_paper(frame)
    chosen = frame.sample(frac=0.5, random_state=42).index
    half, rest = frame.loc[chosen], frame.drop(chosen)
    assert len(split.train) == (half["kind"] != "normal").sum()
    normal = (rest["kind"] != "normal").sum()
    assert split.labels.sum() == min((rest["kind"] == "normal").sum(), int(normal * 0.25))
    assert len(split.test) == normal + split.labels.sum()
    assert (split.labels == (split.kinds == "normal")).all()
    assert (split.train.min(), split.train.max()) == (0.0, 1.0)
    assert split.train.dtype == np.float32
    bytes_ = split.columns.index("src_bytes")
    attacks = half.loc[half["kind"] != "normal", "src_bytes"]
    tested = rest.sort_index().loc[lambda rows: rows["kind"] != "normal", "src_bytes"].to_numpy()
    want = (tested - attacks.min()) / (attacks.max() - attacks.min())
    assert split.test[split.labels == 0][:, bytes_] == pytest.approx(want, abs=1e-6)
    raw = kdd99_paper(frame, scaled=False)
    assert raw.train[:, bytes_].max() == attacks.max()  # the published accident


def test_paper_protocol_sets_rows_apart_without_losing_any():
    frame = stand_in()
    whole, parts = kdd99_paper(frame), kdd99_paper(frame, stop=0.1, calibrate=0.2)
    assert sum(len(rows) for rows in (parts.train, parts.stop, parts.calibrate)) == len(whole.train)
    assert np.array_equal(parts.test, whole.test)


def test_realistic_protocol_knows_the_training_rows_only():
    frame = stand_in()
    split = kdd99_realistic(frame)
    distinct = frame.drop_duplicates()
    assert split.labels.sum() == (distinct["kind"] != "normal").sum()
    assert (split.labels == (split.kinds != "normal")).all()
    sizes = [len(rows) for rows in (split.train, split.stop, split.calibrate)]
    assert sum(sizes) + (split.labels == 0).sum() == (distinct["kind"] == "normal").sum()
    assert split.train.min() >= 0.0
    assert split.train.max() <= 1.0
    assert split.test.max() <= 2.0
    assert "service=http" in split.columns
    assert "service=private" not in split.columns  # attacks' only
    other = split.test[:, split.columns.index("service=other")]
    assert np.array_equal(other, split.labels.astype("float32"))
    trained = {row.tobytes() for row in split.train}
    assert not any(row.tobytes() in trained for row in split.test)


@published
def test_paper_protocol_has_the_published_sizes_and_baseline():
    frame = load_kdd99()
    assert len(frame) == ROWS
    split = kdd99_paper(frame)
    assert split.train.shape == (198_361, 121)
    assert len(split.test) == 247_011
    assert split.labels.sum() == 48_629
    count = -split.test[:, split.columns.index("count")]
    assert evaluation.auroc(split.labels, count) == pytest.approx(0.9879, abs=5e-5)
    assert evaluation.f1_of_top_share(split.labels, count, 0.2) == pytest.approx(0.9317, abs=5e-5)
    assert sum(len(set(frame[column])) for column in CATEGORICAL) == 121 - 34


def test_pandas_is_imported_only_where_a_table_is_read():
    module = importlib.import_module("keras_anogan.datasets.kdd99")
    assert not hasattr(module, "pd")
