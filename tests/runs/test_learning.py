"""Learning floors on small real data, beside the trivial baseline."""

import time

from keras_anogan import runs
from keras_anogan.runs.arguments import demo_arguments


def test_the_demo_reaches_its_floor_and_calibrates(tmp_path):
    start = time.perf_counter()
    metrics = runs.train(demo_arguments(), tmp_path / "run", say=lambda line: None)
    assert time.perf_counter() - start < 180  # about 60 s on two idle cores
    assert metrics["auroc"] >= 0.97
    assert metrics["auroc"] > metrics["baselines"]["pca_32"]["auroc"] - 0.01
    assert metrics["false_alarm_rate"] <= 0.15  # alpha is 0.05; 55 normal test rows leave this much to chance
