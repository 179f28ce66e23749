"""Reads the JSON of bodies, and the members that all bodies share: sampling, stops, and messages.

A *body* is the JSON object that a client posts, and a *member* a key of it. A member is *offered* if this
server has it. Members that are not offered are refused, unless their value asks for nothing.

Python's `json` reads values that an answer cannot repeat. So numbers that are not finite are refused here,
and objects that are nested so deeply that recursive code would fail.
"""

from __future__ import annotations

import json
import math
import re
import secrets
from collections.abc import Mapping, Sequence
from itertools import accumulate
from types import MappingProxyType
from typing import Any, Final

from structgen.asking.grounding.grounded_grammar import checked_texts, idle_missing
from structgen.asking.grounding.stated_text import stated_text
from structgen.asking.request_reading.document_parts import PartDocument, name_documents
from structgen.asking.request_reading.request_members import ALL, HANDED, IDLE, members_of, read_members
from structgen.asking.request_reading.request_reader import ReadRequest
from structgen.asking.tool_calls.custom_tools import INPUT
from structgen.asking.tool_calls.tool_definitions import Tool
from structgen.asking.tool_calls.tool_format import ToolFormat
from structgen.base.errors import prefix_place
from structgen.base.json_text.exact_json import JsonObject, values_in
from structgen.base.language import checks
from structgen.base.language.shapes import UNKNOWN_MEMBERS, suggest_name
from structgen.decoding.engine.requests import NUMBERS, Request, Sampling
from structgen.decoding.engine.strategies.repetitions import repetitions_of
from structgen.doors.serving.api_errors import ApiError, Body, unsupported_member

MAX_DEPTH: Final = 500
"""The most open brackets of an object. Records and answers repeat parts of it, and are written by recursive
code."""
_BETWEEN_BRACKETS: Final = re.compile(r'"(?:[^"\\]++|\\.)*+"?|[^"\[\]{}]++', re.DOTALL)
"""Strings, and all other runs of characters without brackets: what is left of a text are its brackets."""
_DEPTH_STEPS: Final = MappingProxyType({"[": 1, "{": 1, "]": -1, "}": -1})
MOST_STOPS: Final = 256
_OFFERED: Final = (Request.__annotations__.keys() | Sampling.__annotations__) - {"continue_final_message"} | {
    *("top_logprobs", "max_completion_tokens", "max_output_tokens", "thinking_token_budget"),
    *("grounded", "quotes", "missing", "previous_response_id"),
    *("stop_token_ids", "skip_special_tokens"),
    *("echo", "prompt_logprobs", "ignore_eos"),
}
"""The members that this server offers for generation: options of the engine, and names that other servers
give to some of them. (Continuing a message is asked for in another way at each address.)"""
_SAME_OPTIONS: Final = (HANDED & Request.__annotations__.keys()) - {
    *("grammar", "prompt", "max_tokens", "n", "stop", "logprobs", "thinking", "continue_final_message"),
}
"""The members that are options of the engine's request as they are; the others are read on their own."""
_NOTHING: Final[tuple[Any, ...]] = (False, [], {})
"""The values by which members usually ask for nothing, so that a member that is not offered may have them."""
_HARMLESS: Final[Mapping[str, tuple[Any, ...] | None]] = MappingProxyType(
    {
        "modalities": ([], ["text"]),
        # the last is about prompts that are too long, which are refused
        **dict.fromkeys(("prediction", "include", "context_management", "truncation"), None),
        **dict.fromkeys(("web_search_options", "allowed_token_ids", "prompt_logprobs"), ()),
        **dict.fromkeys(  # by most of which others do what is done here
            (
                *("add_generation_prompt", "spaces_between_special_tokens"),
                *("separate_reasoning", "include_reasoning", "stream_reasoning"),
                *("best_of", "length_penalty"),
            ),
            (True,),
        ),
        "add_special_tokens": (True, False),
    }
)
"""For some members, the values that do not change the text; None: any value. Other members use `_NOTHING`."""
_INSTEAD: Final = MappingProxyType({"guided_decoding": "structured_outputs"})
"""Members of other servers, each with the member that has its effect here."""


