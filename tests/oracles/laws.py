"""The laws of any engine, as functions that raise `AssertionError`: each takes a system and looks at one
promise.

A system is the engine with one grammar and one vocabulary, or with cursors that have a seeded bug.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from cases import Case
from language import Automaton, Language
from policy_oracle import Answer, Options
from strategies import schema_text

import structgen as sg
from structgen.errors import BudgetError, FinishedError, TokenError


@dataclass
class System:
    """A compiled grammar, and the class of its cursors."""

    compiled: sg.CompiledGrammar
    matcher_class: type[sg.Matcher] = sg.Matcher

    def __post_init__(self) -> None:
        """List the tokens by their first bytes."""
        self.tokens, self.eos = self.compiled.tokenizer.token_bytes, self.compiled.tokenizer.eos_token_ids
        self.by_first: dict[int, list[int]] = {}
        for token, data in enumerate(self.tokens):
            if data and token not in self.eos:
                self.by_first.setdefault(data[0], []).append(token)

    def matcher(self) -> sg.Matcher:
        """Return a new cursor."""
        return self.matcher_class(self.compiled)

    def mask(self, rows: int) -> sg.TokenMask:
        """Return an empty mask."""
        return sg.allocate_mask(rows, len(self.tokens))


def system_of(case: Case, store: Any = False) -> System:
    """Return the engine compiled for a case."""
    return compiled_system(case.schema, case.options, case.tokens, case.eos, store)


def compiled_system(
    schema: Any, options: Options, tokens: Sequence[bytes | None], eos: Sequence[int], store: Any = False
) -> System:
    """Return the engine compiled for a schema. The schema goes in as text, so that its numbers are exact."""
    tokenizer = sg.Tokenizer.from_bytes(list(tokens), eos_token_id=list(eos))
    grammar = sg.json_schema(schema_text(schema), **options.arguments())
    return System(sg.compile(grammar, tokenizer, store=store))


def ids_of(system: System, row: np.ndarray) -> set[int]:
    """Return the ids of a mask's row; bits past the vocabulary must be 0."""
    bits = np.unpackbits(np.ascontiguousarray(row).view(np.uint8), bitorder="little")
    ids = set(map(int, np.flatnonzero(bits)))
    assert not ids or max(ids) < len(system.tokens), "bits past the vocabulary are set"
    return ids


def mask_of(system: System, matcher: Any, budget: int | None = None) -> set[int]:
    """Return the ids that the matcher's mask allows. The row is dirtied first: filling must write every
    word.
    """
    mask = system.mask(2)
    mask.array[...] = -1
    matcher.fill_mask(mask, 1, budget=budget)
    assert (mask.array[0] == -1).all(), "filling a row wrote into another"
    return ids_of(system, mask.array[1])


def tokenise(system: System, text: bytes, chance: random.Random) -> list[int]:
    """Return a random sequence of tokens that spells the text."""
    found: list[int] = []
    at = 0
    while at < len(text):
        fitting = [t for t in system.by_first[text[at]] if text.startswith(system.tokens[t] or b"", at)]
        found.append(chance.choice(fitting))
        at += len(system.tokens[found[-1]] or b"")
    return found


def take(matcher: Any, token: int, where: object) -> None:
    """Advance by a token that must be allowed."""
    try:
        matcher.advance(token)
    except (TokenError, FinishedError) as error:
        raise AssertionError(f"token {token} is allowed and was refused, after {where!r}: {error}") from error


def advanced(system: System, text: bytes, chance: random.Random) -> Any:
    """Return a new matcher that has taken the text in random tokens."""
    matcher = system.matcher()
    for token in tokenise(system, text, chance):
        take(matcher, token, f"a prefix of {text!r}")
    return matcher


# Masks


def expected_mask(system: System, automaton: Automaton, state: int) -> set[int]:
    """Return the mask by trying every token on the explicit automaton."""
    found = {
        t
        for ts in system.by_first.values()
        for t in ts
        if automaton.step(state, system.tokens[t] or b"") is not None
    }
    return found | (set(system.eos) if automaton.accepts(state) else set())


