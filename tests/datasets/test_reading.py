"""How tables are read: encodings, separators, numbers and dates as other programs write them, and what is told."""

import gzip

import numpy as np
import pandas as pd
import pytest

from keras_anogan.datasets import normal_rows, open_table, read_table
from keras_anogan.datasets.cells import apply_format, find_format
from keras_anogan.datasets.conditions import some_names
from keras_anogan.datasets.table import type_columns


def written(tmp_path, text, encoding="utf-8", name="t.csv"):
    (tmp_path / name).write_bytes(text.encode(encoding))
    return tmp_path / name


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp1252"])
def test_any_separator_and_encoding_gives_the_same_table(separator, encoding, tmp_path):
    frame = pd.DataFrame({"größe": [1.5, 2.5, 3.5], "ort": ["Köln", 'a "b", c', "x; y"], "n": [1, 2, 3]})
    path = written(tmp_path, frame.to_csv(index=False, sep=separator), encoding)
    table = open_table(path)
    pd.testing.assert_frame_equal(table.frame, frame, check_dtype=False)
    assert any("as columns between" in remark for remark in table.remarks) == (separator != ",")
    assert any("not UTF-8" in remark for remark in table.remarks) == (not encoding.startswith("utf-8"))


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_other_shapes_of_files_are_read(tmp_path):
    excel = written(tmp_path, "sep=;\r\na;b\r\n1,5;2\r\n")
    assert read_table(excel).to_dict("list") == {"a": [1.5], "b": [2]}
    assert read_table(written(tmp_path, "a  b\n1  2\n3  4\n")).to_dict("list") == {"a": [1, 3], "b": [2, 4]}
    assert read_table(written(tmp_path, "text\nhello, world\ngood bye\n"))["text"].tolist() == [
        "hello, world",
        "good bye",
    ]
    with gzip.open(tmp_path / "t.csv.gz", "wb") as file:
        file.write("a;b\n1;2\n".encode("utf-16"))
    assert list(read_table(tmp_path / "t.csv.gz").columns) == ["a", "b"]
    cut = written(tmp_path, "a;b\n" + "1,25;some words\n" * 9_000)  # the sample of the file ends within a line
    assert read_table(cut).shape == (9_000, 2)
    late = written(tmp_path, "a;b\n" + "1;x\n" * 400_000 + "1;é\n", "cp1252")  # not UTF-8 after a megabyte
    assert read_table(late)["b"].iloc[-1] == "é"
    names = open_table(written(tmp_path, "1.5,2.5\n3.5,4.5\n")).remarks
    assert "The first line of t.csv holds numbers only" in names[0]
    assert open_table(written(tmp_path, "0,1\n3.5,4.5\n")).remarks == []


@pytest.mark.parametrize(
    ("cells", "want"),
    [
        (["1,234.50", "12.00", "1,000,000.25"], [1234.5, 12.0, 1000000.25]),
        (["1.234,50", "12,00", "1.000.000,25"], [1234.5, 12.0, 1000000.25]),
        (["12,5", "0,25", "-3"], [12.5, 0.25, -3.0]),
        (["12.5%", "3 %", "−0.5%"], [12.5, 3.0, -0.5]),
        (["$1,200.00", "$3.50", "-$2.00"], [1200.0, 3.5, -2.0]),
        (["1 234,5", "1\u00a0234,5", "1\u202f234,5"], [1234.5] * 3),
        (["1'234.5", "1’234.5", "5"], [1234.5, 1234.5, 5.0]),
        (["21.5 °C", "20.0 °C", "1e3"], [21.5, 20.0, 1000.0]),
        (["1.5", "2.5", "error", "2.5", "3", "4"], [1.5, 2.5, np.nan, 2.5, 3.0, 4.0]),
        (["1.5", "2.5", "inf", "2.5", "3", "4"], [1.5, 2.5, np.nan, 2.5, 3.0, 4.0]),
        ([" 1.5", "2.5 ", "3"], [1.5, 2.5, 3.0]),
    ],
)
def test_numbers_are_numbers_however_they_are_written(cells, want):
    table = type_columns(pd.DataFrame({"x": cells}))
    np.testing.assert_allclose(table.frame["x"], want)
    again = apply_format(pd.Series(cells), table.formats.get("x", {"kind": "number", "decimal": ".", "thousands": ""}))
    np.testing.assert_allclose(again, want)


@pytest.mark.parametrize(
    "cells",
    [
        ["007", "012", "100"],  # names
        ["9007199254740993", "9007199254740992"],  # more digits than a number keeps
        ["12", "A1", "B2"],
        ["1.2.3", "1.2.4"],
        ["5%", "5 €", "a", "b"],
        ["true", "false"],
        ["12:30", "13:45"],
    ],
)
def test_what_is_no_number_stays_text(cells):
    table = type_columns(pd.DataFrame({"x": cells}))
    assert table.frame["x"].tolist() == cells
    assert table.remarks == []


def test_a_point_means_a_thousand_where_the_file_has_decimal_commas():
    frame = pd.DataFrame({"a": ["1.234", "2.500"], "b": ["12,5", "0,5"], "c": ["1,234", "2,500"]})
    assert type_columns(frame).frame["a"].tolist() == [1234.0, 2500.0]
    assert type_columns(frame).frame["c"].tolist() == [1.234, 2.5]
    assert type_columns(frame[["a"]]).frame["a"].tolist() == [1.234, 2.5]
    assert type_columns(frame[["c"]]).frame["c"].tolist() == [1234.0, 2500.0]
    assert type_columns(frame[["c"]], separator=";").frame["c"].tolist() == [1.234, 2.5]
    english = pd.DataFrame({"c": ["1,234", "2,500"], "d": ["0.25", "12.5"]})
    assert type_columns(english, separator=";").frame["c"].tolist() == [1234.0, 2500.0]


