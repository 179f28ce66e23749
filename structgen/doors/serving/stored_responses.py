"""Responses that a client wants kept (`store: true`): the conversations that later requests go on with.

A stored response has its whole conversation: the items before it, those of its request, and those of its
output. So it needs no other response, which may be deleted or expire, and none can refer to itself. A
conversation has at most as many bytes as a body.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable, Sequence
from types import MappingProxyType
from typing import Final, NamedTuple

from structgen.base.json_text.exact_json import JsonObject
from structgen.doors.serving.api_errors import ApiError
from structgen.doors.serving.record_store import FILE_BYTES, RecordStore, as_bytes

KEPT_BY_NOBODY: Final = "store: nothing is kept. A server with --files keeps answers of /v1/responses"
"""The warning of an answer that its client wants kept."""
_PREFIXES: Final = MappingProxyType(
    {"message": "msg", "function_call": "fc", "custom_tool_call": "ctc", "reasoning": "rs"}
)
"""What the ids of items begin with."""


class StoredResponses(NamedTuple):
    """The responses of an owner in the store of a server. Errors: those of `RecordStore`."""

    store: RecordStore
    owner: str

    def read_conversation(self, name: str) -> list[JsonObject]:
        """Return the items up to the end of a response. Raises ApiError where the owner has no such response,
        or where there are more bytes than a body may have."""
        items = list[JsonObject]()
        size = 0
        number = self._response_number(name)
        for _, _, content in self.store.lines(number):
            # a conversation grows with each response, and must stay readable as one body
            size += len(content)
            if size > self.store.options.max_body:
                fault = f"The conversation has more than {self.store.options.max_body:,} bytes."
                raise ApiError(f"{fault} Start another one.", param="previous_response_id")
            items.append(json.loads(content))
        self._response_number(name)  # what is there still was there all the time
        return items

    def _response_number(self, name: str) -> int:
        """Return the number of a response that a request goes on with. Raises ApiError."""
        try:
            return self.store.find("responses", name, self.owner).number
        except ApiError:
            fault = f"Previous response with id {name[:80]!r} not found."
            code = "previous_response_not_found"
            raise ApiError(fault, param="previous_response_id", code=code) from None

    def find_item(self, name: str, where: str) -> JsonObject:
        """Return the item of an `item_reference`. Raises ApiError where the owner has none of this id."""
        content = self.store.item(self.owner, name)
        if content is None:
            fault = f"{where}: Item with id {name[:80]!r} not found. Answers to `store: true` have items."
            raise ApiError(fault, status=404, param=where)
        item: JsonObject = json.loads(content)
        return item

    def check_room(self, items: Sequence[JsonObject]) -> None:
        """Raise ApiError where there is no room for a response to some items."""
        self.store.check_room(self.owner, FILE_BYTES + len(as_bytes(items)))

    def keep_response(self, response: JsonObject, items: Iterable[JsonObject]) -> None:
        """Keep a response, whose conversation is some items and its output. Raises ApiError where there is no
        room for it."""
        names = set[str]()
        rows = [
            ("input", item["id"], as_bytes(item)) for item in (_whole_item(entry, names) for entry in items)
        ]
        rows += [("output", item["id"], as_bytes(item)) for item in response["output"]]
        size = len(as_bytes(response)) + sum(len(content) for _, _, content in rows)
        with self.store.transaction():
            self.store.check_room(self.owner, FILE_BYTES + size)
            self.store.add(self.owner, "responses", response, self.store.last_day(), items=rows)


def _whole_item(item: JsonObject, names: set[str]) -> JsonObject:
    """Return an item of a request as it is listed: with a type, the parts of its text, and an id that is not
    among the `names` of items before it, to which it is added. An item that is repeated gets another one."""
    kind = item.get("type") or "message"
    content = item.get("content")
    name = item.get("id")
    if not name or name in names:
        # an item that is repeated in a conversation is another one
        name = f"{_PREFIXES.get(kind, 'item')}_{secrets.token_hex(12)}"
    names.add(name)
    whole = {"status": "completed", **item, "id": name, "type": kind}
    if isinstance(content, str):
        text = "output_text" if item.get("role") == "assistant" else "input_text"
        annotations: JsonObject = {"annotations": []} if text == "output_text" else {}
        whole["content"] = [{"type": text, "text": content, **annotations}]
    return whole
