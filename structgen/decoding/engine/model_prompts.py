"""How a model is asked: the one place where a prompt is made for a model and a grammar.

`sg.Engine`, `sg.run`, typed functions, `sg.sample`, `sg.score`, `sg.infill` and the commands make their
prompts here. A model with a chat template gets it. The embedded models get the form that they were trained
on: the outline of the schema, then the text. Any other text stays as it is, but that a JSON document begins
on a line of its own.
"""

from __future__ import annotations

import inspect
import json
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Final, TypeAlias, Union

from structgen.base.errors import BudgetError, OptionError
from structgen.base.language import checks
from structgen.base.language.checks import check_encodable
from structgen.base.system.installation import require_extras
from structgen.base.system.resources import is_embedded
from structgen.decoding.engine.forward_pass.gguf_header import GgufHeader
from structgen.decoding.engine.forward_pass.gguf_models import gguf_file, gguf_tokenizer
from structgen.decoding.engine.forward_pass.quiet_loading import silence_transformers
from structgen.decoding.engine.requests import DEFAULT_MAX_TOKENS, Request
from structgen.decoding.engine.searches.listed_values import find_listed_values
from structgen.decoding.engine.special_texts import special_texts
from structgen.decoding.engine.thinking import text_behind
from structgen.grammars.json_grammars.outline_writer import (
    ModelPrompt,
    Outlines,
    extraction_prompt_under,
    shorter_outlines,
)
from structgen.machines.core.compiled import CompiledGrammar
from structgen.machines.core.forced_text import start_after_prefix
from structgen.tokens.control_tokens import ControlTokens
from structgen.tokens.tokenizer import Tokenizer

Message: TypeAlias = Mapping[str, Any]
"""A chat message: `role` and `content`."""
Prompt: TypeAlias = Union[str, Sequence[Message]]
ANY: Final[Sequence[Message]] = [{"role": "user", "content": "?"}]
"""A question that is rendered to find what a chat template writes around any."""
_SYSTEM: Final = "The words of the system."
"""A system message that is rendered to find where a chat template writes the system's text."""
_ANSWER: Final = "The words of the answer."
"""The same of a turn of the assistant, which is to be continued."""
_OF_SYSTEM: Final = ("system", "developer")
_SAID: Final = ("prompt", "outline", "refused", "schema", "template", "turn", "examples", "instruction")
"""The fields of a question that have what people say."""