def check_members(body: Body, address: str) -> JsonObject:
    """Return a body whose members are known, of their types, and offered by this server. Errors: ApiError for
    what is not offered at this address, OptionError with the place for all else."""
    known_members = members_of(address)
    if address not in ALL:
        return read_members(body, address)
    are_noted = UNKNOWN_MEMBERS.get() is not None
    for name, value in body.items():
        is_unknown = name not in known_members and value is not None
        # an empty form of another server asks for nothing, and any other one changes the reply
        if is_unknown and (value != {} if name in _INSTEAD else not are_noted):
            near = f"Write {_INSTEAD[name]}. " if name in _INSTEAD else suggest_name(name, known_members)
            raise unsupported_member(name, f"{near}The members of {address} do not include it.")
        has_turns = address != "completions" and name == "continue_final_message"
        is_idle = name in HANDED and name not in _OFFERED and not has_turns
        is_absent = address == "responses" and name in ("prompt", "prompt_logprobs")
        if value is None or not (is_idle or is_absent):
            continue
        values = _HARMLESS.get(name, _NOTHING)
        if name == "add_generation_prompt" and body.get("continue_final_message"):
            continue  # vLLM's clients send it as false together with the other member
        if values is not None and value not in values:
            raise unsupported_member(name)
    return read_members({name: value for name, value in body.items() if name not in _INSTEAD}, address)


def idle_notes(body: Body) -> list[str]:
    """Return notes about members of a checked body that have no effect: those of `IDLE`, and those that are
    not known, if they are taken."""
    unknown = dict.fromkeys(UNKNOWN_MEMBERS.get() or ())
    return [
        *(f"{name}: it has no effect on this server" for name in IDLE if body.get(name) is not None),
        *(f"{place}: it is not known, and has no effect" for place in unknown),
    ]


def narrow_to_texts(
    reading: ReadRequest,
    body: Body,
    prompt: Any,
    warnings: list[str],
    documents: Sequence[PartDocument] = (),
) -> ReadRequest:
    """Return what a body asks for, narrowed to values that the texts of the member `grounded` state; the same
    object if the body does not ask for that.

    `documents`: the texts that `true` stands for in an answer. Where there are none, and for calls, it stands
    for `prompt`: a text, or messages, of which it is the last one of the user. `warnings`: the list to which
    warnings about parts without an effect are added. Raises the errors of `ReadRequest.narrow`; ApiError for
    free text without tools, and for token ids; OptionError for `missing` if nothing is narrowed.
    """
    grounded = body.get("grounded")
    quotes = bool(body.get("quotes"))
    quoted = body.get("quoted")
    is_asked = grounded not in (None, False) or quotes
    if not (is_asked or reading.has_quotes):
        if body.get("missing") == "free":
            raise idle_missing()
        if quoted is not None:
            raise unsupported_member(
                "quoted", "Quotes are not requested: set quotes, or x-quote in the schema."
            )
        return reading
    name = "quotes" if grounded in (None, False) else "grounded"
    texts = checked_texts(quoted or False if name == "quotes" else grounded)
    if reading.answer is None and not reading.choice.tools:
        raise unsupported_member(name, "Free text has no values that a text could state.")
    call_texts = None
    # true stands for the prompt itself
    if isinstance(texts, bool):
        if isinstance(prompt, list) and prompt and isinstance(prompt[0], int):
            raise unsupported_member("grounded", "Token ids are not text: send the text as grounded.")
        if not isinstance(prompt, str):
            prompt = next((turn["content"] for turn in reversed(prompt) if turn["role"] == "user"), "")
        texts = (("prompt", prompt),)
        if documents:
            # results of tools have documents too, and no call may be taken from these
            call_texts = stated_text(texts)
            texts = checked_texts(name_documents(documents))
    return reading.narrow(
        stated_text(texts),
        lambda remark: warnings.append(f"grounded: {remark}"),
        call_texts,
        values=name == "grounded",
        quotes=quotes,
        free=body.get("missing") == "free",
    )