def mask_is_exact(system: System, automaton: Automaton, prefix: bytes, chance: random.Random) -> None:
    """After a prefix of a word the mask is exactly the tokens that some word goes on with, and the end in a
    word.
    """
    state = automaton.step(0, prefix)
    assert state is not None
    matcher = advanced(system, prefix, chance)
    got, expected = mask_of(system, matcher), expected_mask(system, automaton, state)
    _compare(system, prefix, got, expected)
    assert matcher.is_complete == automaton.accepts(state), f"is_complete after {prefix!r}"
    assert not matcher.is_finished


def _compare(system: System, prefix: object, got: set[int], expected: set[int]) -> None:
    hidden = [system.tokens[t] or f"end {t}" for t in sorted(expected - got)]
    dead = [system.tokens[t] or f"end {t}" for t in sorted(got - expected)]
    assert got == expected, f"after {prefix!r}: live but hidden {hidden[:8]}, dead but allowed {dead[:8]}"


def mask_agrees_with_bytes(system: System, state: Any, prefix: object = "") -> None:
    """The mask of a state is what the byte recogniser takes, one byte at a time, and what `step` takes."""
    compiled = system.compiled
    mask = system.mask(1)
    compiled.fill(state, mask, 0)
    expected: set[int] = set(system.eos) if compiled.accepts_end(state) else set()
    for tokens in system.by_first.values():
        first = compiled.step_bytes(state, (system.tokens[tokens[0]] or b"")[:1])
        for token in tokens if first is not None else ():
            at = first
            for byte in (system.tokens[token] or b"")[1:]:
                at = compiled.step_bytes(at, bytes([byte]))
                if at is None:
                    break
            if at is not None:
                expected.add(token)
    got = ids_of(system, mask.array[0])
    _compare(system, prefix, got, expected)


def step_agrees_with_mask(system: System, state: Any, chance: random.Random) -> None:
    """`step` gives a state for the mask's tokens and None for all others, never an end token's bytes."""
    mask = system.mask(1)
    system.compiled.fill(state, mask, 0)
    got = ids_of(system, mask.array[0])
    for token in chance.sample(range(len(system.tokens)), min(40, len(system.tokens))):
        assert (system.compiled.step(state, token) is not None) == (token in got), (
            f"step by {system.tokens[token]!r}"
        )


# Words and walks


def word_is_taken(system: System, word: bytes, chance: random.Random) -> None:
    """A word of the language is taken under a random tokenisation, its tokens are in the masks, and it may
    end.
    """
    matcher = system.matcher()
    at = 0
    for token in tokenise(system, word, chance):
        allowed = mask_of(system, matcher)
        rest = word[at:]
        fitting = {t for t in system.by_first[rest[0]] if rest.startswith(system.tokens[t] or b"")}
        _compare(system, word[:at], allowed & fitting, fitting)
        take(matcher, token, word[:at])
        at += len(system.tokens[token] or b"")
    assert matcher.is_complete, f"{word!r} is a word and may not end"
    assert set(system.eos) <= mask_of(system, matcher)
    for end in system.eos:
        take(matcher, end, word)
        assert matcher.is_finished
        matcher.rollback(1)
        assert not matcher.is_finished


def text_is_refused(system: System, text: bytes, chance: random.Random) -> None:
    """A text outside the language is refused at some token, or may not end."""
    matcher = system.matcher()
    tokens = tokenise(system, text, chance)
    taken = matcher.accepts(tokens)
    if taken < len(tokens):
        for token in tokens[:taken]:
            take(matcher, token, text)
        assert tokens[taken] not in mask_of(system, matcher)
        return
    for token in tokens:
        take(matcher, token, text)
    assert not matcher.is_complete, f"{text!r} is not in the language and may end"
    assert not mask_of(system, matcher) & set(system.eos)


def judged_text(system: System, language: Language, text: bytes, chance: random.Random) -> Answer:
    """Hold the engine to the judge on any text; return what the judge said (UNSURE: nothing was held)."""
    answer = language.holds(text)
    if answer is Answer.YES:
        word_is_taken(system, text, chance)
    elif answer is Answer.NO:
        text_is_refused(system, text, chance)
    return answer


