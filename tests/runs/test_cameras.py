"""Several cameras in one process: each as `watch` judges it alone, none held up by another, events kept until taken."""

import csv
import http.server
import json
import shutil
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

from keras_anogan.datasets import make_street, write_street
from keras_anogan.runs import VideoArguments, train, watch
from keras_anogan.runs.cameras import Camera, read_cameras
from keras_anogan.runs.outbox import Outbox
from keras_anogan.runs.service import watch_cameras
from keras_anogan.streams import Feed, Frame
from keras_anogan.video.clock import now
from keras_anogan_cli.main import run as command

QUIET = {"say": lambda line: None}
NOWHERE = "rtsp://user:secret@127.0.0.1:9/stream"  # nothing listens there


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A run of footage that is solved at once, with a threshold that can learn, and two odd days: (run, days)."""
    root = tmp_path_factory.mktemp("cameras")
    days = make_street(days=3, frames=120, seed=1)
    write_street(root / "normal", days[:2])
    for name in ("east", "west"):
        write_street(root / name, days[2:])
    given = {"detector": "pca", "params": {"n_components": 3}, "threshold": "exponential", "k": 2.0}
    train(VideoArguments(days=(str(root / "normal"),), size=(32, 16), grey=True, **given), root / "run", **QUIET)
    return root / "run", {name: str(root / name) for name in ("east", "west")}


def lines_of(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def until(condition, seconds=60.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)


def test_each_camera_is_judged_as_alone_and_one_that_is_down_holds_up_none(made, tmp_path):
    run, days = made
    cameras = [Camera("dead", NOWHERE), Camera("east", days["east"]), Camera("west", days["west"], learn=True)]
    events, stop, found = [], threading.Event(), {}
    given = {"timeout": 0.5, "stop": stop, "pictures": True, **QUIET}
    service = threading.Thread(
        target=lambda: found.update(watch_cameras(run, cameras, tmp_path / "out", events.append, **given))
    )
    service.start()
    until(lambda: sum(event["event"] == "ended" for event in events) == 2)
    stop.set()
    service.join(20)
    assert not service.is_alive()
    for name, learn in (("east", False), ("west", True)):
        alone = watch(run, days[name], tmp_path / f"{name}.csv", learn=learn, **QUIET)
        assert lines_of(tmp_path / "out" / f"{name}.csv") == lines_of(tmp_path / f"{name}.csv")
        assert {key: found[name][key] for key in alone} == alone
        alarms = [event for event in events if (event["camera"], event["event"]) == (name, "alarm")]
        assert len(alarms) == alone["events"] > 0
        assert len(list((tmp_path / "out" / name).iterdir())) == alone["events"]
        assert all(event["score"] > event["threshold"] for event in alarms)
    assert (tmp_path / "out" / "west.npz").exists()
    assert not (tmp_path / "out" / "east.npz").exists()
    downs = [event for event in events if event["event"] == "down"]
    assert [event["camera"] for event in downs] == ["dead"]  # told once, not at every attempt
    assert "secret" not in json.dumps([events, found])
    health = json.loads((tmp_path / "out" / "health.json").read_text())["cameras"]
    assert {name: each["state"] for name, each in health.items()} == {
        "dead": "stopped",
        "east": "ended",
        "west": "ended",
    }
    assert health["east"]["judged"] == found["east"]["judged"] > 50


SLOW = """
import sys, time
from keras_anogan_cli import main
from keras_anogan.runs import service
take = service._Watched._take
def slowly(self, result, frame):
    take(self, result, frame)
    time.sleep(0.03)
