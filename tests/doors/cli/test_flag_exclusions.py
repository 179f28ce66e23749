"""Options of commands: each name arrives; each pair goes, or is refused by name."""

from __future__ import annotations

import json
from inspect import signature
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
from command_line import GROUP, commanded

import structgen as sg
from structgen.decoding.runs.option_names import OF_REQUEST, OF_SAMPLING
from structgen.doors.cli.flags import (
    LANGUAGES,
    LISTS,
    NAMES,
    OF_LARK,
    POLICIES,
    SWITCHES,
)
from structgen.doors.cli.model_requests import ModelRequests
from structgen.doors.cli.named_options import CommandOptions, read_options
from structgen.doors.cli.target_language import TargetLanguage
from structgen.errors import OptionError, StructgenError

VALUES: dict[str, Any] = {
    "model": "structgen/extract",
    "schema": '{"type": "integer"}',
    "type": "builtins:int",
    "grammar": "g.lark",
    "ebnf": "g.gbnf",
    "regex": "a+",
    "tools": '[{"name": "f", "parameters": {"type": "object"}}]',
    "prompt": "x",
    "start": "start",
    "import_paths": ["."],
    "postlex": "python",
    "bind": ["B=b.json"],
    "lexer": "contextual",
    "ignore_at_most": 8,
    "draft": "2020-12",
    "whitespace": "compact",
    "property_order": "declared",
    "numbers": "plain",
    "escapes": "utf8",
    "formats": "annotate",
    "max_string": 4,
    "max_items": 4,
    "any_value": "scalar",
    "resources": ["u:x=b.json"],
    "strict": True,
    "tool_choice": "required",
    "parallel": False,
    "tool_format": "hermes",
    "device": "cpu",
    "dtype": "float32",
    "max_rows": 2,
    "cache_bytes": 1 << 20,
    "kept_prompts": 1 << 20,
    "prefill_tokens": 64,
    "temperature": 0.5,
    "seed": 3,
    "top_p": 0.9,
    "top_k": 5,
    "min_p": 0.1,
    "repetition_penalty": 1.1,
    "presence_penalty": 0.1,
    "frequency_penalty": 0.1,
    "logit_bias": {"42": -1},
    "min_tokens": 1,
    "strategy": ["mirostat:tau=3"],
    "banned": ["zzz"],
    "repetition": False,
    "max_tokens": 9,
    "end_margin": 1,
    "stop": ["."],
    "stop_tokens": [3],
    "timeout": 9.0,
    "thinking": {"until": "</think>", "max_tokens": 4},
    "speculation": "off",
    "outline": True,
    "chat": False,
    "canonical": True,
    "healing": True,
    "continue_final_message": True,
    "choices": "tokens",
    "without": ["zzz"],
    "wrap": True,
    "grounded": "It is 3.",
    "quotes": True,
    "missing": "free",
    "evidence": "e.html",
    "examples": "e.jsonl",
    "page": "p.html",
    "page_tokens": 30,
    "overlap": 4,
    "merge": "none",
    "at_once": 2,
    "max_requests": 9,
    "least_confidence": 0.5,
    "unverified": True,
    "edit": "b.json",
    "draft_model": "structgen/extract-draft",
    "n": 2,
    "attempts": 2,
    "stream": True,
    "json": True,
    "trace": "t.html",
    "logprobs": 2,
    "usage": True,
    "method": "cars",
    "budget": 9,
    "seconds": 1.0,
    "until": 0.1,
    "particles": 4,
    "resampling_threshold": 0.5,
    "weights": True,
    "out": "o",
    "prompts": "p",
    "policy": "default",
    "sample": 5,
    "failures": "f",
    "html": "h",
    "masked": "m",
    "start_over": True,
    "formulas": True,
    "ray": True,
    "workers": 2,
    "engine": "vllm",
    "engine_options": {"a": 1},
    "shard_size": 4,
    "lines": 9,
    "openai": True,
    "prove": True,
    "sentences": 2,
    "tokenizer": "bytes",
    "template": "t.txt",
    "given": "b.json",
    "holes": ["a=b.json"],
    "slots": [4],
    "length": "exact",
    "scheduler": "blocks",
    "sure": 0.5,
    "depth": 2,
    "max_states": 99,
    "host": "127.0.0.1",
    "allowed_host": ["example.org"],
    "port": 0,
    "name": ["me"],
    "unknown": "warn",
    "api_key_file": "keys",
    "chat_template": "chat.jinja",
    "thinking_tokens": 9,
    "schema_in_prompt": True,
    "max_waiting": 4,
    "max_body": 4,
    "grace": 1,
    "text": ["x"],
    "jobs": 1,
    "target": "generic",
    "output": "o",
    "format": "prompts",
    "documents": True,
    "files": "f",
    "files_days": 3,
    "key_bytes": 99,
    "files_bytes": 999,
}
WRITERS = ("generate", "sample", "bulk")
READERS = ("check", "explain", "infill")
USUAL = {
    "generate": ("model", "prompt"),
    "sample": ("model", "prompt", "method", "n"),
    "bulk": ("model", "prompts", "out"),
}


