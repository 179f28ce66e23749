"""Makes the prompt of a model: a request's question in the form that this model needs.

- A *question* (`ModelQuestion`) is all that a prompt may need: the user's text or messages, and the schema.
- An *outline* is a schema in one line, for example `{name: string, age: integer}`.
- A *turn* is one chat message. An answer may *continue* the last turn of the assistant: that turn is then
  the beginning of the answer.
- A *control token* is a token with a meaning of its own for the model, such as `<|im_end|>`; its text in a
  chat template is a *mark*.

`sg.Engine`, `sg.run`, typed functions, `sg.sample`, `sg.score`, `sg.infill` and the commands make their
prompts here. A model with a chat template gets it. The embedded models get the form that they were trained
on: the outline of the schema, then the text. Any other text stays as it is, but that a JSON document begins
on a line of its own.

`ModelPrompts` turns a question into a text, or into tokens, for one model. `RequestTokens` reads whole
requests: it makes the question, shortens it until it fits the context, and bounds max_tokens. It returns a
`ReadPrompt`.

Texts of people must not write control tokens, such as `<|im_end|>`. So their signs are guarded: other
characters stand for them while the template is applied (`tokens.control_tokens`).
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
from structgen.decoding.engine.forward_pass.gguf_header import GgufHeader
from structgen.decoding.engine.forward_pass.gguf_models import gguf_file, gguf_tokenizer
from structgen.decoding.engine.forward_pass.quiet_loading import silence_transformers
from structgen.decoding.engine.requests import DEFAULT_MAX_TOKENS, Request
from structgen.decoding.engine.searches.listed_values import find_listed_values
from structgen.decoding.engine.special_texts import special_texts
from structgen.decoding.engine.thinking import text_behind
from structgen.decoding.runs.resources import is_embedded
from structgen.grammars.json_grammars.outline_writer import (
    ModelPrompt,
    extraction_prompt_under,
    longest_outline,
    shorter_outlines,
)
from structgen.machines.core.compiled import CompiledGrammar
from structgen.machines.core.forced_text import start_after_prefix
from structgen.machines.core.grammar import Grammar
from structgen.tokens.control_tokens import ControlTokens
from structgen.tokens.tokenizer import Tokenizer

Message: TypeAlias = Mapping[str, Any]
"""A chat message: `role` and `content`."""
Prompt: TypeAlias = Union[str, Sequence[Message]]
_ANY: Final[Message] = {"role": "user", "content": "?"}
"""A question that is rendered to find the text that a chat template writes around any question."""
_SYSTEM: Final = "The words of the system."
"""A system message that is rendered to find where a chat template writes the system's text."""
_ANSWER: Final = "The words of the answer."
"""The text of an assistant's turn that is rendered to find where a chat template writes a continued turn."""
_SYSTEM_ROLES: Final = ("system", "developer")
_TEXT_FIELDS: Final = (
    *("prompt", "refused", "schema", "template"),
    *("turn", "examples", "instruction"),
)
"""The fields of a question whose texts come from users, and so may not contain control tokens. So does the
outline."""


