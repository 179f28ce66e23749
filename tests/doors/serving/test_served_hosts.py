"""A server answers to its own names, and to those that it was given: no page of another name reaches it."""

from __future__ import annotations

import itertools
import signal
import socket
from typing import Any

import pytest
from command_line import commanded
from served_apps import CHAT, app_of, http_client, run

import structgen as sg
from structgen.doors.serving.server_options import ServerOptions, named_server
from structgen.errors import OptionError

OWN = ["localhost", "LOCALHOST", "127.0.0.1", "[::1]", "localhost."]
ALLOWED = ["models.example", "Models.Example", "a.inside.example", "a.b.inside.example"]
OTHERS = [
    *("evil.example", "10.0.0.1", "0.0.0.0", "[fe80::1]", "example", "inside.example", "xinside.example"),
    *("localhost.evil.example", "evil.localhost", "models.example.evil", "xmodels.example", "addresses", "*"),
    *(
        "",
        " ",
        "[",
        "[::1",
        "::1",
        "localhost@evil.example",
        "evil.example/localhost",
        "evil.example#localhost",
    ),
    *("localhost:80:80", "localhost:x", "evil.example?localhost", "loc alhost", "\u0142ocalhost"),
]
PORTS = ["", ":8000", ":1"]
OPEN = named_server("0.0.0.0", "0.0.0.0", [])
LOCAL = named_server("127.0.0.1", "127.0.0.1", ["models.example", "*.inside.example"])


@pytest.mark.parametrize("port", PORTS)
def test_names_are_those_of_the_server_and_those_allowed(port: str) -> None:
    for name in OWN + ALLOWED:
        assert LOCAL.answers_to(name + port), name
    for name in OTHERS:
        assert not LOCAL.answers_to(name + port), name
        assert named_server("127.0.0.1", "127.0.0.1", ["*"]).answers_to(name + port)
        assert ServerOptions().answers_to(name + port)


def test_a_server_that_others_reach_answers_to_all_addresses_and_the_name_of_its_machine() -> None:
    for name in [*OWN, "10.0.0.1", "[fe80::1]", "0.0.0.0", socket.gethostname()]:
        assert OPEN.answers_to(f"{name}:8000"), name
    assert not OPEN.answers_to("evil.example") and not OPEN.answers_to("10.0.0.1.evil.example")
    assert named_server("models.example", "10.0.0.1", []).answers_to("models.example")
    assert named_server("::1", "::1", ["fe80::2"]).answers_to("[fe80::2]:80")


@pytest.mark.parametrize(
    "name", ["http://a.example", "a.example:80", "a.example/", "", "*a.example", "a.*", "a b", "**"]
)
def test_a_name_that_is_none_is_told(name: str) -> None:
    with pytest.raises(OptionError, match="--allowed-host"):
        named_server("127.0.0.1", "127.0.0.1", [name])


@pytest.mark.parametrize(
    "path", ["/health", "/metrics", "/v1/models", "/v1/chat/completions", "/v1/messages", "/x"]
)
def test_every_address_refuses_another_name_in_the_words_of_its_clients(engine: sg.Engine, path: str) -> None:
    app = app_of(engine, LOCAL)
    method = "POST" if path.startswith("/v1/chat") or path.endswith("messages") else "GET"

    async def work() -> list[Any]:
        client = http_client(app)
        bodies = [{"json": {**CHAT, "max_tokens": 1}} if method == "POST" else {}]
        return [
            await client.request(method, path, headers={"host": host}, **body)
            for host, body in itertools.product(("evil.example", "["), bodies)
        ]

    for answer in run(work):
        error = answer.json()["error"]
        assert answer.status_code == 400 and "--allowed-host" in error["message"]
        assert error["type"] == "invalid_request_error"


def test_an_own_name_is_answered(engine: sg.Engine) -> None:
    async def work() -> Any:
        return await http_client(app_of(engine, LOCAL)).get("/v1/models", headers={"host": "localhost:1"})

    assert run(work).status_code == 200


@pytest.mark.parametrize(
    ("host", "key", "warns"), [("0.0.0.0", "", True), ("0.0.0.0", "k", False), ("127.0.0.1", "", False)]
)
def test_a_server_that_is_open_to_others_without_a_key_says_so(
    monkeypatch: pytest.MonkeyPatch, host: str, key: str, warns: bool
) -> None:
    uvicorn = pytest.importorskip("uvicorn")
    seen: list[ServerOptions] = []
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    monkeypatch.setattr(uvicorn.Server, "run", lambda self, sockets: sockets[0].close())
    monkeypatch.setattr("structgen.doors.serving.app.make_app", lambda served, options: seen.append(options))
    asked = f"serve extract --host {host} --port 0 --allowed-host a.example --allowed-host b.example".split()
    found = commanded(*asked, env={"STRUCTGEN_API_KEY": key})
    assert found.exit_code == 0, found.output
    assert ("Everybody who reaches" in found.stderr) == warns
    assert seen[0].answers_to("a.example") and seen[0].answers_to("b.example:1")
