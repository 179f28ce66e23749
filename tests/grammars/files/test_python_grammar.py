"""Python: what the grammar takes, `ast.parse` takes; and it takes nearly all of the standard library."""

from __future__ import annotations

import itertools
import random
import re
import sys
import textwrap
import unicodedata
from pathlib import Path

import pytest
from for_each import for_each
from python_texts import changed, complaint, is_python, library, python, random_programs, read
from shipped import accepts

from structgen.base.system import shipped_files

only_311 = pytest.mark.skipif(
    sys.version_info[:2] != (3, 11),
    reason="the standard library of another version of Python is written in it",
)

EXCEPTIONS = {
    "test/test_argparse.py": "brackets around contexts of which the first has no name",
    "test/test_tarfile.py": "brackets around contexts of which the first has no name",
    "test/test_code_module.py": "a character by a name that is not listed",
    "test/test_unparse.py": "a character by a name that is not listed",
    "test/test_xmlrpc.py": "a character by a name that is not listed",
    "test/test_traceback.py": "names of letters that are normalised",
    "test/test_unicode_identifiers.py": "names of letters that are normalised",
    "test/test_fstring.py": "a format within a format",
    "idlelib/configdialog.py": "a call within a format",
    "test/test_tokenize.py": "a string in the quotes of the formatted string around it",
    "test/test_patma.py": "match without a space after it",
    "test/test_grammar.py": "an annotated subscript of a display",
}
"""Files of the standard library that the grammar refuses, each for a reason that its page gives."""


def refused(files: list[Path]) -> set[str]:
    """Return those of the files that are Python and that lark refuses, as paths from the library's folder."""
    grammar = python()
    names = set()
    for path in files:
        text = read(path)
        if is_python(text) and not accepts(grammar, text):
            names.add(path.as_posix().rpartition(f"python3.{sys.version_info[1]}/")[2])
    return names


@only_311
@pytest.mark.slow
def test_grammar_takes_the_standard_library_but_for_what_is_named() -> None:
    files = library()
    assert len(files) > 1000
    assert refused(files) <= EXCEPTIONS.keys()


@pytest.mark.parametrize(
    ("count", "each", "least"), [(12, 2, 7), pytest.param(5000, 4, 5000, marks=pytest.mark.slow)]
)
def test_python_takes_random_programs_and_mutants(count: int, each: int, least: int) -> None:
    grammar = python()
    taken = 0
    for number, program in enumerate(random_programs(seed=1, count=count)):
        texts = [program, *(changed(program, number, each) if len(program) > 4 else ())]
        for text in texts:
            if accepts(grammar, text):
                taken += 1
                assert is_python(text), (text, complaint(text))
    assert taken > least


def excerpts(seed: int, count: int) -> list[str]:
    """Return pieces of the standard library that are Python by themselves, of thirty lines or fewer."""
    draw = random.Random(seed)
    files = [path for path in library() if path.parent == library()[0].parent]
    found: list[str] = []
    while len(found) < count:
        lines = read(draw.choice(files)).split("\n")
        at = draw.randrange(len(lines))
        text = textwrap.dedent("\n".join(lines[at : at + draw.randrange(1, 30)]))
        if text.strip() and is_python(text):
            found.append(text)
    return found


@pytest.mark.parametrize(
    ("count", "each", "least"), [(20, 12, 60), pytest.param(1000, 40, 10_000, marks=pytest.mark.slow)]
)
def test_mutants_of_the_standard_library_have_pythons_verdict(count: int, each: int, least: int) -> None:
    """What Python takes is taken as a rule alone: the page says what is left out."""
    grammar, taken, left_out = python(), 0, 0
    for number, text in enumerate(excerpts(seed=1, count=count)):
        for mutant in changed(text, number, each):
            ours, theirs = accepts(grammar, mutant), is_python(mutant)
            assert theirs or not ours, (mutant, complaint(mutant))
            taken += ours
            left_out += theirs and not ours
    assert taken > least and left_out <= 0.02 * taken


