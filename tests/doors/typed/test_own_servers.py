"""Our client asks our server: over all options of `sg.run`, a served answer is the one of this process, or an
error names the option. The model is scripted, so that equal requests have equal answers."""

from __future__ import annotations

import asyncio
import itertools
import json
import random
import re
import socket
import threading
from collections.abc import Callable, Container, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, fields
from decimal import Decimal
from functools import partial
from typing import Annotated, Any, Final

import openai
import pytest
from for_each import for_each
from openai_server import serving
from pydantic import AfterValidator, BaseModel

import structgen as sg
from structgen.doors.serving import served_model as stand_in_model
from structgen.doors.serving.app import make_app
from structgen.doors.serving.served_model import ServedModel
from structgen.doors.testing import stand_in
from structgen.doors.typed.outcomes import Outcome
from structgen.doors.typed.signatures.call_options import CallOptions
from structgen.testing import Scripted, ScriptError, server

for _name in ("uvicorn", "starlette", "babel", "text_to_num"):
    pytest.importorskip(_name)
pytestmark = pytest.mark.filterwarnings("ignore::structgen.errors.GroundedWarning")


class Bill(BaseModel):
    payer: str
    total: float
    note: Annotated[str, sg.Inferred()] = ""


class Named(BaseModel):
    name: str
    age: int


class Quoted(BaseModel):
    words: Annotated[str, sg.Quote(words=3)]


NESTED: Final = sg.ebnf('root ::= "(" root ")" | "x"')


class Coded(BaseModel):
    code: Annotated[str, NESTED]


@dataclass
class Case:
    """A call of `sg.run`, and the reply of its model."""

    prompt: Any
    target: Any
    options: dict[str, Any]
    reply: Any


Draw = Callable[[random.Random, Case], Any]
"""Returns a value of an option; it may change the case, so that the option has an effect."""

TEXTS: Final = ("Ada owes 36.50 euros.", "Bo paid 7 on 3 May 2024.", "Nobody knows: 4 or 5?")


def draw_stated(chance: random.Random, case: Case) -> Any:
    """Return texts, and let the reply state what they do."""
    text = chance.choice(TEXTS)
    case.target = chance.choice((Bill, Bill.model_json_schema(), list[Bill], Quoted, list[float]))
    number = 99.0 if chance.random() < 0.1 else float(chance.choice(re.findall(r"\d+(?:\.\d+)?", text)))
    bill = {"payer": chance.choice(["Eve", *text.split()[:2] * 4]), "total": number, "note": "x"}
    case.reply = {
        list[Bill]: [bill],
        Quoted: {"words": " ".join(text.split()[:2])},
        list[float]: [number],
    }.get(case.target if not isinstance(case.target, dict) else 0, bill)
    case.prompt = chance.choice(
        (text, [{"role": "system", "content": "Read."}, {"role": "user", "content": text}])
    )
    return text


def draw_grounded(chance: random.Random, case: Case) -> Any:
    text = draw_stated(chance, case)
    return chance.choice((True, text, {"mail": text, "other": "It is 99."}))


def draw_quotes(chance: random.Random, case: Case) -> Any:
    if "grounded" not in case.options:
        draw_stated(chance, case)
    if case.target == list[float]:  # no string could be a quote
        case.target, case.reply = Quoted, {"words": case.prompt if isinstance(case.prompt, str) else "Read"}
        case.prompt = case.reply["words"] = " ".join(TEXTS[0].split()[:2])
        case.options.pop("grounded", None)
    return True


def draw_missing(chance: random.Random, case: Case) -> Any:
    if not case.options.keys() & {"grounded", "quotes"}:
        case.options["grounded"] = draw_grounded(chance, case)
    if chance.random() < 0.6:
        case.prompt, case.target = "Ada owes much.", Bill
        case.options |= {"grounded": True}
        case.reply = {"payer": "Ada", "total": 5.0, "note": "x"}
        return "free"
    return chance.choice(("error", "free"))


def draw_policies(chance: random.Random, case: Case) -> Any:
    if not isinstance(case.target, dict | type):
        case.target, case.reply = Bill, {"payer": "Ada", "total": 1.0, "note": "x"}
    return chance.choice(
        (
            {"whitespace": "compact"},
            {"max_string": 2},
            {"whitespace": 2, "max_string": 60},
            {"property_order": "any", "numbers": "any", "escapes": "ascii"},
            {"max_items": 4, "formats": "annotate"},
            {"custom_formats": {"sku": "^[A-Z]+$"}, "any_value": "scalar"},
        )
    )


