"""Runs of tables from the command line: columns are reported, later files are read alike, and rows keep their names."""

import csv
import json
import re

import numpy as np
import pandas as pd
import pytest

import keras_anogan_cli
from keras_anogan.datasets import machine_table
from keras_anogan.runs.arguments import Arguments, parse_columns

SETTINGS = ("--detector", "gaussian", "--alpha", "0.1", "--id-column", "part_id", "--drop", "shift, rejects")


def command(*arguments):
    return keras_anogan_cli.run([str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def trained(tmp_path_factory, request):
    folder = tmp_path_factory.mktemp("machine")
    machine_table(1_000).to_csv(folder / "machine.csv", index=False, sep=";")
    condition = ("--normal-where", 'state == "ok"')
    assert command("train", folder / "machine.csv", *condition, *SETTINGS, "--out", folder / "run") == 0
    return folder / "run"


def test_columns_are_reported_before_training_and_kept(trained, capsys):
    columns = {column["name"]: column for column in json.loads((trained / "metrics.json").read_text())["columns"]}
    assert set(columns["oil"]) == {"name", "kind", "used", "missing", "unique", "low", "high", "remark", "input"}
    kinds = {name: column["kind"] for name, column in columns.items() if not column["used"]}
    assert kinds == {
        "Unnamed: 0": "index",
        "time": "date",
        "part_id": "row id",
        "cycles": "counter",
        "shift": "dropped",
        "rejects": "dropped",
        "state": "label",
    }
    settings = ("--normal-where", 'state != "nothing"', "--column", "time=date", *SETTINGS, "--smoke")
    assert command("train", trained.parent / "machine.csv", *settings, "--out", trained.parent / "other") == 0
    said = capsys.readouterr().out
    assert "column      taken for" in said
    assert "Left out: Unnamed: 0 (the number of the row); part_id (--id-column); cycles (it counts" in said
    assert "All 1,000 rows meet the condition" in said
    assert "Read as numbers" not in said  # says what was read as what, once
    kept = json.loads((trained.parent / "other" / "metrics.json").read_text())["columns"]
    assert next(column for column in kept if column["name"] == "time")["used"]


def test_later_rows_are_read_alike_and_keep_their_names(trained, tmp_path, capsys):
    new = machine_table(200, seed=1).drop(columns="state").assign(mould="140,0")
    new["pressure"] = "1.234"  # a thousand: the training file had decimal commas
    new.to_csv(tmp_path / "new.csv", index=False, encoding="utf-16")
    assert command("score", trained, tmp_path / "new.csv", "--out", tmp_path / "scores.csv") == 0
    said = capsys.readouterr().out
    assert "Read new.csv as utf-16" in said
    assert "Column 'mould' lies outside what was seen" in said
    assert "in 200 of 200 rows" in said
    assert "Column 'pressure'" not in said
    assert "'time'" not in said  # what is left out is not told of again
    with open(tmp_path / "scores.csv", newline="") as file:
        lines = list(csv.DictReader(file))
    assert [line["part_id"] for line in lines] == new["part_id"].tolist()
    assert lines[0]["id"] == "row-1"
    assert "mould" in lines[0]["deviates_in"]
    assert all(len(line["p_value"]) <= 8 for line in lines)
    new.drop(columns="part_id").to_csv(tmp_path / "new.csv", index=False)
    assert command("score", trained, tmp_path / "new.csv", "--out", tmp_path / "scores.csv") == 0
    assert "no column 'part_id' (--id-column)" in capsys.readouterr().out


def test_scores_carry_an_id_that_nobody_named(tmp_path, capsys):
    draw = np.random.default_rng(0)
    names = [f"{i:04d}-A" for i in draw.permutation(80)]
    frame = pd.DataFrame(
        {"serial": names, "nr": range(1, 81), "uptime": np.arange(80) * 7, "load": draw.normal(size=80)}
    )
    frame.to_csv(tmp_path / "rows.csv", index=False)
    words = ("--detector", "gaussian", "--alpha", "0.1", "--out", tmp_path / "run")
    assert command("train", tmp_path / "rows.csv", *words) == 0
    assert "Scores carry the cells of serial, nr; --id-column NAME" in capsys.readouterr().out
    frame.assign(serial=[f"{i:03d}" for i in range(80)]).to_csv(tmp_path / "new.csv", index=False)
    assert command("score", tmp_path / "run", tmp_path / "new.csv", "--out", tmp_path / "s.csv") == 0
    with open(tmp_path / "s.csv", newline="") as file:
        first = next(csv.DictReader(file))
    assert (first["id"], first["serial"], first["nr"]) == ("row-1", "000", "1")  # as they are written
    assert "uptime" not in first
    assert re.search(r"row-\d+, \d{3}, \d+", (tmp_path / "s.html").read_text())
    frame[["load"]].to_csv(tmp_path / "new.csv", index=False)
    assert command("score", tmp_path / "run", tmp_path / "new.csv", "--out", tmp_path / "s.csv") == 0


def test_the_report_names_rows(trained):
    page = (trained / "report.html").read_text()
    assert "deviates in" in page
    assert ", T-00" in page


def test_kinds_of_columns_are_parsed():
    assert parse_columns(["day=date:%d.%m.%Y", "a=b=number"]) == {
        "day": {"kind": "date", "date": "%d.%m.%Y"},
        "a=b": {"kind": "number"},
    }
    for bad, word in (
        (["x"], "Received: 'x'"),
        (["x=text"], "x=text"),
        (["x=number:%d"], "x=number"),
        (["x=id"] * 2, "twice"),
    ):
        with pytest.raises(ValueError, match=word):
            Arguments(data="t.csv", column=bad)
    for given in ({"column": ["x=id"]}, {"id_column": "x"}, {"drop": ["x"]}):
        option = next(iter(given)).replace("_", "-")
        with pytest.raises(ValueError, match=f"Expected --{option} with a table"):
            Arguments(data="digits", normal=1, **given)


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (("--column", "nope=number"), "--column nope"),
        (("--id-column", "nope"), "--id-column nope"),
        (("--drop", "oil,nope"), "--drop nope"),
        (("--column", "state=number"), "Expected numbers in column 'state'. Received: 'ok' in row 1"),
        (("--normal-where", "product == 3"), "which are text, such as"),
    ],
)
def test_mistakes_with_columns_end_with_a_sentence(arguments, word, trained, tmp_path, capsys):
    assert command("train", trained.parent / "machine.csv", "--out", tmp_path / "run", *arguments) == 2
    said = capsys.readouterr().err
    assert word in said
    assert said.count("\n") == 1
    assert not (tmp_path / "run").exists()
