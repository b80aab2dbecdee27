"""What the terminal shows: plain lines where there is none, results alone if asked, errors of the system in words."""

import errno
import io
import time

import pytest

import keras_anogan_cli
from keras_anogan.words import counted, os_reason
from keras_anogan_cli import commands, console


@pytest.fixture(autouse=True)
def _as_before():
    yield
    console.settings.set(False, None)


def run(*arguments):
    return keras_anogan_cli.run([str(argument) for argument in arguments])


def lines_of(monkeypatch, capsys, epochs, seconds, first=0):
    """What is printed of a phase whose epochs take so many seconds each."""
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    (watcher,) = console.progress("encoder", epochs)
    watcher.on_train_begin()
    for epoch in range(first, epochs):
        now[0] += seconds
        watcher.on_epoch_end(epoch, {"image_loss": 0.25})
    watcher.on_train_end()
    return capsys.readouterr().out.splitlines()


def test_quick_epochs_are_told_by_tenths_and_slow_ones_every_ten_seconds(monkeypatch, capsys):
    lines = lines_of(monkeypatch, capsys, epochs=200, seconds=0.1)
    assert len(lines) == 10
    assert lines[0] == "encoder: epoch 20 of 200, 18 s left: image loss 0.25"
    assert lines[-1] == "encoder: epoch 200 of 200, 20 s: image loss 0.25"
    assert len(lines_of(monkeypatch, capsys, epochs=1000, seconds=2.0)) == 10 * 2000 // 100
    assert len(lines_of(monkeypatch, capsys, epochs=4, seconds=3600.0)) == 4
    resumed = lines_of(monkeypatch, capsys, epochs=20, seconds=5.0, first=18)
    assert resumed == ["encoder: epoch 20 of 20, 10 s: image loss 0.25"]


def test_a_terminal_has_a_bar(monkeypatch, capsys):
    terminal = console.Console(file=io.StringIO(), force_terminal=True, width=120)
    monkeypatch.setattr(console, "console", terminal)
    assert lines_of(monkeypatch, capsys, epochs=2, seconds=0.0) == []
    assert "2/2" in terminal.file.getvalue()


def test_quiet_shows_results_and_errors_alone(monkeypatch, capsys):
    console.settings.set(True, None)
    console.say("Resuming.")
    assert lines_of(monkeypatch, capsys, epochs=2, seconds=1.0) == []
    console.show("AUROC 0.9")
    assert capsys.readouterr().out == "AUROC 0.9\n"
    assert run("--quiet", "detectors") == 0
    assert "fanogan: " in capsys.readouterr().out
    assert run("--quiet", "score", "nowhere", "digits") == 2
    assert capsys.readouterr().err.startswith("Error: ")
    console.say("The next call is not quiet.")  # unless it asks for it
    assert run("detectors") == 0
    assert not console.settings.quiet


def test_options_before_the_command_are_told_from_those_after_it(capsys):
    assert run("detectors", "--quiet") == 2
    assert "--quiet stands before the command: keras-anogan --quiet ... detectors" in capsys.readouterr().err
    assert run("--log-level", "loud", "detectors") == 2
    assert "--log-level to be one of debug, info, warning, error. Received: loud" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (
            PermissionError(errno.EACCES, "Permission denied", "/data/a.csv"),
            "Could not use /data/a.csv: there",
        ),
        (OSError(errno.ENOSPC, "No space left on device"), "could not be read or written: the disk is full."),
        (IsADirectoryError(errno.EISDIR, "Is a directory", "runs"), "Could not use runs: it is a folder."),
        (OSError(errno.EIO, "Input/output error", "a.png"), "Could not use a.png: input/output error."),
        (FileNotFoundError("Expected a run folder. Received: x."), "Error: Expected a run folder. Received: x."),
    ],
)
def test_what_the_system_refuses_is_one_sentence_with_the_path(error, sentence, monkeypatch, capsys):
    def fail(*arguments, **kwargs):
        raise error

    monkeypatch.setattr(commands, "show", fail)
    assert run("detectors") == 2
    complaint = capsys.readouterr().err
    assert sentence in complaint
    assert "Errno" not in complaint
    assert complaint.count("\n") == 1
    assert os_reason(error) in complaint


def test_a_place_that_cannot_be_written_to_is_told_before_anything_is_trained(tmp_path, monkeypatch, capsys):
    (tmp_path / "file").write_text("")
    assert run("train", "digits", "--normal", 3, "--out", tmp_path / "file" / "run") == 2
    assert "file, which is a file" in capsys.readouterr().err
    monkeypatch.setattr("os.access", lambda path, mode: str(path) != str(tmp_path))
    assert run("train", "digits", "--normal", 3, "--out", tmp_path / "deep" / "run") == 2
    assert f"no permission to write {tmp_path}" in capsys.readouterr().err


def test_one_thing_is_counted_in_the_singular():
    assert [counted(n, "image files") for n in (0, 1, 2000)] == ["0 image files", "1 image file", "2,000 image files"]
    assert [counted(n, "minutes", ".3g") for n in (1.0, 0.5, 10.0)] == ["1 minute", "0.5 minutes", "10 minutes"]
