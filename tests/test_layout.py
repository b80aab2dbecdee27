"""The structure: who imports whom, what an import costs, and that the README says what the result files say."""

import ast
import functools
import json
import pathlib
import re
import subprocess
import sys

from conftest import LONGEST_FIRST

ROOT = pathlib.Path(__file__).parent.parent
PACKAGE = ROOT / "keras_anogan"

# What a folder, or a module beside the folders, may import of the package; from the lowest floor to the highest.
ARROWS = {
    "_version": set(),
    "catalogue": set(),
    "words": set(),
    "evaluation": set(),
    "files": set(),
    "pictures": {"files"},
    "nn": set(),
    "training": set(),
    "datasets": {"nn", "words"},
    "streams": {"nn"},
    "thresholds": {"files"},
    "detector": {"catalogue", "training"},
    "plots": {"pictures"},
    "callbacks": {"detector", "evaluation", "files", "pictures", "training"},
    "video": {"datasets", "files", "nn", "streams", "words"},
    "testing": {"detector"},
    "models": {"catalogue", "detector", "nn", "training"},
    "iftm": {"nn", "streams", "thresholds", "training"},
    "serving": {"datasets", "detector", "files", "nn", "training", "words"},
    "wrappers": {"models", "nn", "thresholds", "training"},
    "runs": {
        "_version",
        "callbacks",
        "catalogue",
        "datasets",
        "detector",
        "evaluation",
        "files",
        "iftm",
        "models",
        "nn",
        "pictures",
        "plots",
        "serving",
        "streams",
        "thresholds",
        "training",
        "video",
        "words",
    },
    "recipes": {
        "_version",
        "callbacks",
        "datasets",
        "detector",
        "evaluation",
        "files",
        "models",
        "nn",
        "pictures",
        "plots",
        "serving",
        "thresholds",
        "training",
        "video",
    },
}
# Papers that build on another paper.
BUILDS_ON = {
    "adversarial_autoencoder": {"path_scored"},
    "alad": {"path_scored"},
    "autoencoder": {"path_scored"},
    "composed": {"path_scored"},
    "cvgan": {"cvgan_networks", "vgan"},
    "cvgan_networks": {"vgan"},
    "efficientgan": {"path_scored"},
    "fanogan": {"path_scored", "wgan_gp"},
    "features": {"composed"},
    "ganomaly": {"path_scored"},
    "patch_neighbors": {"neighbors"},
    "memory": {"composed", "neighbors", "path_scored"},
    "ognet": {"alocc"},
    "skip_ganomaly": {"ganomaly"},
}


def modules():
    front = (PACKAGE / "__init__.py", PACKAGE / "exports.py")
    return sorted(path for path in PACKAGE.rglob("*.py") if path not in front)


@functools.cache
def imported(path):
    """Modules that a file imports, at its top and inside functions."""
    names = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            names += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    return names


def part(path):
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


def test_every_module_imports_only_what_it_may():
    assert {part(path) for path in modules()} == set(ARROWS)
    for path in modules():
        own = {name.split(".")[1] for name in imported(path) if name.startswith("keras_anogan.")}
        assert own <= ARROWS[part(path)] | {part(path)}, path


def test_no_folder_imports_one_that_stands_above_it_and_there_are_four_floors():
    floor = {}
    for name, below in ARROWS.items():  # a KeyError here: an arrow upwards
        floor[name] = 1 + max((floor[other] for other in below), default=0)
    assert max(floor.values()) <= 4  # above them only the command line and the benchmarks


def test_files_and_functions_are_short():
    places = [*modules(), *(ROOT / "keras_anogan_cli").glob("*.py"), *(ROOT / "benchmarks").rglob("*.py")]
    for path in places:
        text = path.read_text()
        assert text.count("\n") <= 420, path
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef):
                body = node.body[1:] if ast.get_docstring(node) else node.body
                assert not body or node.end_lineno - body[0].lineno < 60, f"{path}: {node.name}"


def test_a_paper_imports_another_only_if_it_builds_on_it():
    papers = {path.stem for path in (PACKAGE / "models").glob("*.py")} - {
        "__init__",
        "baselines",
        "composed",
        "padded",
        "registry",
        "views",
    }
    for path in (PACKAGE / "models").glob("*.py"):
        if path.stem in papers:
            parts = [name.split(".") for name in imported(path) if name.startswith("keras_anogan.models.")]
            assert {p[2] for p in parts} & papers <= BUILDS_ON.get(path.stem, set()), path


def test_heavy_libraries_have_few_doors():
    doors = {
        "matplotlib": {"plots"},
        "sklearn": {"nn/bijections", "plots", "evaluation", "datasets", "models", "recipes", "wrappers"},
        "PIL": {"datasets", "pictures", "runs", "video"},
        "av": {"video/files"},
        "jinja2": {"runs/page"},
        "pandas": {"datasets", "runs/tasks/tables", "serving/tables"},
    }
    for path in modules():
        place = path.relative_to(PACKAGE).with_suffix("").as_posix()
        for library, allowed in doors.items():
            if any(name.split(".")[0] == library for name in imported(path)):
                assert {part(path), place} & allowed, f"{path} imports {library}"


def test_importing_the_package_imports_keras_and_little_else_and_leaves_the_environment_alone():
    script = (
        "import sys, os, keras; before, start = dict(os.environ), set(sys.modules); import keras_anogan;"
        "assert dict(os.environ) == before;"
        "new = set(sys.modules) - start;"
        "print([m for m in ('sklearn', 'matplotlib', 'PIL.Image', 'jinja2', 'pandas', 'scipy', 'typer') if m in new])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_pages_say_what_the_result_files_say():
    sys.path.insert(0, str(ROOT / "benchmarks"))
    try:
        import render
    finally:
        sys.path.pop(0)
    for page, text in render.render(ROOT).items():
        assert text == page.read_text(), f"{page.name}: run `make results`"


def test_make_benchmark_reproduces_every_recipe():
    from keras_anogan.recipes import RECIPES

    words = set((ROOT / "Makefile").read_text().replace("\\\n", " ").replace(";", " ").split())
    assert set(RECIPES) <= words, sorted(set(RECIPES) - words)


def test_result_files_are_complete():
    for path in (ROOT / "benchmarks" / "results").glob("*.json"):
        result = json.loads(path.read_text())
        assert result["name"] == path.stem
        for key in ("command", "machine", "versions", "git_revision", "minutes"):
            assert key in result, f"{path.name} lacks {key}"
        assert re.fullmatch(r"(speed|memory)-[a-z0-9_-]+|[a-z0-9_]+-[a-z0-9_]+-[a-z0-9_]+", path.stem), path.stem
        if "values" in result:
            assert len(result["values"]) >= 3, path.name
            assert result["baselines"], path.name


def test_the_files_that_begin_first_are_there():
    assert [name for name in LONGEST_FIRST if not (ROOT / name).exists()] == []
