"""The domains of checked sampling: forty tasks each, whose answers their grammar, checker and question
accept; checkers that are monotone, and that refuse what is wrong; the rows that compare the methods."""

from __future__ import annotations

import functools
import importlib
import math
import random
import sys
from collections import Counter

import numpy as np
import pytest
from methods import checked_domain, domains_rows

import structgen as sg
from structgen.decoding.runs.resources import small_tokenizer

DOMAINS = ("sql", "molecules", "goals", "patterns", "receipts")
TOKENIZER = sg.Tokenizer.from_huggingface(small_tokenizer())


def domain(name):
    """Return a domain; skips where its package is not installed."""
    found = importlib.import_module(f"methods.domain_{name}")
    if found.missing():
        pytest.skip(found.missing())
    return found


def verdict(name, checker, text):
    """Return whether a checker accepts a text; that of receipts is asked about values as they close."""
    if name != "receipts":
        return checked_domain.accepts(checker, text)
    return checker.final(text)


def is_of(grammar, text):
    """Return whether a text is one of a grammar."""
    compiled = sg.compile(grammar, TOKENIZER)
    end = compiled.bytes_index(compiled.start.index, text.encode())
    return end >= 0 and compiled.may_end(end)


@pytest.mark.parametrize("name", DOMAINS)
def test_the_answer_of_each_task_is_of_the_grammar_passes_the_checker_and_is_right(name):
    tasks = domain(name).tasks()
    assert len(tasks) == 40
    assert len({task.text() for task in tasks}) == 40
    for task in [*tasks, domain(name).small()]:
        assert is_of(task.grammar, task.answer), task
        assert verdict(name, task.checker, task.answer), task
        assert task.is_right(task.answer), task
        assert len(TOKENIZER.encode(task.answer.encode())) <= 2 * task.max_tokens


@pytest.mark.parametrize("name", DOMAINS)
def test_worked_examples_are_of_the_grammar_and_none_is_a_task(name):
    tasks = domain(name).tasks()
    answers, questions = {task.answer for task in tasks}, {task.question for task in tasks}
    shown = {pair for task in tasks for pair in task.shown}
    assert len(shown) >= 4
    for question, answer in shown:
        assert is_of(tasks[0].grammar, answer), answer
        assert question not in questions
    assert not answers & {answer for _, answer in shown}


def test_a_task_is_a_talk_whose_last_question_waits_for_its_answer():
    task = domain("receipts").tasks()[0]
    said = task.messages()
    assert [one["role"] for one in said] == ["system", *["user", "assistant"] * len(task.shown), "user"]
    assert said[2]["content"] == task.shown[0][1]
    assert said[-1]["content"] == task.question


@pytest.mark.parametrize("name", DOMAINS)
def test_no_prompt_tells_the_answer(name):
    for task in domain(name).tasks():
        assert task.answer not in task.text(), task


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
            if is_of(task.grammar, data.decode()) and task.checker.final(data.decode()):
                assert answers[-1], (task, data)
    assert found[False] > 10
    assert found[True] > 10


BYTES = sg.Tokenizer.from_bytes([*(bytes([one]) for one in range(32, 127)), b"<end>"], eos_token_id=95)


class ByteModel:
    """A toy model of bytes that knows a grammar: a tenth of its mass is on any byte, the rest on those that
    may come. So no text of the grammar is so rare that it cannot be told from none."""

    def __init__(self, grammar):
        self.compiled = sg.compile(grammar, BYTES)
        self.row = functools.cache(self._row)

    def __call__(self, ids):
        return self.row(tuple(ids))

    def _row(self, ids):
        text = bytes(one + 32 for one in ids)
        state = self.compiled.bytes_index(self.compiled.start.index, text)
        wanted = [one for one in range(95) if self.compiled.bytes_index(state, bytes([one + 32])) >= 0]
        wanted += [95] if self.compiled.may_end(state) else []
        row = np.full(96, 0.1 / 96)
        row[wanted] += 0.9 * np.random.default_rng([7, *text[-2:]]).dirichlet(np.full(len(wanted), 2.0))
        return np.log(row)


@functools.cache
def enumerated_law(name):
    """Return the probability of each text of a small task that `final` accepts, whatever `viable` says."""
    task, law = domain(name).small(), {}
    model = ByteModel(task.grammar)
    waiting = [((), 0.0)]
    while waiting:
        ids, logprob = waiting.pop()
        row = model(ids)
        text = bytes(one + 32 for one in ids)
        state = model.compiled.bytes_index(model.compiled.start.index, text)
        if model.compiled.may_end(state) and task.checker.final(text.decode()):
            law[text.decode()] = math.exp(logprob + row[95])
        for token in range(95):
            if model.compiled.bytes_index(state, bytes([token + 32])) >= 0:
                waiting.append(((*ids, token), logprob + float(row[token])))
    return law


def small_draws(task, n, method):
    model = ByteModel(task.grammar)
    options = {"max_tokens": 80, "tokenizer": BYTES, "name": "bytes", "seed": 4}
    return sg.sample(model, [], model.compiled, n, method=method, checkers=[task.checker], **options)


