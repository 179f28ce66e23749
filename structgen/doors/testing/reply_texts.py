"""The text of a scripted reply, as the form of its request wants it written; and where a form forbids one."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from types import MappingProxyType
from typing import Any, NamedTuple

from structgen.asking.tool_calls.call_writing import written_calls
from structgen.asking.tool_calls.format_rows import FORMATS
from structgen.asking.tool_calls.tool_format import ToolFormat
from structgen.asking.tool_calls.tool_replies import Call
from structgen.asking.tool_calls.tool_shapes import JsonObject
from structgen.base.errors import OptionError
from structgen.base.json_text.exact_json import target_of
from structgen.base.language.checks import encodable, shown
from structgen.base.system.installation import needing
from structgen.doors.cli.position import TextStop
from structgen.doors.typed.worked.field_values import by_fields
from structgen.doors.typed.worked.worked_examples import spell_value
from structgen.doors.typed.wrapping import WRAPPER, wrap_document
from structgen.machines.core.compiled import CompiledGrammar


class ReplyForm(NamedTuple):
    """What a reply is written for."""

    machine: CompiledGrammar | None
    """None: free text."""
    format: ToolFormat | None = None
    """How the model writes calls; None: it does not tell."""
    specials: Mapping[str, int] = MappingProxyType({})
    """The ids of tokens without bytes, by their texts."""

    def find_stop(self, text: str) -> TextStop | None:
        """Return the place at which a text leaves the form, as `structgen check` finds it; None for a text
        that is allowed. Texts of special tokens are these tokens where they may come. Cost: linear."""
        machine = self.machine
        if machine is None:
            return None
        state, offset, data = machine.start, 0, text.encode()
        for part in re.split(f"({'|'.join(map(re.escape, self.specials)) or '(?!)'})", text):
            token = self.specials.get(part)
            next_state = None if token is None else machine.step(state, token)
            if next_state is None:
                next_state = machine.step_bytes(state, part.encode())
            if next_state is None:
                while (next_state := machine.step_bytes(state, data[offset : offset + 1])) is not None:
                    state, offset = next_state, offset + 1
                return TextStop(state, data, offset)
            state, offset = next_state, offset + len(part.encode())
        is_word = machine.is_finished(state) or machine.accepts_end(state)
        return None if is_word else TextStop(state, data, offset)

    def describe_fault(self, text: str) -> str:
        """Return in words, on lines of their own, what cannot come in a text and what could; "" for a text
        that is allowed."""
        stop = self.find_stop(text)
        if stop is None or self.machine is None:
            return ""
        expected = [item.what for item in self.machine.expected(stop.state) if item.what != "white space"]
        fault = "it ends too early" if stop.character is None else f"{stop.character!r} cannot come"
        line, caret = stop.excerpt_lines()
        could = f"\nexpected {' or '.join(expected[:6])}" if expected else ""
        return f"{fault} at line {stop.line}, column {stop.column}\n  {line}\n  {caret}{could}\n"

    def write_text(self, reply: Any, where: str) -> str:
        """Return the text that is said for a reply: a text as it is; calls as a format writes them; any other
        object as JSON. Of several ways to write it, the first that the form allows; where it allows none, the
        one that goes the furthest. Errors: OptionError for what is no value of
        JSON, and for calls that the format cannot write."""
        furthest, best = -1, ""
        for text in self._texts_of(reply, where):
            stop = self.find_stop(text)
            if stop is None:
                return text
            if stop.byte > furthest:
                furthest, best = stop.byte, text
        return best

    def _texts_of(self, reply: Any, where: str) -> Iterator[str]:
        """Yield the texts that may be said for a reply."""
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
            yield encodable(where, reply)
            yield from _quoted_texts(reply, schema)
        else:
            for plain_reply in plain_values(reply, where):
                for value in (plain_reply, *wrapped_values(plain_reply, schema)):
                    for candidate in (in_order(value, schema), value):
                        yield from spell_value(candidate)

    def _texts_of_calls(self, parts: Sequence[Any], where: str) -> Iterator[str]:
        """Yield the texts that may be written for calls, perhaps with a text before them: the arguments as
        they are, then in the order of the tool's parameters. Errors: OptionError for other parts, and those
        of `_calls_text`."""
        lead, calls = ("", parts) if isinstance(parts[0], Call) else (parts[0], parts[1:])
        if not isinstance(lead, str) or not all(isinstance(call, Call) for call in calls):
            raise OptionError(
                "It has calls, and other parts.",
                where=where,
                cure="Before the calls of a reply one text may stand: ['Let me see.', sg.Call(...)].",
            )
        first_refused = ""
        for arguments_of_calls in zip(
            *(plain_values(dict(call.arguments), where) for call in calls), strict=True
        ):
            plain_calls = [
                replace(call, arguments=arguments)
                for call, arguments in zip(calls, arguments_of_calls, strict=True)
            ]
            text, is_read = self._calls_text(plain_calls, lead)
            if is_read:
                yield text
            first_refused = first_refused or text
        yield first_refused

    def _calls_text(self, calls: Sequence[Call], lead: str) -> tuple[str, bool]:
        """Return calls as the form has them written behind a text, and whether it reads them so. A grammar
        does not tell its format: it is the one in which these calls are allowed and those of an unknown tool
        are not. Where there is none, the text is one that the form forbids, as far behind the first name as
        can be: calls of another format are free text. Errors: OptionError for a call that no format, or not
        the model's, can write."""
        rows = [row for row in (self.format, *FORMATS.values()) if row is not None]
        refused_texts = dict[str, int]()
        for row in rows if self.machine is not None else ():
            with suppress(OptionError):
                text = _write_calls(lead, calls, row)
                if self.find_stop(text) is not None:
                    calls_in_turn = [self._order_arguments(call, lead, row) for call in calls]
                    text = _write_calls(lead, calls_in_turn, row)
                unknown_text = _write_calls(
                    lead, [replace(call, name=f"no_{call.name}_") for call in calls], row
                )
                stop = self.find_stop(text)
                if stop is not None:
                    refused_texts[text] = stop.byte - text.encode().find(
                        calls[0].name.encode(), len(lead.encode())
                    )
                if stop is None and self.find_stop(unknown_text) is not None:
                    return text, True
        return max(
            refused_texts, key=refused_texts.__getitem__, default=_write_calls(lead, calls, rows[0])
        ), False

    def _order_arguments(self, call: Call, lead: str, row: ToolFormat) -> Call:
        """Return a call with its arguments in the order in which the form allows them; where it allows none,
        as they are. Cost: texts as many as the cube of their number."""

        def write_some(names: Sequence[str], **added_arguments: str) -> str:
            arguments = {name: call.arguments[name] for name in names} | added_arguments
            return _write_calls(lead, [replace(call, arguments=arguments)], row)

        def fits_next(*names: str) -> bool:
            # behind the last argument one of these texts ends, and the other has one more
            ends = write_some(names).encode(), write_some(names, _more="").encode()
            end = next(
                (at for at, (one, later_name) in enumerate(zip(*ends, strict=False)) if one != later_name), 0
            )
            stop = self.find_stop(write_some(names))
            return stop is None or stop.byte >= end

        ordered_names, other_names = list[str](), [*call.arguments]
        while other_names:
            possible_names = [name for name in other_names if fits_next(*ordered_names, name)]
            first_names = [
                name
                for name in possible_names
                if all(
                    fits_next(*ordered_names, name, later_name)
                    for later_name in possible_names
                    if later_name != name
                )
            ]
            if not first_names:
                return call
            ordered_names.append(first_names[0])
            other_names.remove(first_names[0])
        return replace(call, arguments={name: call.arguments[name] for name in ordered_names})


