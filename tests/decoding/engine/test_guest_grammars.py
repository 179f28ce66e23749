"""A grammar that a stranger puts around another one, and that narrows nothing, is that one at every door: the
same prompt, tokens, value, partial objects, explanation, masks and automata. One that narrows keeps what the
one inside says, and its texts are its own."""

from __future__ import annotations

import random
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

import pytest
from small_models import Function, tokenizer, write_chat_llama

import structgen as sg
from structgen.decoding.infilling.automata_of_grammars import language_of
from structgen.decoding.samplers.problem import Problem
from structgen.errors import StructgenError
from structgen.machines.core.forced_text import with_forced_text

sys.path.insert(0, str(Path(__file__).parent.parent.parent / "schema"))
from schema_strategies import schema as random_schema


class Guest(sg.Grammar):
    def __init__(self, around: sg.Grammar) -> None:
        self.around = around

    @property
    def canonical(self) -> str:
        return f"a guest of {self.around.canonical}"

    @property
    def limits(self) -> sg.Limits:
        return self.around.limits

    def compiled(self, tokenizer: Any, limits: Any, store: Any) -> sg.CompiledGrammar:
        return self.around.compiled(tokenizer, limits, store)


@dataclass(frozen=True)
class ShortGuest(sg.Grammar):
    around: sg.Grammar
    word: str = ""

    def compiled(self, tokenizer: Any, limits: Any, store: Any) -> sg.CompiledGrammar:
        return sg.compile(self.around, tokenizer, limits=limits, store=store)


GUESTS: list[Callable[[sg.Grammar], sg.Grammar]] = [
    Guest,
    ShortGuest,
    lambda of: Guest(ShortGuest(Guest(of))),
]


@dataclass
class Person:
    name: str
    age: int
    kind: Literal["a", "b"] = "a"


def of_type(hint: Any) -> sg.Grammar:
    """The grammar of a type, which reads its values."""
    return sg.Request("x", hint).grammar  # type: ignore[no-any-return]


def tools() -> sg.Grammar:
    read = sg.read_request(
        {
            "messages": [{"role": "user", "content": "Rain?"}],
            "tools": [
                {
                    "type": "function",
                    "function": {
                        "name": "weather",
                        "parameters": {
                            "type": "object",
                            "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
                            "required": ["city"],
                        },
                    },
                }
            ],
            "tool_choice": "required",
        }
    )
    return read.grammar("hermes")  # type: ignore[no-any-return]


def pattern(chance: random.Random, depth: int = 3) -> str:
    if depth == 0:
        return chance.choice(["a", "b", "[ab]", r"\d", "[^x]", "é", "ab", " "])
    parts = [pattern(chance, depth - 1) for _ in range(chance.randint(1, 3))]
    joined = chance.choice(["", "|"]).join(parts)
    return f"(?:{joined}){chance.choice(['', '', '?', '{1,3}', '+'])}"


LARKS = [
    'start: NUMBER (("+"|"-") NUMBER)*\nNUMBER: /[0-9]{1,3}/',
    'start: "[" [start ("," start)*] "]" | WORD\nWORD: /[a-z]+/\n%ignore " "',
]
HINTS = [
    Person,
    list[int],
    dict[str, int],
    Literal["x", "y"],
    bool,
    int | None,
    list[Person],
    tuple[int, str],
]
FIXED: list[Callable[[], sg.Grammar]] = [
    lambda: sg.choice(["red", "green", "blue"]),
    lambda: sg.json_schema({"enum": ["red", "green", 3, None]}),
    lambda: sg.json_schema({"type": "boolean"}),
    lambda: sg.json_schema(True),
    lambda: sg.ebnf('root ::= "a" root "b" | "c"'),
    lambda: sg.regex(".{0,20}"),
    lambda: "x" + sg.json_schema({"type": "integer"}),
    lambda: sg.without(sg.json_schema({"type": "string"}), ["a"]),
    tools,
    *(lambda source=source: sg.lark(source) for source in LARKS),
    *(lambda hint=hint: of_type(hint) for hint in HINTS),
]


SMALL: list[Callable[[], sg.Grammar]] = [
    lambda: sg.choice(["red", "green", "blue"]),
    lambda: sg.regex("(?:ab|c){1,3}"),
    lambda: sg.json_schema({"enum": ["red", "green", 3, None]}, whitespace="compact"),
    lambda: of_type(dict[Literal["a"], bool]),
    lambda: sg.ebnf('root ::= "a" root "b" | "c"'),
]
"""Those that all doors finish soon."""


