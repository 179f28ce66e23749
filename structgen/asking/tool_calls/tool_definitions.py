"""Reads tools from functions, types, and the definitions of OpenAI, Anthropic and MCP.

A *tool* is something that a model may call: a name, a description, and a schema of its arguments. For example
`def add(a: int, b: int) -> int` becomes the tool `add` with the required arguments "a" and "b".
"""

from __future__ import annotations

import dataclasses
import functools
import inspect
import json
import re
import typing
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, Final, TypeAlias

from structgen.asking.grounding.stated_text import StatedText
from structgen.asking.python_types.type_hints import TypeReader, read_type
from structgen.asking.tool_calls.custom_tools import custom_members
from structgen.asking.tool_calls.tool_shapes import TOOL_SHAPES
from structgen.base.errors import (
    OptionError,
    SchemaError,
    StructgenError,
    ToolWarning,
    UnsupportedError,
    ValidatorError,
    prefix_place,
    warning_level,
)
from structgen.base.json_text.exact_json import JsonMapping, JsonObject
from structgen.base.language.checks import shorten_text, show_value
from structgen.base.language.shapes import suggest_name
from structgen.base.limits import Limits
from structgen.grammars.json_grammars.schema_grammar import (
    JsonSchemaGrammar,
    json_schema,
    unwarned_schema,
    without_grammars,
)
from structgen.grammars.text_grammars.composition.argument_plan import has_documents
from structgen.grammars.text_grammars.composition.argument_roots import of_objects, root_of
from structgen.machines.core.compiled import first_fault
from structgen.machines.core.grammar import Grammar
from structgen.machines.core.string_values import over_bytes
from structgen.schema.reading.policies import WIDEST, PolicyOptions

_COMPOSING: Final = {
    *("$ref", "$dynamicRef", "allOf", "anyOf", "oneOf", "not", "if", "then", "else", "extends"),
    *("dependentSchemas", "dependencies", "patternProperties", "additionalProperties"),
    *("unevaluatedProperties", "propertyNames", "enum", "const"),
}
"""The keywords beside which `additionalProperties: false` is not added to an object."""
_TYPES: Final = ("function", "custom")
MOST_UNDECLARED: Final = 256
"""The most arguments that a schema may require without declaring them."""
_SCHEMA_KEYS: Final = ("inputSchema", "input_schema")
"""The keys of the schema of arguments: first MCP's, then that of Anthropic and of the package mcp since
2.0."""
_OF_CALLED: Final = {*_TYPES, *_SCHEMA_KEYS, "parameters", "format"}
"""The keys of a dict that describe a tool which a model calls."""
_SECTION: Final = re.compile(r"^\s*(?:args|arguments|parameters)\s*:\s*$", re.IGNORECASE)
_ARGUMENT: Final = re.compile(
    r"^\s*+(?::param\s++(?:[\w.\[\], |]+\s)?)?(\w++)\s*+(?:\([^)]*\)\s*+)?:\s*+(\S.*)$"
)


