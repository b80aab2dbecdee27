"""Ray, on this machine or a cluster of them; nothing of it is imported before it is asked for."""

from __future__ import annotations

import contextlib
import importlib
import logging
import os
import socket
import sys
from collections.abc import Iterator
from typing import Any

PATIENCE = 5.0  # seconds for a cluster to answer


def begin_worker(cores: int) -> None:
    """What a worker does first: register the classes that saved files name, and leave the other cores to other workers.

    The package's own front does the registering; it stands above this module, so that it is called by its name.
    """
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import tensorflow as tf

    with contextlib.suppress(RuntimeError):  # TensorFlow is at work in this process already
        tf.config.threading.set_intra_op_parallelism_threads(cores)
        tf.config.threading.set_inter_op_parallelism_threads(1)
    importlib.import_module("keras_anogan.exports")


def start_ray(address: str | None = None) -> Any:
    """Ray's module, connected to a cluster or started on this machine.

    Args:
        address: of a running cluster, such as "auto"; None starts Ray on this machine, unless it runs in this process.

    Raises:
        ImportError: without Ray: what to install.
        ValueError: for an address where no cluster is.
    """
    try:
        import ray
    except ImportError as error:
        raise ImportError("The engine ray needs Ray; pip install 'keras_anogan[scale]'.") from error
    if not ray.is_initialized():
        try:
            given: dict[str, Any] = {} if address or os.environ.get("RAY_ADDRESS") else {"include_dashboard": False}
            _check_address(address)
            with no_chatter():
                ray.init(address, log_to_driver=False, logging_level=logging.ERROR, **given)
        except (ConnectionError, ValueError, OSError) as error:
            why = (getattr(error, "strerror", None) or str(error).splitlines()[0]).rstrip(".")
            raise ValueError(f"Expected the address of a running Ray cluster. Received: {address}; {why}.") from error
    return ray


def _check_address(address: str | None) -> None:
    """Refuse host:port where nothing answers; Ray itself would wait for minutes.

    Raises:
        OSError: what the connection says.
        ValueError: for a port that is no number.
    """
    host, _, port = (address or "auto").rpartition(":")
    if host and "/" not in str(address):
        socket.create_connection((host, int(port)), timeout=PATIENCE).close()


@contextlib.contextmanager
def no_chatter() -> Iterator[None]:
    """Without what Ray's C++ writes to standard error."""
    sys.stderr.flush()
    saved = os.dup(2)
    with open(os.devnull, "w") as nowhere:
        os.dup2(nowhere.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(saved, 2)
            os.close(saved)
