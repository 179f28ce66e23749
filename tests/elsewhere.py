"""structgen as it is on another platform: its own code sees neither modules nor names that are missing there.

Run in a process of its own by `test_platforms.py`. All other packages see this machine: what they need of it
is there. `sys.argv`: the platform, and the names of uses.
"""

import builtins
import ctypes
import importlib.machinery
import mmap
import os
import signal
import socket
import sys
import types
from collections.abc import Callable
from typing import Any

UNIX = {
    os: "O_CLOEXEC O_DIRECTORY O_NOFOLLOW O_NONBLOCK chown fchmod fork forkpty getegid geteuid getgid "
    "getpgid getuid killpg mkfifo nice openpty posix_fadvise posix_spawn pread pwrite register_at_fork "
    "sched_getaffinity setpgid setsid statvfs sysconf uname wait4",
    signal: "SIGALRM SIGCHLD SIGHUP SIGKILL SIGPIPE SIGUSR1 SIGUSR2 alarm pthread_kill pthread_sigmask "
    "setitimer sigwait SIGPROF ITIMER_PROF",
    mmap: "MAP_ANONYMOUS MAP_PRIVATE MAP_SHARED PROT_READ PROT_WRITE",
    socket: "AF_UNIX SO_REUSEPORT",
    ctypes: "",
}
"""What Windows does not have."""
MISSING: dict[str, dict[types.ModuleType, str]] = {
    "win32": UNIX,
    "darwin": {os: "O_DIRECT posix_fadvise sched_getaffinity", ctypes: ""},
}
MODULES = {
    "win32": {"fcntl", "grp", "posix", "pty", "pwd", "resource", "syslog", "termios", "tty"},
    "darwin": set[str](),
}


class Seen(types.ModuleType):
    """A module as it is there."""

    def __init__(self, real: types.ModuleType, missing: set[str], **other: Any) -> None:
        super().__init__(real.__name__)
        vars(self).update(_real=real, _missing=missing, **other)

    def __getattr__(self, name: str) -> Any:
        if name in vars(self)["_missing"]:
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        return getattr(vars(self)["_real"], name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(vars(self)["_real"], name, value)


def _library(name: str | None, *_: Any, **__: Any) -> Any:
    raise OSError(f"no such library: {name}")


def install(platform: str) -> None:
    """Have `import structgen` read its modules as on another platform."""
    seen = {real.__name__: Seen(real, set(names.split())) for real, names in MISSING[platform].items()}
    seen["sys"] = Seen(sys, set(), platform=platform)
    vars(seen["ctypes"]).update(CDLL=_library)

    def imported(name: str, *given: Any) -> Any:
        if name.partition(".")[0] in MODULES[platform]:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        found = __import__(name, *given)
        return seen.get(found.__name__, found)

    def opened(file: Any, *given: Any, **named: Any) -> Any:
        if str(file).startswith(("/proc/", "/sys/", "/dev/")):
            raise FileNotFoundError(2, "No such file or directory", file)
        return open(file, *given, **named)

    class Loader(importlib.machinery.SourceFileLoader):
        def exec_module(self, module: types.ModuleType) -> None:
            vars(module)["__builtins__"] = {**vars(builtins), "__import__": imported, "open": opened}
            super().exec_module(module)

    class Finder:
        def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
            if name.partition(".")[0] != "structgen":
                return None
            spec = importlib.machinery.PathFinder.find_spec(name, path, target)
            if spec is not None and isinstance(spec.loader, importlib.machinery.SourceFileLoader):
                spec.loader = Loader(spec.loader.name, spec.loader.path)
            return spec

    sys.meta_path.insert(0, Finder())  # type: ignore[arg-type]


# --- uses ---------------------------------------------------------------------------------------------------

TEXT = "Ada Lovelace, 36, lives in London."
PERSON: dict[str, Any] = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
    "required": ["name", "age"],
}
ADA = {"name": "Ada Lovelace", "age": 36}


def masks() -> None:
    import structgen as sg
    from structgen.decoding.runs import resources

    tokenizer = sg.Tokenizer.from_huggingface(str(resources.small_tokenizer().parent))
    for grammar, text in ((sg.json_schema(PERSON), '{"name": "a", "age": 1}'), (sg.regex("a+b"), "aaab")):
        matcher, mask = sg.Matcher(sg.compile(grammar, tokenizer)), sg.allocate_mask(1, tokenizer.vocab_size)
        for token in tokenizer.encode(text.encode()):
            matcher.fill_mask(mask)
            assert token in mask.allowed()
            matcher.advance(token)
        assert matcher.is_complete
    sg.compile(sg.lark('start: "a" "b"*'), tokenizer)  # whose reading is kept in a file
    assert any(files for _, _, files in os.walk(os.environ["STRUCTGEN_CACHE"]))


def typed() -> None:
    from pydantic import BaseModel

    import structgen as sg

    class Person(BaseModel):
        name: str
        age: int

    assert sg.run("structgen/extract", TEXT, Person) == Person(**ADA)
    assert sg.extract("structgen/extract", TEXT, Person).value == Person(**ADA)


def bulk() -> None:
    import json
    from pathlib import Path

    import structgen as sg
    from structgen.decoding.engine.bulk_runs import run_bulk

    prompts, out = Path("prompts.jsonl"), Path("out.jsonl")
    prompts.write_text(f'"{TEXT}"\n"{TEXT}"\n', encoding="utf-8")
    engine, grammar = sg.Engine("structgen/extract"), sg.json_schema(PERSON)
    for _ in range(2):  # the second run finds the lines of the first
        run_bulk(engine, prompts, out, lambda text: sg.Request(text, grammar))
    lines = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    assert [line["value"] for line in lines] == [ADA, ADA]


def commands() -> None:
    from pathlib import Path

    from typer.testing import CliRunner

    from structgen.doors.cli import app

    Path("s.json").write_text('{"enum": ["London", "Paris"]}', encoding="utf-8")
    asked = ["generate", "--schema", "s.json", "--prompt", TEXT]
    for command in (["store"], ["models"], ["report"], ["explain", "--schema", "s.json"], asked):
        done = CliRunner().invoke(app(), command)
        assert done.exit_code == 0, (command, done.output, done.exception)


def server() -> None:
    import asyncio

    import httpx2

    import structgen as sg
    from structgen.doors.serving.app import make_app
    from structgen.doors.serving.served_model import ServedModel

    served = make_app(ServedModel(sg.Engine("structgen/extract"), "extract"))

    async def work() -> int:
        transport = httpx2.ASGITransport(app=served)
        async with httpx2.AsyncClient(transport=transport, base_url="http://test") as client:
            body = {"model": "extract", "prompt": TEXT, "max_tokens": 3}
            return (await client.post("/v1/completions", json=body)).status_code

    assert asyncio.run(work()) == 200


def documents() -> None:
    """A document is read in another process, which begins anew."""
    from structgen.asking.documents.confined_reading import confined_reader
    from structgen.asking.documents.html_text import html_text

    with confined_reader() as read:
        assert "Ada" in read(html_text, b"<p>Ada</p>")[0]


def told() -> None:
    from structgen.base.system.platforms import missing_here

    print(*missing_here(), sep="\n")


USES: dict[str, Callable[[], None]] = {
    use.__name__: use for use in (masks, typed, bulk, commands, server, documents, told)
}

if __name__ == "__main__":
    install(sys.argv[1])
    for use in sys.argv[2:]:
        USES[use]()
        print("done:", use)
