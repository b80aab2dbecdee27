"""The registry: names, what a user may set, sentences, tags."""

import inspect
import pathlib
import re

import keras
import pytest
from detectors import ROWS

from keras_anogan import build_detector, build_phases, list_detectors
from keras_anogan.detector import AnomalyDetector, Tags
from keras_anogan.models import Autoencoder, FAnoGAN, check_parameters, entry, parameters_of, register, steps_per_epoch


def test_detectors_are_listed_by_the_kind_of_data():
    assert list_detectors("window") == ("cvgan", "neighbors", "pca")
    images_alone = {"alocc", "fanogan", "gan_discriminator", "ognet", "patch_gaussian", "siamese", "skip_ganomaly"} | {
        "patch_neighbors"
    }
    assert images_alone == set(list_detectors("image")) - set(list_detectors("table"))
    assert set(list_detectors()) == {name for kind in ("image", "table", "window") for name in list_detectors(kind)}
    with pytest.raises(ValueError, match="Received: 'sound'"):
        list_detectors("sound")


def test_an_unknown_name_is_told_with_the_one_that_was_meant():
    with pytest.raises(ValueError, match=r"Received: 'fannogan'; did you mean fanogan\?"):
        entry("fannogan")
    with pytest.raises(ValueError, match=r"Received: 'xyz'\.$"):
        build_phases("xyz", (8, 8, 1))


@pytest.mark.parametrize("name", list_detectors())
def test_an_entry_says_what_it_is(name):
    found = entry(name)
    assert issubclass(found.detector, AnomalyDetector)
    assert found.tags is found.detector.tags
    assert found.paper
    assert next(iter(inspect.signature(found.build).parameters)) == "shape"
    assert inspect.signature(found.build).parameters["seed"].default == 0


@pytest.mark.parametrize("name", list_detectors())
def test_every_parameter_has_a_default_and_a_type_and_is_told_in_a_docstring(name):
    found = entry(name)
    told = f"{found.build.__doc__}\n{found.detector.__doc__}"
    for key, parameter in parameters_of(name).items():
        assert parameter.default is not inspect.Parameter.empty, key
        assert not isinstance(parameter.annotation, str), key
        assert key in told, f"{key} of {name} stands in no docstring"


def test_parameters_are_the_builders_and_those_of_the_class_without_networks():
    assert list(parameters_of("fanogan")) == [
        *("architecture", "latent_dim", "lambda_", "n_critic", "latent_activation", "filters", "batchnorm_epsilon"),
        *("mirror", "kappa", "mapping", "score"),
    ]
    assert parameters_of("fanogan")["kappa"].default == 1.0
    assert parameters_of("fanogan")["kappa"].annotation is float
    assert "encoder" not in parameters_of("anogan")
    assert parameters_of("gaussian") == {}
    assert list(parameters_of("pca")) == ["n_components"]


def test_the_builders_default_stands_before_the_classs():
    assert inspect.signature(entry("cvgan").detector).parameters["reduction"].default == "mean"
    assert parameters_of("cvgan")["reduction"].default == "top_blocks"


@pytest.mark.parametrize(
    ("name", "params", "sentence"),
    [
        ("fanogan", {"kapa": 1.0}, "FAnoGAN has no parameter kapa; did you mean kappa? It takes: architecture, "),
        ("fanogan", {"xyz": 1.0}, "FAnoGAN has no parameter xyz. It takes: architecture, "),
        ("gaussian", {"filters": 1}, "Gaussian has no parameter filters. It takes none."),
        ("fanogan", {"kappa": "much"}, "FAnoGAN expected kappa to be a number. Received: 'much'."),
        ("fanogan", {"mirror": 1}, "FAnoGAN expected mirror to be True or False. Received: 1."),
        ("anogan", {"patience": "x"}, "AnoGAN expected patience to be an integer or None. Received: 'x'."),
        ("flow", {"units": 3}, "Flow expected units to be a tuple. Received: 3."),
        ("efficientgan", {"score": 3}, "EfficientGAN expected score to be a string. Received: 3."),
        ("fanogan", {"encoder": None}, "FAnoGAN has no parameter encoder"),
    ],
)
def test_what_a_detector_does_not_have_is_refused_with_a_sentence(name, params, sentence):
    with pytest.raises(ValueError) as error:  # noqa: PT011
        check_parameters(name, params)
    assert str(error.value).startswith(sentence)


