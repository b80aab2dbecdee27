"""Arguments and options that several commands have, and the file that may hold any of them."""

from __future__ import annotations

import difflib
import pathlib
import tomllib
from typing import Annotated, Any

import typer

CONFIG = "keras_anogan.config"  # of a command's context: the file that its defaults come from


def read_config(context: typer.Context, path: pathlib.Path | None) -> pathlib.Path | None:
    """Take a TOML file's values as the defaults of a command's options; the command line stands over them."""
    if path is None:
        return None
    try:
        with open(path, "rb") as file:
            content = tomllib.load(file)
    except OSError as error:
        raise ValueError(f"Expected a TOML file of options. Received: {path} ({error.strerror}).") from error
    except UnicodeDecodeError as error:
        raise ValueError(f"Expected a TOML file of options. Received: {path}, which is no UTF-8 text.") from error
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"Expected a TOML file of options. Received: {path}, which is none: {error}.") from error
    names = {}
    for parameter in context.command.params:
        for spelling in (parameter.name or "", *(option.lstrip("-") for option in parameter.opts)):
            names[spelling.replace("-", "_")] = parameter.name
    found: dict[str, Any] = {}
    for key, value in content.items():
        name = key.replace("-", "_")
        if name not in names or name in ("config", "help"):
            near = difflib.get_close_matches(name, names, n=1)
            meant = f"; did you mean {near[0].replace('_', '-')}?" if near else "."
            raise ValueError(f"Expected options of {context.command_path} in {path}. Received: {key}{meant}")
        parameter = next(p for p in context.command.params if p.name == names[name])
        found[str(names[name])] = _taken(parameter, key, value, path)
    context.default_map = found
    context.meta[CONFIG] = path
    return path


def parse_alpha(text: str | float) -> float | None:
    """A rate, or None for auto."""
    if str(text).lower() == "auto":
        return None
    try:
        return float(text)
    except ValueError:
        raise typer.BadParameter(f"Expected a rate, such as 0.05, or auto. Received: {text}.") from None


def _taken(parameter: Any, key: str, value: Any, path: pathlib.Path) -> Any:
    """A value of a TOML file as its option takes it; numbers and words are left to the option."""
    takes_many = getattr(parameter, "multiple", False) or parameter.nargs == -1
    is_flag = bool(getattr(parameter, "is_flag", False))
    if parameter.name == "params" and isinstance(value, dict):  # [set]
        return [f"{name}={setting}" for name, setting in value.items()]
    if is_flag != isinstance(value, bool):
        wanted = "true or false" if is_flag else "a number or a text"
        raise ValueError(f"Expected {key} in {path} to be {wanted}. Received: {value!r}.")
    members = value if takes_many and isinstance(value, list) else [value]
    if not all(isinstance(member, (str, int, float)) for member in members):
        wanted = "a table, such as [set]" if parameter.name == "params" else "a number or a text"
        raise ValueError(f"Expected {key} in {path} to be {wanted}. Received: {value!r}.")
    return members if takes_many else value


