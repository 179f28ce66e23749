"""Whole values: the likeliest of listed texts, by enumeration of the spellings."""

from __future__ import annotations

import json
import math
import random
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import pytest
import torch
from for_each import for_each
from pydantic import BaseModel
from small_models import write_llama
from strategy_models import Table, scrambled

import structgen as sg
from structgen.decoding.engine import Engine, Request
from structgen.decoding.engine.model_prompts import ModelPrompts
from structgen.decoding.engine.searches.listed_values import ListedValues, find_listed_values, listed_values
from structgen.decoding.engine.searches.whole_values import (
    MOST_KNOWN,
    KnownWeights,
    WholeValues,
    compare_whole,
    spell_value,
)

LETTERS = sg.Tokenizer.from_bytes([b"a", b"b", b"c", b"ab", b"A", b"<end>"], eos_token_id=5)
WORDS = ("ab", "ba", "cab", "bc")


def _logprob(model: object, prompt: list[int], text: str, more: tuple[int, ...] = ()) -> float:
    """Return the sum of the log-probabilities of a text's tokens, and of more behind them, read one by
    one."""
    found, read = 0.0, list(prompt)
    for token in (*LETTERS.encode(text.encode()), *more):
        found += float(torch.log_softmax(model.logits(read).double(), -1)[token])  # type: ignore[attr-defined]
        read.append(token)
    return found


@for_each("neutral", [(), (1,)])
@for_each("seed", range(12))
def test_the_likeliest_text_by_all_its_spellings_is_written(seed: int, neutral: tuple[int, ...]) -> None:
    model = scrambled(seed, size=6)
    how = WholeValues(ListedValues(WORDS), neutral)
    (found,) = Engine(model, LETTERS).generate(
        Request([2], sg.choice(list(WORDS)), sg.Sampling(temperature=0.0, strategy=how))
    )

    def worth(prompt: list[int]) -> dict[str, float]:
        # B and C are no tokens of this vocabulary, so that only A has another spelling
        each = {text: {text, *(one for one in spell_value(text) if one[0] == "A")} for text in WORDS}
        return {
            text: math.log(sum(math.exp(_logprob(model, prompt, one)) for one in some))
            for text, some in each.items()
        }

    wanted = worth([2])
    # beside a neutral prompt, the state has the shares without it, too
    both = [wanted]
    if neutral:
        wanted = {text: one - worth([1])[text] for text, one in wanted.items()}
        both = [wanted, *both]
    assert found.text == max(wanted, key=lambda text: wanted[text])
    state = next(step.state for step in found.steps if step.state)
    shares = [math.exp(one[text]) / sum(map(math.exp, one.values())) for one in both for text in WORDS]
    assert list(state) == pytest.approx(shares)


def test_what_is_known_of_neutral_prompts_changes_no_share_and_is_bounded() -> None:
    engine, draw = Engine(scrambled(5, size=6), LETTERS), random.Random(5)
    known: KnownWeights = {}

    def shares(words: tuple[str, ...], neutral: tuple[int, ...], prompt: int, **more: KnownWeights) -> Any:
        how = sg.Sampling(temperature=0.0, strategy=WholeValues(ListedValues(words), neutral, **more))
        (found,) = engine.generate(Request([prompt], sg.choice(list(words)), how))
        return next(step.state for step in found.steps if step.state)

    for _ in range(2 * MOST_KNOWN):
        words = tuple(sorted(draw.sample(WORDS, draw.randint(2, 4))))
        neutral = tuple(draw.choices(range(5), k=draw.randint(1, 3)))
        asked = words, neutral, draw.randrange(5)
        assert shares(*asked, known_weights=known) == shares(*asked)
        assert len(known) <= MOST_KNOWN
    assert len(known) == MOST_KNOWN


