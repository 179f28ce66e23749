"""The program cline."""

from __future__ import annotations

import subprocess

from coding_agents import BINARIES, COMMAND, TASK, does_task
from features import KEY, SCRIPTED, first_page, run

TOOLS = {
    "run_commands": {"commands": [COMMAND]},
    "execute_command": {"command": COMMAND, "requires_approval": False},
    "bash": {"command": COMMAND},
}
CLINE = str(BINARIES / "cline")


@first_page("`cline auth --provider openai --baseurl http://HOST/v1 --modelid ...`", models=SCRIPTED)
def _() -> None:
    def settings(url: str, home: object) -> tuple[list[str], dict[str, str]]:
        folder = ["--config", str(home), "--data-dir", f"{home}/data"]
        auth = ["auth", "--provider", "openai", "--apikey", KEY, "--modelid", "any", "--baseurl", url]
        subprocess.run([CLINE, *auth, *folder], check=True, stdin=subprocess.DEVNULL, timeout=60)
        return [CLINE, *folder, TASK], {}

    does_task(settings, TOOLS)


run()
