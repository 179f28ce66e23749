"""The pages that the site adds to docs/ (scripts/site_pages.py); `make docs` builds it, with every link."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

import structgen as sg

pytest.importorskip("mkdocs")
pytest.importorskip("griffe")
sys.path.insert(0, str(Path(__file__).parents[1] / "scripts"))

import site_pages
from site_docstrings import as_markdown, parted


def test_each_public_name_has_one_place_in_the_reference() -> None:
    pages = site_pages.reference()
    named = re.findall(r"heading: structgen\.(\w+)$", "\n".join(pages.values()), re.MULTILINE)
    assert sorted(named) == sorted(name for name in dir(sg) if not name.startswith("_"))


def test_the_index_has_each_public_name_in_its_group_with_a_sentence() -> None:
    groups = site_pages.reference()["index.md"].split("\n## ")[1:]
    assert [group.partition("]")[0][1:] for group in groups] == [
        title for title, _ in site_pages.GROUP.findall(sg.__doc__ or "")
    ]
    rows = re.findall(r"^\| \[`(\w+)`\]\[structgen\.[\w.]+\] \| (.*) \|$", "\n".join(groups), re.MULTILINE)
    assert sorted(name for name, _ in rows) == dir(sg)
    assert [name for name, sentence in rows if not sentence.endswith(".")] == []


@pytest.mark.parametrize(
    ("docstring", "lead", "rest"),
    [
        ("Return it.", "Return it.", ""),
        ("Return\nit. More of it.\n\nAnd more.", "Return\nit.", "More of it.\n\nAnd more."),
        (
            "Return `a. B`, e.g. one.\n\nrows\n    how many.",
            "Return `a. B`, e.g. one.",
            "rows\n    how many.",
        ),
        ("Without an end", "", "Without an end"),
    ],
)
def test_the_first_sentence_of_a_docstring_stands_before_the_signature(
    docstring: str, lead: str, rest: str
) -> None:
    assert parted(docstring) == (lead, rest)


@pytest.mark.parametrize(
    ("source", "link", "shown"),
    [
        ("index.md", "[a](docs/engine.md#x)", "[a](engine.md#x)"),
        ("index.md", "![a](docs/trace.png)", "![a](trace.png)"),
        ("index.md", "[a](CONTRIBUTING.md)", "[a](contributing.md)"),
        ("inside/testing.md", "[a](../../CONTRIBUTING.md#weight)", "[a](../contributing.md#weight)"),
        ("inside/testing.md", "[a](../engine.md)", "[a](../engine.md)"),
        ("infilling.md", "[its card](../models/infill/README.md)", "its card"),
        ("infilling.md", "[a](https://example.org/x.md)", "[a](https://example.org/x.md)"),
        ("infilling.md", "[a](#there)", "[a](#there)"),
    ],
)
def test_links_lead_to_pages_of_the_site(source: str, link: str, shown: str) -> None:
    page = SimpleNamespace(file=SimpleNamespace(src_uri=source))
    assert site_pages.on_page_markdown(link, page, None, None) == shown


def test_options_of_a_docstring_become_a_list() -> None:
    told = as_markdown(
        "Return it.\n\nmodel, name\n    a name, or\n    a folder.\nrows\n    how many.\n\nErrors: none."
    )
    assert told == (
        "Return it.\n\n\n`model`, `name`\n:   a name, or\n    a folder.\n\n`rows`\n:   how many.\n"
        "\nErrors: none."
    )
