"""Reads a dict that asks for a grammar: OpenAI's `response_format`, parameters of vLLM and SGLang, or a
schema.

A *form* is one of the shapes that such a dict may have, for example `{"type": "json_schema", ...}` or
`{"regex": "[0-9]+"}`. A *wrapper* is a dict around a form, and is taken off: `{"response_format": {...}}`,
`{"guided_json": {...}}`, `{"extra_body": {"structured_outputs": {...}}}`. A dict without any keyword of JSON
Schema is not read as a schema. It would allow every value, and is refused.

Sources: OpenAI's API reference (`response_format` of chat completions, `text.format` of responses, `format`
of custom tools). vLLM's page "Structured Outputs" and its `StructuredOutputsParams`
(vllm/sampling_params.py): exactly one of `json`, `json_object`, `regex`, `choice`, `grammar` and
`structural_tag`. Before release 0.12 they were parameters that began with `guided_`. SGLang's page
"Structured Outputs": `json_schema` ("$$ANY$$": any object), `regex`, `ebnf`, `structural_tag`.

A grammar's text is EBNF where a line begins with `name ::=`, and Lark's where one begins with `name:`. The
member `syntax` decides, where it is given. Only text is read: no path is opened, nothing is imported but
lark's own library, and no reference is fetched. `policies` are options of `sg.json_schema`; `limits` among
them hold for the other grammars, too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from structgen.asking.request_reading.request_members import GUIDED, REQUESTS
from structgen.asking.tool_calls.custom_tools import grammar_of_format, grammar_of_text
from structgen.base.errors import OptionError, UnsupportedError
from structgen.base.json_text.exact_json import JsonMapping, JsonObject, read_exact
from structgen.base.language.shapes import suggest_name
from structgen.base.limits import Limits
from structgen.grammars.json_grammars.schema_grammar import JsonSchemaGrammar, unwarned_schema
from structgen.grammars.structural_tags.structural_tag import structural_tag
from structgen.grammars.text_grammars.ebnf_grammar import ebnf
from structgen.grammars.text_grammars.regular import choice, regex
from structgen.machines.core.grammar import Grammar
from structgen.schema.reading.policies import PolicyOptions
from structgen.schema.reading.suspect_keywords import looks_like_schema

_FORMATS: Final = ("json_schema", "json_object", "text", "grammar", "structural_tag", "python")
"""The values of OpenAI's (and vLLM's) `type`; none of them is a type of JSON Schema."""
_SERVED: Final = ("json", "regex", "choice", "grammar", "structural_tag", "json_object")
"""The keys of vLLM's `structured_outputs`, which has exactly one of them."""
_PLAIN: Final[Mapping[str, Callable[..., Grammar]]] = {"regex": regex, "choice": choice}
_BLANKS: Final = ("disable_any_whitespace", "whitespace_pattern")
"""The options of vLLM for the white space of a document."""
_WRAPPERS: Final = ("response_format", "structured_outputs", "extra_body", "sampling_params", "text")
"""The keys of wrappers: such a key has a form or another wrapper as its value."""
SGLANG: Final = ("json_schema", "regex", "ebnf", "structural_tag")
"""The parameters of SGLang, of which a request has exactly one."""
_OF_SGLANG: Final = {**dict.fromkeys(SGLANG, "any"), "ebnf": "text"}
_OF_TOOLS: Final = ("tools", "tool_choice", "functions", "function_call", "parallel_tool_calls")
_TOOL: Final = ("function", "parameters", "input_schema", "inputSchema")
"""The keys of a tool's definition; none of them is a keyword of JSON Schema."""
_NAMED: Final = frozenset(("name", "description", "schema", "strict"))
"""The keys of OpenAI's object for a schema with a name."""


class _Form(NamedTuple):
    """A form that was read, in vLLM's words: for example the kind "regex" and a pattern."""

    kind: str
    """"json", "structural_tag", "grammar" (a text, or OpenAI's object) or one of `_PLAIN`; "text": free
    text."""
    value: Any
    location: str = "response_format"
    blanks: JsonMapping = MappingProxyType({})
    """vLLM's options of white space, where one is given."""