@dataclasses.dataclass(frozen=True, slots=True)
class Tool:
    """What a model may call: a name, what it is for, and the JSON Schema of its arguments."""

    name: str
    description: str = ""
    schema: JsonMapping = dataclasses.field(default_factory=dict)
    """The schema of an object, whatever its root says. Arguments that it does not name are not written,
    unless it says so."""
    callable: Any = None
    """The function or the type that the tool was read from. structgen calls no function."""
    reader: TypeReader[Any] | None = None
    """The reader that turns arguments into the types of `callable`; None where there is only a schema."""
    custom: bool = False
    """Whether it is one of OpenAI's custom tools. Its only argument, `input`, is a text."""
    input: Grammar | None = None
    """The grammar of that text; None: any text."""
    is_search: bool = False
    """Whether it is OpenAI's search for further tools, which the client runs."""
    namespace: str = ""
    """The name of the namespace of OpenAI's that has the tool; "": none."""
    inner_name: str = ""
    """The name of the tool in its namespace, where `name` is another one; else ""."""
    stated_text: StatedText | None = None
    """The texts to which the arguments are held; None: to none."""
    narrowed_grammar: JsonSchemaGrammar | None = None
    """The grammar of the arguments that these texts state; None: the texts exclude no arguments."""

    def __post_init__(self) -> None:
        schema = _object_schema(self.schema, f"the tool {self.name}", self.name)
        object.__setattr__(self, "schema", schema)

    @property
    def address(self) -> tuple[str, str]:
        """The namespace of the tool and its name in it, by which OpenAI's calls name it."""
        return self.namespace, self.inner_name or self.name

    @property
    def policies(self) -> PolicyOptions:
        """Options of `sg.json_schema` under which every document of the schema is read."""
        return self.reader.policies if self.reader is not None else {}

    @property
    def closed_schema(self) -> JsonObject:
        """The schema of objects, which allows no other arguments than those that it names; where they are too
        few for its `minProperties`, it stays open."""
        schema = of_objects(self.schema)
        properties = schema.get("properties")
        if not isinstance(properties, Mapping) or _COMPOSING & schema.keys():
            return schema
        missing_arguments: JsonObject = {
            key: {} for key in _demanded_arguments(schema) if key not in properties
        }
        # a schema of a stranger may ask for millions of them
        if len(missing_arguments) > MOST_UNDECLARED:
            raise SchemaError(
                f"The schema requires {len(missing_arguments):,} arguments that its properties do "
                "not declare.",
                where="#",
                cure=f"Declare them: up to {MOST_UNDECLARED} are tolerated.",
            )
        schema["properties"] = {**properties, **missing_arguments}
        closed = {**schema, "additionalProperties": False}
        # a closed schema that no object satisfies helps nobody
        too_few = "minProperties" in schema and not has_documents(unwarned_schema(closed))
        return schema if too_few else closed

    def schema_under(self, policies: PolicyOptions) -> tuple[JsonObject, JsonObject]:
        """Return the schema of the arguments that a call may have, and the options of `sg.json_schema` that
        read it: the tool's own and `policies`."""
        options = {**self.policies, **policies}
        if self.narrowed_grammar is None:
            return self.closed_schema, options
        # it may name grammar objects of this process, and was looked at for mistakes before
        schema: Any = self.narrowed_grammar.schema
        return schema, {**options, "grammars": None, "strict": None}

    def grammar_under(self, policies: PolicyOptions) -> JsonSchemaGrammar:
        """Return the grammar of the arguments as one JSON object; `policies` as in `schema_under`."""
        schema, options = self.schema_under(policies)
        return json_schema(schema, **options)

    def narrow(self, source: StatedText, policies: PolicyOptions, **narrow_options: bool) -> tuple[Tool, int]:
        """Return the tool with arguments that texts state, and the number of places in its schema whose
        values are held to them. The input of a custom tool stays free.

        `policies`: options of `sg.json_schema`; `narrow_options`: those of `narrow_grammar`. For example,
        `tool.narrow(stated_text(texts), {}, quotes=True)`. Errors: those of the schema and of
        `narrow_grammar`, with the name of the tool. Cost: that of `narrow_grammar`.
        """
        # start-up: few calls are held to texts
        from structgen.asking.grounding.narrowing import narrow_grammar

        tool = dataclasses.replace(self, stated_text=source)
        if self.custom:
            return tool, 0
        with prefix_place(f"the tool {self.name}"):
            grammar, places = narrow_grammar(self.grammar_under(policies), source, **narrow_options)
        return dataclasses.replace(tool, narrowed_grammar=grammar if places else None), places

    def value(self, document: str) -> Any:
        """Return the arguments in a JSON text as the tool's types have them: an object of the type. Of a
        function it is a dict for its keyword arguments, of a dict's schema what `json.loads` makes.

        Errors: `ValidatorError` for arguments that the types or the schema refuse.
        """
        if self.reader is not None:
            return self.reader.read_document(document)
        widest = {**WIDEST, "formats": "annotate"}
        if fault := first_fault(over_bytes(unwarned_schema(self.closed_schema, **widest)), document):
            raise ValidatorError(
                f"{fault}.",
                where=self.name,
                cure=f"The schema of {self.name} rejects the arguments: report it to the model with "
                "call.result(..., error=True).",
            )
        return json.loads(document)

    def openai(self) -> JsonObject:
        """Return the tool in the shape of OpenAI's chat completions, which chat templates take too, without
        its grammars (`x-grammar`): they may be longer than a prompt."""
        schema = dict(self.schema)
        return {
            "type": "function",
            "function": {
                "name": self.name,
                "description": self.description,
                "parameters": without_grammars(schema),
            },
        }


