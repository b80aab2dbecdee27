"""What a training takes is told before anything is built."""

import math

import pytest

from keras_anogan.models import build_phases
from keras_anogan.runs import memory
from keras_anogan.runs.arguments import Arguments
from keras_anogan.runs.memory import GIB, check_memory, estimate_memory


def arguments(detector="fanogan", **given):
    return Arguments(data="photos", detector=detector, **given)


def test_weights_are_counted_as_they_are_built():
    phases = build_phases("fanogan", (8, 8, 3), architecture="dcgan", filters=4)
    real = {id(w): math.prod(w.shape) for model in phases.values() for w in model.weights}
    weights, needed = estimate_memory(arguments(params={"filters": 4}), (8, 8, 3), batch_size=4)
    assert weights == sum(real.values())
    assert needed > 4 * 4 * weights * 0.9  # trained with Adam: nearly all have a gradient and two averages
    more = estimate_memory(arguments(params={"filters": 4}), (8, 8, 3), batch_size=8)[1]
    assert more > needed


def test_channels_stop_to_double_where_64_pixels_are():
    assert estimate_memory(arguments(), (64, 64, 3), 1)[0] == 10_380_870  # as before there was a limit
    weights, needed = estimate_memory(arguments(), (1024, 1024, 3), 1)
    assert weights < 70e6  # 2,181 million without it
    assert needed < 8 * GIB


def test_networks_that_do_not_fit_are_refused_with_what_would_do(monkeypatch):
    fits = estimate_memory(arguments(), (64, 64, 1), 8)[1]
    monkeypatch.setattr(memory, "memory_of_machine", lambda: int(fits * 1.01))
    assert 0.9 < check_memory(arguments(batch_size=8), (64, 64, 1)) < 1.0
    with pytest.raises(ValueError, match=r"\(64, 64, 1\), 10 million weights, .*--batch-size 64; --batch-size 8 takes"):
        check_memory(arguments(batch_size=64), (64, 64, 1))
    with pytest.raises(ValueError, match=r"shape \(128, 192, 1\).* --image-size 48x32 takes 0\.2\."):
        check_memory(arguments(batch_size=64), (128, 192, 1))
    monkeypatch.setattr(memory, "memory_of_machine", lambda: None)
    assert check_memory(arguments(batch_size=64), (64, 64, 1)) == 0.0


def test_a_limit_of_the_process_and_of_a_container_count(tmp_path, monkeypatch):
    whole = memory.memory_of_machine()
    assert whole > GIB // 2
    limit = tmp_path / "memory.max"
    monkeypatch.setattr(memory, "CGROUP", limit)
    limit.write_text("1000000\n")
    assert memory.memory_of_machine() == 1_000_000
    limit.write_text("max\n")
    assert memory.memory_of_machine() >= whole
