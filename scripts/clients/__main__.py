"""Ask `structgen serve` for the features of clients that others wrote (`make test-clients`).

    python scripts/clients [CLIENT ...] [--models smollm2 extract] [--only FEATURE ...] [--kept] [--write]

Each client has an environment in .clients/CLIENT, in which its newest version is installed before each run
(`--kept`: only where the environment is not there): of Python by uv, of Node by npm. The features stand in
CLIENT_client.py or CLIENT_client.mjs, and features.py says how they are judged. The servers run in processes
of their own: `smollm2` (`make smollm2`), which takes any name of a model, and `extract`. Agents that write
code ask a server of their own, whose model says what a script has (coding_agents.py). Clients ask through a
relay; where a feature fails, .clients/failures has what was asked and answered. The programs of
docs/serving.md are run too, and their output is compared with the page. Nothing but the package registries is
reached: clients have a proxy that is not there. Without Node the clients of Node are left out, and their rows
stay.

It prints a line for each feature and model, and a table of clients. `--write` puts the rows of these clients
into the table of docs/serving.md, after a run with all models. Exit status 1 where a feature failed that is
not marked as another's fault, where one is marked that no longer fails on any model, or where a program
prints something else.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(ROOT / "scripts"))
from serving_checks import prints, programs, serving  # noqa: E402 - they stand beside this folder

HOME = ROOT / ".clients"
PAGE = ROOT / "docs" / "serving.md"
TITLE = (
    "| client, newest version | on | as its own first page writes it | what to set | ok"
    " | not ok: whose fault |"
)
BEGIN, END = "<!-- clients: make test-clients writes what follows -->\n", "<!-- clients: to here -->\n"
CLIENTS = {
    "openai": "openai pydantic",
    "anthropic": "anthropic pydantic",
    "openai-agents": "openai-agents",
    "pydantic-ai": "pydantic-ai-slim[openai,anthropic]",
    "instructor": "instructor[anthropic]",
    "langchain": "langchain langchain-openai langchain-anthropic langgraph",
    "litellm": "litellm",
    "llama-index": "llama-index-core llama-index-llms-openai-like",
    "dspy": "dspy",
    "smolagents": "smolagents[openai]",
    "autogen": "autogen-agentchat autogen-ext[openai]",
    "crewai": "crewai",
    "outlines": "outlines openai",
    "guidance": "guidance openai",
    "inspect-ai": "inspect-ai openai anthropic",
    "llm": "llm",
    "haystack": "haystack-ai",
    "semantic-kernel": "semantic-kernel",
    "magentic": "magentic",
    "google-adk": "google-adk litellm",
    "ag2": "ag2[openai]",
    "langextract": "langextract[openai]",
    "mcp": "mcp openai",
    "lm-eval": "lm-eval[api]",
    "guidellm": "guidellm",
}
"""What is installed for each client of Python."""
NODE_CLIENTS = {
    "openai-node": "openai zod",
    "ai-sdk": "ai @ai-sdk/openai @ai-sdk/openai-compatible @ai-sdk/anthropic zod",
    "langchain-js": "langchain @langchain/core @langchain/openai @langchain/anthropic zod",
    "codex": "@openai/codex",
    "opencode": "opencode-ai",
    "qwen-code": "@qwen-code/qwen-code",
    "cline": "cline",
    "continue": "@continuedev/cli",
}
"""What npm installs for each client of Node."""
AGENTS = ("codex", "opencode", "qwen-code", "cline", "continue")
"""The clients whose model is a script."""
HELPERS = ("openai", "anthropic", "pydantic", "zod", "@langchain/core", "litellm")
"""Packages whose versions are not told, unless they are the client."""
PROGRAMS = {
    "openai": "openai",
    "anthropic": "anthropic",
    "pydantic-ai": "pydantic_ai",
    "instructor": "instructor",
}
"""The clients of the page's programs, with the modules that these import."""
MODELS = {"smollm2": ("--name", "smollm2", "--name", "*"), "extract": ()}
"""The models that are served, and the options of their servers."""
SECONDS = 1800
"""The most that one client takes with one model."""
QUIET = {
    "ANONYMIZED_TELEMETRY": "False",
    "CREWAI_DISABLE_TELEMETRY": "true",
    "CREWAI_TRACING_ENABLED": "false",
    "DO_NOT_TRACK": "1",
    "HF_HUB_OFFLINE": "1",
    "HTTPS_PROXY": "http://127.0.0.1:9",
    "HTTP_PROXY": "http://127.0.0.1:9",
    "LANGSMITH_TRACING": "false",
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "NO_PROXY": "127.0.0.1,localhost",
    "OPENAI_AGENTS_DISABLE_TRACING": "1",
    "OTEL_SDK_DISABLED": "true",
    "HOME": str(HOME / "home"),
    "PYTHONPATH": "",
}
Row = dict[str, Any]
"""What a client's file printed of a feature, with `client` and `model`."""