@dataclass(frozen=True, slots=True)
class ModelQuestion:
    """What is asked of a model."""

    prompt: Prompt
    """Text, or chat messages."""
    is_json: bool = False
    """Whether the answer is a JSON document."""
    outline: str = ""
    """The outline of its schema, its descriptions on the lines below (`schema_outline`); "" where there is
    none, or none is needed."""
    values: tuple[str, ...] = ()
    """The texts that an extracting model reads; () for the prompt itself."""
    with_outline: bool | None = None
    """Whether the outline is put into the prompt; None: for the embedded models, and for chat models where
    the answer is no choice."""
    chat: bool | None = None
    """Whether the chat template is applied; None: where the model has one."""
    refused: tuple[str, str] | None = None
    """An earlier answer, and why it was refused."""
    is_choice: bool = False
    """Whether the answer is one of a few listed values."""
    is_described: bool = False
    """Whether the schema of these values has descriptions."""
    thinks_until: str = ""
    """The text that ends the free text before the answer; "" where there is none, or a token ends it."""
    schema: str = ""
    """The JSON Schema itself, for a model that nothing holds to it. It stands in place of the outline."""
    template: Mapping[str, Any] = field(default_factory=dict)
    """More that the chat template reads, such as `tools`."""
    preface: str = ""
    """A text that stands before the first words of the user. It is guarded: its marks are our own."""
    marks: str = ""
    """The texts of a format of calls, whose tokens are control tokens too."""
    is_guarded: bool = False
    """Whether the prompt, a plain text, is guarded by `ModelPrompts.find_controls`."""
    turn: Mapping[str, Any] | None = None
    """The turn of the assistant that the answer continues; the prompt ends with it."""
    examples: Sequence[tuple[Prompt, str]] = ()
    """Other prompts with the answers that they should have, read before this one."""
    instruction: str = ""
    """What the prompt begins with: the outline stands behind it, so that many prompts begin alike. "": the
    outline stands behind the prompt."""

    @property
    def begun(self) -> str:
        """The beginning of the answer."""
        return "" if self.turn is None else self.turn["content"]

    def to_messages(self, system: str | None = None) -> list[dict[str, Any]]:
        """Return the question as chat messages: the prompt, the outline if it is wanted, the refusal.
        Examples are turns behind the first messages of the system; the outline is then in the first of them.

        The descriptions go into the system's message: the first one, or a new one behind `system`, the text
        that the chat template itself writes there. None: there is no such message, and they go below the
        outline (docs/decisions/086-descriptions.md has the forms that were tried).
        """
        messages = _messages_of(self.prompt)
        begins = next(
            (at for at, message in enumerate(messages) if message["role"] not in _OF_SYSTEM), len(messages)
        )
        messages[begins:begins] = [
            turn
            for example_prompt, answer in self.examples
            for turn in (*_messages_of(example_prompt), {"role": "assistant", "content": answer})
            if turn["role"] not in _OF_SYSTEM
        ]
        first = next((at for at, message in enumerate(messages) if message["role"] == "user"), None)
        if first is not None and self.preface:
            messages[first] = {
                **messages[first],
                "content": f"{self.preface}\n\n{messages[first]['content']}",
            }
        outline, _, descriptions = self.outline.partition("\n")
        if system is None:
            outline, descriptions = self.outline, ""
        outline_text = _outline_request(outline) if self.with_outline and outline else ""
        if self.schema:
            outline_text = (
                f"\n\nAnswer with one JSON document of this JSON Schema and no other text:\n{self.schema}"
            )
        if outline_text:
            last = {message["role"].replace("developer", "system"): at for at, message in enumerate(messages)}
            at = last.get("user", last.get("system"))
            if self.examples:  # the question then looks as they do; a model copies less from them
                at = first
            if at is None:
                messages.insert(0, {"role": "user", "content": outline_text.strip()})
            else:
                messages[at] = _extend_message(messages[at], outline_text, self.instruction)
        if outline_text and descriptions and not self.schema:
            if messages[0]["role"] != "system":
                messages.insert(0, {"role": "system", "content": system})
            messages[0] = _extend_message(
                messages[0], f"\n{descriptions}" if messages[0]["content"] else descriptions
            )
        if self.refused is not None:
            answer, why = self.refused
            if answer:
                messages.append({"role": "assistant", "content": answer})
            messages.append({"role": "user", "content": f"This answer was refused: {why} Answer again."})
        return messages

    @property
    def texts(self) -> tuple[Any, ...]:
        """What people say in it, whose texts may write no control token."""
        return tuple(getattr(self, name) for name in _SAID)

    def guard_texts(self, controls: ControlTokens) -> ModelQuestion:
        """Return the question, in whose texts other characters stand for the signs of control tokens."""
        return replace(self, **{name: controls.guard_value(getattr(self, name)) for name in _SAID})


def _messages_of(prompt: Prompt) -> list[dict[str, Any]]:
    """Return the messages of a prompt."""
    if isinstance(prompt, str):
        return [{"role": "user", "content": prompt}]
    return [dict(message) for message in prompt]


def _extend_message(message: dict[str, Any], text: str, beginning: str = "") -> dict[str, Any]:
    """Return a message with more text at its end, or behind what it begins with."""
    content = message["content"]
    if beginning and content.startswith(beginning):
        return {**message, "content": f"{beginning}{text}{content[len(beginning) :]}"}
    has_parts = isinstance(content, list)  # such as images
    return {
        **message,
        "content": [*content, {"type": "text", "text": text}] if has_parts else f"{content}{text}",
    }


def _has_key(folder: str, file: str, key: str) -> bool:
    """Tell whether a file of JSON in the folder of a model has a key."""
    path = Path(folder, file)
    try:
        return bool(folder) and path.is_file() and key in json.loads(path.read_text(encoding="utf-8"))
    except ValueError:  # whoever loads the model says what is wrong with the file
        return False


