"""Texts under monitors: forks, rollback, budgets, and the engine's batches, drafts and interrupts."""

from __future__ import annotations

import pickle
import random
from typing import Any

import pytest
from methods.monitored_text import Monitor, Monitored, MonitoredText, MonitorUse
from monitor_examples import (
    ANY,
    END,
    END_ID,
    PIECES,
    TOKENS,
    Blanks,
    Dots,
    PlainRule,
    Says,
    allowed,
    monitored,
    walk,
)
from strategy_models import TreeTable, interrupted, scrambled

import structgen as sg

SHORT = sg.regex("[abcé→. (\\n]{1,30}")


@pytest.fixture
def dots() -> Dots:
    return Dots(5)


def _drawn(matcher: sg.Matcher, rng: random.Random, count: int) -> list[int]:
    for _ in range(count):
        matcher.advance(rng.choice(sorted(allowed(matcher) - {END_ID}) or [0]))
    return list(matcher.tokens)


def test_rollback_and_forks_have_the_masks_of_a_fresh_matcher(dots: Dots) -> None:
    rng = random.Random(1)
    for _ in range(20):
        matcher = monitored(dots)
        tokens = _drawn(matcher, rng, 20)
        fork = matcher.fork()
        back = rng.randint(0, 20)
        matcher.rollback(back)
        fresh = monitored(dots)
        walk(fresh, tokens[: 20 - back])
        assert allowed(matcher) == allowed(fresh)
        _drawn(matcher, rng, 5)
        walk(fresh, tokens[20 - back :])
        assert allowed(fork) == allowed(fresh)


def test_a_text_in_other_tokens_is_asked_once() -> None:
    asked: list[str] = []

    class Counts(Dots):
        def trigger(self, text: str) -> bool:
            asked.append(text)
            return super().trigger(text)

    monitor = Counts(1, 1.0)
    compiled = sg.compile(Monitored(ANY, monitor), TOKENS)
    for tokens in ([b"a", b"b", b"a."], [b"ab", b"a", b"."]):
        matcher = sg.Matcher(compiled)
        walk(matcher, [PIECES.index(one) for one in tokens])
        allowed(matcher)
    assert compiled.sizes["advice"] == 1


def test_budgets_come_before_advice() -> None:
    """Under a tight budget the suggestion is left; each allowed token can be completed in time."""
    grammar = sg.regex(r"(a{0,12}|b\.(a{8}|b)c)")
    matcher = monitored(Says(["a" * 8]), grammar=grammar, written=b"b.")
    mask = sg.allocate_mask(1, TOKENS.vocab_size)
    matcher.fill_mask(mask, budget=9)
    assert {PIECES[int(one)] for one in mask.allowed(0)} == {b"a"}
    matcher.fill_mask(mask, budget=2)
    assert {PIECES[int(one)] for one in mask.allowed(0)} == {b"b", b"bc"}


def _requests(monitors: list[Monitor], **options: Any) -> list[sg.Request]:
    grammar = Monitored(SHORT, *monitors)
    return [
        sg.Request([0, at % 4], grammar, sg.Sampling(seed=at), **{"max_tokens": 24, **options})
        for at in range(8)
    ]


def _results(model: Any, requests: list[sg.Request], rows: int = 8) -> list[sg.Result]:
    found = sg.Engine(model, TOKENS, max_rows=rows).generate(requests)
    assert all(one.error is None for one in found), [one.error for one in found]
    return found


def _told(results: list[sg.Result]) -> list[object]:
    return [(one.tokens, one.finish_reason) for one in results]


def _use(monitor: Monitor, result: sg.Result) -> MonitorUse:
    compiled = sg.compile(Monitored(SHORT, monitor), TOKENS)
    assert isinstance(compiled, MonitoredText)
    return compiled.uses([step.token for step in result.steps])[0]


def _trees(seed: int) -> TreeTable:
    return TreeTable(scrambled(seed, size=len(PIECES) + 1)._law, len(PIECES) + 1)