def draw_beginning(chance: random.Random, case: Case) -> Any:
    case.target = chance.choice((None, Bill, Bill.model_json_schema(), list[int]))
    text = '{"payer": "Ada Moss", "total": 36.5, "note": "x"}'
    case.reply = text = "[1, 2]" if case.target == list[int] else text
    case.prompt = [
        {"role": "user", "content": TEXTS[0]},
        {"role": "assistant", "content": text[: chance.randrange(1, min(len(text), 17))]},
    ]
    for name in ("grounded", "quotes", "missing", "examples", "stop", "policies", "choices"):
        case.options.pop(name, None)
    return chance.choice((True, True, False, None))


def draw_choices(chance: random.Random, case: Case) -> Any:
    case.target, case.reply = sg.choice(["red", "blue", "green"]), chance.choice(["red", "blue"])
    for name in ("grounded", "quotes", "missing", "policies", "examples", "stop", "wrap"):
        case.options.pop(name, None)
    return chance.choice(("tokens", "whole"))


def draw_stop(chance: random.Random, case: Case) -> Any:
    case.target, case.reply = None, "one two END three"
    for name in ("grounded", "quotes", "missing", "policies", "examples", "outline", "wrap", "choices"):
        case.options.pop(name, None)
    return chance.choice(("END", ["END", "four"]))


def draw_wrap(chance: random.Random, case: Case) -> Any:
    case.target, case.reply = list[int], [1, 2]
    return chance.choice((None, True, False))


def draw_examples(chance: random.Random, case: Case) -> Any:
    case.target, case.reply = Bill, {"payer": "Ada", "total": 1.0, "note": "x"}
    return [("Cy owes 3.", Bill(payer="Cy", total=3.0))]


def draw_sampling(chance: random.Random, case: Case) -> Any:
    names = chance.sample([*SAMPLING], k=3)
    return sg.Sampling(**{name: chance.choice(SAMPLING[name]) for name in names})


SAMPLING: Final[dict[str, tuple[Any, ...]]] = {
    "temperature": (0.0, 0.5, 1.5),
    "top_p": (0.9, 1.0),
    "top_k": (0, 3),
    "min_p": (0.0, 0.1),
    "repetition_penalty": (1.0, 1.2),
    "presence_penalty": (0.0, 0.5),
    "frequency_penalty": (0.0, -0.5),
    "seed": (0, 7),
    "logit_bias": ((), {65: 2.0}),
    "min_tokens": (0, 2),
    "repetition": (None, sg.strategies.Repetitions(), sg.strategies.Repetitions(length=64, share=0.25)),
}
"""What a server takes of a sampling."""
OWN: Final = ("top_k", "min_p", "repetition_penalty", "min_tokens", "repetition")
"""What of it our server alone takes."""
NO_SAMPLING: Final = {"strategy": sg.strategies.Mirostat(), "banned": ("x",)}
TAKEN: Final[dict[str, Draw]] = {
    "wrap": draw_wrap,
    "examples": draw_examples,
    "choices": draw_choices,
    "stop": draw_stop,
    "grounded": draw_grounded,
    "quotes": draw_quotes,
    "missing": draw_missing,
    "continue_final_message": draw_beginning,
    "policies": draw_policies,
    "sampling": draw_sampling,
    "max_tokens": lambda chance, case: chance.choice((60, 200)),
    "attempts": lambda chance, case: chance.choice((1, 3)),
    "outline": lambda chance, case: chance.choice((True, False)),
    "timeout": lambda chance, case: 60.0,
    "thinking": lambda chance, case: sg.Thinking(max_tokens=chance.choice((9, 50))),
}
"""The options that act on a server as in this process; in the order in which they are drawn."""
REFUSED: Final[dict[str, Any]] = {
    "strategy": sg.strategies.Mirostat(),
    "chat": False,
    "speculation": "off",
    "canonical": True,
    "healing": True,
    "stop_tokens": (5,),
    "choices": "calibrated",
    "thinking": sg.Thinking("</thoughts>"),
    "policies": {"draft": "7"},
}
"""Values that no server takes: an error names the option."""
OF_TOOLS: Final[dict[str, tuple[Any, ...]]] = {
    "tool_choice": ("auto", "required", "age_of", "none"),
    "parallel": (True, False),
    "tool_format": ("hermes",),
}


