"""The command line's frame: the commands it has, its version, its exit status."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

import structgen
from structgen.cli import app


def test_help_names_every_command() -> None:
    result = CliRunner().invoke(app(), ["--help"])
    assert result.exit_code == 0
    assert all(f" {name} " in result.stdout for name in ("check", "maskbench", "warmup"))


def test_version_is_that_of_the_package() -> None:
    result = CliRunner().invoke(app(), ["--version"])
    assert (result.exit_code, result.stdout) == (0, f"structgen {structgen.__version__}\n")


@pytest.mark.parametrize("arguments", [[], ["unknown"], ["check"]])
def test_wrong_usage_has_status_2(arguments: list[str]) -> None:
    assert CliRunner().invoke(app(), arguments).exit_code == 2


def test_warmup_compiles_and_says_so() -> None:
    result = CliRunner().invoke(app(), ["warmup"])
    assert result.exit_code == 0
    assert "The inner loops are ready" in result.stdout