@dataclass(frozen=True, slots=True)
class ModelQuestion:
    """A question to a model, with all that its prompt may need."""

    prompt: Prompt
    """The prompt: a text, or chat messages."""
    language: Grammar | None = None
    """The grammar of the answer; None: free text."""
    outline: str | None = None
    """The outline of the answer's schema, with its descriptions on the lines below (`schema_outline`). None:
    the longest one."""
    values: tuple[str, ...] = ()
    """The texts that an extracting model reads; (): it reads the prompt itself."""
    with_outline: bool | None = None
    """Whether the outline is put into the prompt. None: it is for the embedded models, and for chat models
    unless the answer is one of listed values."""
    chat: bool | None = None
    """Whether the chat template is applied; None: if the model has one."""
    refused: tuple[str, str] | None = None
    """An earlier answer, and why it was refused."""
    thinks_until: str = ""
    """The text that ends the thoughts before the answer; "": there are no thoughts, or a token ends them."""
    schema: str = ""
    """The JSON Schema itself, in place of the outline. It is for a model whose tokens no mask restricts."""
    template: Mapping[str, Any] = field(default_factory=dict)
    """Further arguments of the chat template, such as `tools`."""
    preface: str = ""
    """A text before the first words of the user. It is guarded already: the marks in it are our own."""
    marks: str = ""
    """The texts that mark tool calls in this model's format; their tokens count as control tokens too."""
    is_guarded: bool = False
    """Whether the prompt is a plain text that was guarded already (`ModelPrompts.find_controls`)."""
    turn: Mapping[str, Any] | None = None
    """The turn of the assistant that the answer continues, at the end of the prompt; None: there is none."""
    examples: Sequence[tuple[Prompt, str]] = ()
    """Pairs of another prompt and its right answer, which the model reads before this prompt."""
    instruction: str = ""
    """The beginning of the prompt after which the outline comes, so that many prompts begin alike. "": the
    outline comes after the whole prompt."""

    @property
    def begun(self) -> str:
        """The beginning of the answer."""
        return "" if self.turn is None else self.turn["content"]

    def to_messages(
        self, outline: str = "", system: str | None = None, preface: str = ""
    ) -> list[dict[str, Any]]:
        """Return the question as chat messages: the prompt, its outline ("": none), the refusal.
        Examples are turns behind the first messages of the system; the outline is then in the first of them.
        `preface` is a text before the first words of the user.

        The descriptions go into the system's message: the first one, or a new one behind `system`, the text
        that the chat template itself writes there. None: there is no such message, and they go below the
        outline (docs/decisions/086-descriptions.md has the forms that were tried).
        """
        messages = _messages_of(self.prompt)
        self._insert_examples(messages)
        users = [index for index, message in enumerate(messages) if message["role"] == "user"]
        first = users[0] if users else None
        if first is not None and preface:
            content = f"{preface}\n\n{messages[first]['content']}"
            messages[first] = {**messages[first], "content": content}
        # The first line is the outline itself; the descriptions are on the lines below.
        descriptions = ""
        if system is not None:
            outline, _, descriptions = outline.partition("\n")
        outline_text = _outline_request(outline) if outline else ""
        if self.schema:
            outline_text = (
                f"\n\nAnswer with one JSON document of this JSON Schema and no other text:\n{self.schema}"
            )
        if outline_text:
            # The last index of each role: a later message replaces an earlier one of the same role.
            last = {
                message["role"].replace("developer", "system"): index
                for index, message in enumerate(messages)
            }
            target = last.get("user", last.get("system"))
            if self.examples:  # the question gets the form of the examples: the model copies less from them
                target = first
            if target is None:
                messages.insert(0, {"role": "user", "content": outline_text.strip()})
            else:
                messages[target] = _extend_message(messages[target], outline_text, self.instruction)
        if outline_text and descriptions and not self.schema:
            if messages[0]["role"] != "system":
                messages.insert(0, {"role": "system", "content": system})
            gap = "\n" if messages[0]["content"] else ""
            messages[0] = _extend_message(messages[0], f"{gap}{descriptions}")
        if self.refused is not None:
            answer, why = self.refused
            if answer:
                messages.append({"role": "assistant", "content": answer})
            messages.append({"role": "user", "content": (f"This answer was refused: {why} Answer again.")})
        return messages

    def _insert_examples(self, messages: list[dict[str, Any]]) -> None:
        """Insert the examples as turns after the first messages of the system. Messages of the system inside
        an example are left out, since a prompt has only one system message."""
        turns = []
        for example_prompt, answer in self.examples:
            turns += _messages_of(example_prompt)
            turns.append({"role": "assistant", "content": answer})
        begins = 0
        while begins < len(messages) and messages[begins]["role"] in _SYSTEM_ROLES:
            begins += 1
        messages[begins:begins] = [turn for turn in turns if turn["role"] not in _SYSTEM_ROLES]

    @property
    def texts(self) -> tuple[Any, ...]:
        """The texts in the question that come from users, and so may not contain control tokens."""
        return tuple(getattr(self, name) for name in _TEXT_FIELDS)

    def guard_texts(self, controls: ControlTokens) -> ModelQuestion:
        """Return the question with other characters in its texts in place of the signs of control tokens."""
        guarded_texts = {name: controls.guard_value(getattr(self, name)) for name in _TEXT_FIELDS}
        return replace(self, **guarded_texts)


def _messages_of(prompt: Prompt) -> list[dict[str, Any]]:
    """Return the messages of a prompt."""
    if isinstance(prompt, str):
        return [{"role": "user", "content": prompt}]
    return [dict(message) for message in prompt]


