"""Requests whose forced text is written in the tokenizer's own tokens, and behind healed prompts."""

from __future__ import annotations

import codecs
import math
from typing import Any

import pytest
import torch
from object_schemas import object_of
from small_models import Function, TreeFunction, tokenizer

import structgen as sg
from structgen.decoding.engine.requests import FinishReason
from structgen.decoding.speculation.speculation_options import Speculation

TOKENIZER = tokenizer()
LITERAL = "https://example."
URL = sg.literal(LITERAL)
PATH = sg.regex(r"//[a-z]{2,5}\.com")
PERSON = sg.json_schema(
    object_of(name={"type": "string", "maxLength": 8}, age={"type": "integer", "maximum": 99}),
    **sg.JSON_DUMPS,
)
COLON = TOKENIZER.encode(b":")[0]


def made(*requests: sg.Request, model: Any = TreeFunction, **options: Any) -> list[sg.Result]:
    results = sg.Engine(model(TOKENIZER.vocab_size), TOKENIZER, **options).generate(requests)
    assert [result.error for result in results] == [None] * len(results)
    return results


def request(grammar: Any, prompt: str = "A text:", seed: int = 0, **options: Any) -> sg.Request:
    sampling = options.pop("sampling", sg.Sampling(seed=seed))
    return sg.Request(prompt, grammar, sampling, **options)


def written(result: sg.Result) -> bytes:
    return TOKENIZER.decode(result.tokens)


def test_forced_text_has_the_tokens_of_the_tokenizer() -> None:
    wanted = TOKENIZER.encode(LITERAL.encode())
    assert len(wanted) == 4
    plain = made(*(request(URL, seed=seed) for seed in range(20)))
    ours = made(*(request(URL, seed=seed, canonical=True) for seed in range(20)))
    assert {result.text for result in plain + ours} == {LITERAL}
    assert all(result.tokens == wanted for result in ours)
    # any tokens that spell the text are sampled without the option
    assert max(len(result.tokens) for result in plain) >= 10
    assert min(len(result.tokens) for result in plain) > 4


def test_forced_parts_of_a_document_have_the_tokens_of_the_tokenizer() -> None:
    begin = TOKENIZER.encode(b'{"name": "')
    middle = TOKENIZER.encode(b', "age": ')[:-1]  # the last token may go on with the number
    for result in made(*(request(PERSON, seed=seed, canonical=True, max_tokens=60) for seed in range(20))):
        assert TOKENIZER.decode(result.tokens).decode() == result.text
        assert result.tokens[: len(begin) - 1] == begin[:-1]
        known = [TOKENIZER.token_bytes[token] for token in result.tokens]
        if b'"' in known[len(begin) - 1 :]:
            at = known.index(b'"', len(begin) - 1)
            assert result.tokens[at + 1 : at + 1 + len(middle)] == middle


def test_off_by_default() -> None:
    given = sg.Request("A text:", URL)
    assert (given.canonical, given.healing) == (False, False)
    wanted = [result.tokens for result in made(*(request(PERSON, seed=seed) for seed in range(8)))]
    off = (request(PERSON, seed=seed, canonical=False, healing=False) for seed in range(8))
    # a request beside it, with the options, changes nothing
    found = made(*off, request(PERSON, "A text: {", canonical=True, healing=True))
    assert [result.tokens for result in found[:-1]] == wanted


@pytest.mark.parametrize("grammar", [URL, PERSON, PATH])
@pytest.mark.parametrize(
    "options", [{"canonical": True}, {"healing": True}, {"canonical": True, "healing": True}]
)
def test_speculation_changes_no_token(grammar: sg.Grammar, options: dict[str, bool]) -> None:
    found = []
    for drafts in ("off", Speculation(("forced",)), Speculation(("forced", "grammar"))):
        wanted = [
            request(grammar, "A text:", seed, speculation=drafts, max_tokens=40, **options)
            for seed in range(6)
        ]
        found.append([(one.tokens, one.text) for one in made(*wanted)])
    assert found[0] == found[1] == found[2]


@pytest.mark.usefixtures("keen")
def test_forced_tokens_are_read_in_one_pass() -> None:
    (result,) = made(request(URL, canonical=True, speculation=Speculation(("forced",))))
    (plain,) = made(request(URL, canonical=True, speculation="off"))
    assert result.tokens == plain.tokens
    # the first token is chosen behind the prompt; one pass reads it with the three others
    assert (plain.usage.calls, result.usage.calls) == (4, 1)
    assert result.usage.accepted == {"forced": 4}  # three tokens and the end


