"""The catalogue: what is known without TensorFlow is what the registry, the thresholds and the recipes say."""

import json

import pytest

from keras_anogan import catalogue
from keras_anogan.models import Autoencoder, list_detectors, register, registry
from keras_anogan.recipes import RECIPES
from keras_anogan.thresholds import THRESHOLDS, build_threshold


def test_the_file_says_what_the_classes_say():
    content = json.loads(catalogue.FILE.read_text())
    assert content == {"detectors": registry.listings(), "recipes": list(RECIPES)}, "run `make catalogue`"


@pytest.mark.parametrize("name", list_detectors())
def test_a_listing_comes_back_from_the_file(name):
    wanted, found = registry.listing_of(name), catalogue.content()["detectors"][name]
    assert found.as_json() == wanted.as_json()
    assert (found.tags, found.inputs) == (wanted.tags, wanted.inputs)
    for key, parameter in wanted.parameters.items():
        assert found.parameters[key].default == parameter.default
        assert type(found.parameters[key].default) is type(parameter.default)


@pytest.mark.parametrize("name", THRESHOLDS)
def test_thresholds_are_what_they_are(name):
    below, is_order_statistic = catalogue.THRESHOLDS[name], name in catalogue.ORDER_STATISTICS
    threshold = build_threshold(name, alpha=0.99 * below)
    assert (threshold.takes_groups, threshold.learns_one_by_one) == (is_order_statistic, not is_order_statistic)
    if threshold.keeps_alpha:
        with pytest.raises(ValueError, match="alpha"):
            build_threshold(name, alpha=below)
    with pytest.raises(ValueError, match=f"0 < --alpha < {below:g}"):
        catalogue.check_threshold(name, below)
    assert threshold.keeps_alpha == (name in catalogue.SET_BY_ALPHA)
    catalogue.check_threshold(name, 0.99 * below)


def test_there_are_no_other_thresholds():
    assert set(catalogue.THRESHOLDS) == set(THRESHOLDS)


def _build(shape, *, size: int = 3, seed: int = 0):
    return {}


def test_a_detector_that_is_registered_at_run_time_is_known():
    try:
        register("mine", Autoencoder, inputs=("table",), paper="-")(_build)
        assert "mine" in catalogue.list_detectors("table")
        catalogue.check_parameters("mine", {"size": 4})
        with pytest.raises(ValueError, match="no parameter sise; did you mean size"):
            catalogue.check_parameters("mine", {"sise": 4})
    finally:
        registry._ENTRIES.pop("mine")
        catalogue._ADDED.pop("mine")


def test_wrong_names_are_told_with_the_right_ones():
    for check, name, word in (
        (catalogue.listing, "fannogan", "did you mean fanogan"),
        (catalogue.check_recipe, "fanogan-mnist-digit2", "did you mean fanogan-mnist-digit1"),
        (lambda name: catalogue.check_threshold(name, 0.1), "conformall", "did you mean conformal"),
    ):
        with pytest.raises(ValueError, match=word):
            check(name)
