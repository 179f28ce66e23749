"""The distilled draft model of bench/methods: no token changes, and it learns what its papers say."""

from __future__ import annotations

import random
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import speculation_texts
import torch
from extract_engine import engine, facts, under
from methods import distilled_ways
from methods.distillation import Lesson, Trained, loss_of, trained
from methods.distillation_texts import Example, asked, collected, vocabulary
from methods.distilled_draft import BRANCHES, LEAST, DistilledDraft
from methods.draft_network import DraftNetwork
from methods.online_draft import EVERY, Adapters, OnlineDraft, Refused

import structgen as sg
from structgen.grammars.json_grammars.prompting import extraction_prompt
from structgen.speculation import Draft, VerifiedDraft

FIELDS = {
    "customer": {"type": "string", "maxLength": 12},
    "size": {"enum": ["S", "M", "L"]},
    "paid": {"type": "boolean"},
    "count": {"type": "integer", "minimum": 0, "maximum": 500},
    "tags": {"type": "array", "items": {"enum": ["new", "old"]}, "maxItems": 3},
}
SENTENCES = (
    "Zorvik of Orsk ordered three in size M and has paid.",
    "Mara wants 12 in size L; she has not paid.",
)


def schema(keys: Sequence[str]) -> sg.Grammar:
    own = {key: FIELDS[key] for key in keys}
    return sg.json_schema({"type": "object", "properties": own, "required": list(own)}, **sg.JSON_DUMPS)


ORDER = schema(["customer", "size", "paid"])
PROMPTS = [(extraction_prompt(ORDER, one), ORDER) for one in SENTENCES]


@cache
def examples() -> tuple[Example, ...]:
    return tuple(collected(engine(), PROMPTS, samples=4))


@cache
def learnt() -> tuple[DraftNetwork, list[float]]:
    return trained(examples(), is_distilled=True, most=300, width=24, size=48, rounds=40, say=lambda _: None)


@cache
def unlearnt() -> DraftNetwork:
    torch.manual_seed(0)
    tokens = vocabulary(examples(), 300)
    return Trained(len(tokens), 24, 48).network(tokens)


def written(make: Any, prompt: str, grammar: sg.Grammar) -> list[sg.Result]:
    how: Any = sg.Speculation(drafters=(make,)) if make else "off"
    sampling = sg.Sampling(temperature=1.0, seed=3)
    return engine().generate([sg.Request(prompt, grammar, sampling, max_tokens=60, n=3, speculation=how)])


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("way", ["distilled", "online", "untrained"])
def test_no_draft_changes_a_token_under_a_random_grammar(seed: int, way: str) -> None:
    draw = random.Random(seed)
    grammar = schema(draw.sample(sorted(FIELDS), draw.randint(1, 4)))
    adapters = Adapters(learnt()[0])
    make = {
        "distilled": lambda: DistilledDraft(learnt()[0]),
        "online": lambda: OnlineDraft(adapters),
        "untrained": lambda: DistilledDraft(unlearnt()),
    }[way]
    prompt = extraction_prompt(grammar, draw.choice(SENTENCES))
    plain, drafted = written(None, prompt, grammar), written(make, prompt, grammar)
    assert [one.tokens for one in drafted] == [one.tokens for one in plain]
    assert [one.usage.speculation for one in drafted] == [""] * 3
    assert sum(one.usage.drafted for one in drafted) > 0


def test_training_lowers_the_loss_and_raises_acceptance() -> None:
    network, losses = learnt()
    assert losses[-1] < 0.5 * losses[0]
    calls = [
        sum(one.usage.calls for one in written(lambda own=own: DistilledDraft(own), *PROMPTS[0]))
        for own in (unlearnt(), network)
    ]
    assert calls[1] < 0.6 * calls[0]


def test_the_laws_of_a_text_are_the_targets_under_the_mask() -> None:
    """Of an order too, and of letters that the model would not write: the mask takes most of its law away."""
    (letters,) = collected(engine(), [("Zorvik has paid.", sg.regex("[xyz]{3}"))], samples=1)
    for one, at in [(letters, 0), (letters, 1), (examples()[0], 4), (examples()[0], 8)]:
        logits, _ = engine().model.prefill([*one.prompt, *one.tokens[:at]])
        mask, view = sg.allocate_mask(1, one.grammar.vocab_size), under(one.grammar, one.tokens[:at])
        assert view.matcher is not None
        view.matcher.fill_mask(mask)
        allowed = mask.allowed()
        shares = np.exp(logits.numpy()[allowed].astype(np.float64))
        order = np.argsort(-shares)[:8]
        best = {int(allowed[i]): shares[i] / shares[order].sum() for i in order}
        assert one.laws[at] == pytest.approx(best, rel=1e-3)


