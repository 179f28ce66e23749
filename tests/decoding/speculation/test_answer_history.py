"""Earlier answers: whose they are, and how much is kept."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from draft_cases import answer, tokenizer

import structgen as sg
from structgen.decoding.speculation.drafters.answer_history import AnswerHistory


def test_tenants_and_schemas_are_apart() -> None:
    history = AnswerHistory(tokenizer())
    history.add("a", "s", answer("secret"))
    for tenant, schema in (("b", "s"), ("a", "t"), ("", "s"), ("a", "")):
        assert history.answers(tenant, schema) == [] and history.index(tenant, schema) is None


def test_deleted_is_deleted() -> None:
    history = AnswerHistory(tokenizer())
    for tenant, schema, number in (("a", "s", 1), ("a", "s", 2), ("a", "t", 3), ("b", "s", 4)):
        history.add(tenant, schema, answer(number))
    assert history.index("a", "s") is not None and history.index("a", "t") is not None
    assert history.delete("a", "t") == 1
    assert history.answers("a", "t") == [] and len(history.answers("a", "s")) == 2
    assert history.delete("a") == 2
    assert history.answers("a", "s") == [] and history.index("a", "s") is None
    assert history.nbytes == 4 * len(answer(4)) + 128


def test_a_folder_is_refused_with_what_to_do_instead() -> None:
    given: dict[str, Any] = {"folder": "answers"}
    with pytest.raises(sg.errors.OptionError, match=r"`add` them to a new history\.$") as caught:
        AnswerHistory(tokenizer(), **given)
    assert caught.value.where == "folder"


def test_tokens_out_of_range_are_refused() -> None:
    with pytest.raises(sg.errors.OptionError, match="not one of the tokenizer's"):
        AnswerHistory(tokenizer()).add("a", "s", [1 << 20])


def test_what_is_kept_is_bounded_and_the_oldest_goes_first() -> None:
    history = AnswerHistory(tokenizer(), tenant_bytes=2000, most_bytes=3000)
    answers = [answer({"number": number}) for number in range(100)]
    for one in answers:
        history.add("a", "s", one)
        assert history.nbytes <= 2000
    kept = history.answers("a", "s")
    assert len(kept) > 3 and kept == answers[-len(kept) :]
    history.add("a", "s", kept[0])  # is the newest now, and not there twice
    assert history.answers("a", "s") == [*kept[1:], kept[0]]
    for one in answers:
        history.add("b", "s", one)
        assert history.nbytes <= 3000
    assert len(history.answers("b", "s")) == len(kept)
    history.add("c", "s", answers[0] * 1000)  # larger than all that may be kept
    assert history.answers("c", "s") == []


def test_the_index_is_bounded_and_holds_the_newest() -> None:
    history = AnswerHistory(tokenizer())
    history.add("a", "s", answer("first"))
    first = history.index("a", "s")
    assert first is not None and history.index("a", "s") is first
    long = answer(list(range(3000)))
    for number in range(20):
        history.add("a", "s", [*long, number])
    index = history.index("a", "s")
    assert index is not None and index is not first
    assert len(index.text) <= 1 << 13
    assert len(long) > 1 << 12 and list(index.text)[:2] == [-1, long[0]]


def test_threads_may_add_and_read_at_once() -> None:
    history = AnswerHistory(tokenizer(), tenant_bytes=4000, most_bytes=6000)

    def work(tenant: str) -> None:
        for number in range(60):
            history.add(tenant, "s", answer(number))
            index = history.index(tenant, "s")
            assert index is None or len(index.text)
            if number % 20 == 19:
                history.delete(tenant)

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(work, "aabb"))
    assert history.nbytes <= 6000