def test_good_parameters_are_let_in():
    check_parameters("flow", {"units": [8, 8], "noise": 0, "levels": None, "score": "ratio"})
    check_parameters("anogan", {"patience": None, "degree": 2, "lambda_": 0.5})


def test_parameters_arrive_in_the_class():
    phases = build_phases("fanogan", keras.layers.InputSpec(shape=(None, 8, 8, 1)), kappa=0.5, lambda_=3.0, mirror=True)
    assert (phases["encoder"].kappa, phases["wgan_gp"].lambda_) == (0.5, 3.0)
    assert phases["encoder"].mirror
    assert phases["wgan_gp"].mirror
    assert build_detector("cvgan", (3, 32, 32, 1), filters=1, block=4, seed=7).block == 4
    assert build_detector("flow", (6,), blocks=1, units=(8,), momentum=0.5).momentum == 0.5


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_every_parameter_that_is_listed_can_be_set(row):
    defaults = {key: parameter.default for key, parameter in parameters_of(row.name).items()}
    detector = build_detector(row.name, row.shape, **{**defaults, **row.params})
    assert type(detector) is entry(row.name).detector


def test_only_the_bigans_ask_for_long_epochs_of_tables_and_only_players_that_swing_for_averaged_weights():
    assert {name for name in list_detectors() if entry(name).tags.averaged} == {"alad", "alocc", "efficientgan"}
    assert steps_per_epoch("alad", (6,), rows=100, batch_size=10) == 500
    assert steps_per_epoch("alad", (6,), rows=10_000, batch_size=10) == 1000
    assert steps_per_epoch("alad", (8, 8, 1), rows=100, batch_size=10) is None
    assert steps_per_epoch("anogan", (6,), rows=100, batch_size=10) is None
    assert [name for name in list_detectors() if not entry(name).tags.watchable] == [
        "alocc",
        "gan_discriminator",
        "ognet",
    ]


def test_a_name_is_taken_once_and_only_for_kinds_that_exist():
    with pytest.raises(ValueError, match="Received: 'fanogan', FAnoGAN's"):
        register("fanogan", Autoencoder, inputs=("image",), paper="-")(lambda shape, *, seed=0: {})
    with pytest.raises(ValueError, match=r"Received: \('sound',\)"):
        register("mine", Autoencoder, inputs=("sound",), paper="-")
    assert entry("fanogan").detector is FAnoGAN


def test_channels_first_is_refused_for_images_alone():
    keras.config.set_image_data_format("channels_first")
    try:
        with pytest.raises(ValueError, match=r"image_data_format 'channels_last'.*Received: 'channels_first'"):
            build_detector("autoencoder", (8, 8, 1))
        assert build_detector("pca", (4,))
    finally:
        keras.config.set_image_data_format("channels_last")


def test_tags_have_defaults_that_ask_for_nothing():
    assert (Tags().averaged, Tags().least_steps, Tags().watchable) == (None, 0, True)


def test_the_page_on_adding_a_paper_quotes_files_as_they_are():
    root = pathlib.Path(__file__).parents[2]
    page = (root / "docs" / "add-a-paper.md").read_text()
    files = [root / "keras_anogan" / "models" / "vae.py", root / "tests" / "detectors.py"]
    lines = {line.strip(" ,") for path in files for line in path.read_text().splitlines()}
    blocks = re.findall(r"```py\n(.*?)```", page, re.DOTALL)
    quoted = [line.strip(" ,") for block in blocks for line in block.splitlines()]
    assert len(quoted) > 15
    assert [line for line in quoted if line not in lines] == []