def _write_calls(lead: str, calls: Sequence[Call], row: ToolFormat) -> str:
    return lead + row.lead + written_calls(calls, row)


def _quoted_texts(reply: str, schema: Any) -> Iterator[str]:
    """Yield the documents that hold a text: as a string, where a schema has only strings; in the object that
    holds a type's document, where a schema is one of these."""
    if not isinstance(schema, Mapping):
        return
    if wrapped_values(reply, schema) and not reply.lstrip().startswith("{"):
        yield from map(wrap_document, (reply, json.dumps(reply, ensure_ascii=False)))
    listed_values = schema.get("enum", [schema["const"]] if "const" in schema else [None])
    has_strings = schema.get("type") == "string" or all(isinstance(value, str) for value in listed_values)
    if has_strings and not reply.lstrip().startswith('"'):
        yield json.dumps(reply, ensure_ascii=False)


def wrapped_values(value: Any, schema: Any) -> list[JsonObject]:
    """Return the object that holds a document of a type, in a list; [] where a schema is not of one. Other
    objects may allow a member of that name too."""
    members = schema.get("properties") if isinstance(schema, Mapping) else None
    return [{WRAPPER: value}] if isinstance(members, Mapping) and [*members] == [WRAPPER] else []


def plain_value(reply: Any, where: str) -> Any:
    """Return the plain JSON value of an object: of pydantic, a dataclass, or what JSON has."""
    if isinstance(reply, dict | list | int | float | None):
        try:
            json.dumps(reply)
            return reply
        except (TypeError, ValueError, RecursionError):
            pass  # it holds other objects
    with needing("A reply that is an object", "typed", where=where, otherwise="or give its JSON as text"):
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
    return OptionError(
        f"{shown(reply)} is no value of JSON.",
        where=where,
        cure="Give a text, an object of the type, a dict, an sg.Call or a list of these.",
    )


def in_order(value: Any, schema: Any, root: Any = None, depth: int = 0) -> Any:
    """Return a value whose keys come in the order in which a schema first names them; other keys behind.
    `root`: the schema that references point into, by default the same."""
    root = schema if root is None else root
    if depth > 100:
        return value
    if isinstance(value, list):
        items, first = (_values_of_keyword(schema, root, name) for name in ("items", "prefixItems"))
        placed = [items + [some[at] for some in first if at < len(some)] for at in range(len(value))]
        return [in_order(item, some, root, depth + 1) for item, some in zip(value, placed, strict=True)]
    if not isinstance(value, dict):
        return value
    known: dict[str, Any] = {}
    for part in _values_of_keyword(schema, root, "properties"):
        if isinstance(part, Mapping):
            for key, member in part.items():
                known.setdefault(key, []).append(member)
    keys = [key for key in known if key in value] + [key for key in value if key not in known]
    others = _values_of_keyword(schema, root, "additionalProperties")
    others += [
        part for some in _values_of_keyword(schema, root, "patternProperties") for part in some.values()
    ]
    return {key: in_order(value[key], known.get(key, others), root, depth + 1) for key in keys}


def _values_of_keyword(schemas: Any, root: Any, keyword: str) -> list[Any]:
    """Return the values of a keyword in schemas, and in what these refer to or consist of."""
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