def test_networks_are_trained_where_there_is_no_file_of_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[bool] = []

    def briefly(
        texts: Sequence[Example], *, is_distilled: bool, say: Any
    ) -> tuple[DraftNetwork, list[float]]:
        made.append(is_distilled)
        assert len(texts) == 8
        return unlearnt() if is_distilled else learnt()[0], []

    monkeypatch.setattr(distilled_ways, "asked", lambda: PROMPTS)
    monkeypatch.setattr(distilled_ways, "trained", briefly)
    for _ in range(2):
        found = distilled_ways.networks(engine(), tmp_path, say=lambda _: None)
        assert (found["likelihood"].head == learnt()[0].head).all()
        assert (found["distilled"].head == unlearnt().head).all()
    assert made == [False, True]
    behind = distilled_ways.ways(engine(), ("suffix",), tmp_path)
    assert [name.split(" + ")[0] for name in behind] == ["default"] * 3
    assert [how.drafters[0] for how in behind.values()] == ["suffix"] * 3


def test_numpy_reads_as_torch_does() -> None:
    torch.manual_seed(1)
    model = Trained(40, 6, 10).eval()
    network = model.network(range(100, 140))
    text = [100, 7, 139, 120, 120, 8]  # 7 and 8 are not known
    with torch.no_grad():
        states = model.states(torch.tensor([[0, 40, 39, 20, 20, 40]]))[0]
        law = torch.softmax(model.logits(states[-1:])[0], 0).numpy()
    state = network.read(network.read(network.start(), text[:2]), text[2:])
    assert np.abs(state - states[-1].numpy()).max() < 1e-5
    own = network.law(state, np.ones(40, np.bool_), network.head, network.bias)
    assert np.abs(own - law).max() < 1e-5


def letters() -> tuple[sg.CompiledGrammar, dict[str, int]]:
    found = sg.compile(sg.regex("[abc]x"), engine().tokenizer)
    return found, {letter: engine().tokenizer.encode(letter.encode())[0] for letter in "abcx"}


def test_distillation_learns_the_law_of_the_target_and_likelihood_its_tokens() -> None:
    grammar, of = letters()
    law = {of["a"]: 0.6, of["b"]: 0.3, of["c"]: 0.1}
    text = Example([of["x"]], [of["a"], of["x"]], [law, {of["x"]: 1.0}], grammar)
    shares = []
    for is_distilled in (True, False):
        network, _ = trained(
            [text] * 2, is_distilled=is_distilled, most=4, width=8, size=8, rounds=150, say=lambda _: None
        )
        allowed = np.array([one != of["x"] for one in network.tokens])
        state = network.read(network.start(), [of["x"]])
        found = network.law(state, allowed, network.head, network.bias)
        shares.append({int(token): float(share) for token, share in zip(network.tokens, found, strict=True)})
    assert all(abs(shares[0][token] - law[token]) < 0.05 for token in law)
    assert shares[1][of["a"]] > 0.95


def test_no_weight_is_learnt_for_what_the_grammar_forbids() -> None:
    grammar, of = letters()
    text = Example([of["x"]], [of["a"], of["x"]], [{of["a"]: 1.0}, {of["x"]: 1.0}], grammar)
    model = Trained(4, 6, 6)
    tokens = sorted(of.values())
    loss_of(model, [Lesson(text, tokens, is_distilled=True)]).backward()
    # behind "a" the grammar allows x alone, behind the prompt all but x: x is never one of several
    assert float(model.bias.grad[tokens.index(of["x"])]) == 0.0
    assert float(model.bias.grad.abs().sum()) > 0.0


def test_the_tree_has_the_laws_of_the_network_read_anew_under_the_mask() -> None:
    network, one = learnt()[0], examples()[0]
    drafter, at = DistilledDraft(network), 0
    drafter.begin(facts(one.prompt))
    while at < len(one.tokens):
        draft = drafter.propose(under(one.grammar, one.tokens[:at]), 8)
        for node in range(len(draft)):
            path = draft.path(node)
            view = under(one.grammar, [*one.tokens[:at], *path[:-1]])
            mask = sg.allocate_mask(1, one.grammar.vocab_size)
            assert view.matcher is not None
            view.matcher.fill_mask(mask)
            allowed = np.isin(network.tokens, mask.allowed())
            state = network.read(network.start(), [*one.prompt, *one.tokens[:at], *path[:-1]])
            law = network.law(state, allowed, network.head, network.bias)
            place = network.places[path[-1]]
            assert draft.chances[node] == pytest.approx(law[place], abs=1e-4) and law[place] >= LEAST
            assert int((law > law[place]).sum()) < BRANCHES
        taken = one.tokens[at : at + 1 + draft.accepted(one.tokens[at:])]
        drafter.observe(taken, 0)
        at += len(taken)


