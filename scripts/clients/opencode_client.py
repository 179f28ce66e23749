"""The program opencode, with a provider as its page on local models writes it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from coding_agents import BINARIES, COMMAND, TASK, does_task
from features import KEY, SCRIPTED, first_page, run

TOOLS = {"bash": {"command": COMMAND}}
PACKAGES = {"openai-compatible": "@ai-sdk/openai-compatible", "anthropic": "@ai-sdk/anthropic"}


def command(url: str, home: Path, package: str) -> tuple[Sequence[str], dict[str, str]]:
    """Return the command for a provider of a package, and its variables."""
    options = {"baseURL": url, "apiKey": KEY}
    provider = {"npm": package, "name": "Here", "options": options, "models": {"any": {"name": "Any"}}}
    settings = {"provider": {"here": provider}, "autoupdate": False, "share": "disabled"}
    (home / "opencode.json").write_text(json.dumps(settings), encoding="utf-8")
    variables = {
        "OPENCODE_CONFIG": str(home / "opencode.json"),
        "OPENCODE_DISABLE_MODELS_FETCH": "1",
        "XDG_CONFIG_HOME": str(home / "config"),
        "XDG_DATA_HOME": str(home / "data"),
    }
    return [str(BINARIES / "opencode"), "run", "--auto", "-m", "here/any", TASK], variables


for name, package in PACKAGES.items():

    @first_page(
        '`"options": {"baseURL": "http://HOST/v1"}` of a provider',
        name=f"first page: {name}",
        models=SCRIPTED,
    )
    def _(package: str = package) -> None:
        does_task(lambda url, home: command(url, home, package), TOOLS)


run()
