"""Bulk work goes on after a kill: nothing twice, nothing lost; and a page shows how a text came to be."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
from small_models import Function, tokenizer, write_llama
from typer.testing import CliRunner

import structgen as sg
from structgen.decoding.engine import bulk_runs
from structgen.decoding.engine.bulk_runs import BulkProgress, model_digest, run_bulk
from structgen.decoding.engine.engine import Engine
from structgen.decoding.engine.requests import Request, Sampling
from structgen.decoding.runs.result_files import run_file
from structgen.doors.cli import app

TOKENIZER = tokenizer()
GRAMMAR = sg.json_schema({"type": "array", "items": {"enum": ["<b>", "x & y"]}, "minItems": 1, "maxItems": 3})


def _engine(**options: Any) -> Engine:
    return Engine(Function(TOKENIZER.vocab_size), TOKENIZER, **options)


def _request(text: str) -> Request:
    return Request(text, GRAMMAR, Sampling(seed=len(text)), max_tokens=60)


def _prompts(path: Path, count: int) -> Path:
    lines = [json.dumps({"prompt": f"p{i}", "id": f"id{i}"} if i % 2 else f"p{i}") for i in range(count)]
    path.write_text("\n".join(lines) + "\n\n")
    return path


def _lines(path: Path) -> dict[int, dict[str, object]]:
    found = [json.loads(line) for line in path.read_text().splitlines()]
    assert len({line["line"] for line in found}) == len(found), "a line was done twice"
    return {line["line"]: line for line in found}


def test_work_that_was_killed_goes_on_where_it_was(tmp_path: Path) -> None:
    prompts, out, whole = _prompts(tmp_path / "p.jsonl", 9), tmp_path / "r.jsonl", tmp_path / "w.jsonl"
    run_bulk(_engine(max_rows=2), prompts, whole, _request)
    data = whole.read_bytes().splitlines(keepends=True)
    out.write_bytes(b"".join(data[:4]) + data[4][:7])
    run_file(out).write_bytes(run_file(whole).read_bytes())
    model = Function(TOKENIZER.vocab_size)
    progress = run_bulk(Engine(model, TOKENIZER, max_rows=3), prompts, out, _request)
    assert (progress.before, progress.done, progress.total) == (4, 9, 9)
    assert len(model.prefills) == 5
    assert _lines(out) == _lines(whole)
    assert _lines(out)[3]["id"] == "id3"


def test_whole_results_are_in_the_order_of_the_prompts(tmp_path: Path) -> None:
    prompts, out = _prompts(tmp_path / "p.jsonl", 9), tmp_path / "r.jsonl"
    engine, seen = _engine(max_rows=4), list[list[int]]()
    run_bulk(engine, prompts, out, _request, lambda _: seen.append(list(_lines(out))))
    assert list(_lines(out)) == list(range(9))
    assert seen[-1] != list(range(9)), "texts ended in another order"


def test_a_second_process_is_kept_from_results_that_one_writes_and_a_dead_one_is_not_in_the_way(
    tmp_path: Path,
) -> None:
    prompts, out = _prompts(tmp_path / "p.jsonl", 3), tmp_path / "r.jsonl"
    lock = tmp_path / "r.jsonl.lock"
    code = f"""
import time
from filelock import FileLock
with FileLock({str(lock)!r}) as held:
    print(held.is_locked, flush=True)
    time.sleep(600)
