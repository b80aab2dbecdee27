"""Made photographs of fabric: the same for a seed, with masks that fit, in a layout that is read."""

import numpy as np
import pytest

from keras_anogan.datasets import load_masks, scan_image_folder, write_fabric
from keras_anogan.datasets.fabric import photograph_of_fabric


def test_a_folder_of_fabric_is_read_with_its_masks(tmp_path):
    folder = scan_image_folder(write_fabric(tmp_path / "a", train=3, good=2, each=1))
    assert (len(folder.train), len(folder.test), folder.channels) == (3, 5, 3)
    assert folder.labels.sum() == 3
    shares = load_masks(folder.masks, (64, 64)).mean(axis=(1, 2))
    assert ((shares > 0.001) == (folder.labels == 1)).all()
    assert shares.max() < 0.1  # a defect is small
    again = scan_image_folder(write_fabric(tmp_path / "b", train=3, good=2, each=1))
    assert again.fingerprint == folder.fingerprint


@pytest.mark.parametrize("kind", ["scratch", "stain", "hole"])
def test_a_defect_changes_the_photograph_where_its_mask_is(kind):
    normal, nothing = photograph_of_fabric(np.random.default_rng(1))
    assert not nothing.any()
    for seed in range(3):
        photograph, mask = photograph_of_fabric(np.random.default_rng(seed), kind)
        inside, outside = photograph[mask].mean(), photograph[~mask].mean()
        assert abs(inside - outside) > abs(normal.mean() - outside)
        assert abs(inside - outside) > 8.0  # grey levels


def test_a_third_cloth_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"Expected the cloth 0 or 1\. Received: cloth=2"):
        write_fabric(tmp_path, cloth=2)
