"""The model that is served: it turns bodies into requests of its engine.

A *body* is the JSON object that a client posts. A *reply* is the text that answers it. *Thoughts* are text
that a model writes before its reply, up to a closing tag. A *tool format* is how a model writes calls of
tools.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import cached_property, partial
from itertools import count
from typing import Any, Final, Literal

from structgen.asking.documents.confined_reading import confined_reader
from structgen.asking.documents.documents import read_bytes
from structgen.asking.request_reading.document_parts import Conversation, PartDocument
from structgen.asking.request_reading.request_reader import SERVED, ReadRequest, read_request
from structgen.asking.tool_calls.format_rows import FORMATS, format_of
from structgen.asking.tool_calls.tool_format import ToolFormat
from structgen.base.errors import OptionError, StructgenError
from structgen.base.json_text.exact_json import JsonObject
from structgen.base.language import checks
from structgen.base.limits import Limits
from structgen.decoding.engine.engine import Engine
from structgen.decoding.engine.model_prompts import (
    ModelQuestion,
    ReadPrompt,
    last_question,
    split_continued_turn,
)
from structgen.decoding.engine.requests import Request
from structgen.decoding.engine.searches.prompt_scores import PromptScores
from structgen.decoding.engine.thinking import TAG_TOKENS, Thinking, most_tokens, text_behind
from structgen.doors.serving import request_fields as fields
from structgen.doors.serving.api_errors import ApiError, Body, unsupported_member
from structgen.doors.serving.error_places import MOST_SHOWN
from structgen.doors.serving.prompt_schemas import prompt_form
from structgen.doors.serving.reply_parts import ReplyParts
from structgen.doors.typed.tool_prompts import (
    embedded_prompt,
    plain_chat,
    specials_of,
    template_tools,
    tools_beside_template,
    usual_format,
)
from structgen.machines.core.grammar import ENDLESS_BLANKS
from structgen.schema.reading.policies import READABLE_DUMPS

_MOST_TOKENS: Final = ("max_completion_tokens", "max_output_tokens", "max_tokens")
MOST_SAMPLES: Final = 128
MOST_PDFS: Final = 8
"""The most PDF files of a request. Each may take a minute of a processor."""
MOST_LIKELIEST: Final = 20
"""The most likeliest tokens that a client may ask for at each token, as on other servers."""
MOST_SCORES: Final = 1 << 20
"""The most log-probabilities of the prompts of a body. An answer takes about 200 bytes for each."""
LIMITS: Final = Limits(
    schema_places=25_000,
    automaton_states=100_000,
    oracle_steps=50_000,
    grammar_rules=2_000,
    parser_states=1_000_000,
    depth=10_000,
)
"""The limits on the grammar of a request, because it may come from a stranger."""


@dataclass(frozen=True)
class BodyRequest:
    """What a body asks for, as requests of the engine."""

    requests: tuple[Request, ...]
    """The requests of the engine, one for each prompt."""
    parts: ReplyParts
    """An empty reply, with the options by which replies are split into parts. Each text gets a copy."""
    likeliest: int | None = None
    """How many of the likeliest tokens are shown for each token; None: no log-probabilities."""
    repeats: bool | None = None
    """Whether a reply repeats the beginning that the last message gave it: as the member `echo` says, or if
    nobody asked to continue the message. None: the last message gave no beginning."""
    is_held: bool = False
    """Whether values of the reply are held to texts (`grounded`, `quotes`)."""
    echoes: tuple[str, ...] = ()
    """For each text its prompt, if the answer repeats it."""
    scores: tuple[PromptScores, ...] = ()
    """For each text the scores of its prompt, if the body asks for them."""
    is_cut: bool = False
    """Whether a text has fewer tokens than the body asks for, because the context leaves no more."""
    warnings: tuple[str, ...] = ()
    """Sentences about members that are accepted but have no effect, or only a part of it."""


class ServedModel:
    """A model under one or several names.

    `names`: those under which requests ask for it; "*" among them: any other name, too. Without a name the
    engine's is taken. `unknown`: what happens to members of bodies that are not known: "error" refuses them,
    "warn" passes them over with a note. `tool_format`: how it writes calls; None: as its chat template shows,
    else `usual_format`. `thinking`: the closing tag of thoughts before each reply; None: there are thoughts
    only if the chat template opens them. `thinking_tokens`: the most tokens of thoughts, by default 1,024 but
    at most a fourth of the context. `seconds`: the most seconds of a text. `limits`: those on the grammars of
    requests. `documents`: whether PDF files in messages are read. `schema_in_prompt`: whether a JSON Schema
    in the messages counts where the request has none.

    For example `ServedModel(engine, ["qwen", "*"])` answers all requests, and those for "qwen" by that name.
    """

    def __init__(
        self,
        engine: Engine,
        names: str | Sequence[str] = (),
        *,
        unknown: Literal["error", "warn"] = "error",
        tool_format: str | ToolFormat | None = None,
        thinking: str | None = None,
        thinking_tokens: int | None = None,
        seconds: float | None = None,
        schema_in_prompt: bool = False,
        limits: Limits = LIMITS,
        documents: bool = False,
    ) -> None:
        self.engine = engine
        self.documents = documents
        self.limits = limits
        self.seconds = seconds
        self.schema_in_prompt = schema_in_prompt
        checks.ChoiceCheck(("error", "warn"))("unknown", unknown)
        self.notes_unknown = unknown == "warn"
        """Whether members that are not known are passed over with a note."""
        all_names = list(checks.check_texts("name", names or ()))
        if repeated := next((name for name in all_names if all_names.count(name) > 1), None):
            fault = f"name must not repeat a value, got {repeated!r} twice."
            raise OptionError(fault, where="name", cure="Remove one of them.")
        real_names = [name for name in all_names if name not in ("", "*")]
        self.names = real_names or [engine.name or "model"]
        self.takes_any_name = "*" in all_names
        self.created = int(time.time())
        self._format = None if tool_format is None else format_of(tool_format, where="tool_format")
        self._tag = None if thinking is None else str(Thinking(thinking).until)
        self._max_thoughts = (
            min(1024, engine.model.context // 4) if thinking_tokens is None else thinking_tokens
        )
        self.thinking = self._read_thoughts({}, [])[0]
        """The thoughts of a reply if the request does not mention thoughts."""
        self.policies = READABLE_DUMPS if engine.prompts.is_embedded else SERVED
        """The policies (white space, order of keys and so on) of JSON, the same as in `sg.run`."""

    def model_object(self, name: str) -> JsonObject:
        """Return the model as `/v1/models` lists it under a name."""
        return {
            "id": name,
            "object": "model",
            "created": self.created,
            "owned_by": "structgen",
            "max_model_len": self.engine.model.context,
        }

    def tokenizer_object(self) -> JsonObject:
        """Return the end token and the chat template as `/tokenizer_info` shows them, in vLLM's form."""
        prompts = self.engine.prompts
        has_template = not prompts.is_embedded and prompts.has_template()
        return {
            "eos_token": self.spell_tokens(self.engine.tokenizer.eos_token_ids[:1]) or None,
            "chat_template": prompts.template_holder().chat_template if has_template else None,
        }

    def read_tokens(self, text: str) -> list[int]:
        """Return the tokens of a text, in which the names of special tokens stand for these tokens. Errors:
        OptionError for half a surrogate pair, TokenizerError."""
        specials = self.engine.specials
        # the longest name that begins at a place; "(?!)" never matches
        names = "|".join(map(re.escape, sorted(specials, key=len, reverse=True))) or "(?!)"
        tokens = list[int]()
        for part in re.split(f"({names})", checks.check_encodable("prompt", text)):
            tokens += [specials[part]] if part in specials else self.engine.tokenizer.encode(part.encode())
        return tokens

    @property
    def name(self) -> str:
        """The first name."""
        return self.names[0]

    def resolve_name(self, body: Body) -> str:
        """Return the name of the model that answers a body. Raises ApiError for a body that names another
        model, or none."""
        name = body.get("model")
        if name in self.names:
            return str(name)
        # some clients of servers with one model name none
        if self.takes_any_name and (name is None or isinstance(name, str)):
            return self.name
        if not isinstance(name, str):
            raise ApiError("model must be a text, and is required.", param="model")
        served = ", ".join(map(repr, self.names[:10]))
        raise ApiError(
            f"The model {name[:80]!r} is not served; {served} is.",
            status=404,
            param="model",
            code="model_not_found",
        )

    # --- bodies ---------------------------------------------------------------------------------------------

    def read_conversation(self, turns: Any, where: str, first: int = 0) -> Conversation:
        """Return a conversation with the texts of its documents. `turns`: its turns, or none; `where`: the
        member that holds them; `first`: the number of the first one. Raises OptionError; StructgenError where
        a package is missing."""
        conversation = Conversation(_refuse_file)
        with ExitStack() as stack:
            # without --documents no file is read, and no process for it is prepared
            if self.documents:
                conversation.read_pdf = _pdf_reader(stack.enter_context(confined_reader()))
            conversation.read_turns(turns or (), where, first)
        return conversation

    def read_chat(
        self,
        body: Body,
        where: str = "messages",
        source: Any = None,
        documents: Sequence[PartDocument] = (),
    ) -> BodyRequest:
        """Return what a conversation asks for. `where`: the member that holds it; `source`: its messages, if
        they have another shape there; `documents`: those of the last turn of the user. Errors: ApiError, and
        those of grammars, prompts and options."""
        reading = self._read_request(body)
        format = self.format if reading.tools and reading.choice.mode != "none" else None
        # messages of another shape have no place for each content
        place = f"{where}/{{}}/content" if source is None else where
        source = body.get(where) if source is None else source
        messages = fields.read_messages(source, format or self._shown_format, where, reading.tools)
        warnings = list[str]()
        if self.schema_in_prompt and not reading.tools and _is_open(reading):
            reading = self._read_prompt_schema(reading, messages, warnings)
        if format is not None and self.format_warning:
            warnings.append(f"tools: {self.format_warning}")
        # prompts tell of all tools and values, those too that texts exclude
        narrowed = fields.narrow_to_texts(reading, body, messages, warnings, documents)
        grammar = (
            narrowed.grammar(format, specials=specials_of(self.engine)) if format else narrowed.grammar()
        )
        compile_grammar = None if grammar is None else partial(self.engine.compiled, grammar, warns=False)
        continues = body.get("continue_final_message")
        messages, turn = split_continued_turn(messages, continues, compile_grammar, where=place)
        thinking, flags = self._read_thoughts(body, warnings)
        thinking = thinking if turn is None else None  # they come before a reply, which has begun
        stops = fields.stops_of(body) if format is not None and reading.answer is None else ()
        likeliest = fields.count_of(body, "top_logprobs", max_count=MOST_LIKELIEST)
        # as OpenAI does, this is refused
        if likeliest and not body.get("logprobs"):
            raise ApiError("top_logprobs needs logprobs=true.", param="top_logprobs")
        logprob_count = (likeliest or 0) if body.get("logprobs") else None
        prompt = self._read_prompt(messages, reading, format, flags, body, thinking, turn)
        thinking = self._fit_thoughts(thinking, len(prompt.tokens))
        request = self._engine_request(
            prompt,
            body,
            grammar,
            likeliest=logprob_count,
            special_texts=format is not None or body.get("skip_special_tokens") is False,
            thinking=thinking,
            # a model that was not trained on conversations would go on with the next question
            ends=() if grammar is not None or self._has_turns else ("\nUser:",),
        )
        repeats = None
        if turn is not None:
            repeats = not (continues or turn.get("prefix")) if body.get("echo") is None else body["echo"]
        parts = ReplyParts(format, narrowed.choice.tools, "", narrowed.answer is not None, stops=stops)
        if thinking is not None:
            # a model may write the tag itself, though the prompt has it
            parts.opening = str(thinking.until).replace("/", "", 1)
        parts.prefix = "" if repeats else request.begun
        parts.earlier = sum(len(message.get("tool_calls", ())) for message in messages)
        return self._build_request(
            body,
            reading,
            (request,),
            warnings,
            parts,
            logprob_count,
            repeats,
            narrowed is not reading,
        )

    def _read_prompt_schema(
        self,
        reading: ReadRequest,
        messages: Sequence[Body],
        warnings: list[str],
    ) -> ReadRequest:
        """Return what a body asks for if the JSON Schema in its messages counts; `reading` if there is none.
        `warnings`: the list to which a remark on the schema is added."""
        form, remark = prompt_form(messages, allows_fences=not self.engine.prompts.is_embedded)
        try:
            answer = self._read_request({"response_format": form}).answer if form else reading.answer
        except StructgenError as error:
            remark = f"messages: the JSON Schema in the messages is not used: {error.what}"
            answer = reading.answer
        warnings += filter(None, [remark])
        return replace(reading, answer=answer)

    def _build_request(
        self,
        body: Body,
        reading: ReadRequest,
        requests: tuple[Request, ...],
        warnings: list[str],
        *fields_of_request: Any,
    ) -> BodyRequest:
        """Return what a body asks for, with what of it was cut, or cannot act. `warnings`: what of that is
        known already."""
        limit_names = [name for name in _MOST_TOKENS if body.get(name) is not None]
        cut_tokens = min(request.most_tokens for request in requests)
        max_tokens = _most_tokens(body)
        is_cut = max_tokens is None or cut_tokens < max_tokens
        if is_cut and limit_names:
            warnings.append(
                f"{limit_names[0]}: {max_tokens} is cut to the {cut_tokens} tokens that the context leaves"
            )
        thoughts, (place, thought_budget) = requests[0].thinking, _thought_budget(body)
        if thoughts is not None and thought_budget is not None and thoughts.max_tokens < thought_budget:
            warnings.append(f"{place}: {thought_budget} is cut to {thoughts.max_tokens}")
        if reading.left_out:
            left_out = ", ".join(reading.left_out)[:MOST_SHOWN]
            warnings.append(f"tools: {left_out} left out, which this server does not run")
        if reading.form and _is_open(reading):
            cure = "Send json_schema, or have the server started with --schema-in-prompt"
            warnings.append(f"{reading.form}: it names no schema, so that any object is allowed. {cure}")
        language = requests[0].language
        if not reading.tools and language is not None and language.is_endless:
            warnings.append(ENDLESS_BLANKS)
        for name in ("stop", "stop_token_ids", "ignore_eos"):
            # a grammar says where its texts end
            if body.get(name) and requests[0].grammar is not None:
                warnings.append(f"{name}: it acts on free text alone, and not inside of a document or a call")
        # no member of a body asks for another strategy
        scores: Any = tuple(one for request in requests for one in request.chosen_by.strategies * request.n)
        count = sum(len(one.tokens) * (1 + one.likeliest) for one in scores)
        if count > MOST_SCORES:
            fault = f"The prompts must have at most {MOST_SCORES:,} log-probabilities, got {count:,}."
            raise ApiError(f"{fault} Send fewer prompts, or lower logprobs.", param="prompt")
        return replace(
            BodyRequest(requests, *fields_of_request),
            scores=scores,
            is_cut=is_cut,
            warnings=tuple(warnings),
        )

    def too_long_error(self, body_request: BodyRequest, error: StructgenError) -> ApiError | None:
        """Return the answer to texts that the context has no room for, in words that clients look for; None
        for any other error."""
        context = self.engine.model.context
        min_tokens = getattr(error, "minimum", 1)
        prompt = max(len(request.prompt) for request in body_request.requests)
        if error.where not in ("prompt", "max_tokens") or not (body_request.is_cut or prompt >= context):
            return None
        fault = f"This model's maximum context length is {context} tokens. However, the prompt has {prompt}"
        cure = f"tokens, and the shortest reply needs {min_tokens} more. Shorten the prompt, or have the "
        cure += "server started with a model of a longer context: `structgen serve MODEL`."
        return ApiError(f"prompt: {fault} {cure}", param="prompt", code="context_length_exceeded")

    def _read_request(self, body: Body) -> ReadRequest:
        own_policies = body.get("policies") or {}
        policies, specials = {**self.policies, **own_policies}, self.engine.specials
        reading = read_request(body, policies=policies, limits=self.limits, specials=specials)
        if own_policies and not reading.tools and getattr(reading.answer, "policies", None) is None:
            raise unsupported_member("policies", "The policies have no effect without a schema.")
        return reading.with_call() if self.engine.prompts.is_embedded else reading

    def read_prompts(self, body: Body) -> BodyRequest:
        """Return what `/v1/completions` asks for: one text for each prompt. Errors: those of `read_chat`."""
        reading = self._read_request(body)
        likeliest = fields.count_of(body, "logprobs", max_count=MOST_LIKELIEST)
        warnings = list[str]()
        prompts = _list_prompts(body.get("prompt"))
        requests = []
        for prompt in prompts:
            narrowed_grammar = fields.narrow_to_texts(reading, body, prompt, warnings).grammar()
            if isinstance(prompt, str):
                text, with_outline = checks.check_text("prompt", prompt), body.get("outline")
                question = ModelQuestion(text, narrowed_grammar, with_outline=with_outline, chat=False)
                read_prompt = self.engine.reading.fit_context(question, _most_tokens(body))
            else:
                read_prompt = ReadPrompt(list(checks.check_tokens("prompt", prompt)))
            requests.append(
                self._engine_request(
                    read_prompt,
                    body,
                    narrowed_grammar,
                    likeliest=likeliest,
                    is_prompt=True,
                    special_texts=body.get("skip_special_tokens") is False,
                )
            )
        body_request = self._build_request(
            body, reading, tuple(requests), warnings[:1], ReplyParts(), likeliest
        )
        if not body.get("echo"):
            return body_request
        texts = [prompt if isinstance(prompt, str) else self.spell_tokens(prompt) for prompt in prompts]
        return replace(body_request, echoes=tuple(text for text in texts for _ in range(requests[0].n)))

    def _engine_request(
        self,
        prompt: ReadPrompt,
        body: Body,
        grammar: Any,
        *,
        likeliest: int | None,
        ends: tuple[str, ...] = (),
        thinking: Thinking | None = None,
        special_texts: bool = False,
        is_prompt: bool = False,
    ) -> Request:
        """Return the engine's request. It has as many tokens as the body says, and no more than the rest of
        the context. `is_prompt`: whether the body has a prompt in place of a conversation."""
        count = fields.count_of(body, "n", max_count=MOST_SAMPLES)
        count = 1 if count is None else count
        room = max(self.engine.model.context - len(prompt.tokens) - most_tokens(thinking), 1)
        max_tokens = _most_tokens(body)
        # as on other servers, a prompt may be answered without a token, and a conversation may not
        is_silent = max_tokens == 0 and grammar is None and is_prompt
        max_tokens = 1 if is_silent else room if max_tokens is None else min(room, max_tokens)
        scored = _score_count(body, likeliest if is_prompt else None)
        scored_tokens = () if scored is None else prompt.tokens
        has_scores = is_silent or scored is not None
        is_endless = grammar is None and body.get("ignore_eos") and not is_silent
        ends = () if is_endless else ends
        stop_tokens = fields.stop_tokens_of(body, self.engine.tokenizer.vocab_size)
        request = Request(
            prompt.tokens,
            grammar,
            fields.sampling_of(body, is_greedy=grammar is not None and count == 1),
            strategy=(PromptScores(scored_tokens, scored or 0, is_silent),) if has_scores else (),
            max_tokens=max_tokens,
            stop=(fields.stops_of(body) or ends) * (grammar is None),
            stop_tokens=stop_tokens if grammar is None else (),
            n=count,
            timeout=self.seconds,
            logprobs=likeliest or 0,
            thinking=thinking,
            special_texts=special_texts,
            begun=prompt.begun,
            shortened=prompt.shortening,
            **{"choices": "whole", **fields.options_of(body)},
        )
        if is_endless:
            request = replace(request, sampling=replace(request.chosen_by, min_tokens=max_tokens))
        return request

    def spell_token(self, token: int) -> bytes:
        """Return the bytes of a token; of a special one, its name; b"" for an id that has no token."""
        token_bytes = next(iter(self.engine.tokenizer.token_bytes[token : token + 1]), None)
        return token_bytes or self.engine.special_bytes.get(token, b"")

    def spell_tokens(self, tokens: Sequence[int]) -> str:
        """Return the text of tokens, special ones by their names."""
        return b"".join(map(self.spell_token, tokens)).decode("utf-8", "replace")

    # --- prompts --------------------------------------------------------------------------------------------

    @property
    def _has_turns(self) -> bool:
        """Whether the model knows where a message ends: by its chat template, or as the embedded ones do."""
        return self.engine.prompts.is_embedded or self.engine.prompts.has_template()

    def describe_calls(self) -> str:
        """Return how the model writes calls, with a warning if nothing shows it; and how it reads messages
        without a template."""
        description = f"Calls of tools are written as {self.format.name} has them."
        if self.format_warning:
            cure = "--tool-format NAME sets another (--help lists them)."
            description = f"Warning: {self.format_warning}; {cure}"
        plain = (
            "The model has no chat template: messages are written plainly. Set one with --chat-template FILE."
        )
        return description if self._has_turns else f"{description} {plain}"

    @cached_property
    def _shown_format(self) -> ToolFormat | None:
        """How the model writes calls, where a chat template or the server's owner tells it."""
        # a history without tools needs no guess
        is_shown = self.engine.prompts.has_template() and not self.format_warning
        return self.format if is_shown else self._format

    @property
    def format(self) -> ToolFormat:
        """How the model writes calls."""
        return self._usual_format[0]

    @property
    def format_warning(self) -> str:
        """Why the format of calls is a guess; "": it is none."""
        return self._usual_format[1]

    @cached_property
    def _usual_format(self) -> tuple[ToolFormat, str]:
        if self._format is not None:
            return self._format, ""
        return usual_format(self.engine)

    def _read_prompt(
        self,
        messages: list[JsonObject],
        reading: ReadRequest,
        format: ToolFormat | None,
        flags: Mapping[str, Any],
        body: Body,
        thinking: Thinking | None,
        turn: JsonObject | None,
    ) -> ReadPrompt:
        """Return the prompt of a conversation, made as `sg.run` makes it. The outline of the answer follows
        the last message of a chat, unless the body says otherwise."""
        prompts = self.engine.prompts
        answer = reading.answer
        choice = reading.choice
        with_outline, preface, read_plain = body.get("outline"), "", None
        template = {**(template_tools(reading.tools) if format else {}), **flags}
        marks = str(format or self._format or "")
        prompt: Any = messages
        if prompts.is_embedded and format is not None:
            prompt = embedded_prompt(choice.tools, last_question(messages), answer)
        if prompts.has_template() and format is not None:
            preface = tools_beside_template(prompts, choice, format, template)
        elif not self._has_turns:
            with_outline = bool(with_outline)

            def read_plain(plain_question: ModelQuestion) -> Sequence[int]:
                turns = plain_question.to_messages(prompts.write_outline(plain_question))
                text = plain_chat(turns, choice.tools, format, prompts.find_controls(marks).guard_value)
                text += " " * (turn is not None)
                plain = ModelQuestion(text, chat=False, marks=marks, is_guarded=True, turn=turn)
                return prompts.encode_question(plain, self.engine.tokenizer)

        question = ModelQuestion(
            prompt,
            answer,
            with_outline=with_outline,
            thinks_until=text_behind(thinking),
            template=template,
            preface=preface,
            marks=marks,
            turn=turn,
            examples=self._read_examples(body, format),
        )
        context = self.engine.model.context
        max_tokens = _most_tokens(body)
        besides = min(most_tokens(thinking), context // 4)
        max_tokens = None if max_tokens is None or max_tokens > context // 4 else max_tokens
        return self.engine.reading.fit_context(question, max_tokens, besides, read_plain)

    def _read_examples(self, body: Body, format: ToolFormat | None) -> list[tuple[Any, str]]:
        """Return the worked examples of a body: pairs of a prompt, as a text or as messages, and an answer.
        Errors: ApiError for examples of an embedded model; those of `read_messages`."""
        examples = body.get("examples") or ()
        if examples and self.engine.prompts.is_embedded:
            raise unsupported_member("examples", "The embedded models read one text, without earlier turns.")
        pairs = []
        for example in examples:
            prompt = example["prompt"]
            if not isinstance(prompt, str):
                prompt = fields.read_messages(prompt, format)
            pairs.append((prompt, example["answer"]))
        return pairs

    def _fit_thoughts(self, thinking: Thinking | None, prompt_tokens: int) -> Thinking | None:
        """Return thoughts that leave half of the context after a prompt to the reply."""
        if thinking is None:
            return None
        room = max((self.engine.model.context - prompt_tokens) // 2 - TAG_TOKENS, 0)
        return replace(thinking, max_tokens=min(thinking.max_tokens, room))

    def _read_thoughts(self, body: Body, warnings: list[str]) -> tuple[Thinking | None, JsonObject]:
        """Return the thoughts before a reply, and what the chat template is told of them. They are on or off
        by the `chat_template_kwargs` (`enable_thinking`, `thinking`) or the effort, else as the server was
        started. `warnings`: the list to which a warning is added if the model has no thoughts that a body
        asks for.

        Errors: OptionError for what the server itself tells the template.
        """
        template_options = dict(body.get("chat_template_kwargs") or {})
        effort = body.get("reasoning_effort") or (body.get("reasoning") or {}).get("effort")
        names = ("enable_thinking", "thinking")
        thinking = body.get("thinking")
        switches = [(f"chat_template_kwargs/{name}", template_options.get(name)) for name in names]
        switches += [(name, body.get(name)) for name in names]
        if isinstance(thinking, Mapping):  # as other servers have it
            switches[-1] = "thinking", {"enabled": True, "disabled": False}.get(thinking["type"])
        switches.append(("reasoning_effort", None if effort is None else effort != "none"))
        where, wants_thoughts = next((flag for flag in switches if flag[1] is not None), ("", None))
        flags = dict.fromkeys(names, bool(self._tag) if wants_thoughts is None else wants_thoughts)
        reserved_names = self.engine.prompts.template_options & template_options.keys()
        # two values for one variable of the template contradict each other
        if reserved_names:
            raise OptionError(
                "The server sets it itself.",
                where=f"chat_template_kwargs/{min(reserved_names)}",
                cure="Remove it.",
            )
        # what the client says of the template goes before our own words
        flags |= template_options if effort is None else {"reasoning_effort": effort, **template_options}
        opened_tag, shown_tag = self._template_thoughts(flags)
        if wants_thoughts is False:
            return None if opened_tag is None else Thinking(opened_tag, 0), flags
        tag = opened_tag or self._tag or (shown_tag if wants_thoughts else None)
        if tag is None and wants_thoughts:
            warnings.append(f"{where}: the model has no thoughts, so that it has no effect")
        if tag is None:
            return None, flags
        max_tokens = _thought_budget(body)[1]
        return Thinking(tag, self._max_thoughts if max_tokens is None else max_tokens), flags

    def _template_thoughts(self, flags: Mapping[str, Any]) -> tuple[str | None, str | None]:
        """Return the closing tags of the thoughts that a model's chat template opens at the end of each
        prompt, and of those that it shows. None: there are none."""
        prompts = self.engine.prompts
        if prompts.is_embedded or not prompts.has_template():
            return None, None
        end = prompts.render_frame(flags).rstrip()
        template = str(prompts.template_holder().chat_template)
        tags = sorted({(row.thinking, row.opened) for row in FORMATS.values() if row.thinking})
        opened_tags = (tag[1] for tag, opens in tags if opens and end.endswith(tag[0].rstrip()))
        shown_tags = (tag[1].strip() for tag, _ in tags if all(mark.strip() in template for mark in tag))
        return next(opened_tags, None), next(shown_tags, None)


def _is_open(reading: ReadRequest) -> bool:
    """Return whether a request asks for no grammar, or for any object."""
    return reading.answer is None or getattr(reading.answer, "schema", None) == {"type": "object"}


def _score_count(body: Body, likeliest: int | None) -> int | None:
    """Return how many of the likeliest tokens are recorded at each token of a prompt; None: it is not scored.
    `likeliest`: as many as the answer shows at each token of a text."""
    count = fields.count_of(body, "prompt_logprobs", max_count=MOST_LIKELIEST)
    if count is not None and body.get("stream"):
        raise ApiError("prompt_logprobs is not available in a stream. Set stream to false.", param="stream")
    counts = (count, likeliest if body.get("echo") else None)
    return max((count for count in counts if count is not None), default=None)


def _most_tokens(body: Body) -> int | None:
    return fields.count_of(body, *_MOST_TOKENS)


def _thought_budget(body: Body) -> tuple[str, int | None]:
    """Return where a body says the most tokens of thoughts, and how many."""
    thinking = body.get("thinking")
    max_tokens = body.get("thinking_token_budget")
    if max_tokens is None and isinstance(thinking, Mapping):
        return "thinking/budget_tokens", thinking.get("budget_tokens")
    return "thinking_token_budget", max_tokens


def _list_prompts(prompt: Any) -> list[str | list[int]]:
    """Return the prompts of a body: a text, token ids, or a list of either."""
    if isinstance(prompt, str) or (prompt and isinstance(prompt[0], int)):
        return [prompt]
    if prompt and len(prompt) <= MOST_SAMPLES:
        return list(prompt)
    raise ApiError(
        f"prompt must be a text, token ids, or a list of up to {MOST_SAMPLES} of either.", param="prompt"
    )


def _refuse_file(_: bytes, files: str = "PDF files") -> str:
    """Raise OptionError for a file. `files`: which ones are refused."""
    cure = "Send the text of the file, or start the server with --documents."
    raise OptionError(f"{files} are not supported by this server.", cure=cure)


def _pdf_reader(read_confined: Any) -> Callable[[bytes], str]:
    """Return the reader of the PDF files of one request, which raises OptionError for too many of them.
    `read_confined`: calls a reader in the confined process."""
    numbers = count(1)

    def read_pdf(data: bytes) -> str:
        if next(numbers) > MOST_PDFS:
            return _refuse_file(data, f"More than {MOST_PDFS} PDF files")
        return read_bytes(data, ".pdf", read_confined)[0]

    return read_pdf
