"""With speculation an engine writes the same tokens as without, in fewer passes of the model, whatever the
drafts."""

from __future__ import annotations

import dataclasses
import functools
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from request_kinds import DATES, PERSON, requests
from scripted_drafts import Scripted
from small_models import Function, TreeFunction, tokenizer, write_llama
from token_caches import TokenCache

import structgen as sg
from structgen.decoding.engine import Engine, FinishReason, Handle, Request, Result, Sampling
from structgen.decoding.engine.huggingface import HuggingFace
from structgen.decoding.engine.model_protocol import DraftSupport
from structgen.decoding.engine.models import load_model
from structgen.decoding.runs.resources import model_path
from structgen.decoding.speculation.drafters.answer_history import AnswerHistory
from structgen.decoding.speculation.drafts.draft import NO_DRAFT, Draft
from structgen.decoding.speculation.drafts.drafter import (
    DraftContext,
    Drafter,
    RequestFacts,
    VerifiedDraft,
)
from structgen.decoding.speculation.planning.drafting import Drafting
from structgen.decoding.speculation.speculation_options import Speculation

TOKENIZER = tokenizer()
END = TOKENIZER.eos_token_ids[0]


def _engine(**options: Any) -> Engine:
    return Engine(TreeFunction(TOKENIZER.vocab_size), TOKENIZER, **options)


def _requests(count: int, speculation: Callable[[int], Any]) -> list[Request]:
    """Requests of all kinds; some are steered early, and each ninth has two samples."""
    return [
        dataclasses.replace(
            request,
            n=2 if i % 9 == 8 else 1,
            end_margin=4 if i % 5 == 1 else 0,
            speculation=speculation(i),
        )
        for i, request in enumerate(requests(count))
    ]


def _of(result: Result | None) -> object:
    assert result is not None
    steps = [
        (s.token, s.logprob, s.constrained, s.removed, s.allowed, s.wanted, s.steered, s.likeliest_allowed)
        for s in result.steps
    ]
    return result.tokens, result.text, result.thoughts, result.finish_reason, str(result.error), steps


KINDS = 18
"""Requests of which each kind is one."""


@functools.cache
def _all_plain(count: int) -> list[Result]:
    return _engine().generate(_requests(count, lambda _: "off"))


