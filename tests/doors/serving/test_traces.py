"""Spans of OpenTelemetry: which each door makes, whose children they are, when they end, what none tells."""

from __future__ import annotations

import asyncio
import json
import secrets
import threading
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, Literal

import pytest
from for_each import for_each
from openai_server import serving
from served_apps import CHAT, FORMAT, MESSAGES, TEXT, HandClient, app_of, post, run, until
from small_models import Function, tokenizer

import structgen as sg
from structgen.base.errors import StructgenError
from structgen.decoding.engine.bulk_runs import engine_answers
from structgen.decoding.runs import telemetry
from structgen.decoding.runs.result_files import as_done

trace = pytest.importorskip("opentelemetry.trace")
sdk = pytest.importorskip("opentelemetry.sdk.trace")

from opentelemetry.sdk.trace.export import SimpleSpanProcessor  # noqa: E402
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter  # noqa: E402

CITY: dict[str, Any] = {"enum": ["London", "Paris"]}
TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


class Spans:
    """What was traced since the last look."""

    def __init__(self) -> None:
        self.exporter = InMemorySpanExporter()
        self.provider = sdk.TracerProvider(shutdown_on_exit=False)
        self.provider.add_span_processor(SimpleSpanProcessor(self.exporter))

    def ended(self) -> list[Any]:
        found = list(self.exporter.get_finished_spans())
        self.exporter.clear()
        return found

    def only(self) -> Any:
        (span,) = self.ended()
        return span


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> Spans:
    made = Spans()
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", made.provider)
    monkeypatch.delenv(telemetry.CONTENT, raising=False)
    return made


def bulk(engine: sg.Engine, folder: Path, *prompts: str, grammar: Any = None) -> None:
    file = folder / "prompts.jsonl"
    file.write_text("".join(json.dumps(prompt) + "\n" for prompt in prompts), encoding="utf-8")
    held = sg.json_schema(CITY) if grammar is None else grammar
    sg.integrations  # noqa: B018
    from structgen.decoding.engine.bulk_runs import run_bulk

    run_bulk(engine, file, folder / "out.jsonl", lambda text: sg.Request(text, held), start_over=True)


def streamed(engine: sg.Engine) -> None:
    for _ in sg.run(engine, TEXT, CITY, stream=True):
        pass


async def astreamed(engine: sg.Engine) -> None:
    async for _ in sg.arun(engine, TEXT, CITY, stream=True):
        pass


def function(model: sg.Engine | str) -> Any:
    @sg.generate(model=model)
    def city(text: str) -> Literal["London", "Paris"]:
        """Which city? {text}"""
        return sg.filled()

    return city


DOORS: dict[str, Callable[[sg.Engine, Path], Any]] = {
    "sg.run": lambda engine, _: sg.run(engine, TEXT, CITY),
    "a stream": lambda engine, _: streamed(engine),
    "sg.arun": lambda engine, _: run(lambda: sg.arun(engine, TEXT, CITY)),
    "an asynchronous stream": lambda engine, _: run(lambda: astreamed(engine)),
    "a typed function": lambda engine, _: function(engine)(TEXT),
    "its batch": lambda engine, _: function(engine).batch([TEXT]),
    "bulk": lambda engine, folder: bulk(engine, folder, TEXT),
    "serve": lambda engine, _: post(
        app_of(engine), "/v1/chat/completions", CHAT | {"response_format": FORMAT}
    ),
    "a served stream": lambda engine, _: post(
        app_of(engine), "/v1/chat/completions", CHAT | {"response_format": FORMAT, "stream": True}
    ),
}


@for_each("door", DOORS)
def test_each_door_makes_one_span_that_tells_what_the_call_cost(
    engine: sg.Engine, tmp_path: Path, spans: Spans, door: str
) -> None:
    DOORS[door](engine, tmp_path)
    span = spans.only()
    is_served = "serve" in door
    assert span.name == ("chat extract" if is_served else "chat structgen/extract")
    assert span.kind is (trace.SpanKind.SERVER if is_served else trace.SpanKind.INTERNAL)
    told = span.attributes
    assert told["gen_ai.operation.name"] == "chat" and told["gen_ai.provider.name"] == "structgen"
    assert told["gen_ai.request.model"] == span.name.removeprefix("chat ")
    assert told["gen_ai.usage.input_tokens"] > 5 and told["gen_ai.usage.output_tokens"] > 0
    assert told["gen_ai.response.finish_reasons"] == ("stop",)
    assert told["structgen.model_ms"] > 0
    assert span.status.status_code is trace.StatusCode.UNSET and "error.type" not in told
    if "bulk" not in door and not is_served:
        assert told["structgen.attempts"] == 1 and told["gen_ai.output.type"] == "json"


