"""`to_csv`, `to_json`, `to_html`, `to_jsonl`: a path or the text, and paths that cannot be written."""

from __future__ import annotations

import json
import os
import pickle
from pathlib import Path
from typing import Any

import pytest
from finding_models import extracted, finder

import structgen as sg
from structgen.asking.grounding.evidence import evidence_of
from structgen.asking.grounding.stated_text import StatedText

ADA = "Ada Byron bought 3 lamps."
METHODS = ("to_csv", "to_json", "to_html")


@pytest.fixture(params=["extraction", "evidence"])
def found(request: pytest.FixtureRequest) -> Any:
    if request.param == "evidence":
        return evidence_of({"name": "Ada é", "count": 3}, StatedText({"text": f"{ADA} é"}))
    return extracted(finder()[0], f"{ADA} Bert Reed bought 4 seeds.")


@pytest.mark.parametrize("as_path", [str, Path])
@pytest.mark.parametrize("method", METHODS)
def test_a_path_gets_what_is_returned_without_one(
    found: Any, method: str, as_path: Any, tmp_path: Path
) -> None:
    file = tmp_path / "ärger mit leer.x"
    file.write_text("old")
    assert getattr(found, method)(as_path(file)) is None
    assert file.read_bytes().decode() == getattr(found, method)() == getattr(found, method)(None)
    assert [*tmp_path.iterdir()] == [file]


def test_the_texts_of_an_extraction_say_the_same(tmp_path: Path) -> None:
    found = extracted(finder()[0], f"{ADA} Bert Reed bought 4 seeds.")
    assert json.loads(found.to_json()) == [json.loads(line) for line in found.to_jsonl().splitlines()]
    assert len(found) == 2 and found.to_html() == found.page()
    assert found.to_jsonl(tmp_path / "a.jsonl") is None
    assert (tmp_path / "a.jsonl").read_text() == found.to_jsonl()
    found.to_csv(tmp_path / "a.csv", formulas=True)
    assert (tmp_path / "a.csv").read_bytes().decode() == found.to_csv(formulas=True)
    for name, text in (("b.csv", found.to_csv()), ("b.HTML", found.page()), ("b.json", found.to_jsonl())):
        found.write(tmp_path / name)
        assert (tmp_path / name).read_bytes().decode() == text
    assert [item.json for item in found] == [
        json.loads(line)["value"] for line in found.to_jsonl().splitlines()
    ]


@pytest.mark.parametrize("method", [*METHODS, "write"])
def test_a_path_that_cannot_be_written_is_our_error(found: Any, method: str, tmp_path: Path) -> None:
    write = getattr(found, method)
    (tmp_path / "file").write_text("x")
    for place, words in (
        ("absent/a.csv", f"The folder {tmp_path / 'absent'} does not exist: make it"),
        ("file/a.csv", "Not a directory"),
        ("a" * 300, "File name too long"),
        ("\ud800.csv", "surrogates not allowed"),
    ):
        with pytest.raises(sg.errors.OutputError) as caught:
            write(tmp_path / place)
        error = caught.value
        assert isinstance(error, sg.StructgenError) and isinstance(error, OSError)
        assert words in str(error) and error.where == "path"
        again = pickle.loads(pickle.dumps(error))
        assert (type(again), str(again), again.cure) == (type(error), str(error), error.cure)
    assert os.listdir(tmp_path) == ["file"]


@pytest.mark.parametrize("path", [5, "", ".", "/", "a\0b", b"a.csv", ["a"], True])
@pytest.mark.parametrize("method", METHODS)
def test_what_is_no_path_of_a_file_is_refused(found: Any, method: str, path: Any) -> None:
    with pytest.raises(sg.errors.OptionError, match=r"path: .* is not the path of a file"):
        getattr(found, method)(path)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_the_right_to_write_is_told(found: Any, tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(sg.errors.OutputError, match="Permission denied"):
        found.to_csv(tmp_path / "a.csv")