class ModelPrompts:
    """Makes the prompts of one model. `name`: its name or folder, "" for a model that was handed over;
    `tokenizer`: that of transformers which was handed over with it, if any; `allow_specials`: whether all
    texts may write control tokens."""

    def __init__(self, name: str, tokenizer: Any = None, *, allow_specials: bool = False) -> None:
        self.name, self.allow_specials = name, allow_specials
        # or models/train.py made it, as a copy of an embedded one
        self.is_embedded = is_embedded(name) or _has_key(name, "config.json", "structgen_training")
        self._templates: Any = tokenizer if hasattr(tokenizer, "apply_chat_template") else None
        self._lock = threading.Lock()
        self._tells_tools: bool | None = None
        """Whether the chat template writes tools; None: nobody has asked yet."""
        self._controls: dict[str, ControlTokens] = {}
        """By the texts of formats of calls."""

    def needs_outline(self, question: ModelQuestion) -> bool:
        """Tell whether the outline of a schema goes into the prompt. A chat model chooses among listed values
        better where it does not (docs/inside/results.md), unless they are described. Where it was not trained
        to think first, it would write the document of the outline in place of thoughts."""
        if question.with_outline is not None:
            return question.with_outline
        is_untold = question.is_choice and not question.is_described
        if self.is_embedded or is_untold or not self._is_chat(question):
            return self.is_embedded
        return not question.thinks_until or self._shows_closing(question.thinks_until)

    def _shows_closing(self, closing: str) -> bool:
        """Tell whether the chat template shows the tag that closes thoughts. A tag has letters: full stops
        and line ends stand in any template."""
        if not self.has_template() or not any(map(str.isalpha, closing)):
            return False
        return closing in str(self.template_holder().chat_template)

    def _is_chat(self, question: ModelQuestion) -> bool:
        """Tell whether the chat template is applied."""
        if question.chat is not None:
            return question.chat
        return not isinstance(question.prompt, str) or self.has_template()

    def render_text(self, question: ModelQuestion) -> str:
        """Return the prompt as text, the chat template applied. Errors: OptionError."""
        prompt = self._form_prompt(self._with_plain_preface(question))
        if isinstance(prompt, str):
            return self.find_controls(question.marks).restore_signs(prompt) if question.is_guarded else prompt
        return self._render_messages(prompt, question)

    def encode_question(self, question: ModelQuestion, tokenizer: Tokenizer) -> Sequence[int]:
        """Return the tokens of the prompt, the chat template applied: control tokens for marks of the
        template alone, and for no text of a message, unless `allow_specials`. Errors: OptionError."""
        plain = self._with_plain_preface(question)
        prompt = self._form_prompt(plain)
        if isinstance(prompt, str):
            check_encodable("prompt", prompt)
            if self.allow_specials:
                return ControlTokens(self._named_tokens()).encode_guarded(
                    self.render_text(question), tokenizer
                )
            if question.is_guarded:
                return self.find_controls(question.marks).encoded_plainly(prompt, tokenizer)
            return tokenizer.encode(prompt.encode())
        controls, has_turn = self.find_controls(question.marks), question.turn is not None
        is_guarded = not self.allow_specials and controls.may_stand_in((question.texts, plain.preface))
        if has_turn or is_guarded:
            guarded_question = question.guard_texts(controls) if is_guarded else plain
            text = self._render_messages(self._form_prompt(guarded_question), guarded_question)
            if has_turn or controls.stand_in(question.texts) or controls.are_made_in(text):
                return controls.encode_guarded(check_encodable("prompt", text), tokenizer)
        try:
            tokens: Sequence[int] = self._apply_template(prompt, question.template, tokenize=True)
        except OptionError:
            check_encodable(
                "prompt", self.render_text(question)
            )  # perhaps the tokenizer refuses it, and not the template
            raise
        return tokens

    def _with_plain_preface(self, question: ModelQuestion) -> ModelQuestion:
        """Return the question, whose text of our own (`preface`) has the signs of its marks."""
        preface = question.preface and self.find_controls(question.marks).restore_signs(question.preface)
        return replace(question, preface=preface)

    def find_controls(self, marks: str = "") -> ControlTokens:
        """Return the tokens that only marks of prompts may write: the special ones, and other added ones that
        stand in the chat template or in `marks`, the texts of a format of calls. Without a chat template the
        latter alone: nothing else writes special ones."""
        controls = self._controls.get(marks)
        if controls is None:
            named_tokens, special, backend = self._named_tokens(), set[str](), None
            template_text = marks
            if self.has_template():
                holder = self.template_holder()
                added_tokens = _added_tokens(holder)
                named_tokens = {str(token): id for id, token in added_tokens.items()}
                special = {str(token) for token in added_tokens.values() if token.special}
                backend = getattr(holder, "backend_tokenizer", None)
                template_text += str(holder.chat_template)
            ids = {
                text: token
                for text, token in named_tokens.items()
                if text in special or (text in template_text and _is_mark(text))
            }
            alike = (
                known_controls for known_controls in self._controls.values() if known_controls.ids == ids
            )  # with its own tokenizer
            controls = self._controls[marks] = next(alike, None) or ControlTokens(ids, backend)
        return controls

    def _named_tokens(self) -> dict[str, int]:
        """Return the ids of the special tokens, and of others that were added, by their texts."""
        return special_texts(self.name, self.template_holder() if self.has_template() else self._templates)

    def _render_messages(self, messages: list[dict[str, Any]], question: ModelQuestion) -> str:
        """Return messages as the chat template writes them, up to the answer or behind its beginning: the
        turn that is continued, as far as its own text goes. A template may trim texts."""
        if question.turn is None:
            return str(self._apply_template(messages, question.template, tokenize=False))
        messages = [*messages, {**question.turn, "content": _ANSWER}]
        options = {"tokenize": False, "add_generation_prompt": False, "continue_final_message": True}
        text = self._apply_template(messages, question.template, **options)
        return str(text).rpartition(_ANSWER)[0] + question.begun

    def _form_prompt(self, question: ModelQuestion) -> Any:
        """Return a text, or messages that the chat template is for."""
        prompt = self._form_question(question)
        if question.turn is None or not isinstance(prompt, str):
            return prompt
        guard = self.find_controls(question.marks).guard_value if question.is_guarded else str
        return type(prompt)(prompt + guard(question.begun))

    def _form_question(self, question: ModelQuestion) -> Any:
        """Return the same without the turn that is continued."""
        prompt = question.prompt
        if isinstance(prompt, ModelPrompt):
            return prompt
        question = replace(question, with_outline=self.needs_outline(question))
        has_outline = bool(question.with_outline and question.outline)
        if self.is_embedded and question.chat is not True:
            # these models know no roles, no instructions, and nothing of earlier answers
            question_text = (
                "\n".join(question.values or (prompt,)) if isinstance(prompt, str) else last_question(prompt)
            )
            if has_outline:
                return extraction_prompt_under(question.outline, question_text)
            if not isinstance(prompt, str):
                question, prompt = replace(question, chat=False), question_text
        if not self._is_chat(question):
            if not all(isinstance(text, str) for text in (prompt, *dict(question.examples))):
                raise OptionError(
                    "Messages need the chat template.", where="chat", cure="Leave chat=False, or give text."
                )
            return _plain_prompt(question, str(prompt))
        if not self.has_template():
            raise OptionError(
                f"{self.name or 'The model'} has no chat template.",
                where="chat",
                cure="Give text, or a model whose folder has chat_template.jinja.",
            )
        system = self._system_text(question.template) if has_outline and "\n" in question.outline else None
        return question.to_messages(system)

    def _system_text(self, template: Mapping[str, Any]) -> str | None:
        """Return the text that the chat template writes as the system's where no message says one; None for
        a template that has no place for it. Cost: two short prompts."""
        system = ModelQuestion([{"role": "system", "content": _SYSTEM}, *ANY], template=template)
        try:
            prefix, mark, after = self.render_text(system).partition(_SYSTEM)
        except OptionError:  # the template refuses such a message
            return None
        if not mark:
            return None
        bare = self.render_text(ModelQuestion(ANY, template=template))
        is_own = bare.startswith(prefix) and bare.endswith(after) and len(bare) >= len(prefix) + len(after)
        return bare[len(prefix) : len(bare) - len(after)] if is_own else ""

    def has_template(self) -> bool:
        """Tell whether the model has a chat template. Cost: that of looking into its folder, once."""
        if self._templates is not None:
            return bool(getattr(self._templates, "chat_template", None))
        return self._lies_with_template

    @cached_property
    def _lies_with_template(self) -> bool:
        """Whether the model's folder or file has a chat template."""
        if not self.name or self.is_embedded:
            return False
        if (file := gguf_file(self.name)) is not None:
            return "tokenizer.chat_template" in GgufHeader.read_file(file).metadata
        is_there = Path(self.name, "chat_template.jinja").is_file()
        return is_there or _has_key(self.name, "tokenizer_config.json", "chat_template")

    def tells_tools(self, template: Mapping[str, Any]) -> bool:
        """Tell whether the chat template writes the `tools` that it reads, such as these. Cost: two short
        prompts, once for a template."""
        if self._tells_tools is None:
            both = (template, {**template, "tools": None})
            with_tools, bare = (self.render_text(ModelQuestion(ANY, template=options)) for options in both)
            self._tells_tools = with_tools != bare
        return self._tells_tools

    @property
    def template_options(self) -> Set[str]:
        """What the caller of a chat template says itself, and no message or request does."""
        if self.is_embedded or not self.has_template():
            return set()
        parameters = inspect.signature(self.template_holder().apply_chat_template).parameters
        return {*parameters, "messages", "add_generation_prompt"}

    def use_template(self, template: str) -> None:
        """Have messages go through the text of a chat template. Errors: OptionError for a text that is no
        template, and for an embedded model, which reads no messages; StructgenError without transformers."""
        if self.is_embedded:
            raise OptionError(
                f"{self.name} reads no messages.", where="chat template", cure="Leave the template out."
            )
        self.template_holder().chat_template = template
        self._tells_tools = None
        self._controls.clear()
        self.render_text(ModelQuestion(ANY))

    def template_holder(self) -> Any:
        """Return the tokenizer of transformers that has the chat template, loaded once. Errors:
        StructgenError where transformers is missing."""
        with self._lock:
            if self._templates is None:
                with require_extras(
                    "A chat template", "transformers", where="chat", otherwise="or chat=False"
                ):
                    from transformers import AutoTokenizer  # optional: transformers
                if (file := gguf_file(self.name)) is not None:
                    self._templates = gguf_tokenizer(file)
                    return self._templates
                with silence_transformers():
                    self._templates = AutoTokenizer.from_pretrained(self.name, local_files_only=True)
            return self._templates

    def _apply_template(
        self, messages: list[dict[str, Any]], template_fields: Mapping[str, Any], **options: bool
    ) -> Any:
        holder, options = (
            self.template_holder(),
            {"add_generation_prompt": True, "return_dict": False, **options},
        )
        with self._lock:
            try:
                return holder.apply_chat_template(messages, **options, **template_fields)
            except Exception as error:  # a template may raise whatever its expressions do
                raise OptionError(
                    f"The chat template refuses them: {error or type(error).__name__}.",
                    where="messages",
                    cure="Order the messages as the model's page says, or mend the template.",
                ) from error


