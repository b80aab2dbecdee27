"""Figures: what would mislead a reader without anybody noticing."""

import numpy as np
import pytest

from keras_anogan import plots


@pytest.mark.parametrize(
    ("scores", "threshold", "scale"),
    [
        ([0.01, 0.1, 1.0], 1.0, "log"),
        ([0.01, 0.1, 1.0], 20.0, "log"),  # the threshold lies beyond every score
        ([-3.0, 0.5, 1.0], 1.0, "linear"),  # a logit, or less than no bits
        ([0.0, 0.5, 1.0], -2.0, "linear"),
        ([10.0, 11.0, 12.0], 10.5, "linear"),
        ([2.0, 2.0, 2.0], 2.0, "linear"),
        ([2.0, 2.0, 2.0], np.inf, "linear"),
    ],
)
def test_every_score_and_the_threshold_are_in_the_histogram(scores, threshold, scale):
    figure = plots.plot_histogram(np.array(scores, "float32"), np.array([0, 0, 1]), threshold, note="k = 3")
    (axes,) = figure.axes
    assert axes.get_xscale() == scale
    assert shares(axes) == pytest.approx([1.0, 1.0])  # all of either group
    low, high = axes.get_xlim()
    assert low < min(scores)
    assert max(scores) < high
    assert np.isinf(threshold) or low < threshold < high
    texts = [text.get_text() for text in figure.legends[0].get_texts()]
    assert texts == ["normal (2)", "anomalous (1)", f"threshold {threshold:.4g} (k = 3)"]


def shares(axes):
    """Of each outline, what its bins hold together."""
    return [patch.get_data().values.sum() for patch in axes.patches if not patch.get_fill()]


def test_one_far_score_does_not_press_all_others_into_one_bin():
    scores = np.append(np.random.default_rng(0).normal(size=999), 1e6)
    calibration = np.random.default_rng(1).normal(size=200)
    (axes,) = plots.plot_histogram(scores, None, 2.0, calibration=calibration, what="images").axes
    assert shares(axes) == pytest.approx([1.0, 1.0])
    assert max(axes.patches[0].get_data().values) < 0.3
    assert axes.get_xlabel().endswith("outer bins: this and beyond")


@pytest.mark.parametrize(("rows", "least", "most"), [(12, 6, 9), (4000, 25, 60)])
def test_the_number_of_bins_fits_the_number_of_rows(rows, least, most):
    scores = np.random.default_rng(0).normal(size=rows)
    (axes,) = plots.plot_histogram(scores, None, 0.0).axes
    assert least <= len(axes.patches[0].get_data().values) <= most


def test_every_loss_has_a_panel_of_its_own():
    logs = [{"critic_loss": 900.0 - i, "loss": 0.1, "diversity": 1.0, "balance": 0.5} for i in range(3)]
    panels = plots.plot_history("wgan_gp", [logs[0] | {"late": 1.0}, *logs[1:]]).axes
    assert [panel.get_title(loc="left") for panel in panels] == ["critic loss", "loss", "late"]
    assert panels[1].get_ylim()[1] < 1.0


def test_a_file_name_is_no_formula():
    pixels = np.zeros((4, 4), "uint8")
    figure = plots.plot_panels([("a$\\frac{b$.png", {"input": pixels})])
    figure.canvas.draw()  # matplotlib raises for half a formula
    assert figure.axes[0].get_title(loc="left") == "a$\\frac{b$.png"


def test_lines_have_their_names_and_those_beside_are_dashed():
    figure = plots.plot_lines({"ours": [(1, 0.5), (2, 0.9)]}, "Epoch", "AUROC", beside={"theirs": [(1, 0.4), (2, 0.3)]})
    (axes,) = figure.axes
    lines = {line.get_label(): (list(line.get_ydata()), line.get_linestyle()) for line in axes.get_lines()}
    assert lines == {"theirs": ([0.4, 0.3], "--"), "ours": ([0.5, 0.9], "-")}
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("Epoch", "AUROC")
    assert all(tick.is_integer() for tick in axes.get_xticks())  # nothing happens at epoch 1.5


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