@pytest.fixture(autouse=True)
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "g.lark").write_text('start: "a"+\n%declare B')
    (tmp_path / "g.gbnf").write_text('root ::= "a"\nstart ::= "b"')
    (tmp_path / "b.json").write_text('{"type": "integer"}')
    monkeypatch.chdir(tmp_path)


GROUPS = {
    "Sampling": (OF_SAMPLING, "seed"),
    "Request": (
        OF_REQUEST,
        "prompt grammar sampling n logprobs special_texts refused strategy shortened begun cache_salt "
        "stop_tokens",
    ),
    "json_schema": (POLICIES, "schema custom_formats subset grammars limits"),
    "lark": (OF_LARK, "grammar limits text_only"),
}
"""The options of commands that are Python's, by their owner; and those of the owner that they are not."""


@pytest.mark.parametrize("owner", GROUPS)
def test_the_names_of_a_group_are_those_of_its_owner(owner: str) -> None:
    names, others = GROUPS[owner]
    assert {*names, *others.split()} == set(signature(getattr(sg, owner)).parameters)


def commands() -> dict[str, Any]:
    return {name: GROUP.commands[name] for name in NAMES}


@pytest.mark.parametrize("command", NAMES)
def test_a_command_has_at_most_fifteen_flags(command: str) -> None:
    named = [one.opts for one in commands()[command].params if one.opts[0].startswith("-")]
    own = [opts for opts in named if opts != ["--help", "-h"]]
    # a server has what its clients send to it, besides
    assert len(own) <= (18 if command == "serve" else 15), own
    assert ["-o"] in own and ["--options"] in own


@pytest.mark.parametrize("command", NAMES)
def test_each_name_stands_in_the_help_or_has_a_flag(command: str) -> None:
    told = " ".join(commanded(command, "--help", terminal_width=200).stdout.split())
    for name in NAMES[command]:
        assert f"--{name.replace('_', '-')}" in told or f" {name}" in told, name


def given(command: str, *names: str) -> CommandOptions:
    """Return the options of some names, with those that the command cannot be without."""
    return CommandOptions(command, (), {name: VALUES[name] for name in (*USUAL.get(command, ()), *names)})


def asked(command: str, *names: str) -> None:
    """Read the options of some names as the command does, up to its model."""
    wanted = (ModelRequests if command in WRITERS else TargetLanguage)(given(command, *names))
    wanted.check()
    _ = wanted.grammar


@pytest.mark.parametrize("command", (*WRITERS, *READERS))
def test_each_pair_of_options_is_refused_by_name_or_makes_a_request(command: str) -> None:
    """With a schema, a Lark grammar or none beside them: a StructgenError names an option and a cure."""
    refused = 0
    for pair in combinations(NAMES[command], 2):
        language = [] if set(pair) & {*LANGUAGES, "tools"} else ["schema"]
        try:
            asked(command, *pair, *language)
        except StructgenError as error:
            refused += 1
            assert error.where and error.cure, (pair, error)
    # of what reads texts alone, nearly all options say something of one kind of language
    most = 1 / 4 if command in WRITERS else 1 / 3
    assert 0 < refused < most * len(NAMES[command]) ** 2


