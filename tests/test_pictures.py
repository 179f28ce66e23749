"""The pictures of the docs show the pages as they are: docs/pictures.json has digests of their structure."""

from __future__ import annotations

import json
import re
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from nonempty import nonempty

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "scripts")]
if not all(map(find_spec, ("torch", "babel", "jinja2"))):
    pytest.skip("pages are made of answers of models, and of grounded ones", allow_module_level=True)
import pictures  # noqa: E402

DIGESTS = json.loads(pictures.DIGESTS.read_text(encoding="utf-8"))
PAGE = """<!doctype html><title>A</title><style>p { color: red; }</style><h1>Values</h1>
<p class="faint c1">text</p><table><tr><th>path<th>value<tr><td>/a<td>1</table>"""


@pytest.mark.parametrize("name", pictures.PICTURES)
def test_a_picture_shows_the_page_of_today(name: str) -> None:
    page = pictures.PICTURES[name].make_page()
    assert pictures.digest_of(page) == DIGESTS[name], f"Look at the page, then: make pictures PICTURES={name}"


def test_each_picture_of_the_docs_is_made_by_the_script() -> None:
    shown = set()
    for page in (ROOT / "README.md", *nonempty((ROOT / "docs").rglob("*.md"))):
        for target in re.findall(r"!\[[^]]*\]\(([^)]+)\)", page.read_text(encoding="utf-8")):
            path = (page.parent / target).resolve()
            if path.parent == ROOT / "docs":  # badges have a folder of their own
                shown.add(path.name)
    files = {path.name for path in nonempty((ROOT / "docs").iterdir()) if path.suffix in (".png", ".svg")}
    assert shown == files == {*pictures.PICTURES} == {*DIGESTS}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("red", "blue"),
        ("<p ", "<div "),
        ("faint", "warning"),
        ("<th>value", ""),
        ("Values", "Items"),
        ("<tr><td>", "<tr><td><b>"),
    ],
)
def test_another_structure_is_another_digest(old: str, new: str) -> None:
    assert old in PAGE
    assert pictures.digest_of(PAGE.replace(old, new, 1)) != pictures.digest_of(PAGE)


@pytest.mark.parametrize(
    ("old", "new"),
    [("text", "words"), ("c1", "c2"), ("<tr><td>/a<td>1", "<tr><td>/a<td>1" * 3), ("/a", "/b")],
)
def test_other_words_and_more_rows_are_the_same_structure(old: str, new: str) -> None:
    assert old in PAGE
    assert pictures.digest_of(PAGE.replace(old, new, 1)) == pictures.digest_of(PAGE)
