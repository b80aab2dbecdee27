"""What the terminal shows and takes: news, results, complaints, progress, Ctrl-C, TensorFlow without its chatter."""

from __future__ import annotations

import logging
import os
import sys
import time
import warnings
from typing import Any

from rich.console import Console

console = Console(highlight=False, soft_wrap=True)
complaints = Console(stderr=True, highlight=False, soft_wrap=True)
SECONDS = 10.0  # between lines of progress where there is no terminal
LEVELS = {"debug": "0", "info": "0", "warning": "1", "error": "2"}  # and TensorFlow's own


class Settings:
    """What the options before the command ask for.

    Attributes:
        quiet: results and errors alone are shown.
        log_level: of Python's and TensorFlow's logging; None for silence.
    """

    quiet = False
    log_level: str | None = None

    def set(self, quiet: bool, log_level: str | None) -> None:
        """Take the options of one call.

        Raises:
            ValueError: for a level that there is not.
        """
        if log_level is not None and log_level.lower() not in LEVELS:
            raise ValueError(f"Expected --log-level to be one of {', '.join(LEVELS)}. Received: {log_level}.")
        self.quiet, self.log_level = quiet, log_level and log_level.lower()
        if self.log_level is not None:
            logging.basicConfig(level=self.log_level.upper())
            logging.getLogger().setLevel(self.log_level.upper())


settings = Settings()


def say(line: str) -> None:
    """Print a line of news as it is, unless it shall be quiet."""
    if not settings.quiet:
        show(line)


def show(line: str) -> None:
    """Print a line of the result as it is."""
    console.print(line, markup=False)


class Interrupt:
    """Ctrl-C where it does no harm: raised within TensorFlow it now and then aborts the process, and in a finaliser
    Python drops it. So during training a callback asks after every batch; a second Ctrl-C does not wait for that."""

    def __init__(self) -> None:
        self.asked = self.training = False

    def __call__(self, number: int, frame: Any) -> None:
        waits = self.training and not self.asked
        self.asked = True
        if not waits:
            raise KeyboardInterrupt

    def check(self) -> None:
        if self.asked:
            raise KeyboardInterrupt


interrupt = Interrupt()


class Lines:
    """Progress in plain lines: one for a tenth of the epochs, or for ten seconds, whichever comes first."""

    def __init__(self, phase: str, epochs: int) -> None:
        self.phase, self.epochs = phase, epochs
        self.begun = self.told = time.monotonic()
        self.first: int | None = None  # the first epoch may be a later one: the training went on from a backup

    def update(self, epoch: int, losses: str) -> None:
        """Tell of an epoch that is done, if it is time to; `epoch` counts from one."""
        self.first = epoch - 1 if self.first is None else self.first
        now = time.monotonic()
        is_tenth = epoch * 10 // self.epochs > (epoch - 1) * 10 // self.epochs
        if not is_tenth and now - self.told < SECONDS:
            return
        self.told = now
        left = (now - self.begun) / (epoch - self.first) * (self.epochs - epoch)
        ends = f", {left:.0f} s left" if epoch < self.epochs else f", {now - self.begun:.0f} s"
        say(f"{self.phase}: epoch {epoch} of {self.epochs}{ends}{losses and ': '}{losses}")

    def stop(self) -> None:
        """Nothing is left to tidy up."""


class Bar:
    """Progress as a bar that is drawn over and over, with the losses and the time left."""

    def __init__(self, phase: str, epochs: int) -> None:
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
        from rich.table import Column

        columns = (
            TextColumn("{task.description:<8}", table_column=Column(no_wrap=True)),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TextColumn("epochs"),
            TimeRemainingColumn(),
            TextColumn("{task.fields[losses]}"),
        )
        self.bar = Progress(*columns, console=console, disable=settings.quiet)
        self.task = self.bar.add_task(phase, total=epochs, losses="")
        self.bar.start()

    def update(self, epoch: int, losses: str) -> None:
        """Draw the bar at an epoch that is done; `epoch` counts from one."""
        self.bar.update(self.task, completed=epoch, losses=losses if console.width >= 110 else "")

    def stop(self) -> None:
        """Leave the bar as it is."""
        self.bar.stop()


def progress(phase: str, epochs: int) -> list[Any]:
    """A Keras callback that shows how far a phase is, with its losses and the time left; Ctrl-C is asked for there."""
    import keras

    class Watcher(keras.callbacks.Callback):
        def on_train_begin(self, logs: dict | None = None) -> None:
            interrupt.training = True
            self.progress = (Bar if console.is_terminal else Lines)(phase, epochs)

        def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
            interrupt.check()

        def on_test_batch_end(self, batch: int, logs: dict | None = None) -> None:
            interrupt.check()

        def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
            losses = "  ".join(f"{key.replace('_', ' ')} {float(value):.4g}" for key, value in (logs or {}).items())
            self.progress.update(epoch + 1, losses)

        def on_train_end(self, logs: dict | None = None) -> None:
            self.progress.stop()
            interrupt.training = False
            interrupt.check()

    return [Watcher()]


def import_tensorflow() -> None:
    """Import TensorFlow with oneDNN kernels on, and without what it writes to standard error while it starts.

    With --log-level it writes what it has to say of that level.
    """
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    if settings.log_level is None:
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
        warnings.filterwarnings("ignore", category=UserWarning, module="keras")
    if "tensorflow" in sys.modules:
        return
    if settings.log_level is not None:
        os.environ["TF_CPP_MIN_LOG_LEVEL"] = LEVELS[settings.log_level]
        import tensorflow as tf

        import keras_anogan.exports  # saved classes are found once they are registered

        tf.get_logger().setLevel(settings.log_level.upper())
        return
    sys.stderr.flush()
    saved = os.dup(2)
    with open(os.devnull, "w") as nowhere:
        os.dup2(nowhere.fileno(), 2)
        try:
            import tensorflow as tf

            tf.get_logger().setLevel("ERROR")
            tf.function(tf.identity, jit_compile=True)(0.0)  # devices and XLA speak up when they are first used
            import keras_anogan.exports  # noqa: F401  saved classes are found once they are registered
        finally:
            os.dup2(saved, 2)
            os.close(saved)