def cases(schemas: int, patterns: int) -> list[Callable[[], sg.Grammar]]:
    """Grammars of each kind, to be made."""
    found = list(FIXED)
    for seed in range(schemas):
        schema = random_schema(random.Random(seed))
        found.append(lambda schema=schema: sg.json_schema(schema, strict=None, max_string=5, max_items=3))
    for seed in range(patterns):
        found.append(lambda seed=seed: sg.regex(pattern(random.Random(seed))))
    return found


@cache
def engine(name: str) -> sg.Engine:
    return sg.Engine(name)


def attempt(call: Callable[[], Any]) -> Any:
    """What a call returns, or its error in words."""
    try:
        return call()
    except StructgenError as error:
        return type(error).__name__, str(error)


def said(result: Any) -> Any:
    """All of a result but its seconds."""
    usage = result.usage
    figures = [(step.token, round(step.logprob, 3), step.allowed, step.state) for step in result.steps]
    noted = usage.tokens, usage.outline, usage.choices, usage.closed, usage.strategy
    return (
        result.text,
        result.tokens,
        repr(result.value),
        result.finish_reason,
        str(result.error),
        figures,
        noted,
    )


def asked(name: str, grammar: sg.Grammar) -> dict[str, Any]:
    """What an engine and `sg.run` do with a grammar."""
    model = engine(name)
    plainly: dict[str, Any] = {"speculation": "off"}  # drafts change how many tokens come at a time
    requests = [
        sg.Request("Ada is 36.", grammar, max_tokens=24, **plainly),
        sg.Request("Ada is 36.", grammar, max_tokens=24, n=2, outline=True, **plainly),
        sg.Request("Ada is 36.", grammar, sg.Sampling(temperature=1.0, seed=5), max_tokens=30, **plainly),
    ]
    found: dict[str, Any] = {f"prompt {at}": model.prompt_tokens(one) for at, one in enumerate(requests)}
    found["greedy"] = requests[0].chosen_by
    found["results"] = attempt(lambda: [said(one) for row in model.generate(requests) for one in _flat(row)])
    options: dict[str, Any] = {"max_tokens": 24, "attempts": 1, **plainly}

    def run() -> Any:
        outcome = sg.run(model, "Ada is 36.", grammar, detailed=True, **options)
        sure = {place: round(one.probability, 3) for place, one in outcome.confidences.items()}
        return said(outcome.result), sure, [*outcome.probabilities], outcome.prompt, repr(outcome.value)

    def stream() -> Any:
        return [(repr(one.value), one.text) for one in sg.run(model, "x", grammar, stream=True, **options)]

    return found | {"run": attempt(run), "stream": attempt(stream)}


def _flat(row: Any) -> list[Any]:
    return list(row) if isinstance(row, list | tuple) else [row]


def judge(name: str, make: Callable[[], sg.Grammar], guest: Callable[[sg.Grammar], sg.Grammar]) -> None:
    plain, around = asked(name, make()), asked(name, guest(make()))
    for what in plain:
        assert around[what] == plain[what], what


