"""`structgen bulk` answers batch files of OpenAI and Anthropic: as the server does, whole after a kill, and
nothing of a file with a faulty line."""

from __future__ import annotations

import json
import os
import random
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from command_line import commanded
from for_each import for_each

for _name in "torch starlette prometheus_client tokenizers safetensors".split():
    pytest.importorskip(_name)

ROOT = Path(__file__).resolve().parents[3]
PERSON: dict[str, Any] = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
    "required": ["name", "age"],
}
TEXT, ADA = "Ada Lovelace, 36, lives in London.", {"name": "Ada Lovelace", "age": 36}
SAID = [{"role": "user", "content": TEXT}]
FORMAT = {"type": "json_schema", "json_schema": {"name": "person", "schema": PERSON}}
TOOL = {"type": "function", "function": {"name": "save", "parameters": PERSON}}


def openai(name: Any, url: str = "/v1/chat/completions", **body: Any) -> dict[str, Any]:
    body = body or {"messages": SAID, "response_format": FORMAT}
    return {"custom_id": name, "method": "POST", "url": url, "body": {"model": "gpt-9", **body}}


def anthropic(name: Any, **params: Any) -> dict[str, Any]:
    asked = {"tools": [{"name": "save", "input_schema": PERSON}], "tool_choice": {"type": "any"}}
    return {
        "custom_id": name,
        "params": {"model": "c", "max_tokens": 90, "messages": SAID, **asked, **params},
    }


def written(path: Path, *lines: Any) -> Path:
    said = (one if isinstance(one, bytes) else json.dumps(one).encode() for one in lines)
    path.write_bytes(b"".join(one + b"\n" for one in said))
    return path


def read(path: Path) -> dict[str, Any]:
    found = [json.loads(line) for line in path.read_bytes().splitlines()]
    assert len({one["custom_id"] for one in found}) == len(found), "a request was answered twice"
    return {one["custom_id"]: one for one in found}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_each_request_of_openai_has_a_line_in_its_order() -> None:
    chosen = {"tools": [TOOL], "tool_choice": {"type": "function", "function": {"name": "save"}}}
    written(
        Path("r.jsonl"),
        openai("z"),
        openai("a \u00e4\ud800", messages=SAID, **chosen),
        openai(
            "r",
            "/v1/responses",
            input=TEXT,
            text={"format": {**FORMAT["json_schema"], "type": "json_schema"}},
        ),  # type: ignore[dict-item]
        openai("wrong", messages=SAID, tempreature=1),
        openai("none", messages=[]),
        openai("nan", messages=SAID, temperature=float("nan")),
        openai("deep", messages=SAID, metadata=json.loads("[" * 500 + "]" * 500)),
        openai(
            "p",
            "/v1/completions",
            prompt="Ada",
            regex="x{3}",
            stream=True,
            stream_options={"include_usage": True},
        ),
        b"",
    )
    found = commanded("bulk", "r.jsonl", "-o", "out.jsonl", "extract")
    assert found.exit_code == 0, found.output
    assert "8 of 8 texts" in found.stderr
    lines = read(Path("out.jsonl"))
    assert list(lines) == ["z", "a \u00e4\ud800", "r", "wrong", "none", "nan", "deep", "p"]
    for one in lines.values():
        assert set(one) == {"id", "custom_id", "response", "error"} and one["error"] is None
        assert set(one["response"]) == {"status_code", "request_id", "body"}
        assert one["response"]["body"].get("model", "extract") == "extract"
    assert len({one["id"] for one in lines.values()}) == 8
    statuses = {name: one["response"]["status_code"] for name, one in lines.items()}
    assert [name for name, status in statuses.items() if status == 400] == ["wrong", "none", "nan", "deep"]
    assert lines["wrong"]["response"]["body"]["error"]["param"] == "tempreature"
    assert "up to 500 brackets" in lines["deep"]["response"]["body"]["error"]["message"]
    body = {name: one["response"]["body"] for name, one in lines.items()}
    assert json.loads(body["z"]["choices"][0]["message"]["content"]) == ADA
    (call,) = body["a \u00e4\ud800"]["choices"][0]["message"]["tool_calls"]
    assert json.loads(call["function"]["arguments"]) == ADA
    assert json.loads(body["r"]["output"][-1]["content"][0]["text"]) == ADA
    assert body["p"]["choices"][0]["text"] == "xxx"


