"""The index of what came before, against brute force."""

from __future__ import annotations

import random
import tracemalloc
from collections.abc import Sequence

import pytest
from draft_cases import facts, paths, view
from slow_automaton import SlowAutomaton

from structgen.errors import OptionError
from structgen.speculation.drafters.suffix_automaton import SuffixAutomaton
from structgen.speculation.drafters.suffix_index import SuffixIndex
from structgen.speculation.drafters.suffix_tables import COUNT, EARLIER, FIRST, LATEST, LENGTH, LINK
from structgen.speculation.drafts.draft import Draft
from structgen.speculation.drafts.drafter import Facts


def places(text: Sequence[int], piece: Sequence[int]) -> list[int]:
    """Return where a piece ends in a text."""
    size = len(piece)
    return [i + size - 1 for i in range(len(text) - size + 1) if list(text[i : i + size]) == list(piece)]


def longest(text: Sequence[int], most: int) -> int:
    for size in range(min(most, len(text) - 1), 0, -1):
        if len(places(text, text[-size:])) > 1:
            return size
    return 0


def test_the_longest_suffix_is_that_of_brute_force() -> None:
    chooser = random.Random(4)
    for _ in range(150):
        letters = chooser.choice([1, 2, 3, 5])
        text = [chooser.randrange(letters) for _ in range(chooser.randrange(1, 40))]
        index = SuffixAutomaton()
        for count, token in enumerate(text, 1):
            index.extend([token])
            written = text[:count]
            for most in (1, 3, 64):
                state, length = index.repeated(most)
                assert length == longest(written, most)
                if length:
                    ends = places(written, written[-length:])
                    assert index.column(FIRST)[state] == ends[0]
                    assert index.column(LATEST)[state] == ends[-1]
                    assert index.column(EARLIER)[state] == ends[-2]
                    assert index.column(COUNT)[state] == len(ends)
        assert len(index.column(LENGTH)) <= 2 * len(text) + 1


def test_the_compiled_automaton_is_the_slow_one() -> None:
    """State by state, for texts of few and of many letters, with separators, added in pieces of any size."""
    chooser = random.Random(11)
    drafted = 0
    for turn in range(60):
        letters = chooser.choice([1, 2, 4, 40, 2**31 - 200])
        text = [100 + chooser.randrange(letters) for _ in range(chooser.randrange(1, 300))]
        if turn % 3 == 0:
            text = text * 3
        if turn % 4 == 0:
            text[len(text) // 2] = -1
        slow, fast = SlowAutomaton(text), SuffixAutomaton()
        at = 0
        while at < len(text):
            size = chooser.randrange(1, 40)
            fast.extend(text[at : at + size])
            at += size
        assert fast.text.tolist() == list(slow.text)
        for column, wanted in (
            (LENGTH, slow.lengths),
            (LINK, slow.links),
            (COUNT, slow.counts),
            (FIRST, slow.firsts),
            (LATEST, slow.latest),
            (EARLIER, slow.earlier),
        ):
            assert fast.column(column).tolist() == wanted
        for longest in (1, 2, 64):
            assert fast.repeated(longest) == slow.repeated(longest)
        if max(slow.counts) > 250 or -1 in text:
            continue  # of more places than are counted the order of equals is open; so are separators' shares
        for state in chooser.sample(range(len(slow.lengths)), min(20, len(slow.lengths))):
            room = chooser.choice([2, 1000])
            most, branches = chooser.randrange(1, 12), chooser.randrange(1, 5)
            found = fast.draft(state, view(None, room=room), most, branches)
            wanted_draft = slow.draft(state, view(None, room=room), most, branches)
            assert shares_of(found) == pytest.approx(shares_of(wanted_draft))
            drafted += len(found)
    assert drafted > 1000


def shares_of(draft: Draft) -> dict[tuple[int, ...], float]:
    return {tuple(draft.path(node)): float(draft.chances[node]) for node in range(len(draft))}


def test_another_text_is_followed_as_by_brute_force() -> None:
    chooser = random.Random(5)
    for _ in range(100):
        text = [chooser.randrange(3) for _ in range(30)]
        other = [chooser.randrange(4) for _ in range(30)]
        index, state, length = SuffixAutomaton(text), 0, 0
        for count, token in enumerate(other, 1):
            state, length = index.follow(state, length, [token])
            written = other[:count]
            expected = next((n for n in range(count, 0, -1) if places(text, written[-n:])), 0)
            assert length == expected
            if expected:
                assert index.column(COUNT)[state] == len(places(text, written[-expected:]))


def test_shares_are_how_often_the_text_went_on_so() -> None:
    #       1 2 -> 3 twice, 4 once; then 1 2 again
    text = [1, 2, 3, 0, 1, 2, 3, 9, 1, 2, 4, 7, 1, 2]
    index = SuffixAutomaton(text)
    state, length = index.repeated(64)
    assert length == 2
    draft = index.draft(state, view(None), 16, 4)
    shares = {tuple(draft.path(node)): float(draft.chances[node]) for node in range(len(draft))}
    assert shares[(3,)] == pytest.approx(2 / 3) and shares[(4,)] == pytest.approx(1 / 3)
    assert shares[(3, 0)] == shares[(3, 9)] == pytest.approx(0.5)
    best = index.draft(state, view(None), 1, 4)
    assert paths(best) == {(3,)}
    assert max(map(len, paths(index.draft(state, view(None, room=2), 16, 4)))) == 2


def test_prompt_lookup_copies_from_the_first_place_and_copy_spec_from_the_latest() -> None:
    prompt = [5, 1, 2, 3, 4, 9, 8, 1, 2, 3, 6, 9, 1, 2]
    for index, wanted in (
        (SuffixIndex.prompt_lookup(), [4, 9, 8]),
        (SuffixIndex.copy_spec(length=3), [6, 9, 1]),
    ):
        index.begin(Facts(prompt, facts().tokenizer))
        index.observe([3], 0)
        assert index.propose(view(None), 3).tokens.tolist() == wanted
    copy = SuffixIndex.copy_spec(length=5)
    copy.begin(Facts(prompt, facts().tokenizer))
    copy.observe([3], 0)
    assert len(copy.propose(view(None), 3)) == 0  # no five tokens came before


def test_the_memory_of_the_index_is_bounded() -> None:
    chooser = random.Random(6)
    index = SuffixIndex(most_tokens=200)
    index.begin(Facts([chooser.randrange(50) for _ in range(1000)], facts().tokenizer))
    tracemalloc.start()
    for _ in range(40):
        index.observe([chooser.randrange(50) for _ in range(50)], 0)
        index.propose(view(None), 1)
        assert len(index.index) <= 200
    size, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert size < 200 * 1000 and index.index.nbytes <= 200 * 320
    repeated = [7, 8, 9, 7, 8]
    index.observe(repeated, 0)
    assert 9 in [path[0] for path in paths(index.propose(view(None), 8))]


@pytest.mark.parametrize(
    "options",
    [{"shortest": 0}, {"longest": 2, "shortest": 3}, {"branches": 0}, {"most_tokens": 1}, {"pick": "best"}],
)
def test_options_that_are_none_are_refused(options: dict[str, int]) -> None:
    with pytest.raises(OptionError, match="Give"):
        SuffixIndex(**options)  # type: ignore[arg-type]
