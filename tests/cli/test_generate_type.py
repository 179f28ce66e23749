"""`structgen generate --type module:Class`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

pytest.importorskip("torch")
pytest.importorskip("pydantic")

TYPES = """
from pydantic import BaseModel, field_validator

class Person(BaseModel):
    name: str
    age: int
    city: str

def delete_account(name: str, age: int) -> None:
    raise SystemExit("an account is deleted")

Names = list[str]

class Old(Person):
    @field_validator("age")
    @classmethod
    def _old(cls, value):
        if value < 200:
            raise ValueError("is young")
        return value
"""
PROMPT = ["--prompt", "Ada Lovelace, 36, lives in London."]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Return what runs the command in a folder that holds the module."""
    from structgen.cli import app

    (tmp_path / "people_types.py").write_text(TYPES)
    monkeypatch.chdir(tmp_path)
    return lambda *arguments: CliRunner().invoke(app(), ["generate", *arguments])


def test_a_type_of_a_module(run: Callable[..., Any]) -> None:
    done = run("--type", "people_types:Person", *PROMPT)
    assert json.loads(done.stdout) == {"name": "Ada Lovelace", "age": 36, "city": "London"}
    assert done.exit_code == 0


def test_a_document_that_the_type_refuses_has_exit_status_1(run: Callable[..., Any]) -> None:
    done = run("--type", "people_types:Old", *PROMPT)
    assert (done.exit_code, json.loads(done.stdout)["age"]) == (1, 36)
    assert "is young" in done.stderr


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--type", "people_types"], "people_types"),
        (["--type", "nothing:Person"], "nothing:Person"),
        (["--type", "people_types:Nobody"], "people_types:Nobody"),
        (["--type", "people_types:delete_account"], "delete_account is a function, not a type"),
        (["--regex", "[0-9]+", "-o", "wrap=false"], "-o wrap: It is of types. Add --type"),
        (["--type", "builtins:str", "-o", "wrap=true"], "Free text is no document"),
    ],
)
def test_what_is_no_type_of_a_document_has_exit_status_2(
    run: Callable[..., Any], options: list[str], said: str
) -> None:
    done = run(*options, *PROMPT)
    assert (done.exit_code, said in done.stderr) == (2, True)


NAMES = ["--type", "people_types:Names", "--prompt", "Priya, Jonas and Mei are coming to dinner."]


@pytest.mark.parametrize("more", [[], ["--stream"], ["-o", "wrap=true"]])
def test_a_document_that_is_no_object_is_printed_without_its_wrapper(
    run: Callable[..., Any], more: list[str]
) -> None:
    assert run(*NAMES, *more).stdout == '["Priya", "Jonas", "Mei"]\n'


def test_lines_of_json_have_the_text(run: Callable[..., Any]) -> None:
    found = json.loads(run(*NAMES, "--json").stdout)
    assert json.loads(found["text"]) == found["value"] == {"value": ["Priya", "Jonas", "Mei"]}


def test_the_bare_document_can_be_asked_for(run: Callable[..., Any]) -> None:
    found = json.loads(run(*NAMES, "-o", "wrap=false", "--max-tokens", "20", "--json").stdout)
    assert found["text"].startswith("[")
