"""Prompts: a docstring is a template of the arguments; a body may return text or chat messages instead.

The task of one prompt is worked out here too: its form is narrowed to what the prompt's texts state.
"""

from __future__ import annotations

import inspect
import string
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import repeat
from typing import Any, Final
from weakref import WeakKeyDictionary

from structgen.asking.grounding.grounded_grammar import (
    NamedTexts,
    checked_texts,
    idle_missing,
    warn_grounded,
)
from structgen.asking.grounding.stated_text import StatedText, stated_text
from structgen.base.errors import NotStatedError, OptionError
from structgen.base.language import checks
from structgen.decoding.engine.model_prompts import ModelQuestion, Prompt, ReadPrompt
from structgen.decoding.engine.requests import FinishReason, Result, Usage
from structgen.decoding.engine.thinking import text_behind
from structgen.doors.typed.target_forms import WritingTask

NEUTRAL: Final = "N/A"
"""A text that says nothing (Zhao et al., "Calibrate Before Use", 2021)."""


@dataclass(frozen=True, slots=True)
class PromptSource:
    """What a prompt is made from. Errors: OptionError for half of a surrogate pair, which no model reads."""

    prompt: Prompt
    """Text, or chat messages."""
    values: tuple[str, ...]
    """The texts of the arguments alone, from which an extracting model reads. () beside messages."""
    refused_attempt: tuple[str, str] | None = None
    """The answer of the last attempt, and why it was refused."""
    neutral: str = NEUTRAL
    """The prompt with nothing in place of the arguments."""
    named_values: NamedTexts = ()
    """The arguments that fill a template, each with its name; () where there is none."""
    examples: tuple[tuple[Prompt, str], ...] = ()
    """Pairs of a prompt and its document, which the model reads before the question."""
    instruction: str = ""
    """The beginning of the prompt, behind which the outline stands; "" for none."""

    def build_question(self, task: WritingTask, prompt: Prompt | None = None, **others: Any) -> ModelQuestion:
        """Return the question to a model, of which `ModelPrompts` makes the prompt.

        `prompt`: for an engine, that of the source as `read_texts` reads it; the examples are read so too.
        None: for a server, which may read images. `others`: fields of the question that replace those of the
        source, such as `turn={"role": "assistant", "content": "{"}`. Errors: those of `read_texts`.
        """
        examples, options = self.examples, task.options
        if prompt is not None:
            examples = tuple((read_texts(example_prompt), document) for example_prompt, document in examples)
        usual = {"chat": options.chat, "refused": self.refused_attempt}
        return ModelQuestion(
            self.prompt if prompt is None else prompt,
            task.form.grammar,
            values=self.values,
            with_outline=options.outline,
            examples=examples,
            instruction=self.instruction,
            thinks_until=text_behind(options.thinking),
            **{**usual, **others},
        )

    @property
    def subject_texts(self) -> NamedTexts:
        """The texts that the prompt is about: the arguments of a template; of messages the last turn of the
        user; else the whole prompt."""
        if self.named_values:
            return self.named_values
        if isinstance(self.prompt, str):
            return (("prompt", self.prompt),)
        turns = [message["content"] for message in self.prompt if message.get("role") == "user"]
        parts = turns[-1] if turns else ""
        if not isinstance(parts, str):  # an image states nothing
            parts = "\n".join(part["text"] for part in parts if part.get("type") == "text")
        return (("prompt", parts),)

    def __post_init__(self) -> None:
        prompt = self.prompt
        contents: list[Any] = [prompt]
        if not isinstance(prompt, str):
            contents = [message.get("content") for message in prompt]
        for text in (*contents, *self.values):
            if isinstance(text, str):
                checks.check_encodable("prompt", text)


def read_texts(prompt: Prompt) -> Prompt:
    """Return a prompt whose messages have texts alone. Errors: OptionError for other parts."""
    return prompt if isinstance(prompt, str) else checks.read_messages(prompt)