def requested_grammar(
    target: JsonMapping | bool,
    schema_options: PolicyOptions | None,
    usual: PolicyOptions,
    specials: Mapping[str, int] | None = None,
) -> Grammar | None:
    """Return the grammar that a dict asks for; None: free text.

    `schema_options` are the options of its JSON Schemas; where none are given, `usual` are. `specials` has
    the ids of the model's special tokens by their texts, for tags and rules that name tokens.

    Errors: `OptionError` for unknown keys and forms, for a dict that is clearly not a schema, and for
    `schema_options` where there is no schema; `UnsupportedError` for what is not offered, such as tools;
    those of the grammars.
    """
    form = _Form("json", target) if isinstance(target, bool) else _read_form(dict(target), 0)
    grammar = _grammar_of_form(form, usual if schema_options is None else schema_options, specials)
    # options of schemas that would do nothing are a mistake
    if schema_options and form.kind not in ("json", "structural_tag"):
        raise OptionError(
            "The policies have no effect without a schema.", where="policies", cure="Remove them."
        )
    return grammar


def _grammar_of_form(
    form: _Form, schema_options: PolicyOptions, specials: Mapping[str, int] | None
) -> Grammar | None:
    kind = form.kind
    value = form.value
    limits = schema_options.get("limits")
    if form.blanks:
        schema_options = {**schema_options, "whitespace": _whitespace_policy(form.blanks, limits)}
    if kind == "json":
        return _schema_grammar(value, schema_options)
    if kind == "structural_tag":
        return structural_tag(value, specials=specials, **schema_options)
    if kind == "ebnf":
        return ebnf(value, limits=limits, specials=specials)
    if kind == "grammar":
        read_grammar = grammar_of_text if isinstance(value, str) else grammar_of_format
        return read_grammar(value, limits, where=form.location, specials=specials)
    return _PLAIN[kind](value, limits=limits) if kind in _PLAIN else None


def _read_form(target: JsonObject, depth: int) -> _Form:
    """Return the form that a dict is, or that its wrappers contain. `depth`: the number of wrappers around
    it."""
    kind = target.get("type")
    if isinstance(kind, str) and kind in _FORMATS:
        return _response_format(kind, target)
    # a request with tools is refused before another of its members is read as the form
    _refuse_tools(target)
    wrapper = next((key for key in _WRAPPERS if key in target), None)
    if wrapper is not None and not looks_like_schema(target):
        return _read_wrapped(target, wrapper, depth)
    location_prefix = "structured_outputs/"
    if any(key in target for key in GUIDED):
        REQUESTS.check_members(target, dict.fromkeys(GUIDED, "any"), "target")
        target = {GUIDED[key]: value for key, value in target.items()}
        location_prefix = "guided_"
    # a dict with a type, or with a draft, is a schema whatever its other keys are
    if kind is None and "$schema" not in target:
        if any(target.get(key) is not None for key in ("json_schema", "ebnf")):
            return _sglang_form(target)
        # the older shape of a structural tag has no type
        if target.keys() == {"structures", "triggers"}:
            return _Form("structural_tag", target)
        if any(target.get(key) is not None for key in _SERVED):
            return _structured_outputs(target, location_prefix)
        target = _unwrap_name(target)
    return _Form("json", target)


def _unwrap_name(schema: Any) -> Any:
    """Return the schema in OpenAI's object of a schema with a name; any other value as it is."""
    # a schema may have a property list "schema", but no other key of these alone
    is_named = isinstance(schema, Mapping) and "schema" in schema and schema.keys() <= _NAMED
    return schema["schema"] if is_named else schema