def _plain(count: int = KINDS) -> list[Result]:
    """Return what plain decoding writes for the first requests; every ninth has two samples."""
    return _all_plain(max(count, KINDS))[: count + count // 9]


class Recorder(Scripted):
    """Drafts nothing, and notes what is written, thoughts included."""

    def __init__(self, into: list[int]) -> None:
        super().__init__(())
        self.into = into

    def propose(self, view: DraftContext, most: int) -> Draft:
        return NO_DRAFT

    def observe(self, taken: Sequence[int], accepted: int) -> None:
        self.into.extend(taken)


@functools.cache
def _written(most: int) -> list[list[int]]:
    """Return what plain decoding writes for the first sample of each request, thoughts included."""
    scripts: list[list[int]] = []
    for request in _requests(most, lambda _: "off"):
        scripts.append([])
        how = Speculation(drafters=(functools.partial(Recorder, scripts[-1]),))
        request = dataclasses.replace(request, n=1, speculation=how)
        (result,) = _engine().generate(request)
        # the last token ends the text, and no drafter hears of it
        scripts[-1] = [*scripts[-1], *result.tokens[-1:]]
    return scripts


def _scripted(count: int) -> list[Request]:
    """The same requests, each of which drafts what plain decoding wrote for its first sample."""
    scripts = _written(max(count, KINDS))
    return _requests(
        count, lambda i: Speculation(drafters=(functools.partial(Scripted, scripts[i], i),), nodes=24)
    )


@pytest.mark.usefixtures("keen")
@pytest.mark.parametrize(
    ("max_rows", "count"),
    [(1, KINDS), (8, KINDS), *(pytest.param(rows, 500, marks=pytest.mark.slow) for rows in (1, 3, 8, 32))],
)
def test_drafts_of_the_text_itself_change_nothing(max_rows: int, count: int) -> None:
    found = _engine(max_rows=max_rows).generate(_scripted(count))
    for one, plain in zip(found, _plain(count), strict=True):
        assert _of(one) == _of(plain)
    assert sum(one.usage.calls for one in found) < 0.6 * sum(len(one.steps) for one in found)


_DRAFTERS = {
    "forced": Speculation(drafters=("forced",)),
    "grammar": Speculation(drafters=("grammar",)),
    "suffix": Speculation(drafters=("suffix",)),
    "all": Speculation(edit='{"name": "ab", "age": 12, "tags": ["red"]}'),
    "chain": Speculation(chain=True, nodes=5),
    "samples": Speculation(drafters="samples"),
}


@pytest.mark.usefixtures("keen")
@pytest.mark.parametrize("name", list(_DRAFTERS))
def test_no_drafter_changes_a_token(name: str) -> None:
    max_rows = {"forced": 1, "grammar": 3, "suffix": 8}.get(name, 5)
    found = _engine(max_rows=max_rows).generate(_requests(KINDS, lambda _: _DRAFTERS[name]))
    for one, plain in zip(found, _plain(), strict=True):
        assert _of(one) == _of(plain)


@pytest.mark.usefixtures("keen")
@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_the_embedded_model_writes_the_same_bits(temperature: float) -> None:
    engine = Engine("structgen/extract", max_rows=3)
    requests = [
        Request(f"{i} people.", PERSON, Sampling(temperature, seed=i), max_tokens=60, speculation="off")
        for i in range(4)
    ]
    plain = engine.generate(requests)
    for make in (lambda tokens: Speculation(), lambda tokens: Speculation((lambda: Scripted(tokens),), 24)):
        drafted = [
            Request(r.prompt, r.grammar, r.sampling, max_tokens=60, speculation=make(p.tokens))  # type: ignore[no-untyped-call]
            for r, p in zip(requests, plain, strict=True)
        ]
        found = engine.generate(drafted)
        assert [_of(one) for one in found] == [_of(one) for one in plain]
        assert sum(one.usage.calls for one in found) < sum(one.usage.calls for one in plain)


@pytest.mark.usefixtures("keen")
def test_a_model_of_transformers_writes_the_same_tokens(tmp_path: Path) -> None:
    model, own = load_model(write_llama(tmp_path, inner=100), device="cpu")
    assert isinstance(model, HuggingFace)
    engine = Engine(model, tokenizer=own, max_rows=3)
    plain, drafted = (engine.generate(_requests(7, lambda _: how)) for how in ("off", Speculation(nodes=8)))  # noqa: B023
    assert [(one.tokens, one.thoughts) for one in drafted] == [(one.tokens, one.thoughts) for one in plain]
    assert all(one.usage.speculation == "" for one in drafted)
    assert sum(one.usage.calls for one in drafted) < sum(one.usage.calls for one in plain)


@pytest.mark.usefixtures("keen")
def test_drafts_of_a_model_of_transformers_hold_while_strategies_read_on(tmp_path: Path) -> None:
    model, own = load_model(write_llama(tmp_path, inner=100), device="cpu")
    engine = Engine(model, tokenizer=own, max_rows=3)
    guided = Sampling(strategy=sg.strategies.Guidance([3, 4], scale=2.0))

    def found(how: Any) -> list[Result]:
        asked = [
            *(Request(f"{i}", PERSON, guided, max_tokens=24, speculation=how) for i in range(2)),
            *(Request(f"{i}", PERSON, max_tokens=24, speculation=how) for i in range(2)),
            *(
                Request(f"{i}", sg.choice(["red", "rot"]), speculation=how) for i in range(4)
            ),  # compared whole
        ]
        return engine.generate([asked[i] for i in (0, 2, 4, 5, 1, 6, 3, 7)])

    plain, drafted = found("off"), found(Speculation(nodes=8))
    assert [(one.tokens, one.error) for one in drafted] == [(one.tokens, None) for one in plain]
    assert sum(one.usage.drafted for one in drafted) > 20


@pytest.mark.usefixtures("keen")
def test_a_stream_has_the_same_pieces() -> None:
    def heard(requests: list[Request]) -> list[list[str | None]]:
        engine = _engine(max_rows=4)
        handles = [handle for request in requests for handle in engine.submit(request)]
        pieces: list[list[str | None]] = [[] for _ in handles]
        for handle, own in zip(handles, pieces, strict=True):
            handle.listen(own.append)
        engine.drive(handles)
        return pieces

    assert heard(_scripted(8)) == heard(_requests(8, lambda _: "off"))


@pytest.mark.usefixtures("keen")
def test_a_text_cancelled_within_a_draft_ends_there_and_the_others_go_on() -> None:
    requests = _scripted(8)
    engine = _engine()
    handles = [handle for request in requests for handle in engine.submit(request)]
    first: Handle = handles[0]
    heard: list[str | None] = []

    def want(piece: str | None) -> None:
        heard.append(piece)
        if len(heard) == 3:
            first.cancel()

    first.listen(want)
    engine.drive(handles)
    plain = _plain(8)
    assert first.result is not None and first.result.finish_reason is FinishReason.CANCELLED
    assert first.result.tokens == plain[0].tokens[: len(first.result.tokens)]
    assert first.result.text == "".join(filter(None, heard))
    for handle, one in zip(handles[1:], plain[1:], strict=True):
        assert _of(handle.result) == _of(one)


@pytest.mark.usefixtures("keen")
def test_steps_and_usage_say_who_guessed_what() -> None:
    (result,) = _engine().generate(Request("x", PERSON, Sampling(seed=1), max_tokens=60))
    names = Counter(name for step in result.steps for name in filter(None, step.drafter.split(", ")))
    assert dict(names) == result.usage.accepted and names["forced"] > 0
    guessed = sum(bool(step.drafter) for step in result.steps)
    # the first token is the prompt's; an end that was guessed needed no pass either
    assert result.usage.calls == len(result.steps) - 1 - guessed + bool(result.steps[-1].drafter)
    assert result.usage.drafted >= guessed and result.usage.speculation == ""


def test_off_is_a_token_a_pass() -> None:
    engine = _engine()
    (result,) = engine.generate(Request("x", PERSON, Sampling(seed=1), max_tokens=60, speculation="off"))
    assert result.usage.calls == len(result.steps) - 1 and result.usage.drafted == 0
    assert isinstance(engine.model, TreeFunction) and not engine.model.trees


def test_a_model_is_asked_what_it_verifies_only_where_drafts_are_wanted() -> None:
    asked = []

    class Asked(TreeFunction):
        @property
        def draft_support(self) -> DraftSupport:
            asked.append(1)
            return super().draft_support

    engine = Engine(Asked(TOKENIZER.vocab_size), TOKENIZER)
    engine.generate(Request("x", PERSON, max_tokens=40, speculation="off"))
    assert not asked
    engine.generate(Request("x", PERSON, max_tokens=40))
    assert asked


def test_a_function_of_drafters_need_not_be_hashable() -> None:
    class Make:
        __hash__ = None  # type: ignore[assignment]

        def __call__(self) -> Drafter:
            return Scripted(())

    request = Request("x", PERSON, Sampling(seed=1), max_tokens=40, speculation=Speculation((Make(),)))
    (result,) = _engine().generate(request)
    assert result.error is None and result.value


# --- a model whose drafts cannot pay ------------------------------------------------------------------------


class Timed(TreeFunction):
    """Tells how long its passes take: `row` seconds for each row after the first, which takes one."""

    now, row = 0.0, 1.0

    def decode(self, tokens: Any, caches: Any) -> Any:
        self.now += 1.0 + self.row * (len(tokens) - 1)
        return super().decode(tokens, caches)

    def decode_tree(self, tokens: Any, parents: Any, counts: Any, caches: Any) -> Any:
        self.now += 1.0 + self.row * (len(tokens) - 1)
        return super().decode_tree(tokens, parents, counts, caches)


@pytest.fixture
def timed(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], tuple[Engine, Timed]]:
    """Return what makes an engine of one text at a time, whose clock only the passes of its model move."""

    def make(row: float) -> tuple[Engine, Timed]:
        model = Timed(TOKENIZER.vocab_size)
        model.row = row
        monkeypatch.setattr(
            "structgen.decoding.engine.loop.time", SimpleNamespace(perf_counter=lambda: model.now)
        )
        return Engine(model, TOKENIZER, max_rows=1), model

    return make


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[Drafting]:
    """Return a list of all drafters of texts that are made from now on."""
    found: list[Drafting] = []
    begin = Drafting.__init__

    def noted(self: Drafting, *given: Any, **options: Any) -> None:
        found.append(self)
        begin(self, *given, **options)

    monkeypatch.setattr(Drafting, "__init__", noted)
    return found


