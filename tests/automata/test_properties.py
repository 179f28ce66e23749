r"""What `\p{...}` names, beside Node's RegExp and the interpreter's unicodedata."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
import unicodedata
from bisect import bisect_left

import pytest

from structgen.automata.unicode.charsets import complement
from structgen.automata.unicode.properties import unicode_property
from structgen.automata.unicode.range_tables import read_table
from structgen.errors import RegexError


def _expressions() -> list[str]:
    found = []
    for head in read_table("unicode_properties.txt"):
        kind, names = head.split(" ")
        for name in names.split(","):
            found.append({"sc": f"Script={name}", "scx": f"scx={name}"}.get(kind, name))
    return found


@pytest.mark.slow
def test_every_property_is_what_node_says() -> None:
    if shutil.which("node") is None:
        pytest.skip("node, whose RegExp is the oracle, is not installed")
    draw = random.Random(1)
    points = sorted({*range(0, 0x3000, 3), *(draw.randrange(0x110000) for _ in range(2000))})
    script = (
        'const [es, ps] = JSON.parse(require("fs").readFileSync(0, "utf8"));'
        "process.stdout.write(JSON.stringify([process.versions.unicode, es.map((e) => {"
        'const r = new RegExp(`^\\\\p{${e}}$`, "u");'
        "return ps.filter((p) => r.test(String.fromCodePoint(p))); })]));"
    )
    expressions = _expressions()
    done = subprocess.run(
        ["node", "-e", script],
        input=json.dumps([expressions, points]),
        capture_output=True,
        text=True,
        check=True,
    )
    version, rows = json.loads(done.stdout)
    if not version.startswith("17"):
        pytest.skip("this node knows another version of Unicode")
    for expression, row in zip(expressions, rows, strict=True):
        inside: list[int] = []
        for low, high in unicode_property(expression):
            inside += points[bisect_left(points, low) : bisect_left(points, high + 1)]
        assert inside == row, expression


def test_the_letters_of_old_characters_are_those_of_unicodedata() -> None:
    letters = unicode_property("L")
    members = {point for low, high in letters for point in range(low, min(high, 0x2FFF) + 1)}
    for point in range(0x3000):
        category = unicodedata.category(chr(point))
        assert category == "Cn" or (point in members) == category.startswith("L"), hex(point)


def test_the_unassigned_are_those_of_no_other_category() -> None:
    assert unicode_property("Cn") == complement(unicode_property("Assigned"))
    assert unicode_property("gc=Cn") == unicode_property("General_Category=Unassigned")


@pytest.mark.parametrize(
    "name", ["Script=Latin", "sc=Latn", "scx=Grek", "Alpha", "Emoji_Presentation", "Any"]
)
def test_every_kind_of_name_is_known(name: str) -> None:
    assert unicode_property(name)


@pytest.mark.parametrize("name", ["Latin", "script=Latin", "l", "IsGreek", "gc=", "Script", ""])
def test_what_ecma_does_not_list_is_refused(name: str) -> None:
    with pytest.raises(RegexError, match="not known"):
        unicode_property(name)