def test_texts_of_the_engine_keep_the_rule(dots: Dots) -> None:
    results = _results(_trees(3), _requests([dots]))
    for one in results:
        rule = PlainRule(dots, ".")
        for step in one.steps:
            token = [*PIECES, END][step.token]
            assert rule.allows(token) or _use(dots, one).yielded
            if token != END:
                rule.take(token)
    assert sum(_use(dots, one).suggested for one in results) > 3
    assert _told(results) != _told(_results(_trees(3), _requests([])))


def test_texts_are_the_same_in_any_batch_and_with_drafts(dots: Dots) -> None:
    expected = _told(_results(_trees(4), _requests([dots], speculation="off"), rows=1))
    assert _told(_results(_trees(4), _requests([dots], speculation="off"))) == expected
    guessed = _results(_trees(4), _requests([dots], speculation=sg.Speculation(drafters=("suffix",))))
    assert _told(guessed) == expected
    assert sum(one.usage.drafted for one in guessed) > 0


def test_an_interrupt_changes_nothing(dots: Dots) -> None:
    requests = _requests([dots], speculation="off")
    expected = _told(_results(_trees(6), requests))
    for at in (2, 5, 9):
        assert _told(interrupted(sg.Engine(_trees(6), TOKENS), requests, at)) == expected


def test_texts_are_of_the_grammar_within_every_budget(dots: Dots) -> None:
    plain = sg.compile(SHORT, TOKENS)
    for most in (1, 2, 5, 11):
        for one in _results(_trees(7), _requests([dots], max_tokens=most)):
            matcher = sg.Matcher(plain)
            walk(matcher, one.tokens)
            assert matcher.is_complete
            assert len(one.tokens) <= most


@pytest.mark.parametrize("most", [4, 7, 12])
def test_a_budget_counts_the_rest_of_a_suggestion(most: int) -> None:
    """So no text begins a suggestion that does not fit, and none is left at the end."""
    monitor = Dots(9, 1.0)
    results = _results(_trees(9), _requests([monitor], max_tokens=most))
    assert sum(_use(monitor, one).triggers for one in results)
    for one in results:
        rule = PlainRule(monitor, ".")
        for token in one.tokens:
            assert rule.allows(PIECES[token]), one.text
            rule.take(PIECES[token])
        assert rule.may_end, one.text


def test_healing_hides_the_prompt_from_the_monitor() -> None:
    """Prompts end in a dot, behind which a token may cross their end; behind a dot of the text none may."""
    monitor = Dots(2, 1.0)
    prompt, crossed = PIECES.index(b"."), 0
    for seed in range(8):
        how = sg.Sampling(seed=seed)
        request = sg.Request([0, prompt], Monitored(SHORT, monitor), how, max_tokens=24, healing=True, n=4)
        for one in _results(_trees(8), [request]):
            rule = PlainRule(monitor, ".")
            crossed += PIECES[one.tokens[0]] != b"."
            keeps = [rule.allows(char.encode()) and rule.take(char.encode()) is None for char in one.text]
            assert all(keeps) or one.finish_reason is sg.FinishReason.STEERED, one.text
    assert crossed


def test_a_run_takes_monitors() -> None:
    grammar = Monitored(sg.regex(r"go\.[a-z]+!"), Says(["left", "right"]))
    found = {
        sg.run("structgen/extract-draft", "Go:", grammar, sampling=sg.Sampling(seed=seed))
        for seed in range(4)
    }
    assert found <= {"go.left!", "go.right!"}


def test_grammars_are_equal_where_their_monitors_are() -> None:
    one, other = Dots(1), Dots(1)
    assert Monitored(SHORT, one) == Monitored(SHORT, one) != Monitored(SHORT, other)
    assert Monitored(SHORT, one) != Monitored(ANY, one)


def test_a_monitored_grammar_pickles(dots: Dots) -> None:
    matcher = monitored(dots, Blanks(3), written=b"a.")
    assert allowed(pickle.loads(pickle.dumps(matcher))) == allowed(matcher)
