"""The lists of members are those of the clients: what their types have is known, and of one type."""

from __future__ import annotations

import importlib
import types
import typing
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import pytest

from structgen.asking.request_reading.request_members import HANDED, MEMBERS, REQUESTS, members_of

Members = Mapping[str, str]
KINDS = {str: "text", bool: "flag", int: "whole", float: "number", dict: "object", object: "any"}
WIDER = {"arguments", "schema", "parameters", "image_url", "content"}
"""Members that others (vLLM, older clients) send in more types than this client."""


def kinds_of(hint: Any) -> Iterator[str]:
    """Yield the kinds of JSON values that an annotation allows, null left out."""
    origin = get_origin(hint)
    if origin in (Union, types.UnionType):
        for one in get_args(hint):
            yield from kinds_of(one)
    elif origin is Literal:
        yield "text"
    elif origin in (typing.Required, typing.Annotated) or "Required" in str(origin):
        yield from kinds_of(get_args(hint)[0])
    elif hint is str or hint in KINDS:
        yield KINDS[hint]
    elif isinstance(origin, type) and issubclass(origin, Mapping | dict):
        yield "object"
    elif isinstance(origin, type) and issubclass(origin, Iterable | Sequence):
        yield "list"
    elif isinstance(hint, type) and hint is not type(None):
        yield "object"  # a TypedDict


def own_kinds(kind: str) -> set[str]:
    named = {
        "text": "text",
        "word": "text",
        "flag": "flag",
        "integer": "whole",
        "count": "whole",
        "number": "number",
    }
    found = set()
    for one in kind.rstrip("!").split("|"):
        found.add("text" if one[0] == "'" else "list" if one[0] == "[" else named.get(one, one))
    return {one if one in {*named.values(), "list", "any"} else "object" for one in found}


def check(theirs: Any, ours: Members, besides: frozenset[str] = frozenset()) -> None:
    for name, hint in get_type_hints(theirs).items():
        if name in besides:
            assert name not in ours
            continue
        assert name in ours, f"{theirs.__name__}.{name}"
        allowed, own = set(kinds_of(hint)), own_kinds(ours[name])
        if "any" not in own:
            assert allowed <= own | ({"whole"} if "number" in own else set()), (
                theirs.__name__,
                name,
                allowed,
            )
            assert own <= allowed or name in WIDER, (theirs.__name__, name, own, allowed)


def type_of(module: str, name: str) -> Any:
    pytest.importorskip(module.partition(".")[0])
    return getattr(importlib.import_module(module), name)


def test_the_two_lists_have_no_member_in_common() -> None:
    own = {name for row in MEMBERS if not row.is_handed for name in REQUESTS.members(row.members)}
    assert HANDED.isdisjoint(own)


@pytest.mark.parametrize("address", ["chat", "responses", "completions"])
def test_no_address_declares_a_member_twice(address: str) -> None:
    mine = [row.members for row in MEMBERS if address in row.addresses]
    names = [name for said in mine for name in REQUESTS.members(said)]
    assert len(set(names)) == len(names) > 80


OPENAI, ANTHROPIC = "openai.types", "anthropic.types"


@pytest.mark.parametrize(
    ("module", "name", "address", "besides"),
    [
        (f"{OPENAI}.chat.completion_create_params", "CompletionCreateParamsBase", "chat", ""),
        (f"{OPENAI}.completion_create_params", "CompletionCreateParamsBase", "completions", ""),
        (f"{OPENAI}.responses.response_create_params", "ResponseCreateParamsBase", "responses", ""),
        (f"{ANTHROPIC}.message_create_params", "MessageCreateParamsBase", "messages", "container"),
    ],
)
def test_each_member_of_a_request_is_known(module: str, name: str, address: str, besides: str) -> None:
    check(type_of(module, name), members_of(address), besides=frozenset(besides.split()))