def walk(system: System, chance: random.Random, most: int, closing: float = 0.0) -> bytes:
    """Return the document of a random walk; at `most` tokens it is completed under the least budget.

    `closing` is the chance, at each step, of taking the token that ends the document soonest.
    """
    matcher = system.matcher()
    out = bytearray()
    for _ in range(most):
        allowed = mask_of(system, matcher)
        assert allowed, f"stuck after {bytes(out)!r}"
        if matcher.is_complete and (allowed <= set(system.eos) or chance.random() < 0.2):
            return bytes(out)
        choices = sorted(allowed - set(system.eos))
        if chance.random() < closing:
            choices = (
                sorted(mask_of(system, matcher, matcher.tokens_to_finish()) - set(system.eos)) or choices
            )
        token = _lively(system, choices, chance)
        take(matcher, token, bytes(out))
        out += system.tokens[token] or b""
    return bytes(out) + completed(system, matcher, matcher.tokens_to_finish(), chance)


def _lively(system: System, choices: list[int], chance: random.Random) -> int:
    """Return one of the tokens, seldom blanks: a walk among them sees little else of the schema."""
    lively = [t for t in choices if (system.tokens[t] or b"").strip()]
    return chance.choice(lively if lively and chance.random() < 0.95 else choices)


def completed(system: System, matcher: Any, budget: int, chance: random.Random) -> bytes:
    """Return what a random walk writes until the document is complete under a budget; it must be, in time."""
    out = bytearray()
    taken = 0
    while True:
        allowed = mask_of(system, matcher, budget - taken)
        if matcher.is_complete and (taken == budget or chance.random() < 0.2 or allowed <= set(system.eos)):
            return bytes(out)
        choices = sorted(allowed - set(system.eos))
        assert choices, f"stuck under a budget of {budget} after {taken} tokens"
        token = chance.choice(choices)
        take(matcher, token, bytes(out))
        out += system.tokens[token] or b""
        taken += 1
        assert taken <= budget


def walk_ends_in_the_language(
    system: System, language: Language, chance: random.Random, most: int = 40
) -> bytes:
    """Random walks, uniform or biased to closing, end in documents of the language; none is stuck."""
    document = walk(system, chance, most, chance.choice([0.0, 0.3, 0.8]))
    assert language.holds(document) is not Answer.NO, (
        f"a walk wrote {document!r}, which is not in the language"
    )
    return document


def allowed_tokens_are_live(system: System, language: Language, prefix: bytes, chance: random.Random) -> None:
    """From any allowed token the document can be completed, and is then in the language."""
    matcher = advanced(system, prefix, chance)
    allowed = sorted(mask_of(system, matcher) - set(system.eos))
    for token in chance.sample(allowed, min(12, len(allowed))):
        branch = matcher.fork()
        take(branch, token, prefix)
        text = prefix + (system.tokens[token] or b"")
        text += completed(system, branch, branch.tokens_to_finish(), chance)
        assert language.holds(text) is not Answer.NO, (
            f"{system.tokens[token]!r} after {prefix!r} leads to {text!r}"
        )


# Cursors


def snapshot(system: System, matcher: Any) -> tuple[Any, ...]:
    """Return what a matcher shows of itself."""
    if matcher.is_finished:
        return (True, matcher.is_complete)
    return (
        matcher.is_complete,
        matcher.tokens_to_finish(),
        matcher.forced(),
        frozenset(mask_of(system, matcher)),
        tuple(matcher.events(0)),
    )


def cursor_agrees_with_replay(system: System, chance: random.Random, moves: int = 30) -> None:
    """After any mix of advance, rollback, fork and refused tokens a matcher shows what a fresh replay
    shows.
    """
    matcher = system.matcher()
    path: list[int] = []
    forks: list[tuple[Any, list[int]]] = []
    for _ in range(moves):
        move = chance.choice(["advance"] * 5 + ["rollback", "fork", "refuse", "accepts"])
        allowed = set() if matcher.is_finished else mask_of(system, matcher)
        if move == "advance" and allowed:
            token = chance.choice(sorted(allowed))
            take(matcher, token, path)
            path.append(token)
        elif move == "rollback":
            count = chance.randint(0, len(path))
            matcher.rollback(count)
            del path[len(path) - count :]
        elif move == "fork":
            forks.append((matcher, list(path)))  # it stays where it is, whatever its fork does
            matcher = matcher.fork()
        elif move == "refuse" and not matcher.is_finished:
            refused = sorted(set(range(len(system.tokens))) - allowed)
            if refused:
                with pytest.raises(TokenError):
                    matcher.advance(chance.choice(refused))
        elif move == "accepts" and not matcher.is_finished:
            tokens = [
                chance.choice(sorted(allowed)),
                *(chance.randrange(len(system.tokens)) for _ in range(3)),
            ]
            _accepts_counts(system, matcher, path, tokens)
    for cursor, taken in [(matcher, path), *forks[:5]]:
        fresh = system.matcher()
        state = system.compiled.start
        for token in taken:
            take(fresh, token, taken)
            state = system.compiled.step(state, token)
            assert state is not None
        assert snapshot(system, cursor) == snapshot(system, fresh), f"after {taken}"
        if not cursor.is_finished:
            mask = system.mask(1)
            system.compiled.fill(state, mask, 0)
            assert ids_of(system, mask.array[0]) == mask_of(system, cursor)
            assert system.compiled.tokens_to_finish(state) == cursor.tokens_to_finish()


