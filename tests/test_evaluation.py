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
