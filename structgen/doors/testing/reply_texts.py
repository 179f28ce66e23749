"""Writes a scripted reply as a text in the form of its request, and finds where a form forbids a text.

A *reply* is what a test gives: a text, an object, or calls of tools. A *form* is what a request allows: the
compiled grammar of its text, and the format in which calls are written. A *fault* is the first place at which
a text leaves the form. For a schema with the properties `a` and `b`, the reply {"b": 1, "a": 2} is written as
`{"a": 2, "b": 1}`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from types import MappingProxyType
from typing import Any, NamedTuple

from structgen.asking.tool_calls.call_writing import write_calls
from structgen.asking.tool_calls.format_rows import FORMATS
from structgen.asking.tool_calls.tool_format import ToolFormat
from structgen.asking.tool_calls.tool_replies import Call
from structgen.base.errors import OptionError
from structgen.base.json_text.exact_json import JsonObject, target_of
from structgen.base.language.checks import check_encodable, show_value
from structgen.base.system.installation import require_extras
from structgen.doors.cli.position import TextStop
from structgen.doors.typed.worked.field_values import by_fields
from structgen.doors.typed.worked.worked_examples import spell_value
from structgen.doors.typed.wrapping import WRAPPER, wrap_document
from structgen.machines.core.compiled import CompiledGrammar


class ReplyForm(NamedTuple):
    """The form of a request: what it allows as the text of a reply."""

    machine: CompiledGrammar | None
    """The compiled grammar of the text; None: free text."""
    format: ToolFormat | None = None
    """The format in which the model writes calls; None: its chat template shows none."""
    specials: Mapping[str, int] = MappingProxyType({})
    """The ids of tokens without bytes, by their texts."""

    def find_stop(self, text: str) -> TextStop | None:
        """Return the position at which a text leaves the form, as `structgen check` finds it; None if the
        text is allowed. The name of a special token in the text counts as this token where it is allowed.
        Cost: linear."""
        machine = self.machine
        if machine is None:
            return None
        state, offset, data = machine.start, 0, text.encode()
        special = "|".join(map(re.escape, self.specials)) or "(?!)"  # which matches nothing
        for part in re.split(f"({special})", text):
            token = self.specials.get(part)
            next_state = None if token is None else machine.step(state, token)
            if next_state is None:
                next_state = machine.step_bytes(state, part.encode())
            if next_state is None:  # byte by byte up to the first that is not allowed
                while (next_state := machine.step_bytes(state, data[offset : offset + 1])) is not None:
                    state, offset = next_state, offset + 1
                return TextStop(state, data, offset)
            state, offset = next_state, offset + len(part.encode())
        is_word = machine.is_finished(state) or machine.accepts_end(state)
        return None if is_word else TextStop(state, data, offset)

    def describe_fault(self, text: str) -> str:
        """Return a description of the fault of a text, with what the form allows in its place, on lines of
        its own. Return "" for a text that is allowed."""
        stop = self.find_stop(text)
        if stop is None or self.machine is None:
            return ""
        items = self.machine.expected(stop.state)
        expected = [item.what for item in items if item.what != "white space"]
        fault = "end of text" if stop.character is None else repr(stop.character)
        line, caret = stop.excerpt_lines()
        could = f"\nexpected {' or '.join(expected[:6])}" if expected else ""
        return f"unexpected {fault} at line {stop.line}, column {stop.column}\n  {line}\n  {caret}{could}\n"

    def spell_reply(self, reply: Any, where: str) -> str:
        """Return the text of a reply: a text as it is, calls in a format of calls, any other object as JSON.

        There may be several such texts. The first one that the form allows is returned; if it allows none,
        the one with the latest fault. `where`: the location of the reply, for errors. Raises OptionError for
        an object that JSON cannot express, and for calls that the format cannot write.
        """
        furthest, best = -1, ""
        for text in self._texts_of(reply, where):
            stop = self.find_stop(text)
            if stop is None:
                return text
            if stop.byte > furthest:
                furthest, best = stop.byte, text
        return best

    def _texts_of(self, reply: Any, where: str) -> Iterator[str]:
        """Yield the texts of a reply, the likeliest first."""
        schema = None if self.machine is None else self.machine.grammar.schema
        if isinstance(reply, bytes):
            try:
                reply = reply.decode()
            except UnicodeDecodeError as error:
                raise _no_json(reply, where) from error
        parts = reply if isinstance(reply, list | tuple) else [reply]
        if any(isinstance(part, Call) for part in parts):
            yield from self._texts_of_calls(parts, where)
        elif isinstance(reply, str):
            yield check_encodable(where, reply)
            yield from _quoted_texts(reply, schema)
        else:
            for plain_reply in plain_values(reply, where):
                # as it is, and in the wrapper of the form; with the order of keys of the schema first
                for value in (plain_reply, *wrapped_values(plain_reply, schema)):
                    yield from spell_value(in_order(value, schema))
                    yield from spell_value(value)

    def _texts_of_calls(self, parts: Sequence[Any], where: str) -> Iterator[str]:
        """Yield the texts that may be written for calls, perhaps with a text before them: the arguments as
        they are, then in the order of the tool's parameters. Errors: OptionError for other parts, and those
        of `_calls_text`."""
        lead, calls = ("", parts) if isinstance(parts[0], Call) else (parts[0], parts[1:])
        if not isinstance(lead, str) or not all(isinstance(call, Call) for call in calls):
            raise OptionError(
                "The reply has calls, and other parts.",
                where=where,
                cure="The calls of a reply may follow one text: ['Let me see.', sg.Call(...)].",
            )
        first_refused = ""
        # as pydantic writes the arguments of all calls, then as the types read them
        plain_arguments = (plain_values(dict(call.arguments), where) for call in calls)
        for arguments_of_calls in zip(*plain_arguments, strict=True):
            pairs = zip(calls, arguments_of_calls, strict=True)
            plain_calls = [replace(call, arguments=arguments) for call, arguments in pairs]
            text, is_read = self._calls_text(plain_calls, lead)
            if is_read:
                yield text
            first_refused = first_refused or text
        yield first_refused

    def _calls_text(self, calls: Sequence[Call], lead: str) -> tuple[str, bool]:
        """Return the text of calls after another text (`lead`), and whether the form allows it as calls.

        A grammar does not name its format of calls. So it is found by trying: these calls are allowed in it,
        and calls of an unknown tool are not. (In another format, any call would be allowed, as free text.) If
        there is no such format, the text is one that the form forbids, as late as possible after the name of
        the first tool. Raises OptionError for a call that no format, or not the model's, can write.
        """
        rows = [row for row in (self.format, *FORMATS.values()) if row is not None]
        refused_texts = dict[str, int]()
        for row in rows if self.machine is not None else ():
            with suppress(OptionError):
                text = _write_calls(lead, calls, row)
                if self.find_stop(text) is not None:  # perhaps the arguments have another order
                    calls_in_turn = [self._order_arguments(call, lead, row) for call in calls]
                    text = _write_calls(lead, calls_in_turn, row)
                unknown_calls = [replace(call, name=f"no_{call.name}_") for call in calls]
                unknown_text = _write_calls(lead, unknown_calls, row)
                stop = self.find_stop(text)
                if stop is not None:
                    name_offset = text.encode().find(calls[0].name.encode(), len(lead.encode()))
                    refused_texts[text] = stop.byte - name_offset
                if stop is None and self.find_stop(unknown_text) is not None:
                    return text, True
        default = _write_calls(lead, calls, rows[0])
        return max(refused_texts, key=refused_texts.__getitem__, default=default), False

    def _order_arguments(self, call: Call, lead: str, row: ToolFormat) -> Call:
        """Return a call with its arguments in an order that the form allows; as it is, if there is none.
        Cost: as many checks of texts as the cube of the number of arguments."""

        def write_some(names: Sequence[str], **added_arguments: str) -> str:
            """Return the text of the call with some of its arguments."""
            arguments = {name: call.arguments[name] for name in names} | added_arguments
            return _write_calls(lead, [replace(call, arguments=arguments)], row)

        def is_allowed(*names: str) -> bool:
            """Return whether the form allows these arguments, in this order, as the first ones."""
            # two texts are made: one ends after the last argument, the other has one more argument
            ending, continued = write_some(names).encode(), write_some(names, _more="").encode()
            pairs = enumerate(zip(ending, continued, strict=False))
            end = next((offset for offset, (byte, later_byte) in pairs if byte != later_byte), 0)
            stop = self.find_stop(write_some(names))
            return stop is None or stop.byte >= end

        def is_first(name: str, others: Sequence[str]) -> bool:
            """Return whether each of the `others` may come after the argument `name`."""
            return all(is_allowed(*ordered_names, name, other) for other in others if other != name)

        ordered_names, other_names = list[str](), [*call.arguments]
        while other_names:
            possible_names = [name for name in other_names if is_allowed(*ordered_names, name)]
            first_names = [name for name in possible_names if is_first(name, possible_names)]
            if not first_names:
                return call
            ordered_names.append(first_names[0])
            other_names.remove(first_names[0])
        return replace(call, arguments={name: call.arguments[name] for name in ordered_names})


def _write_calls(lead: str, calls: Sequence[Call], row: ToolFormat) -> str:
    """Return the text of calls in a format, after another text. Errors: OptionError."""
    return lead + row.lead + write_calls(calls, row)


def _quoted_texts(reply: str, schema: Any) -> Iterator[str]:
    """Yield the JSON texts that a plain text may stand for: in the wrapper of a type's document, if the
    schema has one; as a string, if the schema allows only strings."""
    if not isinstance(schema, Mapping):
        return
    if wrapped_values(reply, schema) and not reply.lstrip().startswith("{"):
        yield from map(wrap_document, (reply, json.dumps(reply, ensure_ascii=False)))
    constants = [schema["const"]] if "const" in schema else [None]
    listed_values = schema.get("enum", constants)
    has_listed_strings = all(isinstance(value, str) for value in listed_values)
    has_strings = schema.get("type") == "string" or has_listed_strings
    if has_strings and not reply.lstrip().startswith('"'):
        yield json.dumps(reply, ensure_ascii=False)


def wrapped_values(value: Any, schema: Any) -> list[JsonObject]:
    """Return a list of the value inside the wrapper object of a type's document; [] if the schema is not that
    of a wrapper."""
    members = schema.get("properties") if isinstance(schema, Mapping) else None
    # other objects may allow a member of that name beside others
    is_wrapper = isinstance(members, Mapping) and [*members] == [WRAPPER]
    return [{WRAPPER: value}] if is_wrapper else []


def plain_value(reply: Any, where: str) -> Any:
    """Return the plain JSON value of an object of pydantic, of a dataclass, or of a JSON value. Raises
    OptionError for any other object."""
    if isinstance(reply, dict | list | int | float | None):
        try:
            json.dumps(reply)
            return reply
        except (TypeError, ValueError, RecursionError):
            pass  # it holds other objects
    with require_extras(
        "A reply that is an object", "typed", where=where, otherwise="or give its JSON as text"
    ):
        # optional: pydantic
        from pydantic_core import PydanticSerializationError, to_jsonable_python
    try:
        return to_jsonable_python(reply, by_alias=True)
    except (PydanticSerializationError, ValueError, RecursionError) as error:
        raise _no_json(reply, where) from error


def plain_values(reply: Any, where: str) -> Iterator[Any]:
    """Yield the plain JSON values of an object: as pydantic writes it, then as its type reads it. Errors:
    those of `plain_value`."""
    yield plain_value(reply, where)
    try:
        yield by_fields(reply)
    except (ValueError, RecursionError) as error:
        raise _no_json(reply, where) from error


def _no_json(reply: Any, where: str) -> OptionError:
    """Return the error for a reply that JSON cannot express."""
    return OptionError(
        f"{show_value(reply)} is not a JSON value.",
        where=where,
        cure="Pass a text, an object of the type, a dict, an sg.Call or a list of these.",
    )


def in_order(
    value: Any,
    schema: Any,
    root: Any = None,
    depth: int = 0,
) -> Any:
    """Return a value with its keys in the order in which a schema first names them. Other keys come last.

    `schema`: one schema, or several that apply to the value. `root`: the schema that references point into,
    by default the same. `depth`: the number of levels around the value. For example, under the properties `a`
    and `b` the value `{"b": 1, "a": 2}` becomes `{"a": 2, "b": 1}`.
    """
    root = schema if root is None else root
    if depth > 100:  # deeper values keep their order
        return value
    if isinstance(value, list):
        item_schemas = _values_of_keyword(schema, root, "items")
        first_schemas = _values_of_keyword(schema, root, "prefixItems")
        ordered_items = list[Any]()
        for index, item in enumerate(value):
            own_schemas = [schemas[index] for schemas in first_schemas if index < len(schemas)]
            ordered_items.append(in_order(item, item_schemas + own_schemas, root, depth + 1))
        return ordered_items
    if not isinstance(value, dict):
        return value
    schemas_by_key: JsonObject = {}
    for properties in _values_of_keyword(schema, root, "properties"):
        if isinstance(properties, Mapping):
            for key, member_schema in properties.items():
                schemas_by_key.setdefault(key, []).append(member_schema)
    keys = [key for key in schemas_by_key if key in value]
    keys += [key for key in value if key not in schemas_by_key]
    other_schemas = _values_of_keyword(schema, root, "additionalProperties")
    for patterns in _values_of_keyword(schema, root, "patternProperties"):
        other_schemas += patterns.values()
    return {
        key: in_order(value[key], schemas_by_key.get(key, other_schemas), root, depth + 1) for key in keys
    }


def _values_of_keyword(schemas: Any, root: Any, keyword: str) -> list[Any]:
    """Return the values of a keyword in schemas, and in the schemas that these refer to or consist of."""
    values, visited = list[Any](), set[int]()
    waiting = list(schemas) if isinstance(schemas, list) else [schemas]
    while waiting:
        schema = waiting.pop(0)
        if not isinstance(schema, Mapping) or id(schema) in visited:
            continue
        visited.add(id(schema))
        if keyword in schema:
            values.append(schema[keyword])
        reference = str(schema.get("$ref", ""))
        if reference.startswith("#"):
            waiting.append(target_of(root, reference))
        for combiner in ("allOf", "anyOf", "oneOf"):
            waiting += schema.get(combiner, [])
    return values