class Template:
    """A docstring, with the parameters' names in braces, as `str.format` has them: `{text}`,
    `{user.name}`."""

    def __init__(self, docstring: str, signature: inspect.Signature) -> None:
        """Read a template. Errors: OptionError for a field that is no parameter."""
        try:
            self._pieces = list(string.Formatter().parse(inspect.cleandoc(docstring)))
        except ValueError as error:
            raise OptionError(
                f"The docstring is not a template: {error}.",
                where="docstring",
                cure="Double literal braces: {{ and }}.",
            ) from error
        names = list(signature.parameters)
        for _, field, _, _ in self._pieces:
            # `user.name` and `user[name]` are fields of the parameter `user`
            root = None if field is None else field.partition(".")[0].partition("[")[0]
            if root is not None and root not in names:
                field_list = ", ".join(f"{{{name}}}" for name in names) or (
                    "none, because the function has no parameters"
                )
                raise OptionError(
                    f"{{{field}}} is not a parameter of the function.",
                    where="docstring",
                    cure=f"The fields are {field_list}; double literal braces.",
                )

    def fill_in(self, arguments: Mapping[str, Any]) -> PromptSource:
        """Return the prompt of a call. Errors: OptionError for a value that cannot be printed."""
        values = [
            _format_field(arguments, field, spec, conversion)
            for _, field, spec, conversion in self._pieces
            if field is not None
        ]

        def join_pieces(field_texts: Iterator[str]) -> str:
            """Return the template with these texts in place of its fields."""
            parts = list[str]()
            for text, field, _, _ in self._pieces:
                parts.append(text)
                if field is not None:
                    parts.append(next(field_texts))
            return "".join(parts)

        full_text = join_pieces(iter(values))
        # where no argument says anything, the docstring is all that there is
        neutral = join_pieces(repeat(NEUTRAL)) if values else NEUTRAL
        if fields := [field for _, field, _, _ in self._pieces if field is not None]:
            pairs = [*dict.fromkeys(zip(fields, values, strict=True))]
        else:  # a docstring without fields is an instruction: the arguments are what it is about
            pairs = [(name, str(value)) for name, value in arguments.items() if name not in ("self", "cls")]
        texts_by_name = dict[str, list[str]]()
        for name, text in pairs:  # a field may stand there twice, in two forms
            texts_by_name.setdefault(name, []).append(text)
        named_values = tuple((name, "\n".join(texts)) for name, texts in texts_by_name.items())
        argument_texts = tuple(dict(pairs).values()) or (full_text,)
        return PromptSource(full_text, argument_texts, neutral=neutral, named_values=named_values)


def _format_field(
    arguments: Mapping[str, Any],
    field: str,
    spec: str | None,
    conversion: str | None,
) -> str:
    """Return the text of a field, such as `user.name` with the conversion "r" of `{user.name!r}`. Errors:
    OptionError for a value that cannot be printed, and for None."""
    formatter = string.Formatter()
    try:
        value, _ = formatter.get_field(field, (), arguments)
        if value is not None or conversion:
            return format(formatter.convert_field(value, conversion), spec or "")
    except Exception as error:  # whatever the value's own __format__ raises
        raise OptionError(
            f"The value of {{{field}}} cannot be printed: {type(error).__name__}: {error}.",
            where="docstring",
            cure="Pass a value that str.format takes, or convert it: {name!r}.",
        ) from error
    raise OptionError(
        f"The value of {{{field}}} is None, and the prompt would contain the word None.",
        where=field,
        cure="Pass a text, or write {{field}!r} in the docstring if None is allowed.",
    )


def source_of_call(prompt: object, template: Template | None, arguments: Mapping[str, Any]) -> PromptSource:
    """Return the source of a call: of what the body returned, or of the docstring where it returned nothing.

    Errors: OptionError where there is neither, or the body returned something else.
    """
    if prompt is None:
        if template is None:
            raise OptionError(
                "The function has no docstring, and its body returned no prompt.",
                where="prompt",
                cure="Describe the task in the docstring, or return sg.filled(prompt).",
            )
        return template.fill_in(arguments)
    return source_of_prompt(prompt)


