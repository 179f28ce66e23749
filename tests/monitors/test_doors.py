"""The doors of monitors and bans: `sg.run`, typed functions, the command line; and what refuses them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from monitor_examples import Says
from typer.testing import CliRunner

pytest.importorskip("jedi")

import structgen as sg
from structgen.cli import app

MODEL = "structgen/extract-draft"


def test_run_takes_monitors_and_bans() -> None:
    how = sg.Sampling(seed=1, monitors=[Says(["left", "right"])], banned=["right"])
    done = sg.run(MODEL, "Go:", sg.regex(r"go\.[a-z]+!"), sampling=how, detailed=True)
    assert done.value == "go.left!"
    assert done.result.usage.monitors[0].suggested == 1


def test_typed_functions_take_bans() -> None:
    @sg.generate(model=MODEL, sampling=sg.Sampling(temperature=0.0, banned=["Ada"]))
    def name(text: str) -> str:
        """The name in: {text}"""
        return sg.filled()

    assert "Ada" not in name("Ada is 36.")


def test_the_command_line_takes_monitors(tmp_path: Path) -> None:
    (tmp_path / "paid.py").write_text("def left(): pass\n\n\ndef right(): pass\n")
    options = ["--regex", r"import paid\npaid\.[a-z]+\(", "--temperature", "1", "--seed", "3", "--json"]
    asked = ["generate", "--model", MODEL, "--prompt", "Code: ", *options]
    found = CliRunner().invoke(
        app(), [*asked, "-o", f"monitors=python-attributes:project={tmp_path},seconds=60"]
    )
    assert found.exit_code == 0, found.output
    text = json.loads(found.stdout)["text"]
    assert text.partition("paid.")[2] in ("left(", "right(")
    wrong = CliRunner().invoke(app(), [*asked, "-o", "monitors=python-attribute"])
    assert wrong.exit_code == 2
    assert "python-attributes" in wrong.output


@pytest.mark.parametrize("option", ["monitors", "banned"])
def test_draws_from_the_models_own_law_refuse_them(option: str) -> None:
    with pytest.raises(sg.errors.OptionError) as caught:
        sg.sample(MODEL, "x", sg.regex("a"), 1, **{option: ["a"]})
    assert caught.value.where == option
