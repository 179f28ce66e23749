"""What followed the last tokens before, against brute force."""

from __future__ import annotations

import random
import tracemalloc
from collections import Counter
from collections.abc import Sequence

import pytest
from draft_cases import facts, paths, view

from structgen.decoding.speculation.drafters import ngrams
from structgen.decoding.speculation.drafters.ngrams import CONTEXTS, KnownTexts, NGrams
from structgen.decoding.speculation.drafts.drafter import RequestFacts


def chances_of(text: Sequence[int], context: Sequence[int]) -> dict[int, float]:
    """Return the chances of what follows a context, found by reading the whole text for each size."""
    found: dict[int, float] = {}
    left = 1.0
    for size, share in CONTEXTS.items():
        if size > len(context):
            continue
        end = list(context[-size:])
        after = Counter(text[at] for at in range(size, len(text)) if list(text[at - size : at]) == end)
        for token, count in after.items():
            found[token] = found.get(token, 0.0) + left * share * count / after.total()
        left *= 1.0 - share if after else 1.0
    return found


def test_what_follows_a_context_is_what_brute_force_finds() -> None:
    chooser = random.Random(4)
    for _ in range(150):
        letters = chooser.choice([1, 2, 3, 5])
        text, other = (
            [chooser.randrange(letters) for _ in range(chooser.randrange(1, 40))] for _ in range(2)
        )
        known = NGrams()
        known.add_tokens(text[:7])
        known.add_tokens(text[7:])
        for context in (text, other, text[:3]):
            found = known.followers_of(context)
            assert dict(found) == pytest.approx(chances_of(text, context))
            assert [chance for _, chance in found] == sorted((chance for _, chance in found), reverse=True)
            assert sum(chance for _, chance in found) < 1.0


def drafter(prompt: Sequence[int]) -> KnownTexts:
    one = KnownTexts()
    one.begin(RequestFacts(prompt, facts().tokenizer))
    return one


def test_the_likeliest_continuations_come_first_and_within_the_room() -> None:
    #       1 2 -> 3 twice, 4 once; then 1 2 again
    one = drafter([1, 2, 3, 0, 1, 2, 3, 9, 1, 2, 4, 7, 1, 2])
    draft = one.propose(view(None), 16)
    chances = {tuple(draft.path(node)): float(draft.chances[node]) for node in range(len(draft))}
    assert chances[(3,)] == pytest.approx(2 * chances[(4,)])
    assert chances[(3, 0)] == pytest.approx(chances[(3, 9)])
    assert paths(one.propose(view(None), 1)) == {(3,)}
    assert max(map(len, paths(one.propose(view(None, room=2), 16)))) == 2


def test_a_copy_is_drafted_to_the_bound_and_an_unsure_tree_not_above_its_own() -> None:
    copied = list(range(100, 160))
    assert one_of(copied, copied[:20]) == 32
    chooser = random.Random(8)
    unsure = [chooser.randrange(6) for _ in range(400)]
    assert one_of(unsure, [1, 2]) == ngrams.MOST_UNSURE


def one_of(text: Sequence[int], end: Sequence[int]) -> int:
    """Return the size of the draft of at most 32 nodes behind a text and its beginning or any other end."""
    return len(drafter([*text, *end]).propose(view(None), 32))


def test_the_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ngrams, "MOST_TOKENS", 200)
    chooser = random.Random(6)
    one = drafter([chooser.randrange(50) for _ in range(1000)])
    tracemalloc.start()
    for _ in range(40):
        one.observe([chooser.randrange(50) for _ in range(50)], 0)
        one.propose(view(None), 1)
    size, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert size < 200 * 1500
    one.observe([7, 8, 9, 7, 8], 0)
    assert 9 in [path[0] for path in paths(one.propose(view(None), 8))]


def test_of_a_long_text_of_the_callers_the_beginning_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ngrams, "MOST_TOKENS", 9)
    text = b"one two three four five six seven eight nine ten eleven twelve"
    tokens = facts().tokenizer.encode(text)
    one = ngrams.callers_text()
    one.begin(RequestFacts((), facts().tokenizer, text=text))
    assert one.propose(view(None), 99).accepted(tokens) == 8
