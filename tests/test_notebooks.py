"""Notebooks: every cell runs, what is committed has been executed, and readers see the package's own calls."""

import gc
import json
import pathlib
import re
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parent.parent
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
TABLES = {"table_baselines", "search_table", "read_result"}  # of recipes, beside loaders and recipes/tables.py

every_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def cells(path, kind="code"):
    return [cell for cell in json.loads(path.read_text())["cells"] if cell["cell_type"] == kind]


def code(path):
    return "\n".join("".join(cell["source"]) for cell in cells(path))


def test_there_is_a_notebook():
    assert "01_fanogan_mnist.ipynb" in [path.name for path in NOTEBOOKS]


@pytest.fixture
def shell(monkeypatch):
    """A notebook's interpreter with nothing in it, in this process, which has imported TensorFlow already."""
    import keras
    import matplotlib.pyplot
    from IPython.core.interactiveshell import InteractiveShell

    monkeypatch.setenv("KERAS_ANOGAN_QUICK", "1")
    monkeypatch.chdir(ROOT / "notebooks")
    InteractiveShell.clear_instance()
    yield InteractiveShell.instance()
    InteractiveShell.instance().reset(aggressive=True)  # its results, and what they hold
    InteractiveShell.clear_instance()
    matplotlib.pyplot.close("all")
    keras.backend.clear_session()
    gc.collect()


@pytest.mark.timeout(600)
@every_notebook
def test_every_cell_runs_on_small_data(path, shell):
    before = path.read_bytes()
    for cell in cells(path):
        source = "".join(cell["source"]).replace("%matplotlib inline", "")  # there is no window here either
        shell.run_cell(source).raise_error()
    assert path.read_bytes() == before


def test_the_tool_runs_a_notebook_in_a_kernel_of_its_own():
    path = ROOT / "notebooks" / "02_efficientgan_kdd99.ipynb"
    before = path.read_bytes()
    command = [sys.executable, ROOT / "tools" / "run_notebooks.py", "--quick", path]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    assert path.read_bytes() == before


@every_notebook
def test_the_committed_notebook_is_executed_in_order_with_pictures_and_without_errors(path):
    assert [cell["execution_count"] for cell in cells(path)] == list(range(1, len(cells(path)) + 1))
    outputs = [output for cell in cells(path) for output in cell["outputs"]]
    assert not [output for output in outputs if output["output_type"] == "error" or output.get("name") == "stderr"]
    assert not [output for output in outputs if "WARNING" in "".join(output.get("text", ""))]
    assert sum("image/png" in output.get("data", {}) for output in outputs) >= 5


@every_notebook
def test_no_logic_in_cells(path):
    for cell in json.loads(path.read_text())["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "code":  # a table may be put together in a comprehension; nothing is computed in a loop
            starts = {line.split(" ")[0] for line in source.split("\n")}
            assert not {"def", "class", "for", "while", "if"} & starts
        assert "/work" not in source
        assert "/home" not in source


@every_notebook
def test_the_reader_sees_networks_class_and_training(path):
    """Nothing that is built or trained hides behind a helper of a recipe."""
    source = code(path)
    imports = re.findall(r"^from keras_anogan\.recipes\.(\w+) import (.+)$", source, flags=re.MULTILINE)
    names = {name for _, found in imports for name in found.split(", ")}
    assert len(imports) == source.count("keras_anogan.recipes")
    loaders = {name for name in names if name.startswith("load_") or name.endswith("_split")}
    tables = {name for module, found in imports if module == "tables" for name in found.split(", ")}
    assert names <= loaders | tables | TABLES
    assert re.search(r"\bbuild_\w+\(", source)
    assert ".compile(" in source
    assert "keras.optimizers." in source
    assert ".fit(" in source


@every_notebook
def test_the_first_cells_say_how_to_install_and_need_no_network(path):
    first = "".join(cells(path, "markdown")[0]["source"])
    assert 'pip install "keras-anogan[notebooks]"' in first
    assert "make notebooks" in first
    assert '\n# %pip install "keras-anogan[notebooks]"\n' in "".join(cells(path)[0]["source"])
    assert not re.search(r"^[%!].*install", code(path), flags=re.MULTILINE)


@every_notebook
def test_lines_of_prose_fit_a_page(path):
    assert not [line for cell in cells(path, "markdown") for line in cell["source"] if len(line.rstrip("\n")) > 120]