@contextmanager
def both_models(
    thinking: str | None = None,
) -> Iterator[tuple[Callable[[Case], Outcome[Any]], Callable[[Case], Outcome[Any]], Any]]:
    """Yield what asks a model of this process, what asks it on a server, and the two models. `thinking`: the
    closing tag with which the server is started."""
    replies: list[Any] = []
    models: list[Scripted] = []

    def make_model(*arguments: Any, **options: Any) -> Scripted:
        models.append(Scripted(*arguments, **options))
        return models[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stand_in, "Scripted", make_model)
        patch.setattr(stand_in_model, "ServedModel", partial(ServedModel, thinking=thinking))
        with server(lambda prompt: replies[-1]) as url:
            model = Scripted(lambda prompt: replies[-1])

            def ask(name: Any, case: Case) -> Outcome[Any]:
                replies.append(case.reply)
                return sg.run.detailed(name, case.prompt, case.target, **case.options)

            yield lambda case: ask(model, case), lambda case: ask(url.model, case), (model, models[0])


def told_evidence(outcome: Outcome[Any]) -> Any:
    found = outcome.evidence
    return None if found is None else (found.to_json(), dict(found.texts))


def told_request(model: Scripted, names: Container[str]) -> tuple[Any, ...]:
    """Return what the engine was asked for, but for the grammar; limits and thoughts if they are among the
    names of the options that were given. (The server has thoughts of its own.)"""
    request = model.requests[-1]
    told = {"max_tokens": request.most_tokens, "thinking": request.thinking}
    told = {name: value for name, value in told.items() if name in names}
    return request.chosen_by, request.choices, request.stop, request.begun, request.n, told


def draw_case(chance: random.Random, names: list[str]) -> Case:
    case = Case(TEXTS[0], Bill, {}, {"payer": "Ada", "total": 36.5, "note": "x"})
    for name, draw in TAKEN.items():
        if name in names:
            case.options[name] = draw(chance, case)
    return case


def test_every_option_is_decided() -> None:
    decided = {*TAKEN, *REFUSED, *OF_TOOLS}
    assert decided == {*CallOptions.__annotations__}
    assert {*SAMPLING, *NO_SAMPLING} == {option.name for option in fields(sg.Sampling)}


def hold_law(seeds: range) -> None:
    with both_models() as plain, both_models("</think>") as thoughtful:
        for seed in seeds:
            chance = random.Random(seed)
            case = draw_case(chance, [[*TAKEN][seed % len(TAKEN)], *chance.sample([*TAKEN], k=seed % 4)])
            ask_here, ask_server, (model, served_model) = thoughtful if "thinking" in case.options else plain
            try:
                hold_case(case, ask_here, ask_server, model, served_model)
            except BaseException as error:
                error.add_note(f"seed {seed}: {case}")
                raise
            model.errors.clear(), served_model.errors.clear()


def hold_case(case: Case, ask_here: Any, ask_server: Any, model: Scripted, served_model: Scripted) -> None:
    """Hold the law for a case. What is refused here is refused there, and so is a reply that the form
    forbids."""
    try:
        here = ask_here(case)
    except (ScriptError, sg.StructgenError) as refusal:
        # the mask of the server refuses the reply, and not the client
        with pytest.raises(sg.StructgenError, match="rejects" if isinstance(refusal, ScriptError) else None):
            _ = ask_server(case).value
        return
    there = ask_server(case)
    assert (type(here.error), type(there.error)) == (type(here.error),) * 2, there.error
    if here.error is None:
        assert here.value == there.value
        assert told_evidence(here) == told_evidence(there)
        assert here.finish_reason == there.finish_reason
        if "policies" in case.options:
            assert here.text == there.text
        if case.target in (None, Bill, Quoted, Bill.model_json_schema()):  # others are wrapped on servers
            assert model.asked[-1] == served_model.asked[-1]
        assert told_request(model, case.options) == told_request(served_model, case.options)