def _added_tokens(holder: Any) -> Mapping[int, Any]:
    """Return the added tokens of a tokenizer of transformers by their ids; none for those of mistral-common,
    which read no special token in any text."""
    try:
        return dict(holder.added_tokens_decoder)
    except (AttributeError, NotImplementedError):
        return {}


def _is_mark(text: str) -> bool:
    """Tell whether the text of a token is no word and no white space, as `<tool_call>` is."""
    return any(map(str.isalpha, text)) and not text.replace("_", "").isalnum()


def last_question(messages: Sequence[Message]) -> str:
    """Return the text of the last message of a user, else of the last message, and of the results of tools
    behind it."""
    if not messages:
        return ""
    users = [index for index, message in enumerate(messages) if message.get("role") == "user"]
    first = users[-1] if users else len(messages) - 1
    results = [message for message in messages[first + 1 :] if message.get("role") == "tool"]
    return "\n".join(message["content"] for message in (messages[first], *results))


def _plain_prompt(question: ModelQuestion, prompt: str) -> str:
    """Return the prompt of a model without a chat template."""
    if question.with_outline and question.outline:
        instruction = question.instruction if prompt.startswith(question.instruction) else ""
        at = len(instruction) or len(prompt)
        prompt = f"{prompt[:at]}{_outline_request(question.outline)}{prompt[at:]}"
    if question.refused is not None:
        answer, why = question.refused
        prompt += f"\n\nThis answer was refused: {answer}\n{why}\nAnswer again:"
    example_texts = [
        f"{_open_for_answer(str(example_prompt), question)}{answer}\n\n"
        for example_prompt, answer in question.examples
    ]
    return "".join((*example_texts, _open_for_answer(prompt, question)))


