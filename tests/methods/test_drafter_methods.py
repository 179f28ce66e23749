"""Published drafters, a file each in bench/methods: no token changes, and each does what its paper says."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import speculation_smol
from methods.aded import Aded, Trigrams
from methods.drafters_rows import METHODS, USUAL
from methods.speculative_jacobi import SpeculativeJacobi
from methods.stand import SeenLaws, Stand
from methods.token_recycling import TokenRecycling

import structgen as sg
from structgen.json_grammars.prompting import extraction_prompt
from structgen.speculation import Draft, DraftContext, RequestFacts, VerifiedDraft

ROOT = Path(__file__).resolve().parents[2]
SCHEMA = {
    "type": "object",
    "properties": {
        "customer": {"type": "string"},
        "size": {"enum": ["S", "M", "L"]},
        "paid": {"type": "boolean"},
    },
    "required": ["customer", "size", "paid"],
}
ORDER = sg.json_schema(SCHEMA, **sg.JSON_DUMPS)
PROMPT = extraction_prompt(ORDER, "Zorvik of Orsk ordered three in size M and has paid.")
SAMPLINGS = {"greedy": sg.Sampling(temperature=0), "drawn": sg.Sampling(temperature=1.5, seed=3)}


@cache
def engine() -> sg.Engine:
    pytest.importorskip("torch")
    return speculation_smol.free_rows(sg.Engine("structgen/extract"))


@cache
def written(sampling: str, name: str) -> list[sg.Result]:
    """Return three samples of a prompt, drafted by one method alone; "": not drafted."""
    how: Any = sg.Speculation(drafters=(METHODS[name],)) if name else "off"
    asked = sg.Request(PROMPT, ORDER, SAMPLINGS[sampling], max_tokens=60, n=3, speculation=how)
    return engine().generate([asked])


@pytest.mark.parametrize("sampling", SAMPLINGS)
@pytest.mark.parametrize("name", METHODS)
def test_no_method_changes_a_token_and_each_saves_calls(name: str, sampling: str) -> None:
    plain, drafted = written(sampling, ""), written(sampling, name)
    assert [one.tokens for one in drafted] == [one.tokens for one in plain]
    assert [one.usage.speculation for one in drafted] == ["", "", ""]
    assert sum(one.usage.drafted for one in drafted) > 0


@pytest.mark.parametrize("name", METHODS)
def test_behind_the_usual_drafters_no_method_changes_a_token(name: str) -> None:
    how = sg.Speculation(drafters=(*USUAL, METHODS[name]))
    asked = sg.Request(PROMPT, ORDER, SAMPLINGS["drawn"], max_tokens=60, n=3, speculation=how)
    found = engine().generate([asked])
    assert [one.tokens for one in found] == [one.tokens for one in written("drawn", "")]


def facts(prompt: Sequence[int]) -> RequestFacts:
    return RequestFacts(prompt, sg.Tokenizer.from_huggingface(ROOT / "models/tokenizer"))


def view(room: int = 50) -> DraftContext:
    return DraftContext((), None, room, frozenset())


def seen(draft: Draft, tokens: Sequence[Sequence[int]], chances: Sequence[Sequence[float]]) -> VerifiedDraft:
    return VerifiedDraft(draft, np.array(tokens, np.int32), np.array(chances, np.float32))


def paths(draft: Draft) -> list[list[int]]:
    return sorted(draft.path(node) for node in range(len(draft)))


ROOT_ALONE = Draft.chain([])


def test_recycling_knows_of_each_token_what_followed_it_last() -> None:
    drafter = TokenRecycling()
    drafter.begin(facts([5]))
    drafter.verified(seen(ROOT_ALONE, [[7, 8]], [[0.9, 0.1]]))
    drafter.observe([7], 0)
    drafter.verified(seen(Draft.chain([9]), [[5, -1], [6, 4]], [[1.0, 0.0], [0.5, 0.5]]))
    assert drafter.successors == {5: [7, 8], 7: [5], 9: [6, 4]}  # of the refused token too
    assert paths(drafter.propose(view(), 3)) == [[5], [5, 7], [5, 7, 5]]  # the best ranks first
    drafter.verified(seen(ROOT_ALONE, [[9, 2]], [[0.9, 0.1]]))
    assert drafter.successors[7] == [9, 2]  # replaced, not added


def test_samples_of_a_request_share_what_their_drafters_know() -> None:
    known, drafted = facts([5, 6]), []
    for make in (TokenRecycling, Stand, Aded):
        first, second, stranger = make(), make(), make()
        first.begin(known)
        second.begin(known)
        stranger.begin(facts([5, 6]))
        first.verified(seen(ROOT_ALONE, [[7, 8]], [[0.9, 0.1]]))
        assert 7 in second.propose(view(), 4).tokens.tolist()
        assert 7 not in stranger.propose(view(), 4).tokens.tolist()
        drafted.append(first.nbytes)
    assert min(drafted) > 0


def test_stand_keeps_the_mean_of_the_laws_behind_a_context() -> None:
    laws = SeenLaws()
    laws.learn((1,), {4: 0.5, 5: 0.5})
    laws.learn((1,), {4: 1.0})
    assert laws.laws[1,] == pytest.approx({4: 0.75, 5: 0.25})


def test_stand_draws_children_without_replacement_and_without_noise_the_likeliest() -> None:
    firsts = []
    for noise in (0.0, 1.0):
        drafter = Stand(noise)
        drafter.begin(facts([1]))
        drafter.verified(seen(ROOT_ALONE, [[4, 5, 6]], [[0.6, 0.3, 0.1]]))
        drafts = [drafter.propose(view(), 3) for _ in range(200)]
        assert {tuple(sorted(draft.tokens.tolist())) for draft in drafts} == {(4, 5, 6)}
        drafter.propose(view(), 1)
        firsts.append([drafter._key(0.6) > drafter._key(0.3) for _ in range(2000)])
    assert all(firsts[0])
    assert abs(np.mean(firsts[1]) - 0.6 / 0.9) < 0.05  # of two, the first is the larger by its share


def test_stand_learns_which_places_are_right() -> None:
    drafter = Stand(0.0)
    drafter.begin(facts([1]))
    drafter.verified(seen(ROOT_ALONE, [[4, 5]], [[0.5, 0.5]]))
    for _ in range(30):
        drafter.text = [1]
        drafter.propose(view(), 2)
        drafter.observe([5], 1)
    assert drafter.seen.chance(1, 1, 0.5) > 0.7 > 0.3 > drafter.seen.chance(1, 0, 0.5)


def test_aded_searches_deeper_where_it_is_sure_and_wider_where_it_is_not() -> None:
    sure, unsure = Aded(), Aded()
    sure.begin(facts([1, 2] * 30))
    draft = sure.propose(view(), 6)
    assert max(len(path) for path in paths(draft)) == 6
    unsure.begin(facts([1, 2, 3, 1, 2, 4, 1, 2, 5, 1, 2]))
    assert sorted(path[0] for path in paths(unsure.propose(view(), 3)) if len(path) == 1) == [3, 4, 5]


def test_trigrams_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("methods.aded.MOST_PAIRS", 3)
    found = Trigrams()
    for token in range(9):
        found.add((token, token), 1, 1.0)
    assert list(found.after) == [(6, 6), (7, 7), (8, 8)]


def test_jacobi_takes_up_what_was_guessed_behind_refused_tokens() -> None:
    drafter = SpeculativeJacobi()
    drafter.begin(facts([1, 2]))
    drafter.chain = [7, 8, 9]
    drafter.verified(seen(Draft.chain([7, 8, 9]), [[3], [4], [5], [6]], [[1.0]] * 4))
    drafter.observe([3], 0)  # 7 was refused; 4, 5 and 6 stand behind it
    assert drafter.propose(view(3), 3).tokens.tolist() == [4, 5, 6]
