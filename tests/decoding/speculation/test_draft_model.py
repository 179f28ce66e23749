"""The small model's drafts: under the mask, as likely as it says, and the same after any rollback."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from draft_cases import GRAMMARS, ROW, answer, facts, of_machine, replay, tokenizer, view
from object_schemas import BOOLEAN, INTEGER, STRING, object_of

import structgen as sg
from structgen.decoding.speculation.drafters.draft_model import DraftModel
from structgen.decoding.speculation.drafts.draft import Draft
from structgen.decoding.speculation.drafts.drafter import DraftContext, RequestFacts

TEXTS = {
    "JSON": answer({"name": "Marta Ortiz", "kind": "supplier", "active": True}),
    "text": [*tokenizer().encode(b"green 47, red 2, blue 313"), tokenizer().eos_token_ids[0]],
    "Lark": [*tokenizer().encode(b"a = 1; zz = 20; b=3;"), tokenizer().eos_token_ids[0]],
}


class Read(list[int]):
    """The cache of such a model: the tokens."""

    nbytes = 8

    def copy(self) -> Read:
        return Read(self)


class Small:
    """A model without torch: its logits are a fixed random function of the last three tokens of a text."""

    vocab_size = 2048 + 64

    def __init__(self, context: int = 4096) -> None:
        self.context = context
        self.prefills = 0
        self.rows: list[int] = []
        """Rows of each pass behind the prompt."""

    def logits(self, tokens: Sequence[int]) -> Any:
        return 4 * np.random.default_rng(list(tokens[-3:])).standard_normal(self.vocab_size)

    def prefill(self, tokens: Sequence[int]) -> tuple[Any, Read]:
        self.prefills += 1
        assert 0 < len(tokens) <= self.context
        return self.logits(tokens), Read(tokens)

    def decode(self, tokens: Sequence[int], caches: Sequence[list[int]]) -> Any:
        self.rows.append(len(tokens))
        for token, cache in zip(tokens, caches, strict=True):
            cache.append(token)
            assert len(cache) <= self.context
        return np.stack([self.logits(cache) for cache in caches])


class Verifying(Small):
    """The same, which verifies drafts."""

    draft_support = SimpleNamespace(shape="tree")

    def decode_tree(self, tokens: Any, parents: Any, counts: Any, caches: Any) -> Any:
        assert list(parents) == list(range(-1, len(tokens) - 1))  # the drafter reads chains alone
        self.read = list(tokens)
        self.rows.append(len(tokens))
        (cache,) = caches
        return np.stack([self.logits([*cache, *tokens[: at + 1]]) for at in range(len(tokens))])

    def keep(self, kept: Any, caches: Any) -> None:
        for path, cache in zip(kept, caches, strict=True):
            cache.extend(self.read[node] for node in path)


def likeliest(small: Small, compiled: sg.CompiledGrammar, prompt: list[int], text: list[int]) -> int:
    """Return the small model's choice under the mask, in the slow way: nothing is kept."""
    matcher = sg.Matcher(compiled)
    for token in text:
        matcher.advance(token)
    mask = sg.allocate_mask(1, tokenizer().vocab_size)
    matcher.fill_mask(mask)
    allowed = mask.allowed()
    return int(allowed[small.logits([*prompt, *text])[allowed].argmax()])


@pytest.mark.parametrize("machine", GRAMMARS)
def test_a_chain_is_the_small_models_own_greedy_text_under_the_grammar(machine: str) -> None:
    small, compiled, asked = Small(), of_machine(machine), facts(b"A prompt.")
    one = DraftModel(small, depth=5, branches=1, min_chance=0.0)
    one.begin(asked)
    matcher, written = sg.Matcher(compiled), list[int]()
    for token in TEXTS[machine]:
        expected: list[int] = []
        while len(expected) < 5 and not set(expected) & set(tokenizer().eos_token_ids):
            expected.append(likeliest(small, compiled, list(asked.prompt), [*written, *expected]))
        assert one.propose(view(matcher, written), 16).tokens.tolist() == expected
        written.append(token)
        matcher.advance(token)
        one.observe([token], 0)


def test_the_chance_of_a_node_is_its_probability_given_the_mask() -> None:
    small, compiled = Small(), of_machine("JSON")
    one = DraftModel(small, depth=1, branches=2048)
    prompt = facts(b"A prompt.")
    one.begin(prompt)
    matcher = sg.Matcher(compiled)
    for token in TEXTS["JSON"][:7]:
        matcher.advance(token)
    one.observe(TEXTS["JSON"][:7], 0)
    draft = one.propose(view(matcher), 2048)
    mask = sg.allocate_mask(1, tokenizer().vocab_size)
    matcher.fill_mask(mask)
    weights = np.exp(small.logits([*prompt.prompt, *TEXTS["JSON"][:7]])[mask.allowed()])
    expected = dict(zip(mask.allowed().tolist(), weights / weights.sum(), strict=True))
    found = dict(zip(draft.tokens.tolist(), draft.chances.tolist(), strict=True))
    assert found == pytest.approx(expected, rel=1e-4) and len(found) > 10


def _same(one: Draft, other: Draft) -> bool:
    columns = [
        (draft.tokens.tolist(), draft.parents.tolist(), draft.chances.tolist()) for draft in (one, other)
    ]
    return columns[0] == columns[1]


