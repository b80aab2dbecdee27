"""Executes notebooks in place, or with --quick on small data into a temporary folder: `make notebooks`."""

from __future__ import annotations

import os
import pathlib
import sys
import time

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

FOLDER = pathlib.Path(__file__).parent.parent / "notebooks"


def main(arguments: list[str]) -> None:
    """Run all notebooks, or those that are named; a cell that fails ends with 1."""
    quick = "--quick" in arguments
    names = [name for name in arguments if name != "--quick"]
    if quick:
        os.environ["KERAS_ANOGAN_QUICK"] = "1"
    for path in [pathlib.Path(name) for name in names] or sorted(FOLDER.glob("*.ipynb")):
        start = time.perf_counter()
        notebook = nbformat.read(path, as_version=4)
        client = NotebookClient(notebook, timeout=3600, kernel_name="python3", resources={"metadata": {"path": FOLDER}})
        try:
            client.execute()
        except CellExecutionError as error:
            sys.exit(f"{path.name}: {error}")
        if not quick:
            for cell in notebook.cells:
                cell.metadata.pop("execution", None)  # times of day: noise in a diff
                if "outputs" in cell:
                    cell.outputs = [output for output in cell.outputs if output.get("name") != "stderr"]
            notebook.metadata.language_info = {"name": "python"}
            nbformat.write(notebook, path)
        print(f"{path.name}: {time.perf_counter() - start:.0f} s")


if __name__ == "__main__":
    main(sys.argv[1:])
