"""The engine: every text valid and within its budget, the same in any batch, none lost, errors kept apart."""

from __future__ import annotations

import json
import math
import random
import re
import threading
import time
from collections.abc import Sequence
from typing import Any

import pytest
import torch
from request_kinds import NUMBERS, PERSON
from small_models import Function, tokenizer
from token_caches import TokenCache

import structgen as sg
from structgen.decoding.engine import Engine, FinishReason, Request, Sampling
from structgen.decoding.engine.mask_rows import MaskFiller

TOKENIZER = tokenizer()


def _engine(**options: Any) -> Engine:
    return Engine(Function(TOKENIZER.vocab_size), TOKENIZER, **options)


def _requests(count: int) -> list[Request]:
    draw = random.Random(1)
    return [
        Request(
            f"person {i}",
            PERSON if i % 4 else None,
            Sampling(temperature=draw.choice([0.0, 0.7, 1.5]), seed=i),
            max_tokens=draw.randrange(30, 90),
        )
        for i in range(count)
    ]


def test_every_document_is_valid_and_within_its_budget() -> None:
    engine = _engine(max_rows=5)
    requests = [
        Request("x", PERSON, Sampling(seed=seed), max_tokens=random.Random(seed).randrange(24, 60))
        for seed in range(40)
    ]
    least = engine.compiled(PERSON)
    assert least.tokens_to_finish(least.start) <= 24
    for request, result in zip(requests, engine.generate(requests), strict=True):
        assert len(result.tokens) <= request.max_tokens
        assert set(json.loads(result.text)) >= {"name", "age"}
        assert result.value == json.loads(result.text)
        assert result.finish_reason in (FinishReason.STOP, FinishReason.STEERED)


def test_a_text_is_the_same_alone_and_in_a_batch() -> None:
    requests = _requests(12)
    together = _engine(max_rows=7).generate(requests)
    for request, one in zip(requests, together, strict=True):
        (alone,) = _engine().generate(request)
        assert alone.tokens == one.tokens
        assert alone.text == one.text


def test_samples_share_their_prompt_and_differ() -> None:
    model = Function(TOKENIZER.vocab_size)
    engine = Engine(model, TOKENIZER)
    results = engine.generate(Request("people", PERSON, n=6, max_tokens=80))
    assert len(model.prefills) == 1
    assert [result.sample for result in results] == list(range(6))
    assert len({result.text for result in results}) == 6


def test_a_budget_that_no_document_fits_is_refused_with_the_least() -> None:
    engine = _engine()
    with pytest.raises(sg.errors.BudgetError) as caught:
        engine.submit(Request("x", PERSON, max_tokens=3))
    (result,) = engine.generate(Request("x", PERSON, max_tokens=caught.value.minimum))
    assert set(json.loads(result.text)) == {"name", "age"}


def test_the_result_says_whether_it_was_steered() -> None:
    (result,) = _engine().generate(Request("x", NUMBERS, Sampling(seed=3), max_tokens=12))
    assert result.finish_reason is FinishReason.STEERED
    assert len(json.loads(result.text)) >= 3
    assert any(step.steered for step in result.steps)


def test_steering_early_ends_with_tokens_to_spare() -> None:
    for seed in range(5):
        request = Request("x", NUMBERS, Sampling(seed=seed), max_tokens=60, end_margin=40)
        (result,) = _engine().generate(request)
        assert len(json.loads(result.text)) >= 3
        assert len(result.tokens) < 40


def test_while_the_budget_suffices_nobody_counts_and_the_texts_are_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ask, asked = sg.Matcher.tokens_to_finish, []

    def tokens_to_finish(self: sg.Matcher) -> int:
        asked.append(len(self.tokens))
        return ask(self)

    monkeypatch.setattr(sg.Matcher, "tokens_to_finish", tokens_to_finish)
    for room, early in ((150, 0), (150, 60), (40, 0), (40, 8), (26, 3)):
        requests = [
            Request("x", PERSON, Sampling(seed=seed), max_tokens=room, end_margin=early) for seed in range(4)
        ]
        asked.clear()
        some = _engine().generate(requests)
        assert set(asked) <= {0} or room < 150
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sg.Matcher, "budget_suffices", lambda *_: False)
            others = _engine().generate(requests)
        assert [result.tokens for result in some] == [result.tokens for result in others]