def test_a_calibrated_function_reads_its_neutral_prompt_once(tmp_path: Path) -> None:
    @sg.generate(model=Engine(write_llama(tmp_path)), choices="calibrated")
    def mood(text: str) -> Literal["yes", "no", "nothing"]:
        """{text}?"""
        return sg.filled()

    first, other, again = (mood.detailed(text) for text in ("one", "two", "one"))
    rows = [outcome.result.usage.strategy_rows for outcome in (first, other, again)]
    assert rows[0] == 2 * rows[1] == 2 * rows[2]
    assert again.probabilities == first.probabilities != other.probabilities


def test_a_calibrated_outcome_has_the_plain_probabilities_too(tmp_path: Path) -> None:
    @sg.generate(model=Engine(write_llama(tmp_path)))
    def mood(text: str) -> Literal["yes", "no", "nothing"]:
        """{text}?"""
        return sg.filled()

    plain, calibrated = mood.detailed("one"), mood.using(choices="calibrated").detailed("one")
    assert calibrated.plain_probabilities == pytest.approx(plain.probabilities)
    assert calibrated.probabilities != calibrated.plain_probabilities and not plain.plain_probabilities
    assert calibrated.value == max(calibrated.probabilities, key=calibrated.probabilities.__getitem__)
    # the share of the label that is written is its confidence
    (confidence,) = calibrated.confidences.values()
    assert confidence.probability == calibrated.probabilities[calibrated.value]


def _mood_of(folder: Path, **options: Any) -> Any:
    @sg.generate(model=Engine(write_llama(folder)), **options)
    def mood(text: str) -> Literal["yes", "no"]:
        """{text}?"""
        return sg.filled()

    return mood


def _advice(calls: Any) -> list[str]:
    """Return the advice that some calls give."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        calls()
    return [str(one.message) for one in caught if one.category is sg.errors.AdviceWarning]


def test_one_label_for_twenty_prompts_is_told_once(tmp_path: Path) -> None:
    mood = _mood_of(tmp_path)
    labels = {text: mood(text) for text in map(str, range(80))}
    rarer, commoner = sorted(("yes", "no"), key=[*labels.values()].count)
    alike = [text for text, label in labels.items() if label == commoner][:20]
    other = [text for text, label in labels.items() if label == rarer]
    assert len(alike) == 20

    mood = _mood_of(tmp_path)
    # a prompt that comes again says nothing new
    assert not _advice(lambda: [mood(text) for text in [*alike[:19]] * 2])
    (told,) = _advice(lambda: [mood(text) for text in alike])
    assert "mood" in told and commoner in told and 'choices="calibrated"' in told
    assert not _advice(lambda: [mood(text) for text in labels])
    assert len(_advice(lambda: _mood_of(tmp_path).batch(alike))) == 1
    assert len(_advice(lambda: [*map(_mood_of(tmp_path).detailed, alike)])) == 1
    for choices in ("calibrated", "tokens"):
        assert not _advice(lambda: _mood_of(tmp_path, choices=choices).batch(alike))  # noqa: B023
    assert other and not _advice(lambda: _mood_of(tmp_path).batch([*alike[:19], other[0], *alike]))


def test_a_label_that_stands_first_in_an_object_reads_its_neutral_prompt_once(tmp_path: Path) -> None:
    class Mail(BaseModel):
        topic: Literal["billing", "shipping"]
        urgent: bool

    @sg.generate(model=Engine(write_llama(tmp_path)), choices="calibrated")
    def mail(text: str) -> Mail:
        """{text}?"""
        return sg.filled()

    first, again = mail.detailed("one").result, mail.detailed("one").result
    assert first.text == again.text and first.usage.strategy_rows == 2 * again.usage.strategy_rows
    assert [len(step.state) for step in first.steps if step.state] == [4]  # calibrated, and plain


CHARACTERS = sg.Tokenizer.from_bytes([*map(str.encode, '{}": ,xyabcA_'), b"<end>"], eos_token_id=13)


def _object(members: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of an object that has these members, and no others."""
    closed = {"required": [*members], "additionalProperties": False}
    return {"type": "object", "properties": members, **closed}


