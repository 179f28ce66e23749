"""Bulk work goes on after a kill: nothing twice, nothing lost; and a page shows how a text came to be."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from small_models import Function, tokenizer, write_llama  # noqa: E402
from typer.testing import CliRunner  # noqa: E402

import structgen as sg  # noqa: E402
from structgen.cli import app  # noqa: E402
from structgen.engine.bulk import run_bulk  # noqa: E402
from structgen.engine.doors import Engine  # noqa: E402
from structgen.engine.requests import Request, Sampling  # noqa: E402
from structgen.engine.trace import trace_page  # noqa: E402

TOKENIZER = tokenizer()
GRAMMAR = sg.json_schema({"type": "array", "items": {"enum": ["<b>", "x & y"]}, "minItems": 1, "maxItems": 3})


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
    run_bulk(Engine(Function(TOKENIZER.vocab_size), TOKENIZER, max_rows=2), prompts, whole, _request)
    data = whole.read_bytes().splitlines(keepends=True)
    out.write_bytes(b"".join(data[:4]) + data[4][:7])
    model = Function(TOKENIZER.vocab_size)
    progress = run_bulk(Engine(model, TOKENIZER, max_rows=3), prompts, out, _request)
    assert (progress.before, progress.done, progress.total) == (4, 9, 9)
    assert len(model.prefills) == 5
    assert _lines(out) == _lines(whole)
    assert _lines(out)[3]["id"] == "id3"


def test_a_prompt_that_cannot_be_begun_has_a_line_with_its_error(tmp_path: Path) -> None:
    prompts, out = _prompts(tmp_path / "p.jsonl", 3), tmp_path / "r.jsonl"
    tight = {"p1": 1}
    run_bulk(
        Engine(Function(TOKENIZER.vocab_size), TOKENIZER),
        prompts,
        out,
        lambda text: Request(text, GRAMMAR, max_tokens=tight.get(text, 60)),
    )
    assert "at least" in str(_lines(out)[1]["error"])
    assert _lines(out)[2]["error"] is None


@pytest.mark.parametrize("line", ["{", '{"text": "a"}', '{"prompt": "a", "grammar": 1}', "7"])
def test_a_line_that_is_no_prompt_is_named_and_nothing_is_written(tmp_path: Path, line: str) -> None:
    prompts, out = tmp_path / "p.jsonl", tmp_path / "r.jsonl"
    prompts.write_text('"fine"\n' + line + "\n")
    with pytest.raises(sg.OptionError, match=r"p\.jsonl:2"):
        run_bulk(Engine(Function(TOKENIZER.vocab_size), TOKENIZER), prompts, out, _request)
    assert not out.exists()


def test_results_of_another_kind_are_left_alone(tmp_path: Path) -> None:
    prompts, out = _prompts(tmp_path / "p.jsonl", 1), tmp_path / "r.jsonl"
    out.write_text('{"mine": 1}\n')
    with pytest.raises(sg.OptionError, match="none of ours"):
        run_bulk(Engine(Function(TOKENIZER.vocab_size), TOKENIZER), prompts, out, _request)
    assert out.read_text() == '{"mine": 1}\n'


def test_the_page_shows_every_token_and_escapes_them() -> None:
    engine = Engine(Function(TOKENIZER.vocab_size), TOKENIZER)
    (result,) = engine.generate(_request("page"))
    page = trace_page(result, TOKENIZER, "a <title>")
    assert page.count("<tr>") == len(result.steps) + 1
    assert "a &lt;title&gt;" in page
    assert "<b>" not in page
    assert "http" not in page


def test_the_command_writes_documents_a_page_and_bulk_results(tmp_path: Path) -> None:
    pytest.importorskip("transformers")
    model, schema = write_llama(tmp_path / "model"), tmp_path / "s.json"
    schema.write_text('{"type": "array", "items": {"type": "boolean"}, "minItems": 1, "maxItems": 4}')
    common = [
        "generate",
        "--model",
        str(model),
        "--schema",
        str(schema),
        "--max-tokens",
        "40",
        "--device",
        "cpu",
    ]
    page = tmp_path / "trace.html"
    asked = [*common, "--prompt", "flags", "--json", "--logprobs", "2", "--trace", str(page)]
    one = CliRunner().invoke(app(), asked)
    assert one.exit_code == 0, one.output
    found = json.loads(one.stdout)
    assert "".join(step["text"] for step in found["steps"]) == found["text"]
    assert all(len(step["likeliest"]) == 2 for step in found["steps"])
    assert all(step["likeliest_allowed"][0][1] <= 1e-6 for step in found["steps"])
    assert json.loads(found["text"]) == found["value"]
    assert "<!doctype html>" in page.read_text()
    streamed = CliRunner().invoke(app(), [*common, "--prompt", "flags", "--stream"])
    assert json.loads(streamed.stdout) == found["value"]
    prompts = _prompts(tmp_path / "p.jsonl", 3)
    bulk = CliRunner().invoke(app(), [*common, "--prompts", str(prompts), "--out", str(tmp_path / "r.jsonl")])
    assert bulk.exit_code == 0, bulk.output
    assert all(isinstance(line["value"], list) for line in _lines(tmp_path / "r.jsonl").values())


@pytest.mark.parametrize(
    "wrong",
    [[], ["--prompt", "a", "--prompts", "b"], ["--prompts", "b"], ["--prompt", "a", "--model", "nowhere"]],
)
def test_wrong_usage_is_told_in_a_line(wrong: list[str]) -> None:
    result = CliRunner().invoke(app(), ["generate", *wrong])
    assert result.exit_code == 2
    assert "Traceback" not in result.output