@pytest.fixture(scope="module")
def chat(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(write_chat_llama(tmp_path_factory.mktemp("chat")))


@pytest.mark.parametrize("guest", GUESTS)
def test_an_engine_and_run_take_a_guest_as_what_it_is_around(guest: Any) -> None:
    for make in cases(2, 2) if guest is Guest else SMALL:
        judge("structgen/extract", make, guest)


def test_a_chat_model_takes_a_guest_as_what_it_is_around(chat: str) -> None:
    for make in [*SMALL, *FIXED[-3:]]:
        judge(chat, make, Guest)


@pytest.mark.slow
@pytest.mark.parametrize("guest", GUESTS)
def test_two_hundred_guests(guest: Any, chat: str) -> None:
    for at, make in enumerate(cases(110, 80)):
        judge("structgen/extract" if at % 2 else chat, make, guest)


def explained(of: Any) -> Any:
    return attempt(lambda: sg.explain(of).to_json())


@pytest.mark.parametrize("guest", GUESTS)
def test_a_guest_is_explained_as_what_it_is_around(guest: Any) -> None:
    for make in cases(10, 10):
        assert explained(guest(make())) == explained(make())


def walked(compiled: sg.CompiledGrammar, seed: int) -> list[Any]:
    """The masks along a random text."""
    chance, matcher, found = random.Random(seed), sg.Matcher(compiled), list[Any]()
    mask = sg.allocate_mask(1, compiled.vocab_size)
    for _ in range(12):
        matcher.fill_mask(mask)
        found.append(mask.allowed(0).tolist())
        matcher.advance(chance.choice(found[-1]))
        if matcher.is_finished:
            break
    return found


def over(words: sg.Tokenizer, of: sg.Grammar, seed: int) -> Any:
    return attempt(lambda: walked(sg.compile(of, words), seed))


LETTERS = [bytes([one]) for one in range(256) if one not in b"eb}"]
"""A vocabulary that lacks some bytes, and has one of them inside a longer token alone."""


@pytest.mark.parametrize("guest", GUESTS)
def test_masks_of_a_vocabulary_that_lacks_bytes_are_the_same(guest: Any) -> None:
    lacking = sg.Tokenizer.from_bytes([*LETTERS, b"}]", b"tr", b"ue", None], len(LETTERS) + 3)
    for seed, make in enumerate(SMALL):
        assert over(lacking, guest(make()), seed) == over(lacking, make(), seed)


CHANGES: list[Callable[[Any], sg.Grammar]] = [
    lambda of: sg.without(of, ["a", "1"]),
    lambda of: "(" + of + ")",
    lambda of: of | sg.literal("zz"),
    lambda of: of.repeat(0, 2),
]


@pytest.mark.parametrize("guest", GUESTS)
def test_bans_and_operators_take_a_guest_as_what_it_is_around(guest: Any) -> None:
    for seed, make in enumerate(SMALL):
        for change in CHANGES:
            assert over(tokenizer(), change(guest(make())), seed) == over(tokenizer(), change(make()), seed)


@pytest.mark.parametrize("guest", GUESTS)
def test_a_guest_around_special_tokens_is_part_of_others_unless_it_narrows(guest: Any) -> None:
    def special() -> sg.Grammar:
        return "a" + sg.special(3) + "b"

    for change in (*CHANGES[1:], lambda of: sg.in_json_string(of), lambda of: of & sg.regex("[a-z]*")):
        assert change(guest(special())) == change(special())
    for narrow in (FewerWords(guest(special()), ["ab"]), OwnTokens(guest(special()))):
        with pytest.raises(
            sg.errors.OptionError, match=f"{type(narrow).__name__} is not a part of a grammar"
        ):
            narrow + "x"


def read_as(text: str, of: sg.Grammar) -> Any:
    return attempt(lambda: repr(sg.outcome_of(text, of)))


@pytest.mark.parametrize("guest", GUESTS)
def test_another_models_text_is_read_by_a_guest_as_by_what_it_is_around(guest: Any) -> None:
    for make in SMALL:
        for text in ("3", "red", '{"name": "Ada", "age": 3, "kind": "a"}', "abab"):
            assert read_as(text, guest(make())) == read_as(text, make())


def drawn(of: sg.Grammar) -> Any:
    model = Function(tokenizer().vocab_size)
    draws = attempt(lambda: sg.sample(model, "x", of, 4, tokenizer=tokenizer(), seed=3, max_tokens=12))
    return draws if isinstance(draws, tuple) else (draws.texts, repr(draws.values), list(draws.log_weights))


def filled(of: sg.Grammar) -> Any:
    hole = attempt(lambda: language_of(of, tokenizer(), "grammar"))
    return hole if isinstance(hole, tuple) else (hole.exactness, hole.automaton.states)


@pytest.mark.parametrize("guest", GUESTS)
def test_draws_and_automata_of_a_guest_are_the_same(guest: Any) -> None:
    for make in SMALL:
        assert drawn(guest(make())) == drawn(make())
        assert filled(guest(make())) == filled(make())


# --- guests that narrow


class OwnTokens(Guest):
    """The same texts, where they are forced in the tokenizer's own tokens alone."""

    def compiled(self, tokenizer: Any, limits: Any, store: Any) -> sg.CompiledGrammar:
        inner = sg.compile(self.around, tokenizer, limits=limits, store=store)
        found = with_forced_text(inner, canonical=True)
        found.grammar = self
        return found


class FewerWords(sg.Grammar):
    """The texts of a choice that have no more than four letters, by a machine of a grammar of those."""

    def __init__(self, around: sg.Grammar, left: list[str]) -> None:
        self.around, self.left = around, left

    def compiled(self, tokenizer: Any, limits: Any, store: Any) -> sg.CompiledGrammar:
        return sg.compile(sg.choice(self.left), tokenizer, limits=limits, store=store)


COLOURS = ["red", "green", "blue"]


def test_a_guest_that_narrows_writes_its_own_texts() -> None:
    guest = FewerWords(sg.choice(COLOURS), ["red", "blue"])
    for seed in range(12):
        text = sg.run(
            engine("structgen/extract"), f"The sky {seed} is green.", guest, sampling=sg.Sampling(seed=seed)
        )
        assert text in ("red", "blue")


def test_a_guest_that_narrows_is_no_part_of_others_and_no_schema_for_servers() -> None:
    guest = FewerWords(sg.choice(COLOURS), ["red", "blue"])
    with pytest.raises(sg.errors.OptionError, match="FewerWords is not a part of a grammar"):
        guest + "x"
    with pytest.raises(sg.errors.UnsupportedError, match="cannot be sent"):
        sg.outcome_of("green", guest)


def test_a_machine_that_narrows_keeps_its_guest_when_it_is_handed_in() -> None:
    guest = OwnTokens(sg.json_schema({"const": "red green"}))
    model = engine("structgen/extract")
    compiled = sg.compile(guest, model.tokenizer)
    assert sg.Request("x", compiled).language is guest
    assert sg.run(model, "x", compiled) == "red green"


def test_bans_hold_inside_a_guest() -> None:
    class Upper(ShortGuest):
        pass

    banned = sg.without(Upper(sg.choice(COLOURS)), ["ee"])
    assert isinstance(banned, Upper)
    compiled = sg.compile(banned, tokenizer())
    assert compiled.step_bytes(compiled.start, b"green") is None
    assert compiled.step_bytes(compiled.start, b"blue") is not None


def test_a_guest_that_does_not_follow_is_refused_by_name() -> None:
    class Stubborn(Guest):
        canonical = "always the same"  # type: ignore[assignment]

    class ReadOnly(Guest):
        around = property(lambda self: sg.choice(COLOURS))  # type: ignore[assignment]

        def __init__(self) -> None:
            pass

    for guest in (Stubborn(sg.choice(COLOURS)), ReadOnly()):
        with pytest.raises(
            sg.errors.OptionError, match=r"does not follow .* Keep it in an attribute `around`"
        ):
            sg.without(guest, ["ee"])


def test_a_grammar_without_a_canonical_form_says_so() -> None:
    class Alone(sg.Grammar):
        def compiled(self, *_asked: Any) -> Any:
            raise NotImplementedError

    with pytest.raises(sg.errors.OptionError, match="Alone has no canonical form"):
        hash(Alone())


@pytest.mark.parametrize("dress", [dataclass, lambda kind: kind, dataclass(eq=False), dataclass(frozen=True)])
def test_a_guest_without_a_hash_is_refused_where_it_is_handed_in(dress: Callable[[Any], Any]) -> None:
    class Mutable(Guest):
        around: sg.Grammar

    kind = dress(Mutable)
    if kind.__hash__ is not None:
        assert sg.compile(kind(sg.choice(COLOURS)), tokenizer()).grammar == sg.choice(COLOURS)
        return
    guest = kind(sg.choice(COLOURS))
    for use in (
        lambda: sg.compile(guest, tokenizer()),
        lambda: sg.run("structgen/extract", "x", guest),
        lambda: sg.Request("x", guest),
        lambda: sg.sample("structgen/extract", "x", guest, n=1),
        lambda: sg.score("structgen/extract", "x", guest, ["red"]),
    ):
        with pytest.raises(
            sg.errors.OptionError, match=r"Mutable has no hash.*Write @dataclass\(frozen=True"
        ):
            use()


@pytest.mark.parametrize("inside", [{"type": "string"}, "text", int, None.__class__])
def test_what_is_no_grammar_is_refused_inside_a_guest(inside: Any) -> None:
    with pytest.raises(sg.errors.OptionError, match=r"contains a \w+, which is not a grammar"):
        sg.run("structgen/extract", "x", Guest(inside))


def test_guests_with_other_attributes_are_other_grammars() -> None:
    one, two = (ShortGuest(sg.choice(COLOURS), word) for word in ("a", "b"))
    assert one.canonical != two.canonical
    assert one.canonical == ShortGuest(sg.choice(COLOURS), "a").canonical
    assert one.fingerprint != sg.choice(COLOURS).fingerprint


class Spoken(sg.Grammar):
    """A guest that says an outline, a reader and a choice of its own."""

    outline = staticmethod(lambda **_how: "a number of eggs")  # type: ignore[assignment]
    reader = int  # type: ignore[assignment]
    is_greedy = True  # type: ignore[assignment]

    def __init__(self, around: sg.Grammar) -> None:
        self.around = around

    def compiled(self, tokenizer: Any, limits: Any, store: Any) -> sg.CompiledGrammar:
        return self.around.compiled(tokenizer, limits, store)


def test_draws_of_an_engine_have_the_prompt_that_the_guest_says() -> None:
    model, guest = engine("structgen/extract"), Spoken(sg.regex("[0-9]"))
    problem = Problem(model, guest, None, "")
    assert problem.prompt_ids("Three eggs", "prompt", 4) == model.prompt_tokens(
        sg.Request("Three eggs", guest)
    )


def test_a_guest_may_speak_for_itself() -> None:
    request = sg.Request("Three eggs", Spoken(sg.regex("[0-9]")), max_tokens=4)
    (result,) = engine("structgen/extract").generate([request])
    assert request.chosen_by.temperature == 0
    model = engine("structgen/extract")
    assert b"a number of eggs" in model.tokenizer.decode(model.prompt_tokens(request))
    assert result.value == int(result.text)