@pytest.mark.parametrize("width", [1, 2, 3, 8])
def test_indentation_is_pythons(width: int) -> None:
    """Four lines, indented by every combination of multiples of a width."""
    grammar = python()
    blank = " " * width
    both = 0
    for number in range(4**4):
        depths = [number // 4**at % 4 for at in range(4)]
        lines = ["if a:", "if b:", "pass", "c"]
        text = "\n".join(blank * depth + line for depth, line in zip(depths, lines, strict=True))
        assert accepts(grammar, text) is is_python(text), text
        both += is_python(text)
    assert both > 2


def test_letters_of_names_are_pythons() -> None:
    grammar = python()
    taken = 0
    for point in [*range(0x600), *range(0x600, 0x10000, 23), *range(0x10000, 0x110000, 1997)]:
        letter = chr(point)
        for text in (f"x{letter}", f"{letter}x"):
            if accepts(grammar, text) and not letter.isascii():
                taken += 1
                assert text.isidentifier(), hex(point)
    assert taken > 1000


def test_characters_by_name_are_there() -> None:
    grammar = python()
    listed = re.search(
        r"^_CHARACTER: /(.*)/$", shipped_files.grammar_path("python").read_text("utf-8"), re.MULTILINE
    )
    assert listed is not None
    names = {unicodedata.name(chr(point), "") for point in range(0x1F600)} - {""}
    taken = sorted(name for name in names if re.fullmatch(listed[1], name))
    assert len(taken) == 212
    assert all(accepts(grammar, f"'\\N{{{name}}}'") for name in taken)
    for name in ("LATIN SMALL LETTER A WITH CEDILLA", "EM", "GREEK SMALL LETTER LAMBDA"):
        assert not accepts(grammar, f"'\\N{{{name}}}'")


@for_each("prefix", ["", "u", "r", "b", "br", "Rb", "f", "rf", "ur", "bu", "fb", "uf", "bf"])
def test_strings_are_pythons(prefix: str) -> None:
    """All strings of up to six signs that matter, in each kind of quotes."""
    grammar = python()
    draw = random.Random(prefix)
    pieces = ["'", '"', "\\", "\n", "a", "{", "}", "x4", "#", " ", "N", "é", "!r", ":"]
    taken = 0
    for quote in ("'", '"', "'''", '"""'):
        for _ in range(60):
            inner = "".join(draw.choice(pieces) for _ in range(draw.randrange(7)))
            for text in (f"{prefix}{quote}{inner}{quote}", f"f({prefix}{quote}{inner}{quote})"):
                if accepts(grammar, text):
                    taken += 1
                    assert is_python(text), (text, complaint(text))
    assert (taken > 40) is (prefix not in ("ur", "bu", "fb", "uf", "bf"))


BLANKS = ("", " ", "\t", "\f", "\n", "\\\n", "# c\n", "#", "\r\n", "\r", "\\")
FRAMES = (
    "{0}if a:\n {1}b\n{2}",
    "{0}a\n{1}b{2}",
    "({0}a\n{1}b{2})",
    "if a:\n b\n {0}",
    "if a:\n if b: c{0}",
    "if a: b\n{0}else: c{1}",
    "match a:\n{0} case b: c\n case d:{1}",
    "match a:\n case b:\n  c\n {0}",
    "@a\n{0}class b: pass{1}",
    "try:\n if a:\n  b\n{0}  c\n{1}except: d",
    "f(a,{0}[{1}b],\n{0}c)",
    "a{0} = b{1}",
)


def test_what_stands_between_lines_is_pythons() -> None:
    """Up to three blanks, breaks, backslashes and comments: before lines, between them, after the last."""
    grammar, draw, taken = python(), random.Random(1), 0
    between = sorted({"".join(some) for size in range(4) for some in itertools.product(BLANKS, repeat=size)})
    for _ in range(300):
        three = draw.choices(between, k=3)
        for text in (frame.format(*three) for frame in FRAMES):
            if accepts(grammar, text):
                taken += 1
                assert is_python(text), (text, complaint(text))
    assert taken > 100
