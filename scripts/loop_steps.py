"""Print the longest step of the server's event loop, in CPU milliseconds, for the largest body of each kind.

    python scripts/loop_steps.py [SIZE]

A step is one callback between two looks for events; nothing else is served meanwhile. SIZE: bytes of a body
(the server's limit, 8 MiB). The clock is that of the loop's own thread: a busy machine changes little.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "doors" / "serving"))

from large_bodies import FORM, large_bodies, send
from served_apps import CHAT, FORMAT, app_of

import structgen as sg
from structgen.doors.serving.server_options import ServerOptions

MOST_MS = 50.0
PIECE = 1 << 16
"""Bytes that a connection hands over at once."""


class Steps:
    """The longest step of the loop since `clear`."""

    def __init__(self) -> None:
        self.longest = 0.0
        run = asyncio.Handle._run

        def measured(handle: Any) -> None:
            began = time.thread_time()
            try:
                run(handle)
            finally:
                self.longest = max(self.longest, time.thread_time() - began)

        asyncio.Handle._run = measured  # type: ignore[method-assign]


async def measure(folder: Path, size: int) -> dict[str, tuple[float, str]]:
    """Return the longest step for each kind of body, in ms, and the address where it was taken."""
    app = app_of(sg.Engine("structgen/extract"), ServerOptions(files=folder, key_bytes=1 << 40))
    warm = json.dumps({**CHAT, "response_format": FORMAT}).encode()
    await send(app, "/v1/chat/completions", "application/json", warm)
    steps, longest = Steps(), dict[str, tuple[float, str]]()
    for address, kind, content_type, data in large_bodies(size):
        await asyncio.sleep(0)  # a step that made the body ends here
        steps.longest = 0.0
        status, _ = await send(app, address, content_type, data, PIECE)
        await asyncio.sleep(0)
        name = f"form: {kind}" if content_type == FORM else kind
        took = 1000 * steps.longest
        print(f"{address}, {name}: {took:.1f} ms", file=sys.stderr)
        longest[name] = max(longest.get(name, (0.0, "")), (took, f"{address} ({status})"))
        if status >= 500:
            raise SystemExit(f"{address}, {kind}: status {status}")
    return longest


def main() -> None:
    size = int(sys.argv[1]) if len(sys.argv) > 1 else 8 << 20
    with tempfile.TemporaryDirectory() as folder:
        longest = asyncio.run(measure(Path(folder), size))
    print(f"| body of {size:,} bytes | longest step, CPU ms | at |\n|---|---|---|")
    for kind, (took, address) in sorted(longest.items(), key=lambda row: -row[1][0]):
        print(f"| {kind} | {took:.1f}{' (!)' if took > MOST_MS else ''} | {address} |")


if __name__ == "__main__":
    main()
