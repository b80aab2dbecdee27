"""The speed benchmark's cases: what they are called, who times them, and that no process meets both frameworks."""

import json
import pathlib
import subprocess
import sys

import pytest

BENCHMARKS = pathlib.Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def cases(monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    import case

    return case.CASES


def test_every_result_file_of_speed_is_a_case_with_the_same_words_and_bound(cases):
    for path in BENCHMARKS.glob("results/speed-*.json"):
        result = json.loads(path.read_text())
        if "import_time" not in result["command"]:
            case = cases[result["name"]]
            assert (result["what"], result["bound"]) == (case.what, f">= {case.bound}")
            assert ("pytorch" in result) == case.pytorch


def test_the_other_side_does_as_many_units_unless_told_otherwise(cases):
    assert cases["speed-fanogan-train"].their_units == cases["speed-fanogan-train"].units == 170
    assert cases["speed-efficientgan-train"].their_units == 20


def test_sides_import_no_framework_before_they_are_built(cases):
    modules = sorted({f"sides.{case.side}" for case in cases.values()})
    script = (
        f"import sys, importlib; sys.path.insert(0, {str(BENCHMARKS)!r});"
        f"sides = [importlib.import_module(name) for name in {modules}];"
        "assert all(callable(side.ours) and callable(side.theirs) for side in sides);"
        "print([name for name in ('torch', 'tensorflow', 'keras', 'keras_anogan') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_networks_that_differ_stop_the_benchmark(cases):
    import speed

    speed.check_same_layers({"generator": 3}, {"generator": 3})
    with pytest.raises(SystemExit, match="Expected equal networks"):
        speed.check_same_layers({"generator": 3}, {"generator": 4})