Tools: TypeAlias = Iterable[Any] | Callable[..., Any] | Tool
"""The type of the argument of `read_tools`. A dict and an object of the package mcp are iterable, too."""


def read_tools(
    tools: Any,
    limits: Limits | None = None,
    left_out: list[str] | None = None,
    later_tools: Mapping[str, Any] = MappingProxyType({}),
) -> tuple[Tool, ...]:
    """Return tools given as functions, pydantic models, dataclasses, TypedDicts, `Tool`s, or definitions.
    These are OpenAI's dicts (of chat completions and of responses, custom tools too), Anthropic's and MCP's.
    They come as one, a list of them, or MCP's answer to `tools/list`, with or without JSON-RPC's message
    around it. Objects of the package mcp are read by their attributes. `limits`: for grammars of inputs. No
    function is called.

    The tools of a namespace (OpenAI's) become tools of their own. Where two tools have one name, the name of
    one in a namespace is `NAMESPACE__NAME`. `later_tools` has more lists of tools, each by its place. A tool
    of the same name in one of these replaces an earlier one.

    Errors: `OptionError` for what is none of these and for two tools of one name; `UnsupportedError` for what
    has no schema; those of grammars. An answer that is one page of several brings a `ToolWarning`. A tool
    that a server runs itself, such as OpenAI's `web_search`, is left out beside others. Its type goes into
    the list `left_out`, or into a `ToolWarning` where there is none.
    """
    found_tools: dict[tuple[str, str], tuple[str, Tool]] = {}
    hosted_errors: dict[str, UnsupportedError] = {}
    for where, more_tools in {"tools": tools, **later_tools}.items():
        for location, definition in _iterate_tools(more_tools, where):
            # its error waits until it is known whether other tools are left
            if kind := hosted_type(definition):
                hosted_errors.setdefault(kind, _unknown_type(kind, location))
                continue
            for inner_location, tool in _read_definition(definition, location, limits):
                if tool.address in found_tools and where not in later_tools:
                    raise _second_tool(tool, inner_location)
                found_tools[tool.address] = inner_location, tool
    name_counts = Counter(name for _, name in found_tools)
    tools_by_name: dict[str, Tool] = {}
    for location, tool in found_tools.values():
        if tool.namespace and name_counts[tool.name] > 1:
            name = f"{tool.namespace}__{tool.name}"
            tool = dataclasses.replace(tool, name=name, inner_name=tool.name)
        if tool.name in tools_by_name:
            raise _second_tool(tool, location)
        tools_by_name[tool.name] = tool
    for kind, error in hosted_errors.items():
        if not tools_by_name:
            raise error
        if left_out is None:
            warnings.warn(ToolWarning(f"{error} The tool is skipped."), stacklevel=warning_level())
        else:
            left_out.append(kind)
    return tuple(tools_by_name.values())


def hosted_type(tool: Any) -> str:
    """Return the type of a tool that a server runs itself, as `web_search` is; "" of any other."""
    kind = tool.get("type") if isinstance(tool, Mapping) else None
    if kind == "tool_search":
        return "" if tool.get("execution") == "client" else kind
    if not isinstance(kind, str) or kind in (*_TYPES, "namespace") or tool.keys() & _OF_CALLED:
        return ""
    return "" if suggest_name(kind, _TYPES) else kind


def _second_tool(tool: Tool, location: str) -> OptionError:
    fault = f"Two tools have the name {tool.name!r}."
    return OptionError(fault, where=f"{location}/name", cure="Rename one of them.")


def _read_definition(definition: Any, location: str, limits: Limits | None) -> Iterator[tuple[str, Tool]]:
    """Yield the tool of a definition, or the tools of a namespace, each with its place. Errors: those of
    `read_tools`; OptionError for a namespace inside of a namespace."""
    if not isinstance(definition, Mapping) or definition.get("type") != "namespace":
        yield location, _read_tool(definition, location, limits)
        return
    TOOL_SHAPES.check(definition, "tool", location)
    # a model is told once what the tools are for, with the first of them
    preface = definition.get("description")
    for index, inner_definition in enumerate(definition["tools"]):
        inner_location = f"{location}/tools/{index}"
        kind = inner_definition.get("type")
        if kind in ("namespace", "tool_search"):
            raise OptionError(
                f"A {kind} is not allowed inside a namespace.",
                where=f"{inner_location}/type",
                cure="Move it out of the namespace.",
            )
        tool = _read_tool(inner_definition, inner_location, limits)
        description = "\n".join(filter(None, (preface, tool.description)))
        yield inner_location, dataclasses.replace(tool, namespace=definition["name"], description=description)
        preface = None


