"""The tasks of bench/bench_answers.py are what they are said to be; its sealed half is the committed one."""

from __future__ import annotations

import csv
import hashlib
import json
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("pydantic")

from compiled_texts import takes

import structgen as sg
from structgen.asking.python_types.type_hints import read_type

sys.path.insert(0, str(Path(__file__).parents[1] / "bench"))

from answer_peers import literal
from answer_tasks import (
    ANSWERS,
    HALVES,
    Task,
    call_schema,
    count_fields,
    count_right,
    hint,
    plain,
    read_answer,
    read_tasks,
)
from bench_answers import SEALED, holds, judged, undescribed

TASKS = [task for half in HALVES for task in read_tasks(half)]


@pytest.mark.parametrize("half", SEALED)
def test_a_sealed_half_is_the_one_that_was_committed_before_defaults_were_chosen(half: str) -> None:
    assert hashlib.sha256((ANSWERS / f"{half}.json").read_bytes()).hexdigest() == SEALED[half]


@pytest.mark.parametrize("half", HALVES)
def test_each_half_has_five_tasks_of_each_of_24_kinds(half: str) -> None:
    kinds = Counter(task.kind for task in read_tasks(half))
    assert len(kinds) == 24
    assert set(kinds.values()) == {5}


def test_no_two_tasks_are_alike_and_each_is_worded_in_two_ways() -> None:
    asked = [" ".join(task.question(wording).split()) for task in TASKS for wording in ("first", "other")]
    assert len(set(asked)) == len(asked) == 480
    assert len({task.id for task in TASKS}) == 240


def test_a_text_stands_in_both_wordings() -> None:
    for task in TASKS:
        for wording in ("first", "other"):
            assert task.template(wording).count("{text}") == (task.text is not None), task.id
            assert task.template(wording).count("{") == (task.text is not None), task.id


def document(task: Task) -> str:
    """Return the text that answers a task."""
    if isinstance(task.answer, str) and ("python" not in task.type or hint(task) is str):
        return task.answer
    if "tools" in task.type and "arguments" not in task.answer:
        names = [one["properties"] for one in call_schema(task).get("anyOf", [])]
        (called,) = (one for one in names if one["name"]["const"] == task.answer["name"])
        given = dict.fromkeys(called["arguments"]["properties"], "x")
        given.update(
            {name: 1 for name, one in called["arguments"]["properties"].items() if one["type"] == "integer"}
        )
        return json.dumps({**task.answer, "arguments": given})
    return json.dumps(task.answer)


def grammar(task: Task) -> Any:
    """Return the grammar of a task's documents; None for free text."""
    if "regex" in task.type:
        return sg.regex(task.type["regex"])
    if "lark" in task.type:
        return sg.lark(task.type["lark"])
    if "tools" in task.type:
        return sg.json_schema(call_schema(task))
    made = hint(task)
    if made is str:
        return None
    reader = read_type(made)
    return sg.json_schema(reader.schema, **reader.policies)


def test_each_certain_answer_is_accepted_by_the_grammar_of_its_type() -> None:
    tokenizer = sg.Tokenizer.from_bytes([*(bytes((byte,)) for byte in range(256)), None], eos_token_id=256)
    compiled: dict[str, Any] = {}
    for task in TASKS:
        made = grammar(task)
        if made is None:
            continue
        key = json.dumps(dict(task.type))
        if key not in compiled:
            compiled[key] = sg.compile(made, tokenizer)
        assert takes(compiled[key], document(task)), task.id


def test_each_certain_answer_has_all_its_fields_right() -> None:
    for task in TASKS:
        assert count_right(task, read_answer(task, document(task))) == count_fields(task.answer), task.id


def spoilt(value: Any) -> Any:
    """Return a value of which no field is right."""
    if isinstance(value, dict):
        return {key: spoilt(one) for key, one in value.items()}
    if isinstance(value, list):
        return [spoilt(one) for one in value]
    if isinstance(value, str):
        return value + " and more"
    return "none" if value is None else not value if isinstance(value, bool) else value + 1000


def test_a_wrong_answer_and_an_empty_one_have_no_field_right() -> None:
    for task in TASKS:
        for value in (spoilt(task.answer), "", {}, [], 0.5):
            assert count_right(task, value) == 0, (task.id, value)


def test_each_spelling_that_is_accepted_is_of_a_field_and_right_there() -> None:
    def places(value: Any, at: str = "") -> Iterator[str]:
        yield at
        inner = (
            value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
        )
        for key, one in inner:
            yield from places(one, f"{at}/{key}")

    def put(value: Any, at: list[str], new: str) -> Any:
        if not at:
            return new
        if isinstance(value, dict):
            return {key: put(one, at[1:], new) if key == at[0] else one for key, one in value.items()}
        return [put(one, at[1:], new) if str(place) == at[0] else one for place, one in enumerate(value)]

    for task in TASKS:
        assert {*task.accepts, *task.compare} <= set(places(task.answer)), task.id
        for at, spellings in task.accepts.items():
            for spelling in spellings:
                value = put(task.answer, at.split("/")[1:], spelling)
                assert count_right(task, value) == count_fields(task.answer), (task.id, spelling)


