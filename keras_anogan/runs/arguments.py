"""What a command was asked for, checked before any data are read, and before TensorFlow is imported."""

from __future__ import annotations

import dataclasses
import os
import re
from typing import Any

from keras_anogan import catalogue
from keras_anogan.catalogue import list_detectors, listing, meant
from keras_anogan.datasets import is_table
from keras_anogan.datasets.augmented import check_augmentation
from keras_anogan.datasets.image_folder import COLORS
from keras_anogan.runs.parsing import parse_columns
from keras_anogan.runs.run_arguments import RunArguments

NAMED_SETS = {"mnist": 28, "digits": 8, "cifar10": 32}  # and the side of their images
BUDGET = 600.0  # seconds
FEATURES_SIDE = 224  # of the images that a backbone was trained on
ON_GRID = ("patch_gaussian", "patch_neighbors")  # see one vector of features for each place, others one for an image
REDUCTIONS = ("mean", "max", "top", "paper")  # of an image's map, or the detector's own score


@dataclasses.dataclass(frozen=True)
class Arguments(RunArguments):
    """What a run of images or of a table is.

    Attributes:
        data: "mnist", "digits", "cifar10", a folder of images, or a table file (.csv, .csv.gz, .parquet).
        normal, abnormal: the normal class, or the anomalous one, 0 to 9; for the three named sets only.
        normal_where: for tables, the condition that normal rows meet (see `datasets.table.normal_rows`).
        drop: for tables, columns to leave out; several may stand in one text with commas between them.
        column: for tables, what columns are to be taken for: "day=date", "day=date:%d.%m.%Y", "code=category",
            "number=number" or "key=id".
        id_column: for tables, the column that names the rows; it goes to scores and report, not to the detector.
        detector: default: pca for a folder, fanogan for the named sets, flow for tables, gaussian with features. One
            that learns from the classes of normal images needs `abnormal`.
        architecture: of a detector that has several, such as f-AnoGAN's "mlp", "dcgan" or "resnet"; default: mlp for
            mnist, digits and tables, dcgan for cifar10 and folders.
        image_size: side of the square images the networks see, or (width, height); default: 28 (mnist), 8 (digits), 32
            (cifar10), 64 (folder), 224 with features.
        epochs: default: 20; for a folder without --budget None: the budget rules. An epoch of a table has at least as
            many steps as the detector asks for.
        batch_size: default: 64; with a budget what fits the number of rows.
        budget: default: ten minutes for a folder, unless epochs are told.
        learning_rate: default: 2e-4 (images), 1e-4 (tables).
        patience: stop when the mean score of the stop set has not fallen for so many epochs, and go back to its lowest;
            None to train all epochs.
        ensemble: members, trained one after the other with seeds of their own, whose scores are combined.
        reduction: how an image's map becomes its score, "top", "max" or "mean" (see `nn.scores.reduced_map`), or
            "paper", the detector's own score; default: top for a folder, where the detector has maps.
        calibrate_share: of the normal data that are not for testing, the share that calibrates the threshold, at most a
            half; default: 0.2, of digits 0.25.
        skip_broken: leave out image files that can't be read.
        color: of a folder: "rgb", "grey", or "auto", RGB if any image is.
        group: of a folder: a regular expression that finds in a file's name what the photograph is of, such as
            "tile\\d+"; photographs of one part then stay on one side of every split.
        features: of images: the network through which the detector sees them, one of `catalogue.BACKBONES` or a .keras
            file (see `nn.features`); default: none, it sees pixels.
        weights: of `features`: a file of them, instead of ImageNet's.
        layer: of `features`: names of the layers whose maps are taken.
        scale: of `features`: shares of the image's sides at which the backbone sees it too (see `nn.features`).
        tiles: side of square tiles of the images: the detector is trained on these, and whole images are scored (see
            `PatchDetector`). The size of whole images is then `image_size`, or, of a folder, their own.
        stride: of `tiles`: pixels from one to the next; default: half of one.
        pad: of a folder: photographs keep their shape, and what is beside them counts neither in scores nor in maps
            (see `PaddedDetector`); default: they are squeezed.
        normal_dir, abnormal_dir: of a folder: the folders in it that hold normal images, and anomalous ones.
        flat: of a folder: whether all images below it are normal, whatever its sub-folders are called.
        mirror: "horizontal", "vertical" or "both": training images are mirrored at random (see `datasets.augmented`).
        views: whether scores are means over the views that `mirror` makes (see `ViewsDetector`).
        rotate: training images are turned by up to so many degrees.
        brightness: up to so large a share of the range is added to training images or taken away.
        smoke: one epoch on at most 256 rows.
    """

    data: str
    normal: int | None = None
    abnormal: int | None = None
    normal_where: str | None = None
    drop: list[str] | None = None
    column: list[str] | None = None
    id_column: str | None = None
    architecture: str | None = None
    image_size: int | tuple[int, int] | None = None
    patience: int | None = None
    epochs: int | None = dataclasses.field(default=None, kw_only=True)
    batch_size: int | None = dataclasses.field(default=None, kw_only=True)
    ensemble: int = 1
    reduction: str | None = None
    calibrate_share: float | None = None
    skip_broken: bool = False
    color: str = "auto"
    normal_dir: list[str] | None = None
    abnormal_dir: list[str] | None = None
    flat: bool = False
    group: str | None = None
    features: str | None = None
    weights: str | None = None
    layer: list[str] | None = None
    scale: list[float] | None = None
    tiles: int | None = None
    stride: int | None = None
    pad: bool = False
    mirror: str | None = None
    views: bool = False
    rotate: float | None = None
    brightness: float | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check_at_least_one("patience", "ensemble")
        if self.calibrate_share is not None and not 0.0 < self.calibrate_share <= 0.5:
            raise ValueError(f"Expected 0 < --calibrate-share <= 0.5. Received: {self.calibrate_share}.")
        self._check_data()
        self._settle_length()
        if self.data not in NAMED_SETS:
            object.__setattr__(self, "data", os.path.normpath(self.data))  # photos/ is photos
        self._set_default("detector", self._default_detector())
        self._check_architecture()
        if self.features is not None:
            self._check_features()
        else:
            self._check_detector("table" if self.is_table else "image", "a table" if self.is_table else "images")
        self._check_tags()
        if not self.is_table and (self.tiles is None or self.data in NAMED_SETS):
            self._set_default("image_size", NAMED_SETS.get(self.data, 64) if self.features is None else FEATURES_SIDE)
        self._check_tiles()
        self._set_default("learning_rate", 1e-4 if self.is_table else 2e-4)

    def _default_detector(self) -> str:
        """What evidence supports for such data (docs/which-detector.md); an architecture is f-AnoGAN's."""
        if self.is_table:
            return "flow"
        if self.features is not None:
            return "gaussian"
        return "fanogan" if self.data in NAMED_SETS or self.architecture is not None else "pca"

    def _settle_length(self) -> None:
        """Epochs and batches, or, for a folder where nobody said so, a budget of time."""
        folder = not self.is_table and self.data not in NAMED_SETS
        if self.epochs is None and self.budget is None and folder:
            object.__setattr__(self, "budget", BUDGET)
        if self.budget is None:
            self._set_default("epochs", 20)
            self._set_default("batch_size", 64)

    def _check_data(self) -> None:
        """Refuse options that belong to another kind of data."""
        named = self.data in NAMED_SETS
        chosen = [value is not None for value in (self.normal, self.abnormal)]
        if named and sum(chosen) != 1:
            either = "both" if all(chosen) else "neither"
            raise ValueError(f"Expected --normal CLASS or --abnormal CLASS with {self.data}. Received: {either}.")
        label = self.normal if self.abnormal is None else self.abnormal
        if named and not 0 <= int(label or 0) <= 9:
            raise ValueError(f"Expected a class of {self.data}, 0 to 9. Received: {label}.")
        if not named and any(chosen):
            what = "a table; --normal-where 'CONDITION' tells normal rows" if self.is_table else "a folder"
            raise ValueError(f"Expected --normal and --abnormal with mnist, digits or cifar10 only. Received: {what}.")
        options = {"normal-where": self.normal_where, "drop": self.drop, "column": self.column}
        given = [key for key, value in (options | {"id-column": self.id_column}).items() if value]
        if not self.is_table and given:
            raise ValueError(f"Expected --{given[0]} with a table (.csv, .csv.gz, .parquet). Received: {self.data}.")
        parse_columns(self.column or ())
        check_augmentation(self.mirror, self.rotate or 0.0, self.brightness or 0.0)
        if self.is_table and self.augments:
            raise ValueError("Expected --mirror, --rotate and --brightness with images. Received: a table.")
        if self.views and self.mirror is None:
            raise ValueError(
                "Expected --views with --mirror, which says what views there are. Received: --views alone."
            )
        for option, value in (("weights", self.weights), ("layer", self.layer), ("scale", self.scale)):
            if value and self.features is None:
                raise ValueError(f"Expected --{option} with --features. Received: --{option} alone.")
        if self.features is not None and self.is_table:
            raise ValueError("Expected --features with images. Received: a table.")
        if self.reduction is not None and (self.is_table or self.reduction not in REDUCTIONS):
            raise ValueError(
                f"Expected --reduction {', '.join(REDUCTIONS[:-1])} or {REDUCTIONS[-1]}, of images. "
                f"Received: {self.reduction}{' for a table' if self.is_table else ''}."
            )
        if self.image_size is not None and self.is_table:
            raise ValueError("Expected --image-size with images. Received: a table.")
        if isinstance(self.image_size, (list, tuple)):  # a list in a run's file
            width, height = self.image_size
            object.__setattr__(self, "image_size", width if width == height else (width, height))
        if self.image_size is not None and min(self.sides) < 2:
            raise ValueError(f"Expected --image-size >= 2. Received: {self.image_size}.")
        self._check_folder(named)

    def _check_folder(self, named: bool) -> None:
        """Refuse options of folders with other data."""
        if self.color not in COLORS:
            raise ValueError(f"Expected --color to be one of {', '.join(COLORS)}. Received: {self.color!r}.")
        given: dict[str, Any] = {"--normal-dir": self.normal_dir, "--abnormal-dir": self.abnormal_dir}
        given |= {"--flat": self.flat, "--group": self.group, "--pad": self.pad}
        try:
            re.compile(self.group or "")
        except re.error as error:
            raise ValueError(
                f"Expected a regular expression for --group, such as 'part[0-9]+'. Received: {self.group!r} ({error})."
            ) from error
        idle = [name for name, value in given.items() if value] + (["--color"] if self.color != "auto" else [])
        if idle and (named or self.is_table):
            raise ValueError(f"Expected {idle[0]} with a folder of images only. Received: {self.data}.")
        if self.flat and (self.normal_dir or self.abnormal_dir):
            raise ValueError("Expected either --flat or --normal-dir and --abnormal-dir. Received: both.")
        if self.pad and self.tiles is not None:
            raise ValueError("Expected either --pad or --tiles. Received: both; tiles are cut from whole photographs.")
        if self.pad and self.reduction == "paper":
            raise ValueError(
                "Expected --reduction top, max or mean with --pad: only a map tells what lies in the photograph. "
                "Received: paper."
            )

    def _check_features(self) -> None:
        """Refuse an unknown backbone, files that are not there, and detectors that can't see features."""
        name = str(self.features)
        if name not in catalogue.BACKBONES and not name.endswith(".keras"):
            near = meant(name, catalogue.BACKBONES) or "."
            raise ValueError(
                f"Expected --features to be one of {', '.join(catalogue.BACKBONES)}, or a .keras file. "
                f"Received: {name!r}{near}"
            )
        for option, path in (("features", name if name.endswith(".keras") else None), ("weights", self.weights)):
            if path is not None and not os.path.isfile(path):
                raise FileNotFoundError(f"Expected a file for --{option}. Received: {path}, which does not exist.")
        if self.detector in list_detectors("image") and self.detector not in (*list_detectors("table"), *ON_GRID):
            fitting = [*list_detectors("table"), *ON_GRID]
            raise ValueError(
                f"Expected --detector {', '.join(fitting[:-1])} or {fitting[-1]} with --features. "
                f"Received: {self.detector}, which needs images."
            )
        for scale in self.scale or ():
            if not 0.0 < scale < 1.0:
                raise ValueError(
                    f"Expected --scale between 0 and 1, a share of the image's sides. Received: {scale:g}."
                )
        if self.scale and self.detector in ON_GRID:
            raise ValueError(
                f"Expected --scale with a detector of one vector for an image. Received: {self.detector}, which sees a "
                "grid of them."
            )
        if self.pad and self.detector not in ON_GRID:
            raise ValueError(
                f"Expected --detector {' or '.join(ON_GRID)} with --features and --pad: only a map tells what is "
                f"in the photograph. Received: {self.detector}."
            )
        self._check_detector("image" if self.detector in ON_GRID else "table", "features of images")

    def _check_tiles(self) -> None:
        """Refuse tiles of something else than images, and tiles that do not fit."""
        if self.tiles is None:
            if self.stride is not None:
                raise ValueError("Expected --stride with --tiles. Received: --stride alone.")
            return
        other = "a table" if self.is_table else "--features" if self.features is not None else None
        if other is not None:
            raise ValueError(f"Expected --tiles with images whose pixels the detector sees. Received: {other}.")
        if self.tiles < 8:
            raise ValueError(f"Expected --tiles >= 8 pixels. Received: {self.tiles}.")
        if self.stride is not None and not 1 <= self.stride <= self.tiles:
            raise ValueError(f"Expected --stride from 1 to the side of a tile, {self.tiles}. Received: {self.stride}.")
        if self.image_size is not None and min(self.sides) < self.tiles:
            height, width = self.sides
            raise ValueError(
                f"Expected images as large as a tile, {self.tiles} pixels. Received: images of {width} x {height}."
            )

    @property
    def _has_rows(self) -> bool:
        """Whether the detector sees rows of numbers, of a table or of features."""
        return self.is_table or (self.features is not None and self.detector not in ON_GRID)

    def _check_architecture(self) -> None:
        """Refuse an architecture for a detector that has one only; choose one by the data where there are several."""
        has_several = self.detector in list_detectors() and "architecture" in listing(str(self.detector)).parameters
        if self.architecture is not None and not has_several:
            several = [name for name in list_detectors() if "architecture" in listing(name).parameters]
            raise ValueError(
                f"Expected --architecture with {', '.join(several)} only. Received: --detector {self.detector}."
            )
        if has_several:
            self._set_default("architecture", "mlp" if self._has_rows or self.data in ("mnist", "digits") else "dcgan")

    def _check_tags(self) -> None:
        """Refuse what the detector's tags rule out."""
        tags = self.tags
        for option, value in (("patience", self.patience), ("ensemble", self.ensemble if self.ensemble > 1 else None)):
            if value is not None and tags.closed_form:
                raise ValueError(
                    f"Expected no --{option} with {self.detector}, which is solved at once. Received: --{option} "
                    f"{value}."
                )
        if self.patience is not None and not tags.watchable:
            raise ValueError(
                f"Expected no --patience with {self.detector}: its score falls as its logit grows, however well it "
                f"tells images apart. Received: --patience {self.patience}."
            )
        if tags.uses_normal_labels and self.abnormal is None:
            normal = "" if self.normal is None else f" --normal {self.normal}"
            raise ValueError(
                f"Expected mnist, digits or cifar10 with --abnormal CLASS for {self.detector}, which learns from the "
                f"classes of normal images. Received: {self.data}{normal}."
            )

    @property
    def is_table(self) -> bool:
        """Whether the data are a table file."""
        return is_table(self.data)

    @property
    def wanted(self) -> dict[str, dict[str, Any]]:
        """For tables, what columns are to be taken for, as `datasets.open_table` takes it."""
        named = {} if self.id_column is None else {self.id_column: {"kind": "id"}}
        return {**parse_columns(self.column or ()), **named}

    @property
    def sides(self) -> tuple[int, int]:
        """Height and width of the images the networks see."""
        size = self.image_size or 0
        return (size[1], size[0]) if isinstance(size, tuple) else (int(size), int(size))

    @property
    def augments(self) -> bool:
        """Whether training images are changed at random."""
        return any((self.mirror, self.rotate, self.brightness))

    @property
    def kind(self) -> str:
        return "table" if self.is_table else "images"

    @property
    def sources(self) -> tuple[str, ...]:
        return () if self.data in NAMED_SETS else (self.data,)

    @property
    def built_with(self) -> dict[str, Any]:
        return dict(self.params) if self.architecture is None else {"architecture": self.architecture, **self.params}


def demo_arguments() -> Arguments:
    """`keras-anogan demo`: scikit-learn's digits; about a minute on two cores.

    Digit and epochs were chosen with labels on these digits, which stand in no results table.
    """
    return Arguments(data="digits", normal=3, epochs=200, batch_size=32, alpha=0.05)
