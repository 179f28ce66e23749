"""Tools at `sg.run` and `sg.generate`: what is taken of a reply, prompts, streams, budgets, bad input."""

from __future__ import annotations

import asyncio
import dataclasses
import gc
import itertools
import json
import re
import shutil
import warnings
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import pytest
from asked import Person, asked, awaited, listed
from for_each import for_each
from small_models import write_llama
from told_models import TOKENIZER, Even, Told, told

import structgen as sg
from structgen.asking.tool_calls.call_writing import write_calls
from structgen.asking.tool_calls.format_rows import FORMATS
from structgen.doors.typed.functions import CallSpec
from structgen.doors.typed.prompts import source_of_prompt
from structgen.doors.typed.waiting import run_coroutine
from structgen.doors.typed.writers import Preparation

OSLO = '<tool_call>\n{"name": "get_weather", "arguments": {"city": "Oslo"}}\n</tool_call>'
ROME = OSLO.replace("Oslo", "Rome")
QUESTION = "What is the weather in Oslo?"


def get_weather(city: str, days: int = 1) -> dict[str, Any]:
    """Tell the weather of a city."""
    raise AssertionError("tools are never called")


def set_alarm(person: str) -> None:
    """Set an alarm."""
    raise AssertionError("tools are never called")


def run(*texts: str, tools: Any = (get_weather, set_alarm), call: Any = sg.run, **options: Any) -> Any:
    return call(told(*texts)[0], QUESTION, tools=tools, **{"tool_format": "hermes", **options})


def ask(hint: Any, *texts: str, make: Any = asked, tools: Any = (get_weather,)) -> Any:
    """Return a typed function with tools, whose model writes given texts."""
    return make(hint, model=told(*texts)[0], tools=list(tools), tool_format="hermes")


# --- what comes back ----------------------------------------------------------------------------------------


def test_run_returns_the_reply_with_its_texts_and_calls() -> None:
    reply = run(f"One.{OSLO} and {ROME}")
    assert isinstance(reply, sg.Reply)
    assert [(call.name, call.value()) for call in reply.calls] == [
        ("get_weather", {"city": "Oslo"}),
        ("get_weather", {"city": "Rome"}),
    ]
    assert reply.texts == ["One.", " and ", ""]


def test_a_detailed_run_has_calls_the_reply_and_the_whole_text() -> None:
    outcome = run(OSLO, call=sg.run.detailed)
    assert outcome.calls == outcome.reply.calls == outcome.value.calls
    assert (outcome.text, outcome.attempts) == (OSLO, 1)
    assert sg.run.detailed(told("Hi")[0], "Hello").calls == []


@pytest.mark.parametrize(
    ("hint", "text", "taken"),
    [
        (str | sg.Call, "Sunny.", "Sunny."),
        (str | sg.Call, f"So: {OSLO}", "Oslo"),
        (sg.Call, OSLO, "Oslo"),
        (list[sg.Call], OSLO + ROME, ["Oslo", "Rome"]),
        (str | list[sg.Call], OSLO + ROME, ["Oslo", "Rome"]),
        (str | list[sg.Call], "Sunny.", "Sunny."),
    ],
    ids=str,
)
def test_a_return_type_takes_its_part_of_a_reply(hint: Any, text: str, taken: Any) -> None:
    def cities(found: Any) -> Any:
        if isinstance(found, sg.Call):
            return found.arguments["city"]
        return found if isinstance(found, str) else [cities(one) for one in found]

    assert cities(run(text, target=hint)) == taken
    assert cities(ask(hint, text)(QUESTION)) == taken


