"""The package guidellm: a short run of its measurement."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from features import CHATS, HOST, feature, first_page, run

GUIDELLM = str(Path(sys.executable).parent / "guidellm")
OFFLINE = "guidellm reads a tokenizer by the model's name from Hugging Face's hub to make texts up"


def measure(*options: str, target: str = "") -> None:
    """Run a measurement of two requests; raise AssertionError where not both of them succeed."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        lines = [
            {"prompt": f"Say something about the number {n}.", "output_tokens_count": 8} for n in range(9)
        ]
        (home / "prompts.jsonl").write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
        here = [one.replace("prompts.jsonl", str(home / "prompts.jsonl")) for one in options]
        command = [GUIDELLM, "run", "--backend", f"kind=openai_http,target={HOST}{target}", *here]
        command += ["--profile", "kind=synchronous", "--constraint", "kind=max_requests,count=2"]
        command += ["--output", f"kind=json,path={home / 'found.json'}", "--disable-console-interactive"]
        settings = {**os.environ, "HF_HOME": folder}
        done = subprocess.run(
            command, cwd=folder, env=settings, capture_output=True, text=True, check=False, timeout=200
        )
        assert done.returncode == 0, f"{done.stdout[-1500:]}\n{done.stderr[-1500:]}"
        found = json.loads((home / "found.json").read_text(encoding="utf-8"))
        totals = found["benchmarks"][0]["metrics"]["request_totals"]
        assert totals["successful"] == 2 and not totals["errored"], totals


@first_page(
    "`--backend kind=openai_http,target=http://HOST`",
    mend="`--data kind=json_file,path=...`: texts of a file",
    fault=OFFLINE,
)
def _(mended: bool) -> None:
    made_up = "kind=synthetic_text,prompt_tokens=256,output_tokens=128"
    measure("--data", "kind=json_file,path=prompts.jsonl" if mended else made_up)


@feature("/v1/chat/completions", CHATS)
def _() -> None:
    measure("--data", "kind=json_file,path=prompts.jsonl", target=",request_format=/v1/chat/completions")


run()