def test_a_served_answer_is_the_one_of_this_process() -> None:
    hold_law(range(40))


@pytest.mark.slow
def test_a_served_answer_is_the_one_of_this_process_in_many_cases() -> None:
    hold_law(range(1000, 3000))


def test_a_turn_continues_a_document_of_the_policies_here_and_there() -> None:
    for whitespace, is_continued in (("any", True), (2, False)):
        beginning = '{"payer": "Ada'
        prompt = [{"role": "user", "content": TEXTS[0]}, {"role": "assistant", "content": beginning}]
        whole = '{"payer": "Ada", "total": 36.5, "note": "x"}'
        answer = whole.removeprefix(beginning) if is_continued else json.dumps(json.loads(whole), indent=2)
        with both_models() as (ask_here, ask_server, _):
            case = Case(prompt, Bill, {"policies": {"whitespace": whitespace}}, answer)
            texts = [ask(case).text for ask in (ask_here, ask_server)]
        assert texts == [whole if is_continued else answer] * 2


def test_a_function_s_quotes_are_those_of_its_arguments_on_a_server_too() -> None:
    for payer, quotes in (("Ada", True), ("Read", True), ("Ada", "exact"), ("Read", "exact")):
        reply = {"payer": payer, "total": 1.0, "note": "x"}
        for make in (Scripted, server):
            with suppress(ScriptError), make([reply]) as model:
                name = model.model if make is server else model
                read = sg.generate(model=name, quotes=quotes, attempts=1)(read_bill)
                if payer == "Ada":
                    assert read(TEXTS[0]).payer == "Ada"
                else:
                    with pytest.raises(sg.StructgenError, match="rejects"):
                        read(TEXTS[0])


def read_words(text: str) -> Quoted:
    """Read {text}"""
    return sg.filled()


def test_a_type_s_quotes_are_those_of_the_arguments_on_a_server_too() -> None:
    for words in ("Ada owes", "Read"):
        for make in (Scripted, server):
            with suppress(ScriptError), make([{"words": words}]) as model:
                read = sg.generate(model=model.model if make is server else model, attempts=1)(read_words)
                if words == "Read":
                    with pytest.raises(sg.StructgenError, match="rejects"):
                        read(TEXTS[0])
                else:
                    assert read(TEXTS[0]).words == words


def test_a_refused_answer_that_was_begun_is_begun_again() -> None:
    class Small(BaseModel):
        total: Annotated[float, AfterValidator(check_small)]

    messages = [{"role": "user", "content": "Say"}, {"role": "assistant", "content": '{"total": '}]
    replies = ['{"total": 50}', '{"total": 5}']
    with server(replies) as url, Scripted(replies) as model:
        for name in (model, url.model):
            assert sg.run(name, messages, Small, continue_final_message=True).total == 5
    assert [body["messages"][-1] for body in url.requests] == messages[1:] * 2


def check_small(number: float) -> float:
    assert number < 9
    return number


# --- tools, grammars, streams -------------------------------------------------------------------------------


def age_of(name: Annotated[str, sg.Regex("[A-Z][a-z]+")], code: Annotated[str, NESTED] = "x") -> int:
    """Look up an age."""
    return 36


def test_calls_of_a_server_are_those_of_this_process() -> None:
    here_and_there = []
    calls = [sg.Call("age_of", {"name": name, "code": "(x)"}, "call_0") for name in ("Ada", "Bo")]
    with both_models() as (ask_here, ask_server, (model, served_model)):
        for choice, parallel, format in itertools.product(*OF_TOOLS.values()):
            for reply in ("Hello.", calls):
                options = {"tool_choice": choice, "parallel": parallel, "tool_format": format}
                case = Case("How old?", None, {"tools": [age_of], **options}, reply)
                found = []
                for ask in (ask_here, ask_server):
                    try:
                        reply_read = ask(case).value
                        told = [(call.name, call.arguments) for call in reply_read.calls]
                        found.append((told, reply_read.text.strip()))
                    except (sg.StructgenError, ScriptError):
                        found.append("refused")
                assert found[0] == found[1], case
                here_and_there += found
                model.errors.clear(), served_model.errors.clear()
    assert {type(one) for one in here_and_there} == {str, tuple}