def made_task(answer: Any, **more: Any) -> Task:
    return Task("x", "x", "x", "y", {"python": "", "returns": "list[str]"}, answer, **more)


@pytest.mark.parametrize(
    ("answer", "found", "right"),
    [
        (["a", "b", "c"], ["c", "a"], 2),
        (["a", "b", "c"], ["A", " b ", "c."], 3),
        (["a", "b"], ["a", "b", "d"], 1),
        (["a", "b"], ["a", "a"], 1),
        (["a", "b"], ["d", "e", "f", "g"], 0),
        ([{"n": "a", "q": 1}, {"n": "b", "q": 2}], [{"n": "b", "q": 2}, {"n": "a", "q": 5}], 3),
        ({"n": 1.5, "m": 2}, {"n": 1.5, "m": 2.0}, 2),
        ({"n": True}, {"n": 1}, 0),
        ({"n": 1}, {"n": True}, 0),
        ({"n": None}, {}, 0),
    ],
)
def test_the_fields_of_an_answer_are_counted_as_the_page_says(answer: Any, found: Any, right: int) -> None:
    assert count_right(made_task(answer), found) == right


def test_an_ordered_list_is_compared_place_by_place_and_an_exact_text_letter_by_letter() -> None:
    assert count_right(made_task(["a", "b", "c"], compare={"": "ordered"}), ["b", "a", "c"]) == 1
    assert count_right(made_task("Ab", compare={"": "exact"}), "ab") == 0


def test_a_value_of_python_is_compared_as_json_has_it() -> None:
    task = next(task for task in TASKS if task.type.get("returns") == "dt.date")
    assert plain(task, read_type(hint(task)).read_document(json.dumps(task.answer))) == task.answer


def test_a_row_is_run_and_its_figures_are_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("torch")
    import bench_answers

    given = ["--rows", "embedded", "--only", "dates", "money", "--answers", str(tmp_path / "answers")]
    monkeypatch.setattr(sys, "argv", ["x", *given, "--results", str(tmp_path)])
    bench_answers.main()
    (file,) = tmp_path.glob("answers-*.csv")
    with file.open(encoding="utf-8") as lines:
        rows = {row["kind"]: row for row in csv.DictReader(lines)}
    assert list(rows) == ["all", "dates", "money"]
    for column in ("fields", "right", "tasks", "complete", "tokens", "errors"):
        assert int(rows["all"][column]) == sum(int(rows[kind][column]) for kind in ("dates", "money"))
    kept = [json.loads(line) for line in (tmp_path / "answers").read_text(encoding="utf-8").splitlines()]
    assert len(kept) == int(rows["all"]["tasks"])
    assert sum(one["right"] for one in kept) == int(rows["all"]["right"]) > 0


def test_answers_of_the_sealed_half_are_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import bench_answers

    monkeypatch.setattr(sys, "argv", ["x", "--half", "sealed", "--answers", str(tmp_path / "answers")])
    with pytest.raises(SystemExit):
        bench_answers.main()


def test_of_48_tasks_of_descriptions_each_answer_is_of_its_type_and_each_field_is_described() -> None:
    halves = [read_tasks(f"described-{half}") for half in HALVES]
    assert [set(Counter(task.kind for task in half).values()) for half in halves] == [{4}, {4}]
    tasks = [task for half in halves for task in half]
    assert len({task.id for task in tasks}) == 48
    assert sum(count_fields(task.answer) for task in tasks) >= 150
    for task in tasks:
        assert plain(task, read_type(hint(task)).read_document(json.dumps(task.answer))) == task.answer
        assert count_right(task, task.answer) == count_fields(task.answer)
        for asked, is_described in ((task, True), (undescribed(task), False)):
            members = read_type(hint(asked)).schema["properties"].values()
            assert {"description" in one for one in members} == {is_described}


def of(**kind: str) -> Task:
    return Task("x", "x", "x", "y", kind, "unused")


def test_a_text_of_another_library_counts_where_its_grammar_holds() -> None:
    code = of(regex="[A-Z][0-9]")
    lark = of(lark='start: "SELECT " ("a" | "b")')
    assert holds(code, "A1") and not holds(code, "A12")
    assert holds(lark, "SELECT b") and not holds(lark, "SELECT c")
    assert judged(code, "A1", 2, 0.0, False, "").complete
    assert judged(code, "A12", 2, 0.0, False, "").error == "no document: the grammar does not hold"
    assert not judged(of(python="", returns="int"), '"seven"', 2, 0.0, False, "").complete


@pytest.mark.parametrize(
    ("returns", "text", "document"),
    [
        ("bool", "True", "true"),
        ('Literal["yes", "no"]', "yes", '"yes"'),
        ("list[str]", "['a', 'b']", '["a", "b"]'),
        ("dt.date", "2026-05-03", '"2026-05-03"'),
        ("int", "12", "12"),
        ("str", "Paris", "Paris"),
        ("int", "twelve", "twelve"),
    ],
)
def test_values_that_a_library_writes_as_python_does_are_read(returns: str, text: str, document: str) -> None:
    assert literal(of(python="", returns=returns), text) == document