def _unknown_type(kind: Any, location: str) -> UnsupportedError:
    return UnsupportedError(
        f"The tool has the type {show_value(kind)}, which has no schema of arguments.",
        keyword="type",
        where=f"{location}/type",
        cure=f'{suggest_name(kind, _TYPES)}Pass tools of the type "function" or "custom"; describe '
        "a tool that a server runs as one of these.",
    )


def _iterate_tools(tools: Any, where: str) -> Iterator[tuple[str, Any]]:
    """Yield the given tools one by one, each with its place, for messages. `where`: the place of all."""
    tools = _read_members(tools)
    if isinstance(tools, dict):
        if "jsonrpc" in tools or tools.keys() == {"result"}:
            tools = _rpc_result(tools)
            where = "tools/result"
        if "tools" in tools and tools.get("type") != "namespace":
            TOOL_SHAPES.check(tools, "tools_listed", where)
            if tools.get("nextCursor", tools.get("next_cursor")) is not None:
                fault = (
                    f"{where}: the list of tools from MCP has more pages; tools on the other pages "
                    "cannot be called."
                )
                cure = "Request all pages from the server (cursor=), and pass the tools in one list."
                warnings.warn(ToolWarning(f"{fault} {cure}"), stacklevel=warning_level())
            tools = tools["tools"]
            where = f"{where}/tools"
    is_tool = isinstance(tools, dict | Tool | type) or (callable(tools) and not isinstance(tools, Iterable))
    if is_tool:
        yield where, tools
    elif isinstance(tools, str | bytes | bytearray) or not isinstance(tools, Iterable):
        raise OptionError(
            f"must be a list, got {type(tools).__name__}.", where=where, cure="Pass a list: [tool]."
        )
    else:
        for index, tool in enumerate(tools):
            yield f"{where}/{index}", tool


def _read_members(definition: Any) -> Any:
    """Return a dict with the members of a mapping, or of an object that has MCP's attributes; else what is
    given."""
    if isinstance(definition, Mapping):
        return dict(definition)
    if isinstance(definition, type | Tool) or not any(
        hasattr(definition, name) for name in ("tools", *_SCHEMA_KEYS)
    ):
        return definition
    attributes = ("tools", "nextCursor", "next_cursor", "name", "description", *_SCHEMA_KEYS)
    return {name: getattr(definition, name) for name in attributes if hasattr(definition, name)}


def _rpc_result(message: JsonObject) -> JsonObject:
    """Return the result of a JSON-RPC message. Errors: OptionError for a message that has none."""
    if message.get("error") is not None:
        raise OptionError(
            f"The server returned an error: {str(message['error'])[:200]}.",
            where="tools/error",
            cure="Send tools/list again.",
        )
    TOOL_SHAPES.check(message, "rpc", "tools")
    result = message.get("result")
    if result is None or "tools" not in result:
        raise OptionError(
            "The JSON-RPC message does not list tools.",
            where="tools/result",
            cure='Pass the reply to tools/list: {"jsonrpc": "2.0", "id": 1, "result": {"tools": [...]}}.',
        )
    return dict(result)


def _read_tool(definition: Any, location: str, limits: Limits | None) -> Tool:
    """Return one tool. Errors: those of `read_tools`."""
    definition = _read_members(definition)
    if isinstance(definition, Tool):
        return definition
    if isinstance(definition, dict):
        return _tool_of_dict(definition, location, limits)
    if isinstance(definition, type):
        return _tool_of_type(definition, location)
    if callable(definition) and typing.get_origin(definition) is None:
        with prefix_place(location):
            return _tool_of_function(definition)
    raise OptionError(
        f"{type(definition).__name__} is not a tool.",
        where=location,
        cure="Pass a function, a type, a dict in OpenAI's, Anthropic's or MCP's format, or an sg.Tool.",
    )


# --- dicts --------------------------------------------------------------------------------------------------


