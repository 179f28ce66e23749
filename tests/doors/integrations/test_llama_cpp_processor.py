"""The processor for llama-cpp-python against a stand-in of the calls that it makes, as recorded in 0.3.36: an
exception of a processor is swallowed, and the text goes on with the scores as they are."""

from __future__ import annotations

import contextlib
import importlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import jsonschema
import numpy as np
import pytest
from object_schemas import INTEGER, STRING, object_of

import structgen as sg

OURS = sg.Tokenizer.from_huggingface(str(Path(__file__).parents[2] / "data" / "bpe"))
EOS = OURS.eos_token_ids[0]
SCHEMA: dict[str, Any] = object_of(name=STRING, age=INTEGER)


class Llama:
    """The loop of llama-cpp-python around scores that are drawn."""

    model, draft_model = "model", None

    def n_vocab(self) -> int:
        return OURS.vocab_size

    def create_completion(
        self, prompt: list[int], max_tokens: int, logits_processor: Any, seed: int = 0
    ) -> tuple[str, str]:
        draw, ids, reason = np.random.default_rng(seed), list(prompt), "length"
        while len(ids) < len(prompt) + max_tokens:
            scores = draw.standard_normal(OURS.vocab_size).astype(np.single)
            for processor in logits_processor:
                with contextlib.suppress(BaseException):
                    scores[:] = processor(np.array(ids, np.intc), scores)
            token = int(scores.argmax())
            if token == EOS:
                reason = "stop"
                break
            ids.append(token)
        return OURS.decode(ids[len(prompt) :]).decode(), reason


def piece(vocabulary: str, token: int, buffer: Any, length: int, lstrip: int, special: bool) -> int:
    text = OURS.token_bytes[token] or b""
    if len(text) > length:
        return -len(text)
    buffer[: len(text)] = text
    return len(text)


@pytest.fixture
def ours(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """Our module over the stand-in."""
    module = ModuleType("llama_cpp")
    vars(module).update(
        LogitsProcessorList=list,
        llama_model_get_vocab=lambda model: "vocabulary",
        llama_vocab_is_eog=lambda vocabulary, token: token == EOS,
        llama_vocab_is_control=lambda vocabulary, token: OURS.token_bytes[token] is None,
        llama_token_to_piece=piece,
    )
    monkeypatch.setitem(sys.modules, "llama_cpp", module)
    yield importlib.import_module("structgen.doors.integrations.llama_cpp")
    sys.modules.pop("structgen.doors.integrations.llama_cpp", None)
    vars(sys.modules["structgen.doors.integrations"]).pop("llama_cpp", None)


def test_the_tokenizer_is_the_models(ours: Any) -> None:
    made = ours.tokenizer_of(Llama())
    assert made.token_bytes == OURS.token_bytes
    assert made.eos_token_ids == (EOS,)


def test_a_grammar_for_other_end_tokens_is_refused(ours: Any) -> None:
    other = sg.Tokenizer.from_bytes(OURS.token_bytes, OURS.special_ids[-1])
    with (
        pytest.raises(sg.errors.OptionError, match=r"does not stop at any.*tokenizer_of\(llama\)"),
        ours.constrained(Llama(), sg.compile(sg.json_schema(SCHEMA), other)),
    ):
        pass


@pytest.mark.parametrize("most", [14, 40])
def test_texts_are_complete_within_max_tokens(ours: Any, most: int) -> None:
    llama = Llama()
    compiled = sg.compile(sg.json_schema(SCHEMA), ours.tokenizer_of(llama))
    for seed in range(8):
        with ours.constrained(llama, compiled, max_tokens=most) as processors:
            text, reason = llama.create_completion([5, 6], most, processors, seed)
        jsonschema.validate(json.loads(text), SCHEMA)
        assert reason == "stop"


def test_an_exception_inside_ends_the_text_and_is_raised_afterwards(
    ours: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    with pytest.raises(KeyboardInterrupt), ours.constrained(Llama(), sg.regex("a{9}")) as processors:
        matcher = processors[0].matcher
        fill = matcher.fill_mask

        def third(*args: Any, **kwargs: Any) -> None:
            if len(matcher.tokens) == 3:
                raise KeyboardInterrupt
            fill(*args, **kwargs)

        processors[0].matcher = SimpleNamespace(
            fill_mask=third, advance=matcher.advance, compiled=matcher.compiled
        )
        said += Llama().create_completion([5], 20, processors)
    assert said == ["aaa", "stop"] or len(said[0]) < 9


def test_two_texts_in_one_block_are_refused(ours: Any) -> None:
    with (
        pytest.raises(sg.errors.OptionError, match="another text"),
        ours.constrained(Llama(), sg.regex("ab")) as one,
    ):
        Llama().create_completion([5], 9, one)
        assert Llama().create_completion([5, 6, 7, 8, 9], 9, one)[0] == ""


def test_a_draft_model_is_refused(ours: Any) -> None:
    llama = Llama()
    llama.draft_model = object()  # type: ignore[assignment]
    with pytest.raises(sg.errors.OptionError, match="draft_model"), ours.constrained(llama, sg.regex("a")):
        pass


def test_a_budget_below_the_shortest_text_is_refused(ours: Any) -> None:
    with (
        pytest.raises(sg.errors.BudgetError, match="shortest text"),
        ours.constrained(Llama(), sg.json_schema(SCHEMA), max_tokens=4),
    ):
        pass


def test_without_the_package_the_error_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "llama_cpp", None)
    with pytest.raises(sg.StructgenError, match="pip install llama-cpp-python"):
        importlib.import_module("structgen.doors.integrations.llama_cpp")
