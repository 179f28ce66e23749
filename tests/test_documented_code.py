"""README.md and docs/*.md: every block of code runs, and prints what the page says (scripts/pages.py)."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import pytest
from for_each import for_each

from structgen.schema.reading.dialects import DRAFTS, dialect_of

ROOT = Path(__file__).parents[1]


sys.path[:0] = [str(ROOT / "scripts")]

import pages  # noqa: E402

TEXTS = {page: (ROOT / page).read_text(encoding="utf-8") for page in pages.PAGES}
PIECES = {page: [*pages.pieces(page, text)] for page, text in TEXTS.items()}
RUN = {page: [piece for piece in found if piece.kind == "python" or not pages.reason_not_to_run(piece.code)]
       for page, found in PIECES.items()}  # fmt: skip
EVERYTHING = all(find_spec(name) for name in ("torch", "pydantic", "attrs", "tokenizers"))


def _compare(page: str, wanted: Callable[[pages.Piece], bool]) -> None:
    left = list[str]()
    found = list(pages.findings(page, wanted, left))
    assert found
    assert left == [], f"{page} leaves files in the clone: remove them in a last command"
    first = [one for one in found if one.kind == "value"][:1]  # later ones may be others of their types
    told = pages.difference(page, [*first, *(one for one in found if not one.of_the_type)])
    assert not told, f"{told}\npython scripts/pages.py {page} --write mends the page."


def _is_fast(piece: pages.Piece) -> bool:
    return not (pages.is_slow(piece) or pages.is_of_smollm2(piece))


@pytest.mark.skipif(not EVERYTHING, reason="the pages use torch and pydantic")
@pytest.mark.parametrize(
    "page", [page for page, found in RUN.items() if any(not pages.is_slow(one) for one in found)]
)
def test_what_a_page_shows_is_printed(page: str) -> None:
    _compare(page, _is_fast)


@pytest.mark.slow
@pytest.mark.skipif(not EVERYTHING, reason="the pages use torch and pydantic")
@pytest.mark.parametrize(
    "page",
    [
        page
        for page, found in RUN.items()
        if any(pages.is_slow(one) and not pages.is_of_smollm2(one) for one in found)
    ],
)
def test_all_that_a_page_shows_is_printed(page: str) -> None:
    for package in ("transformers", "openai"):
        pytest.importorskip(package)
    _compare(page, lambda piece: not pages.is_of_smollm2(piece))


@pytest.mark.slow
@pytest.mark.skipif(not pages.has_smollm2(), reason="make smollm2 installs the model that these blocks ask")
@pytest.mark.parametrize(
    "page", [page for page, found in RUN.items() if any(pages.is_of_smollm2(one) for one in found)]
)
def test_what_a_page_shows_of_smollm2_is_printed(page: str) -> None:
    if page == "docs/first-hour.md":
        for package in ("openai", "uvicorn", "starlette", "prometheus_client"):
            pytest.importorskip(package)
    _compare(page, pages.is_of_smollm2)


def test_each_block_of_python_runs_or_is_a_sketch_with_a_reason() -> None:
    for page, text in TEXTS.items():
        shown = re.findall(r"^```(python\b.*)$", text, re.MULTILINE)
        sketches = [info for info in shown if info != "python"]
        assert set(sketches) == ({"python sketch"} if page in pages.SKETCHES else set()), page
        assert len(shown) - len(sketches) == sum(piece.kind == "python" for piece in PIECES[page]), page


def test_each_command_stands_in_a_console_block() -> None:
    """So no command hides in a block that is not run."""
    for page, text in TEXTS.items():
        for info, block in re.findall(r"^```(.*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
            commands = re.findall(
                r"^(?:\$ .*|structgen [a-z].*|python \S+\.py.*|make [a-z].*)$", block, re.MULTILINE
            )
            assert info == "console" or not commands, (page, commands)


def test_each_reason_not_to_run_a_command_is_needed() -> None:
    commands = [piece.code for found in PIECES.values() for piece in found if piece.kind == "console"]
    for begin in pages.NOT_RUN:
        assert any(re.match(begin, command) for command in commands), begin


def test_each_block_of_python_in_the_readme_has_an_output_and_stands_alone() -> None:
    code = [piece for piece in PIECES["README.md"] if piece.kind == "python"]
    assert "sg.run" in code[0].code and "@sg.generate" in code[1].code
    for piece in code:
        assert piece.said and "import structgen as sg\n" in piece.code


def test_the_page_of_the_demo_has_the_commands_and_sentences_of_the_script() -> None:
    done = subprocess.run(
        ["bash", ROOT / "scripts" / "demo.sh", "--list"], capture_output=True, text=True, check=True
    )
    parts = done.stdout.strip().split("\n\n")
    listed = [" ".join(re.findall(r"^# (.*)$", part, re.MULTILINE)) for part in parts]
    commands = re.findall(r"^\$ ((?:.*\\\n)*.*)$", done.stdout, re.MULTILINE)
    page = TEXTS["docs/inside/demo.md"]
    prose = re.sub(r"```.*?```", "", page, flags=re.DOTALL)
    said = [" ".join(part.split()) for part in prose.split("\n\n") if part.strip()]
    assert said[-len(listed) :] == listed
    assert [piece.code for piece in PIECES["docs/inside/demo.md"]] == commands


# --- scripts/pages.py itself -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "printed", "agrees"),
    [
        ("a\n", "a\n", True),
        ("a\n", "b\n", False),
        ("a\n...\n", "a\nb\nc\n", True),
        ("a\n...\nd\n", "a\nb\nc\n", False),
        ("wait ...\n", "wait ...\n", True),
        ("wait ...\n", "wait\nand wait\n", False),
        ("ready: 1.2 s\n", "ready: 40 s\n", True),
        ("12 of 12\n", "11 of 12\n", False),
        ("  mask   structgen  5  9 us\n", "  mask   structgen  5  7 us\n", True),
        ("  mask   structgen  5  9\n", "  mask   structgen  4  9\n", False),
    ],
)
def test_times_and_ellipses_are_all_that_may_differ(said: str, printed: str, agrees: bool) -> None:
    assert pages.agrees(said, printed) is agrees


def test_a_written_output_keeps_the_ellipsis() -> None:
    assert pages.shortened("a\n...\nd\n", "A\nB\nC\nD\n") == "A\n...\nD\n"


def test_a_page_is_written_with_what_was_printed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "ROOT", tmp_path)
    code = "import structgen as sg\nprint(1 + 1)\n2 + 2  # -> 5\n"
    text = f"```python\n{code}```\n```\n3\n```\n```console\n$ echo four\nfive\n```\n"
    (tmp_path / "page.md").write_text(text)
    found = list(pages.findings("page.md"))
    after = text.replace("-> 5", "-> 4").replace("\n3\n", "\n2\n").replace("\nfive\n", "\nfour\n")
    assert pages.rewritten(text, found) == after
    changed = [line for line in pages.difference("page.md", found).splitlines() if line[0] in "-+"]
    assert len(changed) == 2 + 6


def test_a_file_that_a_page_leaves_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "ROOT", tmp_path)
    for name in ("examples", "docs/inside"):
        (tmp_path / name).mkdir(parents=True)
    text = "```console\n$ touch kept examples/too gone\n$ mkdir __pycache__\n$ rm gone\n```\n"
    # a page for those who have the clone runs beside its files
    (tmp_path / "docs/inside/page.md").write_text(text)
    left = list[str]()
    assert len(list(pages.findings("docs/inside/page.md", left=left))) == 3
    assert left == ["examples/too", "kept"]


def test_a_command_that_goes_on_prints_its_first_lines_and_ends_with_the_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "ROOT", tmp_path)
    command = "python -c 'import os, time; print(os.getpid(), flush=True); time.sleep(60)' &"
    (tmp_path / "page.md").write_text(f"```console\n$ {command}\n0\n```\n")
    (found,) = pages.findings("page.md")
    with pytest.raises(ProcessLookupError):
        os.kill(int(found.printed), 0)


# --- claims of single pages ------------------------------------------------------------------------------


@for_each("keyword", sorted({name for draft in DRAFTS for name in dialect_of(draft).keywords}))
def test_a_keyword_that_is_enforced_is_documented(keyword: str) -> None:
    assert f"`{keyword}`" in TEXTS["docs/json-schema.md"]
