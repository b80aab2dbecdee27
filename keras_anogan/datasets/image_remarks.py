"""What a user should hear of the images of a folder, one sentence each."""

from __future__ import annotations

import pathlib
from collections.abc import Callable, Sequence

import numpy as np

from keras_anogan.datasets.image_files import Facts

FactsOf = dict[pathlib.Path, Facts]
FAR = 1.10  # a ratio of sides that differs by more is told of
LONG = 4  # no longer image is proposed


def on_files(facts: FactsOf) -> list[str]:
    """Of what is done to single files while they are read: whoever serves the detector has to do it too."""
    told: list[tuple[Callable[[Facts], bool], str]] = [
        (lambda fact: fact.turned, "turned as the EXIF orientation says"),
        (lambda fact: fact.clear, "transparent in parts, which are read as white"),
        (lambda fact: fact.pages > 1, "of several pages or frames, of which the first is read"),
        (lambda fact: fact.cut, "of 16 bits a colour, of which Pillow reads the upper 8"),
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


def on_sides(facts: FactsOf, sides: tuple[int, int], pad: bool = False) -> list[str]:
    """Of images whose sides have another ratio than those of the networks' images.

    Args:
        facts: of the images.
        sides: (height, width) of the images that the networks see.
        pad: whether images keep their shape there.
    """
    own = sides[1] / sides[0]
    ratios = [fact.size[1] / fact.size[0] for fact in facts.values()]
    far = sorted(ratio for ratio in ratios if max(ratio / own, own / ratio) > FAR)
    if not far:
        return []
    if pad:
        share = float(np.mean([min(ratio / own, own / ratio) for ratio in ratios]))
        return [
            f"{count_of(len(far), facts)} of other sides than the {sides[1]} x {sides[0]} that the networks see, and "
            f"padded: a photograph fills {share:.0%} of them on average."
        ]
    usual, short, step = far[len(far) // 2], min(sides), 1
    while short // step > 7 and short % (2 * step) == 0:  # what networks halve their images by
        step *= 2
    long = max(1, round(short * max(usual, 1 / usual) / step)) * step
    width, height = (long, short) if usual > 1 else (short, long)
    fit = max(usual / (width / height), (width / height) / usual)
    keeps = "keeps their ratio" if fit < 1.03 else "comes near to it"
    shape = f"{usual:.3g}:1" if usual >= 1 else f"1:{1 / usual:.3g}"
    advice = f"; --image-size {width}x{height} {keeps}" if long <= LONG * short else ""
    if not advice or max(ratios) > FAR * min(ratios):
        advice += "; --pad keeps each one's own"
    return [
        f"{count_of(len(far), facts)} of other sides than the {sides[1]} x {sides[0]} that the networks see, such as "
        f"{shape}, and squeezed{advice}."
    ]


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
