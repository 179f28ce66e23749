"""The usage of answers says how much of a prompt was kept; clients of different keys share nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from served_apps import app_of, post
from small_models import tokenizer, write_chat_llama
from starlette.applications import Starlette

import structgen as sg
from structgen.decoding.engine.forward_pass.llama import Llama
from structgen.doors.serving.server_options import ServerOptions

TEXT = "a talk about the weather in the north, and the sea " * 4
PAGES = 32
CASES: dict[str, tuple[dict[str, Any], list[str]]] = {
    "chat/completions": (
        {"messages": [{"role": "user", "content": TEXT}]},
        ["usage", "prompt_tokens_details", "cached_tokens"],
    ),
    "responses": ({"input": TEXT}, ["usage", "input_tokens_details", "cached_tokens"]),
    "messages": (
        {"messages": [{"role": "user", "content": TEXT}]},
        ["usage", "cache_read_input_tokens"],
    ),
}


@pytest.fixture
def engine(tmp_path: Path) -> sg.Engine:
    folder = write_chat_llama(tmp_path / "model")
    return sg.Engine(Llama.read_folder(folder), tokenizer())


def _cached(app: Starlette, path: str, **more: Any) -> tuple[int, Any]:
    """Return the cached tokens of an answer, and its usage."""
    body, place = CASES[path]
    said = {"model": "extract", "max_tokens": 4, **body}
    if path == "responses":
        said["max_output_tokens"] = said.pop("max_tokens")
    key = more.pop("key", "")
    headers = {"authorization": f"Bearer {key}"} if key else {}
    answer = post(app, f"/v1/{path}", {**said, **more}, **headers)
    assert answer.status_code == 200, answer.text
    value = answer.json()
    for name in place:
        value = value[name]
    return int(value), answer.json()["usage"]


@pytest.mark.parametrize("path", CASES)
def test_usage_says_what_was_kept(engine: sg.Engine, path: str) -> None:
    app = app_of(engine)
    first, usage = _cached(app, path)
    second, again = _cached(app, path)
    assert (first, second >= 2 * PAGES) == (0, True)
    if path == "messages":
        # Anthropic counts kept tokens apart from those that were read
        assert usage["input_tokens"] == again["input_tokens"] + second


def test_clients_of_different_keys_and_salts_share_nothing(engine: sg.Engine) -> None:
    app = app_of(engine, ServerOptions(keys=("one", "two")))
    path = "chat/completions"
    found = [_cached(app, path, key=key)[0] for key in ("one", "two", "one", "two")]
    assert found[:2] == [0, 0]
    assert min(found[2:]) >= 2 * PAGES
    assert _cached(app, path, key="one", cache_salt="x")[0] == 0
    assert _cached(app, path, key="one", cache_salt="x")[0] >= 2 * PAGES


def test_metrics_have_what_is_kept(engine: sg.Engine) -> None:
    app = app_of(engine)
    cached = [_cached(app, "chat/completions")[0] for _ in range(2)]
    from served_apps import http_client, run

    async def page() -> str:
        async with http_client(app) as client:
            return (await client.get("/metrics")).text

    lines = dict(line.rsplit(" ", 1) for line in run(page).splitlines() if not line.startswith("#"))
    assert float(lines["structgen_prompt_tokens_cached_total"]) == sum(cached)
    kept = engine.model.kept_prompts  # type: ignore[attr-defined]
    assert float(lines["structgen_kept_prompts_bytes"]) == kept.nbytes > 0
