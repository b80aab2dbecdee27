"""KDD Cup 1999, the 10 % file: 494,021 network connections, 41 columns and the kind of traffic.

Two protocols. `kdd99_paper` is that of the papers (EGBAD, ALAD, DAGMM): attacks, four fifths of the file, are the
normal class, and normal traffic is the anomaly. `kdd99_realistic` is what a user would do: normal traffic is normal.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

from keras_anogan.datasets.protocols import Split, three_ways
from keras_anogan.datasets.storage import data_dir

if TYPE_CHECKING:
    import pandas as pd

FILE = "kddcup.data_10_percent.gz"
ROWS = 494_021
COLUMNS = (
    *("duration", "protocol_type", "service", "flag", "src_bytes", "dst_bytes", "land", "wrong_fragment", "urgent"),
    *("hot", "num_failed_logins", "logged_in", "num_compromised", "root_shell", "su_attempted", "num_root"),
    *("num_file_creations", "num_shells", "num_access_files", "num_outbound_cmds", "is_host_login", "is_guest_login"),
    *("count", "srv_count", "serror_rate", "srv_serror_rate", "rerror_rate", "srv_rerror_rate", "same_srv_rate"),
    *("diff_srv_rate", "srv_diff_host_rate", "dst_host_count", "dst_host_srv_count", "dst_host_same_srv_rate"),
    *("dst_host_diff_srv_rate", "dst_host_same_src_port_rate", "dst_host_srv_diff_host_rate", "dst_host_serror_rate"),
    *("dst_host_srv_serror_rate", "dst_host_rerror_rate", "dst_host_srv_rerror_rate"),
)
TEXT = ("protocol_type", "service", "flag")
CATEGORICAL = (*TEXT, "land", "logged_in", "is_host_login", "is_guest_login")
KIND = "kind"


def load_kdd99() -> pd.DataFrame:
    """The 10 % file as a DataFrame: 41 columns, and `kind`, "normal" or the name of an attack.

    Reads `kddcup.data_10_percent.gz` as published from the data folder (see `storage.data_dir`), else downloads it
    with `sklearn.datasets.fetch_kddcup99`.

    Raises:
        FileNotFoundError: if it is not there and can't be downloaded.
        ValueError: if the file is not KDD99's.
    """
    import pandas as pd

    path = data_dir() / FILE
    if not path.exists():
        return _fetch()
    try:
        frame = pd.read_csv(path, header=None, names=[*COLUMNS, KIND], index_col=False)
    except (ValueError, OSError, EOFError) as error:
        raise ValueError(f"Expected the 10 % file of KDD Cup 1999 in {path}. {error}") from error
    return _tidy(frame, str(path))


def _fetch() -> pd.DataFrame:
    import pandas as pd
    from sklearn.datasets import fetch_kddcup99

    try:
        rows, kinds = fetch_kddcup99(data_home=str(data_dir().resolve()), percent10=True, return_X_y=True)
    except Exception as error:
        raise FileNotFoundError(
            f"Expected {FILE} in the data folder {data_dir()} (set KERAS_ANOGAN_DATA to change it), and could not "
            f"download it: {error}"
        ) from error
    frame = pd.DataFrame(rows, columns=list(COLUMNS))
    frame[KIND] = kinds
    for column in (*TEXT, KIND):
        frame[column] = frame[column].map(lambda value: value.decode() if isinstance(value, bytes) else value)
    return _tidy(frame, "scikit-learn's copy")


def _tidy(frame: pd.DataFrame, source: str) -> pd.DataFrame:
    frame[KIND] = frame[KIND].astype(str).str.rstrip(".")
    numeric = [column for column in COLUMNS if column not in TEXT]
    try:
        frame[numeric] = frame[numeric].astype("float64")
    except ValueError as error:
        raise ValueError(f"Expected the columns of KDD Cup 1999 in {source}. {error}") from error
    if frame.isna().any(axis=None) or "normal" not in set(frame[KIND]):
        raise ValueError(f"Expected the columns of KDD Cup 1999 in {source}. Received: missing cells or no 'normal'.")
    return frame


@dataclasses.dataclass(frozen=True)
class TableSplit(Split):
    """A `Split` of a table: rows are float32 (n, features).

    Attributes:
        columns: names of the features, (features,).
        kinds: what each test row is, e.g. "smurf"; (len(test),).
    """

    columns: tuple[str, ...] = ()
    kinds: np.ndarray | None = None


def kdd99_paper(
    frame: pd.DataFrame, scaled: bool = True, stop: float = 0.0, calibrate: float = 0.0, seed: int = 0
) -> TableSplit:
    """The protocol of EGBAD and ALAD, row for row (`data/kdd.py` of the authors' code).

    Attacks are the normal class, "normal" traffic the anomaly. Half of the rows (pandas, random_state 42), the attacks
    among them, are for training: 198,361. The other half is for testing, with as many anomalies as make up a fifth, or
    all there are: 198,382 attacks and 48,629 anomalies, 19.7 %. Seven columns are one-hot, which makes 121 features.

    Args:
        frame: `load_kdd99()`.
        scaled: every column to [0, 1] by the range of the training attacks (test rows may leave it). False is the
            published accident: the authors' code fits the scaler and throws its result away. Byte counts of several
            millions then stand beside rates.
        stop, calibrate: shares of the training rows that are set apart; none in the papers.
        seed: of that split.

    Raises:
        ValueError: for shares that leave nothing to train on.
    """
    rows, columns = _one_hot(frame)
    anomalous = (frame[KIND] == "normal").to_numpy()
    train_half = np.zeros(len(frame), bool)
    train_half[frame.sample(frac=0.5, random_state=42).index] = True
    train = rows[train_half & ~anomalous]
    tested = np.flatnonzero(~train_half)
    normal, odd = tested[~anomalous[tested]], tested[anomalous[tested]]
    odd = odd[np.random.RandomState(42).permutation(len(odd))[: int(len(normal) * 0.2 / 0.8)]]
    test = np.sort(np.concatenate([normal, odd]))
    low, high = (train.min(axis=0), train.max(axis=0)) if scaled else (0.0, 1.0)
    fitted, stopped, calibrated = (
        _to_range(train[part], low, high) for part in three_ways(len(train), stop, calibrate, seed)
    )
    return TableSplit(
        train=fitted,
        stop=stopped,
        calibrate=calibrated,
        test=_to_range(rows[test], low, high),
        labels=anomalous[test].astype("int64"),
        name="KDD99, the papers' protocol: attacks are normal",
        columns=columns,
        kinds=frame[KIND].to_numpy()[test],
    )


def kdd99_realistic(
    frame: pd.DataFrame, stop: float = 0.1, calibrate: float = 0.2, test: float = 0.2, seed: int = 0
) -> TableSplit:
    """Normal traffic is normal, attacks are anomalies, and no row occurs twice.

    Duplicates are removed first (smurf and neptune are 98 % of the file's attacks, mostly copies), so that no test row
    was trained on. Columns are encoded by what the training rows hold: log(1 + x) of the numbers, to [0, 1] by their
    range and cut off at twice that range; categories one-hot, with one more column for those never seen.

    Args:
        frame: `load_kdd99()`.
        stop, calibrate: shares of the normal rows that are left after the test rows.
        test: share of the normal rows to test on, beside all attacks.
        seed: of the split.

    Raises:
        ValueError: for shares that leave nothing to train on.
    """
    frame = frame.drop_duplicates(ignore_index=True)
    kinds = frame[KIND].to_numpy()
    normal = np.flatnonzero(kinds == "normal")
    rest, tested, _ = three_ways(len(normal), test, 0.0, seed)
    train, stopped, calibrated = (normal[rest][part] for part in three_ways(len(rest), stop, calibrate, seed + 1))
    judged = np.sort(np.concatenate([normal[tested], np.flatnonzero(kinds != "normal")]))
    encoded, columns = [], []
    for column in COLUMNS:
        values = frame[column].to_numpy()
        if column in CATEGORICAL:
            known = np.unique(values[train])
            one_hot = values[:, None] == known[None, :]
            encoded.append(np.concatenate([one_hot, ~one_hot.any(axis=1, keepdims=True)], axis=1).astype("float32"))
            columns += [f"{column}={value}" for value in (*known, "other")]
        else:
            values = np.log1p(values)[:, None]
            scaled = _to_range(values, values[train].min(axis=0), values[train].max(axis=0))
            encoded.append(np.minimum(scaled, 2.0))
            columns.append(column)
    rows = np.concatenate(encoded, axis=1)
    return TableSplit(
        train=rows[train],
        stop=rows[stopped],
        calibrate=rows[calibrated],
        test=rows[judged],
        labels=(kinds[judged] != "normal").astype("int64"),
        name="KDD99, distinct rows: normal traffic is normal",
        columns=tuple(columns),
        kinds=kinds[judged],
    )


def _one_hot(frame: pd.DataFrame) -> tuple[np.ndarray, tuple[str, ...]]:
    """All columns as numbers, float64 (n, 121): the categorical ones as one column for each value in the file."""
    parts, columns = [], []
    for column in COLUMNS:
        values = frame[column].to_numpy()
        if column in CATEGORICAL:
            known = np.unique(values)
            parts.append((values[:, None] == known[None, :]).astype("float32"))
            columns += [f"{column}={value}" for value in known]
        else:
            parts.append(values[:, None].astype("float32"))
            columns.append(column)
    return np.concatenate(parts, axis=1), tuple(columns)


def _to_range(rows: np.ndarray, low: np.ndarray | float, high: np.ndarray | float) -> np.ndarray:
    span = np.asarray(high) - low
    return ((rows - low) / np.where(span > 0, span, 1.0)).astype("float32")
