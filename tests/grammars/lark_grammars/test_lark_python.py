"""lark's own grammar of Python with its indenter, on files of the standard library: lark's verdict is ours on
files, on parts of them, and on mutants, indentation included; what was read of an accepted file is live."""

from __future__ import annotations

import random
import sysconfig
from functools import cache
from pathlib import Path

import lark
import pytest
from for_each import for_each
from lark.indenter import PythonIndenter
from lark_reference import build, takes
from lark_texts import accepted, mutants

import structgen as sg
from structgen.base.limits import Limits
from structgen.grammars.text_grammars.machine.language import Language

GRAMMAR = Path(lark.__file__).parent / "grammars" / "python.lark"
PARTS = [
    "x = 1\n",
    "x = 1",
    "x\n# c",
    "x\n#c",
    "def f(a, *, b=2):\n    if a:\n\treturn b\n    # comment\n  # less\n\n    else_ = 3\n",
    "if x:\n    y\n  z\n",
    "if x:\n  y\n  if z:\n      w\n  v\nu\n",
    "f(\n   1,\n 2\n)\n",
    "f(\n",
    ")\n",
    "[1, # one\n2]\n",
    "x = '''a\n  b'''\n",
    "x = 1 \\\n  + 2\n",
    "\n\n  \nx\n",
    "  x\n",
    "class A:\n\tdef f(self):\n\t\tpass\n\n\tdef g(self): return 1\n",
    "return = 1\n",
    "match x:\n    case 1:\n        pass\n",
    "async def f():\n    await g()\n",
    "é = 'ü'\n",
    "if x:\r\n    y\r\n",
    "",
    "\n",
    "#",
    "try:\n    x\nexcept E as e:\n    y\nfinally:\n    z\n",
]


@cache
def _reference() -> lark.Lark:
    return build(
        GRAMMAR.read_text("utf-8"), start="file_input", source_path=str(GRAMMAR), postlex=PythonIndenter()
    )


@cache
def _ours() -> Language:
    ours = sg.lark(GRAMMAR, start="file_input", postlex=PythonIndenter()).language(Limits())
    return ours


def _files(count: int, longest: int) -> list[str]:
    """Return texts of files of the standard library, up to a length, the same ones each time."""
    folder = Path(sysconfig.get_paths()["stdlib"])
    paths = sorted(path for path in folder.rglob("*.py") if "site-packages" not in path.parts)
    random.Random(7).shuffle(paths)
    found: list[str] = []
    for path in paths:
        try:
            text = path.read_text("utf-8")
        except UnicodeDecodeError:
            continue
        if text and len(text) <= longest:
            found.append(text)
        if len(found) == count:
            break
    return found


def _held(text: str, source: random.Random, count: int) -> list[str]:
    """Return where lark's verdict is not ours: on a text, and on mutants where lark takes it."""
    reference, ours = _reference(), _ours()
    texts = [text, *(mutants(reference, text, source, count) if takes(reference, text) else ())]
    return [one for one in texts if takes(reference, one) != accepted(ours, one)]


@for_each("text", PARTS)
def test_lines_blanks_and_brackets(text: str) -> None:
    differing = _held(text, random.Random(text), 2)
    assert not differing, differing[:3]


def test_files_and_their_mutants() -> None:
    source = random.Random(1)
    for text in _files(5, 4000):
        differing = _held(text, source, 4)
        assert not differing, differing[0][:400]


def test_a_live_beginning_is_completed_to_a_text_that_lark_takes() -> None:
    ours, source = _ours(), random.Random(3)
    for text in _files(3, 2500):
        config = ours.start()
        if not takes(_reference(), text):
            continue
        stops = {source.randrange(len(text)) for _ in range(8)}
        for at, char in enumerate(text):
            for byte in char.encode():
                after = ours.step(config, byte)
                assert after is not None, text[: at + 1][-80:]
                config = after
            if at in stops:
                rest = bytes(ours.shortest_rest(config)).decode()
                assert takes(_reference(), text[: at + 1] + rest), (text[: at + 1][-80:], rest)


@pytest.mark.slow
def test_five_hundred_files_of_the_standard_library() -> None:
    source, taken = random.Random(5), 0
    files = _files(500, 1 << 30)
    assert len(files) == 500
    for text in files:
        verdict = takes(_reference(), text)
        taken += verdict
        assert accepted(_ours(), text) == verdict, text[:200]
        if len(text) < 20_000:
            differing = _held(text, source, 2)
            assert not differing, differing[0][:400]
    assert taken > 400
