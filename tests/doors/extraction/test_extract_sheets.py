"""Sheets of an extraction: each place has the one that a person opens, in the items, the files and the page.

tests/data/extract-0.9.0 has the answers of a run that version 0.9.0 began, and that was stopped.
"""

from __future__ import annotations

import csv
import io
import json
import os
import random
import re
import shutil
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from unittest import mock
from urllib.parse import unquote

import pytest
from finding_models import a_sale, document, extracted, filler, finder, sales_in
from pages_in_browsers import Page
from pdf_files import lines, pdf_of

import structgen as sg
from structgen.base.errors import ShortenedWarning

if not find_spec("pypdf"):
    pytest.skip("pypdf reads PDF files", allow_module_level=True)
OLD = Path(__file__).parents[2] / "data/extract-0.9.0"
ROMAN = "<< /Nums [0 << /S /r >> 2 << /S /D >>] >>"
LABELS = ("i", "ii", "1", "2", "3", "4")


def a_pdf(draw: random.Random, count: int) -> bytes:
    """Return a PDF of sheets with sales, and some without text."""
    sheets = (document(draw, draw.randrange(1, 6)).splitlines() for _ in range(count))
    return pdf_of(
        *(lines(*sheet) if draw.random() < 0.8 else "" for sheet in sheets), lines("The end."), labels=ROMAN
    )


def a_text(draw: random.Random, count: int) -> str:
    """Return a text of Markdown, whose sections have a number in their headings."""
    parts = (
        f"## Part {number} of it\n\n{document(draw, draw.randrange(1, 6))}\n\n" for number in range(count)
    )
    return f"{a_sale(draw)}\n\n{''.join(parts)}"


def heading_before(text: str, offset: int) -> str:
    """Return the last heading of `a_text` before a place; "" before the first one."""
    return ["", *re.findall(r"^## (Part \d+ of it)$", text[:offset], re.M)][-1]


def sheet_of(found: Any, name: str, offset: int) -> tuple[int | None, str]:
    """Return the number of the sheet of a PDF that has a character, or the heading before it, by looking at
    each one."""
    (text,) = (one for one in found.documents if one.name == name)
    if not text.sheets:
        return None, heading_before(text.text, offset)
    return max(sheet.number for sheet in text.sheets if sheet.start <= offset), ""


def check_sheets(found: Any) -> None:
    for item in found:
        numbers = []
        for field in (*item.fields, *item.conflicts):
            number, heading = sheet_of(found, item.document, field.start)
            if not number and not heading:
                assert field.sheet is None
                continue
            assert (field.sheet.number, field.sheet.heading) == (number, heading)
            assert field.sheet.label == (LABELS[number - 1] if number else "")
        numbers = [str(field.sheet) for field in item.fields if field.sheet is not None]
        assert [*map(str, item.sheets)] == [*dict.fromkeys(numbers)]
    for line, item in zip(found.to_jsonl().splitlines(), found, strict=True):
        told = json.loads(line).get("sheets", [])
        assert [(one["number"], one["heading"]) for one in told] == [
            (sheet.number, sheet.heading) for sheet in item.sheets
        ]
    rows = csv.DictReader(io.StringIO(found.to_csv()))
    assert [row.get("sheets", "") for row in rows] == ["; ".join(map(str, item.sheets)) for item in found]


def check_a_run_that_goes_on(folder: Path, seed: int) -> None:
    """A stopped run that goes on has what a whole one has: items, sheets, files and page."""
    draw = random.Random(seed)
    (folder / "sales.pdf").write_bytes(a_pdf(draw, draw.randrange(1, 5)))
    sources = [folder / "sales.pdf", ("notes", a_text(draw, draw.randrange(4)))]
    engine, _ = finder()
    how: Any = {"page": draw.choice((40, 80, 200)), "overlap": draw.choice((0, 10))}
    whole = extracted(engine, sources, **how)
    check_sheets(whole)
    out = folder / f"{seed}.jsonl"

    def stop(now: Any) -> None:
        if now.pages == (whole.pages + 1) // 2 and now.pages < whole.pages:
            raise KeyboardInterrupt

    if whole.pages > 1:
        with pytest.warns(ShortenedWarning):
            extracted(engine, sources, **how, out=out, progress=stop, at_once=1)
    again = extracted(engine, sources, **how, out=out)
    assert again.to_jsonl() == whole.to_jsonl() == out.read_text(encoding="utf-8")
    assert again.to_csv() == whole.to_csv() and again.page() == whole.page()
    assert again.items == whole.items and again.unasked == whole.unasked and again.remarks == whole.remarks