def options_of(body: Body) -> JsonObject:
    """Return the options of the engine's request that a body says by their names, and in their form."""
    return {name: body[name] for name in _SAME_OPTIONS if body.get(name) is not None}


def count_of(body: Body, *names: str, max_count: int | None = None) -> int | None:
    """Return the first of some members that is there, a whole number; None where none is."""
    for name in names:
        count = body.get(name)
        if count is not None:
            if max_count is not None and not 0 <= count <= max_count:
                raise ApiError(f"{name} must be from 0 to {max_count:,} here, got {count:,}.", param=name)
            return int(count)
    return None


def sampling_of(body: Body, *, is_greedy: bool) -> Sampling:
    """Return how tokens are chosen. Without a seed there is a new one each time; without a temperature it is
    0 where `is_greedy`, else 1. Errors: OptionError."""
    options: JsonObject = {name: body[name] for name in NUMBERS if body.get(name) is not None}
    options.setdefault("temperature", 0.0 if is_greedy else 1.0)
    if options.get("top_k") == -1:  # vLLM's value for all tokens
        del options["top_k"]
    options["logit_bias"] = body.get("logit_bias") or {}
    if body.get("repetition") is not None:
        with prefix_place("repetition", "/"):
            options["repetition"] = repetitions_of(body["repetition"])
    seed = body.get("seed")
    return Sampling(**options, seed=secrets.randbits(32) if seed is None else seed)


def stop_tokens_of(body: Body, vocab_size: int) -> tuple[int, ...]:
    """Return the ids of tokens that end free text. Errors: ApiError for too many, and for one that is none of
    a vocabulary's size."""
    tokens = tuple(body.get("stop_token_ids") or ())
    for index, token in enumerate(tokens):
        # an id that no token has would never end a text
        if not 0 <= token < vocab_size:
            where = f"stop_token_ids/{index}"
            raise ApiError(f"{where}: must be from 0 to {vocab_size - 1:,}, got {token}.", param=where)
    if len(tokens) > MOST_STOPS:
        fault = f"stop_token_ids has {len(tokens):,} ids; the limit is {MOST_STOPS}."
        raise ApiError(fault, param="stop_token_ids")
    return tokens


def stops_of(body: Body) -> tuple[str, ...]:
    """Return the texts that end free text. Errors: ApiError for too many: each is looked for at each
    token."""
    stop = body.get("stop") or ()
    stops = (stop,) if isinstance(stop, str) else tuple(stop)
    if len(stops) > MOST_STOPS:
        raise ApiError(f"stop: The list has {len(stops):,} items. Send up to {MOST_STOPS}.", param="stop")
    return stops


def usage_wanted(body: Body) -> bool:
    """Return whether a stream ends with its usage (`stream_options`)."""
    options = body.get("stream_options")
    if options is None:
        return False
    if not body.get("stream"):
        raise ApiError("stream_options applies to streams. Remove it.", param="stream_options")
    return bool(options.get("include_usage"))


def read_messages(
    source: Any,
    format: ToolFormat | None,
    where: str = "messages",
    tools: Sequence[Tool] = (),
) -> list[JsonObject]:
    """Return messages, whose members are known, with text as content, and arguments of earlier calls as the
    format's template takes them. An earlier call has the name of its tool among `tools`. Errors: those of
    `checks.read_messages`, with JSON pointers as places."""
    if not source:
        raise ApiError(f"{where} must be a list of one message or more.", param=where)
    for number, sent in enumerate(source):
        if fault := checks.message_fault(number, sent):
            raise ApiError(f"{where}/{number}/content: {fault}", param=f"{where}/{number}/content")
    messages: list[JsonObject] = []
    tool_names = {tool.address: tool.name for tool in tools if tool.namespace}
    for message in checks.read_messages(source, where, "/{}", "/"):
        role = message["role"]
        calls = message.get("tool_calls")
        extra_names = (member for member in ("reasoning_content", "prefix", "place") if message.get(member))
        result = {
            "role": role,
            "content": message["content"],
            **{member: message[member] for member in extra_names},
        }
        if calls:
            result["tool_calls"] = [_read_call(call, format, tool_names) for call in calls]
        elif role == "tool":
            result |= {"tool_call_id": message.get("tool_call_id") or "", "name": message.get("name") or ""}
            result["role"] = role if format is None else format.role
        messages.append(result)
    return messages if format is None else format.renamed(messages, where)