def _accepts_counts(system: System, matcher: Any, path: list[int], tokens: list[int]) -> None:
    before = snapshot(system, matcher)
    count = matcher.accepts(tokens)
    assert snapshot(system, matcher) == before, "accepts changed the matcher"
    fresh = system.matcher()
    for token in path:
        take(fresh, token, path)
    taken = 0
    for token in tokens:
        if fresh.is_finished or token not in mask_of(system, fresh):
            break
        take(fresh, token, tokens)
        taken += 1
    assert count == taken, f"accepts({tokens}) says {count}, replay takes {taken}"


def end_is_the_end(system: System, word: bytes, chance: random.Random) -> None:
    """After an end token nothing may be filled or taken; one step back everything is as before."""
    matcher = advanced(system, word, chance)
    before = snapshot(system, matcher)
    for end in system.eos:
        take(matcher, end, word)
        assert matcher.is_finished
        with pytest.raises(FinishedError):
            matcher.fill_mask(system.mask(1))
        with pytest.raises((FinishedError, TokenError)):
            matcher.advance(end)
        matcher.rollback(1)
        assert snapshot(system, matcher) == before


def states_are_values(system: System, text: bytes, chance: random.Random) -> None:
    """Two ways to the same text end in states that fill alike; the same tokens give equal states, equally
    hashed.
    """
    compiled = system.compiled
    first, second = tokenise(system, text, chance), tokenise(system, text, chance)
    masks = []
    reached = []
    for tokens in (first, first, second):
        state = compiled.start
        for token in tokens:
            state = compiled.step(state, token)
            assert state is not None, f"a prefix of a word was refused at {token}"
        mask = system.mask(1)
        compiled.fill(state, mask, 0)
        masks.append(ids_of(system, mask.array[0]))
        reached.append(state)
    assert reached[0] == reached[1] and hash(reached[0]) == hash(reached[1])
    assert masks[0] == masks[1] == masks[2]
    assert compiled.tokens_to_finish(reached[0]) == compiled.tokens_to_finish(reached[2])


def forced_is_sound(system: System, automaton: Automaton, prefix: bytes, chance: random.Random) -> int:
    """`forced()` is what every word goes on with (a part of it, from its start), and empty in a word.

    Return how many bytes were left unsaid.
    """
    matcher = advanced(system, prefix, chance)
    state = automaton.step(0, prefix)
    chain = bytearray()
    while state is not None and not automaton.accepts(state) and len(automaton.followers(state)) == 1:
        chain += bytes(automaton.followers(state))
        state = automaton.step(state, chain[-1:])
    forced = matcher.forced()
    assert bytes(chain).startswith(forced), f"after {prefix!r} {forced!r} is not forced, {bytes(chain)!r} is"
    return len(chain) - len(forced)


# Budgets


def count_falls(system: System, prefix: bytes, chance: random.Random) -> None:
    """`tokens_to_finish` is 0 exactly in a word; else some allowed token lowers it by at least one."""
    matcher = advanced(system, prefix, chance)
    count = matcher.tokens_to_finish()
    assert (count == 0) == matcher.is_complete
    if count == 0:
        return
    allowed = mask_of(system, matcher) - set(system.eos)
    for token in sorted(allowed, key=lambda t: -len(system.tokens[t] or b"")):
        branch = matcher.fork()
        take(branch, token, prefix)
        if branch.tokens_to_finish() <= count - 1:
            return
    raise AssertionError(f"after {prefix!r} the count {count} falls under no token")