def test_each_request_of_anthropic_has_a_line() -> None:
    written(
        Path("r"),
        anthropic("a"),
        anthropic("wrong", messages="x"),
        anthropic("b", tools=None, tool_choice=None),
    )
    found = commanded("bulk", "--prompts", "r", "--out", "out", "-o", "max_rows=1")
    assert found.exit_code == 0, found.output
    lines = read(Path("out"))
    message = lines["a"]["result"]["message"]
    assert lines["a"]["result"]["type"] == "succeeded" and message["content"][0]["input"] == ADA
    assert message["stop_reason"] == "tool_use"
    error = lines["wrong"]["result"]
    assert (error["type"], error["error"]["type"]) == ("errored", "error")
    assert error["error"]["error"]["type"] == "invalid_request_error"
    assert lines["b"]["result"]["type"] == "succeeded"


def test_the_answers_are_those_of_the_server() -> None:
    """Apart from numbers and times, for random bodies, right and wrong ones."""
    sys.path[:0] = [str(ROOT / "tests/doors/serving")]
    from served_apps import app_of, post

    import structgen as sg

    rng = random.Random(5)
    values = [None, 0, 1, "x", "required", [], {}, FORMAT, [TOOL], SAID, True, 1.5]
    names = (
        "messages response_format tools tool_choice n stop max_tokens logprobs seed temprature user".split()
    )
    bodies = []
    for _ in range(40):
        given = {name: rng.choice(values) for name in rng.sample(names, rng.randrange(3))}
        bodies.append(
            {"messages": SAID, "response_format": FORMAT, "temperature": 0, "max_tokens": 60, **given}
        )
    written(Path("r"), *(openai(str(at), **body) for at, body in enumerate(bodies)))
    assert commanded("bulk", "r", "-o", "out").exit_code == 0
    app = app_of(sg.Engine("structgen/extract"))
    lines, seen = read(Path("out")), set[int]()
    for at, body in enumerate(bodies):
        said = lines[str(at)]["response"]
        asked = post(app, "/v1/chat/completions", {"model": "extract", **body})
        seen.add(asked.status_code)
        assert said["status_code"] == asked.status_code, body
        one, two = said["body"], asked.json()
        if asked.status_code == 200:

            def text(reply: Any) -> Any:
                return [
                    (
                        c["finish_reason"],
                        c["message"]["content"],
                        [x["function"] for x in c["message"].get("tool_calls", ())],
                    )
                    for c in reply["choices"]
                ]

            one, two = text(one), text(two)
        assert one == two, body
    assert seen == {200, 400}


