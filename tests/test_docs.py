"""The pages: Python blocks run, commands parse, links lead somewhere, and lines end at 120 characters."""

import ast
import contextlib
import functools
import io
import pathlib
import re
import shlex

import pytest
import typer

from keras_anogan_cli.main import app

ROOT = pathlib.Path(__file__).parent.parent
FRONT = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", ROOT / "data" / "README.md"]
PAGES = [*FRONT, *sorted((ROOT / "docs").rglob("*.md"))]
FENCE = re.compile(r"^```(\w*)[^\n]*\n(.*?)^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)\s]+)\)")
WORDS = {"README.md": 900, "CONTRIBUTING.md": 600}


def named(page):
    return page.relative_to(ROOT).as_posix()


def blocks(page, *languages):
    """Line number and text of the page's blocks in one of the languages."""
    text = page.read_text()
    return [
        (text.count("\n", 0, found.start()) + 2, found[2]) for found in FENCE.finditer(text) if found[1] in languages
    ]


def prose(page):
    """Line number and text of the lines outside of blocks and tables."""
    inside = False
    for number, line in enumerate(page.read_text().splitlines(), 1):
        inside ^= line.startswith("```")
        if not inside and not line.startswith(("```", "|")):
            yield number, line


def commands(page):
    """Line number and words of the page's commands that begin with keras-anogan."""
    for start, block in blocks(page, "sh", "console"):
        joined = re.sub(r"\\\n", lambda _: "  ", block)
        for number, line in enumerate(joined.splitlines(), start):
            words = shlex.split(line.removeprefix("$ "), comments=True)
            if words[:1] == ["keras-anogan"]:
                yield number, words[1:]


def anchors(page):
    """What links can lead to on a page: its headings, as GitHub and Python-Markdown name them."""
    for _, line in prose(page):
        if line.startswith("#"):
            plain = re.sub(r"[^\w\s-]", "", line.lstrip("# ").lower())
            yield re.sub(r"\s", "-", plain)
            yield re.sub(r"[\s-]+", "-", plain)


@functools.cache
def beginnings():
    """How the sentences of the code begin, up to the first value that is put into them."""
    found = set()
    for path in [*(ROOT / "keras_anogan").rglob("*.py"), *ROOT.glob("keras_anogan_cli*/*.py"), *ROOT.glob("*_cli.py")]:
        for node in ast.walk(ast.parse(path.read_text())):
            first = node.values[0] if isinstance(node, ast.JoinedStr) and node.values else node
            if isinstance(first, ast.Constant) and isinstance(first.value, str) and first.value.startswith("Expected "):
                found.add(first.value)
    return {text for text in found if len(text) > len("Expected a ")}


@functools.cache
def command_line():
    return typer.main.get_command(app)


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page, "python")], ids=named)
def test_python_blocks_run(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    namespace = {"__name__": "__main__"}
    for line, block in blocks(page, "python"):
        code = compile("\n" * (line - 1) + block, named(page), "exec")
        with contextlib.redirect_stdout(io.StringIO()):
            exec(code, namespace)


@pytest.mark.parametrize("page", [page for page in PAGES if any(commands(page))], ids=named)
def test_commands_parse(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in {word for _, words in commands(page) for word in words if word.endswith(".toml")}:
        pathlib.Path(name).write_text("".join(text for _, text in blocks(page, "toml")))
    for line, words in commands(page):
        if words[:1] in ([], ["--help"], ["--version"]):
            continue
        command = command_line().commands.get(words[0])
        assert command is not None, f"{named(page)}:{line}: no command {words[0]!r}"
        try:
            command.make_context(words[0], [word for word in words[1:] if word != "--help"])
        except Exception as error:
            told = error.format_message() if hasattr(error, "format_message") else error
            raise AssertionError(f"{named(page)}:{line}: {told}") from error


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_links_lead_somewhere(page):
    for number, line in prose(page):
        for target in LINK.findall(re.sub(r"`[^`]*`", "", line)):
            if re.match(r"[a-z]+:", target):
                continue
            path, _, anchor = target.partition("#")
            aim = (page.parent / path).resolve() if path else page
            assert aim.exists(), f"{named(page)}:{number}: no {target}"
            assert not anchor or anchor in set(anchors(aim)), f"{named(page)}:{number}: no heading {target}"


def test_sentences_that_pages_quote_are_those_of_the_code():
    for page in PAGES:
        for sentence in re.findall(r"\*\*`(Expected [^`]+)`", page.read_text().replace("\n", " ")):
            begun = sentence.split("...")[0].rstrip(". ")
            assert any(begun.startswith(text) or text.startswith(begun) for text in beginnings()), sentence


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_lines_end_at_120_characters(page):
    long = [number for number, line in prose(page) if len(line) > 120 and not line.startswith("<!--")]
    assert long == []


@pytest.mark.parametrize("name", WORDS)
def test_front_pages_are_short(name):
    assert len((ROOT / name).read_text().split()) <= WORDS[name]


def test_every_page_is_in_the_navigation():
    listed = set(re.findall(r"[\w/-]+\.md", (ROOT / "mkdocs.yml").read_text()))
    there = {page.relative_to(ROOT / "docs").as_posix() for page in PAGES if page.is_relative_to(ROOT / "docs")}
    assert listed == there