def count_is_no_less(system: System, least: int, prefix: bytes, chance: random.Random, most: float) -> None:
    """`tokens_to_finish` is no less than the true minimum, and no more than `most` times it."""
    count = advanced(system, prefix, chance).tokens_to_finish()
    assert least <= count <= most * least, f"after {prefix!r}: {count} tokens, the least is {least}"


def budget_is_exact(system: System, prefix: bytes, chance: random.Random) -> None:
    """`budget=n` allows exactly the tokens after which the rest fits; too small an n raises and writes
    nothing.
    """
    matcher = advanced(system, prefix, chance)
    least = matcher.tokens_to_finish()
    if least:
        mask = system.mask(1)
        mask.array[...] = 7
        with pytest.raises(BudgetError) as caught:
            matcher.fill_mask(mask, 0, budget=least - 1)
        assert caught.value.minimum == least
        assert (mask.array == 7).all(), "a refused budget wrote into the mask"
    allowed = mask_of(system, matcher)
    for budget in (least, least + 1, least + 3):
        expected = set()
        for token in allowed:
            if token in system.eos:
                expected.add(token)
                continue
            branch = matcher.fork()
            take(branch, token, prefix)
            if branch.tokens_to_finish() <= budget - 1:
                expected.add(token)
        _compare(system, prefix, mask_of(system, matcher, budget), expected)


def budget_completes(
    system: System, language: Language, prefix: bytes, extra: int, chance: random.Random
) -> None:
    """A walk under any budget that the document fits is complete in time, and in the language."""
    matcher = advanced(system, prefix, chance)
    text = prefix + completed(system, matcher, matcher.tokens_to_finish() + extra, chance)
    assert language.holds(text) is not Answer.NO, f"under a budget {prefix!r} went on to {text!r}"


# Batches, threads


def wandered(system: System, chance: random.Random, most: int = 12) -> Any:
    """Return a matcher after a random number of random allowed tokens, end tokens left out."""
    matcher = system.matcher()
    for _ in range(chance.randint(0, most)):
        choices = sorted(mask_of(system, matcher) - set(system.eos))
        if not choices:
            break
        take(matcher, _lively(system, choices, chance), "a walk")
    return matcher


def batch_agrees(system: System, fill_masks: Any, chance: random.Random) -> None:
    """One call fills what one call a row fills; a row without a matcher allows every token, a finished one
    none.
    """
    matchers: list[Any] = [wandered(system, chance) for _ in range(6)]
    expected: list[set[int] | None] = [mask_of(system, matcher) for matcher in matchers]
    finished = wandered(system, chance)
    completed(system, finished, finished.tokens_to_finish(), chance)
    take(finished, system.eos[0], "a word")
    matchers += [None, finished]
    expected += [set(range(len(system.tokens))), None]
    rows = chance.sample(range(10), len(matchers))
    mask = system.mask(10)
    mask.array[...] = 5
    statuses = list(fill_masks(matchers, mask, rows))
    assert len(statuses) == len(matchers)
    for row in range(10):
        if row not in rows:
            assert (mask.array[row] == 5).all(), "a row that was not asked for was written"
            continue
        ids = expected[rows.index(row)]
        if ids is not None:
            _compare(system, f"batch row {row}", ids_of(system, mask.array[row]), ids)
    assert len(set(statuses[:6])) == 1 and len({statuses[0], statuses[6], statuses[7]}) == 3, statuses


def batch_budgets_agree(system: System, fill_masks: Any, chance: random.Random) -> None:
    """Budgets go by row; one that is too small is that row's failure alone."""
    matchers = [wandered(system, chance) for _ in range(5)]
    budgets = [m.tokens_to_finish() + chance.randint(0, 2) for m in matchers]
    expected = [mask_of(system, m, budget) for m, budget in zip(matchers, budgets, strict=True)]
    small = next((i for i, m in enumerate(matchers) if m.tokens_to_finish()), None)
    if small is not None:
        budgets[small] = matchers[small].tokens_to_finish() - 1
    mask = system.mask(5)
    mask.array[...] = 5
    statuses = list(fill_masks(matchers, mask, None, budgets))
    for row in range(5):
        if row != small:
            _compare(system, f"batch row {row}", ids_of(system, mask.array[row]), expected[row])
            assert small is None or statuses[row] != statuses[small]


