"""Options that a public function does not have are refused by name, with the option that was meant."""

from __future__ import annotations

import inspect
import pickle
import re
from collections.abc import Iterator
from operator import attrgetter
from typing import Any

import pytest
from for_each import for_each

import structgen as sg
from structgen.doors.cli import named_values
from structgen.grammars.json_grammars.schema_grammar import json_schema

EACH_TOKEN = {"allocate_mask"}
"""Called for each token: it bears no check around it."""
NO_OPTIONS = {"either", "filled", "sequence"}
FUNCTIONS = sorted(
    name for name in set(dir(sg)) - EACH_TOKEN - NO_OPTIONS if inspect.isfunction(getattr(sg, name))
)
CLASSES = (
    "Infilling",
    "Limits",
    "MaskStore",
    "Matcher",
    "samplers.PrefixTree",
    "Regex",
    "Request",
    "Sampling",
)
STRATEGIES = [f"strategies.{one.__name__}" for one in named_values.STRATEGIES.values()]


@for_each("name", [*FUNCTIONS, *CLASSES, *STRATEGIES, "Engine", "Speculation", "Thinking"])
def test_an_unknown_option_is_an_option_error_that_names_it(name: str) -> None:
    with pytest.raises(
        sg.errors.OptionError, match=rf"sg\.{re.escape(name)} has no option 'unheard_of'\."
    ) as caught:
        attrgetter(name)(sg)(unheard_of=1)
    assert caught.value.where == "unheard_of"


@pytest.mark.parametrize("name", ["bytes", "huggingface", "sentencepiece", "tekken", "tiktoken"])
def test_tokenizers_refuse_unknown_options_by_name(name: str) -> None:
    with pytest.raises(sg.errors.OptionError, match=rf"Tokenizer\.from_{name} has no option 'eos_id'"):
        getattr(sg.Tokenizer, f"from_{name}")("x", eos_id=1)


@pytest.mark.parametrize(
    ("call", "cure"),
    [
        (lambda wrong: wrong.json_schema({}, whitespaces="any"), r"Did you mean whitespace\?"),
        (lambda wrong: wrong.json_schema({}, indent=2), "Write whitespace="),
        (lambda wrong: wrong.json_schema({}, colour=1), "The options are schema, draft, whitespace,"),
        (lambda wrong: wrong.regex("a", dialects="ecma"), r"Did you mean dialect\?"),
        (lambda wrong: wrong.lark("start: A", start_rule="x"), r"Did you mean start\?"),
        (lambda wrong: wrong.lark("start: A", parser="earley"), "the parser is LALR"),
        (lambda wrong: wrong.Limits(automaton_state=1), r"Did you mean automaton_states\?"),
        (lambda wrong: wrong.compile(wrong.regex("a")), r"Write sg\.compile\(grammar, tokenizer\)"),
    ],
)
def test_the_error_says_what_was_meant(call: Any, cure: str) -> None:
    with pytest.raises(sg.errors.OptionError, match=cure):
        call(sg)


def test_a_type_error_of_what_was_passed_stays_one() -> None:
    def texts() -> Iterator[str]:
        yield "a"
        raise TypeError("of its own")

    with pytest.raises(TypeError, match="of its own"):
        sg.choice(texts())


def test_a_function_with_named_options_pickles_and_shows_its_signature() -> None:
    assert pickle.loads(pickle.dumps(json_schema)) is json_schema
    assert "whitespace" in inspect.signature(json_schema).parameters