def _extend_message(message: dict[str, Any], text: str, beginning: str = "") -> dict[str, Any]:
    """Return a message with `text` added after its `beginning`, or at its end."""
    content = message["content"]
    if beginning and content.startswith(beginning):
        return {**message, "content": f"{beginning}{text}{content[len(beginning) :]}"}
    if isinstance(content, list):  # parts, such as images
        return {**message, "content": [*content, {"type": "text", "text": text}]}
    return {**message, "content": f"{content}{text}"}


def _has_key(folder: str, file: str, key: str) -> bool:
    """Return whether a JSON file in a model's folder has a key at its top."""
    path = Path(folder, file)
    if not folder or not path.is_file():
        return False
    try:
        return key in json.loads(path.read_text(encoding="utf-8"))
    except ValueError:  # whoever loads the model says what is wrong with the file
        return False


class ModelPrompts:
    """Makes the prompts of one model.

    `name` is the model's name or folder; "" for a model object. `tokenizer` is the tokenizer of transformers
    that the caller gave with the model, if any. `allow_specials` says whether all texts may contain control
    tokens.
    """

    def __init__(self, name: str, tokenizer: Any = None, *, allow_specials: bool = False) -> None:
        self.name = name
        self.allow_specials = allow_specials
        # A model that models/train.py made from an embedded one counts as embedded.
        self.is_embedded = is_embedded(name) or _has_key(name, "config.json", "structgen_training")
        self._templates: Any = tokenizer if hasattr(tokenizer, "apply_chat_template") else None
        """The tokenizer that has the chat template; None: not loaded yet, or there is none."""
        self._lock = threading.Lock()
        """The lock that a thread holds while it loads or uses a tokenizer of transformers, which is not
        thread-safe."""
        self._tells_tools: bool | None = None
        """Whether the chat template writes tools; None: not known yet."""
        self._controls: dict[str, ControlTokens] = {}
        """The control tokens, by the marks of the format of calls (`ModelQuestion.marks`)."""

    def needs_outline(self, question: ModelQuestion) -> bool:
        """Return whether the outline of a schema goes into the prompt.

        A chat model chooses better among listed values without an outline (docs/inside/results.md), unless
        the values have descriptions. A chat model that was not trained to think first would write the
        document of the outline instead of its thoughts.
        """
        if question.with_outline is not None:
            return question.with_outline
        if self.is_embedded:
            return True
        if not self._is_chat(question):
            return False
        # descriptions are on the lines below the outline itself
        is_choice = bool(find_listed_values(question.language).texts)
        if is_choice and "\n" not in longest_outline(question.language, descriptions=True):
            return False
        return not question.thinks_until or self._shows_closing(question.thinks_until)

    def write_outline(self, question: ModelQuestion) -> str:
        """Return the outline that the prompt of a question has; "": none."""
        longest = next(self.outlines_of(question), ("", ""))[0] if question.outline is None else ""
        return question.outline or longest

    def outlines_of(self, question: ModelQuestion) -> Iterator[tuple[str, str]]:
        """Yield the outlines that the prompt of a question may have, each with its scope in words, as
        `shorter_outlines` does: none where a prompt shows no outline, for to write one takes time."""
        outline = None if question.language is None else question.language.outline
        has_own_outline = isinstance(question.prompt, ModelPrompt)
        if outline is not None and not has_own_outline and self.needs_outline(question):
            # the embedded models were trained on outlines without descriptions
            yield from shorter_outlines(outline, descriptions=not self.is_embedded)

    def _shows_closing(self, closing: str) -> bool:
        """Return whether the chat template contains the tag that closes thoughts, such as `</think>`. Only a
        tag with letters counts: full stops and line ends are in any template."""
        if not self.has_template() or not any(map(str.isalpha, closing)):
            return False
        return closing in str(self.template_holder().chat_template)

    def _is_chat(self, question: ModelQuestion) -> bool:
        """Return whether the chat template is applied to a question."""
        if question.chat is not None:
            return question.chat
        return not isinstance(question.prompt, str) or self.has_template()

    def render_text(self, question: ModelQuestion) -> str:
        """Return the prompt as a text, in the model's chat template if it is applied. Raises OptionError."""
        prompt = self._form_prompt(question, self.write_outline(question), self._plain_preface(question))
        if not isinstance(prompt, str):
            return self._render_messages(prompt, question)
        if question.is_guarded:
            return self.find_controls(question.marks).restore_signs(prompt)
        return prompt

    def encode_question(self, question: ModelQuestion, tokenizer: Tokenizer) -> Sequence[int]:
        """Return the tokens of the prompt, in the model's chat template if it is applied.

        Only the marks of the template become control tokens. The texts of messages do not, unless
        `allow_specials`. Raises OptionError.
        """
        outline, preface = self.write_outline(question), self._plain_preface(question)
        prompt = self._form_prompt(question, outline, preface)
        if isinstance(prompt, str):
            check_encodable("prompt", prompt)
            if self.allow_specials:
                all_controls = ControlTokens(self._named_tokens())
                return all_controls.encode_guarded(self.render_text(question), tokenizer)
            if question.is_guarded:
                return self.find_controls(question.marks).encoded_plainly(prompt, tokenizer)
            return tokenizer.encode(prompt.encode())
        controls = self.find_controls(question.marks)
        has_turn = question.turn is not None
        # a fast test of single signs; most texts have none, and take the template's own way below
        is_guarded = not self.allow_specials and controls.may_stand_in((question.texts, outline, preface))
        if has_turn or is_guarded:
            messages, guarded_question = prompt, question
            if is_guarded:
                guarded_question = question.guard_texts(controls)
                messages = self._form_prompt(
                    guarded_question, controls.guard_value(outline), question.preface
                )
            text = self._render_messages(messages, guarded_question)
            # `are_made_in`: a template may join two harmless texts into a mark
            if has_turn or controls.stand_in((question.texts, outline)) or controls.are_made_in(text):
                return controls.encode_guarded(check_encodable("prompt", text), tokenizer)
        try:
            tokens: Sequence[int] = self._apply_template(prompt, question.template, tokenize=True)
        except OptionError:
            # The error may come from the tokenizer, which refuses the text, and not from the template.
            check_encodable("prompt", self.render_text(question))
            raise
        return tokens

    def _plain_preface(self, question: ModelQuestion) -> str:
        """Return the `preface` of a question, which is our own text, with the real signs of its marks."""
        return question.preface and self.find_controls(question.marks).restore_signs(question.preface)

    def find_controls(self, marks: str = "") -> ControlTokens:
        """Return the control tokens of a prompt, which texts of users may not contain.

        These are the special tokens, and other added tokens whose texts are in the chat template or in
        `marks`, the texts of a format of calls. Without a chat template only those in `marks` count: nothing
        else of such a prompt writes special tokens.
        """
        controls = self._controls.get(marks)
        if controls is not None:
            return controls
        named_tokens = self._named_tokens()
        special = set[str]()
        backend = None
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
        # Each `ControlTokens` has a tokenizer of its own, which takes memory. So equal ones are shared.
        equal_controls = (candidate for candidate in self._controls.values() if candidate.ids == ids)
        controls = self._controls[marks] = next(equal_controls, None) or ControlTokens(ids, backend)
        return controls

    def _named_tokens(self) -> dict[str, int]:
        """Return the ids of the special tokens and the other added tokens, by their texts."""
        holder = self.template_holder() if self.has_template() else self._templates
        return special_texts(self.name, holder)

    def _render_messages(self, messages: list[dict[str, Any]], question: ModelQuestion) -> str:
        """Return the text that the chat template makes of messages. It ends where the answer begins. If a
        turn is continued, it ends after that turn's own text."""
        if question.turn is None:
            return str(self._apply_template(messages, question.template, tokenize=False))
        # The template gets other words in place of the turn's own, which it might trim or change; the turn's
        # own text then stands behind all that the template writes before it.
        messages = [*messages, {**question.turn, "content": _ANSWER}]
        options = {"tokenize": False, "add_generation_prompt": False, "continue_final_message": True}
        text = self._apply_template(messages, question.template, **options)
        return str(text).rpartition(_ANSWER)[0] + question.begun

    def render_frame(self, template: Mapping[str, Any], *before: Message) -> str:
        """Return the text that the chat template writes around any question, and around messages before it.
        `template` has further arguments of the template. Raises OptionError for what the template refuses."""
        return str(self._apply_template([*before, _ANY], template, tokenize=False))

    def _form_prompt(self, question: ModelQuestion, outline: str, preface: str) -> Any:
        """Return the prompt of a question: a text, or messages for the chat template. `outline`, `preface`:
        the texts that it has, as `to_messages` takes them."""
        prompt = self._form_question(question, outline, preface)
        if question.turn is None or not isinstance(prompt, str):
            return prompt
        guard = self.find_controls(question.marks).guard_value if question.is_guarded else str
        # `type`: a `ModelPrompt` stays one, so that nothing is put into it again
        return type(prompt)(prompt + guard(question.begun))

    def _form_question(self, question: ModelQuestion, outline: str, preface: str) -> Any:
        """Return the prompt of a question, as `_form_prompt` does, but without a continued turn."""
        prompt, is_chat = question.prompt, self._is_chat(question)
        if isinstance(prompt, ModelPrompt):
            return prompt
        if self.is_embedded and question.chat is not True:
            # the embedded models know neither roles nor instructions nor earlier answers
            if isinstance(prompt, str):
                question_text = "\n".join(question.values or (prompt,))
            else:
                question_text = last_question(prompt)
            if outline:
                return extraction_prompt_under(outline, question_text)
            if not isinstance(prompt, str):
                prompt, is_chat = question_text, False
        if not is_chat:
            example_prompts = (example_prompt for example_prompt, _ in question.examples)
            if not all(isinstance(text, str) for text in (prompt, *example_prompts)):
                raise OptionError(
                    "Messages need the chat template.", where="chat", cure="Remove chat=False, or pass text."
                )
            return _plain_prompt(question, str(prompt), outline)
        if not self.has_template():
            raise OptionError(
                f"{self.name or 'The model'} has no chat template.",
                where="chat",
                cure="Pass text, or a model whose folder has chat_template.jinja.",
            )
        system = self._system_text(question.template) if "\n" in outline else None
        return question.to_messages(outline, system, preface)

    def _system_text(self, template: Mapping[str, Any]) -> str | None:
        """Return the text of the system that the chat template writes if no message has that role. Return
        None if the template has no place for a system's text. Cost: two short prompts."""
        system_message = {"role": "system", "content": _SYSTEM}
        try:
            prefix, mark, after = self.render_frame(template, system_message).partition(_SYSTEM)
        except OptionError:  # the template refuses such a message
            return None
        if not mark:
            return None
        bare = self.render_frame(template)
        # If both renderings have the same frame, the template's own text is inside the frame. Otherwise the
        # template writes no message of the system by itself.
        has_frame = bare.startswith(prefix) and bare.endswith(after)
        is_own = has_frame and len(bare) >= len(prefix) + len(after)
        return bare[len(prefix) : len(bare) - len(after)] if is_own else ""

    def has_template(self) -> bool:
        """Return whether the model has a chat template. Cost: a look into its folder, once."""
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
        """Return whether the chat template writes the `tools` that it is given. `template` has arguments of
        the chat template with such tools. Cost: two short prompts, once for each template."""
        if self._tells_tools is None:
            bare_text = self.render_frame({**template, "tools": None})
            self._tells_tools = self.render_frame(template) != bare_text
        return self._tells_tools

    @property
    def template_options(self) -> Set[str]:
        """The names of the chat template's arguments that this class sets itself. A request may not set
        them."""
        if self.is_embedded or not self.has_template():
            return set()
        parameters = inspect.signature(self.template_holder().apply_chat_template).parameters
        return {*parameters, "messages", "add_generation_prompt"}

    def use_template(self, template: str) -> None:
        """Use the text of another chat template for messages. Raises OptionError for a text that is not a
        template, and for an embedded model, which reads no messages. Raises StructgenError without
        transformers."""
        if self.is_embedded:
            raise OptionError(
                f"{self.name} does not read messages.", where="chat template", cure="Remove the template."
            )
        self.template_holder().chat_template = template
        # both values were found with the previous template
        self._tells_tools = None
        self._controls.clear()
        # a trial: a text that is no template raises here, and not at the first request
        self.render_frame({})

    def template_holder(self) -> Any:
        """Return the tokenizer of transformers that has the chat template. It is loaded once. Raises
        StructgenError if transformers is missing."""
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
        self, messages: Sequence[Message], template_fields: Mapping[str, Any], **options: bool
    ) -> Any:
        """Return what the chat template makes of messages: a text, or tokens if `tokenize` is among the
        options. `template_fields` are further values that the template reads; `options` are those of
        `apply_chat_template`. Raises OptionError for messages that the template refuses."""
        holder = self.template_holder()  # this call takes the lock itself
        options = {"add_generation_prompt": True, "return_dict": False, **options}
        with self._lock:
            try:
                return holder.apply_chat_template(messages, **options, **template_fields)
            except Exception as error:  # a template may raise whatever its expressions do
                raise OptionError(
                    f"The chat template rejects the messages: {error or type(error).__name__}.",
                    where="messages",
                    cure="Order the messages as the model's page describes, or correct the template.",
                ) from error


