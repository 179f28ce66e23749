"""The pages that the site adds to docs/ (scripts/site_pages.py); `make docs` builds it, with every link."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from pages_in_browsers import BROWSER, is_so

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


# --- what a reader sees -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of the site, built."""
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "-q", "-d", folder],
        cwd=site_pages.ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return folder


@pytest.mark.slow
def test_a_name_of_the_reference_has_a_sentence_and_then_one_signature(site: Path) -> None:
    page = (site / "reference/ask-a-model/index.html").read_text(encoding="utf-8")
    part = page.partition('id="structgen.doors.typed.run.run"')[2].partition(
        'id="structgen.doors.typed.run.arun"'
    )[0]
    assert part.count("doc-signature") == 1
    assert part.index("<p>Return a model") < part.index("doc-signature") < part.index("<p>With")


@pytest.mark.slow
def test_nothing_is_fetched_by_a_readers_browser(site: Path) -> None:
    fetched = re.compile(r"""(?:src=|<link[^>]*href=|url\()["']?(?:https?:)?//""")
    for file in (*site.rglob("*.html"), *site.rglob("*.css")):
        assert fetched.search(file.read_text(encoding="utf-8")) is None, file


@pytest.mark.slow
@pytest.mark.skipif(BROWSER is None, reason="no browser is installed")
@pytest.mark.parametrize("width", [1300, 500])
@pytest.mark.parametrize("page", ["index.html", "reference/ask-a-model/index.html", "inside/demo/index.html"])
def test_no_code_is_cut_off(site: Path, page: str, width: int) -> None:
    code = "[...document.querySelectorAll('pre > code')]"
    inside = "one.scrollWidth <= one.clientWidth && one.getBoundingClientRect().right <= innerWidth"
    assert is_so(site / page, f"{code}.length > 0 && {code}.every(one => {inside})", width)
