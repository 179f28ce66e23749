"""`structgen report`: versions, the machine and digests, and nothing private in what is printed."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from command_line import commanded
from hypothesis import given, settings
from hypothesis import strategies as st

import structgen as sg
from structgen.base.native import machine_code
from structgen.decoding.runs.resources import small_tokenizer
from structgen.doors.cli import fault_report
from structgen.doors.cli.fault_report import CORE
from structgen.doors.cli.inner_loops import load_all, modules_to_compile

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module", autouse=True)
def _machine_code() -> None:
    """Whether a schema compiles is unknown where there is no machine code yet."""
    sg.preload("json")


def reported(*words: object, **more: Any) -> Any:
    found = commanded("report", "--json", *words, **more)
    assert found.exit_code == 0, found.output
    return json.loads(found.stdout)


def test_versions_are_those_of_the_process() -> None:
    told = reported()
    assert told["structgen"]["version"] == sg.__version__
    assert told["python"]["version"] == ".".join(map(str, sys.version_info[:3]))
    assert told["packages"]["numpy"] == sys.modules["numpy"].__version__


def test_each_dependency_of_the_core_is_told() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert {re.split("[><=]", line)[0] for line in project["dependencies"]} == {*CORE}


def test_equal_vocabularies_have_equal_digests_and_a_schema_has_that_of_sha256sum(tmp_path: Path) -> None:
    schema = tmp_path / "a.json"
    schema.write_bytes('\ufeff{"type": "object",\r\n "title": "é"}'.encode())
    told = reported("--tokenizer", small_tokenizer(), "--schema", schema)
    assert told["tokenizer"]["digest"] == sg.Tokenizer.from_huggingface(small_tokenizer()).fingerprint
    assert told["schema"]["sha256"] == hashlib.sha256(schema.read_bytes()).hexdigest()
    assert told["schema"]["bytes"] == schema.stat().st_size


def test_keywords_are_counted_by_what_becomes_of_them() -> None:
    schema = {"type": "string", "title": "A", "x-mine": 1, "allOf": [{"type": "string"}, {"minLength": 0}]}
    told = reported("--schema", json.dumps(schema))["schema"]
    assert told["draft"] == "2020-12" and told["compiles"] is True
    assert told["keywords"] == {
        "enforced": {"type": 2, "allOf": 1},
        "annotation": {"title": 1, "others": 1},
        "redundant": {"minLength": 1},
    }


@pytest.mark.parametrize(
    ("schema", "kind"),
    [
        ({"type": "hidden"}, "SchemaError"),
        ({"$ref": "#/$defs/hidden"}, "SchemaError"),
        ({"pattern": "(hidden)\\1", "type": "string"}, "RegexError"),
        ({"type": "string", "pattern": "(a|b)*a(a|b){22}"}, "LimitError"),
        ({"const": "hidden", "type": "integer"}, "UnsatisfiableSchema"),
    ],
)
def test_of_an_error_its_type_and_its_line_are_told(schema: Any, kind: str) -> None:
    text = json.dumps(schema)
    told = reported("--schema", text)["schema"]
    assert told["compiles"] is False and told["error"]["kind"] == kind
    module, line = told["error"]["at"].split(":")
    assert module.startswith("structgen.") and line.isdigit()
    assert told["error"].get("limit") == ("automaton_states" if kind == "LimitError" else None)
    assert "hidden" not in commanded("report", "--schema", text).output


SECRETS = st.text("abcdefghijklmnopqrstuvwxyz", min_size=12, max_size=20)


@settings(max_examples=10, deadline=None)
@given(SECRETS, st.sampled_from(["string", "hidden", None]))
def test_no_secret_of_the_environment_or_a_schema_is_printed(secret: str, kind: str | None) -> None:
    schema = {
        "$id": f"https://{secret}.example/",
        "title": secret,
        secret: secret,
        f"x-{secret}": 1,
        "properties": {
            secret: {"type": kind or secret, "enum": [secret], "pattern": secret},
            "known": {"minlength": secret, "minimum": 1},
        },
        "required": [secret],
        "$defs": {secret: {"format": secret}},
    }
    names = (
        "HOME",
        "STRUCTGEN_CACHE",
        "XDG_CACHE_HOME",
        "STRUCTGEN_API_KEY",
        "OMP_NUM_THREADS",
        f"X_{secret}",
    )
    environment = dict.fromkeys(names, f"/{secret}")
    for words in ([], ["--json"]):
        found = commanded("report", *words, "--schema", json.dumps(schema), env=environment)
        assert found.exit_code == 0
        assert secret not in found.output.lower()


def test_paths_are_not_printed(tmp_path: Path) -> None:
    folder = tmp_path / "hidden"
    folder.mkdir()
    (folder / "schema.json").write_text("{}")
    (folder / "tokenizer.json").write_text("{}")
    found = commanded("report", "--schema", folder / "schema.json", "--tokenizer", folder)
    assert "tokenizer: error (kind TokenizerError" in found.stdout
    assert "hidden" not in found.output and str(ROOT) not in found.output
    assert os.uname().nodename not in re.findall(r"[\w.-]+", found.output)


@pytest.mark.parametrize("option", ["--schema", "--tokenizer"])
def test_a_file_that_is_not_there_is_wrong_usage(option: str) -> None:
    found = commanded("report", option, "nowhere.json")
    assert found.exit_code == 2 and "nowhere.json" in found.stderr and found.stdout == ""


def test_a_part_that_fails_is_told_by_its_error_and_the_others_are_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def source_of(name: str) -> str:
        raise ImportError(f"/home/hidden/{name}.so is damaged")

    monkeypatch.setattr(machine_code, "source_of", source_of)
    told = reported("--schema", "{}")
    assert told["machine_code"]["error"]["kind"] == "ImportError"
    assert told["schema"]["compiles"] is None  # nothing is compiled ahead of it
    assert told["packages"]


def test_machine_code_is_in_the_library_or_kept_or_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = reported()["machine_code"]
    told.pop("processor", "")
    assert sum(told.values()) == len(modules_to_compile()) and {*told} <= {"library", "kept", "none"}
    pytest.importorskip("numba")
    name = "structgen.base.native.bit_rows"
    load_all(name)
    assert machine_code.source_of(name) in ("library", "kept")
    monkeypatch.setattr(machine_code, "library_address", lambda symbol: 0)
    monkeypatch.setattr(machine_code, "objects_folder", lambda: tmp_path)
    assert machine_code.source_of(name) == "none"


def test_what_the_platform_lacks_is_told_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fault_report, "missing_here", lambda: ["Forks: begun anew.", "Owners of files: any."])
    assert reported()["machine"]["missing"] == ["Forks", "Owners of files"]


def test_a_cache_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    told = reported(env={"STRUCTGEN_CACHE": str(file / "below")})["cache"]
    assert told["exists"] is False and told["writable"] is False


ALONE = """
import sys
from structgen.doors.cli import main
try:
    main()
finally:
    print(sorted({"torch", "transformers", "tokenizers"} & sys.modules.keys()), file=sys.stderr)
"""


def alone(environment: dict[str, str], **more: Any) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join(map(str, (ROOT, ROOT / "kernels")))
    kept = {name: os.environ[name] for name in ("NUMBA_CACHE_DIR",) if name in os.environ}
    return subprocess.run(
        [sys.executable, "-c", ALONE, "report"],
        env={"PYTHONPATH": path, **kept, **environment},
        stderr=subprocess.PIPE,
        text=True,
        check=False,
        **more,
    )


def test_without_a_home_it_is_printed_and_no_library_of_models_is_imported() -> None:
    done = alone({}, stdout=subprocess.PIPE)
    assert done.returncode == 0 and done.stderr == "[]\n"
    assert done.stdout.startswith("structgen: version ")
    done = alone({"HOME": "/dev/null"}, stdout=subprocess.PIPE)
    assert done.returncode == 0 and "cache: exists no; writable no" in done.stdout


def test_a_closed_output_is_no_error() -> None:
    done = alone({}, preexec_fn=lambda: os.close(1))
    assert (done.returncode, done.stderr) == (0, "[]\n")
