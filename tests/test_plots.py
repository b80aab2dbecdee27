"""Figures: what would mislead a reader without anybody noticing."""

import numpy as np
import pytest

from keras_anogan import plots


@pytest.mark.parametrize(
    ("scores", "scale"),
    [
        ([0.01, 0.1, 1.0], "log"),
        ([-3.0, 0.5, 1.0], "linear"),  # a logit, or less than no bits
        ([0.0, 0.5, 1.0], "linear"),
        ([10.0, 11.0, 12.0], "linear"),
        ([2.0, 2.0, 2.0], "linear"),
    ],
)
def test_every_score_is_in_the_histogram(scores, scale):
    figure = plots.plot_histogram(np.array(scores, "float32"), np.array([0, 0, 1]), threshold=1.0, note="k = 3")
    (axes,) = figure.axes
    assert axes.get_xscale() == scale
    assert sum(patch.get_height() for patch in axes.patches) == pytest.approx(2.0)  # all of either group
    low, high = axes.get_xlim()
    assert low <= min(scores)
    assert max(scores) <= high


def test_a_curve_by_steps_begins_at_zero_steps():
    figure = plots.plot_by_steps({"cold": [(0, 0.5), (10, 0.7), (500, 0.9)], "warm": [(0, 0.8), (10, 0.9)]}, "AUROC")
    (axes,) = figure.axes
    assert [line.get_xdata()[0] for line in axes.get_lines()] == [0, 0]
    assert [text.get_text() for text in axes.get_xticklabels()] == [
        "0",
        "1",
        "2",
        "5",
        "10",
        "20",
        "50",
        "100",
        "200",
        "500",
    ]
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["cold", "warm"]


def test_no_two_detectors_have_one_mark():
    """Seven marks and six colours: a ninth detector looks like none before it."""
    values = {f"detector {i}": {"a": 0.1 * i, "b": 0.5} for i in range(9)}
    (axes,) = plots.plot_by_kind(values, "AUROC").axes
    assert len({(line.get_marker(), line.get_color()) for line in axes.lines}) == 9


@pytest.mark.parametrize("scores", [[0.1, 0.2, 0.3, 0.4], [-5.0, 0.5, 1.0, 1e6], [2.0, 2.0, 2.0, 2.0]])
def test_outlines_of_scores_hold_every_row_on_linear_axes(scores):
    (axes,) = plots.plot_scores(np.array(scores, "float32"), np.array([0, 1, 0, 1]), "A(x)").axes
    assert (axes.get_xscale(), axes.get_yscale()) == ("linear", "linear")
    outlines = [patch.get_data() for patch in axes.patches]
    assert all((outline.edges == outlines[0].edges).all() for outline in outlines)
    assert [outline.values.sum() for outline in outlines] == pytest.approx([1.0] * 4)  # normal, anomalous; line, area