def test_the_steps_say_what_the_mask_removed() -> None:
    model = Function(TOKENIZER.vocab_size)
    (result,) = Engine(model, TOKENIZER).generate(Request("x", PERSON, Sampling(seed=1), max_tokens=60))
    prompt = TOKENIZER.encode(b"x\n")
    compiled = sg.compile(PERSON, TOKENIZER)
    matcher, mask = sg.Matcher(compiled), sg.allocate_mask(1, TOKENIZER.vocab_size)
    for i, step in enumerate(result.steps):
        logits = model.logits([*prompt, *result.tokens[:i]])
        shares = torch.softmax(logits.double(), -1)
        assert step.logprob == pytest.approx(float(shares[step.token].log()), abs=1e-4)
        if not step.steered:
            matcher.fill_mask(mask)
            allowed = torch.from_numpy(mask.allowed())
            assert step.allowed == len(allowed)
            assert step.removed == pytest.approx(1 - float(shares[allowed].sum()), abs=1e-4)
            assert step.constrained == pytest.approx(
                step.logprob - float(shares[allowed].sum().log()), abs=1e-3
            )
        if step.token not in TOKENIZER.eos_token_ids:
            matcher.advance(step.token)


def test_a_text_that_takes_too_long_is_an_error_of_its_own() -> None:
    late, fine = _engine().generate(
        [Request("a", PERSON, timeout=0.0, max_tokens=80), Request("b", PERSON, max_tokens=80)]
    )
    assert late.finish_reason is FinishReason.ERROR and late.error is not None
    assert fine.error is None


class _Faulty(Function):
    """Fails in one way: at its second prompt, or in its third pass."""

    how = ""

    def prefill(self, tokens: Sequence[int]) -> tuple[Any, TokenCache]:
        logits, cache = super().prefill(tokens)
        if len(self.prefills) == 2:
            if self.how == "no memory for a prompt":
                raise MemoryError("no room")
            if self.how == "two rows for a prompt":
                logits = torch.stack([logits, logits])
        return logits, cache

    def decode(self, tokens: Sequence[int], caches: Sequence[TokenCache]) -> Any:
        found = super().decode(tokens, caches)
        if len(self.batches) != 3:
            return found
        if self.how == "no memory in a pass":
            for cache in caches:
                cache.tokens.append(1)  # they hold nonsense then
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory")
        if self.how == "a pass fails":
            raise ZeroDivisionError("of its own")
        if self.how == "no numbers":
            found[1] *= float("nan")
        return found[:-1] if self.how == "a row too few" else found


@pytest.mark.parametrize(
    ("how", "failed", "said"),
    [
        ("no memory for a prompt", [1], "no room"),
        ("two rows for a prompt", [1], "shape"),
        ("no numbers", [1], "not numbers"),
        ("no memory in a pass", [1], "memory"),
        ("a pass fails", [0, 1], "of its own"),
        ("a row too few", [0, 1], r"\(1, "),
    ],
)
def test_a_model_that_fails_ends_the_texts_that_it_failed_and_the_others_go_on(
    how: str, failed: list[int], said: str
) -> None:
    model = _Faulty(TOKENIZER.vocab_size)
    model.how = how
    engine = Engine(model, TOKENIZER, max_rows=2)
    requests = [Request(text, PERSON, Sampling(seed=4), max_tokens=80) for text in "abcd"]
    results, again = engine.generate(requests), engine.generate(requests)
    expected = [result.tokens for result in _engine().generate(requests)]
    for at, result in enumerate(results):
        if at in failed:
            assert result.finish_reason is FinishReason.ERROR and re.search(said, str(result.error))
        else:
            assert result.error is None and result.tokens == expected[at]
    assert [result.tokens for result in again] == expected