def _tool_of_dict(definition: JsonObject, location: str, limits: Limits | None) -> Tool:
    """Return a tool of a dict; `strict` is taken, and the schema is enforced whatever it says."""
    kind = definition.get("type") or "function"
    is_search = kind == "tool_search"
    if kind not in _TYPES and not is_search:
        raise _unknown_type(kind, location)
    TOOL_SHAPES.check(definition, "tool", location)
    if is_search:  # it has no name of its own
        search = {**definition, "name": kind}
        tool = _build_tool(search, definition.get("parameters"), f"{location}/parameters", location)
        return dataclasses.replace(tool, is_search=True)
    schema_keys = [name for name in _SCHEMA_KEYS if name in definition]
    if len(schema_keys) > 1:
        raise OptionError(
            f"{schema_keys[1]} cannot be combined with {schema_keys[0]}.",
            where=f"{location}/{schema_keys[1]}",
            cure="Remove it.",
        )
    if kind == "custom" and not schema_keys:
        members = custom_members(definition, location, limits)
        tool = _build_tool(members, members["schema"], "", location)
        return dataclasses.replace(tool, custom=True, input=members["input"])
    if definition.get("function") is not None:
        location = f"{location}/function"
        definition = definition["function"]
    key = [*schema_keys, "parameters"][0]
    return _build_tool(definition, definition.get(key), f"{location}/{key}", location)


def _build_tool(
    definition: JsonMapping,
    schema: Any,
    schema_location: str,
    location: str,
) -> Tool:
    """Return a tool of a dict; `schema_location`: the place of its schema. Errors: OptionError,
    SchemaError."""
    name = definition.get("name")
    if not name:
        raise OptionError(
            f"The name must be a text that is not empty, got {name!r}.",
            where=f"{location}/name",
            cure="Set a name.",
        )
    empty = {"type": "object", "properties": {}}
    schema = empty if schema is None else _object_schema(schema, schema_location, name)
    return Tool(name, definition.get("description") or "", schema)


def _demanded_arguments(schema: JsonMapping) -> list[str]:
    """Return the arguments that `required` and `dependentRequired` name, each as often as they do."""
    keys = schema.get("required")
    dependent = schema.get("dependentRequired")
    groups = [keys, dependent, *(dependent.values() if isinstance(dependent, Mapping) else ())]
    return [
        key for keys in groups if isinstance(keys, list | Mapping) for key in keys if isinstance(key, str)
    ]


def _object_schema(schema: Any, where: str, name: str) -> JsonObject:
    """Return the schema of a tool's arguments, which are an object: one that says less than that is one of
    objects. Errors: `SchemaError` for one that no object satisfies, by its type."""
    # any value is allowed, and arguments are an object
    if schema is True:
        return {"type": "object"}
    kinds = root_of(schema)[1].get("type", "object") if isinstance(schema, Mapping) else []
    types = kinds if isinstance(kinds, list) else [kinds]
    if any(isinstance(kind, Mapping) or kind in ("object", "any") for kind in types):  # draft 3 has these
        return dict(schema)
    kinds = shorten_text(", ".join(map(str, types)))
    fault = "false, which no value satisfies" if schema is False else f"a {type(schema).__name__}"
    raise SchemaError(
        f"The arguments of {name} must be an object, but its schema is one of {kinds}."
        if types
        else f"The schema of the arguments of {name} is {fault}.",
        where=where,
        cure='Write {"type": "object", "properties": {...}, "required": [...]}.',
    )


# --- types and functions ------------------------------------------------------------------------------------


def _tool_of_type(python_type: type, location: str) -> Tool:
    """Return a tool of a type, whose description is the tool's."""
    with prefix_place(location):
        reader: TypeReader[Any] = read_type(python_type)
        schema = reader.schema
        if "$ref" not in schema:
            schema = _object_schema(schema, python_type.__name__, python_type.__name__)
    # what the tool is for is told once, by the tool
    root = str(schema.get("$ref", "")).removeprefix("#/$defs/")
    of_root = schema["$defs"][root] if root else schema
    description = of_root.get("description", "")
    bare = {key: value for key, value in of_root.items() if key != "description"}
    schema = {**schema, "$defs": {**schema["$defs"], root: bare}} if root else bare
    return Tool(python_type.__name__, description, schema, python_type, reader)


