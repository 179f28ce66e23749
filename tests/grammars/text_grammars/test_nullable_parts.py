"""Parts that may be empty, under each operator, twice: masks, counts, budgets and completions are what an
automaton of the same texts says."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator

import pytest
from nullable_automata import LETTERS, SPECIAL, Case, Graph, Reader, case

import structgen as sg
from structgen.core import State

MOST_STATES = 600
"""Of a case's automaton."""


def drawn(seed: int, *, every_byte: bool) -> tuple[Case, Graph, sg.CompiledGrammar] | None:
    """Return a random case compiled for a random vocabulary, of all bytes, or of few texts, some of them of a
    letter; None where the case has no text that the vocabulary writes, as the grammar says too."""
    chance = random.Random(seed)
    words = {
        "".join(chance.choices("aaabb11" + LETTERS, k=chance.randint(2, 3)))
        for _ in range(chance.randint(0, 9))
    }
    singles = LETTERS if every_byte else chance.sample(LETTERS, chance.randint(1, 6))
    texts = sorted(word.encode() for word in words.union(singles))
    others = [bytes((byte,)) for byte in range(256) if bytes((byte,)) not in texts] if every_byte else []
    pieces = [*texts, *others]
    special = len(pieces) + 1 if chance.random() < 0.3 else None
    tokenizer = sg.Tokenizer.from_bytes([*pieces, None, None], eos_token_id=len(pieces))
    tokens = {token: tuple(text) for token, text in enumerate(texts)}
    if special is not None:
        tokens[special] = (SPECIAL,)
    try:
        one = case(chance, special)
        graph = Graph(one, tokens, MOST_STATES)
    except OverflowError:
        return None
    try:
        compiled = sg.compile(one.grammar, tokenizer, store=False)
    except (sg.errors.GrammarError, sg.errors.TokenizerError):
        assert graph.start not in graph.distance, one.grammar.canonical
        return None
    assert graph.start in graph.distance, one.grammar.canonical
    return one, graph, compiled


def states(
    seed: int, *, every_byte: bool, most: int = 12
) -> Iterator[tuple[Case, Graph, Reader, sg.CompiledGrammar, State]]:
    """Yield states of a random case, breadth first, each with that of the automaton."""
    found = drawn(seed, every_byte=every_byte)
    if found is None:
        return
    one, graph, compiled = found
    queue = [(graph.start, compiled.start)]
    met = {graph.start}
    for at, state in queue:
        yield one, graph, at, compiled, state
        for token, after in graph.allowed(at).items():
            if after not in met and len(met) < most:
                met.add(after)
                following = compiled.step(state, token)
                assert following is not None
                queue.append((after, following))


def known_tokens(graph: Graph) -> set[int]:
    """Return the tokens that parts name: only free text has other bytes."""
    return {token for row in graph.after.values() for token in row}


def bounded(compiled: sg.CompiledGrammar, state: State, budget: int, known: set[int]) -> set[int]:
    mask = sg.allocate_mask(1, compiled.vocab_size)
    sg.Matcher(compiled, state).fill_mask(mask, budget=budget)
    return known.intersection(mask.allowed(0).tolist())


def check(seed: int, every_byte: bool) -> int:
    """Check some states of a case; return how many."""
    asked = 0
    for one, graph, at, compiled, state in states(seed, every_byte=every_byte):
        told, tokens, least, known = str(seed), graph.allowed(at), graph.distance[at], known_tokens(graph)
        allowed = set(compiled.allowed(state))
        assert allowed & known == tokens.keys(), told
        assert (
            compiled.accepts_end(state) == (least == 0) == (compiled.tokenizer.eos_token_ids[0] in allowed)
        ), told
        count, completion = compiled.tokens_to_finish(state), compiled.completion(state)
        assert count >= least and (count == 0) == (least == 0) == (
            completion == b"" and not special_next(one, at)
        ), told
        if all(len(compiled.tokenizer.token_bytes[token] or b"x") == 1 for token in known):
            assert count == least, told
        if every_byte and not one.has_masks and not one.of.has_special:
            assert count <= len(completion), told
        if not one.of.has_special:
            end = one.read(at, completion)
            assert end is not None and one.accepts(end), told
            forced = sg.Matcher(compiled, state).forced()
            assert completion.startswith(forced), told
        counts = {}
        for token in tokens:
            following = compiled.step(state, token)
            assert following is not None, told
            counts[token] = compiled.tokens_to_finish(following)
        if count:
            assert min(counts.values()) < count, told
            with pytest.raises(sg.errors.BudgetError):
                bounded(compiled, state, count - 1, known)
        for budget in (count, count + 1):
            fits = {token for token, more in counts.items() if more < budget}
            assert bounded(compiled, state, budget, known) == fits, told
        asked += 1
    return asked


def special_next(one: Case, at: Reader) -> bool:
    return one.of.has_special and not one.accepts(at)


@pytest.mark.parametrize("every_byte", [True, False], ids=["all bytes", "Write the texts out"])
def test_masks_and_counts_are_those_of_the_automaton(every_byte: bool) -> None:
    assert sum(check(seed, every_byte) for seed in range(35)) > 80


@pytest.mark.slow
@pytest.mark.parametrize("every_byte", [True, False], ids=["all bytes", "Write the texts out"])
def test_masks_and_counts_are_those_of_the_automaton_whole(every_byte: bool) -> None:
    assert sum(check(seed, every_byte) for seed in range(35, 1500)) > 4000