def test_the_masks_and_the_compilation_of_a_call_are_timed(spans: Spans) -> None:
    new = {"type": "object", "properties": {secrets.token_hex(8): CITY}}
    sg.run("structgen/extract", TEXT, new)
    told = spans.only().attributes
    assert told["structgen.mask_ms"] > 0 and told["structgen.compile_ms"] > 0


@for_each("door", DOORS)
def test_a_span_is_a_child_of_the_callers_current_one(
    engine: sg.Engine, tmp_path: Path, spans: Spans, door: str
) -> None:
    with spans.provider.get_tracer("test").start_as_current_span("mine") as mine:
        DOORS[door](engine, tmp_path)
        assert trace.get_current_span() is mine
    inner = next(span for span in spans.ended() if span.name != "mine")
    assert inner.parent.span_id == mine.get_span_context().span_id


def test_calls_at_once_are_children_of_their_own_callers(engine: sg.Engine, spans: Spans) -> None:
    tracer, mine = spans.provider.get_tracer("test"), dict[str, int]()

    async def one(name: str) -> None:
        with tracer.start_as_current_span(name) as span:
            mine[name] = span.get_span_context().span_id
            await sg.arun(engine, TEXT, CITY)

    async def work() -> None:
        await asyncio.gather(one("a"), one("b"))

    run(work)
    parents = [span.parent.span_id for span in spans.ended() if span.parent is not None]
    assert sorted(parents) == sorted(mine.values())


def test_threads_that_answer_tasks_work_in_the_callers_context(spans: Spans) -> None:
    with spans.provider.get_tracer("test").start_as_current_span("mine") as mine:
        assert list(as_done(lambda _: trace.get_current_span(), [1, 2, 3], 2)) == [mine] * 3


def test_a_worker_of_another_process_is_told_whose_child_its_spans_are(
    engine: sg.Engine, tmp_path: Path, spans: Spans
) -> None:
    with spans.provider.get_tracer("test").start_as_current_span("mine") as mine:
        carried = telemetry.carried_headers()
    from structgen.decoding.engine.bulk_runs import Prompt

    def request(text: str) -> sg.Request:
        return sg.Request(text, sg.json_schema(CITY))

    list(engine_answers(engine, request, carried)([Prompt(0, None, TEXT, None)]))
    inner = spans.ended()[-1]
    assert inner.parent.span_id == mine.get_span_context().span_id


def test_what_the_caller_does_between_two_partials_is_no_child_of_the_call(
    engine: sg.Engine, spans: Spans
) -> None:
    for _ in sg.run(engine, TEXT, CITY, stream=True):
        assert not trace.get_current_span().get_span_context().is_valid
    assert len(spans.ended()) == 1


def test_a_stream_that_is_left_ends_its_span_without_an_error(engine: sg.Engine, spans: Spans) -> None:
    partials: Any = sg.run(engine, TEXT, {"type": "string", "minLength": 30}, stream=True)
    with closing(partials):
        next(partials)
        assert spans.ended() == []
    assert "error.type" not in spans.only().attributes


