"""Ids of calls: those that a format writes, and those of a history as its chat template takes them."""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping, Sequence
from typing import Any

from structgen.errors import OptionError
from structgen.text_grammars.composition.templates import filled
from structgen.tool_calls.tool_format import ToolFormat


def new_id(row: ToolFormat, name: str, number: int) -> str:
    """Return the id of a call that begins: by its number, where the format counts calls, else one that no
    other call has."""
    token = secrets.token_hex(12)
    listed = (f"call_{token}", token[:9])
    return next((one for one in listed if _is_own(row, one, name)), counted_id(row, name, number))


def counted_id(row: ToolFormat, name: str, number: int) -> str:
    """Return the id of a call that stands at a place among others."""
    found = filled(row.id, {"name": name, "index": str(number)})
    return found if _is_own(row, found, name) else f"call{number:05}"


def _is_own(row: ToolFormat, id: str, name: str) -> bool:
    return re.fullmatch(row.ids.replace("$name", re.escape(name)), id) is not None


def renamed(
    messages: Sequence[Mapping[str, Any]], row: ToolFormat, where: str = "messages"
) -> list[dict[str, Any]]:
    """Return the messages of a history, the ids of calls and of their results as the format writes them: an
    id of another form, one that comes again, or none becomes one by the number of the call. A result belongs
    to the last turn that has its id, there to the first call without a result; one without an id to the next
    call without one. So equal histories, and longer ones, have equal ids.

    Raises `OptionError` for a result of no call.
    """
    found: list[dict[str, Any]] = []
    calls: list[tuple[str, str, str, int]] = []
    answered, taken = set[str](), set[str]()
    for at, message in enumerate(messages):
        made = dict(message)
        if message.get("tool_calls"):
            made["tool_calls"] = []
            for call in message["tool_calls"]:
                name, id = call["function"]["name"], str(call.get("id") or "")
                new, number = id, len(calls)
                while new in taken or not _is_own(row, new, name):
                    new, number = counted_id(row, name, number), number + 1
                taken.add(new)
                calls.append((id, new, name, at))
                made["tool_calls"].append({**call, "id": new})
        elif message.get("role") in ("tool", row.role):
            id = str(message.get("tool_call_id") or "")
            listed = [one for one in calls if id in ("", one[0])]
            if not listed:
                raise OptionError(
                    f"It is the result of the call {id!r}, which no message before it has.",
                    where=f"{where}/{at}/tool_call_id",
                    cure="Send the assistant's message with its tool_calls before the results.",
                )
            turn = max(one[3] for one in listed)
            left = [one for one in listed if one[1] not in answered and (not id or one[3] == turn)]
            _, new, name, _ = (left or listed[-1:])[0]
            answered.add(new)
            made |= {"tool_call_id": new, "name": message.get("name") or name}
        found.append(made)
    return found
