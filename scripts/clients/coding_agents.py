"""What the files of agents share: a scripted model that runs a command and then answers.

An agent is started in an empty folder, with the task to run a command. The model asks for a tool of the agent
that runs commands, reads what the command printed, and answers. The agent did well where its model read the
output of the command, all requests were answered, and the agent printed the answer.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import tempfile
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Any

import structgen as sg
from structgen.doors.testing.stand_in import Address

FOLDER = Path(os.environ["CLIENT_FOLDER"])
BINARIES = FOLDER / "node_modules" / ".bin"
COMMAND = "echo structgen-$((40 + 2))"
PRINTED = "structgen-42"
"""What the command prints; it does not stand in the task."""
TASK = f"Run the command `{COMMAND}` and tell me what it prints."
ANSWER = "It prints the number forty-two."
SECONDS = float(os.environ.get("AGENT_SECONDS", "120"))
Settings = Callable[[Address, Path], tuple[Sequence[str], dict[str, str]]]
"""Return the command of an agent and its variables, of a server's address and the folder that is its home."""


def call_of(body: dict[str, Any], prompt: str, tools: dict[str, dict[str, Any]]) -> Any:
    """Return the reply to a request: a call of the first of `tools` that the request has, until the output of
    the command stands in the prompt; then the answer. A request without one of them, such as one for a title,
    has a word."""
    if PRINTED in prompt or PRINTED in str(body):
        return ANSWER
    offered = {}
    for tool in _tools_of(body):
        offered[tool.get("function", tool).get("name")] = tool
    for name, arguments in tools.items():
        if name in offered:
            return sg.Call(name, arguments, "call_1")
    return "Numbers"


def _tools_of(found: Any) -> list[Any]:
    """Return the tools of a body, also those of its items."""
    tools = list(found.get("tools") or ())
    items = found.get("input")
    for item in items if isinstance(items, list) else ():
        tools += item.get("tools") or ()
    return [inner for tool in tools for inner in (tool.get("tools") or [tool])]


def does_task(settings: Settings, tools: dict[str, dict[str, Any]]) -> Address:
    """Start an agent on its task; return the address, with the requests. Raise AssertionError where the agent
    did not do well."""
    requests = list[Any]()

    def reply(prompt: str) -> Any:
        return call_of(requests[0][-1], prompt, tools)

    with (
        tempfile.TemporaryDirectory() as home,
        tempfile.TemporaryDirectory() as work,
        sg.testing.server(reply) as url,
    ):
        requests.append(url.requests)
        command, variables = settings(url, Path(home))
        inherited = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        process = subprocess.Popen(
            command,
            cwd=work,
            env={**inherited, "HOME": home, **variables},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        timer = threading.Timer(SECONDS, os.killpg, (process.pid, signal.SIGKILL))
        timer.start()
        out, err = process.communicate()
        timer.cancel()
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        said = f"exit status {process.returncode}\n{out[-3000:]}\n{err[-3000:]}"
        assert url.requests, f"no request reached the server: {said}"
        _keep_bodies(url)
        tools_there = [tool.get("function", tool).get("name") for tool in _tools_of(url.requests[-1])]
        said += f"\n{len(url.requests)} requests, tools {tools_there}"
        assert any(PRINTED in str(body) for body in url.requests), f"no output of the command: {said}"
        assert process.returncode == 0 and ANSWER in out, said
    return url


def _keep_bodies(url: Address) -> None:
    """Write the first request of a run with tools into .clients/bodies, for bench/bench_agents.py. The runs
    of an agent are numbered."""
    bodies = FOLDER.parent / "bodies"
    bodies.mkdir(exist_ok=True)
    body = next((body for body in url.requests if _tools_of(body)), None)
    if body is not None:
        number = next(_NUMBERS)
        (bodies / f"{FOLDER.name}-{number}.json").write_text(json.dumps(body, indent=1), encoding="utf-8")


_NUMBERS = count(1)
"""The numbers of the runs of this process."""
