"""The domains of checked sampling: forty tasks each, whose answers their grammar, checker and question accept;
checkers that are monotone, and that refuse what is wrong; the rows that compare the methods."""

from __future__ import annotations

import importlib
import random
import sys
from collections import Counter
from pathlib import Path

import pytest

import structgen as sg
from structgen.system.resources import small_tokenizer

sys.path.insert(0, str(Path(__file__).parents[2] / "bench"))

from methods import checked_domain

DOMAINS = ("sql", "molecules", "goals", "patterns", "receipts")
TOKENIZER = sg.Tokenizer.from_huggingface(small_tokenizer())


def domain(name):
    """Return a domain; skips where its package is not installed."""
    found = importlib.import_module(f"methods.domain_{name}")
    if found.missing():
        pytest.skip(f"{found.missing()} is not installed")
    return found


def verdict(name, checker, text):
    """Return whether a checker accepts a text; that of receipts is asked about values as they close."""
    if name != "receipts":
        return checked_domain.accepts(checker, text)
    return checker.final(text)


@pytest.mark.parametrize("name", DOMAINS)
def test_the_answer_of_each_task_is_of_the_grammar_passes_the_checker_and_is_right(name):
    tasks = domain(name).tasks()
    assert len(tasks) == 40
    assert len({task.prompt for task in tasks}) == 40
    for task in [*tasks, domain(name).small()]:
        compiled = sg.compile(task.grammar, TOKENIZER)
        end = compiled.step_bytes(compiled.start, task.answer.encode())
        assert end is not None, task
        assert compiled.may_end(end), task
        assert verdict(name, task.checker, task.answer), task
        assert task.is_right(task.answer), task
        assert len(TOKENIZER.encode(task.answer.encode())) <= 2 * task.max_tokens


@pytest.mark.parametrize("name", DOMAINS)
def test_no_prompt_tells_the_answer(name):
    for task in domain(name).tasks():
        assert task.answer not in task.prompt, task


@pytest.mark.parametrize("name", DOMAINS)
def test_the_answers_of_other_tasks_are_mostly_wrong(name):
    tasks = domain(name).tasks()
    wrong = sum(
        not (verdict(name, task.checker, other.answer) and task.is_right(other.answer))
        for task in tasks
        for other in random.Random(5).sample(tasks, 10)
        if other.answer != task.answer
    )
    assert wrong > 360


@pytest.mark.parametrize("name", ["sql", "molecules", "goals", "patterns"])
def test_a_checker_that_refuses_a_prefix_refuses_each_longer_one(name):
    chance, found = random.Random(3), Counter()
    tasks = domain(name).tasks()
    for task in chance.sample(tasks, 12):
        for other in [*chance.sample(tasks, 12), task, task]:
            text = list(other.answer)
            at = chance.randrange(len(text))
            text[at : at + 1] = chance.choice(["", chance.choice(task.answer), text[at] * 2])
            data = "".join(text).encode()
            answers = [task.checker.viable(data[:end]) for end in range(len(data) + 1)]
            assert answers == sorted(answers, reverse=True), (task, data)
            found[answers[-1]] += 1
            if task.checker.final(data.decode()):
                assert answers[-1], (task, data)
    assert found[False] > 10
    assert found[True] > 10