LARK = {"import_paths", "postlex", "bind", "lexer", "ignore_at_most"}
OF_SCHEMAS = {
    *("draft", "whitespace", "property_order", "numbers", "escapes", "formats", "max_string", "max_items"),
    *("any_value", "resources", "strict"),
}


def lacks(name: str, other: str) -> bool:
    """Return whether an option says something of a schema, a grammar, tools or workers that are not there,
    where a regular expression says which texts are valid."""
    return (
        (name in LARK and other != "grammar")
        or (name == "start" and other not in ("grammar", "ebnf"))
        or (name in OF_SCHEMAS and other not in ("schema", "type", "tools"))
        or (name in ("tool_choice", "parallel", "tool_format") and other != "tools")
        or (name == "wrap" and other != "type")
        or (name in ("workers", "engine", "engine_options", "shard_size") and other != "ray")
    )


@pytest.mark.parametrize("command", (*WRITERS, *READERS))
def test_what_says_something_of_what_is_not_there_is_refused_by_its_name(command: str) -> None:
    tried = 0
    for name in NAMES[command]:
        for other in ("regex", "temperature", "grammar", "schema"):
            if not lacks(name, other):
                continue
            language = [] if other in LANGUAGES else ["regex"]
            with pytest.raises(OptionError) as caught:
                asked(command, name, other, *language)
            assert caught.value.where == f"-o {name}", (name, other)
            tried += 1
    assert tried > (10 if command == "infill" else 40)


@pytest.mark.parametrize("command", (*WRITERS, *READERS))
def test_two_languages_are_refused(command: str) -> None:
    for one, two in combinations(LANGUAGES, 2):
        with pytest.raises(OptionError, match="Only one of"):
            asked(command, one, two)


SERVED = set("logprobs trace edit draft_model strategy device choices end_margin".split())


@pytest.mark.parametrize("name", sorted(SERVED))
def test_a_server_has_no_option_of_single_tokens(name: str) -> None:
    values = given("generate", name, "schema").values
    served = CommandOptions("generate", (), {**values, "model": "openai:http://127.0.0.1:9/v1#m"})
    with pytest.raises(OptionError, match="no effect with a server") as caught:
        ModelRequests(served).check()
    assert caught.value.where == f"-o {name}"


@pytest.mark.parametrize("command", NAMES)
def test_a_file_and_the_command_line_give_the_same_options(command: str, tmp_path: Path) -> None:
    """JSON is TOML for these values but for tables, which stand in lines of their own."""
    names = [name for name in NAMES[command] if not isinstance(VALUES[name], dict)]
    file = tmp_path / "options.toml"
    file.write_text("".join(f"{name} = {json.dumps(VALUES[name])}\n" for name in names))
    of_file = read_options(command, {}, None, file).values
    typed: list[str] = []
    for name in names:
        listed = VALUES[name] if name in LISTS else [VALUES[name]]
        typed += [f"{name}={one if isinstance(one, str) else json.dumps(one)}" for one in listed]
    assert read_options(command, {}, typed, None).values == of_file
    assert {name: _plain(value) for name, value in of_file.items()} == {name: VALUES[name] for name in names}


def _plain(value: object) -> object:
    return str(value) if isinstance(value, Path) else value


def test_the_command_line_goes_before_a_file(tmp_path: Path) -> None:
    file = tmp_path / "options.toml"
    file.write_text('seed = 1\ntop_p = 0.5\nstop = ["a"]\nmax-tokens = 5')
    found = read_options("generate", {"seed": 2, "stream": False, "n": None}, ["stop=b", "stop=c"], file)
    wanted = {"seed": 2, "top_p": 0.5, "stop": ["b", "c"], "max_tokens": 5, "model": "structgen/extract"}
    assert found.values == wanted