def _schema_grammar(value: Any, schema_options: PolicyOptions) -> JsonSchemaGrammar:
    """Return the grammar of a schema, or of its JSON text; one that is no schema on its face is refused, for
    none of its keys is a keyword or looks like one."""
    if not isinstance(value, Mapping | bool | str):
        raise OptionError(
            f"A schema must be a dict or JSON text, got {type(value).__name__}.",
            where="schema",
            cure="Pass a dict, or its JSON text.",
        )
    # `unwarned_schema` would look for a file whose name is a text that is no schema
    schema: Any = read_exact(value) if isinstance(value, str) else value
    is_text = isinstance(value, str) and isinstance(schema, dict)
    source: Any = value if is_text else dict(schema) if isinstance(schema, Mapping) else schema
    grammar = unwarned_schema(source, **schema_options)
    is_none = isinstance(schema, Mapping) and not looks_like_schema(schema)
    if is_none and not any(suspect.likely for suspect in grammar.suspects()):
        keys = ", ".join(map(repr, list(schema)[:4])) + (", ..." if len(schema) > 4 else "")
        known_keys = (*_WRAPPERS, *GUIDED, *_SERVED, "json_schema", "ebnf", "schema")
        near = next(filter(None, (suggest_name(key, known_keys) for key in schema)), "")
        raise OptionError(
            f"None of its keys ({keys}) restricts anything: as a JSON Schema it would allow every value.",
            where="target",
            cure=f"{near}Pass a schema with a type, a type of Python's, or a grammar; True stands for any "
            "JSON.",
        )
    if isinstance(schema, Mapping) and schema.get("format") == "json" and "type" not in schema:
        raise UnsupportedError(
            "JSON Schema has no format 'json': the schema would allow every value.",
            keyword="format",
            where="target",
            cure='Pass {"type": "object"}, or True for any JSON.',
        )
    grammar.warn_of_suspects()
    return grammar


def _read_wrapped(target: JsonObject, wrapper: str, depth: int) -> _Form:
    """Read what stands in a wrapper, which has no other key."""
    REQUESTS.check_members(target, {wrapper: "any"}, "target")
    inner = target[wrapper]
    if wrapper == "text" and isinstance(inner, Mapping):  # of responses: {"text": {"format": {...}}}
        REQUESTS.check_members(inner, dict.fromkeys(("format", "verbosity"), "any"), wrapper)
        inner = inner.get("format")
    if isinstance(inner, type):
        raise OptionError(
            f"{wrapper} contains the type {inner.__name__}, not a dict.",
            where=wrapper,
            cure=f"Pass the type itself as the target: {inner.__name__}.",
        )
    if not isinstance(inner, Mapping) or depth > 3:
        raise OptionError(
            f"{wrapper} contains "
            + ("too many nested dicts." if depth > 3 else f"{type(inner).__name__}, not a dict."),
            where=wrapper,
            cure="Pass its value as the target: a type, a schema or a format.",
        )
    # vLLM's shape has no type
    if wrapper == "structured_outputs":
        return _structured_outputs(dict(inner))
    if wrapper in ("response_format", "text") and inner.get("type") not in _FORMATS:
        raise OptionError(
            f"The type must be one of {', '.join(_FORMATS[:-1])}.",
            where=f"{wrapper}/type",
            cure='Write {"type": "json_schema", "json_schema": {"name": "...", "schema": {...}}}.',
        )
    return _read_form(dict(inner), depth + 1)


def _refuse_tools(target: JsonMapping) -> None:
    """Raise for tools, and for the definition of one: how a call is written is the model's affair, and not
    said in either."""
    if looks_like_schema({key: value for key, value in target.items() if key != "type"} or {"type": ""}):
        return
    name = next((key for key in _OF_TOOLS if key in target), None)
    if name is None:
        name = next((key for key in _TOOL if key in target), None)
        others = {key for key in target if key not in ("type", "name", "description", "strict", *_TOOL)}
        if name is None or others or target.get("type") not in (None, "function", "custom"):
            return
    raise UnsupportedError(
        f"{name} says what may be called, but not in which format the model writes a call.",
        keyword=name,
        where="target",
        cure="Pass tools=[...] to sg.run; or pass the schema of one tool's arguments, or a "
        'structural tag: {"type": "structural_tag", "format": {"type": "triggered_tags", '
        "...}}.",
    )


# --- OpenAI -------------------------------------------------------------------------------------------------


def _response_format(kind: str, target: JsonObject) -> _Form:
    where = "response_format"
    REQUESTS.check(target, where, where)
    match kind:
        case "text" | "structural_tag":
            return _Form(kind, target)
        case "json_object":
            return _Form("json", target.get("schema") or {"type": "object"})
        case "json_schema":
            return _json_schema_format(target)
        case "grammar":
            return _Form("grammar", target)
    raise UnsupportedError(
        f"The format {kind!r} is not supported.",
        keyword=kind,
        where=f"{where}/type",
        cure='Pass the grammar: {"type": "grammar", "syntax": "lark", "definition": "..."}.',
    )


