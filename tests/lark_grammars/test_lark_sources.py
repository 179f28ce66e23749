"""Every grammar of lark's and SynCode's source distributions that lark's LALR builds: random sentences,
mutants and real texts, with lark's verdict on each.

The folders are named by STRUCTGEN_LARK_SOURCE and STRUCTGEN_SYNCODE_SOURCE.
"""

from __future__ import annotations

import os
import random
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import lark
import pytest
from lark.indenter import PythonIndenter
from lark_reference import build, takes
from lark_texts import accepted, mutants

import structgen as sg
from structgen.limits import Limits
from structgen.text_grammars.machine.language import Language
from structgen.text_grammars.machine.random_sentences import random_word

FOLDERS = ("STRUCTGEN_LARK_SOURCE", "STRUCTGEN_SYNCODE_SOURCE")
SENTENCES, MUTANTS = 12, 12

pytestmark = pytest.mark.slow


class SynCodeIndenter(PythonIndenter):
    """As SynCode has it for its grammar of Python."""

    NL_type = "_NL"
    tab_len = 4


TEXTS = {
    "json.lark": [
        '{"name": "a\\u00e9\\n", "list": [1, -2.5e+3, true, null, {}], "deep": [[[]], {"a": {"b": ""}}]}',
        "[]",
        '["é", "\\"", 0.1]',
    ],
    "sql.lark": [
        "SELECT name, COUNT(*) FROM people WHERE age > 20 GROUP BY name ORDER BY name DESC LIMIT 3",
        "SELECT a.x, b.y FROM a JOIN b ON a.id = b.id WHERE a.x LIKE 'q%' AND b.y BETWEEN 1 AND 5",
        "SELECT DISTINCT x FROM t WHERE x IN (1, 2, 3) UNION SELECT y FROM u",
    ],
    "go.lark": [
        'package main\n\nimport "fmt"\n\nfunc add(a int, b int) int {\n\treturn a + b\n}\n\nfunc main() {\n'
        "\tfor i := 0; i < 3; i++ {\n\t\tif i == 1 {\n\t\t\tcontinue\n\t\t}\n"
        '\t\tfmt.Println(add(i, 2), "x")\n\t}\n}\n',
        "package shape\n\ntype Point struct {\n\tX, Y float64\n}\n\nfunc (p *Point) Move(dx float64) {\n"
        "\tp.X += dx // along\n}\n",
    ],
    "java.lark": [
        "public class Main {\n    private int count = 0;\n    public static void main(String[] args) {\n"
        '        for (int i = 0; i < 3; i++) { System.out.println("x" + i); }\n    }\n}\n',
        "class A { int f(int x) { if (x > 1) { return x; } else { return f(x - 1); } } }\n",
    ],
    "c.lark": [
        "int main() {\n    int i = 0;\n    while (i < 3) { i = i + 1; }\n    return i;\n}\n",
        "int f(int a, int b) { if (a) { return b; } return a + b * 2; }\n",
    ],
    "calc.lark": ["1 + 2 * (3 - 4)", "2 / -1"],
}
"""Texts of our own writing, as people write them; whether each grammar takes them is lark's to say."""


def _folders() -> list[Path]:
    given = [os.environ.get(name) for name in FOLDERS]
    if None in given:
        pytest.skip(f"{' and '.join(FOLDERS)} name the unpacked source distributions; not both are set")
    return [Path(one) for one in given if one is not None]


def _starts(text: str) -> Iterator[str]:
    """Yield the rules that a grammar may begin with, the usual names first."""
    rules = re.findall(r"^[?!]*([a-z_]\w*)[^:\n{]*:", text, re.MULTILINE)
    yield from (name for name in ("start", "file_input") if name in rules)
    yield from rules[:1]


def _built(path: Path) -> tuple[lark.Lark, Language] | None:
    """Return a grammar as lark and as we build it; None where lark's LALR does not build it."""
    text = path.read_text("utf-8")
    for start in _starts(text):
        options: dict[str, Any] = {"start": start}
        if "_INDENT" in text:
            options["postlex"] = PythonIndenter() if "_NEWLINE" in text else SynCodeIndenter()
        try:
            reference = build(text, source_path=str(path), **options)
            break
        except (lark.exceptions.LarkError, OSError):
            continue
    else:
        return None
    ours = sg.lark(path, **options).language(Limits())
    return reference, ours


def _grammars() -> Iterator[tuple[Path, lark.Lark, Language]]:
    for folder in _folders():
        for path in sorted(folder.rglob("*.lark")):
            built = _built(path)
            if built is not None:
                yield path, *built


def test_random_sentences_and_their_mutants() -> None:
    met: dict[str, int] = {}
    differing: list[tuple[str, str]] = []
    for path, reference, ours in _grammars():
        source = random.Random(path.name)
        for _ in range(SENTENCES):
            word = random_word(ours, source, 60).decode()
            made = list(mutants(reference, word, source, MUTANTS)) if takes(reference, word) else []
            for text in (word, *made):
                met[path.name] = met.get(path.name, 0) + 1
                if takes(reference, text) != accepted(ours, text):
                    differing.append((str(path), text))
            if not made:
                differing.append((str(path), word))
    assert not differing, differing[:5]
    assert len(met) > 30, met


def test_texts_as_people_write_them() -> None:
    differing: list[tuple[str, str]] = []
    taken = dict.fromkeys(TEXTS, 0)
    for path, reference, ours in _grammars():
        texts = list(TEXTS.get(path.name, ()))
        if path.name == "lark.lark":
            texts += [one.read_text("utf-8") for folder in _folders() for one in folder.rglob("*.lark")]
        source = random.Random(path.name)
        for whole in texts:
            made = [whole]
            if takes(reference, whole):
                taken[path.name] = taken.get(path.name, 0) + 1
                made += mutants(reference, whole, source, MUTANTS)
            differing += [
                (str(path), text) for text in made if takes(reference, text) != accepted(ours, text)
            ]
    assert not differing, [(path, text[:300]) for path, text in differing[:5]]
    assert taken["json.lark"] >= 3, taken
    assert taken["lark.lark"] > 40, taken
    assert sum(map(bool, taken.values())) >= 5, taken
