"""The monitors of Python code: where they act, and what jedi says."""

from __future__ import annotations

import ast
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from for_each import for_each
from monitor_examples import allowed, walk

pytest.importorskip("jedi")

from methods.monitored_text import Monitor, Monitored
from methods.python_names import PythonArguments, PythonAttributes, PythonNames, arguments_of, open_brackets

import structgen as sg

BYTES = sg.Tokenizer.from_bytes([*(bytes((one,)) for one in range(256)), b"<end>"], eos_token_id=256)
MONITORS: dict[str, Callable[..., Monitor]] = {
    "attributes": PythonAttributes,
    "names": PythonNames,
    "arguments": PythonArguments,
}
Texts = dict[str, sg.CompiledGrammar]


def _under(*monitors: Monitor) -> sg.CompiledGrammar:
    """Return any text under monitors."""
    return sg.compile(Monitored(sg.text(), *monitors), BYTES)


@pytest.fixture(scope="module")
def monitors(tmp_path_factory: pytest.TempPathFactory) -> Texts:
    project = tmp_path_factory.mktemp("project")
    (project / "shapes.py").write_text(
        "class Circle:\n    radius = 1\n    def area(self, scale, *, digits=2): return scale\n"
    )
    (project / "stat.py").write_text("ours = 1\n")  # in place of the library's
    return {name: _under(make(project)) for name, make in MONITORS.items()}


def _next(compiled: sg.CompiledGrammar, code: str) -> str:
    """Return the characters of ASCII that may follow code."""
    matcher = sg.Matcher(compiled)
    walk(matcher, list(code.encode()))
    return "".join(chr(one) for one in sorted(allowed(matcher, BYTES)) if one < 128)


def _takes(compiled: sg.CompiledGrammar, code: str, more: str) -> bool:
    """Return whether more code may follow, character by character."""
    matcher = sg.Matcher(compiled)
    walk(matcher, list(code.encode()))
    for byte in more.encode():
        if byte not in allowed(matcher, BYTES):
            return False
        matcher.advance(byte)
    return True


@pytest.mark.parametrize(
    ("code", "more", "is_taken"),
    [
        ("import shapes\nshapes.", "Circle(", True),
        ("import shapes\nshapes.", "circle", False),
        ("import shapes\nshapes.", "Circles", False),
        ("from shapes import Circle\nCircle().", "radius\n", True),
        ("from shapes import Circle\nCircle().", "radius2", False),
        ("from shapes import Circle\nCircle().", "area(", True),
        ("import shapes\nshapes.Circle", ".area", True),
        ("import shapes\nshapes.Circle", ".areas", False),
        ("import math\nx = math.", "pi + 1", True),
        ("import math\nx = math.", "pie", False),
        ("x = 'math.", "anything", True),
        ("# math.", "anything", True),
        ("x = 1.", "5", True),
        ("x = unknown.", "anything", True),
        ("x = None\nx.", "anything", True),
        ("import json\njson.", "tool", False),
        ("import json.tool\njson.", "tool", True),
        ("import json.", "tool", True),
        pytest.param("import os\nos.", "path.join(", True, marks=pytest.mark.slow),  # jedi reads it for long
        ("class A:\n    def f(self):\n        self.", "defined_below()", True),
        # stubs have it, this Python has not, unless the code gives it
        ("import sys\nx = sys.", "ps1", False),
        ("import sys\nx = sys.", "path[", True),
        ("import sys\nsys.", "ps1 = ''", True),
        ("import sys\nsys.", "ps1.", False),
        ("import sys\nsys.", "path.", True),
        ("import sys\nsys.ps1 = ''\nx = sys.", "ps1 ", True),
        # what a file of the library has under a condition that does not hold, or imports in vain
        ("import signal\nx = signal.", "pthread_sigmask", hasattr(signal, "pthread_sigmask")),
        ("import signal\nx = signal.", "CTRL_C_EVENT", hasattr(signal, "CTRL_C_EVENT")),
        pytest.param("import socket\nx = socket.", "EBADF", True, marks=pytest.mark.slow),
        ("import stat\nx = stat.", "ours ", True),
    ],
)
def test_attributes(monitors: Texts, code: str, more: str, is_taken: bool) -> None:
    assert _takes(monitors["attributes"], code, more) == is_taken


