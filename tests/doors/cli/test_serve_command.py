"""`structgen serve`: a process that serves, stops when it is told, and says first what is wrong."""

from __future__ import annotations

import gc
import json
import os
import re
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from command_line import commanded

SERVE = "from structgen.doors.cli import main; main()"
ROOT = Path(__file__).resolve().parents[3]


class Process:
    """A server of the embedded model, on a free port."""

    def __init__(self, *options: str, **environment: str) -> None:
        paths = os.pathsep.join([str(ROOT), str(ROOT / "kernels")])
        self.process = subprocess.Popen(
            [sys.executable, "-c", SERVE, "serve", "extract", "--port", "0", *options],
            env={**os.environ, "PYTHONPATH": paths, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        self.said = self.process.stdout.readline()
        found = re.search(r"http://127\.0\.0\.1:\d+/v1", self.said)
        assert found is not None, self.process.communicate()
        self.address = found[0]

    def ask(self, path: str, body: Any = None, **headers: str) -> Any:
        """Return the open answer to a request."""
        data = None if body is None else json.dumps(body).encode()
        headers = {"content-type": "application/json", **headers}
        return urllib.request.urlopen(urllib.request.Request(self.address + path, data, headers), timeout=900)


@pytest.fixture
def keyed(tmp_path: Path) -> Iterator[Process]:
    (tmp_path / "keys").write_text("from-file\n", encoding="utf-8")
    process = Process("--api-key-file", str(tmp_path / "keys"), STRUCTGEN_API_KEY="from-variable")
    yield process
    process.process.kill()
    process.process.communicate()


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
def test_a_server_answers_with_its_keys_and_ends_a_stream_before_it_stops(keyed: Process) -> None:
    assert "with a key" in keyed.said and "from-" not in keyed.said
    assert "Calls of tools are written as hermes has them." in keyed.said
    with pytest.raises(urllib.error.HTTPError, match="401"):
        keyed.ask("/models")
    for key in ("from-file", "from-variable"):
        assert json.load(keyed.ask("/models", authorization=f"Bearer {key}"))["data"][0]["id"] == "extract"
    body = {"model": "extract", "prompt": "Ada", "max_tokens": 300, "min_tokens": 300}
    body |= {"stream": True, "temperature": 1}
    with keyed.ask("/completions", body, authorization="Bearer from-file") as answer:
        first = answer.readline()
        keyed.process.send_signal(signal.SIGTERM)
        rest = answer.read().decode()
    assert first.startswith(b"data: ") and rest.rstrip().endswith("data: [DONE]")
    assert '"finish_reason": "length"' in rest
    out, err = keyed.process.communicate(timeout=900)
    assert (keyed.process.returncode, out, err) == (0, "", "")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nowhere"], "nowhere"),
        (["extract", "--tool-format", "hermse"], "hermes"),
        (["extract", "--api-key-file", "nowhere"], "--api-key-file"),
        (["extract", "--thinking", ""], "until|thinking"),
        (["extract", "--chat-template", "nowhere"], "nowhere"),
        (["extract", "--name", "a", "--name", "b", "--name", "a"], "got 'a' twice"),
        (["extract", "--unknown", "ignore"], "must be one of error, warn"),
        (["extract", "--chat-template", __file__], "does not read messages"),
    ],
)
def test_what_is_wrong_is_said_before_the_server_begins(arguments: list[str], said: str) -> None:
    found = commanded("serve", *arguments)
    assert found.exit_code == 2 and re.search(said, found.output), found.output


def test_a_port_that_is_taken_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        found = commanded("serve", "extract", "--port", str(taken.getsockname()[1]))
    assert found.exit_code == 2 and "in use" in found.output


@pytest.mark.parametrize("package", ["uvicorn", "starlette", "prometheus_client"])
def test_a_package_that_is_missing_is_named_with_what_to_install(
    monkeypatch: pytest.MonkeyPatch, package: str
) -> None:
    import structgen.doors.serving.app

    monkeypatch.setattr(
        structgen.doors, "serving", structgen.doors.serving
    )  # the package is given back as it was
    for name in [one for one in sys.modules if one.startswith(("structgen.doors.serving", f"{package}."))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)
    found = commanded("serve", "extract")
    assert found.exit_code == 2 and package.replace("_", "-") in found.stderr
    assert "[serve]" in found.stderr.partition("pip install ")[2]


@pytest.mark.parametrize(
    ("arguments", "said", "names"),
    [
        ((), "extract is served at ", ["extract"]),
        (("--name", "gpt", "--name", "claude"), "gpt, claude is served at ", ["gpt", "claude"]),
        (("--name", "*"), "extract, any other name is served at ", ["extract"]),
        (("--name", "*", "--name", "a", "--unknown", "warn"), "a, any other name is served at ", ["a"]),
        (("-o", "name=a", "-o", "name=b"), "a, b is served at ", ["a", "b"]),
    ],
)
def test_a_server_has_the_names_of_its_command(
    monkeypatch: pytest.MonkeyPatch, arguments: Any, said: str, names: list[str]
) -> None:
    import uvicorn

    from structgen.doors.serving import app

    def run(_server: object, sockets: list[socket.socket]) -> None:
        sockets[0].close()

    served: list[Any] = []
    make_app = app.make_app
    monkeypatch.setattr(uvicorn.Server, "run", run)
    monkeypatch.setattr(app, "make_app", lambda model, *more: served.append(model) or make_app(model, *more))
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    monkeypatch.setattr(gc, "freeze", lambda: None)
    found = commanded("serve", "extract", "--port", "0", *arguments)
    assert found.exit_code == 0 and found.output.startswith(said), found.output
    (model,) = served
    assert model.names == names
    assert model.takes_any_name == ("*" in arguments) and model.notes_unknown == ("warn" in arguments)


def test_a_garbage_collection_of_a_server_leaves_out_what_was_loaded_before_it_began(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import uvicorn

    def run(_server: object, sockets: list[socket.socket]) -> None:
        objects.extend((gc.get_freeze_count(), len(gc.get_objects())))
        sockets[0].close()

    objects: list[int] = []
    monkeypatch.setattr(uvicorn.Server, "run", run)
    handlers = {one: signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)}
    before = gc.get_freeze_count()
    try:
        assert commanded("serve", "extract", "--port", "0").exit_code == 0
    finally:
        if not before:
            gc.unfreeze()
        for one, handler in handlers.items():
            signal.signal(one, handler)
    frozen, tracked = objects
    assert frozen > before and tracked < frozen / 10