@pytest.mark.parametrize("name", DOMAINS)
def test_the_law_of_the_small_task_is_that_of_the_whole_texts_that_the_checker_accepts(name):
    task = domain(name).small()
    law = enumerated_law(name)
    found = small_draws(task, 5000, "beams")
    assert found.lists_all
    assert dict(zip(found.texts, np.exp(found.log_weights), strict=True)) == pytest.approx(law)
    assert task.answer in law


@pytest.mark.parametrize(
    ("name", "method"), [("sql", "awrs"), ("goals", "awrs"), ("patterns", "smc"), ("receipts", "smc")]
)
def test_particles_estimate_how_much_the_grammar_and_the_checker_leave(name, method):
    task = domain(name).small()
    z = math.fsum(enumerated_law(name).values())
    estimates = np.exp(small_draws(task, 256, method).log_z_of_clouds)
    error = estimates.std(ddof=1) / math.sqrt(len(estimates))
    assert error < 0.5 * z
    assert abs(estimates.mean() - z) < 4 * error


def test_each_way_has_a_row_of_figures_and_the_default_is_nearest_to_the_law(monkeypatch):
    monkeypatch.setattr(domains_rows, "SMALL_DRAWS", 16)
    engine = sg.Engine("structgen/extract")
    rows = domains_rows.rows(tasks=1, draws=2, seeds=1, domains=("patterns",), model=engine)
    assert [row["method"] for row in rows] == list(domains_rows.WAYS)
    for row in rows:
        assert tuple(row) == domains_rows.COLUMNS
        assert 0 <= row["right"] <= row["valid"] <= 1 + 1e-9
        assert 0 <= row["error"] <= 1
        assert row["method"] == "mask alone" or row["valid"] == pytest.approx(row["answered"])
    error = {row["method"]: row["error"] for row in rows}
    assert error["auto"] < error["mask alone"]


def test_a_domain_without_its_package_has_a_row_that_says_so(monkeypatch):
    found = importlib.import_module("methods.domain_molecules")
    monkeypatch.setattr(found, "missing", lambda: found.INSTALL)
    (row,) = domains_rows.rows(domains=("molecules",), model="no model is read")
    assert (row["case"], row["method"]) == ("molecules", "not measured: pip install partialsmiles")
    assert tuple(row) == domains_rows.COLUMNS


@pytest.mark.parametrize(
    ("name", "module", "cure"),
    [
        ("goals", "pddl.parser.problem", "pip install --no-deps pddl==0.5.1 click"),
        ("molecules", "partialsmiles", "pip install partialsmiles"),
    ],
)
def test_a_checker_without_its_package_says_how_to_install_it(monkeypatch, name, module, cure):
    found = importlib.import_module(f"methods.domain_{name}")
    task = found.tasks()[0]
    monkeypatch.setitem(sys.modules, module, None)
    if name == "goals":
        found._parser.cache_clear()
        found._is_read.cache_clear()
    with pytest.raises(sg.errors.StructgenError) as told:
        task.checker.final(task.answer)
    assert told.value.cure == cure


def test_a_row_of_a_model_is_computed_once_whichever_way_asks(monkeypatch):
    engine, task = sg.Engine("structgen/extract"), importlib.import_module("methods.domain_patterns").small()
    asked, read = domains_rows.AskedTask(engine, task), []
    decode = engine.model.decode
    monkeypatch.setattr(
        engine.model, "decode", lambda tokens, caches: read.append(tokens) or decode(tokens, caches)
    )
    first = asked.draw("auto", n=8, budget=200, seed=1)
    rows = len(read)
    again = asked.draw("auto", n=8, budget=200, seed=1)
    assert rows > 0
    assert len(read) == rows
    assert again.texts == first.texts
    assert again.statistics.model_rows == first.statistics.model_rows


def test_the_error_of_draws_is_their_distance_from_the_law():
    task = importlib.import_module("methods.domain_patterns").small()
    found = small_draws(task, 64, "cars")
    shares = Counter(found.texts)
    law = {text: count / 128 for text, count in shares.items()}
    assert domains_rows.against_law(law, 0.0, found)["error"] == pytest.approx(0)
    moved = {**law, next(iter(law)): 0.0, "999": law[next(iter(law))]}
    expected = shares[next(iter(law))] / 64
    assert domains_rows.against_law(moved, 0.0, found)["error"] == pytest.approx(expected)
    low, high = found.log_z_interval
    assert domains_rows.against_law({"111": np.exp(high + 0.01)}, 0.0, found)["held"] == 0
    assert domains_rows.against_law({"111": np.exp((low + high) / 2)}, 0.0, found)["held"] == 1
    assert domains_rows.against_law({"111": np.exp(low - 0.5)}, 0.0, found)["held"] == 0
    assert domains_rows.against_law({"111": np.exp(low - 0.5)}, np.exp(low), found)["held"] == 1