def advance_all_agrees(system: System, advance_all: Any, chance: random.Random) -> None:
    """One call advances what one call a row advances; a refused row is as it was."""
    matchers = [wandered(system, chance) for _ in range(6)]
    tokens, twins, refused = [], [matcher.fork() for matcher in matchers], []
    for matcher in twins:
        allowed = mask_of(system, matcher)
        others = sorted(set(range(len(system.tokens))) - allowed)
        bad = bool(others) and chance.random() < 0.3
        tokens.append(chance.choice(others if bad else sorted(allowed)))
        refused.append(bad)
        if not bad:
            take(matcher, tokens[-1], "a walk")
    statuses = list(advance_all(matchers, tokens))
    for matcher, twin in zip(matchers, twins, strict=True):
        assert snapshot(system, matcher) == snapshot(system, twin)
    good = {status for status, bad in zip(statuses, refused, strict=True) if not bad}
    assert good.isdisjoint(status for status, bad in zip(statuses, refused, strict=True) if bad)


def threads_agree(system: System, serial: System, chance: random.Random, threads: int = 8) -> None:
    """Threads that fill and advance matchers of one compiled grammar at once see what one thread sees.

    `serial` is the same grammar compiled apart, so that nothing that the threads left behind can help it.
    """
    seeds = [chance.randrange(2**32) for _ in range(threads)]

    def trace(of: System, seed: int) -> list[frozenset[int]]:
        mine, matcher, found = random.Random(seed), of.matcher(), []
        for _ in range(40):
            allowed = mask_of(of, matcher)
            found.append(frozenset(allowed))
            choices = sorted(allowed - set(of.eos))
            if choices:
                take(matcher, _lively(of, choices, mine), "a walk")
            else:
                matcher = of.matcher()
        return found

    with ThreadPoolExecutor(threads) as pool:
        together = list(pool.map(lambda seed: trace(system, seed), seeds))
    assert together == [trace(serial, seed) for seed in seeds]


# The laws over the places of one case, in bundles

Law = Callable[[System, Case], None]


def exact(system: System, case: Case) -> None:
    for prefix in case.prefixes(6):
        mask_is_exact(system, case.automaton, prefix, case.chance)


def bytes_agree(system: System, case: Case) -> None:
    for prefix in case.prefixes(3):
        state = system.compiled.step_bytes(system.compiled.start, prefix)
        mask_agrees_with_bytes(system, state, prefix)
        step_agrees_with_mask(system, state, case.chance)


def words(system: System, case: Case) -> None:
    for word in case.words(3):
        word_is_taken(system, word, case.chance)
        end_is_the_end(system, word, case.chance)
        states_are_values(system, word, case.chance)


def foreign_texts(system: System, case: Case) -> None:
    for prefix in case.prefixes(6):
        judged_text(system, case.language, prefix + case.chance.choice([b"", b" ", b"}", b"1"]), case.chance)


def walks(system: System, case: Case) -> None:
    for _ in range(3):
        walk_ends_in_the_language(system, case.language, case.chance, 20)


def live(system: System, case: Case) -> None:
    for prefix in case.prefixes(2):
        allowed_tokens_are_live(system, case.language, prefix, case.chance)


def cursors(system: System, case: Case) -> None:
    for _ in range(3):
        cursor_agrees_with_replay(system, case.chance)


def forced(system: System, case: Case) -> None:
    for prefix in case.prefixes(5):
        assert forced_is_sound(system, case.automaton, prefix, case.chance) == 0


def counts(system: System, case: Case) -> None:
    for prefix in case.prefixes(4):
        count_falls(system, prefix, case.chance)
    _no_less(system, case, math.inf)


def near_counts(system: System, case: Case) -> None:
    _no_less(system, case, 1.1)


def _no_less(system: System, case: Case, most: float) -> None:
    for prefix in case.prefixes(4):
        least = case.automaton.tokens_to_finish(case.automaton.step(0, prefix), case.tokens)
        count_is_no_less(system, least, prefix, case.chance, most if least else 1)


def budgets(system: System, case: Case) -> None:
    for prefix in case.prefixes(3):
        budget_is_exact(system, prefix, case.chance)
        budget_completes(system, case.language, prefix, case.chance.randint(0, 3), case.chance)