def test_a_step_whose_texts_all_fail_leaves_those_that_wait_to_the_next() -> None:
    model = _Faulty(TOKENIZER.vocab_size)
    model.how = "no memory for a prompt"
    model.prefills.append([])
    engine = Engine(model, TOKENIZER, max_rows=1)
    handles = [engine.submit(Request(text, PERSON, max_tokens=80))[0] for text in "ab"]
    assert engine.step()
    assert handles[0].is_done and not handles[1].is_done
    while engine.step():
        continue
    assert handles[1].result is not None and handles[1].result.value


class _Many(Function):
    """Reads prompts in one pass; has no memory for long ones."""

    def __init__(self, vocab_size: int) -> None:
        super().__init__(vocab_size)
        self.passes: list[int] = []

    def prefill(self, tokens: Sequence[int]) -> tuple[Any, TokenCache]:
        if len(tokens) > 5:
            raise MemoryError("no room")
        return super().prefill(tokens)

    def prefill_many(self, prompts: Sequence[Sequence[int]]) -> list[tuple[Any, TokenCache]]:
        self.passes.append(len(prompts))
        return [self.prefill(prompt) for prompt in prompts]


def test_prompts_that_come_together_are_read_in_one_pass() -> None:
    model = _Many(TOKENIZER.vocab_size)
    engine = Engine(model, TOKENIZER)
    requests = [Request([65 + i], PERSON, Sampling(seed=i), n=1 + i % 2, max_tokens=80) for i in range(4)]
    results = engine.generate(requests)
    assert model.passes == [4] and len(model.prefills) == 4
    alone = [result for request in requests for result in _engine().generate(request)]
    assert [result.tokens for result in results] == [result.tokens for result in alone]


def test_after_a_pass_that_failed_each_prompt_is_read_by_itself() -> None:
    engine = Engine(_Many(TOKENIZER.vocab_size), TOKENIZER)
    results = engine.generate([Request([65] * size, PERSON, max_tokens=80) for size in (1, 9, 2)])
    assert [result.error is None for result in results] == [True, False, True]


def test_a_prompt_longer_than_the_context_is_refused() -> None:
    engine = Engine(Function(TOKENIZER.vocab_size, context=20), TOKENIZER)
    with pytest.raises(sg.errors.OptionError, match="context"):
        engine.submit(Request("a long prompt that fills it", PERSON, max_tokens=40))


def test_a_tokenizer_wider_than_the_model_is_refused() -> None:
    with pytest.raises(sg.errors.OptionError, match="tokenizer"):
        Engine(Function(10), TOKENIZER)


def test_prompts_wait_until_there_is_room() -> None:
    model = Function(TOKENIZER.vocab_size)
    results = Engine(model, TOKENIZER, max_rows=3).generate(_requests(9))
    assert len(results) == 9
    assert max(model.batches) == 3


def test_logits_of_no_token_are_never_chosen() -> None:
    model = Function(TOKENIZER.vocab_size + 70)
    (result,) = Engine(model, TOKENIZER).generate(Request("free", None, Sampling(seed=1), max_tokens=200))
    assert result.error is None
    assert all(step.allowed <= TOKENIZER.vocab_size for step in result.steps)
    assert any(step.wanted >= TOKENIZER.vocab_size for step in result.steps)


def test_the_likeliest_tokens_of_a_step_are_kept_where_they_are_asked_for() -> None:
    model = Function(TOKENIZER.vocab_size)
    request = Request("x", PERSON, Sampling(seed=1), max_tokens=60, logprobs=3)
    (result,) = Engine(model, TOKENIZER).generate(request)
    prompt = TOKENIZER.encode(b"x\n")
    for i, step in enumerate(result.steps):
        shares = torch.log_softmax(model.logits([*prompt, *result.tokens[:i]]), -1)
        assert [token for token, _ in step.likeliest] == shares.topk(3).indices.tolist()
        assert [p for _, p in step.likeliest] == pytest.approx(shares.topk(3).values.tolist(), abs=1e-4)
        assert 1 <= len(step.likeliest_allowed) <= 3
        given = dict(step.likeliest_allowed)
        assert sum(math.exp(p) for p in given.values()) <= 1 + 1e-5
        if step.token in given:
            assert given[step.token] == pytest.approx(step.constrained, abs=1e-4)
    assert not any(
        step.likeliest for step in _engine().generate(Request("x", PERSON, max_tokens=60))[0].steps
    )