def _added_tokens(holder: Any) -> Mapping[int, Any]:
    """Return the added tokens of a tokenizer of transformers by their ids; {} for a tokenizer of
    mistral-common, which reads no special token in any text."""
    try:
        return dict(holder.added_tokens_decoder)
    except (AttributeError, NotImplementedError):
        return {}


def _is_mark(text: str) -> bool:
    """Return whether the text of a token is a mark, as `<tool_call>` is: neither a word nor white space."""
    has_letters = any(map(str.isalpha, text))
    is_word = text.replace("_", "").isalnum()
    return has_letters and not is_word


def last_question(messages: Sequence[Message]) -> str:
    """Return the text of the last message of a user, and of the results of tools after it. Without a message
    of a user, begin at the last message."""
    if not messages:
        return ""
    users = [index for index, message in enumerate(messages) if message.get("role") == "user"]
    last_index = users[-1] if users else len(messages) - 1
    results = [message for message in messages[last_index + 1 :] if message.get("role") == "tool"]
    return "\n".join(message["content"] for message in (messages[last_index], *results))


def _plain_prompt(question: ModelQuestion, prompt: str, outline: str) -> str:
    """Return the prompt of a model without a chat template."""
    if outline:
        # The outline comes after the instruction, so that many prompts begin alike; otherwise at the end.
        instruction = question.instruction if prompt.startswith(question.instruction) else ""
        offset = len(instruction) or len(prompt)
        prompt = f"{prompt[:offset]}{_outline_request(outline)}{prompt[offset:]}"
    if question.refused is not None:
        answer, why = question.refused
        prompt += f"\n\nThis answer was refused: {answer}\n{why}\nAnswer again:"
    example_texts = [
        f"{_open_for_answer(str(example_prompt), question)}{answer}\n\n"
        for example_prompt, answer in question.examples
    ]
    return "".join((*example_texts, _open_for_answer(prompt, question)))