@pytest.mark.parametrize("typed", ["-1", "x", "true"])
def test_a_temperature_that_is_none_is_told_as_sampling_tells_it(typed):
    given = read_options("generate", {"prompt": "x"}, [f"temperature={typed}"], None)
    with pytest.raises(OptionError, match=r"must be 0 \(greedy\) or"):
        _ = ModelRequests(given).sampling


@pytest.mark.parametrize(
    ("command", "name", "value", "typed"), [("generate", "model", "folder", "typed"), ("sample", "n", 3, 4)]
)
def test_a_file_goes_before_a_default(
    tmp_path: Path, command: str, name: str, value: object, typed: object
) -> None:
    file = tmp_path / "options.toml"
    file.write_text(f"{name} = {json.dumps(value)}")
    assert read_options(command, {name: None}, None, file).get(name) == value
    assert read_options(command, {name: typed}, None, file).get(name) == typed


@pytest.mark.parametrize("name", sorted(SWITCHES))
def test_a_switch_that_is_off_is_not_given(tmp_path: Path, name: str) -> None:
    (command, *_others) = (one for one in NAMES if name in NAMES[one])
    file = tmp_path / "options.toml"
    file.write_text(f"{name} = false")
    assert name not in read_options(command, {name: False}, None, file)
    assert name not in read_options(command, {}, [f"{name}=false"], None)
    assert name in read_options(command, {name: True}, None, file)
    with pytest.raises(OptionError, match="true or false"):
        read_options(command, {}, [f"{name}=perhaps"], None)


@pytest.mark.parametrize(
    ("named", "said"),
    [
        ("top_p", "Write -o NAME=VALUE"),
        ("topp=1", r"Did you mean top_p\?"),
        ("method=cars", "The option belongs to structgen sample"),
        ("n=3", "given twice"),
        ("=3", "has no option ''"),
    ],
)
def test_a_named_option_that_is_wrong_is_told(named: str, said: str) -> None:
    with pytest.raises(OptionError, match=said):
        read_options("generate", {"n": 2}, [named], None)


@pytest.mark.parametrize("command", sorted(NAMES))
def test_no_option_with_one_value_is_taken_as_a_flag_and_by_its_name(command: str) -> None:
    for name in {*NAMES[command]} - LISTS:
        with pytest.raises(OptionError, match="given twice") as refused:
            read_options(command, {name: "1"}, [f"{name}=1"], None)
        assert refused.value.where == f"-o {name}"


def test_a_named_option_that_went_says_what_to_write() -> None:
    with pytest.raises(OptionError, match="Write --scheduler left-to-right"):
        read_options("infill", {}, ["tokens_per_step=2"], None)


@pytest.mark.parametrize("text", ["seed = ", "seed", "[sampling]\nseed = 1", "seed = 1\nseed = 2", "\0"])
def test_a_file_that_is_wrong_is_told_by_its_name(tmp_path: Path, text: str) -> None:
    file = tmp_path / "wrong.toml"
    file.write_text(text)
    with pytest.raises(OptionError, match=r"wrong\.toml"):
        read_options("generate", {}, None, file)


def test_a_flag_of_another_command_or_without_a_dash_names_what_to_write() -> None:
    told = commanded("generate", "--prompt", "x", "--top-p", "0.5").stderr
    assert "Write -o top_p=VALUE" in told
    told = commanded("infill", "--hole", "a=b.json").stderr
    assert "Write -o holes=VALUE" in told
    told = commanded("generate", "--prompt", "x", "--method", "cars").stderr
    assert "The option belongs to structgen sample" in told


@pytest.mark.parametrize(
    ("names", "where"),
    [
        (("start",), "-o start"),
        (("output",), "-o output"),
        (("target", "tokenizer"), "-o target"),
        (("target", "grammar"), "-o target"),
    ],
)
def test_warmup_refuses_what_says_something_of_what_is_not_there(names: tuple[str, ...], where: str) -> None:
    with pytest.raises(OptionError) as caught:
        asked("warmup", *names)
    assert caught.value.where == where and (caught.value.cure or "must be " in caught.value.what)
