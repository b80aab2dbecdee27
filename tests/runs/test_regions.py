"""Connected regions of what a map marks: box, area and peak in pixels of the photograph."""

import numpy as np
import pytest

from keras_anogan.runs.regions import Region, find_regions, numbers_and_regions, region_columns, write_regions

MASK = np.zeros((4, 6), bool)
MASK[0, 0] = MASK[1, 1] = True  # one region: they touch at a corner
MASK[3, 3:6] = True
MAP = np.zeros((4, 6))
MAP[1, 1], MAP[3, 4] = 2.0, 5.0


def test_regions_have_their_box_area_and_peak_in_pixels_of_the_photograph():
    found, kept = find_regions(MASK, MAP, (40, 30))  # a pixel of the map is 10 high and 5 wide
    assert found == [Region(15, 30, 15, 10, 150, 5.0), Region(0, 0, 10, 20, 100, 2.0)]
    np.testing.assert_array_equal(kept, MASK)


def test_a_region_below_the_least_area_is_left_out_of_list_and_mask():
    found, kept = find_regions(MASK, MAP, (40, 30), least=101)
    assert [region.area for region in found] == [150]
    assert kept.sum() == 3
    assert not kept[:2].any()


def test_an_image_without_a_region_of_the_least_area_is_no_alarm():
    class Scored:
        def explain(self, rows):
            maps = np.stack([MAP, MAP, np.zeros_like(MAP)])
            masks = np.stack([MASK, MASK & (np.arange(4) < 2)[:, None], np.zeros_like(MASK)])
            alarms = np.array([True, True, False])
            yield {"score": maps.max(axis=(1, 2)), "is_anomaly": alarms, "anomaly_map": maps, "anomaly_mask": masks}

    rows = np.zeros((3, 4, 6, 1))
    for least, alarms, counts in [(0, [1, 1, 0], [2, 1, 0]), (3, [1, 0, 0], [1, 0, 0]), (4, [0, 0, 0], [0, 0, 0])]:
        numbers, regions = numbers_and_regions(Scored(), rows, least)
        assert numbers["is_anomaly"].astype(int).tolist() == alarms
        assert [len(found) for found in regions] == counts
        np.testing.assert_array_equal(numbers["peak"], [5.0, 5.0, 0.0])


def test_columns_tell_the_loudest_region_and_the_file_all(tmp_path):
    found = [find_regions(MASK, MAP, (4, 6))[0], []]
    columns = region_columns(found)
    assert columns["regions"] == [2, 0]
    assert [columns[f"region_{name}"] for name in ("left", "top", "area")] == [[3, ""], [3, ""], [3, ""]]
    write_regions(tmp_path / "r.csv", ["a.png", "b.png"], found)
    lines = (tmp_path / "r.csv").read_text().splitlines()
    assert lines == ["id,left,top,width,height,area,peak", "a.png,3,3,3,1,3,5", "a.png,0,0,2,2,2,2"]


def test_a_region_of_a_photograph_smaller_than_its_map_has_a_pixel():
    mask, anomaly_map = np.zeros((64, 64), bool), np.ones((64, 64))
    mask[41, 63] = True
    assert find_regions(mask, anomaly_map, (10, 10))[0] == [Region(9, 6, 1, 1, 1, 1.0)]


@pytest.mark.parametrize("size", [(4, 6), (401, 299), (1, 1)])
def test_a_mask_of_all_pixels_is_the_whole_photograph(size):
    found, _ = find_regions(np.ones((4, 6), bool), MAP, size)
    assert found == [Region(0, 0, size[1], size[0], size[0] * size[1], 5.0)]