def test_each_place_has_its_sheet_and_a_run_that_goes_on_has_the_same(tmp_path: Path) -> None:
    for seed in range(3):
        check_a_run_that_goes_on(tmp_path, seed)


@pytest.mark.slow
def test_each_place_of_many_documents_has_its_sheet(tmp_path: Path) -> None:
    for seed in range(1_000, 1_200):
        check_a_run_that_goes_on(tmp_path, seed)


def old_sources(folder: Path) -> Any:
    """Return the documents of the run that is kept."""
    draw = random.Random(12)
    pdf = pdf_of(*(lines(*document(draw, 6).splitlines()) for _ in range(3)))
    (folder / "sales.pdf").write_bytes(pdf)
    return [folder / "sales.pdf", ("notes", document(draw, 12))]


@pytest.mark.parametrize("version", [sg.__version__, "0.10.0"])
def test_a_run_that_0_9_0_began_goes_on(version: str, tmp_path: Path) -> None:
    """Where this fails, a version refuses the files of people who wait for the rest of their answers."""
    for name in ("sales.jsonl.pages", "sales.jsonl.pages.run"):
        shutil.copy(OLD / name, tmp_path)
    sources, how = old_sources(tmp_path), {"page": 70, "overlap": 8}
    engine, model = finder()
    with mock.patch.object(sg, "__version__", version):
        whole = extracted(engine, sources, **how)
        asked = len(model.prompts)
        again = extracted(engine, sources, **how, out=tmp_path / "sales.jsonl")
    assert len(model.prompts) - asked == asked - 4
    assert (
        again.items == whole.items and again.to_jsonl() == whole.to_jsonl() and again.page() == whole.page()
    )
    assert {sheet.number for item in again for sheet in item.sheets} == {1, 2, 3}


def test_the_page_leads_to_the_sheet_from_the_folder_that_it_is_written_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    draw = random.Random(3)
    name = "javascript:a?b#c%20 'é'.pdf"
    (tmp_path / "in").mkdir()
    (tmp_path / "out").mkdir()
    (tmp_path / "in" / name).write_bytes(pdf_of(lines(filler(draw, 5)), lines(a_sale(draw))))
    monkeypatch.chdir(tmp_path / "in")
    found = extracted(finder()[0], Path(name))
    monkeypatch.chdir(tmp_path)
    found.write("out/found.html")
    for folder, page in (("out", Path("out/found.html").read_text(encoding="utf-8")), (".", found.page())):
        (link,) = [dict(attrs)["href"] or "" for _, attrs in Page(page).elements if "href" in dict(attrs)]
        address, _, part = link.partition("#")
        assert part == "page=2" and re.fullmatch(r"[\w./%-]+", address)
        assert os.path.samefile(tmp_path / folder / unquote(address), tmp_path / "in" / name)


def test_what_fails_and_what_is_not_asked_is_told_with_its_sheet(tmp_path: Path) -> None:
    (tmp_path / "x.pdf").write_bytes(pdf_of("", lines("Nothing is here.")))
    found = extracted(finder()[0], [tmp_path / "x.pdf", ("y", "# Part\n\nNothing is here.")], page=100)
    assert [str(one.sheet) for one in found.unasked] == ["2", "Part"]
    told = " ".join(found.remarks)
    assert "(piece 1 on sheet 2 of 2)" in told and "(piece 1 under 'Part')" in told

    def fail(text: str) -> Any:
        if "lamps" in text:
            raise ConnectionError("down")
        return sales_in(text)

    text = "# Sales\n\nAda Byron bought 3 seeds.\n\n## Lamps\n\nBert Reed bought 4 lamps."
    with pytest.warns(ShortenedWarning, match="piece 2 under 'Lamps' of 'document' failed"):
        found = extracted(finder(fail)[0], text, page=36, overlap=0)
    assert [str(one.sheet) for one in found.failed] == ["Lamps"] and len(found) == 1
