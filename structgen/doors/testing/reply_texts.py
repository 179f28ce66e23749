"""The text of a scripted reply, as the form of its request wants it written; and where a form forbids one."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from types import MappingProxyType
from typing import Any, NamedTuple

from structgen.asking.tool_calls.call_writing import written_calls
from structgen.asking.tool_calls.format_rows import FORMATS
from structgen.asking.tool_calls.tool_format import ToolFormat
from structgen.asking.tool_calls.tool_replies import Call
from structgen.base.errors import OptionError
from structgen.base.language.checks import encodable, shown
from structgen.base.system.installation import needing
from structgen.doors.cli.position import TextStop
from structgen.doors.typed.worked.worked_examples import SPELLINGS
from structgen.doors.typed.wrapping import WRAPPER, wrapper_of
from structgen.machines.core.compiled import CompiledGrammar


class ReplyForm(NamedTuple):
    """What a reply is written for."""

    compiled: CompiledGrammar | None
    """None: free text."""
    format: ToolFormat | None = None
    """How the model writes calls; None: it does not tell."""
    specials: Mapping[str, int] = MappingProxyType({})
    """The ids of tokens without bytes, by their texts."""

    def stop(self, text: str) -> TextStop | None:
        """Return the place at which a text leaves the form, as `structgen check` finds it; None for a text
        that is allowed. Texts of special tokens are these tokens where they may come. Cost: linear."""
        compiled = self.compiled
        if compiled is None:
            return None
        state, at, data = compiled.start, 0, text.encode()
        for part in re.split(f"({'|'.join(map(re.escape, self.specials)) or '(?!)'})", text):
            token = self.specials.get(part)
            after = None if token is None else compiled.step(state, token)
            if after is None:
                after = compiled.step_bytes(state, part.encode())
            if after is None:
                while (after := compiled.step_bytes(state, data[at : at + 1])) is not None:
                    state, at = after, at + 1
                return TextStop(state, data, at)
            state, at = after, at + len(part.encode())
        is_word = compiled.is_finished(state) or compiled.accepts_end(state)
        return None if is_word else TextStop(state, data, at)

    def fault(self, text: str) -> str:
        """Return in words, on lines of their own, what cannot come in a text and what could; "" for a text
        that is allowed."""
        stop = self.stop(text)
        if stop is None or self.compiled is None:
            return ""
        expected = [item.what for item in self.compiled.expected(stop.state) if item.what != "white space"]
        fault = "it ends too early" if stop.found is None else f"{stop.found!r} cannot come"
        line, caret = stop.excerpt()
        could = f"\nexpected {' or '.join(expected[:6])}" if expected else ""
        return f"{fault} at line {stop.line}, column {stop.column}\n  {line}\n  {caret}{could}\n"

    def text(self, reply: Any, where: str) -> str:
        """Return the text that is said for a reply: a text as it is; calls as a format writes them; any other
        object as JSON. Of several ways to write it, the first that the form allows; where it allows none, the
        first. Errors: OptionError for what is no value of JSON, and for calls that the format cannot
        write."""
        ways = self._ways(reply, where)
        first = next(ways)
        if self.stop(first) is None:
            return first
        return next((way for way in ways if self.stop(way) is None), first)

    def _ways(self, reply: Any, where: str) -> Iterator[str]:
        """Yield the texts that may be said for a reply."""
        schema = None if self.compiled is None else self.compiled.grammar.schema
        calls = [reply] if isinstance(reply, Call) else reply
        if isinstance(calls, list | tuple) and calls and all(isinstance(call, Call) for call in calls):
            yield self._calls_text(calls)
        elif isinstance(reply, str):
            yield encodable(where, reply)
            yield from _quoted(reply, schema)
        else:
            plain = plain_value(reply, where)
            for value in (plain, {WRAPPER: plain}):
                for made in (in_order(value, schema), value):
                    for how in SPELLINGS:
                        yield json.dumps(made, **how)

    def _calls_text(self, calls: Sequence[Call]) -> str:
        """Return calls as the form has them written. A grammar does not tell its format: it is the one in
        which these calls are allowed and those of an unknown tool are not. Errors: OptionError for a call
        that no format, or not the model's, can write."""
        rows = [row for row in (self.format, *FORMATS.values()) if row is not None]
        for row in rows if self.compiled is not None else ():
            unknown = [Call(f"no_{call.name}_", call.arguments, call.id) for call in calls]
            with suppress(OptionError):
                text, other = (row.lead + written_calls(some, row) for some in (calls, unknown))
                if self.stop(text) is None and self.stop(other) is not None:
                    return text
        return rows[0].lead + written_calls(calls, rows[0])


def _quoted(reply: str, schema: Any) -> Iterator[str]:
    """Yield the documents that hold a text: as a string, where a schema has only strings; in the object that
    holds a type's document, where a schema is one of these."""
    if not isinstance(schema, Mapping):
        return
    members = schema.get("properties")
    if isinstance(members, Mapping) and [*members] == [WRAPPER] and not reply.lstrip().startswith("{"):
        yield from map(wrapper_of, (reply, json.dumps(reply, ensure_ascii=False)))
    listed = schema.get("enum", [schema["const"]] if "const" in schema else [None])
    has_strings = schema.get("type") == "string" or all(isinstance(value, str) for value in listed)
    if has_strings and not reply.lstrip().startswith('"'):
        yield json.dumps(reply, ensure_ascii=False)


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
    if isinstance(value, list):
        items = _parts(schema, root, "items")
        return [in_order(item, items, root, depth + 1) for item in value]
    if not isinstance(value, dict) or depth > 100:
        return value
    known: dict[str, Any] = {}
    for part in _parts(schema, root, "properties"):
        if isinstance(part, Mapping):
            for key, member in part.items():
                known.setdefault(key, []).append(member)
    keys = [key for key in known if key in value] + [key for key in value if key not in known]
    return {key: in_order(value[key], known.get(key, []), root, depth + 1) for key in keys}


def _parts(schemas: Any, root: Any, keyword: str) -> list[Any]:
    """Return the values of a keyword in schemas, and in what these refer to or consist of."""
    found, seen = list[Any](), set[int]()
    waiting = list(schemas) if isinstance(schemas, list) else [schemas]
    while waiting:
        schema = waiting.pop(0)
        if not isinstance(schema, Mapping) or id(schema) in seen:
            continue
        seen.add(id(schema))
        if keyword in schema:
            found.append(schema[keyword])
        name = str(schema.get("$ref", ""))
        if name.startswith("#"):
            part: Any = root
            for step in name.removeprefix("#").split("/")[1:]:
                step = step.replace("~1", "/").replace("~0", "~")
                part = part.get(step) if isinstance(part, Mapping) else None
            waiting.append(part)
        for joined in ("allOf", "anyOf", "oneOf"):
            waiting += schema.get(joined, [])
    return found