"""
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as other:
        try:
            assert other.stdout is not None
            assert other.stdout.readline() == "True\n"
            engine = _engine()
            with pytest.raises(sg.errors.OptionError, match="Another process is writing to these results"):
                run_bulk(engine, prompts, out, _request)
            assert not out.exists()
        finally:
            other.kill()
    assert lock.exists()
    assert run_bulk(engine, prompts, out, _request).done == 3
    assert not lock.exists()


def test_a_line_of_messages_is_asked_as_a_chat(tmp_path: Path) -> None:
    engine = Engine("structgen/extract")
    person = sg.json_schema(
        {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}
    )
    messages = [{"role": "user", "content": "Ada Lovelace is 36."}]
    prompts, out = tmp_path / "p.jsonl", tmp_path / "r.jsonl"
    prompts.write_text(json.dumps("Ada Lovelace is 36.") + "\n" + json.dumps({"messages": messages, "id": 7}))
    run_bulk(engine, prompts, out, lambda text: Request(text, person, max_tokens=40))
    text, chat = _lines(out).values()
    assert chat["text"] == text["text"]
    assert (chat["id"], chat["error"]) == (7, None)


def test_a_prompt_that_cannot_be_begun_has_a_line_with_its_error(tmp_path: Path) -> None:
    prompts, out = _prompts(tmp_path / "p.jsonl", 3), tmp_path / "r.jsonl"
    tight = {"p1": 1}
    run_bulk(
        _engine(),
        prompts,
        out,
        lambda text: Request(text, GRAMMAR, max_tokens=tight.get(text, 60)),
    )
    assert "at least" in str(_lines(out)[1]["error"])
    assert _lines(out)[2]["error"] is None


@pytest.mark.parametrize(
    "line",
    [
        *(b"{", b'{"text": "a"}', b'{"prompt": "a", "grammar": 1}', b"7", b'"\xff"', b"[" * 99999),
        *(b'{"messages": "a"}', b'{"messages": []}', b'{"messages": [{"role": "user"}]}'),
        *(
            b'{"messages": [{"role": "user", "content": "a"}], "model": "b"}',
            b'{"prompt": 1, "messages": []}',
        ),
    ],
    ids=lambda line: repr(line[:20]),
)
def test_a_line_that_is_no_prompt_is_named_and_nothing_is_written(tmp_path: Path, line: bytes) -> None:
    prompts, out = tmp_path / "p.jsonl", tmp_path / "r.jsonl"
    prompts.write_bytes(b'"fine"\n' + line + b"\n")
    with pytest.raises(sg.errors.OptionError, match=r"p\.jsonl:2"):
        run_bulk(_engine(), prompts, out, _request)
    assert not out.exists()


def test_results_of_another_kind_are_left_alone(tmp_path: Path) -> None:
    prompts, out = _prompts(tmp_path / "p.jsonl", 1), tmp_path / "r.jsonl"
    for text in (
        '{"mine": 1}\n',
        "notes without an end of line",
        '{"line": 0, "id": null}\n{"mi',
        "[" * 99999,
    ):
        out.write_text(text)
        for start_over in (False, True):
            with pytest.raises(sg.errors.OptionError, match="structgen did not write"):
                run_bulk(_engine(), prompts, out, _request, start_over=start_over)
            assert out.read_text() == text and not run_file(out).exists()


# --- what run the results are of ----------------------------------------------------------------------------


class _Killed(BaseException):
    """Comes in the middle of the work."""


def _cut_off(folder: Path, engine: Engine) -> tuple[Path, Path]:
    """Return prompts and results of a run of `_request` that was cut off."""

    def tell(progress: BulkProgress) -> None:
        if progress.done >= 3:
            raise _Killed

    prompts, out = _prompts(folder / "p.jsonl", 6), folder / "r.jsonl"
    with pytest.raises(_Killed):
        run_bulk(engine, prompts, out, _request, tell)
    return prompts, out


@pytest.fixture(scope="module")
def cut_off(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one, which tests copy."""
    folder = tmp_path_factory.mktemp("cut")
    _cut_off(folder, _engine(max_rows=1))
    return folder


@pytest.fixture
def half_done(cut_off: Path, tmp_path: Path) -> tuple[Path, Path]:
    shutil.copytree(cut_off, tmp_path, dirs_exist_ok=True)
    return tmp_path / "p.jsonl", tmp_path / "r.jsonl"