def _open_for_answer(prompt: str, question: ModelQuestion) -> str:
    """Return a prompt after which its answer may begin: before a JSON document it ends with a line end."""
    is_json = question.language is not None and question.language.policies is not None
    return f"{prompt}\n" if is_json and not prompt.endswith("\n") else prompt


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
    """Return the messages of a prompt before the turn that the answer continues, and this turn. If the answer
    is a new turn, return the whole prompt and None.

    For example, the last turn `{"a": ` of the assistant is continued with a JSON Schema, and `{"a": 1}` is
    history. `is_wanted`, or else the `prefix` of the turn, decides. If both are None, the turn is continued
    if it begins a text of the grammar and is not a whole text yet.
    `compile_grammar` returns the grammar; None: free text. `ways` returns pairs for the text of a turn: a
    beginning of the answer that the turn may stand for, and the text that would then close it. `where` is the
    name of a turn's place in errors.

    Raises OptionError if the turn to be continued is missing, calls tools, or does not begin a text. Cost:
    linear in the turn. The grammar is compiled only if there is a turn to decide about.
    """
    last: Any = prompt[-1] if prompt and not isinstance(prompt, str) else {}
    is_asked = checks.check_flag("prefix", last.get("prefix")) if is_wanted is None else is_wanted
    if last.get("role") != "assistant" or last.get("tool_calls"):
        if is_asked:
            fault = "The prompt does not end with a turn of the assistant that could continue."
            cure = 'End the messages with {"role": "assistant", "content": "..."}, or remove it.'
            raise OptionError(fault, where="continue_final_message", cure=cure)
        return prompt, None
    text = last["content"]
    where = where.format(len(prompt) - 1)
    if is_asked and not text:  # the continued turn is empty, so the answer begins with it
        return prompt[:-1], None
    # Unless the request asks for it, a free text is never continued: any turn would begin a free text.
    may_continue = is_asked or (compile_grammar and text.strip())
    if is_wanted is False or not may_continue:
        return prompt, None
    check_encodable(where, text)
    if compile_grammar is None:
        return prompt[:-1], last
    grammar = compile_grammar()
    beginnings = list(ways(text))
    for beginning, closing in beginnings:
        state = grammar.step_bytes(grammar.start, beginning.encode())
        if state is None:
            continue
        end = grammar.step_bytes(state, closing.encode())
        is_whole = end is not None and grammar.accepts_end(end)
        if is_asked or not is_whole:
            return prompt[:-1], {**last, "content": beginning}
    if is_asked:
        # this raises the error that names the place where the turn leaves the grammar
        beginning, _closing = beginnings[0]
        text_before = beginning.removesuffix(text) if beginning.endswith(text) else ""
        start_after_prefix(grammar, beginning.encode(), where, text_before)
    return prompt, None