@for_each("blank", ["", " "])
@for_each("values", [["ab", "ba"], ["a", "ab", "cab"], ["b", "cab", "ab"]])
@for_each("seed", range(8))
def test_the_first_of_several_members_is_the_likeliest_beside_a_neutral_prompt(
    seed: int, values: list[str], blank: str
) -> None:
    model, neutral = scrambled(seed, reach=20, size=14), [1]
    schema = _object({"x": {"enum": values}, "y": {"enum": ["a", "b"]}})
    grammar = sg.json_schema(schema, whitespace="oneline" if blank else "compact")
    greedy = Request([2], grammar, sg.Sampling(temperature=0.0), choices="whole")
    asked = replace(greedy, sampling=compare_whole(greedy, ModelPrompts(""), neutral)[0])
    (found,) = Engine(model, CHARACTERS).generate(asked)

    def worth(prompt: list[int], value: str) -> float:
        goes_on = any(other != value and other.startswith(value) for other in values)
        total = 0.0
        for one in {value, *(["A" + value[1:]] if value[0] == "a" else [])}:
            read, part = list(prompt), 0.0
            for token in CHARACTERS.encode(f'{{"x":{blank}"{one}{goes_on * chr(34)}'.encode()):
                part += float(torch.log_softmax(model.logits(read).double(), -1)[token])
                read.append(token)
            total += math.exp(part)
        return math.log(total)

    shares = {value: worth([2], value) - worth(neutral, value) for value in values}
    known = json.loads(found.text)
    assert [*known] == ["x", "y"] and known["x"] == max(shares, key=lambda value: shares[value])
    without = replace(greedy, sampling=compare_whole(greedy, ModelPrompts(""))[0])
    assert without == greedy


def test_a_string_behind_a_calibrated_label_is_closed_where_it_repeats_itself() -> None:
    law = [float(token == 9) for token in range(14)]  # "b" for ever
    schema = _object({"x": {"enum": ["ab", "ba"]}, "y": {"type": "string"}})
    greedy = Request(
        [2], sg.json_schema(schema), sg.Sampling(temperature=0.0), choices="whole", max_tokens=2_000
    )
    asked = replace(greedy, sampling=compare_whole(greedy, ModelPrompts(""), [1])[0])
    (found,) = Engine(Table(lambda _: law, 14), CHARACTERS).generate(asked)
    assert found.finish_reason.value == "repetition" and found.usage.strategy_rows
    assert len(json.loads(found.text)["y"]) < 1_000


@pytest.mark.parametrize("seed", range(4))
def test_guesses_change_no_token_behind_a_calibrated_label(seed: int) -> None:
    schema = _object({"x": {"enum": ["ab", "ba"]}, "y": {"type": "string"}, "c": {"enum": ["yx", "yxb"]}})
    greedy = Request(
        [2], sg.json_schema(schema), sg.Sampling(temperature=0.0), choices="whole", max_tokens=90
    )
    asked = replace(greedy, sampling=compare_whole(greedy, ModelPrompts(""), [1])[0])
    engine = Engine(scrambled(seed, size=14), CHARACTERS)
    guessed, plain = engine.generate(
        [replace(asked, speculation=how, max_tokens=90) for how in ("auto", "off")]
    )
    assert guessed.text == plain.text and "reads ahead" not in guessed.usage.speculation


def test_the_first_member_is_listed_where_every_member_must_be_there() -> None:
    members = {"mood": {"enum": ["up", "down"]}, "age": {"type": "integer"}}
    both = _object(members)

    def texts(schema: dict[str, Any]) -> tuple[str, ...]:
        return find_listed_values(sg.json_schema(schema, whitespace="oneline"), first=True).texts

    assert (
        texts(both) == ('{"mood": "up",', '{"mood": "down",')
        and not find_listed_values(sg.json_schema(both)).texts
    )
    assert texts({"$ref": "#/$defs/M", "$defs": {"M": both}}) == texts(both)
    alone = _object({"mood": members["mood"]})
    assert texts(alone) == ('{"mood": "up"}', '{"mood": "down"}')
    last = _object(dict(reversed(members.items())))
    for other in (last, {**both, "required": ["mood"]}, {**both, "additionalProperties": True}):
        assert texts(other) == ()