RIGHT = openai("right")
FAULTS: dict[str, tuple[list[Any], str]] = {
    "broken first": ([b'{"custom_id": ', RIGHT], "r:1.*not JSON"),
    "prose first": ([b"Dear all,", RIGHT], "r:1.*not JSON"),
    "list first": ([[1], b"", 2, anthropic("a")], "r:1.*object"),
    "broken": ([RIGHT, b'{"custom_id": '], "r:2.*not JSON"),
    "no utf-8": ([RIGHT, b'"\xff"'], "r:2.*not JSON"),
    "deep": ([RIGHT, b"[" * 99_999], "r:2.*not JSON"),
    "big number": ([RIGHT, b"9" * 9_999], "r:2"),
    "list": ([RIGHT, [1]], "r:2"),
    "twice": ([RIGHT, openai("b"), RIGHT], "r:3, custom_id.*'right'"),
    "twice by an escape": (
        [openai("\u00e4"), '{"custom_id": "\u00e4", "url": "/v1/responses", "body": {}}'.encode()],
        "r:2, custom_id",
    ),
    "no id": ([RIGHT, {**RIGHT, "custom_id": None}], "r:2, custom_id.*missing"),
    "number as id": ([RIGHT, openai(7)], "r:2, custom_id"),
    "empty id": ([RIGHT, openai("")], "r:2, custom_id"),
    "other protocol": ([RIGHT, anthropic("b")], "r:2, params"),
    "other protocol first": ([anthropic("b"), RIGHT], "r:2, method"),
    "url": ([RIGHT, openai("b", "/v1/embeddings")], "r:2, url.*/v1/chat/completions"),
    "method": ([RIGHT, {**openai("b"), "method": "GET"}], "r:2, method.*POST"),
    "body": ([RIGHT, {**openai("b"), "body": "x"}], "r:2, body.*object"),
    "member": ([RIGHT, {**openai("b"), "custom_ID": "x"}], "r:2, custom_ID.*Did you mean 'custom_id'"),
    "long": ([RIGHT, openai("b", messages=SAID, user="x" * (9 << 20))], "r:2.*more than 8,388,608 bytes"),
}  # fmt: skip


@for_each("name", FAULTS)
def test_a_file_with_a_faulty_line_is_refused_with_its_place_before_anything_is_written(name: str) -> None:
    lines, said = FAULTS[name]
    written(Path("r"), *lines)
    found = commanded("bulk", "r", "-o", "out")
    assert found.exit_code == 2 and not list(Path().glob("out*")), found.output
    assert re.search(said, " ".join(found.stderr.split())), found.stderr
    assert found.stderr.rstrip().endswith((".", "?"))


@for_each(
    ("words", "said"),
    [
        (["r"], "--out"),
        (["-o", "o"], "--prompts"),
        (["nowhere", "-o", "out"], "nowhere"),
        (["empty", "-o", "out", "-o", "format=openai"], "no request"),
        (["r", "-o", "out", "-o", "format=anthropic"], "r:1, method"),
        (["r", "-o", "out", "-o", "format=opnai"], "openai"),
        (["r", "-o", "out", "--schema", "true"], "--schema"),
        (["r", "-o", "out", "--ray"], "--ray"),
        (["r", "-o", "out", "-o", "top_p=0.5"], "top_p"),
        (["r", "--prompts", "r", "-o", "out"], "given twice"),
        (["r", "-o", "out", "--out", "out"], "given twice"),
        (["r", "-o", "top_p"], "Write -o NAME=VALUE"),
        (["r", "-o", "r"], "--out"),
        (["r", "-o", "r", "--start-over"], "--out"),
        (["r", "-o", "r2"], "r2"),
        (["r", "-o", "out", "openai:http://127.0.0.1:9/v1#m"], "openai:"),
        (["r", "-o", "out", "nomodel"], "nomodel"),
    ],
)
def test_what_is_wrong_is_told_and_nothing_is_written(words: list[str], said: str) -> None:
    before = {"r": written(Path("r"), RIGHT).read_bytes(), "r2": written(Path("r2"), RIGHT).read_bytes()}
    Path("empty").write_bytes(b"\n\n")
    found = commanded("bulk", *words)
    assert found.exit_code == 2 and said in found.stderr, found.output
    assert not Path("out").exists() and before == {name: Path(name).read_bytes() for name in before}


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="pipes with names")
def test_a_pipe_with_prompts_is_read_once() -> None:
    os.mkfifo("pipe")
    writer = threading.Thread(target=lambda: Path("pipe").write_text('"Ada is 36."\n'))
    writer.start()
    found = commanded("bulk", "pipe", "-o", "out", "--schema", json.dumps(PERSON))
    writer.join()
    assert found.exit_code == 0 and len(Path("out").read_text().splitlines()) == 1, found.output


def test_an_empty_file_of_prompts_is_one_without_prompts() -> None:
    Path("empty.jsonl").write_bytes(b"")
    assert commanded("bulk", "empty.jsonl", "-o", "out").exit_code == 0