def _open_for_answer(prompt: str, question: ModelQuestion) -> str:
    """Return a prompt behind which its answer may begin."""
    return f"{prompt}\n" if question.is_json and not prompt.endswith("\n") else prompt


def _outline_request(outline: str) -> str:
    return f"\n\nAnswer in JSON: {outline}"


# --- a last turn of the assistant: the beginning of the answer, or history ---------------------------------


def split_continued_turn(
    prompt: Any,
    is_wanted: bool | None,
    compile_grammar: Callable[[], CompiledGrammar] | None,
    ways: Callable[[str], Iterable[tuple[str, str]]] = lambda text: [(text, "")],
    where: str = "messages[{}].content",
) -> tuple[Any, dict[str, Any] | None]:
    """Return the messages of a prompt before the turn that the answer goes on with, and this turn; the prompt
    and None where the answer is a turn of its own.

    A last turn of the assistant is continued where that is `is_wanted`, or its `prefix` says so; where
    nothing is said, if it begins a text of the grammar and is none. `compile_grammar`: gives the grammar;
    None: free text. `ways`: of a turn, how it may begin what is written, and what would then close it.
    `where`: the place of a turn in errors.

    Errors: OptionError for a turn that is to be continued and is not there, calls tools, or begins no text.
    Cost: linear in the turn; the grammar is compiled where a turn is asked about.
    """
    last: Any = prompt[-1] if prompt and not isinstance(prompt, str) else {}
    is_asked = checks.check_flag("prefix", last.get("prefix")) if is_wanted is None else is_wanted
    if last.get("role") != "assistant" or last.get("tool_calls"):
        if is_asked:
            fault = "The prompt does not end with a turn of the assistant that could go on."
            cure = 'End the messages with {"role": "assistant", "content": "..."}, or leave it out.'
            raise OptionError(fault, where="continue_final_message", cure=cure)
        return prompt, None
    text, where = last["content"], where.format(len(prompt) - 1)
    if is_asked and not text:  # it is about to begin
        return prompt[:-1], None
    if is_wanted is False or not (is_asked or (compile_grammar and text.strip())):
        return prompt, None
    check_encodable(where, text)
    if compile_grammar is None:
        return prompt[:-1], last
    grammar, beginnings = compile_grammar(), list(ways(text))
    for beginning, closing in beginnings:
        state = grammar.step_bytes(grammar.start, beginning.encode())
        end = None if state is None else grammar.step_bytes(state, closing.encode())
        if state is not None and (is_asked or end is None or not grammar.accepts_end(end)):
            return prompt[:-1], {**last, "content": beginning}
    if is_asked:
        beginning = beginnings[0][0]
        text_before = beginning.removesuffix(text) if beginning.endswith(text) else ""
        start_after_prefix(grammar, beginning.encode(), where, text_before)
    return prompt, None