def environment(name: str, *, kept: bool) -> Path:
    """Return what runs a client's file, in an environment with the newest versions of what it needs; where
    the registry does not answer, with those that are there. uv makes those of Python."""
    if name in NODE_CLIENTS:
        return _node_environment(name, kept=kept)
    uv, python = HOME / "uv" / "bin" / "uv", HOME / name / "bin" / "python"
    if not uv.is_file():
        subprocess.run([sys.executable, "-m", "venv", HOME / "uv"], check=True)
        subprocess.run([HOME / "uv" / "bin" / "python", "-m", "pip", "-q", "install", "uv"], check=True)
    settings = {**os.environ, "UV_CACHE_DIR": str(HOME / "cache"), "VIRTUAL_ENV": ""}
    there = python.is_file() and (HOME / name / "installed").is_file()
    if not there:
        command = [uv, "venv", "-q", "--clear", "--python", sys.executable, HOME / name]
        subprocess.run(command, check=True, env=settings)
    if not (there and kept):
        command = [uv, "pip", "install", "-q", "--upgrade", "--python", python, *CLIENTS[name].split()]
        done = subprocess.run(command, env=settings, check=not there)
        print(
            f"{name}: " + ("installed" if done.returncode == 0 else "the versions that are there"), flush=True
        )
        (HOME / name / "installed").touch()
    return python


def _node_environment(name: str, *, kept: bool) -> Path:
    """Return what runs the file of a client of Node: Node, or, for a file of Python, this Python."""
    folder = HOME / name
    there = (folder / "installed").is_file()
    if not (there and kept):
        folder.mkdir(exist_ok=True)
        (folder / "package.json").write_text('{"private": true, "type": "module"}', encoding="utf-8")
        packages = [f"{one}@latest" for one in NODE_CLIENTS[name].split()]
        command = ["npm", "install", "--no-audit", "--no-fund", "--loglevel=error", *packages]
        settings = {**os.environ, "npm_config_cache": str(HOME / "cache-npm")}
        done = subprocess.run(command, cwd=folder, env=settings, check=not there, stdout=subprocess.DEVNULL)
        print(
            f"{name}: " + ("installed" if done.returncode == 0 else "the versions that are there"), flush=True
        )
        (folder / "installed").touch()
    node = shutil.which("node")
    assert node is not None
    return Path(node if (HERE / f"{_file_of(name)}.mjs").is_file() else sys.executable)


def _file_of(name: str) -> str:
    """Return the name of a client's file, without its ending."""
    return f"{name.replace('-', '_')}_client"


def versions(name: str, python: Path) -> str:
    """Return the packages of a client that tell its version, each with its version."""
    is_node = name in NODE_CLIENTS
    packages = [re.sub(r"\[.*\]", "", one) for one in (NODE_CLIENTS if is_node else CLIENTS)[name].split()]
    packages = [one for one in packages if one == packages[0] or one not in HELPERS]
    if is_node:
        files = [HOME / name / "node_modules" / one / "package.json" for one in packages]
        found = [json.loads(file.read_text(encoding="utf-8"))["version"] for file in files]
        return ", ".join(f"npm:{one} {version}" for one, version in zip(packages, found, strict=True))
    code = (
        "import sys, importlib.metadata as m; print(*(f'{p} {m.version(p)}' for p in sys.argv[1:]), sep=', ')"
    )
    return subprocess.check_output([python, "-c", code, *packages], text=True).strip()


