"""What the terminal shows and takes: news, complaints, progress, Ctrl-C, and TensorFlow's start without its chatter."""

from __future__ import annotations

import os
import sys
import warnings
from typing import Any

from rich.console import Console

console = Console(highlight=False, soft_wrap=True)
complaints = Console(stderr=True, highlight=False, soft_wrap=True)


def say(line: str) -> None:
    """Print a line of news as it is."""
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


def progress(phase: str, epochs: int) -> list[Any]:
    """A Keras callback that shows one bar for a phase, with its losses and the time left."""
    import keras
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
    from rich.table import Column

    class Bar(keras.callbacks.Callback):
        def on_train_begin(self, logs: dict | None = None) -> None:
            interrupt.training = True
            columns = (
                TextColumn("{task.description:<8}", table_column=Column(no_wrap=True)),
                BarColumn(bar_width=24),
                MofNCompleteColumn(),
                TextColumn("epochs"),
                TimeRemainingColumn(),
                TextColumn("{task.fields[losses]}"),
            )
            self.progress = Progress(*columns, console=console)
            self.task = self.progress.add_task(phase, total=epochs, losses="")
            self.progress.start()

        def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
            interrupt.check()

        def on_test_batch_end(self, batch: int, logs: dict | None = None) -> None:
            interrupt.check()

        def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
            logs = logs if console.width >= 110 else {}
            losses = "  ".join(f"{key.replace('_', ' ')} {float(value):.4g}" for key, value in (logs or {}).items())
            self.progress.update(self.task, completed=epoch + 1, losses=losses)

        def on_train_end(self, logs: dict | None = None) -> None:
            self.progress.stop()
            interrupt.training = False
            interrupt.check()

    return [Bar()]


def import_tensorflow() -> None:
    """Import TensorFlow with oneDNN kernels on, and without what it writes to standard error while it starts."""
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    warnings.filterwarnings("ignore", category=UserWarning, module="keras")
    if "tensorflow" in sys.modules:
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
