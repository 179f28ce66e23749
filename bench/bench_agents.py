"""What does a coding agent's request cost a server before its first token?

    make test-clients CLIENTS="codex opencode qwen-code cline continue"
    python bench/bench_agents.py [.clients/bodies] [--like smollm2] [--rounds 5]

Coding agents send 9 to 25 tools with each request, 7 to 77 KB. `make test-clients` keeps the bodies that they
send in .clients/bodies. Each body is posted to `sg.testing.server` in this process, whose model answers with
one word over the tokens of a model (`--like`). `first_cpu_s`: the processor seconds of the process for a
request that comes for the first time; `again_cpu_s`: the median of the same request, sent again. Reading
the body, compiling its tools, the masks of one word, and the response are all in them.

Prints a table and writes bench/results/agents-DATE.csv.
"""

from __future__ import annotations

import json
import statistics
import time
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

from records import arguments, load, show, version, write

import structgen as sg

COLUMNS = ("body", "tools", "bytes", "first_cpu_s", "again_cpu_s")
WEATHER = {"name": "weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}}
WARM_UP = {
    "model": "x",
    "messages": [{"role": "user", "content": "Hello."}],
    "tools": [{"type": "function", "function": WEATHER}],
}


def path_of(body: dict[str, Any]) -> str:
    """Return the path of the API that a body is for: only Anthropic's has a system prompt or tools that show
    their schema as `input_schema`."""
    if "messages" not in body:
        return "responses"
    tools = body.get("tools") or [{}]
    return "messages" if "system" in body or "input_schema" in tools[0] else "chat/completions"


def count_tools(body: dict[str, Any]) -> int:
    """Return the number of tools of a body, those in the items of its input too."""
    items = body.get("input")
    lists = [body, *(items if isinstance(items, list) else ())]
    tools = [tool for one in lists for tool in one.get("tools") or ()]
    return sum(len(tool.get("tools") or [tool]) for tool in tools)


def post(url: str, body: dict[str, Any]) -> float:
    """Post a body and read the whole answer. Return the processor seconds of this process. Errors: HTTPError
    for a body that the server refuses."""
    headers = {"content-type": "application/json", "authorization": "Bearer x", "x-api-key": "x"}
    request = Request(f"{url}/{path_of(body)}", json.dumps(body).encode(), headers)
    before = time.process_time()
    with urlopen(request) as response:
        response.read()
    return time.process_time() - before


def main() -> None:
    """Measure, print and write."""
    reader = arguments(__doc__)
    reader.add_argument("folder", type=Path, nargs="?", default=Path(".clients/bodies"))
    reader.add_argument("--like", default="smollm2")
    reader.add_argument("--rounds", type=int, default=5)
    options = reader.parse_args()
    files = sorted(options.folder.glob("*.json"))
    if not files:
        reader.error(f"{options.folder} has no bodies: run make test-clients with coding agents first")
    rows = []
    with sg.testing.server(lambda _prompt: "Numbers", like=options.like) as url:
        for _ in range(3):
            post(url, WARM_UP)
        for file in files:
            body = json.loads(file.read_text(encoding="utf-8"))
            first = post(url, body)
            again = statistics.median(post(url, body) for _ in range(options.rounds))
            size = len(json.dumps(body))
            rows.append((file.stem, count_tools(body), size, round(first, 3), round(again, 3)))
    show(COLUMNS, rows)
    about = {"version": version(), "load": load(), "tokens": options.like}
    print(write(options.results, "agents", about, COLUMNS, rows))


if __name__ == "__main__":
    main()
