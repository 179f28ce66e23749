"""An error names an option as the person wrote it: `--max-tokens`, or `-o top_p`."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

pytest.importorskip("torch")

from structgen.cli import app
from structgen.cli.option_names import OF_ENGINE, OF_REQUEST, OF_SAMPLING, OF_TOOLS, POLICIES

FLAGS = {"temperature", "seed", "max_tokens"}
TEXTS = {"strategy", "monitors", "stop", "resources", "any_value", "whitespace", "banned"}
"""Options of which a text may be a value that is wrong only elsewhere, or right."""


@pytest.mark.parametrize(
    ("besides", "name"),
    [
        *(((), name) for name in (*OF_SAMPLING, *OF_REQUEST, *OF_ENGINE) if name not in TEXTS),
        *((("--schema", "{}"), name) for name in POLICIES if name not in TEXTS),
        *((("--tools", '[{"name": "f", "parameters": {"type": "object"}}]'), name) for name in OF_TOOLS),
    ],
)
def test_an_error_names_the_option_as_it_was_written(besides: tuple[str, ...], name: str) -> None:
    words = ["generate", "--prompt", "x", *besides, "-o", f"{name}=[[-1]]"]
    done = CliRunner().invoke(app(), words)
    assert done.exit_code == 2, done.output
    written = f"--{name.replace('_', '-')}" if name in FLAGS else f"-o {name}"
    assert done.stderr.splitlines()[-1].partition(": ")[2].startswith(written), done.stderr
