"""Values that repeat themselves are closed: no document of a person, every loop, in every way of running."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
import torch
from for_each import for_each
from small_models import TreeFunction, tokenizer

import structgen as sg
from structgen.decoding.engine import Engine, FinishReason, Request, Sampling
from structgen.decoding.engine.requests import DEFAULT_MAX_TOKENS
from structgen.decoding.engine.strategies.repetitions import OpenRun, find_run
from structgen.decoding.speculation.speculation_options import Speculation

TOKENIZER = tokenizer()
PROMPT = TOKENIZER.encode(b"x")
MOST = 2000
S: dict[str, Any] = {"type": "string"}
GREEDY = Sampling(temperature=0)
OPEN = Sampling(temperature=0, repetition=None)


class Looping(TreeFunction):
    """A model that wants one text after the prompt, and then another one for ever, whatever it has
    written."""

    def __init__(self, before: str, loop: str) -> None:
        super().__init__(TOKENIZER.vocab_size)
        self.before, self.loop = TOKENIZER.encode(before.encode()), TOKENIZER.encode(loop.encode())

    def logits(self, tokens: Sequence[int]) -> Any:
        at = len(tokens) - len(PROMPT) - len(self.before)
        out = torch.zeros(self.vocab_size)
        out[self.before[at] if at < 0 else self.loop[at % len(self.loop)]] = 10
        return out


def _result(schema: Any, before: str, loop: str, how: Sampling = GREEDY, **options: Any) -> sg.Result:
    grammar = sg.json_schema(schema, whitespace="oneline") if isinstance(schema, dict) else schema
    options.setdefault("max_tokens", MOST)
    (result,) = Engine(Looping(before, loop), TOKENIZER).generate(Request(PROMPT, grammar, how, **options))
    assert result.error is None
    return result


def _of(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "additionalProperties": False}


def _list(items: Any) -> dict[str, Any]:
    return {"type": "array", "items": items}


LOOPS: dict[str, tuple[Any, str, str]] = {
    "string": (_of(a=S, b=S), '{"a": "', "ha "),
    "one_character": (_of(a=S), '{"a": "', "a"),
    "escapes": (_of(a=S), '{"a": "', "no\\n"),
    "dates": (_of(a=S), '{"a": "', "2022-01-01 23:22:53, "),
    "a_key": ({"type": "object", "additionalProperties": {"type": "integer"}}, '{"', "ab"),
    "items": (_list(S), '["', 'Java", "C++", "'),
    "integers": (_list({"type": "integer"}), "[", "0, "),
    "lists": (_list(_list({"type": "integer"})), "[", "[1, 2], "),
    "objects": (_list(_of(a=S, b=S)), "[", '{"a": "x"}, '),
    "open_object": ({"type": "object"}, '{"a": "', "ha "),
    "pattern": (_of(a={"type": "string", "pattern": "^[^;]*;$"}), '{"a": "', "ha "),
    "regex": (sg.regex("(ab|cd )*"), "", "cd "),
    "lark": (sg.lark('start: "[" NUM ("," NUM)* "]"\nNUM: /[0-9]+/'), "[", "12,"),
}


@for_each("name", LOOPS)
def test_a_loop_ends_far_below_max_tokens_with_a_document(name: str) -> None:
    schema, before, loop = LOOPS[name]
    result = _result(schema, before, loop)
    assert result.finish_reason is FinishReason.REPETITION
    assert result.usage.closed
    assert len(result.tokens) < MOST // 2
    if isinstance(schema, dict):
        assert result.value == json.loads(result.text)
    assert result.text.startswith(before + 10 * loop)


@for_each("name", ["string", "items", "objects", "lark"])
def test_without_repetition_a_loop_is_what_it_was(name: str) -> None:
    schema, before, loop = LOOPS[name]
    result = _result(schema, before, loop, OPEN, max_tokens=400)
    assert result.finish_reason is FinishReason.STEERED
    assert len(result.tokens) > 390
    assert not result.usage.closed


def test_while_the_grammar_asks_for_more_the_model_goes_on() -> None:
    long = _of(a={"type": "string", "minLength": 800})
    assert _result(long | {"required": ["a"]}, '{"a": "', "ha ").value["a"].startswith(200 * "ha ")
    many = _result(_list(S) | {"minItems": 100}, '["', 'a", "')
    assert many.value == 100 * ["a"]


def test_a_list_closes_behind_a_whole_item() -> None:
    for name, item in (("lists", [1, 2]), ("integers", 0)):
        found = _result(*LOOPS[name]).value
        assert found == [item] * len(found)


def test_a_string_closes_alone_and_the_next_member_is_written() -> None:
    result = _result(_of(a=S, b=S) | {"required": ["a"]}, '{"a": "', "ha ", max_tokens=MOST)
    assert set(result.value) == {"a", "b"}


@pytest.mark.parametrize("name", ["string", "items", "lists", "pattern", "regex"])
def test_batches_streams_and_drafts_write_the_same_text(name: str) -> None:
    schema, before, loop = LOOPS[name]
    grammar = sg.json_schema(schema, whitespace="oneline") if isinstance(schema, dict) else schema
    plain = _result(grammar, before, loop, speculation="off")
    request = Request(PROMPT, grammar, GREEDY, max_tokens=MOST, speculation="off")
    pieces = []
    for piece in Engine(Looping(before, loop), TOKENIZER).stream(request):
        pieces.append(piece)
        assert plain.text.startswith("".join(pieces))
    assert "".join(pieces) == plain.text
    drafted = Request(PROMPT, grammar, GREEDY, max_tokens=MOST, speculation=Speculation(("suffix",)))
    engine = Engine(Looping(before, loop), TOKENIZER)
    for other in engine.generate([drafted, request, drafted]):
        assert other.tokens == plain.tokens
        assert other.finish_reason is plain.finish_reason
        assert other.usage.closed == plain.usage.closed


NUMBER, INTEGER = {"type": "number"}, {"type": "integer"}


@for_each("loop", ["7", "12", "90", "1234"])
@for_each("begin", ["", "-", "0.", "3.1"])
def test_a_number_has_at_most_17_significant_digits(begin: str, loop: str) -> None:
    result = _result(_of(n=NUMBER), '{"n": ' + begin, loop)
    (written,) = re.findall(r"[-.0-9]+", result.text.split(":")[1])
    digits = written.replace(".", "").lstrip("-0")
    assert 12 <= len(digits) <= 17
    assert written.startswith(begin)
    assert result.finish_reason is FinishReason.REPETITION


@pytest.mark.parametrize(("begin", "loop"), [("0.", "0"), ("1", "0"), ("1e", "0"), ("1.5e+", "0")])
def test_zeros_end_too(begin: str, loop: str) -> None:
    result = _result(_of(n=NUMBER), '{"n": ' + begin, loop)
    assert set(result.value) == {"n"}
    assert len(result.text) < 60


def test_an_integer_of_64_bits_is_whole() -> None:
    for written in ("234567890123456789", "1050118621198921728", "18446744073709551615", "1" + 18 * "0"):
        result = _result(_of(n=INTEGER), '{"n": ' + written, "}")
        assert result.text == '{"n": ' + written + "}"
        assert result.finish_reason is FinishReason.STOP


@pytest.mark.parametrize(
    ("schema", "digits"),
    [
        (INTEGER | {"maximum": 10**30 - 1}, 30),
        (INTEGER | {"minimum": 10**24}, 25),
        (NUMBER | {"multipleOf": 1e-25}, 24),
        ({"enum": [1, 7777777777777777777777777]}, 25),
        ({"const": 7777777777777777777777777}, 25),
    ],
)
def test_a_schema_that_names_more_digits_gets_them(schema: dict[str, Any], digits: int) -> None:
    before = '{"n": 0.' if "multipleOf" in schema else '{"n": '
    result = _result(_of(n=schema), before, "7", max_tokens=200)
    written = re.findall(r"[.0-9]+", result.text.split(":")[1])[0]
    assert len(written.replace("0.", "")) >= digits


def test_a_bound_that_is_the_greatest_double_names_no_digits() -> None:
    result = _result(_of(n=NUMBER | {"maximum": 1.7976931348623157e308}), '{"n": ', "7")
    assert len(re.findall(r"[0-9]+", result.text)[0]) <= 17


def test_digits_in_strings_are_no_number() -> None:
    written = '{"a": "POINT(1, 123456789012345678901234)"}'
    assert _result(_of(a=S), written[:-1], "}").text == written


def test_numbers_of_calls_end_too() -> None:
    grammar = sg.regex(r'<tool_call>\{"name": "f", "arguments": \{"n": [0-9]+\}\}')
    result = _result(grammar, '<tool_call>{"name": "f", "arguments": {"n": ', "7")
    assert result.finish_reason is FinishReason.REPETITION
    assert len(re.findall(r"[0-9]+", result.text)[0]) == 17


LYRICS = "\n".join(["Na, na, na, nananana, nananana, hey Jude"] * 18)
PEOPLE = {
    "rule": "Title\n" + 120 * "=" + "\n" + 120 * "-",
    "null digest": "0x" + 128 * "0",
    "zero bytes": "base64," + 200 * "A" + "==",
    "certificate": "-----BEGIN CERTIFICATE-----\n" + "\n".join(["MIIDdTCCAl2gAwIBAgILBAAAAAABFUtaw5Qw"] * 40),
    "blanks": 200 * " " + "end",
    "board": "\n".join(["." * 19] * 19),
    "table": "\n".join(["|---|---|---|---|"] * 12),
    "dots": 80 * "." + "12\n" + 80 * "." + "13",
    "haiku": "\n".join(["An old silent pond", "a frog jumps into the pond", "splash! Silence again"] * 7),
    "lyrics": LYRICS,
    "laughter": "ha" * 60 + "!",
    "laughter in Chinese": "哈" * 60,
    "version": "1" + ".0" * 40,
    "zeros": [0] * 100,
    "floats": [0.0, 1.0] * 30,
    "identity": [[int(i == j) for j in range(16)] for i in range(16)],
    "matrix": [[0] * 24 for _ in range(28)],
    "labels": ["O"] * 40 + ["B-PER", "I-PER"] + ["O"] * 40,
    "masks": ["01111110"] * 16,
    "rows": [{"success": True, "stderr": "", "stdout": "Hello World"}] * 15,
    "coordinates": [[12.4924, 41.8902], [12.4924, 41.8902]] * 8,
    "names": ["Anna", "Ben"] * 10,
}


def _writings(value: Any) -> Iterator[str]:
    yield json.dumps(value, ensure_ascii=False)
    yield json.dumps(value)
    yield json.dumps(value, indent=4)
    yield json.dumps(value, separators=(",", ":"))


def _is_cut(text: str, step: int = 1, most: int = 0) -> bool:
    """Return whether any beginning of a text has a run that would be closed before the text is over. Its
    tokens have `step` bytes; `most` of them are allowed."""
    run, data = OpenRun(sg.strategies.Repetitions(), sg.json_schema({}), most), text.encode()
    for at in range(0, len(data), step):
        if run.is_long or run.has_too_many_digits(data[at : at + step]):
            return True
        run.write_bytes(data[at : at + step])
    return False


@for_each("name", PEOPLE)
def test_no_document_of_a_person_is_cut_also_by_the_usual_budget(name: str) -> None:
    for text in _writings({"of": PEOPLE[name], "and": 1}):
        assert not _is_cut(text, step=29), text
        assert not _is_cut(text, step=17, most=DEFAULT_MAX_TOKENS), text


NEVER = ["certificate", "matrix", "identity", "board", "blanks", "table", "null digest"]


@pytest.mark.parametrize("name", NEVER)
def test_codes_digits_signs_and_rows_of_numbers_may_fill_any_budget(name: str) -> None:
    text = json.dumps({"of": PEOPLE[name], "and": 1})
    most = min(len(text) // 2, sg.strategies.Repetitions().length)
    assert not _is_cut(text[: 2 * most], step=2, most=most)


def test_a_run_goes_on_until_it_has_its_share_of_the_tokens() -> None:
    run, text = OpenRun(sg.strategies.Repetitions(share=0.75), sg.json_schema({}), 40), b'["' + 40 * b'a", "'
    ends = []
    for at in range(0, len(text), 5):
        run.write_bytes(text[at : at + 5])
        ends.append(run.is_long)
    assert ends.index(True) == 30  # the first token has the bracket


def _value(draw: random.Random, depth: int) -> Any:
    """Return what a person might write: words, lists in which items repeat, rules, codes, numbers."""
    words = ["Ada", "of", "the", "Zürich", "go", "2021-03-04", "n/a", "ok", "a-b", "北京"]
    kind = draw.randrange(8 if depth else 6)
    if kind == 0:
        return " ".join(draw.choice(words) for _ in range(draw.randrange(60)))
    if kind == 1:
        return draw.choice("=-_*. 0A") * draw.randrange(200)
    if kind == 2:
        return "".join(draw.choice("0123456789abcdef") for _ in range(draw.randrange(300)))
    if kind == 3:
        return draw.choice([draw.random(), draw.randrange(1 << 64), -draw.random() * 1e-9, 10**18, 1e22])
    if kind == 4:
        return [draw.choice([0, 1, 0.5, True, None, "x"])] * draw.randrange(12)
    if kind == 5:
        return "\n".join([draw.choice(words) + " and so on"] * draw.randrange(12))
    if kind == 6:
        return [_value(draw, depth - 1) for _ in range(draw.randrange(5))]
    return {draw.choice(words) + str(i): _value(draw, depth - 1) for i in range(draw.randrange(6))}


def test_no_random_document_of_a_person_is_cut() -> None:
    draw = random.Random(54)
    for _ in range(30):
        text = draw.choice(list(_writings(_value(draw, 3))))
        assert not _is_cut(text, step=draw.randrange(1, 6)), text


def test_a_run_is_found_wherever_it_begins_and_however_it_is_cut() -> None:
    draw, how = random.Random(5), sg.strategies.Repetitions()
    for _ in range(60):
        period = "".join(draw.choice("ab c,1\n") for _ in range(draw.randrange(1, 40))) + "é "
        text = bytearray(("x" * draw.randrange(300) + period * 900).encode())
        size = find_run(text, how)
        assert size > 0
        assert len(period.encode()) % size == 0
        least = how.needed(bytes(text[-size:]))
        assert find_run(text[-least:], how) == size
        assert find_run(text[1 - least :], how) == 0


@pytest.mark.parametrize("numeral", ["0.1", "1e-7", "123456789.12345678", "-0"])
def test_a_number_of_few_digits_is_written_as_it_is(numeral: str) -> None:
    assert _result(_of(n=NUMBER), '{"n": ' + numeral, "}").text == '{"n": ' + numeral + "}"


def test_options_of_repetition_are_checked() -> None:
    for wrong in ({"length": 3}, {"times": 1}, {"digits": 0}, {"digits": 1.5}, {"share": 2}, {"long": 3}):
        with pytest.raises(sg.errors.OptionError):
            sg.strategies.Repetitions(**wrong)  # type: ignore[arg-type]
    with pytest.raises(sg.errors.OptionError, match="repetition must be Repetitions or None, got bool"):
        Sampling(repetition=True)  # type: ignore[arg-type]


def test_a_shorter_length_closes_sooner() -> None:
    how = Sampling(temperature=0, repetition=sg.strategies.Repetitions(length=40, times=3, digits=5))
    assert len(_result(_of(a=S), '{"a": "', "ha ", how).value["a"]) < 70
    assert _result(_of(n=INTEGER), '{"n": ', "7", how).value["n"] == 77777


@pytest.mark.parametrize("name", ["one_character", "items", "integers", "regex", "lark"])
def test_a_run_that_takes_half_of_max_tokens_is_closed(name: str) -> None:
    schema, before, loop = LOOPS[name]
    result = _result(schema, before, loop, max_tokens=160)
    assert result.finish_reason is FinishReason.REPETITION
    assert 80 <= len(result.tokens) < 140
    shareless = Sampling(temperature=0, repetition=sg.strategies.Repetitions(share=0))
    assert _result(schema, before, loop, shareless, max_tokens=160).finish_reason is FinishReason.STEERED


def test_free_text_and_searches_are_left_alone() -> None:
    (free,) = Engine(Looping("", "ha "), TOKENIZER).generate(Request(PROMPT, None, GREEDY, max_tokens=400))
    assert free.finish_reason is FinishReason.MAX_TOKENS
    soon = sg.strategies.Repetitions(length=40, times=3)
    for strategy, reason in (
        ((), FinishReason.REPETITION),
        (sg.strategies.PlanningSearch(reward=len, rollouts=1), FinishReason.STEERED),
    ):
        how = Sampling(temperature=0, repetition=soon, strategy=strategy)
        found = _result(_of(a=S), '{"a": "', "a", how, max_tokens=80)
        assert found.finish_reason is reason