SHORT = sg.Thinking(max_tokens=3)
OTHERS: dict[str, Callable[[str], Request]] = {
    "another schema or grammar.": lambda text: replace(_request(text), grammar=sg.regex("[a-z]{1,9}")),
    "another sampling or seed.": lambda text: replace(_request(text), sampling=Sampling(seed=8)),
    "another sampling or seed. ": lambda text: replace(_request(text), sampling=Sampling(top_k=9, seed=2)),
    "another max_tokens, or another option.": lambda text: replace(_request(text), max_tokens=59),
    "another max_tokens, or another option. ": lambda text: replace(_request(text), thinking=SHORT),
    "another file of prompts, or way of putting them.": lambda text: replace(_request(text), prompt=text * 2),
    "another schema or grammar and sampling or seed.": lambda text: Request(text, None, max_tokens=60),
}  # fmt: skip


@pytest.mark.parametrize("told", OTHERS)
def test_results_of_another_run_are_refused_with_what_differs(
    tmp_path: Path, half_done: tuple[Path, Path], told: str
) -> None:
    prompts, out = half_done
    before = out.read_bytes(), run_file(out).read_bytes()
    with pytest.raises(sg.errors.OptionError) as caught:
        run_bulk(_engine(), prompts, out, OTHERS[told])
    assert told.strip() in str(caught.value) and "start over" in caught.value.cure
    assert (out.read_bytes(), run_file(out).read_bytes()) == before
    run_bulk(_engine(), prompts, out, OTHERS[told], start_over=True)
    whole = tmp_path / "whole.jsonl"
    run_bulk(_engine(), prompts, whole, OTHERS[told])
    assert _lines(out) == _lines(whole)


def test_results_of_another_model_or_tokenizer_are_refused(tmp_path: Path) -> None:
    first = Engine("structgen/extract", max_rows=1, device="cpu")
    prompts, out = _cut_off(tmp_path, first)
    with pytest.raises(sg.errors.OptionError, match=r"another run, with another model\."):
        run_bulk(Engine("structgen/extract-draft", device="cpu"), prompts, out, _request)
    with pytest.raises(sg.errors.OptionError, match=r"another model and tokenizer\."):
        run_bulk(_engine(), prompts, out, _request)
    assert run_bulk(first, prompts, out, _request).before == 3


def test_a_model_is_known_by_its_folders_weights_wherever_it_lies(tmp_path: Path) -> None:
    folder = write_llama(tmp_path / "model", seed=1)
    known = model_digest(str(folder))
    assert known == model_digest(str(folder.rename(tmp_path / "moved")))
    assert known != model_digest(str(write_llama(tmp_path / "other", seed=2)))
    (tmp_path / "moved" / "README.md").write_text("read me")
    assert known == model_digest(str(tmp_path / "moved"))
    config = tmp_path / "moved" / "config.json"
    config.write_text(config.read_text().replace("10000.0", "20000.0"))
    assert known != model_digest(str(tmp_path / "moved"))


def test_prompts_that_were_changed_are_refused_and_those_that_were_added_are_done(
    half_done: tuple[Path, Path],
) -> None:
    prompts, out = half_done
    text = prompts.read_text().rstrip("\n")
    for changed in (text.replace('"p4"', '"p9"'), text.replace("id1", "id7"), text.partition("\n")[0]):
        prompts.write_text(changed)
        with pytest.raises(sg.errors.OptionError, match=r"another file of prompts, or way of putting them\."):
            run_bulk(_engine(), prompts, out, _request)
    prompts.write_text(f'{text}\n"p6"\n')
    assert run_bulk(_engine(), prompts, out, _request).done == 7
    prompts.write_text(f'{text}\n"p7"\n')
    with pytest.raises(sg.errors.OptionError, match="another file of prompts"):
        run_bulk(_engine(), prompts, out, _request)


