"""`sg.extract` of folders and of documents that cannot be read, and its tables of CSV."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest
from finding_models import extracted, finder, sales_in

from structgen.base.errors import OptionError, ShortenedWarning

SALES = {"ada.txt": "Ada Byron bought 3 lamps.", "inside/bert.md": "Bert Reed bought 4 seeds."}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "mails"
    (place / "inside").mkdir(parents=True)
    for name, text in SALES.items():
        (place / name).write_text(text)
    return place


def values(found: Any) -> list[Any]:
    return [one.value for one in found]


WANTED = [sale for text in SALES.values() for sale in sales_in(text)]


def test_a_folder_has_the_items_of_its_files(folder: Path) -> None:
    found = extracted(finder()[0], folder)
    assert values(found) == WANTED and found.is_complete
    assert [item.document for item in found] == [*found.values] == ["ada.txt", "bert.md"]


def test_documents_that_cannot_be_read_are_failed_and_the_others_go_on(folder: Path) -> None:
    (folder / "b.png").write_bytes(b"\x89PNG\0")
    with pytest.warns(ShortenedWarning, match=r"b\.png: .*not text.*absent\.txt: The file does not exist"):
        found = extracted(finder()[0], [folder, folder / "absent.txt"])
    assert values(found) == WANTED and not found.is_complete and not found.is_stopped
    assert [(one.document, one.page, one.start, one.end) for one in found.failed] == [
        ("b.png", 0, 0, 0),
        ("absent.txt", 0, 0, 0),
    ]
    assert [str(folder / one.document) in one.error for one in found.failed] == [True, True]
    assert [*found.values] == [one.name for one in found.documents] == ["ada.txt", "bert.md"]
    assert "The file is not text" in found.page()


def test_the_one_value_of_two_documents_is_refused_though_one_could_not_be_read(folder: Path) -> None:
    with pytest.warns(ShortenedWarning):
        found = extracted(finder()[0], [folder / "ada.txt", folder / "absent.txt"])
    with pytest.raises(OptionError, match="The result has 2 documents"):
        _ = found.value
    assert len(found.values["ada.txt"]) == 1


def test_where_no_document_can_be_read_the_error_is_raised_before_a_page_is_asked(folder: Path) -> None:
    engine, model = finder()
    with pytest.raises(OptionError, match=r"absent\.txt: The file does not exist"):
        extracted(engine, [folder / "absent.txt", folder / "none.txt"])
    assert not model.prompts


def test_results_in_the_folder_that_is_read_are_continued_and_not_read(folder: Path) -> None:
    out = folder / "found.jsonl"
    first = extracted(finder()[0], folder, out=out)
    engine, model = finder()
    again = extracted(engine, folder, out=out)
    assert first.items == again.items and values(again) == WANTED and not model.prompts
    assert {path.name for path in folder.iterdir()} == {
        *("ada.txt", "inside"),
        *("found.jsonl", "found.jsonl.pages", "found.jsonl.pages.run"),
    }


@pytest.mark.parametrize("formulas", [False, True])
def test_a_file_that_is_named_as_a_formula_is_none_in_the_table(formulas: bool, tmp_path: Path) -> None:
    (tmp_path / "=ada.txt").write_text(SALES["ada.txt"])
    out = tmp_path / "found.csv"
    found = extracted(finder()[0], tmp_path / "=ada.txt", out=out, formulas=formulas)
    (row,) = csv.DictReader(out.open(newline=""))
    assert row["document"] == ("=ada.txt" if formulas else "'=ada.txt")
    found.write(tmp_path / "other.csv", formulas=formulas)
    assert (tmp_path / "other.csv").read_bytes() == out.read_bytes()
    assert found.to_csv(formulas=formulas).encode() == out.read_bytes()


def test_formulas_without_a_file_of_results_are_refused(folder: Path) -> None:
    with pytest.raises(OptionError, match=r"formulas: The file of results is missing"):
        extracted(finder()[0], folder, formulas=True)
