"""`anew/` waits beside the package: nothing of the package knows it, and no wheel holds it."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


IMPORT = re.compile(r"^\s*(?:from|import)\s+anew\b|import_module\(.anew\b", re.MULTILINE)


def test_the_package_never_imports_what_waits() -> None:
    files = [path for folder in ("structgen", "kernels") for path in (ROOT / folder).rglob("*.py")]
    assert len(files) > 300
    assert [path for path in files if IMPORT.search(path.read_text(encoding="utf-8"))] == []


def test_no_wheel_holds_what_waits() -> None:
    build = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["hatch"]["build"]
    wheel = build["targets"]["wheel"]
    assert not any("anew" in str(one) for one in (wheel["packages"], wheel["force-include"]))
    assert "/anew" in build["targets"]["sdist"]["exclude"]


def test_what_waits_is_linted_and_typed() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert "mypy --strict anew" in makefile
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["ruff"]
    assert not any("anew" in path for path in settings.get("extend-exclude", ()))