@for_each(
    ("target", "reply", "wrong"),
    [
        (NESTED, "((x))", "((x)"),
        (sg.lark('start: A ("," A)*\nA: /[a-c]+/'), "a,bc", "a,,b"),
        (sg.regex("[a-c]{2}"), "ab", "abc"),
        (sg.choice(["red", "blue"]), "red", "green"),
        (Coded, Coded(code="(x)"), {"code": "(y)"}),
        ({"type": "string", "x-grammar": NESTED.keyword}, "(x)", "(y)"),
        ({"type": ["integer", "array"]}, [1], "x"),
        (Decimal, Decimal("1.50"), "x"),
        (sg.json_schema({"type": "string"}, max_string=2), "ab", '"abc"'),
    ],
)
def test_a_served_grammar_holds_the_model_as_in_this_process(target: Any, reply: Any, wrong: Any) -> None:
    with both_models() as (ask_here, ask_server, (model, served_model)):
        here, there = (ask(Case("Say", target, {}, reply)) for ask in (ask_here, ask_server))
        assert here.value == there.value
        for ask in (ask_here, ask_server):
            with pytest.raises((ScriptError, sg.StructgenError), match=r"rejects|417"):
                _ = ask(Case("Say", target, {}, wrong)).value
        model.errors.clear(), served_model.errors.clear()


@for_each("is_async", [False, True])
def test_a_stream_of_a_server_is_held_to_the_texts_too(is_async: bool) -> None:
    reply = {"payer": "Ada", "total": 36.5, "note": "x"}
    options: dict[str, Any] = {"grounded": TEXTS[0], "quotes": True}

    async def last_of(url: Any) -> Any:
        stream = sg.arun.stream(url.model, "Who pays?", Bill, detailed=True, **options)
        return [partial async for partial in stream]

    with server([reply]) as url:
        if is_async:
            partials = asyncio.run(last_of(url))
        else:
            partials = list(sg.run.stream(url.model, "Who pays?", Bill, detailed=True, **options))
        (body,) = url.requests
    outcome = partials[-1].outcome
    assert len(partials) >= 2 and outcome.value == Bill(**reply)  # pieces that wait come together
    assert [place.words for place in outcome.evidence[1].places] == ["36.50"]
    assert (body["grounded"], body["quotes"]) == ({"text": TEXTS[0]}, True)


@pytest.mark.parametrize("is_stream", [False, True])
def test_a_document_that_was_closed_early_says_so_from_a_server_too(is_stream: bool) -> None:
    """A model that writes on and on: the end is forced, and the client knows it."""
    import uvicorn

    engine = sg.Engine("structgen/extract")
    with socket.create_server(("127.0.0.1", 0)) as listening:
        app = make_app(ServedModel(engine, "extract"))
        running = uvicorn.Server(uvicorn.Config(app, log_level="critical"))
        thread = threading.Thread(target=running.run, args=([listening],), daemon=True)
        thread.start()
        url = f"openai:http://127.0.0.1:{listening.getsockname()[1]}/v1#extract"
        outcomes = []
        text = "Ada is 36. Bo is 4. Cy is 5. Di is 6. Ed is 7. Flo is 8."
        for max_tokens in (12, 200):
            for model in (engine, url):
                if is_stream:
                    *_, last = sg.run.stream(model, text, list[Named], detailed=True, max_tokens=max_tokens)
                    outcomes.append(last.outcome)
                else:
                    outcomes.append(sg.run.detailed(model, text, list[Named], max_tokens=max_tokens))
        with pytest.warns(sg.errors.ShortenedWarning, match="truncated"):
            sg.run(url, text, list[Named], max_tokens=12)
        running.should_exit = True
        thread.join()
    told = [(outcome.value, outcome.finish_reason) for outcome in outcomes]
    assert told[0] == told[1] and told[2] == told[3]
    assert [reason.value for _, reason in told[::2]] == ["steered", "stop"]


def test_items_of_a_server_are_those_of_this_process() -> None:
    text = "Ada owes 36.50 euros. Bo owes 7."
    reply = [{"payer": "Ada", "total": 36.5, "note": "x"}, {"payer": "Bo", "total": 7.0, "note": "x"}]
    with server([reply]) as url, Scripted([reply]) as model:
        here, there = (sg.extract(name, text, list[Bill]) for name in (model, url.model))
    assert told_items(here) == told_items(there)
    assert (len(there), here.requests, there.requests) == (2, 1, 1)