SCALARS = (True, False, None, 0, 7, -1.5, 0.25, 1e30, "a", "", "é", 2**70)


def _any_schema(draw: random.Random, depth: int = 0) -> Any:
    """Return a random schema of listed values, kinds and alternatives; also schemas that list nothing."""
    kinds = ["boolean", "null", "string", "object", "array", "integer"]
    match draw.randrange(7 if depth < 2 else 4):
        case 0:
            return {"enum": draw.sample(SCALARS, draw.randint(1, 5))}
        case 1:
            return {"const": draw.choice(SCALARS)}
        case 2:
            return {"type": draw.sample(kinds, draw.randint(1, 3))}
        case 3:
            return {"type": draw.choice(kinds), "minLength": 1}
        case 4:
            return {"enum": draw.sample(SCALARS, 4), "type": draw.sample(kinds, 3)}
        case 5:
            return {"anyOf": [_any_schema(draw, depth + 1) for _ in range(draw.randint(1, 3))]}
        case _:
            return {"$ref": "#/$defs/x", "$defs": {"x": _any_schema(draw, depth + 1)}}


@pytest.mark.parametrize("seed", range(4))
def test_of_any_schema_either_all_valid_values_are_compared_or_none(seed: int) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    draw, compared = random.Random(seed), 0
    for _ in range(150):
        schema = _any_schema(draw)
        try:
            grammar = sg.json_schema(schema)
            texts = find_listed_values(grammar).texts
        except sg.errors.SchemaError:
            continue  # two schemas inside one another define x
        compared += bool(texts)
        known = [json.loads(text) for text in texts]
        judge = jsonschema.Draft202012Validator(schema)
        assert not texts or all(one in known for one in SCALARS if judge.is_valid(one)), schema
    assert compared > 20


