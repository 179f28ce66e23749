"""The program codex of OpenAI, with the metadata of three models, which it sends different tools for."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from coding_agents import BINARIES, COMMAND, TASK, does_task
from features import KEY, SCRIPTED, first_page, run

MODELS = ("gpt-5.5", "gpt-5.6-sol", "gpt-6-sol")
TOOLS: dict[str, Any] = {
    "exec_command": {"cmd": COMMAND},
    "shell_command": {"command": COMMAND},
    "exec": {"input": f"const r = await tools.exec_command({{cmd: {COMMAND!r}}}); text(r.output);"},
}


def command(url: str, home: Path, model: str) -> tuple[Sequence[str], dict[str, str]]:
    """Return the command for a model, and its variables."""
    options = ["--skip-git-repo-check", "--dangerously-bypass-approvals-and-sandbox", "-m", model]
    options += ["-c", f'openai_base_url="{url}"', TASK]
    return [str(BINARIES / "codex"), "exec", *options], {"CODEX_HOME": str(home), "CODEX_API_KEY": KEY}


for name in MODELS:

    @first_page('`-c openai_base_url="http://HOST/v1"`', name=f"first page: {name}", models=SCRIPTED)
    def _(name: str = name) -> None:
        does_task(lambda url, home: command(url, home, name), TOOLS)


run()