def _people(speculation: Any, seed: int) -> list[Request]:
    return [
        Request("x", PERSON, Sampling(seed=seed + i), max_tokens=60, speculation=speculation)
        for i in range(20)
    ]


def _passes(results: list[Result]) -> int:
    """Return how many passes plain decoding takes after the prompts."""
    return sum(len(one.steps) - 1 for one in results)


@pytest.mark.parametrize("how", ["auto", Speculation()], ids=["auto", "asked"])
def test_where_a_row_costs_as_much_as_a_pass_drafting_ends_and_costs_little(timed: Any, how: Any) -> None:
    engine, model = timed(1.0)
    engine.generate(_people(how, 0))
    assert model.trees  # that drafts do not pay is known by now
    before = model.now
    found = engine.generate(_people(how, 20))
    assert [_of(one) for one in found] == [_of(one) for one in _engine().generate(_people("off", 20))]
    assert sum(one.usage.drafted for one in found) < 0.2 * _passes(found)
    assert model.now - before < 1.1 * _passes(found)


@pytest.mark.parametrize("how", ["auto", Speculation()], ids=["auto", "asked"])
def test_where_rows_are_cheap_texts_take_half_the_time(timed: Any, how: Any) -> None:
    engine, model = timed(0.01)
    found = engine.generate(_people(how, 0))
    assert [_of(one) for one in found] == [_of(one) for one in _engine().generate(_people("off", 0))]
    assert model.now < 0.55 * _passes(found)