@pytest.mark.parametrize(
    ("text", "left"),
    [
        (OSLO * 4, 1),
        (OSLO + ROME + OSLO, 2),
        (OSLO + ROME, 0),
    ],
)
@pytest.mark.parametrize("hint", [sg.Reply, list[sg.Call]])
def test_a_reply_ends_before_a_tool_is_called_alike_and_it_is_told(text: str, left: int, hint: Any) -> None:
    """`left`: how many calls there are before one that equals an earlier one; 0: there is none."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        reply = run(text, target=hint)
    told = [str(one.message) for one in caught if one.category is sg.errors.ToolWarning]
    assert [one[:27] for one in told] == ["get_weather is called again"] * (left > 0)
    if hint is sg.Reply:
        assert not reply.problems and bool(reply.repeats) == (left > 0)
    assert len(reply.calls if hint is sg.Reply else reply) == (left or 2)


ADA = '{"name": "Ada", "age": 36}'
SCHEMA = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}


@pytest.mark.parametrize("doors", ["run", "decorator", "stream", "coroutine"])
@for_each(
    ("target", "text", "value"),
    [
        (Person | sg.Call, ADA, Person(name="Ada", age=36)),
        (Person | list[sg.Call], ADA, Person(name="Ada", age=36)),
        (Person | None | sg.Call, "null", None),
        (list[Person] | sg.Call, f"[{ADA}]", [Person(name="Ada", age=36)]),
        (Literal["S", "L"] | sg.Call, '"L"', "L"),
        (str | int | sg.Call, '"36"', "36"),
        (int | sg.Call, "36", 36),
        (Person | sg.Call, '{"name": "<tool_call>{}</tool_call>", "age": 1}', ...),
        (Person | sg.Call, json.dumps({"name": OSLO, "age": 1}), Person(name=OSLO, age=1)),
        (dict[str, str] | sg.Call, json.dumps({"a": OSLO}), {"a": OSLO}),
        (Person | sg.Call, OSLO, "Oslo"),
        (int | sg.Call, OSLO, "Oslo"),
        (Person | list[sg.Call], OSLO + ROME, ["Oslo", "Rome"]),
    ],
)
def test_a_type_beside_calls_is_answered_or_a_tool_is_called(
    doors: str, target: Any, text: str, value: Any
) -> None:
    if doors == "run":
        found = run(text, target=target)
    elif doors == "stream":
        *_, before, last = run(text, target=target, call=sg.run.stream)
        found = last.result
        assert isinstance(before.value, sg.Call | dict | list | str | int | None)
    elif doors == "decorator":
        found = ask(target, text)(QUESTION)
    else:
        found = asyncio.run(ask(target, text, make=awaited)(QUESTION))
    value = Person.model_validate_json(text) if value is ... else value
    assert taken(found) == value and type(taken(found)) is type(value)


def taken(found: Any) -> Any:
    """Return a value, whose calls are their cities."""
    if isinstance(found, sg.Call):
        return found.arguments.get("city")
    is_calls = isinstance(found, list) and found and isinstance(found[0], sg.Call)
    return [taken(one) for one in found] if is_calls else found


@for_each(
    ("target", "text", "value"),
    [
        (Person, ADA, Person(name="Ada", age=36)),
        (SCHEMA, ADA, {"name": "Ada", "age": 36}),
        (True, "[1, 2.5]", [1, 2.5]),
        (re.compile("[a-z]+"), "abc", "abc"),
        (sg.choice(["S", "L"]), "L", "L"),
        (sg.lark('start: "a" "b"+'), "abbb", "abbb"),
        (str, "Sunny.", "Sunny."),
    ],
)
def test_any_target_of_run_is_answered_or_one_tool_is_called(target: Any, text: str, value: Any) -> None:
    assert run(text, target=target) == value
    assert [one.value for one in run(text, target=target, call=sg.run.stream)][-1] == value
    assert run(OSLO, target=target).arguments == {"city": "Oslo"}
    assert run(OSLO, target=target, tool_choice="get_weather", max_tokens=80).name == "get_weather"
    assert run(text, target=target, tool_choice="none") == value
    outcome = run(text, target=target, call=sg.run.detailed)
    assert (outcome.value, outcome.calls, outcome.text) == (value, [], text)


@pytest.mark.parametrize(
    "format", ["hermes", "llama", "mistral_list", "kimi", "qwen_3_coder", "gemma", "harmony"]
)
def test_each_format_writes_calls_beside_an_answer(format: str) -> None:
    """A text that is a call is never an answer, also where the format writes calls as JSON."""
    call = write_calls([sg.Call("get_weather", {"city": "Oslo"}, "call_0")], format)
    for target in (Person, dict[str, Any]):
        assert run(ADA, target=target, tool_format=format) == (
            Person(name="Ada", age=36) if target is Person else json.loads(ADA)
        )
        found = run(call, target=target, tool_format=format)
        assert isinstance(found, sg.Call) and found.arguments == {"city": "Oslo"}, call


def test_a_stream_has_the_parts_of_an_object_beside_tools() -> None:
    values = [one.value for one in run(ADA, target=list[Even] | Person | sg.Call, call=sg.run.stream)]
    assert {"name": "A"} in values and {"name": "Ada", "age": 36} in values
    odd = '{"number": 3}'
    with pytest.raises(sg.errors.GenerationError, match="is odd"):
        list(run(odd, target=Even, call=sg.run.stream))
    outcome = run(odd, odd.replace("3", "4"), target=Even, call=sg.run.detailed)
    assert (outcome.attempts, outcome.value) == (2, Even(number=4))


def test_the_prompts_tell_the_answer_and_the_tools(folder: Path) -> None:
    ask = asked(Person | sg.Call, "Q: {text}", model="structgen/extract", tools=[get_weather])
    line = "get_weather: {name: string, arguments: {city: string, days?: integer}}"
    assert ask.prompt("A") == f"{{name: string, age: integer}}\n{line}\nA\n"
    prompt = asked(Person | sg.Call, "{text}", model=folder, tools=[get_weather]).prompt("A")
    assert prompt == "[get_weather:city]<user>A\n\nAnswer in JSON: {name: string, age: integer}<assistant>"


def test_what_is_kept_of_a_call_goes_with_it() -> None:
    engine = told(OSLO)[0]
    kept = Preparation(engine, [get_weather], {"tool_format": "hermes"})
    form, writer = kept.read_form(Person | sg.Call), kept.writer()
    spec = CallSpec("x", kept.read_form, lambda: writer, kept.options, False)
    spec.form = form
    assert isinstance(run_coroutine(spec.write_result(source_of_prompt("?"))), sg.Call)
    gone = weakref.ref(form.tools)
    del form, spec
    gc.collect()
    assert gone() is None


def test_a_type_without_text_requires_a_call() -> None:
    assert run("Sunny, I think.", target=sg.Call, max_tokens=80).name in ("get_weather", "set_alarm")
    assert run(f"{OSLO}{ROME}", target=sg.Call).arguments == {"city": "Oslo"}


def test_a_choice_narrows_the_calls() -> None:
    reply = run(OSLO, tool_choice="set_alarm", max_tokens=80)
    assert {call.name for call in reply.calls} == {"set_alarm"}


def test_none_and_no_tools_leave_text() -> None:
    for options in ({"tool_choice": "none"}, {"tools": []}):
        reply = run("Sunny.", **options)
        assert (reply.text, reply.calls) == ("Sunny.", [])


def test_thoughts_are_apart() -> None:
    reply = run(f"<think>Hm.</think>\n\n{OSLO}", tool_format="qwen_3", thinking="auto")
    assert (reply.thinking, len(reply.calls), reply.text) == ("Hm.", 1, "")
    outcome = run(f"Hm.</think>{OSLO}", thinking=sg.Thinking(max_tokens=30), call=sg.run.detailed)
    assert (outcome.reply.thinking, outcome.result.thoughts, len(outcome.calls)) == ("Hm.", "Hm.", 1)


def test_arguments_that_the_types_refuse_are_asked_for_again() -> None:
    odd = '<tool_call>\n{"name": "Even", "arguments": {"number": 3}}\n</tool_call>'
    even = odd.replace("3", "4")
    engine, model = told(odd, even)
    outcome = sg.run.detailed(engine, "Which?", tools=[Even], tool_format="hermes")
    assert (outcome.attempts, outcome.value.calls[0].value()) == (2, Even(number=4))
    assert "is odd" in model.prompts[1] and odd in model.prompts[1]
    with pytest.raises(sg.errors.GenerationError, match=r"Even/number.*is odd"):
        sg.run(told(odd)[0], "Which?", tools=[Even], tool_format="hermes", attempts=1)


def test_a_batch_and_a_coroutine() -> None:
    batch = ask(sg.Call, OSLO, ROME).batch(["a", "b"])
    assert [call.arguments["city"] for call in batch] == ["Oslo", "Rome"]
    later = ask(str | sg.Call, OSLO, make=awaited)
    assert asyncio.run(later("a")).arguments == {"city": "Oslo"}
    assert asyncio.run(listed(later.stream("a")))[-1].value.complete


# --- streams ------------------------------------------------------------------------------------------------


def test_a_stream_has_text_then_the_name_then_growing_arguments() -> None:
    partials = list(ask(str | sg.Call, f"Let me see. {OSLO}").stream(QUESTION))
    values = [partial.value for partial in partials]
    texts = [value for value in values if isinstance(value, str)]
    calls = [value for value in values if isinstance(value, sg.Call)]
    assert texts == values[: len(texts)] and texts[-1] == "Let me see. "
    assert not any("<" in text for text in texts)
    assert (calls[0].name, calls[0].arguments, calls[0].complete) == ("get_weather", {}, False)
    cities = [call.arguments.get("city", "") for call in calls]
    assert all(after.startswith(before) for before, after in itertools.pairwise(cities))
    assert partials[-1].result == calls[-1] and calls[-1].value() == {"city": "Oslo"}
    assert "".join(partials[-1].text) == f"Let me see. {OSLO}"


def test_a_stream_of_replies_has_the_call_that_is_written_as_partial() -> None:
    stream = ask(sg.Reply, OSLO + ROME).stream(QUESTION)
    seen = [(len(one.value.calls), one.value.partial is not None) for one in stream]
    assert (0, True) in seen and (1, True) in seen and seen[-1] == (2, False)


# --- special tokens -----------------------------------------------------------------------------------------


def writing(text: str, specials: list[str], ends: tuple[str, ...] = (), monkeypatch: Any = None) -> Any:
    """Return an engine that writes a text; its tokenizer has special tokens without bytes of these texts."""
    at = TOKENIZER.vocab_size
    ids = {one: at + index for index, one in enumerate(specials)}
    eos = [*TOKENIZER.eos_token_ids, *(ids[one] for one in ends)]
    tokenizer = sg.Tokenizer.from_bytes([*TOKENIZER.token_bytes, *[None] * len(ids)], eos_token_id=eos)
    monkeypatch.setattr("structgen.decoding.engine.engine.special_texts", lambda *_: ids)
    return sg.Engine(Told(text, context=512, specials=ids), tokenizer)


@pytest.mark.filterwarnings("error")
def test_special_tokens_of_a_format_are_written_and_read_by_their_texts(monkeypatch: Any) -> None:
    """The grammar asks for `[TOOL_CALLS]` as one token, which has no bytes."""
    text = '[TOOL_CALLS]get_weather[ARGS]{"city": "Oslo"}'
    engine = writing(text, ["[TOOL_CALLS]", "[ARGS]", "<think>"], monkeypatch=monkeypatch)
    mistral = dataclasses.replace(FORMATS["mistral"], never=("<think>",))
    outcome = sg.run.detailed(engine, "?", tools=[get_weather], tool_format=mistral)
    assert (outcome.text, outcome.result.tokens[0]) == (text, TOKENIZER.vocab_size)
    assert outcome.calls[0].value() == {"city": "Oslo"}


HARMONY = ["<|channel|>", "<|message|>", "<|call|>", "<|end|>", "<|start|>", "<|return|>", "<|constrain|>"]


@pytest.mark.parametrize(
    ("text", "said", "calls"),
    [
        (
            "<|channel|>commentary to=functions.get_weather<|constrain|>json<|message|>"
            '{"city": "Oslo"}<|call|>',
            "",
            1,
        ),
        ("<|channel|>final<|message|>Sunny.<|return|>", "Sunny.", 0),
    ],
    ids=["a call", "a text"],
)
@pytest.mark.filterwarnings("error")
def test_a_token_of_a_format_that_ends_texts(text: str, said: str, calls: int, monkeypatch: Any) -> None:
    engine = writing(text, HARMONY, ("<|call|>", "<|return|>"), monkeypatch)
    outcome = sg.run.detailed(engine, "?", tools=[get_weather], tool_format="harmony")
    assert (outcome.text, outcome.reply.text, len(outcome.calls)) == (text, said, calls)
    assert outcome.reply.complete and outcome.reply.problems == []


# --- prompts ------------------------------------------------------------------------------------------------

TEMPLATE = (
    "{% for t in tools or [] %}[{{ t.function.name }}:{{ t.function.parameters.required | join(',') }}]"
    "{% endfor %}"
    "{% for m in messages %}<{{ m.role }}>{{ m.content }}{% for c in m.tool_calls or [] %}<tool_call>\n"
    '{"name": "{{ c.function.name }}", "arguments": {{ c.function.arguments | tojson }}}\n</tool_call>'
    "{% endfor %}{% endfor %}{% if add_generation_prompt %}<assistant>{% endif %}"
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = write_llama(tmp_path_factory.mktemp("tools"))
    (made / "chat_template.jinja").write_text(TEMPLATE)
    return made


def asking(folder: Path, messages: Any, **options: Any) -> Any:
    @sg.generate(model=folder, tools=[get_weather], max_tokens=60, **options)
    def ask() -> sg.Reply:
        return sg.filled(messages)

    return ask


def test_the_chat_template_tells_the_tools_and_the_format(folder: Path) -> None:
    ask = asking(folder, QUESTION, tool_choice="required")
    assert ask.prompt() == f"[get_weather:city]<user>{QUESTION}<assistant>"
    assert ask.detailed().text.startswith("<tool_call>\n{")


def test_a_template_that_leaves_tools_out_gets_them_before_the_first_words_of_the_user(
    tmp_path: Path, folder: Path
) -> None:
    made = Path(shutil.copytree(folder, tmp_path / "silent"))
    (made / "chat_template.jinja").write_text(
        "{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}"
    )
    messages = [{"role": "system", "content": "Help."}, {"role": "user", "content": QUESTION}]
    prompt = asking(made, messages, tool_format="hermes").prompt()
    assert prompt.startswith("<system>Help.<user>Tools:\nget_weather: {city: string, days?: integer} Tell")
    assert prompt.endswith(f"\n\n{QUESTION}")


@pytest.mark.parametrize("as_text", [False, True])
def test_earlier_calls_and_results_are_rendered_by_the_template(folder: Path, as_text: bool) -> None:
    reply = sg.parse_calls(f"So. {OSLO}", "hermes", tools=[get_weather])
    message = reply.message()
    if as_text:
        function = message["tool_calls"][0]["function"]
        function["arguments"] = json.dumps(function["arguments"])
        message["content"] = None
    messages = [{"role": "user", "content": "?"}, message, reply.calls[0].result({"sky": "clear"})]
    said = "" if as_text else "So."
    assert asking(folder, messages).prompt() == (
        f'[get_weather:city]<user>?<assistant>{said}{OSLO}<tool>{{"sky": "clear"}}<assistant>'
    )


def test_a_template_is_asked_for_thoughts_and_may_open_them(tmp_path: Path, folder: Path) -> None:
    made = shutil.copytree(folder, tmp_path / "thinking")
    opening = "{% if enable_thinking %}<think>\n{% else %}<think></think>{% endif %}"
    (made / "chat_template.jinja").write_text(TEMPLATE + opening)
    ask = asking(made, "?", thinking=True, tool_choice="required")
    assert ask.prompt().endswith("<think>\n")
    outcome = ask.detailed()
    assert outcome.reply.thinking is not None and "</think>" in outcome.text
    assert asking(made, "?").prompt().endswith("<think></think>")


def test_a_model_without_a_template_gets_a_plain_prompt() -> None:
    engine, model = told("Sunny.")
    reply = sg.parse_calls(OSLO, "hermes")
    earlier = {**reply.message(), "content": None}
    messages = [{"role": "user", "content": "A?"}, earlier, reply.calls[0].result("clear")]
    sg.run(engine, messages, tools=[get_weather], tool_format="hermes")
    assert model.prompts[0].splitlines() == [
        "Tools:",
        "get_weather: {city: string, days?: integer} Tell the weather of a city.",
        "A call is written so, with its arguments:",
        *'<tool_call>\n{"name": "get_weather", "arguments": {}}\n</tool_call>'.splitlines(),
        "",
        "A?",
        "",
        *OSLO.splitlines(),
        "",
        "clear",
        "",
    ]


def test_the_embedded_model_reads_the_outline_of_the_arguments() -> None:
    ask = asked(sg.Call, "Answer by a call: {text}", model="structgen/extract", tools=[get_weather])
    outline = "{name: string, arguments: {city: string, days?: integer}}"
    assert ask.prompt(QUESTION) == f"{outline}\n{QUESTION}\n"
    assert ask(QUESTION).value() == {"city": "Oslo"}


# --- budgets ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("max_tokens", [24, 26, 30])
def test_the_budget_closes_a_half_written_call(max_tokens: int) -> None:
    text = f"{QUESTION} Or in {'Rio ' * 40}?"
    grammar = sg.tools([get_weather], format="hermes", tool_choice="required", parallel=False)
    engine = sg.Engine("structgen/extract")
    least = engine.compiled(grammar).tokens_to_finish(engine.compiled(grammar).start)
    outcome = sg.run.detailed(
        engine,
        [{"role": "user", "content": text}],
        tools=[get_weather],
        tool_choice="required",
        max_tokens=least + max_tokens - 24,
    )
    assert outcome.error is None and outcome.reply.complete and outcome.calls[0].complete
    assert outcome.finish_reason in (sg.FinishReason.STEERED, sg.FinishReason.STOP)
    assert outcome.calls[0].value().keys() <= {"city", "days"}


def test_a_budget_shorter_than_any_call_is_refused_with_the_least() -> None:
    with pytest.raises(sg.errors.BudgetError) as caught:
        sg.run("structgen/extract", QUESTION, tools=[get_weather], tool_choice="required", max_tokens=3)
    assert caught.value.minimum > 3


# --- bad input ----------------------------------------------------------------------------------------------


BAD = [
    ({"tools": [get_weather, get_weather]}, sg.errors.OptionError, "tools/1/name: Two tools have the name"),
    ({"tool_format": "herms"}, sg.errors.OptionError, "Did you mean 'hermes'"),
    ({"tool_format": None}, sg.errors.OptionError, "tool_format: .*no chat template"),
    ({"thinking": True, "tool_format": "llama"}, sg.errors.OptionError, "llama has no thoughts"),
    ({"outline": True}, sg.errors.OptionError, "outline has no effect with tools"),
    ({"stop": "x"}, sg.errors.OptionError, "stop has no effect with tools"),
    ({"wrap": True}, sg.errors.OptionError, "wrap has no effect with tools"),
    (
        {"target": sg.Call | sg.Reply},
        sg.errors.UnsupportedError,
        "cannot hold a reply.*Annotate Call, str",
    ),
    ({"target": sg.Call | list[sg.Call]}, sg.errors.UnsupportedError, "cannot hold a reply"),
    ({"target": Iterator[Even] | sg.Call}, sg.errors.UnsupportedError, "Use list"),
    ({"target": Even, "parallel": True}, sg.errors.OptionError, "holds one"),
    ({"target": Even, "thinking": True, "tool_format": "qwen_3"}, sg.errors.OptionError, "sg.Thinking"),
    ({"target": object()}, sg.errors.UnsupportedError, "object"),
    ({"target": {"typ": 1}}, sg.errors.OptionError, "typ"),
    ({"target": sg.Call, "tool_choice": "auto"}, sg.errors.OptionError, "cannot hold one"),
    ({"target": sg.Call, "parallel": True, "tool_choice": "required"}, sg.errors.OptionError, "holds one"),
    ({"tools": None}, sg.errors.OptionError, "tool_format is set, but no tools are given"),
    (
        {"tools": None, "tool_format": None, "target": str | sg.Call},
        sg.errors.UnsupportedError,
        "Pass tools=",
    ),
    ({"policies": {"colour": 1}}, sg.errors.OptionError, "no option 'colour'"),
]


@for_each(("options", "kind", "said"), BAD)
def test_bad_input_is_told_with_its_cure(options: dict[str, Any], kind: type[Exception], said: str) -> None:
    with pytest.raises(kind, match=said):
        run("x", **options)


def test_bad_input_is_told_at_decoration() -> None:
    with pytest.raises(sg.errors.OptionError, match="Two tools"):
        ask(sg.Call, "x", tools=[get_weather, get_weather])
    with pytest.raises(sg.errors.UnsupportedError, match=r"cannot hold a reply.*Person \| Call"):
        ask(int, "x")
    with pytest.raises(sg.errors.UnsupportedError, match="returns tool calls"):
        asked(str | sg.Call, model="structgen/extract")


def test_a_message_whose_call_is_none_is_told() -> None:
    broken = {"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": "{"}}]}
    with pytest.raises(sg.errors.OptionError, match="A call in message 1"):
        sg.run(
            told("x")[0],
            [{"role": "user", "content": "?"}, broken],
            tools=[get_weather],
            tool_format="hermes",
        )


def test_infilling_and_draws_have_no_calls() -> None:
    with pytest.raises(sg.errors.UnsupportedError, match="does not write calls"):
        sg.run("structgen/infill", "x", tools=[get_weather])
    with pytest.raises(sg.errors.UnsupportedError, match=re.escape("sg.tools(...)")):
        ask(sg.Call, "x").sample(3)("y")