# --- the tokens of a request, the same for every engine -----------------------------------------------------


@dataclass(frozen=True, slots=True)
class ReadPrompt:
    """A prompt in tokens, as a model reads it."""

    tokens: list[int]
    question: ModelQuestion | None = None
    """What the model is asked; None: the prompt came as tokens."""
    begun: str = ""
    """The beginning of the answer, which is the end of the prompt."""
    shortening: str = ""
    """How much of the schema or of the examples the prompt has, if not all of it fits; "": all of it."""


@dataclass(frozen=True, slots=True)
class RequestTokens:
    """Makes the tokens of requests for one model."""

    prompts: ModelPrompts
    tokenizer: Tokenizer
    vocab_size: int
    """The number of the model's logits."""
    context: int
    """The most tokens that the model reads: prompt and text together."""
    compile_grammar: Callable[[Any], CompiledGrammar]
    """The function that compiles a grammar for the tokenizer."""

    def read_request(
        self, request: Request, instead: str | Sequence[int] | None = None, besides: int = 0
    ) -> ReadPrompt:
        """Return a request's prompt in the form that the model needs. A prompt of token ids stays unchanged.

        `instead` is another prompt in its place. `besides` is the number of tokens that are neither prompt
        nor text, such as thoughts. Raises OptionError for ids that the model does not have.
        """
        prompt: Any = request.prompt if instead is None else instead
        # text or messages, and not token ids
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
            question = ModelQuestion(
                prompt,
                request.language,
                with_outline=request.outline,
                chat=request.chat,
                refused=request.refused,
                thinks_until=text_behind(request.thinking),
                turn=turn,
            )
            prompt_read = self.fit_context(question, request.max_tokens, besides)
        else:
            prompt_read = ReadPrompt(list(prompt), begun=request.begun)
        self._check_ids(request, prompt_read.tokens)
        return prompt_read

    def _check_ids(self, request: Request, tokens: Sequence[int]) -> None:
        """Raise OptionError for ids in biases or in the prompt that the model does not have. An index beyond
        the model's tables would fail later, without naming its place in the request."""
        id_limit = self.vocab_size
        cure = f"Pass ids from 0 to {id_limit - 1:,}"
        for token in dict(request.chosen_by.logit_bias):
            if token >= id_limit:  # a negative id was refused when the sampling was made
                raise OptionError(
                    f"Token {token} is not in the model's vocabulary.", where="logit_bias", cure=f"{cure}."
                )
        for index, token in enumerate(tokens):
            if not 0 <= token < id_limit:
                raise OptionError(
                    f"Token {token} is not in the model's vocabulary.",
                    where=f"prompt[{index}]",
                    cure=f"{cure}, or the text.",
                )

    def fit_context(
        self,
        question: ModelQuestion,
        text_size: int | None,
        besides: int = 0,
        read: Callable[[ModelQuestion], Sequence[int]] | None = None,
    ) -> ReadPrompt:
        """Return the tokens of a question, shortened so that they leave room for the text.

        If the prompt is too long, parts are left out in this order, until it fits: the refused answer; the
        examples, the oldest first; the descriptions; deep levels of the outline; the whole outline. If even
        that does not fit, the shortest form is returned.

        `text_size`: tokens of the text; None: a fourth of the context, at most 512. `besides`: tokens that
        are neither prompt nor text, as thoughts are. `read`: gives the tokens of a question, in place of
        `ModelPrompts.encode_question`.

        Cost: a prompt for each form that is tried, at most ten, and one for each example. Errors: those of
        `ModelPrompts.encode_question`.
        """
        # if max_tokens exceeds the context, `bound_tokens` raises an error
        if text_size is None or text_size >= self.context:
            text_size = min(DEFAULT_MAX_TOKENS, self.context // 4)
        prompt, form = ReadPrompt([]), question
        for form, shortening in _with_fewer_examples(self._shorter_forms(question)):
            tokens = self.prompts.encode_question(form, self.tokenizer) if read is None else read(form)
            prompt = ReadPrompt(list(tokens), form, question.begun, shortening)
            if len(prompt.tokens) + text_size + besides <= self.context:
                break
        # The message has two halves: the parts that the prompt has, and the parts that did not fit.
        present_parts: list[str] = []
        missing_parts: list[str] = []
        if (example_count := len(form.examples)) < len(question.examples):
            present_parts.append(f"has {example_count} of {len(question.examples)} examples")
            missing_parts.append("all examples")
        if prompt.shortening:
            present_parts.append(f"tells {prompt.shortening} of the schema")
            missing_parts.append("the whole outline")
        if not present_parts:
            return prompt
        present = " and ".join(present_parts)
        missing = ", ".join(missing_parts)
        message = f"The prompt {present}: {missing} and {text_size:,} tokens of text"
        return replace(prompt, shortening=f"{message} do not fit the model's context of {self.context:,}.")

    def _shorter_forms(self, question: ModelQuestion) -> Iterator[tuple[ModelQuestion, str]]:
        """Yield shorter and shorter forms of a question, as pairs; the first is the question itself. The
        second item describes the part of the schema that the form still has; "": the whole outline."""
        outlines = self.prompts.outlines_of(question)
        outline, shortening = next(outlines, ("", ""))
        yield question, shortening
        # The refused answer is left out first, because the outline matters more.
        if question.refused is not None:
            yield replace(question, refused=None, outline=outline), shortening
        for outline, shortening in outlines:
            yield replace(question, refused=None, outline=outline), shortening
        # the embedded models know no prompt without an outline
        if outline and not self.prompts.is_embedded:
            yield replace(question, refused=None, outline=""), "nothing"

    def bound_tokens(self, token_limit: int | None, prompt: int, besides: int = 0) -> int:
        """Return the bound on the tokens of a text: its own limit, or else the room that the context leaves.

        `prompt` is the size of its prompt in tokens. `besides` is the number of tokens that are neither
        prompt nor text, such as thoughts. Raises OptionError if all of them do not fit the context.
        """
        room = self.context - prompt - besides
        # The bound is at least 1: if no room is left, one of the errors below reports it.
        if token_limit is None:
            token_limit = max(min(DEFAULT_MAX_TOKENS, room), 1)
        if prompt >= self.context:
            raise OptionError(
                f"The prompt has {prompt:,} tokens; the model's context, which must also hold the "
                f"text, is {self.context:,}.",
                where="prompt",
                cure="Shorten the prompt.",
            )
        if token_limit > room:
            raise OptionError(
                f"{prompt:,} tokens of prompt and max_tokens={token_limit:,} add up to "
                f"{prompt + besides + token_limit:,}; the model's context is {self.context:,}.",
                where="max_tokens",
                cure="Shorten the prompt, or reduce max_tokens.",
            )
        return token_limit


def _with_fewer_examples(forms: Iterator[tuple[ModelQuestion, str]]) -> Iterator[tuple[ModelQuestion, str]]:
    """Yield forms of a question. The first form without a refused answer is followed by the same form with
    fewer and fewer examples. The later forms have no examples."""
    for form, shortening in forms:
        yield form, shortening
        if form.refused is None:
            for first in range(1, len(form.examples) + 1):
                yield replace(form, examples=form.examples[first:]), shortening
            break
    # `forms` is an iterator: this loop continues after the form at which the loop above stopped.
    for form, shortening in forms:
        yield replace(form, examples=()), shortening


def check_budget(token_limit: int, shortest_length: int) -> None:
    """Raise BudgetError if the shortest text, of `shortest_length` tokens, is longer than `token_limit`."""
    if shortest_length > token_limit:
        raise BudgetError(
            f"No document fits max_tokens={token_limit:,}: the shortest takes {shortest_length:,}.",
            minimum=shortest_length,
            where="max_tokens",
            cure=f"Set at least {shortest_length:,}.",
        )
