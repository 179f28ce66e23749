"""What `import structgen` promises: little work, no heavy packages, every public name."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys

import pytest

import structgen


def run(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def best_seconds(*command: str) -> float:
    """Return the least processor time of five runs: what else the machine does is not the code's fault."""

    def once() -> float:
        begun = os.times()
        subprocess.run(command, check=True, capture_output=True)
        ended = os.times()
        return ended.children_user + ended.children_system - begun.children_user - begun.children_system

    return min(once() for _ in range(5))


def test_import_loads_no_heavy_package() -> None:
    heavy = {"numpy", "numba", "torch", "transformers", "jsonschema", "typer", "rich", "dataclasses"}
    loaded = run("import sys, structgen; print(*sorted(sys.modules))").split()
    assert not heavy & set(loaded)


def test_help_loads_no_heavy_package() -> None:
    heavy = {"numpy", "numba", "torch", "transformers", "jsonschema", "pydantic", "lark"}
    code = (
        "import sys\n"
        "from structgen.cli import main\n"
        "sys.argv[1:] = ['--help']\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "print(*sorted(sys.modules))"
    )
    assert not heavy & set(run(code).splitlines()[-1].split())


@pytest.mark.slow
def test_import_takes_at_most_a_tenth_of_a_second() -> None:
    assert best_seconds(sys.executable, "-c", "import structgen") <= 0.1


@pytest.mark.slow
def test_help_takes_at_most_three_tenths_of_a_second() -> None:
    assert best_seconds(sys.executable, "-c", "from structgen.cli import main; main()", "--help") <= 0.3


@pytest.mark.parametrize("name", structgen.__all__)
def test_public_name_is_there_and_is_listed(name: str) -> None:
    assert getattr(structgen, name) is not None
    assert name in dir(structgen)


def test_public_name_is_the_object_of_its_home() -> None:
    assert structgen.LimitError is importlib.import_module("structgen.errors").LimitError
    assert structgen.WIDEST is importlib.import_module("structgen.schema.reading.policies").WIDEST


def test_every_error_is_public() -> None:
    errors = importlib.import_module("structgen.errors")
    own = {
        name
        for name, value in vars(errors).items()
        if isinstance(value, type) and value.__module__ == errors.__name__
    }
    assert own <= set(structgen.__all__)


def test_only_public_names_are_listed() -> None:
    assert set(dir(structgen)) == set(structgen.__all__)


def test_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Compiler'"):
        structgen.Compiler  # noqa: B018
