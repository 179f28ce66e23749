"""The example server answers a typed function whole, streamed, and without a schema."""

from __future__ import annotations

import importlib.util
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import HTTPServer
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("pydantic")
pytest.importorskip("openai")

import structgen as sg


@dataclass
class Person:
    name: str
    age: int


@pytest.fixture(scope="module")
def model() -> Iterator[str]:
    path = Path(__file__).parents[2] / "examples/openai_server.py"
    spec = importlib.util.spec_from_file_location("example_server", path)
    assert spec is not None and spec.loader is not None
    example = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(example)
    with HTTPServer(("127.0.0.1", 0), example.Handler) as host:
        thread = threading.Thread(target=host.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"openai:http://127.0.0.1:{host.server_address[1]}/v1#extract"
        host.shutdown()
        thread.join()


def test_the_example_server_streams(model: str) -> None:
    @sg.generate(model=model)
    def person(text: str) -> Person:
        """Extract the person from: {text}"""
        return sg.filled()

    *parts, last = person.stream("Ada Lovelace is 36 years old.")
    assert len(parts) > 2
    assert last.result == person("Ada Lovelace is 36 years old.")


def test_the_example_server_writes_a_free_text(model: str) -> None:
    assert isinstance(sg.run(model, "Hello", str, max_tokens=4), str)


def test_the_example_server_says_that_a_request_is_refused(model: str) -> None:
    with pytest.raises(sg.errors.GenerationError, match="max_tokens"):
        sg.run(model, "Ada is 36.", Person, max_tokens=1)
