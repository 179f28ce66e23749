"""Go: what the grammar takes, gofmt takes; and it takes nearly all of Go's own library."""

from __future__ import annotations

import random
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from go_oracle import GOFMT, complaint, is_go
from nonempty import nonempty
from python_texts import changed
from sentences import Sentences
from shipped import accepts, parser

with_gofmt = pytest.mark.skipif(GOFMT is None, reason="gofmt is not installed")

WORDS = {
    "NAME": ("a", "b", "T", "_", "\u00e9"),
    "PACKAGE_NAME": ("main",),
    "NUMBER": ("0", "12", "1.5e3", "0x1F", "2i"),
    "STRING": ('""', '"b\\n"', "`\\`"),
    "PATH": ('"c"',),
    "RUNE": ("'d'", "'\\''"),
    "_BREAK": ("\n", "/*\n*/"),
}


STARTS = (
    ("", "start"),
    ("package a ; ", "_declaration"),
    ("package a ; var b ", "_type"),
    ("package a ; var b = ", "_value"),
    ("package a ; func f ( ) ", "block"),
)
"""Beginnings of files, and the rule that goes on."""


def folder() -> Path | None:
    """Return the folder of Go's own library, where Go or its source is installed."""
    try:
        asked = subprocess.run(["go", "env", "GOROOT"], capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        asked = ""
    roots = [*([Path(asked.strip())] if asked.strip() else []), *sorted(Path("/usr/share").glob("go-*"))]
    return next((root / "src" for root in roots if (root / "src" / "fmt").is_dir()), None)


LIBRARY = folder()


def library(count: int) -> Iterator[tuple[Path, str]]:
    """Yield files of Go's library, drawn; those that are made to be refused are left out."""
    assert LIBRARY is not None
    paths = [path for path in sorted(nonempty(LIBRARY.rglob("*.go"))) if "testdata" not in path.parts]
    random.Random(1).shuffle(paths)
    for path in paths[:count]:
        yield path, path.read_bytes().decode("utf-8", "replace")


@with_gofmt
def test_gofmt_takes_random_sentences() -> None:
    grammar = parser("go")
    sentences = Sentences(grammar, seed=1, words=WORDS)
    taken = 0
    for size in range(100):
        for before, rule in STARTS:
            text = before + " ".join(word for _, word in sentences.draw(rule, 8 + size % 16, 150))
            if accepts(grammar, text):
                taken += 1
                assert is_go(text), (text, complaint(text))
    assert taken > 300


@pytest.mark.slow
@with_gofmt
@pytest.mark.skipif(LIBRARY is None, reason="Go's library is not installed")
def test_gofmt_takes_mutants_of_its_library() -> None:
    grammar = parser("go")
    taken = 0
    for number, (_, text) in enumerate(library(400)):
        for part in re.findall(r"^(?:func|type|var|const) .*?^[})]\n", text, re.MULTILINE | re.DOTALL)[:4]:
            if len(part) < 900:
                for mutant in changed(f"package a\n\n{part}", number, 6):
                    if accepts(grammar, mutant):
                        taken += 1
                        assert is_go(mutant), (mutant, complaint(mutant))
    assert taken > 1000


@pytest.mark.slow
@with_gofmt
@pytest.mark.skipif(LIBRARY is None, reason="Go's library is not installed")
def test_grammar_takes_the_library() -> None:
    grammar = parser("go")
    refused = [path for path, text in library(300) if not accepts(grammar, text) and is_go(text)]
    assert len(refused) <= 3, refused