def test_one_token_crosses_the_border_of_a_healed_prompt() -> None:
    prompt = "The url is http:"
    plain = made(*(request(PATH, prompt, seed) for seed in range(20)))
    healed = made(*(request(PATH, prompt, seed, healing=True) for seed in range(20)))
    both = made(*(request(PATH, prompt, seed, healing=True, canonical=True) for seed in range(20)))
    for before, one in zip(plain, healed, strict=True):
        assert written(one) == b":" + one.text.encode()
        assert one.text.startswith("//") and one.value == one.text
        assert one.usage.prompt_tokens == before.usage.prompt_tokens - 1
        assert len(one.tokens) == one.usage.tokens
    assert any(TOKENIZER.token_bytes[one.tokens[0]] == b"://" for one in healed)
    assert all(TOKENIZER.token_bytes[one.tokens[0]] == b"://" for one in both)


def test_the_model_reads_the_prompt_without_what_is_written_again() -> None:
    model = Function(TOKENIZER.vocab_size)
    tokens = TOKENIZER.encode(b"The url is http:")
    sg.Engine(model, TOKENIZER).generate(sg.Request(tokens, PATH, healing=True, max_tokens=20, n=3))
    assert model.prefills == [tokens[:-1]]


def test_a_step_has_the_figures_of_its_mask() -> None:
    (result,) = made(request(PATH, "The url is http:", canonical=True, healing=True, logprobs=2))
    first = result.steps[0]
    assert first.allowed == 1 and first.constrained == pytest.approx(0.0, abs=1e-5)
    assert first.logprob == pytest.approx(math.log1p(-first.removed), rel=1e-3)
    assert [token for token, _ in first.likeliest_allowed] == [first.token]
    assert len(first.likeliest) == 2


@pytest.mark.parametrize("options", [{"canonical": True}, {"canonical": True, "healing": True}])
@pytest.mark.parametrize("spare", [0, 1, 3])
def test_documents_are_complete_within_max_tokens(options: dict[str, bool], spare: int) -> None:
    with pytest.raises(sg.errors.BudgetError) as caught:
        made(request(PERSON, "A person:", max_tokens=1, **options))
    most = caught.value.minimum + spare
    for seed in range(10):
        (result,) = made(request(PERSON, "A person:", seed, max_tokens=most, **options))
        assert len(result.tokens) <= most
        assert set(result.value) == {"name", "age"}


def test_where_max_tokens_are_too_few_for_the_canonical_tokens_others_are_taken() -> None:
    """The tokenizer splits "usernames" into user, n, am, es; user, name, s are fewer."""
    canonical = TOKENIZER.encode(b"usernames")
    assert len(canonical) == 4
    (result,) = made(request(sg.literal("usernames"), canonical=True, max_tokens=4))
    assert (result.text, result.tokens) == ("usernames", canonical)
    (result,) = made(request(sg.literal("usernames"), canonical=True, max_tokens=3))
    assert (result.text, len(result.tokens)) == ("usernames", 3)


def test_free_text_behind_a_healed_prompt() -> None:
    for seed in range(20):
        (result,) = made(request(None, "The url is http:", seed, healing=True, max_tokens=6))
        assert written(result).startswith(b":")
        # a character that max_tokens cut off is no part of the text, as in any free text
        assert result.text == codecs.getincrementaldecoder("utf-8")("replace").decode(written(result)[1:])
        assert result.finish_reason in (FinishReason.MAX_TOKENS, FinishReason.STOP)
    assert result.usage.prompt_tokens == len(TOKENIZER.encode(b"The url is http:")) - 1


def test_a_stop_string_is_searched_for_in_the_text_alone() -> None:
    free = made(*(request(None, "The url is http:", seed, healing=True, max_tokens=12) for seed in range(12)))
    stopped = made(
        *(
            request(None, "The url is http:", seed, healing=True, max_tokens=12, stop=":")
            for seed in range(12)
        )
    )
    for whole, cut in zip(free, stopped, strict=True):
        assert cut.text == whole.text.partition(":")[0]


EURO = "€".encode()


class Completes(Function):
    """A model that writes one text, byte by byte, and then the letter x."""

    wanted = EURO[1:] + b"uro"

    def logits(self, tokens: Any) -> Any:
        at = len(tokens) - self.begun
        found = torch.zeros(self.vocab_size)
        byte = self.wanted[at : at + 1] if 0 <= at < len(self.wanted) else b"x"
        found[TOKENIZER.token_bytes.index(byte)] = 50.0
        return found