def _read_call(
    call: Any,
    format: ToolFormat | None,
    tool_names: Mapping[tuple[str, str], str],
) -> JsonObject:
    """Return an earlier call, its arguments as an object or as JSON text. Arguments that are neither are the
    text that was sent. `tool_names`: those of tools in namespaces, by their addresses."""
    callee = call.get("function") or {
        **call["custom"],
        "arguments": {INPUT: call["custom"]["input"]},
    }
    arguments = callee.get("arguments") or "{}"
    try:
        value = json.loads(arguments) if isinstance(arguments, str) else arguments
        value = {} if value in (None, []) else value  # as some servers write no arguments
        if not isinstance(value, dict):
            raise ValueError
    except (ValueError, RecursionError):
        # the client has told the model of the fault, and goes on
        value = {INPUT: arguments}
    as_text = format is not None and format.history == "text"
    template_arguments = json.dumps(value, ensure_ascii=False) if as_text else value
    name = callee["name"]
    # the model knows a tool of a namespace by the name that it has among all tools
    name = tool_names.get((callee.get("namespace") or "", name), name)
    function = {"name": name, "arguments": template_arguments}
    return {"id": call.get("id") or "", "type": "function", "function": function}


# --- JSON of bodies -----------------------------------------------------------------------------------------


def read_object(data: bytes | bytearray, member: str = "") -> JsonObject:
    """Return the JSON object that the bytes spell, or that a member of it holds.

    Raises ApiError if the bytes are not JSON, or not an object, or have more than MAX_DEPTH open brackets. A
    number that is not finite is refused, too; its place is the error's `param`. Cost: proportional to the
    bytes.
    """
    numbers_refused: list[str] = []

    def read_number(text: str) -> float:
        value = float(text)
        if not math.isfinite(value):
            numbers_refused.append(text)
        return value

    try:
        text = data.decode(json.detect_encoding(data), "surrogatepass")
        if _depth(text) > MAX_DEPTH + bool(member):
            fault = f"The body is nested too deeply: up to {MAX_DEPTH} brackets may be open."
            raise ApiError(fault)
        value = json.loads(text, parse_float=read_number, parse_constant=read_number)
        value = value[member] if member else value
    except (ValueError, RecursionError) as error:
        raise ApiError(f"The body is not JSON: {str(error)[:200]}.") from None
    if numbers_refused:
        place = _first_place_not_finite(value)
        message = f"{place}: The body is not JSON: the number {numbers_refused[0][:40]} is not finite."
        raise ApiError(message, param=place)
    if not isinstance(value, dict):
        raise ApiError(f"The body must be an object, got {type(value).__name__}.")
    return value


def _depth(text: str) -> int:
    """Return how many brackets are open at once in a JSON text, or an upper bound that is small."""
    bound = text.count("[") + text.count("{")
    if bound <= MAX_DEPTH:
        return bound
    brackets = _BETWEEN_BRACKETS.sub("", text)
    return max(accumulate(map(_DEPTH_STEPS.__getitem__, brackets)), default=0)


def _first_place_not_finite(value: Any) -> str:
    """Return the JSON pointer of the first number in a value that is not finite."""
    places = (
        place for place, number in values_in(value) if isinstance(number, float) and not math.isfinite(number)
    )
    return next(places, "")[1:]
