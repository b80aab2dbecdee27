"""Folders of images as tasks: what is trained, calibrated and tested on, and what the masks say."""

import dataclasses

import numpy as np
import pytest
from PIL import Image

from keras_anogan import evaluation
from keras_anogan.runs.arguments import Arguments
from keras_anogan.runs.metrics import _map_numbers
from keras_anogan.runs.tasks import load_task


def write(folder, n, side=12, seed=0):
    folder.mkdir(parents=True, exist_ok=True)
    draw = np.random.default_rng(seed)
    for i in range(n):
        Image.fromarray(draw.integers(0, 256, (side, side), "uint8")).save(folder / f"{i:02d}.png")


def write_masks(folder, n, side=12):
    folder.mkdir(parents=True)
    for i in range(n):
        mask = np.zeros((side, side), "uint8")
        mask[:6, : 6 * (i > 0)] = 255  # the first one marks nothing
        Image.fromarray(mask).save(folder / f"{i:02d}_mask.png")


def task_of(folder, **given):
    return load_task(Arguments(data=str(folder), image_size=(4, 8), detector="pca", **given))


def test_what_is_named_abnormal_is_abnormal_whatever_it_is_called(tmp_path):
    write(tmp_path / "a" / "rest", 20)
    write(tmp_path / "a" / "good", 3, seed=1)
    task = task_of(tmp_path / "a", abnormal_dir=["good"])
    assert task.labels.tolist() == [0, 0, 1, 1, 1]
    assert task.test_kinds[2:] == ["abnormal good"] * 3


def test_normal_images_are_held_out_where_the_folder_has_none_to_test_on(tmp_path):
    write(tmp_path / "a" / "train" / "good", 20)
    write(tmp_path / "a" / "test" / "cut", 3, seed=1)
    write_masks(tmp_path / "a" / "ground_truth" / "cut", 3)
    task = task_of(tmp_path / "a")
    assert task.test_kinds == ["good", "good", "cut", "cut", "cut"]
    assert task.labels.tolist() == [0, 0, 1, 1, 1]
    assert task.masks.shape == (5, 8, 4)
    assert task.masks.any(axis=(1, 2)).tolist() == [False, False, False, True, True]
    assert task.shape == (8, 4, 1)
    assert sum(task.counts.values()) == 23
    assert set(task.test_ids).isdisjoint(path.name for path in task.train.paths)
    assert any("mark nothing" in remark and "00_mask.png" in remark for remark in task.remarks)


def test_folders_that_are_named_have_their_kinds(tmp_path):
    write(tmp_path / "ok", 20)
    write(tmp_path / "bad", 2, seed=1)
    task = task_of(tmp_path, abnormal_dir=["bad"])
    assert task.test_kinds == ["good", "good", "bad", "bad"]
    assert task.test_ids[2:] == ["bad/00.png", "bad/01.png"]
    with pytest.raises(ValueError, match="--normal-dir ok --abnormal-dir bad"):
        task_of(tmp_path)
    assert task_of(tmp_path, flat=True).test_kinds == ["good", "good"]


def test_an_image_without_a_mark_counts_in_no_figure_of_pixels(tmp_path):
    write(tmp_path / "train" / "good", 20)
    write(tmp_path / "test" / "good", 2, seed=2)
    write(tmp_path / "test" / "cut", 3, seed=1)
    write_masks(tmp_path / "ground_truth" / "cut", 3)
    task = task_of(tmp_path)
    assert task.test_kinds == ["cut", "cut", "cut", "good", "good"]
    maps = np.random.default_rng(0).uniform(size=task.masks.shape) + task.masks
    maps[0] = 9.0  # bright all over: false pixels, if they counted
    without = dataclasses.replace(task, masks=task.masks[1:], labels=task.labels[1:])
    found = _map_numbers(task, [(maps, np.ones(maps.shape, bool))])
    assert found == _map_numbers(without, [(maps[1:], np.ones(maps[1:].shape, bool))])
    assert found["auroc"] > evaluation.pixel_auroc(task.masks, maps)