@for_each(
    ("code", "more", "is_taken"),
    [
        ("import math\nx =", " math.pi", True),
        ("import math\nx =", " maths", False),
        ("import math\nx =", " 3", True),
        ("import math\nx =", " 'a'", True),
        ("import math\nx =", " rb'a'", True),
        ("import math\nx =", " len(", True),
        ("import math\nx =", " None\n", True),
        ("import math\nx =", "= 2", True),
        ("x = 1\nif", " x:", True),
        ("x = 1\nif", " y:", False),
        ("x = 1\nif", "f = 2", True),
        ("def f(a, b):\n    return", " a + b", True),
        ("def f(a, b):\n    return", " a + zq", False),
        ("def f(a, b):\n    return", "\n", True),
        ("z = [", "y for y in z]", True),
        ("z = lambda y: y +", " y", True),
    ],
)
def test_names(monitors: Texts, code: str, more: str, is_taken: bool) -> None:
    assert _takes(monitors["names"], code, more) == is_taken


@for_each(
    ("call", "more", "is_taken"),
    [
        ("f(", ")", False),
        ("f(", "1)", True),
        ("f(", "a == 2)", True),
        ("f(", "b=2", True),
        ("f(", "c=2", False),
        ("f(1,", " 2)", True),
        ("f(1,", ")", True),
        ("f(1, 2,", " 3", False),
        ("f(1, 2,", " key=3", True),
        ("f(1, b=3,", " b=", False),
        ("f(1, b=3,", " x", False),
        ("f(1, (2, 3),", " 4", False),
        ("f(*x,", " 4", True),
        ("g(1, 2, 3,", " anything=3", True),
        ("unknown(", ")", True),
        ("def h(", "any", True),
        ("x = (", "any", True),
    ],
)
def test_arguments(monitors: Texts, call: str, more: str, is_taken: bool) -> None:
    code = "def f(a, b=1, *, key=None): pass\ndef g(*args, **more): pass\n" + call
    assert _takes(monitors["arguments"], code, more) == is_taken


def test_code_before_the_text_counts() -> None:
    assert _next(_under(PythonAttributes(before="import math\n")), "math.p") == "eior"


def test_own_attributes_with_the_rest_of_the_class() -> None:
    before = "class A:\n    def f(self):\n"
    after = "\n    def below(self):\n        pass\n"
    compiled = _under(PythonAttributes(before=before, after=after))
    for code, more, is_taken in (
        ("self.", "count = 1\n", True),
        ("self.", "count()", False),
        ("self.", "below()", True),
        ("x = self.", "count = 1", False),
        ("x = self.", "below()", True),
    ):
        assert _takes(compiled, "        " + code, more) == is_taken


def test_two_monitors_of_code_act_together(monitors: Texts) -> None:
    two: list[Any] = [monitors[name] for name in ("attributes", "names")]
    both = _under(*(one.monitor for one in two))
    assert _takes(both, "import math\nx =", " math.pi +")
    assert not _takes(both, "import math\nx =", " maths")
    assert not _takes(both, "import math\nx =", " math.pies")


def test_places_are_those_of_the_tokenizer_of_python() -> None:
    """Against `tokenize`: a dot in code is an operator there, in strings and comments it is not."""
    import io
    import tokenize

    for name in ("textwrap.py", "shlex.py", "string.py"):
        source = (Path(ast.__file__).parent / name).read_text()
        starts = [0]
        for line in source.splitlines(keepends=True):
            starts.append(starts[-1] + len(line))
        inside = set()
        for token in tokenize.generate_tokens(io.StringIO(source).readline):
            if token.type in (tokenize.STRING, tokenize.COMMENT):
                first = starts[token.start[0] - 1] + token.start[1]
                last = starts[token.end[0] - 1] + token.end[1]
                inside.update(range(first, last))
        for at, char in enumerate(source):
            if char == ".":
                assert (open_brackets(source[: at + 1]) is not None) == (at not in inside), source[
                    at - 20 : at + 1
                ]


def test_arguments_are_split_outside_of_brackets_and_strings() -> None:
    text = "f(1, g(2, 3), 'a,b', [4, 5], k=6, "
    assert arguments_of(text, 2) == ["1", "g(2, 3)", "'a,b'", "[4, 5]", "k=6", ""]


def test_a_project_that_is_no_folder_is_refused() -> None:
    with pytest.raises(sg.errors.OptionError, match="is no folder") as caught:
        PythonAttributes("/no/such/folder")
    assert caught.value.where == "project_path"


def test_a_text_of_a_run_keeps_to_the_attributes_that_are_there(tmp_path: Path) -> None:
    (tmp_path / "paid.py").write_text("def left(): pass\n\n\ndef right(): pass\n")
    grammar = Monitored(sg.regex(r"import paid\npaid\.[a-z]+\("), PythonAttributes(tmp_path))
    for seed in range(3):
        said = sg.run("structgen/extract-draft", "Code: ", grammar, sampling=sg.Sampling(seed=seed))
        assert said.partition("paid.")[2] in ("left(", "right(")