def refused(network: DraftNetwork, token: int) -> Refused:
    """Return a position at which the target is sure of a token, and all are allowed."""
    law = np.zeros(len(network.tokens), np.float32)
    law[network.places[token]] = 1.0
    state = network.read(network.start(), examples()[0].prompt)
    return Refused(state, np.ones(len(law), np.bool_), law)


def test_an_adapter_learns_what_was_refused_for_its_tenant_alone() -> None:
    network = learnt()[0]
    adapters, token = Adapters(network), int(unlearnt().tokens[7])
    before, other = network.head.copy(), adapters.of("other")
    position, shares = refused(network, token), []
    for _ in range(6 * EVERY):
        own = adapters.of("own")
        shares.append(
            network.law(position.state, position.allowed, own.head, own.bias)[network.places[token]]
        )
        own.learn(network, position)
    assert shares[-1] > 0.5 > shares[0] and shares[0] == shares[EVERY - 1] < shares[EVERY]
    assert (network.head == before).all() and (other.head == before).all()
    assert (other.bias == network.bias).all()


def test_adapters_are_bounded_by_bytes_and_the_oldest_goes() -> None:
    network = learnt()[0]
    each = Adapters(network).of("").nbytes
    adapters = Adapters(network, most_bytes=2 * each)
    for tenant in "abac":
        adapters.of(tenant)
    assert adapters.tenants == ("a", "c") and adapters.nbytes == 2 * each
    drafter = OnlineDraft(adapters)
    drafter.begin(facts([1], tenant="b"))
    assert adapters.tenants == ("c", "b")


def test_online_drafts_learn_the_law_where_the_text_left_the_draft() -> None:
    network, one = learnt()[0], examples()[0]
    adapters = Adapters(network)
    drafter = OnlineDraft(adapters)
    drafter.begin(facts(one.prompt, tenant="own"))
    drafter.propose(under(one.grammar, []), 4)
    first, second = one.tokens[:2]
    wrong = next(token for token in network.tokens.tolist() if token not in one.tokens)
    laws = np.array([[first, wrong], [wrong, second], [first, first]], np.int32)
    chances = np.array([[0.9, 0.1], [0.3, 0.7], [1.0, 0.0]], np.float32)
    drafter.verified(VerifiedDraft(Draft.chain([first, wrong]), laws, chances))
    drafter.observe([first, second], 1)
    (kept,) = adapters.of("own").kept
    assert kept.law[network.places[second]] == pytest.approx(0.7)
    assert kept.law[network.places[wrong]] == pytest.approx(0.3)
    again = network.read(network.start(), [*one.prompt, first])
    assert np.abs(kept.state - again).max() < 1e-5


def test_a_network_comes_back_from_its_file(tmp_path: Path) -> None:
    learnt()[0].save(tmp_path / "draft.npz", engine().tokenizer)
    found = DraftNetwork.load(tmp_path / "draft.npz", engine().tokenizer)
    assert (found.head == learnt()[0].head).all() and (found.tokens == learnt()[0].tokens).all()
    assert list(tmp_path.iterdir()) == [tmp_path / "draft.npz"]


@pytest.mark.parametrize("fault", ["cut", "changed", "shape", "no number", "missing", "another tokenizer"])
def test_a_file_that_is_no_network_is_refused_with_its_name(tmp_path: Path, fault: str) -> None:
    path, tokenizer = tmp_path / "draft.npz", engine().tokenizer
    network = learnt()[0]
    network.save(path, tokenizer)
    whole = path.read_bytes()
    if fault == "cut":
        path.write_bytes(whole[: len(whole) // 2])
    elif fault == "changed":
        path.write_bytes(whole[:4000] + b"\0" * 64 + whole[4064:])
    elif fault == "missing":
        path.unlink()
    elif fault == "another tokenizer":
        tokenizer = sg.Tokenizer([b"a", b"b", None], eos_token_ids=[2])
    else:
        bias = network.bias[1:] if fault == "shape" else network.bias * np.float32("nan")
        changed = {name: getattr(network, name) for name in network.__dataclass_fields__} | {"bias": bias}
        DraftNetwork(**changed).save(path, tokenizer)
    with pytest.raises(sg.StructgenError) as caught:
        DraftNetwork.load(path, tokenizer)
    assert caught.value.where == str(path) and "bench/methods/distilled_ways.py" in caught.value.cure


def test_no_prompt_of_the_workloads_is_trained_on_and_a_draft_has_at_most_two_million_weights() -> None:
    measured = {text.prompt for text in speculation_texts.texts()}
    assert len(asked()) == 60 and not measured & {prompt for prompt, _ in asked()}
    assert sum(one.numel() for one in Trained(2000, 128, 320).parameters()) < 2_000_000
