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
from site_docstrings import as_markdown


def test_each_public_name_has_one_place_in_the_reference() -> None:
    pages = site_pages.reference()
    named = re.findall(r"heading: structgen\.(\w+)$", "\n".join(pages.values()), re.MULTILINE)
    assert sorted(named) == sorted(
        name for name in dir(sg) if not name.startswith("_") and name != "StructgenError"
    )


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