def test_a_guess_is_a_value_of_a_served_page() -> None:
    text = "Ada owes 36 zorkmids on 3 Blorp 2024."

    class Due(BaseModel):
        payer: str
        days: int

    reply = [{"payer": "Ada", "days": 36}]
    with server([reply]) as url, Scripted([reply]) as model:
        here, there = (sg.extract(name, text, list[Due], unverified=True) for name in (model, url.model))
    assert told_items(here) == told_items(there) and len(there) == 1


# --- what is asked, and of whom -----------------------------------------------------------------------------

OURS: Final = {"x-structgen-version": "0.9.0", "x-structgen-prompts": "messages"}
ADA: Final = '{"payer": "Ada", "total": 36.5, "note": ""}'


def test_a_server_is_asked_once_and_only_where_it_matters() -> None:
    with serving(ADA, says=OURS, status=200) as host:
        sg.run(host.model, "Who?", Bill)
        assert host.listed == 0
        for _ in range(2):
            sg.run(host.model, "Who?", Bill, grounded=TEXTS[0])
        read = sg.generate(model=host.model, grounded=True, attempts=1)(read_bill)
        read.batch([TEXTS[0]] * 3)

        async def ask_together() -> None:
            await asyncio.gather(*(sg.arun(host.model, TEXTS[0], Bill, grounded=True) for _ in range(4)))

        asyncio.run(ask_together())
        assert host.listed == 1
    assert "grounded" not in host.bodies[0] and all("grounded" in body for body in host.bodies[1:])


def told_items(found: sg.Extraction[Any]) -> list[dict[str, Any]]:
    """Return what an extraction found, without confidences, which no server tells."""
    return [json.loads(line) | {"confidences": {}} for line in found.to_jsonl().splitlines()]


def read_bill(text: str) -> Bill:
    """Read the bill: {text}"""
    return sg.filled(text)


@for_each(
    ("status", "says"), [(404, {}), (200, {}), (500, {}), (401, {}), (0, {}), (200, {"server": "structgen"})]
)
def test_another_server_gets_no_texts_and_is_held_to_them_here(status: int, says: dict[str, str]) -> None:
    wrong = '{"payer": "Ada", "total": 99, "note": ""}'
    unquoted = '{"payer": "Eve", "total": 36.5, "note": ""}'
    with serving(wrong, unquoted, ADA, status=status, says=says) as host:
        outcome = sg.run.detailed(host.model, "Who pays?", Bill, grounded=TEXTS[0], quotes=True)
    assert (outcome.value, outcome.attempts) == (Bill(payer="Ada", total=36.5), 3)
    assert [value.value for value in outcome.evidence][:2] == ["Ada", 36.5]
    assert not any(TEXTS[0] in str(body) or "grounded" in body for body in host.bodies)


@for_each(
    ("option", "value"),
    [
        *(("sampling", sg.Sampling(temperature=0.0, **{name: SAMPLING[name][-1]})) for name in OWN),
        ("policies", {"max_string": 8}),
        ("continue_final_message", True),
        ("thinking", sg.Thinking()),
        *REFUSED.items(),
        *(("sampling", sg.Sampling(temperature=1.0, **{name: value})) for name, value in NO_SAMPLING.items()),
    ],
)
def test_what_another_server_lacks_is_refused_by_name(option: str, value: Any) -> None:
    name = option
    if isinstance(value, sg.Sampling):
        given = [field.name for field in fields(value) if field.name != "temperature"]
        name = next(one for one in given if getattr(value, one) != getattr(sg.Sampling(), one))
    with serving(ADA) as host, pytest.raises(sg.errors.OptionError, match=rf"^{name}:? "):
        sg.run(host.model, "Who?", Bill, **{option: value})
    assert host.bodies == []


def test_what_no_server_takes_is_refused_by_name_of_ours_too() -> None:
    for option, value in (
        *REFUSED.items(),
        *(("sampling", sg.Sampling(temperature=1.0, **{name: one})) for name, one in NO_SAMPLING.items()),
    ):
        with serving(ADA, says=OURS, status=200) as host, pytest.raises(sg.errors.OptionError):
            sg.run(host.model, "Who?", Bill, **{option: value})
        assert host.bodies == []


