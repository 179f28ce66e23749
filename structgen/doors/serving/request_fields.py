"""The members that bodies share: which are offered, how tokens are chosen, how many there may be, and the
messages of a conversation."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from structgen.asking.grounding.grounded_grammar import (
    checked_texts,
    grounded_grammar,
    has_quotes,
    idle_missing,
)
from structgen.asking.grounding.stated_text import stated_text
from structgen.asking.request_reading.request_members import HANDED, members_of, read_members
from structgen.asking.tool_calls.custom_tools import INPUT
from structgen.asking.tool_calls.tool_format import ToolFormat
from structgen.asking.tool_calls.tool_shapes import JsonObject
from structgen.base.errors import within
from structgen.base.language import checks
from structgen.base.language.shapes import nearest
from structgen.decoding.engine.requests import NUMBERS, Request, Sampling
from structgen.decoding.engine.strategies.repetitions import repetitions_of
from structgen.doors.serving.api_errors import ApiError, Body, unsupported
from structgen.machines.core.grammar import Grammar

MOST_STOPS: Final = 256
_OFFERED: Final = (Request.__annotations__.keys() | Sampling.__annotations__) - {"continue_final_message"} | {
    *("top_logprobs", "max_completion_tokens", "max_output_tokens", "thinking_token_budget"),
    *("grounded", "quotes", "missing", "previous_response_id"),
}
"""Members handed to whoever generates that this server has: options of the engine, and others' names of some.
Going on with a message is asked by address."""
_NOTHING: Final[tuple[Any, ...]] = (False, [], {})
"""Values by which other members usually ask for nothing."""
_HARMLESS: Final[Mapping[str, tuple[Any, ...] | None]] = MappingProxyType(
    {
        "modalities": ([], ["text"]),
        # the last is about prompts that are too long, which are refused
        **dict.fromkeys(("prediction", "include", "context_management", "truncation"), None),
        **dict.fromkeys(("web_search_options", "allowed_token_ids"), ()),
        **dict.fromkeys(  # by most of which others do what is done here
            (
                *("skip_special_tokens", "add_generation_prompt", "spaces_between_special_tokens"),
                *("separate_reasoning", "include_reasoning", "stream_reasoning"),
                *("best_of", "length_penalty"),
            ),
            (True,),
        ),
        "add_special_tokens": (True, False),
        "priority": (0,),
    }
)
"""Those for which it is other values that do not change the text; None: any value."""
_INSTEAD: Final = MappingProxyType({"reasoning": "reasoning_effort", "guided_decoding": "structured_outputs"})
"""Members of other servers, and what does it here."""


def check_members(body: Body, address: str) -> JsonObject:
    """Return a body whose members are known, of their types, and offered by this server. Errors: ApiError for
    what is not offered at this address, OptionError with the place for all else."""
    known = members_of(address)
    if address == "messages":
        return read_members(body, address)
    for name, value in body.items():
        if name not in known and value is not None and not (name in _INSTEAD and value == {}):
            near = f"Write {_INSTEAD[name]}. " if name in _INSTEAD else nearest(name, known)
            raise unsupported(name, f"{near}It is none of the members of {address}.")
        has_turns = address != "completions" and name in ("continue_final_message", "echo")
        is_idle = name in HANDED and name not in _OFFERED and not has_turns
        if value is None or not (is_idle or (address == "responses" and name == "prompt")):
            continue
        values = _HARMLESS.get(name, _NOTHING)
        if name == "add_generation_prompt" and body.get("continue_final_message"):
            continue  # vLLM wants it to be false beside the other one
        if values is not None and value not in values:
            raise unsupported(name)
    return read_members({name: value for name, value in body.items() if name in known}, address)


def held_to_texts(grammar: Grammar | None, body: Body, prompt: Any, told: list[str]) -> Grammar | None:
    """Return the grammar of a reply, narrowed to what the texts of `grounded` state. `prompt`: the text that
    true stands for, or the messages of which it is the last of the user. `told` takes what of it cannot act.
    Errors: those of `grounded_grammar`; ApiError beside tools, and for token ids; OptionError for `missing`
    where nothing is held."""
    given, quotes = body.get("grounded"), bool(body.get("quotes"))
    is_asked = given not in (None, False) or quotes
    if not (is_asked or (not body.get("tools") and has_quotes(getattr(grammar, "schema", None)))):
        if body.get("missing") == "free":
            raise idle_missing()
        return grammar
    name = "quotes" if given in (None, False) else "grounded"
    texts = checked_texts(False if given is None else given)
    if body.get("tools"):
        raise unsupported(name, "The arguments of calls are not held to texts.")
    if grammar is None:
        raise unsupported(name, "Free text has no values that a text could state.")
    if isinstance(texts, bool):
        if isinstance(prompt, list) and prompt and isinstance(prompt[0], int):
            raise unsupported("grounded", "Token ids are no text: send the text as grounded.")
        if not isinstance(prompt, str):
            prompt = next((turn["content"] for turn in reversed(prompt) if turn["role"] == "user"), "")
        texts = (("prompt", prompt),)
    return grounded_grammar(
        grammar,
        stated_text(texts),
        values=name == "grounded",
        quotes=quotes,
        free=body.get("missing") == "free",
        report=lambda what: told.append(f"grounded: {what}"),
    )


def count_of(body: Body, *names: str, most: int | None = None) -> int | None:
    """Return the first of some members that is there, a whole number; None where none is."""
    for name in names:
        count = body.get(name)
        if count is not None:
            if most is not None and count > most:
                raise ApiError(f"{name} is {count:,}, and may be from 0 to {most:,} here.", param=name)
            return int(count)
    return None


def sampling_of(body: Body, *, is_greedy: bool) -> Sampling:
    """Return how tokens are chosen. Without a seed there is a new one each time; without a temperature it is
    0 where `is_greedy`, else 1. Errors: OptionError."""
    given: JsonObject = {name: body[name] for name in NUMBERS if body.get(name) is not None}
    given.setdefault("temperature", 0.0 if is_greedy else 1.0)
    if given.get("top_k") == -1:  # vLLM's word for all
        del given["top_k"]
    given["logit_bias"] = body.get("logit_bias") or {}
    if body.get("repetition") is not None:
        with within("repetition", "/"):
            given["repetition"] = repetitions_of(body["repetition"])
    seed = body.get("seed")
    return Sampling(**given, seed=secrets.randbits(32) if seed is None else seed)


def stops_of(body: Body) -> tuple[str, ...]:
    """Return the texts that end free text. Errors: ApiError for too many: each is looked for at each
    token."""
    given = body.get("stop") or ()
    stops = (given,) if isinstance(given, str) else tuple(given)
    if len(stops) > MOST_STOPS:
        raise ApiError(f"stop: There are {len(stops):,}. Give at most {MOST_STOPS}.", param="stop")
    return stops


def usage_wanted(body: Body) -> bool:
    """Return whether a stream ends with its usage (`stream_options`)."""
    options = body.get("stream_options")
    if options is None:
        return False
    if not body.get("stream"):
        raise ApiError("stream_options is of streams. Leave it out.", param="stream_options")
    return bool(options.get("include_usage"))


def read_messages(given: Any, format: ToolFormat | None, where: str = "messages") -> list[JsonObject]:
    """Return messages, whose members are known, with text as content, and arguments of earlier calls as the
    format's template takes them. Errors: those of `checks.read_messages`, with JSON pointers as places."""
    if not given:
        raise ApiError(f"{where} is a list of one message or more.", param=where)
    for at, sent in enumerate(given):
        if fault := checks.message_fault(at, sent):
            raise ApiError(f"{where}/{at}/content: {fault}", param=f"{where}/{at}/content")
    messages: list[JsonObject] = []
    for at, message in enumerate(checks.read_messages(given, where, "/{}", "/")):
        role, calls = message["role"], message.get("tool_calls")
        told = (member for member in ("reasoning_content", "prefix", "place") if message.get(member))
        made = {"role": role, "content": message["content"], **{member: message[member] for member in told}}
        if calls:
            made["tool_calls"] = [
                _call(call, f"{where}/{at}/tool_calls/{index}", format) for index, call in enumerate(calls)
            ]
        elif role == "tool":
            made |= {"tool_call_id": message.get("tool_call_id") or "", "name": message.get("name") or ""}
            made["role"] = role if format is None else format.role
        messages.append(made)
    return messages if format is None else format.renamed(messages, where)


def _call(given: Any, where: str, format: ToolFormat | None) -> JsonObject:
    """Return an earlier call, its arguments as an object or as JSON text."""
    called = given.get("function") or {
        **given["custom"],
        "arguments": {INPUT: given["custom"]["input"]},
    }
    arguments = called.get("arguments") or "{}"
    try:
        value = json.loads(arguments) if isinstance(arguments, str) else arguments
        value = {} if value in (None, []) else value  # as some servers write no arguments
        if not isinstance(value, dict):
            raise ValueError
    except (ValueError, RecursionError):
        where = f"{given.get('place') or where + '/function'}/arguments"
        raise ApiError(f"{where}: The arguments are no JSON object.", param=where) from None
    as_text = format is not None and format.history == "text"
    written = json.dumps(value, ensure_ascii=False) if as_text else value
    function = {"name": called["name"], "arguments": written}
    return {"id": given.get("id") or "", "type": "function", "function": function}
