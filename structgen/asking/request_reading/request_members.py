"""The members that a request may have, at any depth that is read, and the type of each.

A *member* is a key of the request with its value, for example `"temperature": 0.5`. Every member stands in
one of two lists. The first one has the members that structgen reads, and those that do not change the reply.
The second one has the members that are handed to the generator after a look at their type. Every other member
is an error, and so is a value of another type.

An *address* is a kind of request: "chat", "responses", "completions" or "messages". Each row of the lists has
some addresses and the declarations of their members (`language.shapes`).

Sources: the types of the packages `openai` and `anthropic`, vLLM's `ChatCompletionRequest`, SGLang's.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Final, Literal, NamedTuple, TypeAlias, get_args

from structgen.asking.tool_calls.tool_shapes import TOOL_SHAPES
from structgen.base.errors import OptionError
from structgen.base.json_text.exact_json import JsonMapping, JsonObject
from structgen.base.language.shapes import JsonShapes, Members

REQUESTS: Final = JsonShapes(
    """
schema_settings: text name description; object|text|flag schema; flag strict
text_settings: response_format format; 'low'|'medium'|'high' verbosity
outputs: object|text|flag json; text regex grammar whitespace_pattern; [text+] choice;
    object|text structural_tag; flag json_object
structured_outputs: +outputs; flag disable_any_whitespace disable_additional_properties
numbers: number *
example: text|[message] prompt!; text answer!
policies: text|integer whitespace; text property_order numbers escapes formats; count max_string max_items;
    text|count any_value; object custom_formats
named_texts: text *
stream_options: flag include_usage include_obfuscation continuous_usage_stats; text reasoning_summary_delivery
template_settings: flag enable_thinking thinking; any *
thoughts: 'enabled'|'disabled'|'adaptive' type!; count budget_tokens
repetitions: count length times digits; number share
efforts: 'none'|'minimal'|'low'|'medium'|'high'|'xhigh'|'max'|'ultra'|'persistent' effort
reasoning: +efforts; text context generate_summary mode summary
written_function: text name!; text|object arguments; any parsed_arguments; object provider_specific_fields
written_custom: text name! input!
address: text url! detail
sound: text data! format!
file: text file_data file_id filename
of_parts: object prompt_cache_breakpoint cache_control; text uuid
reasoning_part: text type text!
of_messages: text id; object cache_control provider_specific_fields extra_content; none images
of_items: text id status namespace; flag async; object caller internal_chat_message_metadata_passthrough
idle: integer priority id_slot; number ttl; number|text keep_alive; flag cache_prompt; flag|object usage;
    text chat_id session_id trace_id; object client_metadata
of_blocks: object cache_control caller; text toolset_name title
citation_settings: flag enabled
text_block: 'text' type!; text text!; [object] citations; object cache_control
object_schema: 'json_schema' type!; object schema!
output_settings: text effort; object_schema format
anthropic: text model service_tier inference_geo speed user_profile_id workspace_id; [turn] messages!;
    count max_tokens! top_k; text|[text_block] system; [anthropic_tool] tools; anthropic_choice tool_choice;
    number temperature top_p; [word] stop_sequences; anthropic_thinking thinking; flag stream;
    output_settings output_config; object_schema output_format; none mcp_servers;
    object metadata cache_control diagnostics extra_body thread context_management;
    flag outline; 'whole'|'tokens' choices; flag|repetitions repetition;
    flag|text|named_texts grounded; flag|'exact' quotes; 'error'|'free' missing; +idle
tokenize: text model prompt; flag add_special_tokens return_token_strs add_generation_prompt;
    flag continue_final_message; [message] messages; [tool] tools; template_settings chat_template_kwargs
detokenize: text model; [integer] tokens!

response_format by type
text python:
json_object: object schema
json_schema: schema_settings json_schema; +schema_settings
grammar: text|grammar grammar; 'lark'|'ebnf'|'gbnf'|'regex' syntax; text definition
structural_tag: any *

message by role
system developer user: text|[part] content!; text name; +of_messages
assistant: text|[part] content; [tool_call] tool_calls; written_function function_call;
    text name refusal reasoning_content reasoning thinking; object audio;
    [object] annotations reasoning_details thinking_blocks citations; any parsed; flag prefix; +of_messages
tool: text|[part] content!; text tool_call_id name; +of_messages
function: text name! content

part by type
text input_text: text text!; +of_parts
output_text: text text!; [object] annotations logprobs; any parsed; +of_parts
refusal: text refusal!
image_url: text|address image_url!; +of_parts
input_image: text image_url file_id detail; +of_parts
input_audio: sound input_audio!; +of_parts
audio_url: text|address audio_url!; +of_parts
video_url: text|address video_url!; +of_parts
file: file file!; +of_parts
input_file: text file_data file_id file_url filename detail; +of_parts

