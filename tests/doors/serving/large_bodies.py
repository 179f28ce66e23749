"""Bodies of each kind that are as large as a limit allows, for each address, and a client that sends them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from typing import Any

from served_apps import TOOL, schema_format
from starlette.applications import Starlette

from structgen.doors.serving.app import SHAPES

FORM = "multipart/form-data; boundary=XY"
_USER = {"role": "user", "content": "Hi"}
_BARE: dict[str, dict[str, Any]] = {
    "/v1/chat/completions": {"messages": [_USER], "max_tokens": 1},
    "/v1/completions": {"prompt": "x", "max_tokens": 1},
    "/v1/responses": {"input": "x", "max_output_tokens": 1},
    "/v1/responses/input_tokens": {"input": "x"},
    "/v1/messages": {"messages": [_USER], "max_tokens": 1},
    "/v1/messages/count_tokens": {"messages": [_USER]},
    "/tokenize": {"prompt": "x"},
    "/detokenize": {"tokens": [1]},
    "/v1/batches": {"input_file_id": "file-0", "endpoint": "/v1/responses", "completion_window": "24h"},
}
ADDRESSES = tuple(_BARE)
assert {shape.path for shape in SHAPES} <= set(ADDRESSES)
PIECE = '{"type": "text", "text": "a"}'
TOOLS = json.dumps(TOOL)

MEMBERS: dict[str, Callable[[int], str]] = {
    "deep": lambda size: f'"metadata": {"[" * (size // 2)}{"]" * (size // 2)}',
    "deep lists": lambda size: '"metadata": [' + ("[" * 300 + "]" * 300 + ",") * (size // 601) + "0]",
    "wide list": lambda size: '"messages": [' + "[]," * (size // 3) + "1]",
    "wide numbers": lambda size: '"prompt": [' + "1," * (size // 2) + "1]",
    "wide floats": lambda size: '"prompt": [' + "1.5," * (size // 4) + "1]",
    "not finite": lambda size: '"prompt": [' + "1.5," * (size // 4) + "1e999]",
    "wide object": lambda size: '"metadata": {' + ",".join(f'"{at:09}":1' for at in range(size // 14)) + "}",
    "members": lambda size: ",".join(f'"{at:09}":1' for at in range(size // 14)),
    "long key": lambda size: f'"{"a" * size}": 1',
    "long keys": lambda size: ",".join(f'"{at:09}{"b " * 500}": 1' for at in range(size // 1013)),
    "long text": lambda size: f'"messages": [{{"role": "user", "content": "{"a b " * (size // 4)}"}}]',
    "long prompt": lambda size: f'"prompt": "{"a b " * (size // 4)}"',
    "long input": lambda size: f'"input": "{"a b " * (size // 4)}"',
    "escapes": lambda size: '"input": "' + "\\u202e" * (size // 6) + '"',
    "long model": lambda size: f'"model": "{"a" * size}"',
    "a wrong value": lambda size: f'"temperature": [{"1, " * (size // 3)}1]',
    "parts": lambda size: (
        f'"messages": [{{"role": "user", "content": [{(PIECE + ",") * (size // 30)}{PIECE}]}}]'
    ),
    "messages": lambda size: f'"messages": [{(json.dumps(_USER) + ",") * (size // 35)}{json.dumps(_USER)}]',
    "tools": lambda size: f'"tools": [{(TOOLS + ",") * (size // len(TOOLS))}{TOOLS}], "tool_choice": "x"',
    "echoed text": lambda size: (
        f'"instructions": "{"a" * (size // 2)}", "metadata": {{"a": "{"b" * (size // 2)}"}}'
    ),
    "tools that are echoed": lambda size: (
        '"tools": ['
        + ",".join(f'{{"type": "function", "name": "f{at}", "parameters": {{}}}}' for at in range(size // 60))
        + '], "tool_choice": "none"'
    ),
    "stops": lambda size: f'"stop": [{"1," * (size // 2)}"a"]',
    "biases": lambda size: '"logit_bias": {' + ",".join(f'"{at}":1' for at in range(size // 12)) + "}",
    "values": lambda size: (
        '"response_format": '
        + json.dumps(schema_format({"enum": []})).replace("[]", "[" + "0," * (size // 2) + "1]")
    ),
    "properties": lambda size: (
        '"response_format": '
        + json.dumps(schema_format({"properties": 0})).replace(
            "0", "{" + ",".join(f'"{at}":{{}}' for at in range(size // 12)) + "}"
        )
    ),
    "a pattern": lambda size: f'"guided_regex": "{"(a" * (size // 2)}"',
    "a grammar": lambda size: f'"guided_grammar": "start: {"A " * (size // 2)}"',
    "no JSON": lambda size: '"a": "' + "\\\\" * (size // 2),
}
CONTENTS: dict[str, Callable[[int], bytes]] = {
    "a file": lambda size: _part("file", b"x" * size) + _part("purpose", b"batch") + b"--XY--",
    "breaks": lambda size: _part("file", b"\r\n--X" * (size // 5)) + _part("purpose", b"batch") + b"--XY--",
    "parts": lambda size: _part("purpose", b"batch") * (size // 60),
    "an endless part": lambda size: _part("file", b"x" * size),
    "a header": lambda size: b"--XY\r\nA: " + b"b" * size,
    "a name": lambda size: _part("a" * size, b""),
    "semicolons": lambda size: _part('file"; filename="' + ";" * size, b""),
    "a field": lambda size: _part("purpose", b"x" * size),
}


def _part(name: str, content: bytes) -> bytes:
    return f'--XY\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n'.encode() + content + b"\r\n"


def large_bodies(size: int) -> Iterator[tuple[str, str, str, bytes]]:
    """Yield addresses, kinds, content-types and bodies of about so many bytes each."""
    for address, bare in _BARE.items():
        for kind, members in MEMBERS.items():
            said = members(size)
            left = {name: value for name, value in bare.items() if f'"{name}"' not in said[:20]}
            model = '"model": "extract",' * ('"model"' not in said[:20] and address != "/v1/batches")
            text = f"{{{model}{json.dumps(left)[1:-1]}{', ' * bool(left)}{said}}}"
            yield address, kind, "application/json", text.encode()[:size]
    for kind, content in CONTENTS.items():
        yield "/v1/files", kind, FORM, content(size)


async def send(
    app: Starlette, address: str, content_type: str, data: bytes, piece: int = 0
) -> tuple[int, bytes]:
    """Return the status and the body of an answer. Nothing of this is done by the client's side in the event
    loop but what is in proportion to the number of pieces."""
    pieces = [data[at : at + piece] for at in range(0, len(data), piece)] if piece else [data]
    messages: list[dict[str, Any]] = [
        {"type": "http.request", "body": one, "more_body": True} for one in pieces
    ] + [{"type": "http.request", "body": b"", "more_body": False}]
    messages.reverse()
    found, status = list[bytes](), 0

    async def receive() -> dict[str, Any]:
        if messages:
            return messages.pop()
        await asyncio.Event().wait()
        raise AssertionError

    async def answer(message: Any) -> None:
        nonlocal status
        status = message.get("status", status)
        found.append(message.get("body", b""))

    headers = [(b"content-type", content_type.encode()), (b"content-length", str(len(data)).encode())]
    scope = {"type": "http", "method": "POST", "path": address, "headers": headers, "query_string": b""}
    scope |= {"root_path": "", "scheme": "http", "http_version": "1.1", "raw_path": address.encode()}
    await app(scope, receive, answer)  # type: ignore[arg-type]
    return status, b"".join(found)
