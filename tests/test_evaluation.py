"""Numbers that need labels or masks, against what can be worked out by hand."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from keras_anogan import evaluation


@pytest.fixture
def draw():
    return np.random.default_rng(11)


def slow_per_region_overlap(masks, maps, limit):
    """By its definition: every threshold, every region, then the trapezoid rule up to the limit."""
    from scipy import ndimage

    regions = []
    for i, mask in enumerate(masks):
        labelled, found = ndimage.label(mask, structure=np.ones((3, 3)))
        regions += [(i, labelled == k + 1) for k in range(found)]
    curve = [(0.0, 0.0)]
    for threshold in np.sort(np.unique(maps))[::-1]:
        above = maps >= threshold
        overlap = np.mean([above[i][region].mean() for i, region in regions])
        curve.append((above[~masks].mean(), overlap))
    false, overlap = np.array(curve).T
    ends = np.linspace(0, limit, 20001)
    return np.interp(ends, false, overlap).mean()


@pytest.mark.parametrize("levels", [None, 7])
def test_per_region_overlap_is_its_definition_with_and_without_ties(levels, draw):
    masks = np.zeros((4, 12, 10), bool)
    masks[0, 2:5, 2:5] = masks[0, 8, 8] = masks[1, 0:9, 6:8] = True
    masks[2, [4, 5, 6], [4, 5, 6]] = True  # a diagonal: one region
    maps = draw.normal(size=masks.shape) + 1.2 * masks
    maps = maps if levels is None else np.round(maps * levels / 4)
    for limit in (0.3, 1.0):
        got = evaluation.per_region_overlap(masks, maps, limit)
        assert got == pytest.approx(slow_per_region_overlap(masks, maps, limit), abs=2e-3)
    assert evaluation.pixel_auroc(masks, maps) == pytest.approx(roc_auc_score(masks.ravel(), maps.ravel()))


def test_an_interval_over_groups_is_wider_where_rows_of_a_group_agree():
    draw = np.random.default_rng(0)
    of = np.repeat(np.arange(30), 10)
    centres = draw.normal(size=30)
    alike, apart = centres[of] + 0.01 * draw.normal(size=300), draw.normal(size=300)
    mean = lambda values: float(values.mean())  # noqa: E731
    for values, groups, deviation in [
        (alike, of, centres.std() / 30**0.5),  # 30 rows, in truth
        (apart, of, apart.std() / 300**0.5),
        (apart, np.arange(300), apart.std() / 300**0.5),
    ]:
        low, high = evaluation.interval_over_groups(mean, groups, values)
        assert high - low == pytest.approx(2 * 1.96 * deviation, rel=0.25)
        assert low < values.mean() < high
    assert evaluation.interval_over_groups(mean, of, apart) == evaluation.interval_over_groups(mean, of, apart)


def test_an_interval_over_groups_leaves_out_draws_without_a_class():
    labels, scores = np.array([0, 0, 1, 1]), np.array([0.1, 0.4, 0.3, 0.9])
    low, high = evaluation.interval_over_groups(evaluation.auroc, ["a", "b", "c", "d"], labels, scores)
    assert 0.0 <= low <= 0.75 <= high <= 1.0
    with pytest.raises(ValueError, match="Expected two groups or more"):
        evaluation.interval_over_groups(evaluation.auroc, ["a"] * 4, labels, scores)
    with pytest.raises(ValueError, match=r"arrays of 4 rows\. Received: 2 groups, \[3\] rows"):
        evaluation.interval_over_groups(np.mean, ["a", "b"] * 2, labels[:3])


def test_a_rate_over_groups_is_exact_where_nothing_or_all_is_an_alarm():
    of = np.repeat(np.arange(20), 5)
    assert evaluation.rate_interval_over_groups(np.zeros(100, bool), of) == evaluation.rate_interval(0, 20)
    assert evaluation.rate_interval_over_groups(np.ones(100, bool), of) == evaluation.rate_interval(20, 20)
    low, high = evaluation.rate_interval_over_groups(of < 4, of)  # four groups of twenty, with all their rows
    exact = evaluation.rate_interval(4, 20)
    assert low == pytest.approx(exact[0], abs=0.06)
    assert high == pytest.approx(exact[1], abs=0.08)


def test_a_perfect_map_has_pro_1_a_constant_one_half_the_limit_and_small_regions_count_as_large_ones():
    masks = np.zeros((1, 10, 10), bool)
    masks[0, :4, :4] = masks[0, 9, 9] = True
    assert evaluation.per_region_overlap(masks, masks.astype(float)) == pytest.approx(1.0)
    assert evaluation.per_region_overlap(masks, np.zeros(masks.shape)) == pytest.approx(0.15)
    assert evaluation.per_region_overlap(masks, masks.astype("uint8")) == pytest.approx(1.0)
    found = masks.copy()
    found[0, 9, 9] = False  # only the large region is found: 16 of 17 pixels, but half of the regions
    low = evaluation.per_region_overlap(masks, found.astype(float), 1e-6)
    assert low == pytest.approx(0.5, abs=1e-4)


def test_pixels_outside_do_not_count(draw):
    masks, maps = np.zeros((2, 12, 12), bool), draw.normal(size=(2, 12, 12))
    masks[:, 3:6, 3:6] = True
    wide = [np.pad(each, ((0, 0), (4, 2), (0, 0))) for each in (masks, maps)]
    inside = np.pad(np.ones(masks.shape, bool), ((0, 0), (4, 2), (0, 0)))
    wide[1][~inside] = 99.0
    for number in (evaluation.pixel_auroc, evaluation.per_region_overlap):
        assert number(*wide, inside=inside) == pytest.approx(number(masks, maps))
        assert number(*wide) < number(masks, maps)
    with pytest.raises(ValueError, match="inside"):
        evaluation.pixel_auroc(masks, maps, inside[:1])


def test_intervals_of_pixels_count_images_and_agree_with_a_bootstrap_that_sorts(draw):
    masks = np.zeros((30, 12, 12), bool)
    for mask, (top, left) in zip(masks, draw.integers(0, 9, (30, 2)), strict=True):
        mask[top : top + 3, left : left + 3] = True
    maps = draw.normal(size=masks.shape) + masks * draw.uniform(0.0, 3.0, (30, 1, 1))
    groups = np.arange(30) // 2
    inside = np.ones(masks.shape, bool)
    inside[:, :2] = False
    found = evaluation.pixel_intervals(masks, maps, groups, inside)
    for key, number in (("auroc", evaluation.pixel_auroc), ("pro", evaluation.per_region_overlap)):
        low, high = evaluation.interval_over_groups(
            lambda m, a, i, number=number: number(m, a, inside=i), groups, masks, maps, inside, draws=300
        )
        assert low < number(masks, maps, inside=inside) < high
        assert found[key] == pytest.approx((low, high), abs=0.02)
    with pytest.raises(ValueError, match="two groups"):
        evaluation.pixel_intervals(masks, maps, np.zeros(30))


@pytest.mark.parametrize(
    ("masks", "maps", "word"),
    [
        (np.zeros((1, 2, 2)), np.zeros((1, 2, 2)), "one kind only"),
        (np.ones((1, 2, 2)), np.zeros((1, 2, 2)), "one kind only"),
        (np.eye(2)[None], np.zeros((1, 2, 3)), r"\(1, 2, 3\)"),
        (np.eye(2)[None], np.full((1, 2, 2), np.nan), "nan"),
    ],
)
def test_bad_maps_are_refused(masks, maps, word):
    for number in (evaluation.pixel_auroc, evaluation.per_region_overlap):
        with pytest.raises(ValueError, match=word):
            number(masks, maps)
    with pytest.raises(ValueError, match="false_positive_limit"):
        evaluation.per_region_overlap(np.eye(2)[None], np.eye(2)[None], 0.0)


def test_rates_have_exact_intervals(draw):
    """Of all true rates, those that make what was seen, or more, as rare as one in forty are left out."""
    from scipy.stats import binom

    low, high = evaluation.rate_interval(3, 40)
    assert binom.sf(2, 40, low) == pytest.approx(0.025)
    assert binom.cdf(3, 40, high) == pytest.approx(0.025)
    assert evaluation.rate_interval(0, 24) == pytest.approx((0.0, 1 - 0.025 ** (1 / 24)))
    assert evaluation.rate_interval(0, 0) == (0.0, 1.0)
    with pytest.raises(ValueError, match=r"Received: 3 of 2\."):
        evaluation.rate_interval(3, 2)


def test_auroc_intervals_contain_the_truth_about_as_often_as_they_say(draw):
    """Of two normal distributions 1 apart the AUROC is 0.760; a second score of the same rows has the same."""
    labels = np.repeat([0, 1], [25, 15])
    hits = differences = 0
    for _ in range(200):
        shared = draw.normal(0.9 * labels, np.sqrt(0.9))
        scores, others = (shared + draw.normal(0.1 * labels, np.sqrt(0.1)) for _ in range(2))
        low, high = evaluation.auroc_interval(labels, scores)
        hits += low <= 0.7602 <= high
        difference, low, high = evaluation.auroc_difference(labels, scores, others)
        assert difference == pytest.approx(roc_auc_score(labels, scores) - roc_auc_score(labels, others))
        differences += low <= 0 <= high
    assert 180 <= hits <= 199
    assert 180 <= differences <= 199  # 200 if the two curves are taken to be independent


def test_perfect_scores_of_few_rows_prove_little():
    assert evaluation.auroc_interval([0, 0, 1, 1], [1, 2, 3, 4])[0] == pytest.approx(0.025 ** (1 / 2))
    assert evaluation.auroc_interval([0, 0, 1, 1], [3, 4, 1, 2])[1] == pytest.approx(1 - 0.025 ** (1 / 2))
    assert evaluation.auroc_interval([0, 0, 1, 1], [1, 1, 1, 1]) == (0.5, 0.5)
    assert evaluation.auroc_difference([0, 0, 1], [1, 2, 3], [3, 2, 1]) == (1.0, 0.0, 1.0)  # a single row: anything


def test_kinds_stand_in_the_order_of_what_was_found():
    labels = np.array([0, 0, 1, 1, 1, 1])
    scores = np.array([0.1, 0.4, 0.9, 0.8, 0.3, 0.7])
    lines = evaluation.kinds_table(labels, scores, scores > 0.5, ["good", "good", "hole", "hole", "dent", "dent"])
    assert lines == [
        {"kind": "dent", "count": 2, "found": 1, "auroc": 0.75},
        {"kind": "hole", "count": 2, "found": 2, "auroc": 1.0},
    ]
    alone = evaluation.kinds_table(labels[2:], scores[2:], scores[2:] > 0.5, ["hole", "hole", "dent", "dent"])
    assert [line["auroc"] for line in alone] == [None, None]


def test_alarms_are_counted_in_either_class():
    counts = evaluation.alarm_counts([0, 0, 0, 1, 1], [True, False, False, True, True])
    assert counts == {"normal_rows": 3, "false_alarms": 1, "anomalous_rows": 2, "detected": 2}
