"""Writes calls in the format of a model, for prompts without a chat template and for tests of templates.

For example, in the format `hermes` a call of `add` is `<tool_call>{"name": "add", ...}</tool_call>`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from structgen.asking.tool_calls.format_rows import check_name, format_of
from structgen.asking.tool_calls.tool_format import ToolFormat
from structgen.asking.tool_calls.tool_replies import Call
from structgen.base.errors import OptionError
from structgen.base.json_text.exact_json import kind_name
from structgen.grammars.text_grammars.composition.templates import fill_template, template_places


def write_calls(calls: Sequence[Call], format: str | ToolFormat | Any) -> str:
    """Return the text of some calls in a format, with the texts before and after all calls.

    Raises `OptionError` for a name, a key or a string that the format cannot write.
    """
    row = format_of(format)
    begin, end = row.section
    joint = row.separator if begin else row.blocks or ("" if row.member else "\n")
    return begin + joint.join(_write_call(call, row) for call in calls) + end


def _write_call(call: Call, row: ToolFormat) -> str:
    """Return the text of one call in a format. Errors: OptionError."""
    assert isinstance(row.calls, tuple)
    check_name(call.name, row.names, row, f"the call of {call.name}")
    empty = [template for template in row.calls if not {"arguments", "quoted"} & template_places(template)]
    # some formats write a call without arguments in another way
    template = empty[0] if empty and not call.arguments else row.calls[0]
    # ids such as functions.f:0 and call_0 end with the number of the call
    index = call.id.rsplit(":", 1)[-1].removeprefix("call_")
    document = json.dumps(call.arguments, ensure_ascii=False)
    values = {
        "name": call.name,
        "id": call.id,
        "index": index if index.isdecimal() else "0",
        "quoted": json.dumps(document, ensure_ascii=False),
        "arguments": _write_object(call.arguments, row) if row.member else document,
    }
    return fill_template(template, values)


def _write_object(value: Mapping[str, Any], row: ToolFormat) -> str:
    return _join_parts(
        (_write_element(row.member, key, member, row) for key, member in value.items()), row, 0
    )


def _join_parts(parts: Iterator[str], row: ToolFormat, bracket: int) -> str:
    inside = row.between.join(parts)
    return row.brackets[bracket] + inside + row.brackets[bracket + 1] if row.brackets else inside


def _write_element(
    template: str,
    key: str,
    value: Any,
    row: ToolFormat,
) -> str:
    """Return the text of a member or an item, by its template."""
    if template == row.member:
        check_name(key, row.keys, row, f"the argument {key}")
    end = template.partition("$value")[2]
    value_text = row.frame + _write_value(value, row, fill_template(end, {"key": key})) + row.frame
    return fill_template(
        template, {"key": key, "type": row.types.get(kind_name(value), ""), "value": value_text}
    )


def _write_value(value: Any, row: ToolFormat, end: str) -> str:
    """Return the text of a value. `end` is the text after it, which no string may contain. Errors:
    OptionError."""
    if isinstance(value, str):
        # a string that holds its own end would be read back shorter
        stop = next((mark for mark in row.stops or (row.quote or end, *row.ends) if mark in value), None)
        if stop is not None:
            raise OptionError(
                f"A string contains {stop!r}, which would end it.",
                where=f"the format {row.name}",
                cure="Write it differently: the format has no escapes.",
            )
        return row.quote + value + row.quote
    if row.nested and isinstance(value, Mapping):
        return _write_object(value, row)
    if row.nested and isinstance(value, list):
        return _join_parts((_write_element(row.item, "", item, row) for item in value), row, 2)
    return json.dumps(value, ensure_ascii=False)
