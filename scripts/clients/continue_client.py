"""The program cn of Continue, with a model as its page writes one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from coding_agents import BINARIES, COMMAND, TASK, does_task
from features import KEY, SCRIPTED, first_page, run

TOOLS = {"Bash": {"command": COMMAND}}
PROVIDERS = {"openai": "/v1", "anthropic": "/v1/"}


def command(root: str, home: Path, provider: str) -> tuple[Sequence[str], dict[str, str]]:
    """Return the command for a provider, and its variables."""
    base = root + PROVIDERS[provider]
    text = f"""name: Here
version: 0.0.1
schema: v1
models:
  - name: Any
    provider: {provider}
    model: any
    apiBase: {base}
    apiKey: {KEY}
    roles: [chat]
    capabilities: [tool_use]
"""
    (home / "config.yaml").write_text(text, encoding="utf-8")
    variables = {"CONTINUE_GLOBAL_DIR": str(home), "CONTINUE_TELEMETRY_ENABLED": "0"}
    return [str(BINARIES / "cn"), "--config", str(home / "config.yaml"), "--auto", "-p", TASK], variables


for name in PROVIDERS:

    @first_page("`apiBase: http://HOST/v1` of a model", name=f"first page: {name}", models=SCRIPTED)
    def _(name: str = name) -> None:
        does_task(lambda url, home: command(url.root, home, name), TOOLS)


run()
