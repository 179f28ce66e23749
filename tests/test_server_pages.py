"""The pages that show a server and its clients: their blocks ask `structgen serve` of the embedded model. The
model and the port are those of the test, and nothing else of a block is changed."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from for_each import for_each

for package in ("torch", "openai", "pydantic", "uvicorn", "starlette", "prometheus_client"):
    pytest.importorskip(package)

ROOT = Path(__file__).parents[1]
SHOWN = {
    ("docs/first-hour.md", "smollm2", "8098"): ["name='Maria Keller' age=34 city='Hamburg'\n"],
    ("docs/cookbook/server.md", "my-model", "8000"): ["name='Maria Keller' city='Hamburg'\n", ""],
}
"""Pages with the model and the port that they name, and what each block prints."""


def blocks(page: str, port: str) -> list[str]:
    """Return the programs of a page that ask a server at a port."""
    text = (ROOT / page).read_text(encoding="utf-8")
    return [
        block
        for block in re.findall(r"^```py(?:thon)?\n(.*?)^```$", text, re.M | re.S)
        if f":{port}" in block
    ]


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """Start the command that the pages show, and yield the address that it prints."""
    command = [sys.executable, "-m", "structgen", "serve", "structgen/extract", "--port", "0"]
    settings = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=settings
    ) as run:
        assert run.stdout is not None
        try:
            said = ""
            for line in run.stdout:
                said += line
                if found := re.search(r"is served at (http://[\d.:]+/v1)\.", line):
                    yield found[1]
                    break
            else:
                raise AssertionError(said)
        finally:
            run.terminate()


@for_each(("page", "model", "port"), list(SHOWN))
def test_what_a_page_asks_of_a_server_is_answered(
    page: str, model: str, port: str, address: str, capsys: pytest.CaptureFixture[str]
) -> None:
    names: dict[str, object] = {"__name__": "page"}
    printed = []
    for code in blocks(page, port):
        code = code.replace(f"http://127.0.0.1:{port}/v1", address).replace(model, "structgen/extract")
        exec(compile(code, page, "exec", dont_inherit=True), names)
        printed.append(capsys.readouterr().out)
    assert printed == SHOWN[page, model, port]
