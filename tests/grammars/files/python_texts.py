"""Python, as its grammar and its own parser take it: sentences written out, mutants, the standard library."""

from __future__ import annotations

import ast
import random
import re
import sysconfig
import warnings
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from lark import Lark
from sentences import Sentences
from shipped import parser

WORDS = {
    "NAME": ("a", "b", "x", "match", "case", "_", "é"),
    "CAPTURE": ("a", "b", "match"),
    "NUMBER": ("0", "12", "1.5", "0x1F", "1e3"),
    "IMAGINARY": ("2j",),
    "STRING": ("''", '"b"', "r'\\'", "'''c'''", "'\\x41'"),
    "BYTES": ("b''", 'rb"x"', "b'\\x41'"),
    "_NEWLINE": ("\n",),
    "F_NAME": ("a ", "b ", "self", "x"),
    "F_CONSTANT": ("None ", "1 ", "2.5"),
    "F_IF": ("if ",),
    "F_ELSE": ("else ",),
    "F_FOR": ("for ",),
    "F_IN": ("in ",),
    "F_IS": ("is ",),
    "F_NOT": ("not ",),
    "F_BOOLEAN": ("and ", "or "),
    "F_DOUBLE": ('f"', 'f"a{{ '),
    "F_SINGLE": ("f'", "F'\\n"),
    "FR_DOUBLE": ('fr"', 'rf"\\d'),
    "FR_SINGLE": ("fr'", "fR'\\'"),
    "F_DOUBLE_TEXT": ("b ", "}}", " # "),
    "F_SINGLE_TEXT": ("b ", "}}", " # "),
    "FR_DOUBLE_TEXT": ("b ", "}}", '\\"'),
    "FR_SINGLE_TEXT": ("b ", "}}", "\\'"),
    "F_LONG_DOUBLE": ('f"""', 'f"""a\n "'),
    "F_LONG_SINGLE": ("f'''", "f'''a\n '"),
    "FR_LONG_DOUBLE": ('fr"""',),
    "FR_LONG_SINGLE": ("fr'''",),
    "F_LONG_DOUBLE_TEXT": ("b\n", ' "" ', "\n # '"),
    "F_LONG_SINGLE_TEXT": ("b\n", " '' ", '\n # "'),
    "FR_LONG_DOUBLE_TEXT": ("b\n", "\\d"),
    "FR_LONG_SINGLE_TEXT": ("b\n", "\\d"),
    "F_CLOSE": ("}", "} #"),
    "F_CLOSE_LINE": ("}",),
    "F_OPEN": ("{", "{ "),
    "MATCH": ("match",),
    "CASE": ("case",),
    "F_SPECIFICATION": (":", ":>5", ":{a}.{b!r}", ":%Y-%m"),
    "F_CONVERSION": ("!r",),
    "F_EQUALS": ("=", "= "),
    "F_IN_DOUBLE": ("'x'", "''", "f'{a}'"),
    "F_IN_SINGLE": ('"x"', '""', 'f"{a}"'),
}
"""Lexemes for random sentences, where the pattern would draw what is hardly ever followed by another."""


def python() -> Lark:
    """Return the grammar."""
    return parser("python")


def complaint(text: str) -> str | None:
    """Return what Python's parser says of a text, or None."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            ast.parse(text)
        except (SyntaxError, ValueError) as error:
            return str(error)
    return None


def is_python(text: str) -> bool:
    """Return whether Python's parser takes a text."""
    return complaint(text) is None


def write(lexemes: list[tuple[str, str]]) -> str:
    """Return a sentence as text: lines indented, a space between lexemes, none within formatted strings."""
    text = ""
    depth = 0
    before = ""
    for kind, word in lexemes:
        if kind == "_INDENT":
            depth += 1
        elif kind == "_DEDENT":
            depth -= 1
        elif kind == "_NEWLINE":
            text += "\n"
        elif not text or text.endswith("\n"):
            text += "  " * depth + word
        else:
            text += word if kind.startswith("F") and before.startswith("F") else f" {word}"
        before = kind
    return text


def random_programs(seed: int, count: int, size: int = 150) -> Iterator[str]:
    """Yield random sentences of the grammar's rules, of at most `size` lexemes."""
    # what begins with a margin is never accepted: it says so, to refuse it
    sentences = Sentences(python(), seed, WORDS, without=["_MARGIN"])
    for number in range(count):
        lexemes = sentences.draw("start", 6 + number % 40, size + 1)
        if len(lexemes) <= size:
            yield write(lexemes)


def changed(text: str, seed: int, count: int) -> Iterator[str]:
    """Yield a text with a word, a sign or a blank dropped, doubled, swapped, or put in another's place."""
    draw = random.Random(seed)
    pieces = re.findall(r"\w+|[ \t]+|\n[ ]*|[^\w\s]", text)
    for _ in range(count):
        at = draw.randrange(len(pieces))
        mutant = list(pieces)
        kind = draw.randrange(5)
        if kind == 0:
            del mutant[at]
        elif kind == 1:
            mutant.insert(at, pieces[at])
        elif kind == 2 and at + 1 < len(pieces):
            mutant[at], mutant[at + 1] = pieces[at + 1], pieces[at]
        elif kind == 3:
            mutant[at] = draw.choice(pieces)
        else:
            mutant.insert(at, draw.choice(pieces))
        yield "".join(mutant)


@cache
def library() -> list[Path]:
    """Return the files of the standard library, sorted; a few are not Python, to test what reads them."""
    folder = Path(sysconfig.get_path("stdlib"))
    return [path for path in sorted(folder.rglob("*.py")) if "site-packages" not in path.parts]


def read(path: Path) -> str:
    """Return a file's text; what is not UTF-8 has a zero byte, which nobody takes."""
    try:
        return path.read_bytes().decode("utf-8")
    except UnicodeDecodeError:
        return "\0"