@pytest.mark.parametrize("size", [1, 2])
def test_a_character_that_the_prompt_begins_is_whole_in_the_text(size: int) -> None:
    """The prompt ends in one or two of the three bytes of a character."""
    prompt = [*TOKENIZER.encode(b"In "), *(TOKENIZER.token_bytes.index(EURO[i : i + 1]) for i in range(size))]
    model = Completes(TOKENIZER.vocab_size)
    model.begun, model.wanted = len(prompt) - size, EURO + b"uro"
    how = sg.Sampling(temperature=0.0)
    (result,) = sg.Engine(model, TOKENIZER).generate(
        sg.Request(prompt, None, how, healing=True, max_tokens=9)
    )
    assert result.text.startswith("€uro") and "\ufffd" not in result.text
    whole = TOKENIZER.decode(prompt[: result.usage.prompt_tokens]) + written(result)
    assert whole == b"In " + result.text.encode()


def test_a_character_that_is_not_completed_is_left_out() -> None:
    half = TOKENIZER.token_bytes.index(EURO[:1])
    model = Completes(TOKENIZER.vocab_size)
    prompt = [*TOKENIZER.encode(b"In"), half]
    model.begun, model.wanted = len(prompt) - 1, EURO[:1] + b"no"
    engine = sg.Engine(model, TOKENIZER)
    how = sg.Sampling(temperature=0.0)
    (result,) = engine.generate(sg.Request(prompt, None, how, healing=True, max_tokens=4))
    assert result.text.startswith("no") and "\ufffd" not in result.text


def test_a_document_behind_half_a_character_is_whole() -> None:
    half = TOKENIZER.token_bytes.index(EURO[:1])
    results = made(
        *(
            sg.Request(
                [COLON, half], PERSON, sg.Sampling(seed=seed), healing=True, canonical=True, max_tokens=50
            )
            for seed in range(5)
        )
    )
    assert all(set(result.value) == {"name", "age"} for result in results)


def test_special_tokens_at_the_end_of_a_prompt_stay() -> None:
    special = next(token for token in TOKENIZER.special_ids if token not in TOKENIZER.eos_token_ids)
    model = Function(TOKENIZER.vocab_size)
    prompt = [*TOKENIZER.encode(b"http:"), special]
    (result,) = sg.Engine(model, TOKENIZER).generate(sg.Request(prompt, PATH, healing=True, max_tokens=20))
    assert model.prefills == [prompt]
    assert written(result) == result.text.encode()


def test_an_interrupted_step_loses_nothing() -> None:
    """The sequences are made again from their tokens (`TextSequence.restart`)."""
    wanted = [
        request(grammar, "The url is http:", seed, healing=True, canonical=grammar is not None, max_tokens=20)
        for seed, grammar in enumerate((PATH, None, PERSON, None))
    ]
    plain = [(one.tokens, one.text) for one in made(*wanted)]
    for count in (1, 2, 3):
        engine = sg.Engine(TreeFunction(TOKENIZER.vocab_size), TOKENIZER)
        handles = [handle for one in wanted for handle in engine.submit(one)]
        for _ in range(count):
            engine.step()
        engine._loop._is_cut = True  # as an interrupt leaves it
        engine.drive(handles)
        assert [(one.result.tokens, one.result.text) for one in handles if one.result] == plain


def test_a_tokenizer_without_rules_is_refused_when_it_is_asked() -> None:
    own = sg.Tokenizer.from_bytes([bytes((byte,)) for byte in range(256)] + [None], 256)
    engine = sg.Engine(Function(own.vocab_size), own)
    with pytest.raises(sg.errors.OptionError, match="canonical tokens of a text are not known"):
        engine.submit(sg.Request([65], URL, canonical=True))


def test_the_options_of_run() -> None:
    engine = sg.Engine(TreeFunction(TOKENIZER.vocab_size), TOKENIZER)
    how = sg.Sampling(seed=3)
    found = sg.run(engine, "A text:", URL, sampling=how, canonical=True, detailed=True)
    assert found.value == LITERAL
    assert found.result.tokens == TOKENIZER.encode(LITERAL.encode())
    found = sg.run(engine, "http:", PATH, sampling=how, canonical=True, healing=True, detailed=True)
    assert TOKENIZER.token_bytes[found.result.tokens[0]] == b"://"