class Relay:
    """A port that hands on what it gets to a server's port and back, byte by byte, and keeps it."""

    def __init__(self, port: int) -> None:
        self.target = port
        self.kept = list[bytes]()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with suppress(OSError):  # the listener is closed
            while True:
                client, _ = self.listener.accept()
                server = socket.create_connection(("127.0.0.1", self.target))
                for source, sink in ((client, server), (server, client)):
                    threading.Thread(target=self._pump, args=(source, sink), daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):  # one side has closed the connection
            while piece := source.recv(1 << 16):
                self.kept.append(piece)
                sink.sendall(piece)
        with suppress(OSError):
            sink.shutdown(socket.SHUT_WR)

    def taken(self) -> bytes:
        """Return what went through since the last call."""
        self.kept, kept = [], self.kept
        return b"".join(kept)


@contextmanager
def served(models: Sequence[str]) -> Iterator[dict[str, Relay]]:
    """Start servers of the models; yield a relay to each."""
    with ExitStack() as stack:
        relays = {}
        for model in models:
            files = stack.enter_context(TemporaryDirectory())
            address, _ = stack.enter_context(serving(*MODELS[model], "--files", files, model=model))
            relays[model] = Relay(int(address.rpartition(":")[2].partition("/")[0]))
            stack.callback(relays[model].listener.close)
        yield relays


def asked(name: str, model: str, python: Path, relay: Relay | None, only: Sequence[str]) -> Iterator[Row]:
    """Run a client's file; yield a row for each feature, and one more where it does not come to its end.
    Without a relay the file has a server of its own."""
    (HOME / "home").mkdir(exist_ok=True)
    (HOME / "failures").mkdir(exist_ok=True)
    log = HOME / "failures" / f"{name}-{model}.log"
    file = HERE / f"{_file_of(name)}.py"
    if not file.is_file():
        for script in (f"{_file_of(name)}.mjs", "features.mjs"):  # Node finds packages beside a file
            shutil.copy(HERE / script, HOME / name)
        file = HOME / name / f"{_file_of(name)}.mjs"
    own = {"CLIENT_FOLDER": str(HOME / name), "PYTHONPATH": "" if relay else str(ROOT)}
    with log.open("wb") as stderr:
        process = subprocess.Popen(
            [python, file, relay.address if relay else "", model, *(["--only", *only] if only else [])],
            stdout=subprocess.PIPE,
            stderr=stderr,
            stdin=subprocess.DEVNULL,
            env={**os.environ, **QUIET, **own},
            start_new_session=True,
        )
        timer = threading.Timer(SECONDS, os.killpg, (process.pid, signal.SIGKILL))
        timer.start()
        try:
            assert process.stdout is not None
            for line in process.stdout:
                row = {"client": name, "model": model, **json.loads(line)}
                through = relay.taken() if relay else b""
                if row["error"]:
                    kept = re.sub(r"\W+", "-", f"{name} {model} {row['name']}") + ".txt"
                    (HOME / "failures" / kept).write_bytes(row["error"].encode() + b"\n\n" + through)
                yield row
            if process.wait():
                error = f"exit status {process.returncode}, see {log.relative_to(ROOT)}"
                yield {
                    "client": name,
                    "model": model,
                    "name": "the file",
                    "error": error,
                    "fault": "",
                    "line": "",
                    "seconds": 0,
                }
        finally:
            timer.cancel()
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def shows(name: str, python: Path, address: str) -> bool:
    """Run the page's programs of a client; return whether they print what the page says."""
    good = True
    for program, output in programs(PAGE.read_text(encoding="utf-8")):
        imported = re.findall(r"^(?:import|from) (\w+)", program, re.MULTILINE)
        own = [client for client, module in PROGRAMS.items() if module in imported]
        # a client's program may import openai too
        if name == (own or [""])[-1]:
            good = prints(name, python, program, output, f"{address}/v1") and good
    return good


def table_row(rows: Sequence[Row], version: str) -> str:
    """Return the row of one client, as Markdown: its first page, the lines that this needs, what is right,
    what is not, and whose fault it is."""
    first = [row for row in rows if row["line"]]
    pages = [row for row in first if row["error"] or not row["name"].endswith(", mended")]
    lines = dict.fromkeys(row["line"] for row in first)
    others = [row for row in rows if not row["line"]]
    names = {row["name"]: row["name"].removeprefix("first page").removeprefix(": ") for row in pages}
    if any(row["error"] for row in pages):
        outcome = "; ".join(
            f"{names[row['name']]}: ".removeprefix(": ")
            + ((row["fault"] or "not examined") if row["error"] else "ok")
            for row in pages
        )
    else:
        of_pages = "; ".join(filter(None, names.values()))
        outcome = f"ok ({of_pages})" if of_pages else "ok" if pages else ""
    right, wrong = _judged(others)
    cells = (version, date.today().isoformat(), outcome, "; ".join(lines), right, wrong)
    return f"| {' | '.join(cells)} |"