# --- servers that are not what they say ---------------------------------------------------------------------


def test_a_server_that_lies_and_refuses_is_told_in_its_words() -> None:
    for words in ("Unrecognized request argument supplied: grounded", "response_format is not supported"):
        with serving({"status": 400, "error": {"message": words}}, says=OURS, status=200) as host:
            with pytest.raises(sg.errors.GenerationError, match=words):
                sg.run(host.model, TEXTS[0], Bill, grounded=True)
            assert len(host.bodies) == 1  # no second request without the schema


def test_a_server_that_lies_and_ignores_the_texts_gives_no_wrong_evidence() -> None:
    chance = random.Random(3)
    with serving(lambda body: replies[-1], says=OURS, status=200) as host:
        replies: list[str] = []
        for _ in range(60):
            payer = chance.choice(("Ada", "owes", "Eve", "Ada owes", "a d a"))
            total = chance.choice((36.5, 36.50, 36, 5, 99))
            replies.append(json.dumps({"payer": payer, "total": total, "note": "n"}))
            outcome = sg.run.detailed(host.model, TEXTS[0], Bill, grounded=TEXTS[0], quotes=True, attempts=1)
            is_stated = payer in ("Ada", "owes", "Ada owes") and total == 36.5
            assert (outcome.error is None) == is_stated, replies[-1]
            assert (outcome.evidence is not None) == is_stated


def test_a_server_that_lies_and_ignores_the_policies_is_held_to_their_bounds() -> None:
    with serving('{"payer": "Ada Moss", "total": 1, "note": ""}', says=OURS, status=200) as host:
        for target in (Bill, Bill.model_json_schema()):
            with pytest.raises(sg.errors.GenerationError, match="closing quote"):
                sg.run(host.model, "Who?", target, policies={"max_string": 4}, attempts=2)


def test_a_server_that_lists_no_models_in_time_is_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("structgen.doors.typed.remote.SECONDS_OF_HEADERS", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        model = f"openai:http://127.0.0.1:{silent.getsockname()[1]}/v1#x"
        with pytest.raises(sg.errors.OptionError, match="policies"):
            sg.run(model, "Who?", Bill, policies={"max_string": 4}, timeout=0.05)


def test_the_time_limit_of_a_call_bounds_the_question_whose_server_it_is() -> None:
    seconds = []
    with serving(ADA, says=OURS, status=200) as host, pytest.MonkeyPatch.context() as patch:
        list_models = openai.resources.models.Models.list

        def note_seconds(self: Any, **options: Any) -> Any:
            seconds.append(options["timeout"])
            return list_models(self, **options)

        patch.setattr(openai.resources.models.Models, "list", note_seconds)
        sg.run(host.model, TEXTS[0], Bill, grounded=True, timeout=2.5)
    assert seconds == [2.5]


def test_a_server_that_is_not_there_is_told_so() -> None:
    outcome = sg.run.detailed("openai:http://127.0.0.1:9/v1#x", "36", Bill, policies={"max_string": 4})
    assert "Check that the server runs" in str(outcome.error)


def test_no_server_is_asked_for_a_quote_where_nothing_is_stated() -> None:
    for text, options in (
        ("", {"quotes": True}),
        ("no figure", {"grounded": True}),
        ("...", {"quotes": True}),
    ):
        with serving(ADA, says=OURS, status=200) as host, pytest.raises(sg.errors.NotStatedError):
            sg.run(host.model, text, Bill, **options)
        assert (host.bodies, host.listed) == ([], 0)


# --- the embedded models, served ----------------------------------------------------------------------------


def test_an_embedded_model_reads_on_a_server_what_it_reads_here() -> None:
    read = sg.generate(model="structgen/extract", grounded=True)(read_bill)
    with server([{"payer": "Ada", "total": 36.5, "note": "x"}], like="structgen/extract") as url:
        served = read.using(model=url.model)
        assert served(TEXTS[0]).total == 36.5
        (body,) = url.requests
    assert body["messages"] == [{"role": "user", "content": TEXTS[0]}]
    with server([], like="structgen/extract") as url, pytest.raises(sg.errors.OptionError, match="examples"):
        sg.run(url.model, "Ada owes 3.", Bill, examples=[("Cy owes 3.", Bill(payer="Cy", total=3.0))])
