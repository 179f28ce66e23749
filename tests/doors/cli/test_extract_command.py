"""`structgen extract`: items of files, as JSON lines, as a table and as a page."""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from structgen.base.errors import SchemaWarning
from structgen.doors.cli import app

sys.path.insert(0, str(Path(__file__).parents[2]))
from openai_server import serving

TEXT = "Ada Brook is 36 years old.\n\nTom Reed is 41 years old.\n"
SCHEMA = {
    "type": "array",
    "items": {
        "type": "object",
        "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
        "required": ["name", "age"],
        "additionalProperties": False,
    },
}


def answer(body: dict[str, Any]) -> str:
    said = body["messages"][-1]["content"]
    people = [("Ada Brook", 36), ("Tom Reed", 41)]
    return json.dumps([{"name": name, "age": age} for name, age in people if name in said])


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "people.txt").write_text(TEXT)
    (tmp_path / "people.json").write_text(json.dumps(SCHEMA))
    (tmp_path / "read_people.py").write_text(
        "from pydantic import BaseModel\nclass Person(BaseModel):\n    name: str\n    age: int\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def run(*arguments: str, **how: Any) -> Any:
    return CliRunner().invoke(app(), ["extract", *arguments], **how)


WANTED = [{"name": "Ada Brook", "age": 36}, {"name": "Tom Reed", "age": 41}]


@pytest.mark.parametrize("how", [["--schema", "people.json"], ["--type", "list[read_people:Person]"]])
@pytest.mark.parametrize("page", ["16", "1000"])
def test_items_are_printed_with_their_places(how: list[str], page: str, folder: Path) -> None:
    with serving(answer) as server:
        told = run(
            "people.txt", "--model", server.model, *how, "-o", f"page_tokens={page}", "-o", "overlap=5"
        )
    assert told.exit_code == 0, told.output
    lines = [json.loads(line) for line in told.stdout.splitlines()]
    assert [line["value"] for line in lines] == WANTED
    assert [TEXT[slice(*line["places"]["/name"])] for line in lines] == ["Ada Brook", "Tom Reed"]
    assert "2 items" in told.stderr


def test_a_type_alone_asks_for_one_object_a_file(folder: Path) -> None:
    with serving('{"name": "Ada Brook", "age": 36}') as server:
        told = run("people.txt", "--model", server.model, "--type", "read_people:Person")
    assert [json.loads(line)["value"] for line in told.stdout.splitlines()] == WANTED[:1]


def test_a_table_a_page_and_answers_that_are_kept(folder: Path) -> None:
    with serving(answer) as server:
        how = ["people.txt", "--model", server.model, "--schema", "people.json", "--out", "found.csv"]
        assert run(*how, "--page", "found.html").exit_code == 0
        asked = len(server.bodies)
        assert run(*how).exit_code == 0 and len(server.bodies) == asked
        for value in ("false", "exact"):
            other = run(*how, "-o", f"quotes={value}")
            assert other.exit_code == 2 and "another option" in other.stderr
        wrong = run(*how, "-o", "quotes=yes")
        assert wrong.exit_code == 2 and '"exact"' in wrong.stderr
        assert run(*how, "-o", "quotes=false", "--start-over").exit_code == 0
    rows = list(csv.DictReader((folder / "found.csv").open()))
    assert [(row["name"], row["age"]) for row in rows] == [("Ada Brook", "36"), ("Tom Reed", "41")]
    assert "Ada Brook</mark>" in (folder / "found.html").read_text()


DEED = "made on 3 Bealtaine 2024, for the sum of 100 dollars"
DEEDS = """{"type": "array", "items": {"type": "object", "required": ["made", "total"], "properties":
{"made": {"type": "string", "format": "date"}, "total": {"type": "integer"}}}}"""


@pytest.mark.parametrize("how", [[], ["--strict"], ["-o", "strict=true"], ["--out", "found.csv"]])
def test_pages_that_are_not_asked_are_told_and_strict_exits_with_1(how: list[str], folder: Path) -> None:
    (folder / "deed.txt").write_text(DEED)
    (folder / "other.txt").write_text("Nothing is said here.")
    with serving("[]") as server:
        command = [
            "deed.txt",
            "other.txt",
            "--model",
            server.model,
            "--schema",
            DEEDS,
            "--page",
            "found.html",
        ]
        for _ in range(2):  # the second one reads the file of answers
            told = run(*command, *how)
            assert not server.bodies and told.exit_code == int("strict" in str(how)), told.output
            *hints, last = (line for line in told.stderr.splitlines() if not line.endswith(" torch ..."))
            assert last == "0 items, 0 of 2 pieces, 0 tokens; not asked: 2 pieces with no date for /made"
            assert [hint.partition(" Possible")[0] for hint in hints] == [
                "Hint: deed.txt: Not processed: 1 piece with no date for /made (piece 1).",
                "Hint: other.txt: Not processed: 1 piece with no date for /made (piece 1).",
            ]
            assert "characters 8 to 24 ('3 Bealtaine 2024')" in hints[0] and "unverified=True" in hints[0]
    assert "Not processed: 1 piece with no date for /made" in (folder / "found.html").read_text()


def test_strict_is_content_where_all_pages_are_asked(folder: Path) -> None:
    (folder / "deed.txt").write_text(DEED)
    with serving('[{"made": "2024-05-03", "total": 100}]') as server:
        how = ["deed.txt", "--model", server.model, "--schema", DEEDS, "-o", "unverified=true"]
        told = run(*how, "--strict")
    assert told.exit_code == 0 and "not asked" not in told.stderr and len(server.bodies) == 1
    (line,) = map(json.loads, told.stdout.splitlines())
    assert line["value"] == {"made": "2024-05-03", "total": 100} and line["unverified"] == ["/made"]
    assert DEED[slice(*line["places"]["/made"])] == "3 Bealtaine 2024"


def test_strict_says_nothing_of_the_keywords_of_a_schema(folder: Path) -> None:
    with serving(answer) as server, pytest.warns(SchemaWarning, match="mniItems"):
        schema = json.dumps({**SCHEMA, "mniItems": 1})
        told = run("people.txt", "--model", server.model, "--schema", schema, "--strict")
    assert told.exit_code == 0 and len(server.bodies) == 1


def test_strict_is_true_or_false(folder: Path) -> None:
    told = run("people.txt", "--schema", "people.json", "-o", "strict=maybe")
    assert told.exit_code == 2 and "strict" in told.stderr and "maybe" in told.stderr


@pytest.fixture
def mails(folder: Path) -> Path:
    mails = folder / "mails"
    (mails / "more").mkdir(parents=True)
    (mails / "ada.txt").write_text("Ada Brook is 36 years old.")
    (mails / "more/tom.txt").write_text("Tom Reed is 41 years old.")
    return mails


def test_a_folder_is_read_and_exits_with_0(mails: Path) -> None:
    with serving(answer) as server:
        told = run("mails", "--model", server.model, "--schema", "people.json")
    assert told.exit_code == 0 and "2 items, 2 of 2 pieces" in told.stderr
    lines = [json.loads(line) for line in told.stdout.splitlines()]
    assert [(line["document"], line["value"]) for line in lines] == [
        ("ada.txt", WANTED[0]),
        ("tom.txt", WANTED[1]),
    ]


@pytest.mark.parametrize("how", [[], ["--out", "found.csv"]])
def test_each_file_that_cannot_be_read_is_told_and_exits_with_1(how: list[str], mails: Path) -> None:
    for number in range(5):
        (mails / f"{number}.bin").write_bytes(b"\0")
    with serving(answer) as server:
        for _ in range(2):  # the second one reads the file of answers
            told = run("mails", "absent.txt", "--model", server.model, "--schema", "people.json", *how)
            assert told.exit_code == 1 and "2 items, 2 of 2 pieces" in told.stderr
            lines = [line for line in told.stderr.splitlines() if line.startswith("Failed: ")]
            names = [f"mails/{number}.bin" for number in range(5)]
            assert [line.split(":")[1].strip() for line in lines] == [*names, "absent.txt"]
            assert "not text" in lines[0] and "The file does not exist" in lines[-1]


def test_formulas_are_guarded_in_the_table_and_left_by_the_option(folder: Path) -> None:
    (folder / "=people.txt").write_text(TEXT)
    with serving(answer) as server:
        command = ["=people.txt", "--model", server.model, "--schema", "people.json"]
        for name, formulas, document in (
            ("a.csv", "false", "'=people.txt"),
            ("b.csv", "true", "=people.txt"),
        ):
            assert run(*command, "--out", name, "-o", f"formulas={formulas}").exit_code == 0
            rows = list(csv.DictReader((folder / name).open()))
            assert {row["document"] for row in rows} == {document}
        told = run(*command, "-o", "formulas=true")
        assert told.exit_code == 2 and "The file of results is missing" in told.stderr


def test_a_page_in_a_folder_that_is_read_is_refused(mails: Path) -> None:
    with serving(answer) as server:
        how = ["--model", server.model, "--schema", "people.json", "--page", "mails/more/found.html"]
        told = run("mails", *how)
        assert told.exit_code == 2 and "overwrite an input" in told.stderr and not server.bodies
        assert run("mails/ada.txt", *how).exit_code == 0


def test_standard_input_is_a_file(folder: Path) -> None:
    with serving(answer) as server:
        told = run("-", "--model", server.model, "--schema", "people.json", input=TEXT)
    assert {json.loads(line)["document"] for line in told.stdout.splitlines()} == {"standard input"}


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([], "The list of files is empty"),
        (["people.txt"], "One of --schema and --type is needed"),
        (["nothing.txt", "--schema", "people.json"], "nothing.txt: The file does not exist"),
        (["people.txt", "--schema", "people.json", "-o", "merge=all"], "places"),
        (["people.txt", "--type", "list[read_people:Nobody]"], "Nobody"),
        (["people.txt", "--schema", "people.json", "-o", "overlap=-1"], "overlap"),
        (["people.txt", "--schema", "people.json", "-o", "stop=x"], "no option 'stop'"),
    ],
)
def test_wrong_usage_is_told(arguments: list[str], told: str, folder: Path) -> None:
    found = run(*arguments)
    assert found.exit_code == 2 and told in " ".join(found.stderr.split())


@pytest.mark.parametrize("page", [".", "none/page.html", "people.txt"])
def test_a_page_that_cannot_be_written_is_refused_before_a_page_is_asked(page: str, folder: Path) -> None:
    with serving(answer) as server:
        told = run("people.txt", "--model", server.model, "--schema", "people.json", "--page", page)
        assert told.exit_code == 2 and "--page" in str(told.exception) + told.stderr and not server.bodies
    assert (folder / "people.txt").read_text() == TEXT


def test_pages_that_max_requests_left_out_are_told_and_exit_with_1(folder: Path) -> None:
    with serving(answer) as server:
        how = ["people.txt", "--model", server.model, "--schema", "people.json", "-o", "page_tokens=16"]
        told = run(*how, "-o", "overlap=0", "-o", "max_requests=1")
        assert len(server.bodies) == 1
    assert told.exit_code == 1, told.output
    assert "Hint: max_requests=1 ended the run: 1 of 2 pieces were not processed." in told.stderr
    assert told.stderr.splitlines()[-1].startswith("1 item, 1 of 2 pieces")