def source_of_prompt(prompt: Any) -> PromptSource:
    """Return the source of a text or of chat messages. Errors: OptionError."""
    if isinstance(prompt, str):
        return PromptSource(prompt, (prompt,))
    fault = f"A prompt must be a text or messages, got {type(prompt).__name__}."
    cure = 'Pass text, or messages such as [{"role": "user", "content": "..."}].'
    match prompt:
        case None:
            fault = "None is not a prompt."
        case bytes() | bytearray():
            cure = "Decode it: prompt.decode()."
        case Mapping():
            cure = "Put the message into a list: [{...}]."
        case []:
            fault = "The list of messages is empty."
        case [str(), *_]:
            fault = "A list of texts is more than one prompt."
            cure = "Call once for each text, or all at once: sg.generate(...) makes functions with .batch."
        case [*_]:
            return PromptSource([dict(message) for message in checks.check_messages("prompt", prompt)], ())
    raise OptionError(fault, where="prompt", cure=cure)


def narrow_task(
    task: WritingTask,
    source: PromptSource,
    *,
    is_again: bool = False,
    stated: StatedText | None = None,
) -> WritingTask:
    """Return the task of one prompt: its form is narrowed where the call, or its type, asks for it.
    `is_again`: whether the call has had its warnings (`GroundedWarning`). `stated`: the texts that answers
    are held to; None: those of the call or the prompt.

    For example, under `grounded=True` the numbers of the answer are those of the prompt. Raises
    NotStatedError; OptionError for `missing` of no grounded call. Cost: that of `narrowed` for new texts.
    """
    form, options = task.form, task.options
    if form.unnarrowed is not None:
        return task
    is_quoted = bool(options.quotes) or form.request.has_quotes
    if not (options.grounded or is_quoted):
        if options.missing != "error":
            raise idle_missing()
        return task
    report = None if is_again or source.refused_attempt is not None else warn_grounded
    is_whole_prompt = options.grounded is True and not source.named_values
    if report is not None and is_whole_prompt and isinstance(source.prompt, str):
        message = (
            "The numbers and dates of the whole prompt count as stated, including those of the question."
        )
        report(f"{message} Name the document: grounded=text.")
    if stated is None:
        grounded: Any = options.grounded
        texts: Any = checked_texts(source.subject_texts if isinstance(grounded, bool) else grounded)
        stated = stated_text(texts)
    request = form.request.narrow(
        stated,
        report,
        values=options.grounded is not False,
        quotes=bool(options.quotes),
        free=options.missing == "free",
    )
    tools = form.tools and replace(
        form.tools, tools=request.tools, choice=request.choice, prompts=WeakKeyDictionary()
    )
    narrowed_form = replace(
        form,
        grammar=request.answer,
        tools=tools,
        unnarrowed=form,
        quoted_text=stated if is_quoted and options.quotes != "exact" else None,
        quotes=bool(options.quotes),
    )
    return replace(task, form=narrowed_form, stated=stated)


@dataclass(slots=True, eq=False)
class TextRequest:
    """A text that a writer is asked for: its task, and the source of its prompt."""

    task: WritingTask
    """Narrowed to what the texts of the prompt state (`narrow_task`)."""
    source: PromptSource
    error: NotStatedError | None = None
    """Why the model is not asked: the texts of the prompt do not state a required value."""
    read_prompt: ReadPrompt | None = None
    """The prompt as an engine reads it; None until it is read."""

    @classmethod
    def narrow(cls, task: WritingTask, source: PromptSource, *, is_again: bool = False) -> TextRequest:
        """Return the request for a text of a task, which is narrowed. `is_again` and the errors are those of
        `narrow_task`, whose NotStatedError is the request's."""
        try:
            return cls(narrow_task(task, source, is_again=is_again), source)
        except NotStatedError as error:
            return cls(task, source, error)


def unasked_result(error: NotStatedError) -> Result:
    """Return the result of a prompt whose texts do not state what is required."""
    return Result("", FinishReason.ERROR, [], [], Usage(), error=error)