def _embedded() -> Any:
    pytest.importorskip("torch")
    from structgen.decoding.engine.models import load_model

    return load_model("structgen/extract-draft")[0]


@pytest.mark.parametrize("make", [Small, Verifying, _embedded], ids=["one by one", "in one pass", "embedded"])
def test_after_any_tokens_the_drafts_are_those_of_a_fresh_start(make: Any) -> None:
    """The text takes other tokens than were drafted, the drafted ones, and several at once."""
    chooser = np.random.default_rng(3)
    model = make()
    compiled, asked, text = of_machine("JSON"), facts(b"Marta Ortiz is a supplier."), TEXTS["JSON"]
    one = DraftModel(model, depth=4, branches=2, min_chance=0.0)
    one.begin(asked)
    at, matcher = 0, sg.Matcher(compiled)
    while at < len(text):
        draft = one.propose(view(matcher, text[:at]), 16)
        fresh = DraftModel(model, depth=4, branches=2, min_chance=0.0)
        fresh.begin(RequestFacts([*asked.prompt, *text[:at]], tokenizer()))
        assert _same(draft, fresh.propose(view(matcher, text[:at]), 16)), at
        taken = text[at : at + int(chooser.integers(1, 5))]
        for token in taken:
            matcher.advance(token)
        one.observe(taken, draft.accepted(taken))
        at += len(taken)


def test_the_prompt_is_read_once_and_what_was_guessed_right_is_not_read_again() -> None:
    small = Small()
    compiled, asked = of_machine("JSON"), facts(b"A prompt.")
    one = DraftModel(small, depth=4, branches=1, min_chance=0.0)
    one.begin(asked)
    matcher = sg.Matcher(compiled)
    draft = one.propose(view(matcher), 16)
    assert small.prefills == 1 and small.rows == [1, 1, 1]
    right = draft.tokens.tolist()[:3]
    for token in right:
        matcher.advance(token)
    one.observe(right, 3)
    one.propose(view(matcher, right), 16)
    assert small.prefills == 1 and small.rows == [1] * 6  # three more levels, nothing else


def test_tokens_that_others_guessed_are_read_in_one_pass_where_the_model_can() -> None:
    small = Verifying()
    one = DraftModel(small, depth=1)
    one.begin(facts(b"A prompt."))
    matcher = sg.Matcher(of_machine("JSON"))
    one.propose(view(matcher), 16)
    taken = TEXTS["JSON"][:6]
    for token in taken:
        matcher.advance(token)
    one.observe(taken, 6)
    one.propose(view(matcher, taken), 16)
    assert small.rows == [6]


def test_a_text_longer_than_the_small_models_context_gets_no_draft() -> None:
    asked = facts(b"A prompt.")
    one = DraftModel(Small(context=len(asked.prompt) + 6), min_chance=0.0)
    one.begin(asked)
    matcher, drafted = sg.Matcher(of_machine("JSON")), []
    for at, token in enumerate(TEXTS["JSON"]):
        drafted.append(len(one.propose(view(matcher, TEXTS["JSON"][:at]), 4)))
        matcher.advance(token)
        one.observe([token], 0)
    assert drafted[0] > 0 and set(drafted[6:]) == {0}


def test_logits_that_are_no_numbers_give_no_draft() -> None:
    small = Small()
    small.logits = lambda tokens: np.full(small.vocab_size, np.nan)  # type: ignore[method-assign]
    one = DraftModel(small)
    one.begin(facts(b"A prompt."))
    assert len(one.propose(view(sg.Matcher(of_machine("JSON"))), 16)) == 0


class Unmasked(DraftModel):
    """The same drafter, which does not know the grammar; what the grammar refuses is cut off its drafts."""

    def propose(self, view: DraftContext, most: int) -> Draft:
        return super().propose(DraftContext(view.tokens, None, view.room, view.ends), most)


def test_masked_drafts_are_accepted_more_than_unmasked_ones() -> None:
    """Texts that structgen/extract wrote, under a grammar whose white space is not the models' own."""
    pytest.importorskip("torch")
    schema = object_of(customer=STRING, quantity=INTEGER, paid=BOOLEAN, size={"enum": ["S", "M", "L"]})
    grammar = sg.json_schema(schema, whitespace="compact")
    engine = sg.Engine("structgen/extract")
    texts = ["Zorvik took three in size M and paid.", "Marta Ortiz wants five large ones, not paid yet."]
    greedy = sg.Sampling(temperature=0)
    results = engine.generate([sg.Request(text, grammar, greedy, speculation="off") for text in texts])
    compiled, model = engine.compiled(grammar), _embedded()
    calls = {}
    for kind in (DraftModel, Unmasked):
        found = [
            replay(
                [step.token for step in result.steps],
                [kind(model)],
                RequestFacts(engine.tokenizer.encode(text.encode()), engine.tokenizer),
                sg.Matcher(compiled),
                5,
                ROW,
            )
            for text, result in zip(texts, results, strict=True)
        ]
        calls[kind] = sum(one.calls for one in found) / sum(one.tokens for one in found)
    assert calls[DraftModel] < 0.9 * calls[Unmasked] < 0.9
