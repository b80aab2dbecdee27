"""Cameras that hang up: connected to again, said, and no window across."""

import http.server
import io
import itertools
import threading
import time

import numpy as np
import pytest
from PIL import Image

from keras_anogan.video import live, read_frames

pytest.importorskip("av")


def picture():
    buffer = io.BytesIO()
    Image.fromarray(np.full((32, 48, 3), 90, "uint8")).save(buffer, "JPEG")
    return buffer.getvalue()


@pytest.fixture
def camera():
    """Starts a camera: frames of each connection before it hangs up; below 0, before it is silent; None refuses it."""
    servers = []

    def start(*connections):
        frame, waiting = picture(), list(connections)

        class Camera(http.server.BaseHTTPRequestHandler):
            def log_message(self, *words):
                pass

            def do_GET(self):
                count = waiting.pop(0) if waiting else None
                if count is None:
                    self.send_error(503)
                    return
                self.send_response(200)
                self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=f")
                self.end_headers()
                for _ in range(abs(count)):
                    head = b"--f\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n" % len(frame)
                    self.wfile.write(head + frame + b"\r\n")
                    time.sleep(0.005)
                time.sleep(5.0 if count < 0 else 0.0)

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Camera)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_port}/live"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture(autouse=True)
def hurry(monkeypatch):
    monkeypatch.setattr(live, "PAUSE", 0.05)


def test_a_camera_that_hangs_up_is_connected_to_again_and_the_index_jumps(camera):
    news = []
    frames = read_frames(camera(25, None, None, 25), size=(32, 48), timeout=4.0, say=news.append)
    found = list(itertools.islice(frames, 30))
    frames.close()
    assert [frame.index for frame in found] == [*range(25), *range(26, 31)]
    assert all(frame.image.shape == (32, 48, 3) and not frame.problem for frame in found)
    assert "hung up" in news[0]
    assert "until 4 s after its last frame" in news[0]
    assert "is back after" in news[1]
    assert len(news) == 2  # not a line for each attempt
    clock = [frame.time for frame in found]
    assert clock == sorted(clock)
    assert clock[0].utcoffset() is not None
    assert (clock[25] - clock[24]).total_seconds() > 0.05 + 0.1 + 0.2  # pauses that grow


def test_a_camera_that_stays_away_is_given_up_after_the_timeout(camera):
    begun, got = time.monotonic(), []
    with pytest.raises(TimeoutError, match=r"Received: none for 1 s"):
        got.extend(read_frames(camera(5), timeout=1.0))
    assert time.monotonic() - begun < 3.0
    with pytest.raises(ValueError, match="Could not open the video http"):
        next(read_frames(camera(None), timeout=1.0))  # a wrong address is told of at once


def test_a_camera_that_is_silent_without_hanging_up_is_connected_to_again(camera):
    news = []
    frames = read_frames(camera(-9, 9), timeout=2.0, say=news.append)
    assert [frame.index for frame in itertools.islice(frames, 12)] == [*range(9), 10, 11, 12]
    frames.close()
    assert "hung up (silent for 1 s)" in news[0]


def test_every_and_the_first_index_hold_across_a_lost_connection(camera):
    frames = read_frames(camera(5, 5), every=2, timeout=2.0, first=100)
    assert [frame.index for frame in itertools.islice(frames, 6)] == [100, 101, 102, 104, 105, 106]
    frames.close()


def test_a_recording_at_an_address_ends(tmp_path):
    from keras_anogan.video import write_video

    write_video(tmp_path / "film.mp4", np.zeros((9, 32, 48, 3), "uint8"))
    found = list(read_frames(f"file://{tmp_path}/film.mp4", timeout=2.0))
    assert [frame.index for frame in found] == list(range(9))