def test_a_file_that_was_cut_off_goes_on_and_another_run_is_refused() -> None:
    names = [str(at) for at in range(6)]
    written(Path("r"), *map(openai, names))
    assert commanded("bulk", "r", "-o", "out").exit_code == 0
    whole = Path("out").read_bytes().splitlines(keepends=True)
    Path("out").write_bytes(b"".join(whole[3:5]) + whole[0][:20])
    again = commanded("bulk", "r", "-o", "out")
    assert again.exit_code == 0 and "6 of 6 texts, 2 of them before" in again.stderr
    assert list(read(Path("out"))) == names
    assert Path("out").read_bytes().splitlines(keepends=True)[3:5] == whole[3:5]
    kept = Path("out").read_bytes()
    written(Path("r"), *map(openai, names[:5]), openai("5", messages=SAID))
    other = commanded("bulk", "r", "-o", "out")
    assert other.exit_code == 2 and "file of requests" in other.stderr and Path("out").read_bytes() == kept
    written(Path("r"), *map(openai, names), openai("more"))
    assert commanded("bulk", "r", "-o", "out").exit_code == 0
    assert list(read(Path("out"))) == [*names, "more"]
    assert commanded("bulk", "r", "-o", "out", "--start-over").exit_code == 0
    assert not set(kept.splitlines()) & set(Path("out").read_bytes().splitlines())


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
@pytest.mark.parametrize("kill", [signal.SIGKILL, pytest.param(signal.SIGINT, marks=pytest.mark.slow)])
def test_a_process_that_was_stopped_half_way_goes_on_where_it_was(kill: signal.Signals) -> None:
    names = [f"n{at}" for at in range(200)]
    written(Path("r"), *map(openai, names))
    paths = os.pathsep.join([str(ROOT), str(ROOT / "kernels")])
    command = [sys.executable, "-c", "from structgen.doors.cli import main; main()", "bulk", "r", "-o", "out"]
    with subprocess.Popen(
        command, env={**os.environ, "PYTHONPATH": paths}, stderr=subprocess.PIPE
    ) as process:
        while process.poll() is None:
            if Path("out").exists() and Path("out").read_bytes().count(b"\n") > 9:
                process.send_signal(kill)
                break
            time.sleep(0.01)
        said = process.communicate(timeout=900)[1].decode()
    assert process.returncode == {signal.SIGKILL: -9, signal.SIGINT: 130}[kill], said
    data = Path("out").read_bytes()
    kept = data[: data.rfind(b"\n") + 1].splitlines()
    assert 9 < len(kept) < len(names), "it was not stopped half way"
    again = commanded("bulk", "r", "-o", "out")
    assert again.exit_code == 0 and f"{len(kept)} of them before" in again.stderr
    assert set(kept) <= set(Path("out").read_bytes().splitlines()), "a result was lost"
    assert list(read(Path("out"))) == names


@for_each("end", ["", ".run", ".lock"])
def test_a_file_of_requests_is_never_one_of_the_results(end: str) -> None:
    kept = written(Path(f"out{end}"), RIGHT).read_bytes()
    for words in ([], ["--start-over"]):
        found = commanded("bulk", f"out{end}", "-o", "out", *words)
        assert found.exit_code == 2 and "--out" in found.stderr, found.output
        assert Path(f"out{end}").read_bytes() == kept and len(list(Path().iterdir())) == 1
    Path(f"out{end}").unlink()


@pytest.mark.skipif(os.name != "posix", reason="symbolic links")
def test_results_have_one_writer_under_all_their_names() -> None:
    from filelock import FileLock

    written(Path("r"), RIGHT)
    Path("link").symlink_to("out")
    with FileLock("out.lock"):
        found = commanded("bulk", "r", "-o", "link")
        assert found.exit_code == 2 and "Another process" in found.stderr, found.output
    assert commanded("bulk", "r", "-o", "link").exit_code == 0
    again = commanded("bulk", "r", "-o", "out")
    assert again.exit_code == 0 and "1 of them before" in again.stderr and Path("link").is_symlink()
