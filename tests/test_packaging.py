"""The project file, the pinned versions and the shipped data agree."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from structgen import resources

ROOT = Path(__file__).parents[1]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def pins() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    return dict(line.split("==") for line in lines if line and not line.startswith("#"))


def requirements() -> list[str]:
    groups = [PROJECT["dependencies"], *PROJECT["optional-dependencies"].values()]
    return sorted({line for group in groups for line in group if not line.startswith("structgen")})


@pytest.mark.parametrize("requirement", requirements())
def test_dependency_is_pinned(requirement: str) -> None:
    name, exact = re.fullmatch(r"([a-z0-9-]+)(?:==([\d.]+)|>=[\d.]+)", requirement).groups()  # type: ignore[union-attr]
    assert name in pins()
    assert exact is None or pins()[name] == exact


def test_core_needs_no_torch() -> None:
    assert not any("torch" in line or "transformers" in line for line in PROJECT["dependencies"])


def test_constraints_are_sorted_and_exact() -> None:
    names = list(pins())
    assert names == sorted(names)


def test_shipped_data_is_found() -> None:
    assert any(resources.schemas().glob("*.json"))
    assert resources.small_tokenizer().name == "tokenizer.json"