@pytest.mark.parametrize(
    ("cells", "want"),
    [
        (["31.01.2024", "01.02.2024"], "2024-01-31"),
        (["31/01/2024 08:30", "01/02/2024 09:00"], "2024-01-31 08:30"),
        (["01/31/2024", "02/01/2024"], "2024-01-31"),
        (["31-Jan-2024", "01-Feb-2024"], "2024-01-31"),
        (["Jan 31, 2024", "Feb 1, 2024"], "2024-01-31"),
        (["2024/01/31 08:30:15", "2024/02/01 08:30:15"], "2024-01-31 08:30:15"),
        (
            ["2024-01-31T08:30:00Z", "2024-02-01T08:30:00Z", "2024-02-01T08:30:00Z", "2024-02-01", "?"],
            "2024-01-31 08:30",
        ),
    ],
)
def test_dates_are_dates_however_they_are_written(cells, want):
    table = type_columns(pd.DataFrame({"x": cells}))
    assert table.frame["x"].iloc[0] == pd.Timestamp(want, tz="UTC")
    assert table.formats["x"]["kind"] == "date"


def test_what_was_guessed_is_told():
    frame = pd.DataFrame({"m": ["error", *map(str, np.linspace(0.5, 1.5, 49))], "p": ["1,234.50"] * 50})
    frame["d"] = ["01/02/2024"] * 50
    table = type_columns(frame)
    assert table.remarks == [
        "Read as numbers: 'p' (1,234.50 is 1234.5).",
        "Read as dates: 'd' (01/02/2024 is 2024-02-01; %m/%d/%Y would fit too).",
        "1 of 50 cells of 'm' is no number, 'error': it counts as missing.",
    ]
    assert table.formats["m"]["words"] == ["error"]
    assert type_columns(pd.DataFrame({"x": ["1.5", "2", "-3e5"]})).remarks == []


def test_columns_are_what_they_are_asked_to_be():
    frame = pd.DataFrame(
        {"x": ["1.5", "a", "b", "2"], "d": ["01.02.24", "2024", "03.04.24", "x"], "c": ["1", "2", "3", "4"]}
    )
    wanted = {"x": {"kind": "number"}, "d": {"kind": "date", "date": "%m.%d.%y"}, "c": {"kind": "category"}}
    table = type_columns(frame, wanted)
    assert table.frame["x"].isna().tolist() == [False, True, True, False]
    assert table.frame["d"].iloc[0] == pd.Timestamp("2024-01-02", tz="UTC")
    assert table.frame["c"].tolist() == ["1", "2", "3", "4"]
    with pytest.raises(ValueError, match=r"Expected numbers in column 'x'. Received: 'a' in row 2"):
        type_columns(pd.DataFrame({"x": ["1", "a", "b", "c"]}), {"x": {"kind": "number"}})
    with pytest.raises(ValueError, match=r"Expected dates in column 'x'. Received: 'a' in row 1"):
        type_columns(pd.DataFrame({"x": ["a", "b", "c"]}), {"x": {"kind": "date"}})


def test_a_table_is_read_as_an_earlier_one_and_another_way_of_writing_is_found():
    days = pd.DataFrame({"d": ["31.01.2024", "01.02.2024"]})
    assert type_columns(days, type_columns(days).formats).remarks == []  # nothing new to tell
    first = type_columns(pd.DataFrame({"p": ["1.234,5", "0,5", "3", "-"]}))
    assert first.formats["p"] == {"kind": "number", "decimal": ",", "thousands": ".", "words": ["-"]}
    later = type_columns(pd.DataFrame({"p": ["1.500", "2.500", "-"]}), first.formats)
    assert later.frame["p"][:2].tolist() == [1500.0, 2500.0]  # alone it would read as 1.5
    other = type_columns(pd.DataFrame({"p": ["0.25", "12.75"]}), first.formats)
    assert other.frame["p"].tolist() == [0.25, 12.75]
    assert find_format(pd.Series(["a", "b"])) is None


# Conditions.


@pytest.mark.parametrize(
    "condition",
    ["anomaly != True", "anomaly == False", 'anomaly == "False"', "anomaly in ['false']", "not anomaly", "~anomaly"],
)
@pytest.mark.parametrize("cells", [(True, False), ("True", "False"), ("TRUE", "FALSE"), ("true", "false")])
def test_true_and_false_are_the_same_in_every_spelling(condition, cells, tmp_path):
    frame = pd.DataFrame({"a": np.arange(100.0), "anomaly": np.where(np.arange(100) < 30, *cells)})
    if isinstance(cells[0], bool):
        frame["anomaly"] = frame["anomaly"].astype(bool)
    frame.to_csv(tmp_path / "t.csv", index=False)
    frame.to_parquet(tmp_path / "t.parquet")
    for name in ("t.csv", "t.parquet"):
        assert normal_rows(read_table(tmp_path / name), condition)[0].sum() == 70


def test_a_condition_that_compares_text_with_numbers_is_refused():
    frame = pd.DataFrame({"n": [0, 1, 2], "c": ["a", "b", "c"], "f": [True, False, True]})
    assert normal_rows(frame, 'n == "1"')[0].tolist() == [False, True, False]
    assert normal_rows(frame, "`n` in ['0', 2]")[0].tolist() == [True, False, True]
    for bad, word in (
        ("c == 1", "text, such as 'a'"),
        ('n == "ok"', "numbers, such as 0"),
        ("f == 'no'", "true or false"),
    ):
        with pytest.raises(ValueError, match=word):
            normal_rows(frame, bad)
    assert some_names("abcdefghij") == "a, b, c, d, e, f, g, h and 2 more"