def _judged(rows: Sequence[Row]) -> tuple[str, str]:
    """Return the features of rows that are right, and those that are not, each with whose fault it is."""
    right, wrong = [], dict[str, list[str]]()
    for feature in dict.fromkeys(row["name"] for row in rows):
        own = [row for row in rows if row["name"] == feature]
        bad = [row["model"] for row in own if row["error"]]
        name = f"*{feature}*" if {row["model"] for row in own} == {"smollm2"} else feature
        if not bad:
            right.append(name)
        else:
            name = name if len(bad) == len(own) else f"{name} ({' and '.join(bad)})"
            wrong.setdefault(own[0]["fault"] or "not examined", []).append(name)
    return "; ".join(right), ". ".join(f"{'; '.join(names)}: {fault}" for fault, names in wrong.items())


def written(page: str, rows: dict[str, str]) -> str:
    """Return the page with rows of clients in its table, where the rows of other clients stay."""
    before, _, rest = page.partition(BEGIN)
    there, mark, after = rest.partition(END)
    assert mark, f"{PAGE} has no marks"
    kept = {line.split()[1]: line for line in there.splitlines()[2:]}
    kept |= {row.split()[1]: row for row in rows.values()}
    order = [re.sub(r"\[.*", "", packages.split()[0]) for packages in CLIENTS.values()]
    order += [f"npm:{packages.split()[0]}" for packages in NODE_CLIENTS.values()]
    lines = [TITLE, "|---|---|---|---|---|---|", *(kept[name] for name in order if name in kept)]
    return f"{before}{BEGIN}{chr(10).join(lines)}\n{END}{after}"


def main() -> int:
    """Run the clients; return the exit status."""
    known = [*CLIENTS, *(NODE_CLIENTS if shutil.which("npm") else ())]
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("clients", nargs="*", help=f"of {', '.join(known)}; all without one")
    parser.add_argument("--models", nargs="+", choices=MODELS, default=list(MODELS))
    parser.add_argument("--only", nargs="+", default=[], metavar="FEATURE", help="of each client")
    parser.add_argument("--kept", action="store_true", help="do not look for newer versions")
    parser.add_argument("--write", action="store_true", help="write their rows into docs/serving.md")
    options = parser.parse_args()
    if unknown := sorted(set(options.clients) - set(known)):
        parser.error(f"no such client: {', '.join(unknown)}; known are {', '.join(known)}")
    HOME.mkdir(exist_ok=True)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what was started ends too
    pythons = {name: environment(name, kept=options.kept) for name in options.clients or known}
    rows, good = list[Row](), True
    with served(options.models) as relays:
        for name, python in pythons.items():
            mine: dict[str, Relay | None] = {"scripted": None} if name in AGENTS else {**relays}
            for model, relay in mine.items():
                for row in asked(name, model, python, relay, options.only):
                    rows.append(row)
                    fault = f" ({row['fault']})" if row["fault"] else ""
                    said = f"not ok{fault}: {' '.join(row['error'].split())[:300]}" if row["error"] else "ok"
                    print(f"{name} | {row['name']} | {model} | {row['seconds']:.1f} s | {said}", flush=True)
                    good = good and (not row["error"] or bool(row["fault"]))
            if "extract" in relays and not options.only:
                good = shows(name, python, relays["extract"].address) and good
    has_all = len(options.models) == len(MODELS)  # a fault may show on one model alone
    faults = {(row["client"], row["name"]) for row in rows if row["fault"] and has_all}
    for client, feature in sorted(faults - {(row["client"], row["name"]) for row in rows if row["error"]}):
        print(f"{client} | {feature} | is marked as failing, and did not fail: take out its `fault`")
        good = False
    made = {
        name: table_row([row for row in rows if row["client"] == name], versions(name, python))
        for name, python in pythons.items()
    }
    print(TITLE, *made.values(), sep="\n")
    if options.write and not options.only and has_all:
        PAGE.write_text(written(PAGE.read_text(encoding="utf-8"), made), encoding="utf-8")
    print("all as it should be" if good else "FAULTS")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
