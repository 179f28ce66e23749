"""The workflows, the forms, the citation and the oldest versions say what the repository holds."""

from __future__ import annotations

import re
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
from nonempty import nonempty
from packaging.version import Version

import structgen

yaml = pytest.importorskip("yaml")

ROOT = Path(__file__).parents[1]
WORKFLOWS = sorted(nonempty((ROOT / ".github/workflows").glob("*.yml")))
FORMS = [
    path for path in nonempty((ROOT / ".github/ISSUE_TEMPLATE").glob("*.yml")) if path.name != "config.yml"
]


def read(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def jobs() -> list[tuple[str, Any]]:
    return [(name, job) for path in WORKFLOWS for name, job in read(path)["jobs"].items()]


def steps() -> list[Any]:
    return [step for _, job in jobs() for step in job["steps"]]


def test_each_target_and_file_that_a_step_names_is_there() -> None:
    commands = "\n".join(step["run"] for step in steps() if "run" in step)
    targets = set(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M))
    made = re.findall(r"\bmake ([a-z-]+)", commands)
    assert {"test", "test-oldest", "lint", "docs", "golden", "release"} <= set(made) <= targets
    files = re.findall(r"(?:tests|examples|scripts)/[\w./-]+", commands)
    assert len(files) > 4
    assert [file for file in files if not (ROOT / file).exists()] == []


def test_the_tested_pythons_are_those_that_the_project_names() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    kind = "Programming Language :: Python :: 3."
    named = [line.rpartition(" ")[2] for line in project["classifiers"] if line.startswith(kind)]
    assert dict(jobs())["newest"]["strategy"]["matrix"]["python"] == named
    (built,) = (step for step in dict(jobs())["build"]["steps"] if "python-version" in step.get("with", {}))
    assert built["with"]["python-version"].split() == named
    released = next(step["run"] for step in steps() if "make release" in step.get("run", ""))
    assert re.findall(r"python(3\.\d+)", released) == named


def test_no_step_has_a_secret_or_a_text_of_an_outsider_in_its_command() -> None:
    texts = "".join(path.read_text(encoding="utf-8") for path in WORKFLOWS)
    assert "secrets." not in texts and "pull_request_target" not in texts
    assert [step for step in steps() if "${{" in step.get("run", "")] == []


def test_rights_are_to_read_except_the_token_of_the_job_that_the_owner_approves() -> None:
    assert [read(path)["permissions"] for path in WORKFLOWS] == [{"contents": "read"}] * len(WORKFLOWS)
    more = {name: job["permissions"] for name, job in jobs() if "permissions" in job}
    assert more == {"publish": {"id-token": "write"}}
    assert dict(jobs())["publish"]["environment"] == "pypi"


def test_actions_are_pinned_by_a_commit_and_tell_their_version() -> None:
    lines = [line for path in WORKFLOWS for line in path.read_text(encoding="utf-8").splitlines()]
    used = [line.strip() for line in lines if "uses:" in line]
    pinned = re.compile(r"- uses: [\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+")
    assert used and [line for line in used if not pinned.fullmatch(line)] == []


def test_each_run_ends_and_a_newer_one_takes_its_place_except_a_release() -> None:
    assert [name for name, job in jobs() if not 0 < job["timeout-minutes"] <= 90] == []
    replaced = {path.stem: read(path)["concurrency"]["cancel-in-progress"] for path in WORKFLOWS}
    assert replaced == {"docs": True, "release": False, "tests": True}


@pytest.mark.skipif(shutil.which("actionlint") is None, reason="actionlint is not on this machine")
def test_actionlint_finds_no_fault() -> None:
    done = subprocess.run(["actionlint", *WORKFLOWS], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("path", FORMS, ids=[path.stem for path in FORMS])
def test_each_form_asks_for_the_report(path: Path) -> None:
    form = read(path)
    fields = {field["id"]: field for field in form["body"] if field["type"] != "markdown"}
    assert form["name"] and form["description"] and len(fields) > 2
    assert "structgen report" in fields["report"]["attributes"]["label"]
    assert fields["report"]["validations"]["required"] is True


def test_there_are_three_forms() -> None:
    assert {path.stem for path in FORMS} == {"bug", "question", "wrong_mask"}


def test_the_citation_is_of_this_version() -> None:
    said = read(ROOT / "CITATION.cff")
    assert said["version"] == structgen.__version__
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert said["license"] == project["license"]
    # what the format of version 1.2.0 requires
    assert {"cff-version", "message", "title", "authors"} <= said.keys() and said["cff-version"] == "1.2.0"


def test_the_oldest_versions_are_the_lower_bounds_of_the_project() -> None:
    groups = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = groups["optional-dependencies"]
    names = {"dev"}
    for _ in extras:  # dev names others, which name others
        names |= {
            name for extra in names for line in extras[extra] for name in re.findall(r"\[(\w+)\]", line)
        }
    # not the tools of the tests
    wanted = [*groups["dependencies"], *(line for name in names - {"dev"} for line in extras[name])]
    bounds = dict(line.split(">=") for line in wanted if ">=" in line)
    lines = (ROOT / "constraints-oldest.txt").read_text(encoding="utf-8").splitlines()
    pins = dict(line.split("==") for line in lines if line and not line.startswith("#"))
    assert len(bounds) > 25
    assert [name for name, least in bounds.items() if not same(pins.get(name), least.partition(",")[0])] == []


def same(pinned: str | None, least: str) -> bool:
    """Return whether two versions are equal: 2 is 2.0.0."""
    return pinned is not None and Version(pinned) == Version(least)