@pytest.mark.parametrize("count", [65, 10_000])
def test_many_values_are_chosen_token_by_token_and_the_usage_says_so(count: int) -> None:
    many = sg.choice(["".join("abc"[at // 3**place % 3] for place in range(9)) for at in range(count)])
    (found,) = Engine(scrambled(1, size=6), LETTERS).generate(
        Request([2], many, sg.Sampling(temperature=0.0), choices="whole")
    )
    assert found.usage.choices.startswith(f"{count:,} listed values are chosen token by token")
    assert found.usage.strategy_rows == 0


def test_values_are_compared_where_nothing_else_is_said_of_the_choice() -> None:
    few, prompts = sg.choice(["a", "b"]), ModelPrompts("")

    def is_compared(**options: object) -> bool:
        asked = Request([2], few, **options)  # type: ignore[arg-type]
        return bool(compare_whole(asked, prompts)[0].strategies)

    greedy = sg.Sampling(temperature=0.0, seed=3)
    assert is_compared(sampling=greedy, choices="whole")
    assert not is_compared(sampling=greedy)
    assert not is_compared(sampling=greedy, choices="tokens")
    assert not is_compared(sampling=sg.Sampling(temperature=0.5), choices="whole")
    assert not is_compared(sampling=sg.Sampling(temperature=0.0, presence_penalty=1.0), choices="whole")
    # neither narrows what a greedy text takes
    idle = sg.Sampling(temperature=0.0, top_k=2, top_p=0.5, min_p=0.1, repetition=None)
    assert is_compared(sampling=idle, choices="whole")
    listed = Request([2], sg.json_schema({"enum": ["a", "b"]}))
    assert compare_whole(listed, prompts)[0].strategies
    assert compare_whole(listed, ModelPrompts("structgen/extract"))[0] == listed.chosen_by
    with pytest.raises(sg.errors.OptionError, match="whole, tokens"):
        Request([2], few, choices="best")


@for_each("seed", range(60))
def test_values_that_begin_one_another_are_compared_by_what_ends_them(seed: int) -> None:
    draw, model = random.Random(seed), scrambled(seed, size=6)
    words = sorted({"".join(draw.choices("abA", k=draw.randint(0, 3))) for _ in range(draw.randint(2, 7))})
    if len(words) < 2:
        return
    most = draw.choice([1, 2, 8])
    fitting = [one for one in words if len(LETTERS.encode(one.encode())) <= most]
    if not fitting:
        return
    (found,) = Engine(model, LETTERS).generate(
        Request([2], sg.choice(words), sg.Sampling(temperature=0.0), max_tokens=most, choices="whole")
    )
    assert found.text in fitting
    if len(fitting) < 2:
        return

    def worth(word: str) -> float:
        total = 0.0
        for one in {word, *(other for other in spell_value(word) if other not in words)}:
            try:
                tokens = LETTERS.encode(one.encode())
            except sg.errors.TokenizerError:
                continue
            goes_on = any(other != word and other.startswith(word) for other in words)
            if len(tokens) <= most:
                total += math.exp(_logprob(model, [2], one, (5,) * goes_on))
        return total

    assert found.text == max(fitting, key=worth)


@pytest.mark.parametrize("whitespace", ["any", "compact", "oneline"])
def test_a_wrapped_value_is_the_likeliest_by_its_spellings(tmp_path: Path, whitespace: str) -> None:
    engine = Engine(write_llama(tmp_path))
    schema = {
        "type": "object",
        "properties": {"x": {"enum": ["ab", "abc", "Ab", 1, 12]}},
        "required": ["x"],
        "additionalProperties": False,
    }
    grammar = sg.json_schema(schema, whitespace=whitespace)
    (found,) = engine.generate(Request("Which?", grammar))
    shares = next(step.state for step in found.steps if step.state)
    assert sum(shares) == pytest.approx(1.0)
    texts = find_listed_values(grammar).texts
    assert found.text == texts[shares.index(max(shares))]


@pytest.mark.filterwarnings("ignore::structgen.errors.ShortenedWarning")
@pytest.mark.parametrize(
    "schema",
    [
        {"type": ["object", "array"]},
        {"type": ["boolean", "null"]},
        {"enum": [1.5, 2, "three"]},
        {"anyOf": [{"type": ["null"]}, {"enum": ["x", 0.1]}]},
    ],
)
def test_a_document_of_a_schema_of_listed_values_is_valid(schema: dict[str, Any]) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    outcome = sg.run("structgen/extract", "It was one and a half.", sg.json_schema(schema), max_tokens=40)
    jsonschema.validate(outcome, schema)


@pytest.mark.parametrize(
    "schema",
    [
        {"enum": 5},
        {"anyOf": 5},
        {"type": {}},
        {"enum": [[1]]},
        {"$defs": [{"enum": [1]}], "$ref": "#/$defs/0"},
        {"$ref": "#/$defs/B", "$defs": {"B": {"$ref": "#/$defs/B"}}},
    ],
)
def test_what_is_no_schema_or_an_endless_one_lists_no_values(schema: dict[str, Any]) -> None:
    assert listed_values(schema) == []


def test_a_detailed_result_tells_the_prompt_and_the_probability_of_each_value(tmp_path: Path) -> None:
    folder = write_llama(tmp_path)
    outcome = sg.run(folder, "Which?", Literal["yes", "no", "nothing"], detailed=True)
    assert set(outcome.probabilities) == {"yes", "no", "nothing"}
    assert sum(outcome.probabilities.values()) == pytest.approx(1.0)
    assert outcome.probabilities[outcome.value] == max(outcome.probabilities.values())
    assert outcome.prompt == "Which?\n"
    assert not sg.run(folder, "Which?", Literal["yes", "no"], choices="tokens", detailed=True).probabilities
    with pytest.raises(sg.errors.OptionError, match="whole, calibrated, tokens"):
        sg.run(folder, "Which?", Literal["yes", "no"], choices="best")