# --- the tokens of a request, the same for every engine -----------------------------------------------------


@dataclass(frozen=True, slots=True)
class ReadPrompt:
    """A prompt as a model reads it."""

    question: ModelQuestion
    tokens: list[int]
    shortening: str = ""
    """How much the prompt tells of the schema, or of examples, where all of it does not fit; else ""."""


@dataclass(frozen=True, slots=True)
class RequestTokens:
    """The tokens of requests for one model."""

    prompts: ModelPrompts
    tokenizer: Tokenizer
    vocab_size: int
    """Width of the model's logits."""
    context: int
    """The most tokens of a text, prompt included."""
    compile_grammar: Callable[[Any], CompiledGrammar]
    """Returns a grammar, compiled for the tokenizer."""

    def read_request(
        self, request: Request, instead: str | Sequence[int] | None = None, besides: int = 0
    ) -> ReadPrompt:
        """Return a request's prompt in the form that the model needs, or the ids that were given. `instead`:
        another prompt in its place; `besides`: tokens that are neither prompt nor text, as thoughts are.
        Raises OptionError for ids that are none of the model's."""
        prompt: Any = request.prompt if instead is None else instead
        is_text = isinstance(prompt, str) or isinstance(next(iter(prompt), None), Mapping)
        if is_text and not isinstance(prompt, str):
            prompt = checks.read_messages(prompt)
        turn: Any = {"role": "assistant", "content": request.begun} if request.begun else None
        if turn is None:
            grammar = None if request.grammar is None else partial(self.compile_grammar, request.grammar)
            messages_before, turn = split_continued_turn(
                prompt if is_text else "", request.continue_final_message, grammar
            )
            prompt = messages_before if is_text else prompt
        if is_text:
            outlines = None if request.language is None else request.language.outline
            question = replace(_question_of(request, prompt), turn=turn)
            prompt_read = self.fit_context(question, outlines, request.max_tokens, besides)
        else:
            prompt_read = ReadPrompt(ModelQuestion("", turn=turn), list(prompt))
        id_limit = self.vocab_size
        cure = f"Give ids from 0 to {id_limit - 1:,}"
        for token in dict(request.chosen_by.logit_bias):
            if token >= id_limit:
                raise OptionError(
                    f"Token {token} is none of the model's.", where="logit_bias", cure=f"{cure}."
                )
        for at, token in enumerate(prompt_read.tokens):
            if not 0 <= token < id_limit:
                raise OptionError(
                    f"Token {token} is none of the model's.",
                    where=f"prompt[{at}]",
                    cure=f"{cure}, or the text.",
                )
        return prompt_read

    def fit_context(
        self,
        question: ModelQuestion,
        outlines: Outlines | None,
        max_tokens: int | None,
        besides: int = 0,
        read: Callable[[ModelQuestion], Sequence[int]] | None = None,
    ) -> ReadPrompt:
        """Return the tokens of a question that leave room for the text. Where there is not enough, a refused
        answer is left out, then examples, the oldest first, then the descriptions, then the outline is less
        deep, then it is left out. Where that is not enough either, the shortest is returned. `outlines`:
        gives those of the schema; None: there is no schema.
        `read_request`: gives the tokens of a question, in place of `ModelPrompts.encode_question`.

        Cost: a prompt for each form that is tried, at most ten, and one for each example. Errors: those of
        `ModelPrompts.encode_question`.
        """
        text = min(DEFAULT_MAX_TOKENS, self.context // 4)
        if max_tokens is not None and max_tokens < self.context:
            text = max_tokens
        prompt = ReadPrompt(question, [])
        for form, shortening in _with_fewer_examples(self._shorter_forms(question, outlines)):
            tokens = self.prompts.encode_question(form, self.tokenizer) if read is None else read(form)
            prompt = ReadPrompt(form, list(tokens), shortening)
            if len(prompt.tokens) + text + besides <= self.context:
                break
        lost, whole = list[str](), list[str]()
        if (kept_count := len(prompt.question.examples)) < len(question.examples):
            lost.append(f"has {kept_count} of {len(question.examples)} examples")
            whole.append("all examples")
        if prompt.shortening:
            lost.append(f"tells {prompt.shortening} of the schema")
            whole.append("the whole outline")
        if not lost:
            return prompt
        message = f"The prompt {' and '.join(lost)}: {', '.join(whole)} and {text:,} tokens of text"
        return replace(prompt, shortening=f"{message} do not fit the model's context of {self.context:,}.")

    def _shorter_forms(
        self, question: ModelQuestion, outlines: Outlines | None
    ) -> Iterator[tuple[ModelQuestion, str]]:
        """Yield a question in forms that are shorter and shorter, each with what it tells of the schema in
        place of the whole outline."""
        if question.is_choice and outlines is not None:
            both = (
                next(shorter_outlines(outlines, descriptions=is_described))[0]
                for is_described in (False, True)
            )
            question = replace(question, is_described=len({*both}) > 1)
        bare = replace(question, refused=None)
        if (
            outlines is None
            or isinstance(question.prompt, ModelPrompt)
            or not self.prompts.needs_outline(bare)
        ):
            yield question, ""  # an outline that no prompt shows is not written: it takes time
            if question.refused is not None:
                yield bare, ""
            return
        whole = question if question.refused is not None else None
        # the embedded models were trained on outlines without descriptions
        for outline, shortening in shorter_outlines(outlines, descriptions=not self.prompts.is_embedded):
            if whole is not None:
                yield replace(whole, outline=outline), shortening
                whole = None
            yield replace(bare, outline=outline), shortening
        if not self.prompts.is_embedded:  # which know no prompt without one
            yield bare, "nothing"

    def bound_tokens(self, request: Request, prompt: int, besides: int = 0) -> Request:
        """Return the request with a bound on its tokens: where it says none, what the context leaves.
        `prompt`: the size of its prompt; `besides`: tokens that are neither prompt nor text, as thoughts are.
        Raises OptionError where all of them do not fit the context."""
        room = self.context - prompt - besides
        if request.max_tokens is None:
            request = replace(request, max_tokens=max(min(DEFAULT_MAX_TOKENS, room), 1))
        if prompt >= self.context:
            raise OptionError(
                f"The prompt has {prompt:,} tokens; the model's context, which the text needs too, is "
                f"{self.context:,}.",
                where="prompt",
                cure="Shorten the prompt.",
            )
        if request.most_tokens > room:
            raise OptionError(
                f"{prompt:,} tokens of prompt and max_tokens={request.most_tokens:,} make "
                f"{prompt + besides + request.most_tokens:,}; the model's context is {self.context:,}.",
                where="max_tokens",
                cure="Shorten the prompt, or ask for fewer tokens.",
            )
        return request


def _with_fewer_examples(forms: Iterator[tuple[ModelQuestion, str]]) -> Iterator[tuple[ModelQuestion, str]]:
    """Yield forms of a question; behind the first without a refused answer, it with fewer and fewer examples,
    and the others without any."""
    for form, shortening in forms:
        yield form, shortening
        if form.refused is None:
            for first in range(1, len(form.examples) + 1):
                yield replace(form, examples=form.examples[first:]), shortening
            break
    for form, shortening in forms:
        yield replace(form, examples=()), shortening


def _question_of(request: Request, prompt: Prompt) -> ModelQuestion:
    """Return what a request asks of the model, without an outline."""
    language = request.language
    is_json = language is not None and language.policies is not None
    return ModelQuestion(
        prompt,
        is_json,
        with_outline=request.outline,
        chat=request.chat,
        refused=request.refused,
        is_choice=is_json and bool(find_listed_values(language).texts),
        thinks_until=text_behind(request.thinking),
    )


def check_budget(request: Request, shortest_length: int) -> None:
    """Raise BudgetError where the shortest text, of `shortest_length` tokens, is longer than a request
    allows."""
    if shortest_length > request.most_tokens:
        raise BudgetError(
            f"No document fits max_tokens={request.most_tokens:,}: the shortest takes {shortest_length:,}.",
            minimum=shortest_length,
            where="max_tokens",
            cure=f"Give at least {shortest_length:,}.",
        )