def _json_schema_format(target: JsonObject) -> _Form:
    """Read {"type": "json_schema", "json_schema": {"name", "schema", "strict"}}, or the same without the
    inner object, as `text.format` of responses has it."""
    inner = target.get("json_schema")
    where = "response_format"
    if inner is None:
        inner = target
    # members outside would be passed over in silence
    elif len(target) > 2:
        raise OptionError(
            "The member is both inside and outside of json_schema.",
            where=f"{where}/{next(name for name in target if name not in ('type', 'json_schema'))}",
            cure="Move it inside.",
        )
    if inner.get("schema") is None:
        raise OptionError(
            "The schema is missing.",
            where=where if inner is target else f"{where}/json_schema",
            cure='Write {"type": "json_schema", "json_schema": {"name": "...", "schema": {...}}}.',
        )
    return _Form("json", inner["schema"])


# --- vLLM ---------------------------------------------------------------------------------------------------


def _structured_outputs(target: JsonObject, location_prefix: str = "structured_outputs/") -> _Form:
    """Read vLLM's shape: exactly one of the kinds, and its options. `location_prefix`: what places begin
    with."""
    where = "structured_outputs"
    REQUESTS.check(target, where, where)
    kind = _only_member(target, _SERVED, where)
    if target.get("disable_additional_properties"):
        raise UnsupportedError(
            "'disable_additional_properties' is not supported.",
            keyword="disable_additional_properties",
            where=where,
            cure='Set it in the schema: {"additionalProperties": false}.',
        )
    idle = next((name for name in _BLANKS if target.get(name) not in (None, False)), None)
    if idle is not None and kind in ("regex", "choice", "grammar"):
        raise OptionError(f"The option does not apply to {kind}.", where=f"{where}/{idle}", cure="Remove it.")
    location = f"{location_prefix}{kind}"
    blanks = {} if idle is None else target
    if kind == "json_object":
        if target[kind] is not True:
            raise OptionError("json_object must be true, or omitted.", where=location, cure="Remove it.")
        return _Form("json", {"type": "object"}, location, blanks)
    return _Form(kind, target[kind], location, blanks)


def _only_member(target: JsonMapping, names: Sequence[str], where: str) -> str:
    """Return the one of some members that is there. Errors: OptionError for none, and for several."""
    present = [key for key in names if target.get(key) is not None]
    # which of two forms is meant, nobody can tell
    if len(present) != 1:
        fault = f"The value has {' and '.join(present) or 'none of the expected members'}."
        raise OptionError(fault, where=where, cure=f"Pass exactly one of {', '.join(names)}.")
    return present[0]


def _whitespace_policy(target: JsonMapping, limits: Limits | None) -> str:
    """Return the policy for white space that vLLM's options ask for: the narrower one of the usual and
    "oneline" whose blanks, none or one, the pattern allows; "compact" where it allows none alone."""
    where = "structured_outputs/whitespace_pattern"
    pattern = target.get("whitespace_pattern")
    if pattern is None:
        return "compact"
    if target.get("disable_any_whitespace"):
        raise OptionError(
            "A pattern of white space cannot be combined with disable_any_whitespace.",
            where=where,
            cure="Remove one of them.",
        )
    blanks = regex(pattern, limits=limits).language(limits or Limits())
    start = blanks.start()
    blank = blanks.step(start, ord(" "))
    # the grammar writes no white space where it need not
    if not blanks.accepts(start):
        raise UnsupportedError(
            f"The pattern {pattern!r} requires white space everywhere.",
            keyword="whitespace_pattern",
            where=where,
            cure="Use a pattern that also matches the empty string, such as [ ]?.",
        )
    return "oneline" if blank is not None and blanks.accepts(blank) else "compact"


# --- SGLang -------------------------------------------------------------------------------------------------


def _sglang_form(target: JsonObject) -> _Form:
    """Read SGLang's shape: exactly one of its parameters."""
    REQUESTS.check_members(target, _OF_SGLANG, "target")
    if _only_member(target, SGLANG, "target") == "ebnf":
        return _Form("ebnf", target["ebnf"])
    schema = target["json_schema"]
    return _Form("json", {"type": "object"} if schema == "$$ANY$$" else _unwrap_name(schema))
