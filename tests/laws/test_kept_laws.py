"""What was kept of a grammar changes nothing: its masks, steps, counts and events are those of one that is
new, where it was before and where it never was."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import bundles
import pytest
from cases import Case, any_cases
from effort import BRIEF
from engine import system_of
from hypothesis import given
from laws import System, events_tell_the_document, tokenise, walk

import structgen as sg
from structgen.errors import StoreWarning, StructgenError


def kept(case: Case, path: Path) -> System:
    """Return the case's system with what was kept in a folder, in a store that knows nothing else."""
    return system_of(case, sg.MaskStore(path))


def leave(system: System) -> None:
    """Have what was met written, as it is when a process ends."""
    system.compiled.store.flush()


@BRIEF
@given(any_cases())
def test_masks_of_a_kept_grammar_are_exact_where_it_was_and_where_it_was_not(
    tmp_path_factory: pytest.TempPathFactory, case: Case
) -> None:
    path = tmp_path_factory.mktemp("kept")
    system = kept(case, path)
    walk(system, case.chance, 12)
    leave(system)
    again = kept(case, path)
    assert not again.compiled._meaning.is_built
    bundles.exact(again, case)
    bundles.bytes_agree(again, case)
    leave(again)
    bundles.exact(kept(case, path), case)


@BRIEF
@given(any_cases())
def test_words_and_cursors_of_a_kept_grammar_are_those_of_a_new_one(
    tmp_path_factory: pytest.TempPathFactory, case: Case
) -> None:
    path = tmp_path_factory.mktemp("kept")
    system = kept(case, path)
    bundles.exact(system, case)
    leave(system)
    again = kept(case, path)
    bundles.words(again, case)
    bundles.foreign_texts(again, case)
    bundles.cursors(again, case)
    for word in case.words(3):
        events_tell_the_document(again, word, case.chance)


@BRIEF
@given(any_cases())
def test_counts_and_budgets_of_a_kept_grammar_are_those_of_a_new_one(
    tmp_path_factory: pytest.TempPathFactory, case: Case
) -> None:
    path = tmp_path_factory.mktemp("kept")
    for _ in range(3):
        # a process that asks what completes a document leaves more behind each time
        system, new = kept(case, path), system_of(case)
        for word in case.words(2):
            before, fresh = system.matcher(), new.matcher()
            for token in tokenise(system, word, case.chance):
                assert before.tokens_to_finish() == fresh.tokens_to_finish()
                before.advance(token)
                fresh.advance(token)
        bundles.budgets(system, case)
        leave(system)


@BRIEF
@given(any_cases())
def test_threads_of_a_kept_grammar_agree(tmp_path_factory: pytest.TempPathFactory, case: Case) -> None:
    path = tmp_path_factory.mktemp("kept")
    system = kept(case, path)
    walk(system, case.chance, 8)
    leave(system)
    bundles.threads(kept(case, path), case)


@BRIEF
@given(any_cases())
def test_what_may_be_expected_is_told_by_a_kept_grammar_too(
    tmp_path_factory: pytest.TempPathFactory, case: Case
) -> None:
    path = tmp_path_factory.mktemp("kept")
    system, new = kept(case, path), system_of(case)
    bundles.exact(system, case)
    leave(system)
    again = kept(case, path)
    for word in case.words(2):
        for end in range(len(word)):
            state, other = (one.compiled.step_bytes(one.compiled.start, word[:end]) for one in (again, new))
            assert state is not None and other is not None
            assert again.compiled.expected(state) == new.compiled.expected(other)


@BRIEF
@given(any_cases())
def test_states_mean_the_same_after_the_meaning_wakes(
    tmp_path_factory: pytest.TempPathFactory, case: Case
) -> None:
    """Whoever holds states of a kept grammar, values or cursors, need not know that it began anew."""
    path = tmp_path_factory.mktemp("kept")
    system = kept(case, path)
    walk(system, case.chance, 12)
    leave(system)
    again, new = kept(case, path), system_of(case)
    held = []
    for word in case.words(2):
        matcher, other = again.matcher(), new.matcher()
        for token in tokenise(again, word, case.chance):
            held.append((matcher.state, other.state, matcher.fork()))
            matcher.advance(token)
            other.advance(token)
        held.append((matcher.state, other.state, matcher.fork()))
    with again.compiled.lock:
        again.compiled._meaning.build()
    for state, other, cursor in held:
        assert cursor.state == state and state.is_complete == other.is_complete
        assert again.compiled.allowed(state) == new.compiled.allowed(other)
        assert again.compiled.next_bytes(state) == new.compiled.next_bytes(other)
        assert again.compiled.completion(state) == new.compiled.completion(other)
        assert again.compiled.expected(state) == new.compiled.expected(other)


def test_a_law_that_is_broken_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A kept state that is another's turns the laws red: rows of states are shifted by one when they are
    read."""
    from structgen.json_machine.kept import table_image

    tokens = [bytes((byte,)) for byte in range(256)] + [None]
    tokenizer = sg.Tokenizer.from_bytes(tokens, eos_token_id=256)
    grammar = sg.json_schema({"enum": ["ab", "cd"]})

    def masks(compiled: sg.CompiledGrammar) -> list[list[int]]:
        matcher, found = sg.Matcher(compiled), []
        for byte in b'"ab"':
            found.append(compiled.allowed(matcher.state))
            matcher.advance(byte)
        return found

    store = sg.MaskStore(tmp_path)
    first = sg.compile(grammar, tokenizer, store=store)
    expected = masks(first)
    store.flush()
    decode = table_image.image_of

    def shifted(*arguments: Any) -> table_image.TableImage:
        found = decode(*arguments)
        nodes = found.tables[0].copy()
        nodes[1:, 8:] = nodes[:-1, 8:].copy()
        return found._replace(tables=(nodes, *found.tables[1:]))

    monkeypatch.setattr(table_image, "image_of", shifted)
    try:
        got = masks(sg.compile(grammar, tokenizer, store=sg.MaskStore(tmp_path)))
    except StructgenError:
        return
    assert got != expected


def test_a_state_that_is_reached_by_another_step_is_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The steps that lead to two states are exchanged: what they mean changes when the meaning wakes."""
    from structgen.json_machine.kept import table_image

    tokens = [bytes((byte,)) for byte in range(256)] + [None]
    tokenizer = sg.Tokenizer.from_bytes(tokens, eos_token_id=256)
    grammar = sg.json_schema({"enum": ["ab", "cd"]})
    store = sg.MaskStore(tmp_path)
    first = sg.compile(grammar, tokenizer, store=store)
    for text in (b'"ab"', b'"cd"'):
        matcher = sg.Matcher(first)
        for byte in text:
            first.allowed(matcher.state)
            matcher.advance(byte)
    store.flush()
    decode = table_image.image_of

    def exchanged(*arguments: Any) -> table_image.TableImage:
        found = decode(*arguments)
        steps = found.tables[1][:, 1]
        (a,), (c,) = (steps == ord("a")).nonzero()[0], (steps == ord("c")).nonzero()[0]
        steps[[a, c]] = steps[[c, a]]
        return found

    monkeypatch.setattr(table_image, "image_of", exchanged)
    again = sg.compile(grammar, tokenizer, store=sg.MaskStore(tmp_path))
    state = again.step_bytes(again.start, b'"a')
    assert state is not None
    with pytest.warns(StoreWarning, match="does not fit"), pytest.raises(StructgenError, match="refused"):
        again.completion(state)
