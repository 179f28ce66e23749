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


@pytest.mark.parametrize("name", ["people_types", "nothing:Person", "people_types:Nobody"])
def test_a_type_that_is_not_there_has_exit_status_2(run: Callable[..., Any], name: str) -> None:
    done = run("--type", name, *PROMPT)
    assert done.exit_code == 2
    assert name in done.stderr


def test_a_function_is_no_type_and_is_not_called(run: Callable[..., Any]) -> None:
    done = run("--type", "people_types:delete_account", *PROMPT)
    assert done.exit_code == 2
    assert "delete_account is a function, not a type" in done.stderr
