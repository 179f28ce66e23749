"""The command line's frame: the commands it has, its version, its exit status."""

from __future__ import annotations

import io

import pytest
from typer.main import get_command
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


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["explain", "s.json"], "(s.json). Write --schema s.json"),
        (["explain", "q.lark"], "(q.lark). Write --grammar q.lark"),
        (["generate", "Ada is 36"], "(Ada is 36). Write --prompt 'Ada is 36'"),
        (["explain", "Ada"], "(Ada)"),
    ],
)
def test_a_text_without_its_option_is_told_which_option(arguments: list[str], told: str) -> None:
    found = CliRunner().invoke(app(), arguments)
    assert found.exit_code == 2
    assert found.stderr.rstrip().endswith(told)


def test_help_has_a_short_name() -> None:
    for command in ([], ["explain"], ["store", "clear"]):
        long, short = (CliRunner().invoke(app(), [*command, option]) for option in ("--help", "-h"))
        assert (short.exit_code, short.stdout) == (0, long.stdout)


def test_warmup_compiles_and_says_so() -> None:
    result = CliRunner().invoke(app(), ["warmup"])
    assert result.exit_code == 0
    assert "The inner loops are ready" in result.stdout


def test_a_terminal_is_told_that_its_input_is_waited_for(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for is_terminal, told in ((True, "Reading standard input (end with Ctrl-D) ...\n"), (False, "")):
        typed = io.TextIOWrapper(io.BytesIO(b"12"))
        monkeypatch.setattr(typed, "isatty", lambda is_terminal=is_terminal: is_terminal, raising=False)
        monkeypatch.setattr("sys.stdin", typed)
        get_command(app()).main(["check", "--regex", "[0-9]+"], standalone_mode=False)
        assert capsys.readouterr() == ("standard input: valid\n", told)