def test_matchers_of_nullable_parts_go_back_and_fill_together() -> None:
    for seed in range(100, 140):
        found = drawn(seed, every_byte=True)
        if found is None:
            continue
        _, graph, compiled = found
        chance, matcher, at, known = (
            random.Random(seed),
            sg.Matcher(compiled),
            graph.start,
            known_tokens(graph),
        )
        path, matchers = [at], [matcher.fork()]
        for _ in range(4):
            tokens = graph.allowed(at)
            if not tokens:
                break
            token = chance.choice(list(tokens))
            matcher.advance(token)
            at = tokens[token]
            path.append(at)
            matchers.append(matcher.fork())
        back = chance.randrange(len(path))
        matcher.rollback(back)
        path.append(path[-1 - back])
        mask = sg.allocate_mask(len(path), compiled.vocab_size)
        budgets = [one.tokens_to_finish() for one in (*matchers, matcher)]
        sg.core.fill_masks([*matchers, matcher], mask)
        for row, at in enumerate(path):
            assert known.intersection(mask.allowed(row).tolist()) == graph.allowed(at).keys(), seed
        sg.core.fill_masks([*matchers, matcher], mask, budgets=budgets)
        for row, (one_of, budget) in enumerate(zip((*matchers, matcher), budgets, strict=True)):
            assert known.intersection(mask.allowed(row).tolist()) == bounded(
                compiled, one_of.state, budget, known
            )


def test_explicit_automata_of_nullable_parts_are_theirs() -> None:
    read = 0
    for seed in range(200, 230):
        found = drawn(seed, every_byte=True)
        if found is None or found[0].of.has_special:
            continue
        one, graph, compiled = found
        if "$END" in one.grammar.canonical:
            continue  # a Lark grammar as a part is asked for each byte
        try:
            dfa = compiled.to_dfa(40)
        except sg.errors.LimitError:
            continue
        queue, met = [(graph.start, dfa.start)], {graph.start}
        for at, state in queue:
            assert bool(dfa.accepting[state]) == (graph.distance[at] == 0), seed
            allowed = graph.allowed(at)
            for token in known_tokens(graph):
                after = dfa.step(state, token)
                assert (after >= 0) == (token in allowed), seed
                if after >= 0 and allowed[token] not in met:
                    met.add(allowed[token])
                    queue.append((allowed[token], after))
        read += 1
    assert read > 8


RULES = 'root ::= "a"*'
TOKENIZER = sg.Tokenizer.from_bytes([*(bytes((byte,)) for byte in range(256)), None, None], eos_token_id=256)
ITEM = ("- " + sg.json_schema({"type": "integer"}) + "\n").optional()
NUMBER = {"type": "json_schema", "json_schema": {"type": "integer"}}
HUGE: dict[str, Callable[[], sg.Grammar]] = {
    "of nothing": lambda: sg.regex("").repeat(0, 10**6).repeat(2, 3),
    "of no characters": lambda: sg.regex("^").repeat(0, 10**6).repeat(2, 3),
    "of rules of nothing": lambda: sg.ebnf('root ::= ""').repeat(10**6, 10**9).repeat(2),
    "of rules": lambda: sg.ebnf(RULES).repeat(10**6, 10**9).repeat(3, 3),
    "of items": lambda: ITEM.repeat(0, 10**9).repeat(10**9).optional(),
    "of free text": lambda: sg.text(until="x", included=False).repeat(7, 10**9),
    "of counted text": lambda: sg.text(max_tokens=2).repeat(7, 10**9),
    "of a tag": lambda: sg.structural_tag(
        {"format": {"type": "plus", "content": {"type": "optional", "content": NUMBER}}}
    ),
    "of triggered tags": lambda: sg.structural_tag(
        {
            "format": {
                "type": "star",
                "content": {
                    "type": "triggered_tags",
                    "triggers": ["<"],
                    "tags": [{"begin": "<", "end": [""], "content": {"type": "star", "content": NUMBER}}],
                },
            }
        }
    ),
}


@pytest.mark.parametrize("rules", [RULES, 'root ::= "a"+', 'root ::= "a" | "aa" | root "a"'])
@pytest.mark.parametrize("least", [0, 2])
def test_copies_that_cannot_be_told_apart_are_few_states(rules: str, least: int) -> None:
    """The states of a long text in which each letter may begin a new copy do not grow with it."""
    compiled = sg.compile(sg.ebnf(rules).repeat(least, 10**6), TOKENIZER, store=False)
    state = compiled.step_bytes(compiled.start, b"a" * 20)
    assert state is not None
    states = compiled.sizes["machine_states"]
    assert compiled.step_bytes(state, b"a" * 400) is not None
    assert compiled.sizes["machine_states"] <= states + 5


@pytest.mark.parametrize("name", HUGE)
def test_a_repeat_of_nothing_is_complete(name: str) -> None:
    compiled = sg.compile(HUGE[name](), TOKENIZER, store=False)
    assert compiled.accepts_end(compiled.start)
    assert compiled.tokens_to_finish(compiled.start) == 0
    assert compiled.completion(compiled.start) == b""
    mask = sg.allocate_mask(1, compiled.vocab_size)
    sg.Matcher(compiled).fill_mask(mask, budget=0)
    assert mask.allowed(0).tolist() == [256]