tool_call by type function
function: text id; count index; written_function function!; +of_messages
custom: text id; count index; written_custom custom!; +of_messages

item by type message
message: 'user'|'assistant'|'system'|'developer' role!; text|[part] content!; text id status phase;
    object internal_chat_message_metadata_passthrough
function_call: +of_items; text call_id! name! arguments!; any parsed_arguments
function_call_output: +of_items; text call_id! name; text|[part] output!
custom_tool_call: +of_items; text call_id! name! input!
custom_tool_call_output: +of_items; text call_id!; text|[part] output!
reasoning: text id status encrypted_content; [reasoning_part] summary content;
    object internal_chat_message_metadata_passthrough
item_reference: text id!
additional_tools: text id status; 'developer' role; [tool] tools!
tool_search_output: text id call_id status execution created_by; [tool] tools!;
    object internal_chat_message_metadata_passthrough
apply_patch_call apply_patch_call_output code_interpreter_call compaction computer_call computer_call_output
    context_compaction file_search_call image_generation_call local_shell_call local_shell_call_output
    mcp_approval_request mcp_approval_response mcp_call mcp_list_tools program program_output shell_call
    shell_call_output tool_search_call web_search_call: text call_id; any *

turn by role
user assistant: text|[block] content!
system: text|[text_block] content!

block by type
text: text text!; [object] citations; object cache_control
tool_use: text id! name!; object input!; +of_blocks
tool_result: text tool_use_id!; text|[block] content; flag is_error; +of_blocks
thinking: text thinking! signature
redacted_thinking: text data!
image: object source! transformations; +of_blocks
document: document_source source!; citation_settings citations; text context; +of_blocks
search_result: text source!; [text_block] content!; citation_settings citations; +of_blocks

document_source by type
text: text data! media_type
content: text|[block] content!
base64: text data! media_type!
url: text url!
file: text file_id!

anthropic_tool by type custom
custom: text name! description; object input_schema! cache_control; flag strict defer_loading;
    flag eager_input_streaming; [text] allowed_callers; [object] input_examples
*: any *

anthropic_choice by type
auto any none: flag disable_parallel_tool_use
tool: text name!; flag disable_parallel_tool_use

anthropic_thinking by type
enabled: count budget_tokens!; text display
adaptive: text display
disabled between_tools:
""",
    TOOL_SHAPES,
)
"""The declarations of the objects inside requests."""

Address: TypeAlias = Literal["chat", "completions", "responses"]
ALL: Final[tuple[Address, ...]] = get_args(Address)


class MemberRow(NamedTuple):
    """A row of the lists: some addresses, and members of their requests."""

    addresses: tuple[Address, ...]
    members: str
    """The declarations of the members (`language.shapes`)."""
    is_handed: bool = False
    """Whether the members are options of the model's server. The server itself refuses those that it
    lacks."""


MEMBERS: Final = (
    # members about the reply, its prompt, or the way in which it is sent
    MemberRow(
        ALL,
        """text model regex ebnf; response_format response_format; text_settings text;
        structured_outputs structured_outputs; object|text|flag json_schema; object|text structural_tag;
        flag stream; stream_options stream_options; object extra_body; policies policies;
        named_texts quoted""",
    ),
    MemberRow(
        ("chat",),
        """[message] messages; [example] examples; [function] functions; 'none'|'auto'|named function_call;
        'none'|'minimal'|'low'|'medium'|'high'|'xhigh'|'max'|'ultra'|'persistent' reasoning_effort""",
    ),
    MemberRow(
        ("chat", "responses"),
        """[tool] tools; text|tool_choice tool_choice; flag parallel_tool_calls;
        template_settings chat_template_kwargs; flag enable_thinking; flag|thoughts thinking;
        reasoning reasoning""",
    ),
    MemberRow(("completions",), "text|[word+]|[integer+]|[[integer+]+] prompt"),
    MemberRow(("responses",), "text instructions; text|[item] input; object prompt"),
    # members that do not change the reply
    MemberRow(
        ALL,
        """flag store; object metadata prompt_cache_options extra_headers extra_query; text user service_tier
        safety_identifier prompt_cache_key prompt_cache_retention request_id rid cache_salt
        guided_decoding_backend; +idle""",
    ),
    MemberRow(("chat",), "'low'|'medium'|'high' verbosity"),
    # members that are handed to the generator
    MemberRow(
        ALL,
        """number temperature top_p min_p frequency_penalty presence_penalty repetition_penalty;
        number length_penalty;
        count min_tokens best_of top_logprobs thinking_token_budget;
        integer top_k seed truncate_prompt_tokens prompt_logprobs; numbers logit_bias;
        text|[text] stop_regex lora_path; [integer] stop_token_ids allowed_token_ids; [text] bad_words;
        flag echo use_beam_search ignore_eos include_stop_str_in_output skip_special_tokens no_stop_trim
        spaces_between_special_tokens add_generation_prompt continue_final_message add_special_tokens
        return_tokens_as_token_ids return_token_ids return_hidden_states include_reasoning separate_reasoning
        stream_reasoning outline; flag|'exact' quotes; flag|repetitions repetition; 'whole'|'tokens' choices;
        flag|text|named_texts grounded; 'error'|'free' missing;
        text chat_template custom_logit_processor; list logits_processors; [text] modalities;
        object audio web_search_options prediction moderation image access_programs kv_transfer_params
        vllm_xargs mm_processor_kwargs session_params; [object] documents context_management""",
        is_handed=True,
    ),
    MemberRow(("chat",), "count max_completion_tokens; flag logprobs", is_handed=True),
    MemberRow(("completions",), "text suffix; count logprobs", is_handed=True),
    MemberRow(("chat", "completions"), "count n max_tokens; word|[word] stop", is_handed=True),
    MemberRow(
        ("responses",),
        """flag|integer logprobs; count max_output_tokens max_tool_calls; flag background; [text] include;
        text previous_response_id; text|object conversation; 'auto'|'disabled' truncation""",
        is_handed=True,
    ),
)
"""All members. A member has one row for each address."""


ADDRESSES: Final = MappingProxyType({"messages": "chat", "input": "responses", "prompt": "completions"})
"""The members that show the address of a request. "prompt" comes last, since other requests may refer to a
stored prompt."""
GUIDED: Final = MappingProxyType({f"guided_{name}": name for name in REQUESTS.objects["outputs"]})
"""vLLM's older parameters, each with its present name: `guided_json` is `json`."""