def test_an_interrupt_ends_the_span(engine: sg.Engine, spans: Spans, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(engine.model, "prefill", interrupted)
    with pytest.raises(KeyboardInterrupt):
        sg.run(engine, TEXT, CITY)
    assert spans.only().attributes["error.type"] == "KeyboardInterrupt"


def test_a_cancelled_call_ends_its_span(
    engine: sg.Engine, spans: Spans, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, go_on, prefill = threading.Event(), threading.Event(), engine.model.prefill

    def waiting(*given: Any) -> Any:
        begun.set()
        assert go_on.wait(600)
        return prefill(*given)

    monkeypatch.setattr(engine.model, "prefill", waiting)

    async def work() -> None:
        call = asyncio.ensure_future(sg.arun(engine, TEXT, CITY))
        await until(begun.is_set)
        call.cancel()
        with suppress(asyncio.CancelledError):
            await call
        go_on.set()

    run(work)
    assert spans.only().attributes["error.type"] == "CancelledError"


def test_a_bulk_run_that_is_cut_off_ends_the_spans_of_its_lines(
    engine: sg.Engine, tmp_path: Path, spans: Spans, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(engine, "step", interrupted)
    with pytest.raises(KeyboardInterrupt):
        bulk(engine, tmp_path, TEXT, TEXT)
    assert [span.attributes["structgen.line"] for span in spans.ended()] == [0, 1]


def test_a_request_names_the_span_that_it_belongs_to(engine: sg.Engine, spans: Spans) -> None:
    headers = {"traceparent": f"00-{TRACE}-{PARENT}-01"}
    post(app_of(engine), "/v1/chat/completions", {**CHAT, "max_tokens": 3}, **headers)
    span = spans.only()
    assert f"{span.context.trace_id:032x}" == TRACE and f"{span.parent.span_id:016x}" == PARENT
    assert span.attributes["http.response.status_code"] == 200


@for_each(
    "name",
    bodies := {
        "/v1/chat/completions": {"messages": MESSAGES},
        "/v1/completions": {"prompt": TEXT},
        "/v1/responses": {"input": TEXT},
        "/v1/messages": {"messages": MESSAGES[1:]},
    },
)
def test_each_address_is_told_with_its_status(engine: sg.Engine, spans: Spans, name: str) -> None:
    app, most = app_of(engine), "max_output_tokens" if "responses" in name else "max_tokens"
    # a text that is drawn may end before it has three tokens
    post(app, name, {"model": "extract", most: 3, "temperature": 0, **bodies[name]})
    post(app, name, {"model": "other", most: 3, **bodies[name]})
    done, refused = spans.ended()
    assert done.attributes["http.route"] == refused.attributes["http.route"] == name
    assert done.attributes["gen_ai.response.finish_reasons"] == ("max_tokens",)
    assert refused.attributes["http.response.status_code"] == 404
    assert done.name == ("text_completion extract" if name == "/v1/completions" else "chat extract")


def test_a_client_that_goes_ends_the_span_of_its_request(spans: Spans) -> None:
    model = Function(tokenizer().vocab_size, 10**9)
    app = app_of(sg.Engine(model, tokenizer()))
    no_end = {str(token): -1e6 for token in tokenizer().eos_token_ids}
    body = {"model": "extract", "prompt": "x", "stream": True, "max_tokens": 10**8, "logit_bias": no_end}

    async def work() -> None:
        client = HandClient(app, body, "/v1/completions")
        await until(lambda: len(client.pieces) > 1)
        client.go()
        await client.task

    run(work)
    assert spans.only().attributes["http.request.method"] == "POST"


def test_a_server_is_told_the_span_of_the_call_and_no_baggage(spans: Spans) -> None:
    from opentelemetry import baggage, context

    token = context.attach(baggage.set_baggage("user", "ada"))
    try:
        with serving('"Paris"') as server:
            sg.run(server.model, TEXT, CITY, wrap=False)
    finally:
        context.detach(token)
    span = spans.only()
    (headers,) = server.headers
    named = f"00-{span.context.trace_id:032x}-{span.context.span_id:016x}-"
    assert headers["traceparent"].startswith(named)
    assert "baggage" not in headers
    told = span.attributes
    assert span.kind is trace.SpanKind.CLIENT and told["gen_ai.provider.name"] == "openai"
    assert told["server.address"] == "127.0.0.1" and told["server.port"] == server.port


def test_requests_of_a_batch_belong_to_the_callers_trace(spans: Spans) -> None:
    with (
        serving('"Paris"') as server,
        spans.provider.get_tracer("test").start_as_current_span("mine") as mine,
    ):
        function(server.model).batch(["a", "b", "c"])
    told = {headers["traceparent"].split("-")[1] for headers in server.headers}
    assert told == {f"{mine.get_span_context().trace_id:032x}"} and len(server.headers) == 3


# --- what is not told ---------------------------------------------------------------------------------------


class Words:
    """Words that no span may tell: of prompts, of schemas, and of answers."""

    def __init__(self) -> None:
        self.prompt, self.key, self.answer, self.refused = (secrets.token_hex(6) for _ in range(4))
        self.schema: dict[str, Any] = {
            "type": "object",
            "title": self.key,
            "properties": {self.key: {"enum": [self.answer], "description": self.key}},
            "required": [self.key],
        }
        self.text = f"What is {self.prompt}?"

    @property
    def all(self) -> tuple[str, ...]:
        return self.prompt, self.key, self.answer, self.refused

    def ask(self, engine: sg.Engine, folder: Path) -> list[Any]:
        """Ask at each door, well and badly; return the answers."""
        schema, text = self.schema, self.text
        form = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}
        body = {"model": "extract", "messages": [{"role": "user", "content": text}], "response_format": form}
        said: list[Any] = [sg.run(engine, text, schema)]
        said += [partial.text for partial in sg.run(engine, text, schema, stream=True)][-1:]
        bulk(engine, folder, text, grammar=sg.json_schema(schema))
        said.append((folder / "out.jsonl").read_text(encoding="utf-8"))
        said.append(post(app_of(engine), "/v1/chat/completions", body).json()["choices"])
        post(app_of(engine), "/v1/chat/completions", {**body, "temperature": self.refused})
        with serving(f'{{"{self.key}": "{self.refused}"}}') as server, suppress(StructgenError):
            sg.run(server.model, text, schema, attempts=2)
        with serving({"status": 400, "error": {"message": self.refused}}) as server, suppress(StructgenError):
            sg.run(server.model, text, schema)
        return said


def whole(spans: Spans) -> str:
    return "\n".join(span.to_json() for span in spans.ended())


def test_no_span_tells_a_prompt_an_answer_or_a_schema(
    engine: sg.Engine, tmp_path: Path, spans: Spans
) -> None:
    words = Words()
    words.ask(engine, tmp_path)
    found = spans.ended()
    assert len(found) >= 7
    told = "\n".join(span.to_json() for span in found)
    assert [word for word in words.all if word in told] == []
    assert {span.attributes.get("error.type") for span in found} == {None, "GenerationError"}


def test_prompts_and_answers_are_told_where_the_variable_asks_for_them(
    engine: sg.Engine, tmp_path: Path, spans: Spans, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(telemetry.CONTENT, "true")
    words = Words()
    sg.run(engine, words.text, words.schema)
    told = spans.only().attributes
    assert json.loads(told["gen_ai.input.messages"]) == [
        {"role": "user", "parts": [{"type": "text", "content": words.text}]}
    ]
    (said,) = json.loads(told["gen_ai.output.messages"])
    assert said["role"] == "assistant" and said["finish_reason"] == "stop"
    assert json.loads(said["parts"][0]["content"]) == {words.key: words.answer}
    words.ask(engine, tmp_path)
    told = whole(spans)
    assert [word for word in words.all if word not in told] == []


PART = {"type": "text", "text": "a"}


@for_each(
    ("prompt", "told"),
    [
        ("a", [{"role": "user", "parts": [{"type": "text", "content": "a"}]}]),
        (["a"], [{"role": "user", "parts": [{"type": "text", "content": "a"}]}]),
        (
            [{"role": "system", "content": [PART, {"type": "image_url", "image_url": {"url": "data:"}}]}],
            [{"role": "system", "parts": [{"type": "text", "content": "a"}, {"type": "image_url"}]}],
        ),
        ([{"role": "assistant", "content": None}], [{"role": "assistant", "parts": []}]),
        ([{"content": "\ud800"}], [{"role": "user", "parts": [{"type": "text", "content": "\ud800"}]}]),
        ([1, 2, None], []),
        (5, []),
    ],
)
def test_a_prompt_of_any_shape_is_told(
    spans: Spans, monkeypatch: pytest.MonkeyPatch, prompt: Any, told: Any
) -> None:
    monkeypatch.setenv(telemetry.CONTENT, "true")
    with telemetry.call_span("chat", "x", {}) as span:
        span.record_prompt(prompt)
    said = spans.only().attributes["gen_ai.input.messages"]
    assert json.loads(said) == told and said.isascii()


def test_of_a_call_that_is_not_sampled_the_context_alone_is_kept(
    engine: sg.Engine, spans: Spans, monkeypatch: pytest.MonkeyPatch
) -> None:
    off = sdk.TracerProvider(sampler=sdk.sampling.ALWAYS_OFF, shutdown_on_exit=False)
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", off)
    with telemetry.call_span("chat", "x", {}) as span, span.make_current():
        assert trace.get_current_span().get_span_context().is_valid
        assert telemetry.carried_headers()["traceparent"].endswith(("-00", "-02"))
    assert sg.run(engine, TEXT, CITY) == "London" and spans.ended() == []


@for_each("value", ["false", "1", "", "yes"])
def test_another_value_of_the_variable_asks_for_nothing(
    engine: sg.Engine, spans: Spans, monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setenv(telemetry.CONTENT, value)
    words = Words()
    sg.run(engine, words.text, words.schema)
    assert words.prompt not in whole(spans)


def test_answers_are_the_same_whether_somebody_traces_or_not(
    engine: sg.Engine, tmp_path: Path, spans: Spans, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = Words()
    traced = words.ask(engine, tmp_path)
    assert spans.ended()
    monkeypatch.setattr(telemetry, "TRACING", "no module of this name")
    assert words.ask(engine, tmp_path) == traced and not spans.ended()


def test_without_a_tracer_there_is_no_span(engine: sg.Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", trace.NoOpTracerProvider())
    assert telemetry.call_span("chat", "x", {}) is telemetry._NONE
    assert sg.run(engine, TEXT, CITY) == "London"


def test_nothing_of_opentelemetry_is_imported_by_a_call(tmp_path: Path) -> None:
    import forked

    block = """
import sys
class Refused:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "opentelemetry":
            raise AssertionError(name)
sys.meta_path.insert(0, Refused())
import structgen as sg
print(sg.run("structgen/extract", "Ada lives in London.", {"enum": ["London", "Paris"]}))
"""
    assert forked.run(block, ahead=forked.COMPILER).stdout.splitlines() == ["London"]
