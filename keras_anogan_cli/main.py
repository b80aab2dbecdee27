"""Exit codes: mistakes of the user end with one sentence and 2; a training that breaks, with one sentence and 1."""

from __future__ import annotations

import os
import signal
import sys
from typing import Any

from keras_anogan_cli import commands  # noqa: F401  they join the application
from keras_anogan_cli.app import app
from keras_anogan_cli.console import complaints, console, interrupt, settings
from keras_anogan_cli.options import CONFIG
from keras_anogan_cli.wrong import unknown_option, wrong_number

INTERRUPTED = 130


def main() -> None:
    """Entry point of `keras-anogan`."""
    code = run()
    if code == INTERRUPTED:  # threads of TensorFlow that still read data can keep the interpreter from ending
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)


def run(arguments: list[str] | None = None) -> int:
    """Run the command line on `arguments` (default: the process's); returns the exit code."""
    interrupt.asked = interrupt.training = False
    settings.set(False, None)
    before = signal.signal(signal.SIGINT, interrupt)
    try:
        code = app(arguments, prog_name="keras-anogan", standalone_mode=False) or 0
    except KeyboardInterrupt:
        code = INTERRUPTED
    except Exception as error:
        if os.environ.get("KERAS_ANOGAN_TRACEBACK"):
            raise
        code = _explain(error, sys.argv[1:] if arguments is None else arguments)
    finally:
        signal.signal(signal.SIGINT, before)
        console.show_cursor(True)
    if code == INTERRUPTED:
        complaints.print(
            "Interrupted. With the same command a training, or a scoring in blocks, goes on from what is done.",
            style="yellow",
        )
    return code


def _explain(error: Any, arguments: list[str]) -> int:
    """Say what went wrong in one sentence, if that is what the error is made for; returns the exit code."""
    from keras_anogan.words import os_reason

    if hasattr(error, "format_message"):  # a wrong option or argument
        if error.format_message().startswith("Usage:"):  # no command at all: that is a request for help
            console.print(error.format_message(), markup=False)
            return 2
        context = getattr(error, "ctx", None)
        hint = getattr(context, "command_path", "keras-anogan")
        if getattr(error, "option_name", None) in ("--quiet", "-q", "--log-level"):
            name, command = error.option_name, hint.removeprefix("keras-anogan ")
            return _complain(f"{name} stands before the command: keras-anogan {name} ... {command} ...", 2)
        said = unknown_option(context, error) or wrong_number(context, error, arguments) or error.format_message()
        return _complain(f"{_origin(context, error)}{said} Try '{hint} --help'.", 2)
    if isinstance(error, OSError):
        return _complain(os_reason(error), 2)
    if isinstance(error, (ValueError, ImportError)):
        return _complain(str(error), 2)
    if isinstance(error, RuntimeError) and "\n" not in str(error):
        return _complain(str(error), 1)
    raise error


def _origin(context: Any, error: Any) -> str:
    """Where a wrong value stands, if that is in a file of options."""
    name = getattr(getattr(error, "param", None), "name", None)
    source = context.get_parameter_source(name) if context is not None and name is not None else None
    from_file = source is not None and source.name == "DEFAULT_MAP" and CONFIG in context.meta
    return f"In {context.meta[CONFIG]}: " if from_file else ""


def _complain(sentence: str, code: int) -> int:
    complaints.print(f"Error: {sentence}", style="red", markup=False)
    return code
