"""The program qwen-code."""

from __future__ import annotations

from coding_agents import BINARIES, COMMAND, TASK, does_task
from features import KEY, SCRIPTED, first_page, run

TOOLS = {"run_shell_command": {"command": COMMAND, "is_background": False}}


@first_page("`OPENAI_BASE_URL=http://HOST/v1`, `OPENAI_API_KEY`, `OPENAI_MODEL`", models=SCRIPTED)
def _() -> None:
    command = [str(BINARIES / "qwen"), "--yolo", "--auth-type", "openai", TASK]
    does_task(
        lambda url, home: (
            command,
            {
                "OPENAI_BASE_URL": url,
                "OPENAI_API_KEY": KEY,
                "OPENAI_MODEL": "qwen3-coder-plus",
                "HTTP_PROXY": "",  # it asks loopback through a proxy too
                "HTTPS_PROXY": "",
                "QWEN_TELEMETRY_ENABLED": "false",
            },
        ),
        TOOLS,
    )


run()
