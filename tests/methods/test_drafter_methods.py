"""Published drafters, a file each in bench/methods: no token changes, and each does what its paper says."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
import pytest
from extract_engine import engine, facts, under
from methods.aded import Aded, Trigrams
from methods.aggressive_block import BLOCK, BRANCHES, SLOTS, AggressiveBlock
from methods.drafters_rows import METHODS, OF_EXTRACT, USUAL, small_model
from methods.layer_skipping import agreement_on, even, searched, skipping, weights_of
from methods.pearl import Pearl
from methods.pruned_retrieval import LEAST, PrunedRetrieval
from methods.specdec_head import Head, SpecDecHead, worth_drafting
from methods.speculative_jacobi import SpeculativeJacobi
from methods.text_drafter import TextDrafter
from methods.token_recycling import TokenRecycling

import structgen as sg
from structgen.decoding.infilling.presets import load_masked_model
from structgen.decoding.speculation.drafters.ngrams import KnownTexts
from structgen.grammars.json_grammars.prompting import extraction_prompt
from structgen.speculation import Draft, DraftContext, VerifiedDraft

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
def written(sampling: str, name: str) -> list[sg.Result]:
    """Return three samples of a prompt, drafted by one method alone; "": not drafted."""
    how: Any = sg.Speculation(drafters=((METHODS | OF_EXTRACT)[name],)) if name else "off"
    asked = sg.Request(PROMPT, ORDER, SAMPLINGS[sampling], max_tokens=60, n=3, speculation=how)
    return engine().generate([asked])


@pytest.mark.parametrize("sampling", SAMPLINGS)
@pytest.mark.parametrize("name", METHODS | OF_EXTRACT)
def test_no_method_changes_a_token_and_each_drafts(name: str, sampling: str) -> None:
    plain, drafted = written(sampling, ""), written(sampling, name)
    assert [one.tokens for one in drafted] == [one.tokens for one in plain]
    assert [one.usage.speculation for one in drafted] == ["", "", ""]
    assert sum(one.usage.drafted for one in drafted) > 0


@pytest.mark.parametrize("name", METHODS | OF_EXTRACT)
def test_behind_the_usual_drafters_no_method_changes_a_token(name: str) -> None:
    how = sg.Speculation(drafters=(*USUAL, (METHODS | OF_EXTRACT)[name]))
    asked = sg.Request(PROMPT, ORDER, SAMPLINGS["drawn"], max_tokens=60, n=3, speculation=how)
    found = engine().generate([asked])
    assert [one.tokens for one in found] == [one.tokens for one in written("drawn", "")]


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
    for make in (TokenRecycling, Aded):
        first, second, stranger = make(), make(), make()
        first.begin(known)
        second.begin(known)
        stranger.begin(facts([5, 6]))
        first.verified(seen(ROOT_ALONE, [[7, 8]], [[0.9, 0.1]]))
        assert 7 in second.propose(view(), 4).tokens.tolist()
        assert 7 not in stranger.propose(view(), 4).tokens.tolist()
        drafted.append(first.nbytes)
    assert min(drafted) > 0


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


def of_extract() -> tuple[sg.CompiledGrammar, list[int], list[int]]:
    """Return the grammar, the prompt and its greedy answer."""
    plain = written("greedy", "")[0]
    return (
        sg.compile(ORDER, engine().tokenizer),
        engine().tokenizer.encode(PROMPT.encode()),
        list(plain.tokens),
    )


def greedy(
    compiled: sg.CompiledGrammar, prompt: Sequence[int], tokens: Sequence[int], count: int
) -> list[int]:
    """Return what the small model writes next under the mask, read anew for each token."""
    matcher, mask, found = sg.Matcher(compiled), sg.allocate_mask(1, compiled.vocab_size), list[int]()
    for token in tokens:
        matcher.advance(token)
    while len(found) < count and not matcher.is_finished:
        logits, _ = small_model()[0].prefill([*prompt, *tokens, *found])
        matcher.fill_mask(mask)
        allowed = mask.allowed()
        found.append(int(allowed[logits.numpy()[allowed].argmax()]))
        matcher.advance(found[-1])
    return found


@pytest.mark.parametrize("is_guessed", [True, False])
def test_pearl_drafts_what_the_small_model_writes_whether_or_not_it_drafted_ahead(is_guessed: bool) -> None:
    compiled, prompt, answer = of_extract()
    if not is_guessed:  # a text that goes elsewhere, in the middle of what was drafted ahead
        other = json.dumps({"customer": "Ada", "size": "L", "paid": False})
        answer = [*engine().tokenizer.encode(other.encode()), answer[-1]]
    drafter = Pearl(small_model()[0])
    drafter.begin(facts(prompt))
    at, hidden = 0, []
    while at < len(answer):
        draft = drafter.propose(under(compiled, answer[:at]), 16).tokens.tolist()
        assert draft == greedy(compiled, prompt, answer[:at], len(draft)) and draft
        taken = answer[at : at + 1 + Draft.chain(draft).accepted(answer[at:])]
        drafter.observe(taken, 0)
        at += len(taken)
        hidden.append(drafter.hidden)
    drafter.end()
    assert hidden[0] == 0 and (hidden[-1] > 0) == is_guessed


@pytest.mark.parametrize("is_sure", [True, False])
def test_pruned_retrieval_keeps_the_paths_that_the_small_model_finds_likely(is_sure: bool) -> None:
    compiled, prompt, answer = of_extract()
    if not is_sure:  # letters, of which no token is likely: only whole paths are unlikely enough
        tokenizer = engine().tokenizer
        compiled = sg.compile(sg.regex("[abc ]{1,40}"), tokenizer)
        prompt = tokenizer.encode(b"abc ab cab abc bca abc ab ca b abc")
        answer = tokenizer.encode(b"abc ab cab bca")
    drafter, twin = PrunedRetrieval(small_model()[0]), KnownTexts()
    drafter.begin(facts(prompt))
    twin.begin(facts(prompt))
    mask, kept, left = sg.allocate_mask(1, compiled.vocab_size), 0, 0

    @cache
    def masses(tokens: tuple[int, ...]) -> np.ndarray:
        logits, _ = small_model()[0].prefill(tokens)
        return np.exp(logits.numpy())

    for at in range(len(answer)):
        view = under(compiled, answer[:at])
        whole, likely = twin.propose(view, 16), list[list[int]]()
        for node in range(len(whole)):
            share, path, matcher = 1.0, whole.path(node), under(compiled, answer[:at]).matcher
            assert matcher is not None
            for depth, token in enumerate(path):
                matcher.fill_mask(mask)
                law = masses((*prompt, *answer[:at], *path[:depth]))[mask.allowed()]
                share *= float(law[mask.allowed() == token].sum() / law.sum())
                matcher.advance(token)
            if share >= LEAST:
                likely.append(path)
        assert paths(drafter.propose(view, 8)) == sorted(likely)
        kept, left = kept + len(likely), left + len(whole) - len(likely)
        for one in (drafter, twin):
            one.observe(answer[at : at + 1], 0)
    assert kept > 5 and left > 5


def test_a_block_is_the_likeliest_allowed_token_of_each_slot() -> None:
    compiled, prompt, answer = of_extract()
    drafter = AggressiveBlock()
    drafter.begin(facts(prompt))
    model, wanted = load_masked_model("structgen/infill")[0], list[int]()
    canvas = np.array([*prompt, *[model.mask_id] * SLOTS])
    rows = model.forward(canvas)[len(prompt) - model.shift :]
    matcher = under(compiled, []).matcher
    assert matcher is not None
    for row in rows[:BLOCK]:
        row[model.mask_id] = -np.inf
        likeliest = np.argsort(-row)[:BRANCHES].tolist()
        fits = (one for one in likeliest if matcher.accepts([*wanted, one]) == len(wanted) + 1)
        if (token := next(fits, None)) is None:
            break
        wanted.append(token)
    draft = drafter.propose(under(compiled, []), 16)
    assert draft.tokens.tolist() == wanted and 6 <= len(wanted) <= BLOCK
    assert draft.accepted(answer) >= 2


def test_as_many_guesses_are_worth_their_rows_as_give_the_most_tokens_for_the_time() -> None:
    random = np.random.default_rng(2)
    for _ in range(300):
        chances, row = random.uniform(0.3, 1.0, 12), random.uniform(0.005, 0.3)
        rates = [(1.0 + np.cumprod(chances)[:count].sum()) / (1.0 + row * count) for count in range(13)]
        assert rates[worth_drafting(chances.tolist(), row)] == pytest.approx(max(rates))


def test_the_head_learns_what_is_right_and_drafts_fewer_nodes() -> None:
    head = Head()
    for _ in range(400):
        head.learn(head.features(0.8, 1), is_right=True)
        head.learn(head.features(0.8, 9), is_right=False)
    assert head.chance(head.features(0.8, 1)) > 0.8 > 0.2 > head.chance(head.features(0.8, 9))
    drafter = SpecDecHead(TwelveTokens)
    drafter.begin(facts([1, 2]))
    lengths = []
    for _ in range(200):
        lengths.append(len(drafter.propose(view(), 16)))
        drafter.observe([0, 1, 99], 2)  # the third guess is never right
    assert lengths[0] == 12 and max(lengths[-20:]) <= 6


class TwelveTokens(TextDrafter):
    """Drafts the same chain always."""

    def propose(self, view: DraftContext, most: int) -> Draft:
        return Draft.chain(range(12), chance=0.8)


def test_a_model_that_skips_nothing_is_the_model_and_fixed_sets_are_spread() -> None:
    weights = weights_of("structgen/extract")
    _, prompt, answer = of_extract()
    logits, _ = skipping(weights, ()).prefill(prompt)
    assert (logits == engine().model.prefill(prompt)[0]).all()
    agreement = agreement_on(weights, [(prompt, answer)])
    assert agreement(()) > agreement((1, 2)) > 0.0
    assert even(30, 10) == (3, 5, 8, 11, 13, 16, 18, 21, 24, 26) and even(4, 1) == (2,)


def test_the_search_of_a_skip_set_finds_the_layers_that_cost_least() -> None:
    costs = np.random.default_rng(5).permutation(12).tolist()
    found = searched(12, 4, lambda skipped: -sum(costs[layer] for layer in skipped))
    assert [costs[layer] for layer in found] == sorted(costs[1:11])[:4]
