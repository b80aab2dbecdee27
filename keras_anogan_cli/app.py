"""The application that the commands join, and what it answers without one."""

from __future__ import annotations

import importlib.metadata
from typing import Annotated

import typer

from keras_anogan_cli.console import console, settings

app = typer.Typer(
    help="GAN-based anomaly detection: train on normal images, rows or footage, score new ones, serve the detector.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


def _version(wanted: bool) -> None:
    if wanted:
        console.print(f"keras-anogan {importlib.metadata.version('keras-anogan')}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Show results and errors alone.")] = False,
    log_level: Annotated[
        str | None,
        typer.Option(help="Show what Python and TensorFlow log: debug, info, warning or error.", show_default=False),
    ] = None,
) -> None:
    settings.set(quiet, log_level)
