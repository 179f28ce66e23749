"""Every two options of a request either go together, or are refused with the place and the cure."""

from __future__ import annotations

from dataclasses import MISSING
from importlib import import_module
from inspect import signature
from typing import Any, Final

import pytest
from command_line import GROUP  # noqa: F401  its commands note their options
from for_each import for_each

import structgen as sg
from structgen.base.language import checks
from structgen.decoding.engine.requests import Request, Sampling
from structgen.decoding.runs.exclusions import Exclusion, Exclusions, _split_cases
from structgen.doors.cli.flags import NAMES

REQUEST: Final[dict[str, Any]] = {
    "prompt": [5, 6],
    "grammar": sg.regex("a+"),
    "max_tokens": 3,
    "end_margin": 1,
    "stop": "b",
    "n": 2,
    "timeout": 5.0,
    "logprobs": 1,
    "thinking": sg.Thinking(),
    "speculation": "off",
    "outline": True,
    "chat": False,
    "canonical": True,
    "healing": True,
    "continue_final_message": True,
    "begun": "a",
    "special_texts": True,
    "refused": ("b", "no a"),
    "choices": "tokens",
    "shortened": "less",
    "cache_salt": "mine",
    "stop_tokens": [3],
}
SAMPLING: Final[dict[str, Any]] = {
    "temperature": 0.0,
    "top_p": 0.5,
    "top_k": 3,
    "min_p": 0.1,
    "repetition_penalty": 1.5,
    "presence_penalty": 0.5,
    "frequency_penalty": 0.5,
    "seed": 3,
    "logit_bias": {3: 1.0},
    "min_tokens": 5,
    "strategy": sg.strategies.Mirostat(),
    "banned": [7],
    "repetition": None,
}
EXCLUDED: Final = {
    "grammar": {"stop", "stop_tokens", "min_tokens"},
    "max_tokens": {"min_tokens"},
    "thinking": {"healing", "begun"},
    "banned": {"canonical"},
    "strategy": {"temperature", "top_p", "top_k", "min_p"},
}
"""What each excludes. A grammar is given wherever one is needed (`NEEDS_GRAMMAR`)."""
NEEDS_GRAMMAR: Final = {"canonical"}


def _made(options: dict[str, Any]) -> Request:
    how = Sampling(**{name: value for name, value in options.items() if name in SAMPLING})
    others = {name: value for name, value in options.items() if name in REQUEST}
    return Request(**{"prompt": "x", "sampling": how, **others})


def test_every_option_is_walked() -> None:
    of_requests = set(REQUEST) | {"sampling", "strategy"}
    assert of_requests == set(Request.__dataclass_fields__)
    assert set(SAMPLING) == set(Sampling.__dataclass_fields__)


@for_each("first", [*REQUEST, *SAMPLING])
def test_two_options_go_together_or_are_refused(first: str) -> None:
    names = [*REQUEST, *SAMPLING]
    for second in names[names.index(first) + 1 :]:
        _hold((first, second))


def _hold(pair: tuple[str, str]) -> None:
    options = {name: {**REQUEST, **SAMPLING}[name] for name in pair}
    if set(pair) & NEEDS_GRAMMAR:
        options["grammar"] = REQUEST["grammar"]
    named = set(options)
    excluded = any(first in named and named & others for first, others in EXCLUDED.items())
    if not excluded:
        _made(options)
        return
    with pytest.raises(sg.errors.OptionError) as refused:
        _made(options)
    assert refused.value.where in named
    assert refused.value.cure.endswith(".") and refused.value.cure in str(refused.value)


@pytest.mark.parametrize("name", sorted(NEEDS_GRAMMAR))
def test_what_needs_a_grammar_is_refused_without_one(name: str) -> None:
    with pytest.raises(sg.errors.OptionError, match=f"^{name}: .*(P|p)ass a grammar"):
        _made({name: {**REQUEST, **SAMPLING}[name]})


def test_two_strategies_of_a_request_exclude_one_another_beside_a_sampling() -> None:
    with pytest.raises(sg.errors.OptionError, match="mirostat and mirostat cannot be combined"):
        Request("x", sampling=Sampling(strategy=sg.strategies.Mirostat()), strategy=sg.strategies.Mirostat())


def test_a_row_without_a_finding_refuses_nothing_and_one_with_a_keyword_is_unsupported() -> None:
    many = Exclusion("number", "{} is many.", "Give less.", when=lambda one: one > 3 and one, keyword="x")
    table = Exclusions(many)
    table.raise_first(3)
    with pytest.raises(sg.errors.UnsupportedError, match=r"^number: 4 is many\. Give less\.") as refused:
        table.raise_first(4)
    assert refused.value.keyword == "x"


OPTIONS: Final = {
    name
    for call in (sg.Sampling, sg.Request, sg.generate, sg.sample, sg.infill, *NAMES)
    for name in (NAMES[call] if isinstance(call, str) else signature(call).parameters)
}
PLACES: Final = {"return", "--schema"}
"""What a row names that is no option, as its errors do."""
TABLES: Final = {
    f"{module}.{name}": table
    for module in ("decoding.engine.contradictions", "decoding.infilling.infill", "decoding.samplers.sample",
                   "doors.cli.flag_exclusions", "doors.integrations.vllm_bulk", "doors.typed.missing_options")
    for name, table in vars(import_module(f"structgen.{module}")).items()
    if isinstance(table, Exclusions)
}  # fmt: skip


@pytest.mark.parametrize("name", TABLES)
def test_a_row_of_a_table_has_options_cases_a_fault_and_a_cure(name: str) -> None:
    table = TABLES[name]
    assert table.rows
    for row in table.rows:
        others = {one for one in (*_split_cases(row.beside), *_split_cases(row.without)) if not callable(one)}
        assert {*_split_cases(row.names)} <= OPTIONS | PLACES and others <= OPTIONS, row
        assert row.names and bool(row.beside) + bool(row.without) + bool(row.when) <= 1, row
        assert row.fault.endswith(".") and row.cure.endswith((".", '".', "'.")), row


KINDS = (
    *(sg.Sampling, sg.Request, sg.Thinking, sg.Speculation),
    *(sg.strategies.Repetitions, sg.strategies.Mirostat, sg.strategies.Guidance),
)


@pytest.mark.parametrize("kind", KINDS)
def test_a_default_is_what_its_check_would_make_of_it(kind: Any) -> None:
    """So it need not be checked."""
    found = [
        (name, check, default)
        for name, check, _, default in checks._checks_of(kind)
        if default is not MISSING and default is not None
    ]
    assert found
    for name, check, default in found:
        assert check(name, default) == default, name
