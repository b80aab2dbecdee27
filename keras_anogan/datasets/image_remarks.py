"""What a user should hear of the images of a folder, one sentence each."""

from __future__ import annotations

import pathlib
from collections.abc import Callable, Sequence

import numpy as np

from keras_anogan.datasets.image_files import Facts
from keras_anogan.nn.scaling import content_size

FactsOf = dict[pathlib.Path, Facts]
FAR = 1.10  # a ratio of sides that differs by more is told of
MOST = 0.9  # of the images has to have a ratio for a size to be proposed
NEAR, MANY = 0.2, 0.25  # nearly equal: a share of the usual distance; and for how many it is told
MOST_COMPARED = 2000
LONG = 4  # no longer image is proposed
LEAST = 8  # pixels of a padded image's side, else it is told of


def on_files(facts: FactsOf) -> list[str]:
    """Of what is done to single files while they are read: whoever serves the detector has to do it too."""
    told: list[tuple[Callable[[Facts], bool], str]] = [
        (lambda fact: fact.turned, "turned as the EXIF orientation says"),
        (lambda fact: fact.clear, "transparent in parts, which are read as white"),
        (lambda fact: fact.pages > 1, "of several pages or frames, of which the first is read"),
        (lambda fact: fact.cut, "of 16 bits a colour, of which Pillow reads the upper 8"),
        (lambda fact: fact.blank, "of one colour all over, as a covered camera makes them"),
    ]
    found = []
    for is_so, what in told:
        paths = [path for path, fact in facts.items() if is_so(fact)]
        found += [f"{count_of(len(paths), facts)} {what}: {some(paths)}."] if paths else []
    copies = len(facts) - len({fact.content for fact in facts.values()})
    if copies:
        seen: dict[str, pathlib.Path] = {}
        first = next((seen[f.content], p) for p, f in facts.items() if seen.setdefault(f.content, p) != p)
        found.append(
            f"{count_of(copies, facts)} a copy of another one, which may be trained on while its copy is tested: "
            f"{first[0].name} and {first[1].name}."
        )
    return found


def on_colors(facts: FactsOf, channels: int, asked: str) -> list[str]:
    """Of images that are made RGB, and of RGB images that have no colour.

    Args:
        facts: of all images.
        channels: 1 or 3, of what they are read as.
        asked: "auto", "rgb" or "grey".
    """
    colored = [fact for fact in facts.values() if fact.channels == 3]
    if asked != "auto" or channels == 1:
        return []
    if len(colored) < len(facts):
        grey = len(facts) - len(colored)
        return [f"{count_of(grey, facts)} grey and made RGB, as the others are; --color grey makes all of them grey."]
    if all(fact.level for fact in colored):
        return ["All images are RGB with three equal channels; --color grey trains on one of them."]
    return []


def on_depth(facts: FactsOf, white: int) -> list[str]:
    """Of images of more than 8 bits a pixel, and of the value that is white in them."""
    peaks = [fact.peak for fact in facts.values() if fact.peak is not None]
    if not peaks:
        return []
    bits = white.bit_length()
    told = [
        f"{count_of(len(peaks), facts)} of 16 bits with values up to {max(peaks):,}: white is {white:,}, the largest "
        f"value of {bits} bits."
    ]
    if len(peaks) < len(facts):
        rest = len(facts) - len(peaks)
        told.append(f"{count_of(rest, facts)} of 8 bits and scaled from 255 to {white:,}.")
    return told


def on_new(facts: FactsOf, channels: int, dtype: str, white: int) -> list[str]:
    """Of images to score that are not of the kind that was trained on.

    Args:
        facts: of the images.
        channels, dtype, white: of the images that were trained on.
    """
    found = []
    others = [path for path, fact in facts.items() if fact.channels != channels]
    if others:
        made = "RGB and made grey" if channels == 1 else "grey and made RGB"
        unseen = "what differs in colour only is not seen" if channels == 1 else some(others)
        found.append(f"{count_of(len(others), facts)} {made}, as the images are that were trained on: {unseen}.")
    bright = [path for path, fact in facts.items() if fact.peak is not None and fact.peak > white]
    if bright:
        peak = max(facts[path].peak or 0 for path in bright)
        found.append(
            f"{count_of(len(bright), facts)} brighter, up to {peak:,}, than {white:,}, which is white to the run: "
            f"{some(bright)}."
        )
    eight = [path for path, fact in facts.items() if fact.peak is None]
    if eight and dtype == "uint16":
        found.append(f"{count_of(len(eight), facts)} of 8 bits and scaled from 255 to {white:,}: {some(eight)}.")
    return found