@pytest.mark.usefixtures("keen")
def test_auto_makes_no_drafter_for_an_embedded_model_however_it_arrives(made: list[Drafting]) -> None:
    """Its compiled pass is shorter than asking drafters."""
    for engine in (
        Engine("structgen/extract", device="cpu"),
        Engine("extract-draft", device="cpu"),
        Engine(*load_model("structgen/guarded-programs", device="cpu")),
    ):
        (result,) = engine.generate(Request("Ada, 36.", PERSON, max_tokens=40))
        assert result.usage.calls == len(result.steps) - 1 and result.usage.speculation == ""
        assert not made
        engine.generate(Request("Ada, 36.", PERSON, max_tokens=40, speculation=Speculation()))
        assert made.pop()


@pytest.mark.usefixtures("keen")
def test_auto_makes_drafters_for_any_other_model(made: list[Drafting], tmp_path: Path) -> None:
    """Also where transformers run an embedded one, whose passes are long."""
    for engine in (
        _engine(),
        Engine(write_llama(tmp_path, inner=100), device="cpu"),
        Engine(model_path("structgen/extract"), device="cpu"),
        Engine("structgen/extract", device="cpu", dtype="bfloat16"),
    ):
        (result,) = engine.generate(Request("Ada, 36.", PERSON, max_tokens=40))
        assert made.pop() and result.usage.accepted, engine


# --- who cannot, and who fails ------------------------------------------------------------------------------


def test_a_model_without_trees_writes_a_token_a_pass_and_says_why() -> None:
    engine = Engine(Function(TOKENIZER.vocab_size), TOKENIZER)
    (result,) = engine.generate(Request("x", PERSON, Sampling(seed=1), max_tokens=60))
    assert result.usage.calls == len(result.steps) - 1
    assert "verifies no drafts" in result.usage.speculation


class Chains(TreeFunction):
    """Verifies chains alone."""

    @property
    def draft_support(self) -> DraftSupport:
        return DraftSupport("chain", "of a window that slides")

    def decode_tree(self, tokens: Any, parents: Any, counts: Sequence[int], caches: Any) -> Any:
        at = 0
        for count in counts:
            assert list(parents[at : at + count]) == list(range(-1, count - 1))
            at += count
        return super().decode_tree(tokens, parents, counts, caches)


@pytest.mark.usefixtures("keen")
def test_a_model_of_chains_gets_chains() -> None:
    engine = Engine(Chains(TOKENIZER.vocab_size), TOKENIZER)
    found = engine.generate(_scripted(12))
    assert [_of(one) for one in found] == [_of(one) for one in _plain(12)]
    assert engine.model.trees and found[0].usage.speculation == "of a window that slides"  # type: ignore[attr-defined]