Config = Annotated[
    pathlib.Path | None,
    typer.Option(
        "--config",
        callback=read_config,
        is_eager=True,
        help="TOML file with values of any of these options; the command line stands over it.",
        show_default=False,
    ),
]
Data = Annotated[
    str,
    typer.Argument(
        metavar="DATA",
        help="A folder of images, a table (.csv, .parquet), or mnist, digits or cifar10.",
        show_default=False,
    ),
]
Days = Annotated[
    list[str],
    typer.Argument(metavar="DAYS...", help="A prepared store, or folders or files of days.", show_default=False),
]
Run = Annotated[pathlib.Path, typer.Argument(metavar="RUN", help="Folder of a finished run.", show_default=False)]
Out = Annotated[
    pathlib.Path, typer.Option("--out", help="Folder for the run; an unfinished one is resumed.", show_default=False)
]
SkipBroken = Annotated[bool, typer.Option("--skip-broken", help="Leave out image files that can't be read.")]
Parameters = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="NAME=VALUE",
        help="A parameter of the detector, one option for each; `keras-anogan detectors` lists them.",
        show_default=False,
    ),
]
Drop = Annotated[
    list[str] | None,
    typer.Option(help="Tables: columns to leave out, one option for each, or a,b.", show_default=False),
]
Column = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME=KIND",
        help="Tables: what a column is: number, date (or date:%d.%m.%Y), category or id. Dates, ids and counters are "
        "left out unless this keeps them.",
        show_default=False,
    ),
]
IdColumn = Annotated[
    str | None, typer.Option(help="Tables: the column that names the rows in scores and report; not learnt from.")
]
Threshold = Annotated[
    str,
    typer.Option(
        help="conformal, quantile or peaks (--alpha), cumulative, exponential, double_exponential or sliding (--k)."
    ),
]
Alpha = Annotated[
    float | None,
    typer.Option(
        parser=parse_alpha,
        metavar="RATE",
        help="Accepted false-alarm rate, or auto: 1 %, or the lowest that the calibration data allow.",
        show_default="auto",
    ),
]
CalibrateShare = Annotated[
    float | None,
    typer.Option(
        help="Share of the normal data that calibrates the threshold: more allow a lower rate. Default: 0.2.",
        show_default=False,
    ),
]
Address = Annotated[
    str | None,
    typer.Option(help="Ray: of a running cluster, e.g. auto. Default: this machine alone.", show_default=False),
]
AnotherAlpha = Annotated[
    float | None,
    typer.Option("--alpha", help="Another false-alarm rate than the run was trained for.", show_default=False),
]
Reduction = Annotated[
    str | None,
    typer.Option(
        help="Images: how a map becomes the score: top (mean of the largest 0.3 % of the pixels), max, mean, or paper "
        "(the detector's own score). Default: top for a folder.",
        show_default=False,
    ),
]
K = Annotated[float, typer.Option(help="Standard deviations above the mean.")]
Devices = Annotated[str, typer.Option(help="Train on one device, or on all GPUs of this machine: one, all.")]
Seed = Annotated[int, typer.Option(help="Of weights, noise, order and split.")]
Size = Annotated[str | None, typer.Option(help="Size of the frames the networks see, such as 128x64.")]
Grey = Annotated[bool, typer.Option("--grey", help="Make frames grey.")]
Every = Annotated[int, typer.Option(help="Take every so many frames.")]
Labels = Annotated[
    pathlib.Path | None, typer.Option(help="Footage: file with one 0 or 1 for each frame (.npy or text), if known.")
]
Annotate = Annotated[
    pathlib.Path | None, typer.Option(help="Footage: video file to write, with alarms marked, such as alarms.mp4.")
]
ImageSize = Annotated[
    str | None,
    typer.Option(
        metavar="SIDE|WIDTHxHEIGHT",
        help="Size of the images the networks see, such as 64 or 96x64. Default: 28 (mnist), 8 (digits), "
        "32 (cifar10), 64 (folder), 224 with --features.",
        show_default=False,
    ),
]
Color = Annotated[str, typer.Option(help="A folder: rgb, grey, or auto, which is RGB if any image is.")]
NormalDir = Annotated[
    list[str] | None,
    typer.Option(help="A folder: sub-folder of normal images, one option for each.", show_default=False),
]
AbnormalDir = Annotated[
    list[str] | None,
    typer.Option(help="A folder: sub-folder of anomalous images, to test on, one option for each.", show_default=False),
]
Flat = Annotated[bool, typer.Option("--flat", help="A folder: all images in it and below it are normal.")]
Group = Annotated[
    str | None,
    typer.Option(
        metavar="PATTERN",
        help="A folder: a pattern that finds the photographed part in a file's name, such as 'part[0-9]+'; photographs "
        "of one part stay on one side of every split.",
        show_default=False,
    ),
]
Tiles = Annotated[
    int | None,
    typer.Option(
        metavar="SIDE",
        help="Images: train on square tiles of the images, such as 64, and score whole images, which are read at "
        "--image-size, or at the photographs' own size, at most 1,024 pixels long.",
        show_default=False,
    ),
]
Stride = Annotated[
    int | None,
    typer.Option(help="Of --tiles: pixels from one tile to the next. Default: half of one.", show_default=False),
]
Pad = Annotated[
    bool,
    typer.Option(
        "--pad",
        help="A folder: photographs keep their shape, and what is beside them counts neither in scores nor in maps. "
        "For detectors with maps; with --features these are patch_gaussian and patch_neighbors.",
    ),
]
Mirror = Annotated[
    str | None,
    typer.Option(
        metavar="HOW",
        help="Images: mirror half of the training images, for parts that lie either way: horizontal, vertical or both.",
        show_default=False,
    ),
]
Views = Annotated[
    bool,
    typer.Option("--views", help="Images: score each image in all views that --mirror makes, and take the mean."),
]
Rotate = Annotated[
    float | None,
    typer.Option(help="Images: turn training images by up to so many degrees to either side.", show_default=False),
]
Brightness = Annotated[
    float | None,
    typer.Option(
        help="Images: make training images brighter or darker by up to so large a share of the range, such as 0.1.",
        show_default=False,
    ),
]
Features = Annotated[
    str | None,
    typer.Option(
        metavar="BACKBONE",
        help="Images: let the detector see features of a network that was trained on ImageNet, such as "
        "efficientnet_lite0, efficientnetb0 or resnet50, or of a .keras file.",
        show_default=False,
    ),
]
Weights = Annotated[
    str | None, typer.Option(help="Of --features: a file of weights. Default: ImageNet's.", show_default=False)
]
Layer = Annotated[
    list[str] | None,
    typer.Option(
        help="Of --features: a layer whose maps are taken, one option for each. Default: the two coarsest maps, for "
        "patch_gaussian and patch_neighbors the two before the coarsest.",
        show_default=False,
    ),
]
Scale = Annotated[
    list[float] | None,
    typer.Option(
        help="Of --features: let the network see each image shrunk to this share of its sides too, such as 0.5, one "
        "option for each. Not for patch_gaussian and patch_neighbors.",
        show_default=False,
    ),
]