def on_sides(facts: FactsOf, sides: tuple[int, int], pad: bool = False, tiles: bool = False) -> list[str]:
    """Of images whose sides have another ratio than those of the networks' images.

    Args:
        facts: of the images.
        sides: (height, width) of the images that the networks see.
        pad: whether images keep their shape there.
        tiles: whether tiles are cut from them then.
    """
    own = sides[1] / sides[0]
    far = sorted(ratio for ratio in _ratios(facts) if max(ratio / own, own / ratio) > FAR)
    if not far:
        return []
    if pad:
        return _on_padded(facts, sides, far)
    usual = far[len(far) // 2]
    width, height = _proposed(usual, min(sides))
    fit = max(usual / (width / height), (width / height) / usual)
    shape = f"{usual:.3g}:1" if usual >= 1 else f"1:{1 / usual:.3g}"
    alike = sum(max(ratio / usual, usual / ratio) <= FAR for ratio in far)
    advice = []
    if alike >= MOST * len(far) and max(width, height) <= LONG * min(sides):
        keeps = "keeps their ratio" if fit < 1.03 else "comes near to it"
        advice.append(f"--image-size {width}x{height} {keeps}")
    if not tiles and (not advice or len(far) < len(facts)):
        advice.append("--pad keeps each one's own")
    return [
        f"{count_of(len(far), facts)} of other sides than the {sides[1]} x {sides[0]} that the networks see, such as "
        f"{'; '.join([f'{shape}, and squeezed', *advice])}."
    ]


def _on_padded(facts: FactsOf, sides: tuple[int, int], far: list[float]) -> list[str]:
    """How much of the networks' images photographs fill, and which hardly do."""
    own = sides[1] / sides[0]
    share = float(np.mean([min(ratio / own, own / ratio) for ratio in _ratios(facts)]))
    thin = [path for path, fact in facts.items() if min(content_size(*fact.size, sides)) < LEAST]
    told = [
        f"{count_of(len(far), facts)} of other sides than the {sides[1]} x {sides[0]} that the networks see, and "
        f"padded: a photograph fills {share:.0%} of them on average."
    ]
    if thin:
        told.append(f"{count_of(len(thin), facts)} then less than {LEAST} pixels high or wide: {some(thin)}.")
    return told


def on_likeness(trained: FactsOf, others: FactsOf) -> list[str]:
    """Of normal images that are nearly equal to one that is trained on, as several photographs of one part are.

    Two images are nearly equal if their thumbnails, each less its mean and at one contrast, differ by less than a fifth
    of what two of the trained ones differ by in the middle. On magnetic tiles that are photographed several times 86 %
    of the photographs have such a one, nearly always of the same tile; of those of other tiles 7 % have.

    Args:
        trained: facts of the images that are trained on; some 2,000 of them are compared with.
        others: of normal images that set or test the threshold.
    """
    paths = list(trained)[:: max(1, len(trained) // MOST_COMPARED)]
    found = list(others)[:: max(1, len(others) // MOST_COMPARED)]
    if len(paths) < 3 or not found:
        return []
    known, new = (_contrasts([facts[path] for path in chosen]) for facts, chosen in ((trained, paths), (others, found)))
    usual = float(np.median(_distances(known, known)[np.triu_indices(len(known), 1)]))
    between = _distances(new, known)
    near = between.min(axis=1) < NEAR * usual
    if near.mean() < MANY:
        return []
    first = int(np.argmax(near))
    twin = paths[int(between[first].argmin())]
    return [
        f"Of {len(found):,} normal images that set or test the threshold {int(near.sum()):,} are nearly equal to one "
        f"that is trained on, such as {found[first].name} and {twin.name}. If both show one part, new parts "
        "will raise more false alarms than are told; --group PATTERN keeps the photographs of a part together."
    ]


def _contrasts(facts: Sequence[Facts]) -> np.ndarray:
    """Thumbnails (n, pixels) less their mean, of length 1."""
    values = np.array([np.frombuffer(fact.thumbnail, "uint8") for fact in facts], "float32")
    values -= values.mean(axis=1, keepdims=True)
    return values / np.maximum(np.linalg.norm(values, axis=1, keepdims=True), 1e-6)


def _distances(some: np.ndarray, others: np.ndarray) -> np.ndarray:
    return np.sqrt(np.maximum(2.0 - 2.0 * some @ others.T, 0.0))


def on_shapes(facts: FactsOf, ratios: tuple[float, float] | None) -> list[str]:
    """Of images to score whose shape none has that was trained on.

    Args:
        facts: of the images.
        ratios: the least and the largest width / height that was trained on; None where nobody knows.
    """
    if ratios is None:
        return []
    low, high = ratios[0] / FAR, ratios[1] * FAR
    other = [path for path, ratio in zip(facts, _ratios(facts), strict=True) if not low <= ratio <= high]
    if not other:
        return []
    return [
        f"{count_of(len(other), facts)} of a shape that none has that was trained on, so an alarm may be its shape's: "
        f"{some(other)}."
    ]


def ratios_of(facts: Sequence[Facts]) -> tuple[float, float]:
    """The least and the largest width / height."""
    ratios = [fact.size[1] / fact.size[0] for fact in facts]
    return min(ratios), max(ratios)


def _ratios(facts: FactsOf) -> list[float]:
    return [fact.size[1] / fact.size[0] for fact in facts.values()]


def _proposed(ratio: float, short: int) -> tuple[int, int]:
    """(width, height) near a ratio that networks take, the shorter side as it is."""
    step = 1
    while short // step > 7 and short % (2 * step) == 0:  # what networks halve their images by
        step *= 2
    long = max(1, round(short * max(ratio, 1 / ratio) / step)) * step
    return (long, short) if ratio > 1 else (short, long)


def count_of(count: int, of: Sequence | FactsOf) -> str:
    """ "3 of 40 images are", for a sentence."""
    total = len(of)
    if count == total:
        return f"All {total:,} images are" if total > 1 else "The image is"
    return f"{count:,} of {total:,} images {'is' if count == 1 else 'are'}"


def some(paths: Sequence[pathlib.Path], most: int = 3) -> str:
    """The names of a few files, for a sentence."""
    more = f" and {len(paths) - most:,} more" if len(paths) > most else ""
    return ", ".join(path.name for path in paths[:most]) + more
