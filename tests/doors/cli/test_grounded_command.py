"""Grounded answers on the command line: `-o grounded=`, `quotes=`, `missing=` and `evidence=`."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("babel")
pytest.importorskip("text_to_num")

from command_line import Result, commanded
from for_each import for_each
from openai_server import serving

TYPES = """
from typing import Annotated
from pydantic import BaseModel
import structgen as sg

class Bill(BaseModel):
    shop: str
    total: float

class Quoted(BaseModel):
    shop: Annotated[str, sg.Quote(words=2)]
"""
MAIL = "Harbour Books asks for 61.40 euros."
OTHER = "Station Inn asks for 12 pounds."

SAVED = {
    "type": "object",
    "properties": {"shop": {"type": "string"}, "total": {"type": "number"}},
    "required": ["shop", "total"],
}
pytestmark = pytest.mark.filterwarnings("ignore::structgen.base.errors.GroundedWarning")


@pytest.fixture(autouse=True)
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "bill_types.py").write_text(TYPES)
    (tmp_path / "mail.txt").write_text(MAIL)
    (tmp_path / "latin.txt").write_bytes("61 é".encode("latin-1"))
    (tmp_path / "tools.json").write_text(json.dumps([{"name": "save", "parameters": SAVED}]))
    (tmp_path / "prompts.jsonl").write_text("".join(f"{json.dumps(one)}\n" for one in (MAIL, "Shop.", OTHER)))
    monkeypatch.chdir(tmp_path)


def generate(prompt: str, *options: str, kind: str = "Bill", model: str = "structgen/extract") -> Result:
    """Return how a command ends; each option is written `-o`."""
    words = [word for one in options for word in (("-o", one) if "=" in one else (one,))]
    return commanded("generate", "--model", model, "--type", f"bill_types:{kind}", "--prompt", prompt, *words)


@for_each(
    ("prompt", "option", "total"),
    [
        (MAIL, "grounded=true", 61.4),
        ("How much, 7?", "grounded=@mail.txt", 61.4),
        ("How much, 7?", 'grounded={"a": "Nothing.", "b": "@mail.txt"}', 61.4),
        ("How much, 7?", "grounded=It costs 8 euros", 8),
        ("How much, 7?", "grounded=false", 7),
    ],
)
def test_a_number_is_one_of_the_text_that_is_meant(prompt: str, option: str, total: float) -> None:
    found = generate(prompt, option)
    assert found.exit_code == 0 and json.loads(found.stdout)["total"] == total


@for_each(
    ("options", "error"),
    [
        (["grounded=@none.txt"], "none.txt: No such file"),
        (['grounded={"a": "@none.txt"}'], "none.txt: No such file"),
        (["grounded=@latin.txt"], "latin.txt is not UTF-8"),
        (["grounded=5"], "got 5"),
        (["grounded={}"], "got {}"),
        (["missing=free"], "has no effect without grounded="),
        (["grounded=true", "missing=maybe"], "missing"),
        (["evidence=page.html"], "The option needs grounded answers"),
        (["grounded=false", "evidence=page.html"], "The option needs grounded answers"),
        (["grounded=@mail.txt", "n=2", "evidence=page.html"], "of one text only"),
    ],
)
def test_what_cannot_be_answered_so_is_told_and_nothing_is_printed(options: list[str], error: str) -> None:
    found = generate("How much?", *options)
    assert (found.exit_code, found.stdout) == (2, "") and error in found.stderr
    assert not Path("page.html").exists()


def test_the_arguments_of_calls_are_held() -> None:
    options = ["-o", "tool_choice=required", "-o", "grounded=true", "-o", "quotes=true", "--json"]
    found = commanded(
        "generate", "--tools", "tools.json", "--prompt", MAIL, *options, "-o", "evidence=list.json"
    )
    assert found.exit_code == 0, found.stderr
    (call,) = json.loads(found.stdout)["calls"]
    assert call["arguments"]["total"] == 61.4 and call["arguments"]["shop"] in MAIL
    listed = json.loads(Path("list.json").read_text())
    assert [(one["path"], one["places"][0]["words"]) for one in listed][1] == ("/0/total", "61.40")
    found = commanded("generate", "--tools", "tools.json", "--prompt", "How much?", *options)
    assert found.exit_code == 1 and "no number for /total" in found.stderr


def test_they_are_refused_without_a_schema() -> None:
    for words in (["--regex", "[0-9]+"], []):
        found = commanded("generate", *words, "--prompt", MAIL, "-o", "grounded=true")
        assert found.exit_code == 2 and "that a text could state" in found.stderr


def test_missing_free_lets_the_model_write() -> None:
    found = generate("How much?", "grounded=true", "missing=free")
    assert found.exit_code == 0 and "total" in json.loads(found.stdout)


def test_quotes_are_runs_of_the_prompt_with_and_without_the_option() -> None:
    first = generate(MAIL, "quotes=true", "grounded=Station Inn, 5")
    assert json.loads(first.stdout)["shop"] in "Station Inn, 5"
    second = json.loads(generate("Zyx wvu tsr.", kind="Quoted").stdout)["shop"]
    assert second in "Zyx wvu tsr." and len(second.split()) <= 2
    third = generate(MAIL, "grounded=Station Inn", kind="Quoted")
    assert json.loads(third.stdout)["shop"] in "Station Inn"


def test_each_of_many_texts_is_held() -> None:
    found = generate("How much?", "grounded=3 or 4 euros", "n=3", "--temperature", "1.5", "--seed", "1")
    assert {json.loads(one)["total"] for one in found.stdout.splitlines()} <= {3, 4}


def test_a_stream_is_held() -> None:
    found = generate("How much, 7?", "grounded=@mail.txt", "--stream")
    assert found.exit_code == 0 and json.loads(found.stdout)["total"] == 61.4


def test_evidence_is_written_as_the_name_of_its_file_says() -> None:
    for name in ("page.html", "table.csv", "list.json"):
        assert generate(MAIL, "grounded=@mail.txt", f"evidence={name}").exit_code == 0
    with Path("table.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    listed = json.loads(Path("list.json").read_text())
    assert [one["path"] for one in rows] == [one["path"] for one in listed] == ["/shop", "/total"]
    assert rows[1]["words"] == listed[1]["places"][0]["words"] == "61.40"
    assert "<mark" in Path("page.html").read_text() and "61.40" in Path("page.html").read_text()


def test_evidence_of_quotes_needs_no_other_option() -> None:
    assert generate(MAIL, "quotes=true", "evidence=list.json", "--json").exit_code == 0
    assert json.loads(Path("list.json").read_text())[0]["path"] == "/shop"


def test_evidence_that_cannot_be_written_leaves_the_answer_and_no_file() -> None:
    found = generate(MAIL, "grounded=true", "evidence=none/page.html")
    assert found.exit_code == 2 and json.loads(found.stdout)["total"] == 61.4
    assert "none/page.html" in found.stderr and not Path("none").exists()


def bulk(*options: str, kind: str = "Bill", model: str = "structgen/extract") -> Result:
    words = [word for one in options for word in ("-o", one)]
    start = ["bulk", "prompts.jsonl", "--out", "out.jsonl", "--model", model]
    return commanded(*start, "--type", f"bill_types:{kind}", *words)


def lines() -> list[dict[str, Any]]:
    found = [json.loads(one) for one in Path("out.jsonl").read_text().splitlines()]
    return sorted(found, key=lambda one: one["line"])


def test_one_prompt_of_a_file_that_states_nothing_has_its_error_and_the_others_their_answers() -> None:
    assert bulk("grounded=true").exit_code == 0
    first, second, third = lines()
    assert (first["value"]["total"], third["value"]["total"]) == (61.4, 12)
    assert "states no number for /total" in second["error"] and "value" not in second


def test_a_run_goes_on_where_it_ended_and_not_with_other_texts() -> None:
    assert bulk("grounded=true").exit_code == 0
    whole = Path("out.jsonl").read_bytes()
    Path("out.jsonl").write_bytes(whole[: whole.index(b"\n") + 1])
    assert bulk("grounded=true").exit_code == 0
    assert [one["line"] for one in lines()] == [0, 1, 2] and Path("out.jsonl").read_bytes() == whole
    for other in (["grounded=@mail.txt"], []):
        found = bulk(*other)
        assert found.exit_code == 2 and "another run" in found.stderr


def test_a_file_of_prompts_is_held_to_one_text() -> None:
    assert bulk("grounded=@mail.txt").exit_code == 0
    assert {one["value"]["total"] for one in lines()} == {61.4}


def test_quotes_of_a_type_are_runs_of_each_prompt() -> None:
    assert bulk(kind="Quoted").exit_code == 0
    for one, prompt in zip(lines(), (MAIL, "Shop.", OTHER), strict=True):
        assert one["value"]["shop"] in prompt


def test_a_server_is_sent_the_stated_values_and_the_answer_is_judged_here() -> None:
    with serving('{"shop": "Harbour Books", "total": 61.4}') as server:
        found = generate("How much?", "grounded=@mail.txt", "evidence=list.json", model=server.model)
        assert found.exit_code == 0 and len(json.loads(Path("list.json").read_text())) == 2
        schema = server.bodies[0]["response_format"]["json_schema"]["schema"]
        assert schema["properties"]["total"]["enum"] == [61.4]
        refused = generate("How much?", "grounded=It is 7", "attempts=1", model=server.model)
        assert refused.exit_code == 1 and "expected 7" in refused.stderr


def test_a_server_answers_a_file_with_one_prompt_that_states_nothing() -> None:
    with serving(_bill) as server:
        assert bulk("grounded=true", model=server.model).exit_code == 0
    first, second, third = lines()
    assert (first["value"]["total"], third["value"]["total"]) == (61.4, 12)
    assert "states no number" in second["error"] and len(server.bodies) == 2


def _bill(body: dict[str, Any]) -> dict[str, Any]:
    total = 61.4 if "61.40" in body["messages"][-1]["content"] else 12
    return {"content": json.dumps({"shop": "a", "total": total})}


@for_each(
    ("options", "error"),
    [
        (["grounded=true"], "states no number for /total"),
        (["grounded="], "The text is empty"),
        (["grounded=true", "--stream"], "states no number for /total"),
    ],
)
def test_what_is_not_stated_ends_the_command_with_status_1(options: list[str], error: str) -> None:
    found = generate("How much?", *options)
    assert (found.exit_code, found.stdout) == (1, "") and error in found.stderr
