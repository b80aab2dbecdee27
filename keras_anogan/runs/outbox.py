"""Messages to an address that may not answer: kept on the disk until it has taken them."""

from __future__ import annotations

import json
import pathlib
import threading
import urllib.error
import urllib.request
from typing import Any

from keras_anogan.files import is_partial, write_json

PATIENCE = 10.0  # seconds for an answer
PAUSES = (1.0, 60.0)  # seconds before a message is sent again: the first, and the longest


class Outbox:
    """Sends messages as JSON by POST, in order, each until it is taken; those of an earlier process first.

    Args:
        folder: of the messages that wait, a file each.
        address: http:// or https://.
        pauses: shortest and longest seconds between attempts.

    Attributes:
        problem: why the last attempt failed, "" where it did not.
    """

    def __init__(self, folder: Any, address: str, pauses: tuple[float, float] = PAUSES) -> None:
        self.folder, self.address, self.pauses, self.problem = pathlib.Path(folder), address, pauses, ""
        self.folder.mkdir(parents=True, exist_ok=True)
        waiting = self.waiting
        self._next = int(waiting[-1].stem) + 1 if waiting else 0
        self._lock, self._come, self._closed = threading.Lock(), threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._send_all, daemon=True, name="outbox")
        self._thread.start()

    @property
    def waiting(self) -> list[pathlib.Path]:
        """Files of the messages that are not taken yet, the oldest first."""
        return sorted(path for path in self.folder.glob("*.json") if not is_partial(path))

    def put(self, message: dict[str, Any]) -> None:
        """Keep a message until it is sent."""
        with self._lock:
            write_json(self.folder / f"{self._next:010d}.json", message)
            self._next += 1
        self._come.set()

    def close(self, seconds: float = 5.0) -> None:
        """Send what waits, for so many seconds; the rest stays for the next time."""
        self._closed.set()
        self._come.set()
        self._thread.join(seconds)

    def _send_all(self) -> None:
        pause = self.pauses[0]
        while True:
            self._come.clear()
            for path in self.waiting:
                if not self._sent(path):
                    break
                path.unlink()
                pause = self.pauses[0]
            else:
                if self.waiting:  # they came meanwhile
                    continue
                if self._closed.is_set():
                    return
                self._come.wait()
                continue
            if self._closed.wait(pause):
                return
            pause = min(2.0 * pause, self.pauses[1])

    def _sent(self, path: pathlib.Path) -> bool:
        """Whether the address is done with a message: it took it, or calls it wrong (4xx), which it would again."""
        try:
            body = json.dumps(json.loads(path.read_text(encoding="utf-8"))).encode()
            request = urllib.request.Request(self.address, body, {"Content-Type": "application/json"})
            with urllib.request.urlopen(request, timeout=PATIENCE):
                self.problem = ""
                return True
        except urllib.error.HTTPError as error:
            self.problem = f"HTTP {error.code}"
            return 400 <= error.code < 500 and error.code not in (401, 403, 404, 408, 429)
        except (OSError, ValueError) as error:
            self.problem = str(getattr(error, "reason", error))
            return False
