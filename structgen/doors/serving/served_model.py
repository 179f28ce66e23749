"""The model that is served: bodies become requests of its engine."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any, Final

from structgen.asking.request_reading.request_members import with_tools
from structgen.asking.request_reading.request_reader import SERVED, ReadRequest, read_request
from structgen.asking.tool_calls.format_rows import FORMATS, format_of
from structgen.asking.tool_calls.tool_format import ToolFormat
from structgen.asking.tool_calls.tool_shapes import JsonObject
from structgen.base.errors import OptionError, StructgenError
from structgen.base.limits import Limits
from structgen.decoding.engine.engine import Engine
from structgen.decoding.engine.model_prompts import ModelQuestion, ReadPrompt, continued, last_question
from structgen.decoding.engine.requests import Request
from structgen.decoding.engine.searches.listed_values import listed
from structgen.decoding.engine.thinking import TAG_TOKENS, Thinking, most_tokens, text_behind
from structgen.doors.serving import request_fields as fields
from structgen.doors.serving.api_errors import ApiError, Body
from structgen.doors.serving.error_places import MOST_SHOWN
from structgen.doors.serving.reply_parts import ReplyParts
from structgen.doors.typed.tool_prompts import (
    EMBEDDED_POLICIES,
    embedded_prompt,
    model_format,
    plain_chat,
    specials_of,
    template_tools,
    tools_beside_template,
)
from structgen.grammars.json_grammars.outline_writer import shorter_outlines

_MOST_TOKENS: Final = ("max_completion_tokens", "max_output_tokens", "max_tokens")
MOST_SAMPLES: Final = 128
MOST_LIKELIEST: Final = 20
"""As many likeliest tokens may be asked for each token, as on other servers."""
LIMITS: Final = Limits(
    schema_places=25_000,
    automaton_states=100_000,
    oracle_steps=50_000,
    grammar_rules=2_000,
    parser_states=1_000_000,
    depth=10_000,
)
"""Bounds on the grammar of a request: what a stranger may cost."""


@dataclass(frozen=True)
class AskedTexts:
    """What a body asks for."""

    requests: tuple[Request, ...]
    """One for each prompt."""
    parts: ReplyParts
    """How a reply is read: the parts of one that is not begun."""
    likeliest: int | None = None
    """How many of the likeliest tokens are shown beside each token; None: no log-probabilities."""
    repeats: bool | None = None
    """Whether a reply repeats the beginning that the last message gave it: as `echo` says, else where nobody
    asked to have it continued. None: there is none."""
    is_cut: bool = False
    """Whether a text has the tokens that the context leaves, not those that the body says."""
    warnings: tuple[str, ...] = ()
    """What of the body was taken and cannot act, or acts in part."""


class ServedModel:
    """A model under a name. `tool_format`: how it writes calls; None: told by its chat template. `thinking`:
    the closing tag of thoughts before each reply; None: only where the chat template opens thoughts.
    `thinking_tokens`: the most tokens of them, by default 1,024 and no more than a fourth of the context.
    `seconds`: the most that a text may take. `limits`: for grammars of requests."""

    def __init__(
        self,
        engine: Engine,
        name: str = "",
        *,
        tool_format: str | ToolFormat | None = None,
        thinking: str | None = None,
        thinking_tokens: int | None = None,
        seconds: float | None = None,
        limits: Limits = LIMITS,
    ) -> None:
        self.engine, self.limits, self.seconds = engine, limits, seconds
        self.name = name or engine.name or "model"
        self.created = int(time.time())
        self._format = None if tool_format is None else format_of(tool_format, where="tool_format")
        self._tag = None if thinking is None else str(Thinking(thinking).until)
        self._most = min(1024, engine.model.context // 4) if thinking_tokens is None else thinking_tokens
        self.thinking = self._thoughts({})[0]
        """The thoughts of a reply whose request says nothing of them."""
        self.policies = EMBEDDED_POLICIES if engine.prompts.is_embedded else SERVED
        """Those under which `sg.run` has the model write."""

    def described(self) -> JsonObject:
        """Return the model as `/v1/models` lists it."""
        return {"id": self.name, "object": "model", "created": self.created, "owned_by": "structgen"}

    def check_name(self, body: Body) -> None:
        """Raise ApiError for a body that names another model, or none."""
        name = body.get("model")
        if not isinstance(name, str):
            raise ApiError("model is a text, and must be given.", param="model")
        if name != self.name:
            raise ApiError(
                f"The model {name[:80]!r} is not served; {self.name!r} is.",
                status=404,
                param="model",
                code="model_not_found",
            )

    # --- bodies ---------------------------------------------------------------------------------------------

    def read_chat(self, body: Body, where: str = "messages", given: Any = None) -> AskedTexts:
        """Return what a conversation asks for. `where`: the member that holds it; `given`: its messages, if
        they have another shape there. Errors: ApiError, and those of grammars, prompts and options."""
        read = self._read(self._calling(body))
        format = self.format if read.tools and read.choice.mode != "none" else None
        own = given is not None
        given = given if own else body.get(where)
        messages = fields.read_messages(given, format or self._shown, where)
        grammar = read.grammar(format, specials=specials_of(self.engine)) if format else read.grammar()
        grammar = fields.held_to_texts(grammar, body, messages, told := list[str]())
        compiled = None if grammar is None else partial(self.engine.compiled, grammar, warns=False)
        asked, place = body.get("continue_final_message"), where if own else f"{where}/{{}}/content"
        messages, turn = continued(messages, asked, compiled, where=place)
        thinking, flags = self._thoughts(body)
        thinking = thinking if turn is None else None  # they come before a reply, which has begun
        stops = fields.stops_of(body) if format is not None and read.answer is None else ()
        likeliest = fields.count_of(body, "top_logprobs", most=MOST_LIKELIEST)
        if likeliest and not body.get("logprobs"):
            raise ApiError("top_logprobs needs logprobs=true.", param="top_logprobs")
        wanted = (likeliest or 0) if body.get("logprobs") else None
        prompt = self._prompt(messages, read, format, flags, body, thinking, turn)
        if thinking is not None:
            left = max((self.engine.model.context - len(prompt.tokens)) // 2 - TAG_TOKENS, 0)
            thinking = replace(thinking, max_tokens=min(thinking.max_tokens, left))
        request = self._request(
            prompt.tokens,
            body,
            grammar,
            likeliest=wanted,
            special_texts=format is not None,
            thinking=thinking,
            shortened=prompt.shortened,
            begun=prompt.question.begun,
            # a model that was trained on no conversations goes on with the next question
            ends=() if grammar is not None or self._has_turns else ("\nUser:",),
        )
        repeats = None
        if turn is not None:
            repeats = not (asked or turn.get("prefix")) if body.get("echo") is None else body["echo"]
        parts = ReplyParts(format, read.choice.tools, "", read.answer is not None, stops=stops)
        if thinking is not None:
            parts.opening = str(thinking.until).replace("/", "", 1)
        parts.begun = "" if repeats else request.begun
        parts.earlier = sum(len(message.get("tool_calls", ())) for message in messages)
        return self._asked(body, read, (request,), told, parts, wanted, repeats)

    def _asked(
        self,
        body: Body,
        read: ReadRequest,
        requests: tuple[Request, ...],
        told: list[str],
        *parts: Any,
    ) -> AskedTexts:
        """Return what a body asks for, with what of it was cut, or cannot act. `told`: what of that is known
        already."""
        named = [name for name in _MOST_TOKENS if body.get(name) is not None]
        least, most = min(request.most_tokens for request in requests), _most_tokens(body)
        is_cut = most is None or least < most
        if is_cut and named:
            told.append(f"{named[0]}: {most} is cut to the {least} tokens that the context leaves")
        thoughts, (place, asked) = requests[0].thinking, _budget(body)
        if thoughts is not None and asked is not None and thoughts.max_tokens < asked:
            told.append(f"{place}: {asked} is cut to {thoughts.max_tokens}")
        if read.left_out:
            shown = ", ".join(read.left_out)[:MOST_SHOWN]
            told.append(f"tools: {shown} left out, which this server does not run")
        if body.get("stop") and requests[0].grammar is not None:
            told.append("stop: it acts on free text alone, and not inside of a document or a call")
        return replace(AskedTexts(requests, *parts), is_cut=is_cut, warnings=tuple(told))

    def too_long(self, asked: AskedTexts, error: StructgenError) -> ApiError | None:
        """Return the answer to texts that the context has no room for, in words that clients look for; None
        for any other error."""
        context, least = self.engine.model.context, getattr(error, "minimum", 1)
        prompt = max(len(request.prompt) for request in asked.requests)
        if error.where not in ("prompt", "max_tokens") or not (asked.is_cut or prompt >= context):
            return None
        what = f"This model's maximum context length is {context} tokens. However, the prompt has {prompt}"
        cure = f"tokens, and the shortest reply needs {least} more. Shorten the prompt."
        return ApiError(f"prompt: {what} {cure}", param="prompt", code="context_length_exceeded")

    def _read(self, body: Body) -> ReadRequest:
        specials = self.engine.specials
        return read_request(body, policies=self.policies, limits=self.limits, specials=specials)

    def read_prompts(self, body: Body) -> AskedTexts:
        """Return what `/v1/completions` asks for: one text for each prompt. Errors: those of `read_chat`."""
        read = self._read(body)
        likeliest = fields.count_of(body, "logprobs", most=MOST_LIKELIEST)
        grammar, told = read.grammar(), list[str]()
        requests = [
            self._request(
                prompt,
                body,
                fields.held_to_texts(grammar, body, prompt, told),
                likeliest=likeliest,
                chat=False,
            )
            for prompt in _prompts(body.get("prompt"))
        ]
        return self._asked(body, read, tuple(requests), told[:1], ReplyParts(), likeliest)

    def _request(
        self,
        prompt: str | Sequence[int],
        body: Body,
        grammar: Any,
        *,
        likeliest: int | None,
        ends: tuple[str, ...] = (),
        **options: Any,
    ) -> Request:
        """Return the engine's request. It has as many tokens as the body says, and no more than the rest of
        the context."""
        count = fields.count_of(body, "n", most=MOST_SAMPLES)
        count = 1 if count is None else count
        made = Request(
            prompt,
            grammar,
            fields.sampling_of(body, is_greedy=grammar is not None and count == 1),
            max_tokens=_most_tokens(body),
            outline=body.get("outline"),
            choices=body.get("choices") or "whole",
            stop=(fields.stops_of(body) or ends) * (grammar is None),
            n=count,
            timeout=self.seconds,
            logprobs=likeliest or 0,
            **options,
        )
        thoughts = 0 if made.thinking is None else most_tokens(made.thinking)
        read = self.engine.reading.read(made, besides=thoughts)
        room = self.engine.model.context - len(read.tokens) - thoughts
        most = max(room if made.max_tokens is None else min(room, made.max_tokens), 1)
        shortened = made.shortened or read.shortened
        return replace(made, prompt=read.tokens, max_tokens=most, shortened=shortened)

    def _calling(self, body: Body) -> Mapping[str, Any]:
        """Return a body, in which an embedded model, which writes no free text, must call once where it
        may."""
        body = with_tools(body)
        if not self.engine.prompts.is_embedded or not body.get("tools"):
            return body
        free = body.get("tool_choice") in (None, "auto") and body.get("response_format") is None
        return {**body, "tool_choice": "required", "parallel_tool_calls": False} if free else body

    # --- prompts --------------------------------------------------------------------------------------------

    @property
    def _has_turns(self) -> bool:
        """Whether the model knows where a message ends: by its chat template, or as the embedded ones do."""
        return self.engine.prompts.is_embedded or self.engine.prompts.has_template()

    def told(self) -> str:
        """Return how the model writes calls, or that requests with tools are refused, and why; and how it
        reads messages without a template."""
        try:
            told = f"Calls of tools are written as {self.format.name} has them."
        except OptionError as error:
            told = (
                f"No format of tool calls was found, so that requests with tools are refused: {error.what} "
            )
            told += "Start the server with --tool-format NAME, such as hermes (--help lists them)."
        plain = "There is no chat template: messages are told plainly, or by --chat-template FILE."
        return told if self._has_turns else f"{told} {plain}"

    @cached_property
    def _shown(self) -> ToolFormat | None:
        """How the model writes calls, where a chat template or the server's owner tells it."""
        with suppress(OptionError):
            return self.format if self.engine.prompts.has_template() else self._format
        return None

    @cached_property
    def format(self) -> ToolFormat:
        """How the model writes calls. Errors: OptionError where nothing tells it."""
        try:
            return self._format or model_format(self.engine.prompts)
        except OptionError as error:
            cure = f"Leave it out, or have the server started with --tool-format NAME: {', '.join(FORMATS)}."
            raise OptionError(error.what, where="tools", cure=cure) from None

    def _prompt(
        self,
        messages: list[JsonObject],
        read: ReadRequest,
        format: ToolFormat | None,
        flags: Mapping[str, Any],
        body: Body,
        thinking: Thinking | None,
        turn: Mapping[str, Any] | None,
    ) -> ReadPrompt:
        """Return the prompt of a conversation, made as `sg.run` makes it. The outline of the answer follows
        the last message of a chat, unless the body says otherwise."""
        prompts, answer, choice = self.engine.prompts, read.answer, read.choice
        outlines = None if answer is None else answer.outline
        template = {**(template_tools(read.tools) if format else {}), **flags}
        marks = str(format or self._format or "")
        question = ModelQuestion(
            messages,
            outlines is not None,
            with_outline=body.get("outline"),
            is_choice=answer is not None and bool(listed(answer).texts),
            thinks_until="" if thinking is None else text_behind(thinking),
            template=template,
            marks=marks,
            turn=turn,
        )
        read_plain = None
        if prompts.is_embedded and format is not None:
            told = "" if outlines is None else next(shorter_outlines(outlines, descriptions=False))[0]
            said = embedded_prompt(choice.tools, last_question(messages), told)
            question = ModelQuestion(said, turn=turn)
        elif prompts.has_template() and format is not None:
            question = replace(question, told=tools_beside_template(prompts, choice, format, template))
        elif not self._has_turns:

            def read_plain(asked: ModelQuestion) -> Sequence[int]:
                turns = replace(asked, with_outline=bool(asked.outline)).messages()
                said = plain_chat(turns, choice.tools, format, prompts.controls(marks).guarded)
                said += " " * (turn is not None)
                plain = ModelQuestion(said, chat=False, marks=marks, is_guarded=True, turn=turn)
                return prompts.tokens(plain, self.engine.tokenizer)

            question = replace(question, with_outline=bool(body.get("outline")))

        context, most = self.engine.model.context, _most_tokens(body)
        besides = 0 if thinking is None else min(most_tokens(thinking), context // 4)
        most = None if most is None or most > context // 4 else most
        return self.engine.reading.fitted(question, outlines, most, besides, read_plain)

    def _thoughts(self, body: Body) -> tuple[Thinking | None, JsonObject]:
        """Return the thoughts before a reply, and what the chat template is told of them. They are on or off
        by the `chat_template_kwargs` (`enable_thinking`, `thinking`) or the effort, else as the server was
        started.

        Errors: OptionError for thoughts of a model that has none, and for what the server itself tells the
        template.
        """
        own = dict(body.get("chat_template_kwargs") or {})
        effort = body.get("reasoning_effort") or (body.get("reasoning") or {}).get("effort")
        names, thinking = ("enable_thinking", "thinking"), body.get("thinking")
        said = [(f"chat_template_kwargs/{name}", own.get(name)) for name in names]
        said += [(name, body.get(name)) for name in names]
        if isinstance(thinking, Mapping):  # as other servers have it
            said[-1] = "thinking", {"enabled": True, "disabled": False}.get(thinking["type"])
        said.append(("reasoning_effort", None if effort is None else effort != "none"))
        where, wanted = next((flag for flag in said if flag[1] is not None), ("", None))
        flags = dict.fromkeys(names, bool(self._tag) if wanted is None else wanted)
        taken = self.engine.prompts.template_options & own.keys()
        if taken:
            raise OptionError(
                "The server itself says it.",
                where=f"chat_template_kwargs/{min(taken)}",
                cure="Leave it out.",
            )
        flags |= own if effort is None else {"reasoning_effort": effort, **own}
        opened, shown = self._template_thoughts(flags)
        if wanted is False:
            return None if opened is None else Thinking(opened, 0), flags
        tag = opened or self._tag or (shown if wanted else None)
        if wanted and tag is None:
            raise OptionError(
                "The chat template of the model shows no thoughts.",
                where=where,
                cure="Leave it out, or have the server started with --thinking TAG.",
            )
        most = _budget(body)[1]
        return None if tag is None else Thinking(tag, self._most if most is None else most), flags

    def _template_thoughts(self, flags: Mapping[str, Any]) -> tuple[str | None, str | None]:
        """Return the closing tags of the thoughts that a model's chat template opens at the end of each
        prompt, and of those that it shows. None: there are none."""
        prompts = self.engine.prompts
        if prompts.is_embedded or not prompts.has_template():
            return None, None
        end = prompts.text(ModelQuestion([{"role": "user", "content": "?"}], template=flags)).rstrip()
        template = str(prompts.template_holder().chat_template)
        tags = sorted({(row.thinking, row.opened) for row in FORMATS.values() if row.thinking})
        opened = (tag[1] for tag, opens in tags if opens and end.endswith(tag[0].rstrip()))
        shown = (tag[1].strip() for tag, _ in tags if all(mark.strip() in template for mark in tag))
        return next(opened, None), next(shown, None)


def _most_tokens(body: Body) -> int | None:
    return fields.count_of(body, *_MOST_TOKENS)


def _budget(body: Body) -> tuple[str, int | None]:
    """Return where a body says the most tokens of thoughts, and how many."""
    thinking, most = body.get("thinking"), body.get("thinking_token_budget")
    if most is None and isinstance(thinking, Mapping):
        return "thinking/budget_tokens", thinking.get("budget_tokens")
    return "thinking_token_budget", most


def _prompts(given: Any) -> list[str | list[int]]:
    """Return the prompts of a body: a text, token ids, or a list of either."""
    if isinstance(given, str) or (given and isinstance(given[0], int)):
        return [given]
    if given and len(given) <= MOST_SAMPLES:
        return list(given)
    raise ApiError(
        f"prompt is a text, token ids, or a list of at most {MOST_SAMPLES} of either.", param="prompt"
    )
