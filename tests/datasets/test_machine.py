"""The made-up log of a machine: read without a hint, and its faults found."""

import numpy as np
import pytest

from keras_anogan import Gaussian
from keras_anogan.datasets import machine_table, open_table
from keras_anogan.evaluation import auroc
from keras_anogan.runs.tasks import split_table

KINDS = {
    "Unnamed: 0": "index",
    "time": "date",
    "part_id": "id",
    "cycles": "counter",
    "product": "category",
    "shift": "category",
    "load": "number",
    "speed": "number",
    "pressure": "number",
    "oil": "number",
    "mould": "number",
    "ambient": "number",
    "current": "number",
    "vibration": "number",
    "rejects": "number",
    "voltage": "constant",
    "state": "label",
}


@pytest.fixture(scope="module", params=[",", ";"])
def task(request, tmp_path_factory):
    path = tmp_path_factory.mktemp("machine") / "machine.csv"
    machine_table(4_000).to_csv(path, index=False, sep=request.param)
    return split_table(open_table(path), 'state == "ok"')


def test_every_column_is_read_right_without_a_hint(task):
    assert {column.name: column.kind for column in task.columns} == KINDS
    between = {column.name: (column.low, column.high) for column in task.columns}
    assert 13 < between["load"][0] < between["load"][1] <= 100
    assert 700 < between["pressure"][0] < between["pressure"][1] < 1_800
    assert between["current"][1] < 40  # its glitches do not count
    remarks = {column.name: column.remark for column in task.columns}
    assert "9999" in remarks["current"]
    assert "'error'" in remarks["vibration"]
    assert any("Left out: Unnamed: 0" in remark for remark in task.remarks)


def test_a_closed_form_finds_the_faults(task):
    detector = Gaussian(task.train.shape[1:])
    detector.compile()
    detector.fit(task.train)
    assert auroc(task.labels, detector.predict(task.test)) > 0.97


def test_a_seed_decides_the_log():
    assert machine_table(200, 3).equals(machine_table(200, 3))
    assert not machine_table(200, 3).equals(machine_table(200, 4))
    assert machine_table(400)["state"].nunique() > 2
    stuck = machine_table(4_000)
    oil = stuck["oil"].str.replace(",", ".").astype(float)
    normal, wrong = oil[stuck["state"] == "ok"], oil[stuck["state"] == "stuck sensor"]
    assert normal.min() < wrong.min()  # each cell is ordinary
    assert wrong.max() < normal.max()
    assert np.isfinite(normal.max())
    with pytest.raises(ValueError, match="rows >= 100"):
        machine_table(50)
