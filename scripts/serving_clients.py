"""Run other people's clients against `structgen serve`, each in an environment of its own that is kept.

    python scripts/serving_clients.py [--environments FOLDER] [NAME ...]

Names: openai, pydantic-ai, instructor. For each: the checks in tests/serving/clients, then the programs of
docs/serving.md that import it, whose output is compared with the page. The first time it installs the client
(a minute); pins of instructor and of newer openai exclude each other, so that each has its own environment.
Exit status: 0 all agree; 1 one differs.
"""

from __future__ import annotations

import argparse
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CLIENTS = {
    "openai": ("openai_client.py", "openai", ("openai>=3.50", "pydantic>=2.14")),
    "pydantic-ai": ("pydantic_ai_client.py", "pydantic_ai", ("pydantic-ai-slim[openai]==2.68.*",)),
    "instructor": ("instructor_client.py", "instructor", ("instructor==1.17.*",)),
}
"""For each client its checks, the module that programs import, and what is installed."""
ADDRESS = "http://127.0.0.1:8000/v1"
"""The address that the page shows."""


@contextmanager
def serving(
    *options: str, model: str = "extract", **settings: str
) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """Start a server of a model on a free port; yield its address and process. `settings`: variables of its
    environment."""
    command = [sys.executable, "-c", "from structgen.cli import main; main()"]
    paths = os.pathsep.join([str(ROOT), str(ROOT / "kernels"), os.environ.get("PYTHONPATH", "")])
    process = subprocess.Popen(
        [*command, "serve", model, "--port", "0", *options],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": paths, **settings},
    )
    try:
        assert process.stdout is not None
        found = next(filter(None, (re.search(r"http://\S+?/v1", line) for line in process.stdout)), None)
        if found is None:
            raise SystemExit("The server did not start.")
        threading.Thread(target=process.stdout.read, daemon=True).start()  # a full pipe would stop it
        yield found[0], process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
            process.wait(60)


def environment_of(name: str, folder: Path) -> Path:
    """Return the interpreter of a client's environment, which is made where it is not there."""
    home = folder / name
    python = home / "bin" / "python"
    stamp = home / "installed"
    wanted = "\n".join(CLIENTS[name][2])
    if not stamp.is_file() or stamp.read_text(encoding="utf-8") != wanted:
        subprocess.run([sys.executable, "-m", "venv", str(home)], check=True)
        subprocess.run([str(python), "-m", "pip", "install", "-q", *CLIENTS[name][2]], check=True)
        stamp.write_text(wanted, encoding="utf-8")
    return python


def programs(module: str) -> Iterator[tuple[str, str]]:
    """Yield the programs of the page that are of a client, each with the output that the page shows. A
    client's program may import openai too."""
    page = (ROOT / "docs" / "serving.md").read_text(encoding="utf-8")
    for found in re.finditer(
        r"^```(?:py|python)\n(.*?)^```\n```\n(.*?)^```$", page, re.DOTALL | re.MULTILINE
    ):
        modules = {
            one for _, one, _ in CLIENTS.values() if re.search(rf"^(?:import|from) {one}\b", found[1], re.M)
        }
        if module in modules and (module != "openai" or len(modules) == 1):
            yield found[1], found[2]


def check(name: str, address: str, folder: Path) -> int:
    """Run the checks and the programs of a client; return how many went wrong."""
    checks, module, _packages = CLIENTS[name]
    python, wrong = str(environment_of(name, folder)), 0
    done = subprocess.run(
        [python, str(ROOT / "tests" / "serving" / "clients" / checks), address], check=False
    )
    wrong += done.returncode != 0
    for program, shown in programs(module):
        with tempfile.TemporaryDirectory() as empty:
            ran = subprocess.run(
                [python, "-c", program.replace(ADDRESS, address)],
                cwd=empty,
                capture_output=True,
                text=True,
                check=False,
            )
        if (ran.returncode, ran.stdout) != (0, shown):
            print(
                f"{name}: a program of docs/serving.md printed\n{ran.stdout}{ran.stderr}, the page\n{shown}"
            )
            wrong += 1
        else:
            print(f"{name}: a program of docs/serving.md printed what the page says")
    return wrong


def main() -> None:
    """Check the clients that are named, or all."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("names", nargs="*", help=f"of {', '.join(CLIENTS)}; default: all")
    parser.add_argument("--environments", type=Path, default=ROOT / ".venv" / "clients")
    options = parser.parse_args()
    unknown = set(options.names) - CLIENTS.keys()
    if unknown:
        parser.error(f"no such client: {', '.join(sorted(unknown))}")
    with serving() as (address, _process):
        wrong = sum(check(name, address, options.environments) for name in options.names or CLIENTS)
    raise SystemExit(1 if wrong else 0)


if __name__ == "__main__":
    main()