def test_results_of_another_version_are_refused(
    half_done: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    prompts, out = half_done
    known = sg.__version__
    monkeypatch.setattr(sg, "__version__", "99.1")
    with pytest.raises(sg.errors.OptionError, match=rf"another version of structgen \({re.escape(known)}\)"):
        run_bulk(_engine(), prompts, out, _request)


@pytest.mark.parametrize("damage", [None, b"", b"{", b"[]", b'{"format": 1}', b"\xff", b"7", b"[" * 99999])
def test_results_without_a_file_that_says_their_run_are_refused(
    half_done: tuple[Path, Path], damage: bytes | None
) -> None:
    prompts, out = half_done
    before = out.read_bytes()
    run_file(out).unlink()
    if damage is not None:
        run_file(out).write_bytes(damage)
    with pytest.raises(sg.errors.OptionError, match=r"run.*Name another file for the results, or start over"):
        run_bulk(_engine(), prompts, out, _request)
    assert out.read_bytes() == before
    assert run_bulk(_engine(), prompts, out, _request, start_over=True).before == 0


def test_what_a_run_is_is_written_before_its_first_result(tmp_path: Path) -> None:
    prompts, out = _prompts(tmp_path / "p.jsonl", 2), tmp_path / "r.jsonl"
    seen = []

    def request_of(text: str) -> Request:
        if run_file(out).exists():
            seen.append(out.exists() and out.read_bytes())
        return _request(text)

    run_bulk(_engine(), prompts, out, request_of)
    assert seen[0] == b"" and sorted(path.name for path in tmp_path.iterdir()) == [
        "p.jsonl",
        "r.jsonl",
        "r.jsonl.run",
    ]


def test_work_that_is_interrupted_leaves_nothing_in_the_engine(tmp_path: Path) -> None:
    engine = _engine(max_rows=2)
    _cut_off(tmp_path, engine)
    prefills = len(engine.model.prefills)  # type: ignore[attr-defined]
    while engine.step():
        continue
    assert len(engine.model.prefills) == prefills  # type: ignore[attr-defined]


def test_half_of_a_surrogate_pair_in_a_line_is_that_lines_error(tmp_path: Path) -> None:
    prompts, out = tmp_path / "p.jsonl", tmp_path / "r.jsonl"
    prompts.write_text('"\\ud800"\n{"prompt": "fine", "id": "\\udc00"}\n{"prompt": "b", "seed": 1.5}\n')
    run_bulk(_engine(), prompts, out, _request)
    found = _lines(out)
    assert "surrogate" in str(found[0]["error"]) and "seed" in str(found[2]["error"])
    assert found[1]["error"] is None and found[1]["id"] == "\udc00"


def test_the_command_writes_documents_a_page_and_bulk_results(tmp_path: Path) -> None:
    pytest.importorskip("transformers")
    model, schema = write_llama(tmp_path / "model"), tmp_path / "s.json"
    schema.write_text('{"type": "array", "items": {"type": "boolean"}, "minItems": 1, "maxItems": 4}')
    common = f"--model {model} --schema {schema} --max-tokens 40 -o device=cpu".split()
    page = tmp_path / "trace.html"
    asked = ["generate", *common, "--prompt", "flags", "--json", "-o", "logprobs=2", "-o", f"trace={page}"]
    one = CliRunner().invoke(app(), asked)
    assert one.exit_code == 0, one.output
    found = json.loads(one.stdout)
    assert "".join(step["text"] for step in found["steps"]) == found["text"]
    assert all(len(step["likeliest"]) == 2 for step in found["steps"])
    assert all(step["likeliest_allowed"][0][1] <= 1e-6 for step in found["steps"])
    assert json.loads(found["text"]) == found["value"]
    assert "<!doctype html>" in page.read_text()
    streamed = CliRunner().invoke(app(), ["generate", *common, "--prompt", "flags", "--stream"])
    assert json.loads(streamed.stdout) == found["value"]
    prompts = _prompts(tmp_path / "p.jsonl", 3)
    bulk = CliRunner().invoke(
        app(), ["bulk", *common, "--prompts", str(prompts), "--out", str(tmp_path / "r.jsonl")]
    )
    assert bulk.exit_code == 0, bulk.output
    assert all(isinstance(line["value"], list) for line in _lines(tmp_path / "r.jsonl").values())


def test_each_option_of_a_request_tells_runs_apart_or_changes_no_document() -> None:
    by_themselves = {"prompt", "grammar", "sampling", "strategy"}
    of_no_document = {"timeout", "logprobs", "speculation", "cache_salt"}
    assert {*bulk_runs._OTHER_PARTS} == by_themselves | of_no_document
    assert {*bulk_runs._OTHER_PARTS} < {one.name for one in fields(Request)}