service._Watched._take = slowly
sys.argv = ["keras-anogan", "watch", *sys.argv[1:]]
main()
"""


def begun(words, out, name, lines):
    """A process that watches slowly, once it has written so many lines of a camera."""
    process = subprocess.Popen(
        [sys.executable, "-c", SLOW, *map(str, words)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    path = out / f"{name}.csv"
    until(lambda: path.exists() and path.read_text().count("\n") > lines)
    return process


def test_after_a_kill_the_same_command_goes_on_where_it_was_and_a_signal_ends_it_cleanly(made, tmp_path):
    run, days = made
    file, out = tmp_path / "cameras.toml", tmp_path / "out"
    file.write_text("".join(f'[{name}]\nsource = "{path}"\n' for name, path in days.items()))
    words = (run, file, "--out", out)
    with begun(words, out, "east", 20) as process:
        process.kill()
    killed = len(lines_of(out / "east.csv"))
    with begun(words, out, "east", killed + 10) as process:
        process.send_signal(signal.SIGTERM)
        process.wait(30)
    assert process.returncode == 0
    states = json.loads((out / "health.json").read_text())["cameras"]
    assert {each["state"] for each in states.values()} == {"stopped"}
    watch_cameras(run, read_cameras(file), out, emit=lambda event: None, **QUIET)
    for name, path in days.items():
        watch(run, path, tmp_path / f"{name}.csv", **QUIET)
        assert lines_of(out / f"{name}.csv") == lines_of(tmp_path / f"{name}.csv")  # nothing missing, nothing twice


def test_events_stand_on_standard_output_as_lines_of_json(made, tmp_path, capsys):
    run, days = made
    file = tmp_path / "cameras.toml"
    file.write_text(f'[east]\nsource = "{days["east"]}"\n')
    before = signal.getsignal(signal.SIGTERM)
    assert command(["watch", str(run), str(file), "--out", str(tmp_path / "out")]) == 0
    assert signal.getsignal(signal.SIGTERM) is before
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [event["event"] for event in events[::2]] == ["alarm"] * (len(events) // 2) + ["ended"]
    assert [event["event"] for event in events[1::2]] == ["over"] * (len(events) // 2)
    first, over = events[:2]
    assert first["camera"] == "east"
    assert over["began"]["frame"] == first["frame"] <= over["frame"]
    assert over["peak"] >= first["score"]


class Receiver(http.server.BaseHTTPRequestHandler):
    answers: list = []
    taken: list = []

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        status = self.answers.pop(0) if self.answers else 200
        if status == 200:
            self.taken.append(body)
        self.send_response(status)
        self.end_headers()

    def log_message(self, *words):
        pass


@pytest.fixture
def receiver():
    """A web server that answers with the given codes first, and then takes everything."""
    kind = type("OwnReceiver", (Receiver,), {"answers": [], "taken": []})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), kind)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield kind, f"http://127.0.0.1:{server.server_port}/events"
    server.shutdown()


def test_messages_are_sent_in_order_until_they_are_taken(receiver, tmp_path):
    kind, address = receiver
    kind.answers = [500, 503, 200, 400]  # the first is sent three times; the second is wrong and given up
    outbox = Outbox(tmp_path, address, pauses=(0.01, 0.02))
    for number in range(4):
        outbox.put({"number": number})
    until(lambda: not outbox.waiting)
    outbox.close()
    assert [message["number"] for message in kind.taken] == [0, 2, 3]


def test_messages_wait_on_the_disk_for_the_next_process(receiver, tmp_path):
    kind, address = receiver
    outbox = Outbox(tmp_path, "http://127.0.0.1:9/", pauses=(0.01, 0.02))
    outbox.put({"number": 0})
    until(lambda: outbox.problem)
    outbox.close()
    assert len(outbox.waiting) == 1
    again = Outbox(tmp_path, address)
    again.put({"number": 1})
    again.close()
    assert [message["number"] for message in kind.taken] == [0, 1]
    assert not again.waiting


def test_the_webhook_gets_what_standard_output_gets(made, receiver, tmp_path):
    run, days = made
    kind, address = receiver
    events = []
    watch_cameras(run, [Camera("east", days["east"])], tmp_path / "out", events.append, webhook=address, **QUIET)
    assert kind.taken == events
    assert json.loads((tmp_path / "out" / "health.json").read_text())["webhook"] == {"waiting": 0, "problem": ""}


def test_mistakes_get_a_sentence(made, tmp_path, capsys):
    run, days = made
    file = tmp_path / "cameras.toml"
    for text, told in (
        ("", "Expected a table for each camera"),
        ("[gate", "Expected a TOML file of cameras"),
        ('source = "x"', "source outside of a table"),
        ("[gate]", "Expected a source of every camera. Received: none of gate"),
        ('[gate]\nsuorce = "x"', "suorce of gate; did you mean source?"),
        ('[gate]\nsource = "x"\nlearn = 1', "Expected learn of the camera gate to be true or false. Received: 1."),
        ('["../gate"]\nsource = "x"', "Expected names of cameras of letters, digits"),
        (f'[gate]\nsource = "{tmp_path}/gone"', "Camera gate: Expected footage in"),
        ('[Health]\nsource = "x"', "Received: Health, a file of the service itself"),
        ('[a]\nsource = "x"\n[A]\nsource = "x"', "Received: a and A."),
    ):
        file.write_text(text)
        assert command(["watch", str(run), str(file), "--out", str(tmp_path / "out")]) == 2
        assert told in capsys.readouterr().err.replace("\n", " "), told
    file.write_text(f'[east]\nsource = "{days["east"]}"\n')
    for words, told in (
        ((file, "--learn"), "Expected learn = ... in"),
        ((file, "--state", "x.npz"), "Expected one camera for --state"),
        ((file, "--webhook", "gate"), "Expected an address for the webhook"),
        ((days["east"], "--webhook", "http://x/"), "Expected a file of cameras (.toml) for --webhook"),
        ((tmp_path / "none.toml",), "no such file"),
    ):
        assert command(["watch", str(run), *map(str, words), "--out", str(tmp_path / "out")]) == 2
        assert told in capsys.readouterr().err.replace("\n", " "), told
    assert not (tmp_path / "out").exists()
    (tmp_path / "out").mkdir()
    shutil.copy(run / "history.csv", tmp_path / "out" / "east.csv") if (run / "history.csv").exists() else (
        (tmp_path / "out" / "east.csv").write_text("a,b\n1,2\n")
    )
    with pytest.raises(ValueError, match=r"east\.csv"):
        watch_cameras(run, read_cameras(file), tmp_path / "out", emit=lambda event: None, **QUIET)


def test_a_camera_that_comes_back_is_watched_again(made, tmp_path, monkeypatch):
    monkeypatch.setattr("keras_anogan.runs.service.PAUSES", (0.01, 0.02))
    run, _ = made
    frames = [Frame(i, np.zeros((16, 32, 1), "uint8"), time=now()) for i in range(12)]
    attempts = []

    def feed_of(run, source, *rest):
        attempts.append(source)
        if len(attempts) < 4:
            raise TimeoutError(f"Expected frames from {source}. Received: none.")
        return Feed(iter(frames))

    monkeypatch.setattr("keras_anogan.runs.service.feed_of", feed_of)
    events = []
    watch_cameras(run, [Camera("hall", NOWHERE)], tmp_path / "out", events.append, **QUIET)
    assert [event["event"] for event in events] == ["down", "up", "ended"]
    assert "secret" not in events[0]["why"]


def test_a_recording_that_can_t_be_read_fails_once_and_the_others_go_on(made, tmp_path):
    run, days = made
    (tmp_path / "hall.npy").write_bytes(b"no array")
    events, cameras = [], [Camera("hall", str(tmp_path / "hall.npy")), Camera("east", days["east"])]
    found = watch_cameras(run, cameras, tmp_path / "out", events.append, **QUIET)
    assert {name: each["state"] for name, each in found.items()} == {"hall": "failed", "east": "ended"}
    assert [event["event"] for event in events if event["camera"] == "hall"] == ["failed"]


def test_an_alarm_that_a_kill_cut_off_is_told_to_be_over(made, tmp_path):
    run, days = made
    out = tmp_path / "out"
    out.mkdir()
    (out / "east.alarm.json").write_text(json.dumps({"when": {"frame": 7, "time": "then"}, "score": 2.5}))
    events = []
    watch_cameras(run, [Camera("east", days["east"])], out, events.append, **QUIET)
    over = events[0]
    assert (over["event"], over["frame"], over["peak"], over["certain"]) == ("over", 7, 2.5, False)
    assert not (out / "east.alarm.json").exists()