def _declare_members(rows: Iterable[MemberRow]) -> Members:
    """Return the members of some rows, with their types. A member with several types may have any of them."""
    members: dict[str, str] = {}
    for row in rows:
        for name, kind in REQUESTS.members(row.members).items():
            kinds = [*members.get(name, kind).split("|"), *kind.split("|")]
            members[name] = "|".join(dict.fromkeys(kinds))
    return members


TOOL_ITEMS: Final = ("additional_tools", "tool_search_output")
"""The types of items of an input that bring tools."""
IDLE: Final = tuple(REQUESTS.objects["idle"])
"""The members that ask for speed or bookkeeping alone. They have no effect here, and a note says so."""
HANDED: Final = frozenset(_declare_members(row for row in MEMBERS if row.is_handed))
"""The members that are options of the model's server."""


@lru_cache(16)
def members_of(address: str = "") -> Members:
    """Return the members of the requests of an address, with their types; "": those of all; "messages":
    those of Anthropic's address, which are not those of the other ones; "tokenize" and "detokenize": those of
    vLLM's addresses of these names."""
    if address and address not in ALL:
        return REQUESTS.objects["anthropic" if address == "messages" else address]
    members = {name: REQUESTS.objects["outputs"][key] for name, key in GUIDED.items()}
    return {**members, **_declare_members(row for row in MEMBERS if not address or address in row.addresses)}


def read_members(request: JsonMapping, address: str = "") -> JsonObject:
    """Return a request whose members are all known and of their types. Those of `extra_body` are among them,
    in place of others of the same name: so the client of `openai` sends them.

    `address`: whose request it is; "": as `messages`, `input` or `prompt` tells. Errors: `OptionError` with
    the place, a JSON pointer, and the nearest known name. Cost: linear.
    """
    extra_body = request.get("extra_body")
    # clients of OpenAI's send what is not OpenAI's in extra_body
    inner_members = extra_body if isinstance(extra_body, Mapping) else {}
    all_members = {**request, **inner_members}
    address = address or next(
        (place for name, place in ADDRESSES.items() if all_members.get(name) is not None), ""
    )
    known_members = members_of(address)
    REQUESTS.check_members(request, known_members, "")
    if extra_body is not None:
        inner = {name: kind for name, kind in known_members.items() if name != "extra_body"}
        REQUESTS.check_members(extra_body, inner, "extra_body")
    own_members = {name: value for name, value in request.items() if name != "extra_body"}
    return with_tools({**own_members, **inner_members})


def with_tools(request: JsonMapping) -> JsonObject:
    """Return a request, which has `functions` and `function_call` of before tools under their names of today.
    Errors: OptionError for members of both."""
    old_names = {"tools": "functions", "tool_choice": "function_call"}
    new, old = (
        [name for name in names if request.get(name) is not None] for names in (old_names, old_names.values())
    )
    if not old:
        return dict(request)
    if new:
        fault = f"{new[0]} replaces {old[0]}, and both are set."
        raise OptionError(fault, where=old[0], cure=f"Remove {old[0]}.")
    if request.get("functions") == []:
        raise OptionError("The list of functions is empty.", where="functions", cure="Remove it.")
    rest = {name: value for name, value in request.items() if name not in old_names.values()}
    return {**rest, **{name: request.get(old_name) for name, old_name in old_names.items()}}
