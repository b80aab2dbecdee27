"""A picture of TensorBoard in headless Chromium: `python tools/tensorboard_picture.py EVENTS PICTURE`.

It shows what `TensorBoardLogs` wrote: losses and balance, images, histograms of scores.
"""

from __future__ import annotations

import json
import pathlib
import socket
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request

from report_screenshots import QUIET, chromium, cut_bottom

WIDTH, HEIGHT = 2000, 1870
PATIENCE = 60.0  # seconds until the server answers


def main(events: str, out: str) -> None:
    """Start TensorBoard on a folder of events, take its picture, and stop it."""
    with socket.socket() as probe:
        probe.bind(("localhost", 0))
        port = probe.getsockname()[1]
    address = f"http://localhost:{port}/"
    command = [sys.executable, "-m", "tensorboard.main", "--logdir", events, "--port", str(port)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        run = _first_run(f"{address}data/runs")
        query = urllib.parse.urlencode({"darkMode": "false", "forceSVG": "true", "pinnedCards": _pinned(run)})
        take_picture(f"{address}?{query}#timeseries", pathlib.Path(out))
    finally:
        server.terminate()
        server.wait()


def _pinned(run: str) -> str:
    """Images and histograms of a run, which TensorBoard shows at the top then, and not behind a click."""
    who = f"defaultExperimentId/{run}"
    images = [{"plugin": "images", "tag": tag, "runId": who, "sample": 0} for tag in ("real", "reconstructed")]
    return json.dumps([*images, {"plugin": "histograms", "tag": "stop_score", "runId": who}])


def _first_run(address: str) -> str:
    """The name of a run, as soon as the server tells one."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        try:
            with urllib.request.urlopen(address) as answer:
                if runs := json.load(answer):
                    return str(runs[0])
        except OSError:
            pass
        time.sleep(0.5)
    sys.exit(f"Expected TensorBoard to show a run within {PATIENCE:.0f} seconds. Received: none.")


def take_picture(address: str, out: pathlib.Path) -> None:
    """Write a PNG of a page that draws itself with JavaScript."""
    with tempfile.TemporaryDirectory() as profile:
        subprocess.run(
            [
                chromium(),
                *QUIET,
                f"--user-data-dir={profile}",
                f"--window-size={WIDTH},{HEIGHT}",
                "--virtual-time-budget=30000",
                f"--screenshot={out}",
                address,
            ],
            check=True,
            capture_output=True,
            timeout=180,
        )
    cut_bottom(out)


if __name__ == "__main__":
    main(*sys.argv[1:])
