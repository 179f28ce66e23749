"""The text of an engine's request: drafts under a budget, stops, and what a request has besides its text."""

from __future__ import annotations

import gc
import random
import threading
import time
import weakref
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from compiled_texts import takes

import structgen as sg
from structgen.doors.integrations import engine_grammars
from structgen.doors.integrations.engine_grammars import EngineGrammars, EngineText
from structgen.schema.reading.string_grammars import object_keyword
from structgen.tokens.token_mask import allocate_mask
from structgen.tokens.tokenizer import byte_tokenizer

FOLDER = Path(__file__).parents[2] / "data" / "bpe"
STOP = ord("!")


def text_of(pattern: str, stops: tuple[int, ...] = ()) -> EngineText:
    return EngineText(sg.compile(sg.regex(pattern), byte_tokenizer(), store=False), stops)


def test_grammars_that_are_kept_are_bounded_in_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_grammars, "CACHE_BYTES", 1)
    monkeypatch.setattr(engine_grammars, "MEASURED_EVERY", 4)
    grammars = EngineGrammars(str(FOLDER), (), 8192)
    kept = []
    for size in range(1, 21):
        asked = {"structured_outputs": {"regex": f"[a-z]{{{size}}}"}}
        made = grammars.compile_constraint(asked)
        assert grammars.compile_constraint(asked) is made
        kept.append(weakref.ref(made))
    gc.collect()
    assert sum(one() is not None for one in kept) < 10


def test_a_schema_of_an_engine_s_request_holds_strings_to_texts_alone() -> None:
    grammars, held = EngineGrammars(str(FOLDER), (), 8192), sg.ebnf('root ::= "(" root ")" | "x"')
    text = {"syntax": "ebnf", "definition": 'root ::= "(" root ")" | "x"'}
    for name in ("structured_outputs", "guided_json"):
        schema = {"type": "string", "x-grammar": text}
        compiled = grammars.compile_constraint(
            {name: {"json": schema} if name == "structured_outputs" else schema}
        )
        assert takes(compiled, '"((x))"') and not takes(compiled, '"((x)"')
    for bad, said in (
        (object_keyword(held), "cannot refer to a grammar object"),
        ({"syntax": "lark", "definition": "start: A\n%import .a.A"}, "not in lark's own library"),
    ):
        with pytest.raises(sg.StructgenError, match=said):
            grammars.compile_constraint(
                {"structured_outputs": {"json": {"type": "string", "x-grammar": bad}}}
            )


@pytest.mark.parametrize("pattern", ["a{3}", "(a"])
def test_requests_that_ask_for_the_same_at_once_wait_for_one_compilation(
    pattern: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    grammars, asked = EngineGrammars(str(FOLDER), (), 8192), {"structured_outputs": {"regex": pattern}}
    begun, read = threading.Event(), engine_grammars.requested_grammar
    calls = []

    def reading(*given: Any) -> Any:
        calls.append(given)
        assert begun.wait(600)
        return read(*given)

    monkeypatch.setattr(engine_grammars, "requested_grammar", reading)

    def answer() -> Any:
        try:
            return grammars.compile_constraint(asked)
        except sg.errors.StructgenError as error:
            return error

    with ThreadPoolExecutor(8) as pool:
        answers = [pool.submit(answer) for _ in range(8)]
        while not calls:
            time.sleep(0.001)
        begun.set()
    # who comes after a refusal has it asked anew
    least = 1 if pattern == "a{3}" else len({id(one.result()) for one in answers})
    assert len(calls) == least == len({id(one.result()) for one in answers})


def test_a_stop_is_taken_back_as_the_token_that_it_is() -> None:
    text = text_of("ab?", (STOP,))
    for token in (ord("a"), STOP):
        text.take_token(token)
    assert text.is_finished and text.size == 2
    text.rollback(1)
    assert not text.is_finished and text.size == 1
    text.take_token(STOP)
    text.rollback(2)
    assert not text.is_finished and text.size == 0


def test_a_text_that_goes_on_with_a_stop_alone_has_failed() -> None:
    text, mask = text_of("a!|b", (STOP,)), allocate_mask(1, 257)
    text.fill_row(mask, 0)
    assert text.failure is None
    text.take_token(ord("a"))
    text.fill_row(mask, 0)
    assert "stop_token_ids" in str(text.failure) and mask.allowed().tolist() == [256]


def test_so_much_of_a_draft_may_come_as_leaves_room_for_the_rest() -> None:
    chance, pattern, seen = random.Random(7), "(ab?|cd{1,5}e)*f{2}", set()
    for _ in range(150):
        text, draft = text_of(pattern), [*chance.choice([b"abacdde", b"cddddeff", b"aff\x00", b"cde"])]
        budget, expected = chance.randint(2, 12), 0
        for count in range(1, text.matcher.accepts(draft) + 1):
            apart = sg.Matcher(text.matcher.compiled)
            for token in draft[:count]:
                apart.advance(token)
            expected = count if count + apart.tokens_to_finish() <= budget else expected
        assert text.count_allowed(draft, budget) == expected and text.size == 0
        seen.add(expected)
    assert len(seen) > 5


def test_a_limit_that_a_draft_meets_leaves_the_text_where_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    text = text_of("ab{9}")

    def cost(*_: Any) -> int:
        raise sg.errors.LimitError("It is met.", limit="oracle_steps")

    monkeypatch.setattr(sg.CompiledGrammar, "cost", cost)
    with pytest.raises(sg.errors.LimitError):
        text.count_allowed([*b"abb"], 20)
    assert text.size == 0


@pytest.mark.parametrize(
    "asked",
    [
        {"grammar": 'root ::= <tool> "a"'},
        {"grammar": '%llguidance {}\nstart: <tool> "a"\n'},
        {
            "structural_tag": {
                "type": "structural_tag",
                "format": {
                    "type": "sequence",
                    "elements": [
                        {"type": "token", "token": "<tool>"},
                        {"type": "const_string", "value": "a"},
                    ],
                },
            }
        },
    ],
)
def test_a_request_names_the_model_s_special_tokens_by_their_texts(asked: dict[str, Any]) -> None:
    from transformers import PreTrainedTokenizerFast

    model = PreTrainedTokenizerFast(tokenizer_file=str(FOLDER / "tokenizer.json"))
    model.add_special_tokens({"additional_special_tokens": ["<tool>"]})
    grammars = EngineGrammars(model, (), len(model))
    matcher = sg.Matcher(grammars.compile_constraint({"structured_outputs": asked}))
    tool, letter = model.convert_tokens_to_ids("<tool>"), grammars.tokenizer.encode(b"a")
    assert matcher.accepts(letter) == 0
    assert matcher.accepts([tool, *letter]) == 2
