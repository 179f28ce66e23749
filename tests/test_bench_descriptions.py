"""The tasks of bench/bench_descriptions.py are as described; the sealed half is the committed one."""

from __future__ import annotations

import hashlib
import json
import sys
from collections import Counter
from pathlib import Path

import pytest

pytest.importorskip("pydantic")

sys.path.insert(0, str(Path(__file__).parents[1] / "bench"))

from answer_tasks import ANSWERS, count_fields, count_right, hint, plain, read_tasks
from bench_descriptions import FORMS, SEALED, count_copied, described, fields_right, sign_test

from structgen.python_types.type_hints import read_type

TASKS = [task for half in ("open", "sealed") for task in read_tasks(f"described-{half}")]


def test_the_sealed_half_is_the_one_that_was_committed_before_a_form_was_chosen() -> None:
    assert hashlib.sha256((ANSWERS / "described-sealed.json").read_bytes()).hexdigest() == SEALED


def test_there_are_48_tasks_of_six_kinds_and_at_least_150_fields() -> None:
    assert len({task.id for task in TASKS}) == 48
    for half in ("open", "sealed"):
        assert set(Counter(task.kind for task in read_tasks(f"described-{half}")).values()) == {4}
    assert sum(count_fields(task.answer) for task in TASKS) >= 150


def test_each_answer_is_of_its_type_and_right_and_each_field_is_described() -> None:
    for task in TASKS:
        reader = read_type(hint(task))
        assert plain(task, reader.read(json.dumps(task.answer))) == task.answer
        assert all(fields_right(task, task.answer)) and count_right(task, task.answer) == len(
            fields_right(task, task.answer)
        )
        assert all(described(reader.schema).values())


def test_each_form_but_none_holds_each_description_once() -> None:
    task = next(one for one in TASKS if one.id == "described-keys-1")
    schema = read_type(hint(task)).schema
    for name, form in FORMS.items():
        prompt = "\n".join(text for _, text in form(task.question("first"), schema))
        for text in described(schema).values():
            assert prompt.count(text) == (name != "none"), (name, text)


def test_copies_are_counted() -> None:
    task = next(one for one in TASKS if one.id == "described-keys-1")
    texts = described(read_type(hint(task)).schema)
    assert count_copied(task, task.answer, texts) == 0
    assert count_copied(task, {**task.answer, "a": "the city", "b": texts["b"], "c": "Bern"}, texts) == 2


def test_the_sign_test_is_two_sided() -> None:
    assert sign_test(0, 0) == 1 and sign_test(3, 3) == 1
    assert sign_test(4, 0) == sign_test(0, 4) == 0.125
    assert sign_test(9, 1) == pytest.approx(2 * 11 / 1024)