CHAT_PARTS = [
    ("ChatCompletionDeveloperMessageParam", "message", "developer"),
    ("ChatCompletionSystemMessageParam", "message", "system"),
    ("ChatCompletionUserMessageParam", "message", "user"),
    ("ChatCompletionAssistantMessageParam", "message", "assistant"),
    ("ChatCompletionToolMessageParam", "message", "tool"),
    ("ChatCompletionFunctionMessageParam", "message", "function"),
    ("ChatCompletionContentPartTextParam", "part", "text"),
    ("ChatCompletionContentPartRefusalParam", "part", "refusal"),
    ("ChatCompletionContentPartImageParam", "part", "image_url"),
    ("ChatCompletionContentPartInputAudioParam", "part", "input_audio"),
    ("ChatCompletionMessageFunctionToolCallParam", "tool_call", "function"),
    ("ChatCompletionMessageCustomToolCallParam", "tool_call", "custom"),
    ("ChatCompletionFunctionToolParam", "tool", "function"),
    ("ChatCompletionCustomToolParam", "tool", "custom"),
    ("ChatCompletionNamedToolChoiceParam", "tool_choice", "function"),
    ("ChatCompletionNamedToolChoiceCustomParam", "tool_choice", "custom"),
    ("ChatCompletionAllowedToolChoiceParam", "tool_choice", "allowed_tools"),
]
RESPONSE_PARTS = [
    ("EasyInputMessageParam", "item", "message"),
    ("ResponseOutputMessageParam", "item", "message"),
    ("ResponseFunctionToolCallParam", "item", "function_call"),
    ("ResponseCustomToolCallParam", "item", "custom_tool_call"),
    ("ResponseCustomToolCallOutputParam", "item", "custom_tool_call_output"),
    ("ResponseReasoningItemParam", "item", "reasoning"),
    ("ResponseInputTextParam", "part", "input_text"),
    ("ResponseInputImageParam", "part", "input_image"),
    ("ResponseInputFileParam", "part", "input_file"),
    ("ResponseOutputTextParam", "part", "output_text"),
    ("FunctionToolParam", "tool", "function"),
    ("CustomToolParam", "tool", "custom"),
    ("ToolChoiceFunctionParam", "tool_choice", "function"),
    ("ToolChoiceCustomParam", "tool_choice", "custom"),
    ("ToolChoiceAllowedParam", "tool_choice", "allowed_tools"),
    ("ResponseFormatTextJSONSchemaConfigParam", "response_format", "json_schema"),
]


ANTHROPIC_PARTS = [
    ("UserMessageParam", "turn", "user"),
    ("AssistantMessageParam", "turn", "assistant"),
    ("SystemMessageParam", "turn", "system"),
    ("TextBlockParam", "block", "text"),
    ("ImageBlockParam", "block", "image"),
    ("DocumentBlockParam", "block", "document"),
    ("SearchResultBlockParam", "block", "search_result"),
    ("ToolUseBlockParam", "block", "tool_use"),
    ("ToolResultBlockParam", "block", "tool_result"),
    ("ThinkingBlockParam", "block", "thinking"),
    ("RedactedThinkingBlockParam", "block", "redacted_thinking"),
    ("ToolParam", "anthropic_tool", "custom"),
    ("ToolChoiceAutoParam", "anthropic_choice", "auto"),
    ("ToolChoiceAnyParam", "anthropic_choice", "any"),
    ("ToolChoiceNoneParam", "anthropic_choice", "none"),
    ("ToolChoiceToolParam", "anthropic_choice", "tool"),
    ("ThinkingConfigEnabledParam", "anthropic_thinking", "enabled"),
    ("ThinkingConfigAdaptiveParam", "anthropic_thinking", "adaptive"),
    ("ThinkingConfigDisabledParam", "anthropic_thinking", "disabled"),
    ("ThinkingConfigBetweenToolsParam", "anthropic_thinking", "between_tools"),
]
PARTS = {f"{OPENAI}.chat": CHAT_PARTS, f"{OPENAI}.responses": RESPONSE_PARTS, ANTHROPIC: ANTHROPIC_PARTS}


@pytest.mark.parametrize("module", PARTS)
def test_each_part_of_a_client_is_known(module: str) -> None:
    for name, of, kind in PARTS[module]:
        check(type_of(module, name), REQUESTS.unions[of].shapes[kind])


@pytest.mark.parametrize(
    ("module", "name", "shape"),
    [
        (f"{OPENAI}.chat", "ChatCompletionStreamOptionsParam", "stream_options"),
        (f"{OPENAI}.chat", "ChatCompletionAllowedToolsParam", "allowed_tools"),
        (f"{OPENAI}.chat.chat_completion_custom_tool_param", "Custom", "custom"),
        (f"{OPENAI}.chat.chat_completion_custom_tool_param", "CustomFormatGrammarGrammar", "grammar"),
        (f"{OPENAI}.chat.completion_create_params", "Function", "function"),
        (f"{OPENAI}.shared_params", "FunctionDefinition", "function"),
        (f"{OPENAI}.shared_params", "Reasoning", "reasoning"),
        (f"{OPENAI}.shared_params.response_format_json_schema", "JSONSchema", "schema_settings"),
        (f"{OPENAI}.responses", "ResponseTextConfigParam", "text_settings"),
        (f"{OPENAI}.chat.chat_completion_content_part_image_param", "ImageURL", "address"),
        (f"{OPENAI}.chat.chat_completion_content_part_input_audio_param", "InputAudio", "sound"),
        (ANTHROPIC, "OutputConfigParam", "output_settings"),
        (ANTHROPIC, "JSONOutputFormatParam", "object_schema"),
    ],
)
def test_each_object_of_a_client_is_known(module: str, name: str, shape: str) -> None:
    check(type_of(module, name), REQUESTS.objects[shape])
