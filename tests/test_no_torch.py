"""Without torch a server is asked, and all else says what to install. In a process: torch is loaded here."""

from __future__ import annotations

import forked
import pytest
from openai_server import serving

BLOCK = """
import sys
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("torch", "transformers"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Blocked())
import structgen as sg
from structgen.doors.cli import app
from typer.testing import CliRunner
def told(call):
    try:
        call()
    except sg.StructgenError as error:
        return str(error)
def asks_for_torch(text):
    needs, _, command = text.partition("pip install ")
    return " torch" in needs and "[t" in command
uses = {
    "sg.Engine": lambda: sg.Engine("structgen/extract"),
    "sg.run": lambda: sg.run("structgen/extract", "x", bool),
    "integrations": lambda: sg.integrations.transformers.LogitsProcessor,
}
for name, use in uses.items():
    print(name, asks_for_torch(told(use) or ""))
@sg.generate(model=sys.argv[1])
def person() -> dict[str, int]:
    "Who?"
print("a server", person() == {"Ada": 36})
found = CliRunner().invoke(app(), ["generate", "--prompt", "x"])
print("structgen generate", found.exit_code == 2 and asks_for_torch(found.stderr))
"""


def test_without_torch_a_server_is_asked_and_each_entry_point_says_what_to_install() -> None:
    pytest.importorskip("pydantic")
    pytest.importorskip("openai")
    with serving('{"Ada": 36}') as server:
        found = forked.run(BLOCK, server.model, ahead=forked.NUMPY)
    assert found.stdout.splitlines() == [
        "sg.Engine True",
        "sg.run True",
        "integrations True",
        "a server True",
        "structgen generate True",
    ], found.stderr
