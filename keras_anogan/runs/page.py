"""A report as one HTML file that needs nothing else."""

from __future__ import annotations

import base64
import pathlib
from typing import Any

from keras_anogan.files import replacing
from keras_anogan.pictures import pixels_uri
from keras_anogan.words import counted


def write_page(path: pathlib.Path, template: str, **values: Any) -> None:
    """Fill a template of `templates/`, and write the page whole or not at all."""
    import jinja2

    folder = pathlib.Path(__file__).parent / "templates"
    loader = jinja2.FileSystemLoader(folder)
    environment = jinja2.Environment(loader=loader, autoescape=True, undefined=jinja2.StrictUndefined)
    environment.filters |= {"unbroken": unbroken, "counted": counted}
    page = environment.get_template(template).render(**values)
    with replacing(path) as partial:
        partial.write_text(page, encoding="utf-8")


def unbroken(sentence: str) -> str:
    """A sentence of which no line ends between a number and its %, or within an option such as --alpha."""
    return sentence.replace(" %", "\u00a0%").replace("--", "-\u2060-\u2060")


def panel_lines(panels: Any) -> list[dict[str, Any]]:
    """(title, name -> picture) as a template takes them: pictures as data URIs."""
    return [
        {"title": title, "pictures": [(key, pixels_uri(pixels)) for key, pixels in pictures.items()]}
        for title, pictures in panels
    ]


def last_samples(run: pathlib.Path) -> tuple[str, str] | None:
    """Name and data URI of the last grid of generated images in a run folder, or None."""
    grids = sorted((run / "samples").rglob("*.png"))
    if not grids:
        return None
    return grids[-1].stem.replace(
        "-", " "
    ), f"data:image/png;base64,{base64.b64encode(grids[-1].read_bytes()).decode()}"