@pytest.mark.usefixtures("keen")
@pytest.mark.parametrize("where", ["make", "begin", "propose", "observe", "end", "draft"])
def test_a_drafter_that_raises_or_makes_no_draft_is_dropped_and_the_result_says_so(where: str) -> None:
    (plain,) = _engine().generate(Request("x", PERSON, Sampling(seed=4), max_tokens=50, speculation="off"))

    def fails(*_: object) -> None:
        raise ZeroDivisionError("of the drafter")

    def make() -> Drafter:
        made = Scripted(plain.tokens)
        if where == "draft":
            made.propose = lambda *_: [1, 2]  # type: ignore[method-assign, assignment, return-value]
        setattr(made, where, fails)
        return made if where != "make" else fails()  # type: ignore[func-returns-value]

    request = Request("x", PERSON, Sampling(seed=4), max_tokens=50, speculation=Speculation((make,)))
    (result,) = _engine().generate(request)
    assert _of(result) == _of(plain)
    said = "not a Draft" if where == "draft" else "ZeroDivisionError: of the drafter"
    assert said in result.usage.speculation


class Knowing(Scripted):
    """Keeps what it is told, for all samples of its request together."""

    name, top = "knowing", 4

    def begin(self, facts: RequestFacts) -> None:
        super().begin(facts)
        self._text, self.prompt = list(facts.prompt), len(facts.prompt)
        self.kept: list[tuple[list[int], Any]] = facts.shared.setdefault("kept", [])

    def verified(self, seen: VerifiedDraft) -> None:
        self.kept.append((list(self._text), seen))

    def observe(self, taken: Sequence[int], accepted: int) -> None:
        super().observe(taken, accepted)
        self._text += taken


@pytest.mark.usefixtures("keen")
@pytest.mark.parametrize("grammar", [PERSON, DATES, None], ids=["JSON", "text", "free"])
def test_a_drafter_that_asks_is_told_the_likeliest_allowed_tokens_of_each_node(grammar: Any) -> None:
    made: list[Knowing] = []
    plain = Request("x", grammar, Sampling(seed=4), max_tokens=40, n=2, speculation="off")
    texts = _engine().generate([plain])

    def make() -> Drafter:
        made.append(Knowing(texts[0].tokens))
        return made[-1]

    found = _engine().generate([dataclasses.replace(plain, speculation=Speculation((make,)))])
    assert [_of(one) for one in found] == [_of(one) for one in texts]
    _engine().generate([dataclasses.replace(plain, speculation=Speculation((make,)))])
    assert made[2].kept is not made[0].kept  # of another request
    assert made[0].kept is made[1].kept and len(made[0].kept) > 4  # of both samples
    model, rows = TreeFunction(TOKENIZER.vocab_size), 0
    compiled = None if grammar is None else sg.compile(grammar, TOKENIZER)
    for text, seen in made[0].kept:
        for node in range(-1, len(seen.draft)):
            path, ids, chances = seen.draft.path(node), seen.tokens[node + 1], seen.chances[node + 1]
            logits = model.logits([*text, *path]).double()
            if compiled is not None:
                matcher, mask = sg.Matcher(compiled), sg.allocate_mask(1, TOKENIZER.vocab_size)
                taken = [*text[made[0].prompt :], *path]
                if matcher.accepts(taken) < len(taken):
                    continue
                for token in taken:
                    matcher.advance(token)
                if matcher.is_finished:
                    continue
                matcher.fill_mask(mask)
                refused = torch.ones(TOKENIZER.vocab_size, dtype=torch.bool)
                refused[mask.allowed().tolist()] = False
                logits[refused] = -torch.inf
            best, wanted = logits.softmax(-1).topk(4)
            assert ids.tolist() == [
                int(one) if share > 0 else -1 for one, share in zip(wanted, best, strict=True)
            ]
            assert chances.tolist() == pytest.approx(best.tolist(), rel=1e-4)
            rows += 1
    assert rows > 20


