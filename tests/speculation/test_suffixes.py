"""The index of what came before, against brute force."""

from __future__ import annotations

import random
import tracemalloc
from collections import Counter
from collections.abc import Sequence

import pytest
from draft_cases import facts, paths, view

from structgen.errors import OptionError
from structgen.speculation.drafters import earlier_places
from structgen.speculation.drafters.earlier_places import EarlierPlaces
from structgen.speculation.drafters.suffix_index import SuffixIndex
from structgen.speculation.drafts.draft import Draft
from structgen.speculation.drafts.drafter import Facts


def common(one: Sequence[int], other: Sequence[int], most: int) -> int:
    """Return how many tokens at the ends of two texts are the same."""
    return next(
        (size for size in range(min(len(one), len(other), most), 0, -1) if one[-size:] == other[-size:]), 0
    )


@pytest.fixture
def all_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(earlier_places, "_MOST_COMPARED", 1_000)


@pytest.mark.usefixtures("all_compared")
def test_places_and_their_common_suffixes_are_those_of_brute_force() -> None:
    """For the end of the text itself, and of another one."""
    chooser = random.Random(4)
    for _ in range(150):
        letters = chooser.choice([1, 2, 3, 5])
        text, other = (
            [chooser.randrange(letters) for _ in range(chooser.randrange(1, 40))] for _ in range(2)
        )
        index = EarlierPlaces()
        for token in text:
            index.extend([token])
            for before in (list(index.text), other):
                for most in (1, 3, 64):
                    alike = {
                        place: common(index.text[:place], before, most) for place in range(1, len(index.text))
                    }
                    wanted = sorted((-length, place) for place, length in alike.items() if length)
                    assert index.alike(before, most) == [(-length, place) for length, place in wanted]


def test_of_many_places_the_first_and_the_latest_are_compared() -> None:
    index = EarlierPlaces([7, 1] * 500)
    lengths = index.alike([7], 64)
    assert lengths[0] == (1, 1) and lengths[-1] == (1, 999)
    assert len(lengths) <= earlier_places._MOST_COMPARED + 1


@pytest.mark.usefixtures("all_compared")
def test_shares_are_those_of_brute_force() -> None:
    chooser = random.Random(11)
    for _ in range(100):
        text = [chooser.choice([1, 2, 3, -1]) for _ in range(chooser.randrange(5, 60))]
        index = EarlierPlaces(text)
        chosen = chooser.sample(range(1, len(text)), min(6, len(text) - 1))
        draft = index.draft(chosen, view(None), 1_000, 9)
        for node in range(len(draft)):
            path = draft.path(node)
            before = [place for place in chosen if text[place : place + len(path) - 1] == path[:-1]]
            after = Counter(
                text[place + len(path) - 1]
                for place in before
                if place + len(path) - 1 < len(text) and text[place + len(path) - 1] >= 0
            )
            assert float(draft.chances[node]) == pytest.approx(after[path[-1]] / after.total())


def shares_of(draft: Draft) -> dict[tuple[int, ...], float]:
    return {tuple(draft.path(node)): float(draft.chances[node]) for node in range(len(draft))}


def test_the_likeliest_continuations_come_first_and_within_the_room() -> None:
    #       1 2 -> 3 twice, 4 once; then 1 2 again
    text = [1, 2, 3, 0, 1, 2, 3, 9, 1, 2, 4, 7, 1, 2]
    index = EarlierPlaces(text)
    alike = index.alike(text, 64)
    places = [place for length, place in alike if length == alike[0][0]]
    assert alike[0][0] == 2
    shares = shares_of(index.draft(places, view(None), 16, 4))
    assert shares[(3,)] == pytest.approx(2 / 3) and shares[(4,)] == pytest.approx(1 / 3)
    assert shares[(3, 0)] == shares[(3, 9)] == pytest.approx(0.5)
    assert paths(index.draft(places, view(None), 1, 4)) == {(3,)}
    assert max(map(len, paths(index.draft(places, view(None, room=2), 16, 4)))) == 2


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
    assert size < 200 * 1000
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