def test_a_grammar_compiled_for_the_tokenizer_is_taken_and_for_another_refused() -> None:
    compiled = sg.compile(PERSON, TOKENIZER)
    (result,) = _engine().generate(Request("x", compiled, Sampling(seed=2), max_tokens=80))
    assert result.value == _engine().generate(Request("x", PERSON, Sampling(seed=2), max_tokens=80))[0].value
    other = sg.Tokenizer.from_bytes([bytes([byte]) for byte in range(256)] + [b"</s>"], eos_token_id=256)
    with pytest.raises(sg.errors.OptionError, match="compiled for"):
        _engine().submit(Request("x", sg.compile(PERSON, other), max_tokens=80))


def test_a_dict_is_the_grammar_of_its_schema_on_one_line() -> None:
    given = {"type": "string", "maxLength": 3}
    assert Request("x", given).grammar == sg.json_schema(given, whitespace="oneline")


class _Cancels(Function):
    """Has a text cancelled while it reads a step."""

    handle: Any = None

    def decode(self, tokens: Sequence[int], caches: Sequence[TokenCache]) -> Any:
        if len(self.batches) == 3:
            self.handle.cancel()
        return super().decode(tokens, caches)


def test_a_text_that_goes_while_the_model_runs_leaves_the_others_their_masks() -> None:
    flags = sg.json_schema({"type": "array", "items": {"type": "boolean"}, "minItems": 20})
    model = _Cancels(TOKENIZER.vocab_size)
    engine = Engine(model, TOKENIZER)
    requests = [
        Request("a", PERSON, Sampling(seed=1), max_tokens=80),
        Request("b", flags, Sampling(seed=2), max_tokens=90, logprobs=2),
        Request("c", PERSON, Sampling(seed=3), max_tokens=80),
    ]
    handles = [engine.submit(request)[0] for request in requests]
    model.handle = handles[0]
    engine.drive(handles)
    reasons = [handle.result.finish_reason for handle in handles if handle.result is not None]
    assert reasons[0] is FinishReason.CANCELLED and len(handles[0].result.tokens) == 4  # type: ignore[union-attr]
    for handle, request in zip(handles[1:], requests[1:], strict=True):
        (alone,) = _engine().generate(request)
        assert handle.result is not None and handle.result.error is None
        assert handle.result.tokens == alone.tokens
        assert [s.likeliest_allowed for s in handle.result.steps] == [
            s.likeliest_allowed for s in alone.steps
        ]


class _Slow(Function):
    """Takes its time."""

    def decode(self, tokens: Sequence[int], caches: Sequence[TokenCache]) -> Any:
        time.sleep(1e-3)
        return super().decode(tokens, caches)


@pytest.mark.parametrize("short", [0.0, 60.0])
def test_masks_are_handed_to_a_thread_where_a_pass_lasts_long_enough(
    short: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("structgen.decoding.engine.loop._SHORT_PASS", short)
    threads = set()
    work_out = MaskFiller.work_out

    def noted(self: MaskFiller, *rest: Any) -> Any:
        threads.add(threading.current_thread())
        return work_out(self, *rest)

    monkeypatch.setattr(MaskFiller, "work_out", noted)
    grammar = sg.compile(PERSON, TOKENIZER, store=False)
    (result,) = Engine(_Slow(TOKENIZER.vocab_size), TOKENIZER).generate(Request("a", grammar, max_tokens=80))
    assert (len(threads) > 1) == (short == 0.0)
    usage = result.usage
    assert usage.mask_seconds > 0 and usage.waited_seconds > 0
    if short:  # all were worked out while the batch waited
        assert usage.mask_seconds == usage.waited_seconds