class Failing(TreeFunction):
    """Fails in its second tree, or when it is to keep one, or gives a row too few."""

    how = "decode_tree"

    def decode_tree(self, *given: Any) -> Any:
        found = super().decode_tree(*given)
        if len(self.trees) == 2 and self.how == "decode_tree":
            raise ZeroDivisionError("of the model")
        if len(self.trees) == 2 and self.how == "memory":
            raise MemoryError
        return found[:-1] if len(self.trees) == 2 and self.how == "rows" else found

    def keep(self, paths: Any, caches: Any) -> None:
        if len(self.trees) == 2 and self.how == "keep":
            raise ZeroDivisionError("of the model")
        super().keep(paths, caches)


@pytest.mark.usefixtures("keen")
def test_a_model_that_cannot_keep_a_draft_fails_the_texts_in_it_alone() -> None:
    engine = Engine(Failing(TOKENIZER.vocab_size), TOKENIZER, max_rows=4)
    engine.model.how = "keep"  # type: ignore[attr-defined]
    found = engine.generate(_scripted(8))
    failed = [one for one in found if one.finish_reason is FinishReason.ERROR]
    assert failed and all("model" in str(one.error) for one in failed)
    for one, plain in zip(found, _plain(8), strict=True):
        if one.error is None:
            assert _of(one) == _of(plain)
        else:
            assert one.tokens == plain.tokens[: len(one.tokens)]


@pytest.mark.usefixtures("keen")
@pytest.mark.parametrize(
    ("how", "why"),
    [
        ("memory", "there was no memory for them"),
        ("decode_tree", "the model failed at one: of the model"),
        ("rows", "the model failed at one: The model returned"),
    ],
)
def test_texts_go_on_without_drafts_where_the_model_cannot_read_one(how: str, why: str) -> None:
    engine = Engine(Failing(TOKENIZER.vocab_size), TOKENIZER, max_rows=4)
    engine.model.how = how  # type: ignore[attr-defined]
    found = engine.generate(_scripted(8))
    assert [_of(one) for one in found] == [_of(one) for one in _plain(8)]
    assert sum(f"no more drafts: {why}" in one.usage.speculation for one in found) == 4


@pytest.mark.usefixtures("keen")
def test_drafts_end_with_the_context() -> None:
    model = TreeFunction(TOKENIZER.vocab_size, context=64)
    prompt = TOKENIZER.encode(b"x")
    free = Request("x", None, Sampling(seed=1), max_tokens=64 - len(prompt), speculation="off")
    (plain,) = Engine(model, TOKENIZER).generate(free)
    reads: list[int] = []

    class Watched(TreeFunction):
        def decode_tree(self, tokens: Any, parents: Any, counts: Any, caches: Sequence[TokenCache]) -> Any:
            depths: list[int] = []
            for parent in parents:
                depths.append(1 if parent < 0 else depths[parent] + 1)
            reads.append(len(caches[0].tokens) + max(depths))
            return super().decode_tree(tokens, parents, counts, caches)

    engine = Engine(Watched(TOKENIZER.vocab_size, context=64), TOKENIZER)
    script = Speculation((lambda: Scripted(plain.tokens + [5] * 20, deep=20),), 40)
    (found,) = engine.generate(
        Request("x", None, Sampling(seed=1), max_tokens=64 - len(prompt), speculation=script)
    )
    assert found.tokens == plain.tokens and reads and max(reads) <= 64


# --- earlier answers ----------------------------------------------------------------------------------------


@pytest.mark.usefixtures("keen")
def test_a_complete_answer_is_remembered_and_the_next_one_takes_fewer_passes() -> None:
    history = AnswerHistory(TOKENIZER)
    how = Speculation(history=history, tenant="a")
    request = Request("x", PERSON, Sampling(temperature=0.0), max_tokens=60, speculation=how)
    engine = _engine()
    (first,), (second,) = engine.generate(request), engine.generate(request)
    assert history.answers("a", PERSON.fingerprint) == [[step.token for step in first.steps]]
    assert history.answers("b", PERSON.fingerprint) == []
    assert _of(first) == _of(second)
    assert second.usage.calls < first.usage.calls and second.usage.accepted["earlier"] > 0


def test_an_answer_that_is_not_complete_is_not_remembered() -> None:
    history = AnswerHistory(TOKENIZER)
    engine = _engine()
    request = Request("x", PERSON, max_tokens=60, speculation=Speculation(history=history))
    (handle,) = engine.submit(request)
    for _ in range(3):
        engine.step()
    handle.cancel()
    engine.drive([handle])
    assert history.answers("", PERSON.fingerprint) == []