def _tool_of_function(function: Callable[..., Any]) -> Tool:
    """Return a tool of a function, a method or another callable, by its signature and docstring."""
    inner_function = function
    # a partial has neither a name nor a docstring of its own
    while isinstance(inner_function, functools.partial):
        inner_function = inner_function.func
    name = getattr(inner_function, "__name__", type(inner_function).__name__)
    if name == "<lambda>":
        raise _no_tool("A lambda has no name and no types.", "Write a function with annotations.")
    body = inner_function if inspect.isroutine(inner_function) else type(inner_function).__call__
    try:
        signature = inspect.signature(function)
        hints = typing.get_type_hints(inspect.unwrap(body), include_extras=True)
    except NameError as error:
        raise _no_tool(f"The annotations use {error.name!r}, which is not defined.", "Import it.") from error
    except (TypeError, ValueError) as error:
        raise _no_tool("The signature cannot be read.", "Wrap it in a function with annotations.") from error
    summary, of_arguments = _split_docstring(inspect.getdoc(inner_function) or inspect.getdoc(body) or "")
    parameter_texts: dict[str, JsonObject] = {
        key: {"description": text} for key, text in of_arguments.items()
    }
    """What a schema says of a parameter for the model alone."""
    parameter_hints: JsonObject = {}
    for parameter in signature.parameters.values():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD, parameter.POSITIONAL_ONLY):
            stars = {"VAR_POSITIONAL": "*", "VAR_KEYWORD": "**"}.get(parameter.kind.name, "")
            raise _no_tool(
                f"{stars}{parameter.name} of {name} has no name that a call could use.",
                "Name each parameter: a list instead of *args, a dict instead of **kwargs, no /.",
            )
        hint = hints.get(parameter.name, parameter.empty)
        if hint is parameter.empty:
            raise _no_tool(
                f"The parameter {parameter.name} of {name} has no annotation.",
                f"Write its type: def {name}({parameter.name}: str, ...).",
            )
        parameter_hints[parameter.name] = hint
        if parameter.default is not parameter.empty:
            parameter_hints[parameter.name] = typing.NotRequired[hint]
            parameter_texts[parameter.name] = {
                **parameter_texts.get(parameter.name, {}),
                **_default_member(parameter.default),
            }
    # optional: comes with pydantic, which takes no other TypedDict before Python 3.12
    from typing_extensions import TypedDict

    reader = read_type(TypedDict(name, parameter_hints))  # type: ignore[operator]
    schema = dict(reader.schema)
    schema.pop("title", None)
    schema["properties"] = {
        key: {**parameter_texts.get(key, {}), **value} for key, value in schema.get("properties", {}).items()
    }
    return Tool(name, summary, schema, function, reader)


def _default_member(value: Any) -> JsonObject:
    """Return a default as a schema tells it; nothing of one that JSON lacks."""
    # optional: pydantic
    from structgen.asking.python_types.pydantic_schema import TypeSchema

    try:
        return {"default": TypeSchema().encode_default(value)}
    except ValueError:
        return {}


def _no_tool(fault: str, cure: str) -> StructgenError:
    return UnsupportedError(fault, keyword="type", cure=cure)


def _split_docstring(docstring: str) -> tuple[str, dict[str, str]]:
    """Return what a docstring says before it comes to the arguments, and what it says of these, by name. That
    is in lines `name: text` below `Args:`, or `:param`, each with the lines behind it that are indented
    deeper."""
    lines = list[str]()
    arguments = dict[str, list[str]]()
    inside = is_over = False
    name = ""
    indent = 0
    for line in docstring.expandtabs().splitlines():
        is_section = _SECTION.match(line) is not None
        field = line.lstrip()
        is_over = is_over or is_section or field.startswith((":param", ":return", ":rtype", ":raises"))
        if not is_over:
            lines.append(line)
        inside = is_section or (inside and (not field or line.startswith(" ")))
        depth = len(line) - len(field)
        # lines that are indented deeper go on with the argument before them
        if name and (depth > indent or not field):
            arguments[name].append(field.rstrip())
            continue
        match = None if is_section else _ARGUMENT.match(line)
        name = ""
        if match and (inside or field.startswith(":param")):
            name = match[1]
            indent = depth
            arguments[name] = [match[2].strip()]
    return "\n".join(lines).strip(), {name: " ".join(filter(None, said)) for name, said in arguments.items()}
