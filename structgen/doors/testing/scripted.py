"""`sg.testing.Scripted`: an engine whose model says given texts, through the mask."""

from __future__ import annotations

from collections.abc import Sequence
from contextvars import ContextVar
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from structgen.base.errors import OptionError, options_named
from structgen.base.printable import short_repr
from structgen.base.system.installation import require_extras
from structgen.decoding.engine import Engine
from structgen.decoding.engine.model_prompts import ModelPrompts
from structgen.decoding.engine.models import tokenizer_of
from structgen.decoding.engine.requests import FinishReason, Handle, Request
from structgen.decoding.engine.special_texts import special_texts, without_bytes
from structgen.decoding.engine.thinking import closing_of, most_tokens
from structgen.decoding.runs.resources import model_name
from structgen.doors.testing.failures import Failure
from structgen.doors.testing.plain_chat import PlainChat
from structgen.doors.testing.reply_texts import ReplyForm
from structgen.doors.testing.script_model import ScriptModel
from structgen.doors.testing.script_replies import Replies, ScriptError, TakenReply
from structgen.doors.typed.tool_prompts import model_format
from structgen.grammars.compilation.request_bans import check_bans, without_banned_texts
from structgen.tokens.tokenizer import byte_tokenizer

if TYPE_CHECKING:
    from typing import Self

    from structgen.asking.tool_calls.tool_format import ToolFormat

BYTES_A_TOKEN: Final = 4
"""How many bytes `max_tokens` allows for a token where the tokens are bytes: about what a token of a real
model writes."""
TAKEN: ContextVar[TakenReply | None] = ContextVar("structgen_taken_reply", default=None)
"""The reply to the request of HTTP that is being answered, which was taken when the request came."""


class ReplyText(NamedTuple):
    """The text that the model writes to one request."""

    lead: str
    """The thoughts, with their closing tag; "" where there are none."""
    text: str
    """The answer, with its beginning where the prompt gives that."""
    where: str
    """The place of the reply, for errors."""
    is_plain: bool
    """Whether no special token is in it; the text of a result may leave those out."""


class Scripted(Engine):
    """A model for tests: it says given texts through the mask. Pass it wherever a model is taken: `sg.run`,
    `sg.arun`, `sg.generate(model=...)`, `sg.extract`, `sg.sample`; it is an `sg.Engine`. Only `sg.infill`
    does not take it: that fills masks, which no text says.

    `replies`: a list has one for each request, in order. A dict has one for each part of a prompt, and serves
    requests in any order. A function makes one of each prompt. A reply is a text, said as it is; an `sg.Call`
    or a list of them, as the form writes calls; an exception, which is raised; or an object (of pydantic, a
    dict, a list, a number), as JSON in the form's own white space and order of keys.

    `like`: whose prompts and tokens it has: a model's name or folder, whose weights are not read, or a
    tokenizer. By default its tokens are bytes, its prompts plain text with roles, and `max_tokens` allows
    four bytes for each token. `max_rows`: texts that are written at the same time.

    A reply that the form forbids raises ScriptError with the place. So do a reply that is too long for
    `max_tokens`, and a request without a reply. The end of `with Scripted(...) as model`, and `done()`, raise
    it for unused replies. Threads may share the model: each request gets one whole reply.

    Errors: StructgenError where torch is not installed; OptionError for replies without an order, and those
    of `like`. Cost: some milliseconds, and for a form that is new what compiling takes.
    """

    @options_named('sg.testing.Scripted(["Ada", {"age": 36}])', name="sg.testing.Scripted")
    def __init__(self, replies: Any, *, like: Any = None, max_rows: int = 32) -> None:
        with require_extras("A scripted model", "torch", where="testing.Scripted"):
            # optional: torch
            import torch  # noqa: F401
        self._replies = replies if isinstance(replies, Replies) else Replies(replies)
        tokenizer = byte_tokenizer() if like is None else tokenizer_of(like)
        name = model_name(like) if isinstance(like, str | Path) else ""
        specials = without_bytes(special_texts(name, like), tokenizer)
        self._script = ScriptModel(tokenizer, specials)
        super().__init__(self._script, tokenizer, max_rows=max_rows)
        self.name, self._given_tokenizer, self._counts_bytes = name, like, like is None
        template_holder = like if hasattr(like, "apply_chat_template") else PlainChat(tokenizer)
        self.prompts = ModelPrompts(name, None if name else template_holder)
        self.asked: list[str] = []
        """The prompts, as the model read them: the chat template applied, the outline put in."""
        self.requests: list[Request] = []
        """The requests of these prompts, with grammar and options. `sg.run` gives them token ids as
        prompts."""
        self.errors: list[BaseException] = []
        """What did not fit. `done` raises the first of them once more: other code may have caught it."""

    def __repr__(self) -> str:
        return f"<Scripted, {self.replies_left} replies left>"

    @property
    def replies_left(self) -> int:
        """How many replies no request has had yet."""
        return self._replies.count_left

    def done(self) -> None:
        """End the script. Raises ScriptError for replies that no request has had, and again the first of
        `errors`."""
        if self.errors:
            raise self.errors[0]
        if unused := self._replies.unused_replies:
            fault = f"{len(unused)} of the replies were not used: {'; '.join(unused[:8])}."
            cure = "Remove them, or check why the program sent fewer requests."
            raise ScriptError(fault, where="replies", cure=cure)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the engine; call `done` unless another error is on its way."""
        self.close()
        if error is None:
            self.done()

    # --- requests of the engine -----------------------------------------------------------------------------

    def _submit_checked(self, request: Request) -> list[Handle]:
        return self._submit_samples(request, None)

    async def asubmit(self, request: Request) -> list[Handle]:
        """Return the handles of `submit`. The first sample of a request of HTTP has the reply that was taken
        for that."""
        count = request.n if isinstance(request, Request) else 1
        submit = partial(self._submit_samples, request, TAKEN.get())
        TAKEN.set(None)
        return await self._driver.submit_in_thread(count, submit)

    def _submit_samples(self, request: Request, taken_reply: TakenReply | None) -> list[Handle]:
        """Return the handles of a request, each of whose samples has its own reply. `taken_reply`: the reply
        of the first. Errors: ScriptError, and those of the engine."""
        handles = []
        for sample in range(request.n):
            sample_request = replace(request, n=1) if request.n > 1 else request
            # the prompt is read here: it must name its script before the engine has it
            read_prompt = self.reading.read_request(sample_request)
            beginning = read_prompt.begun
            sample_request = replace(
                sample_request,
                begun=beginning,
                continue_final_message=None if beginning else sample_request.continue_final_message,
                shortened=sample_request.shortened or read_prompt.shortening,
                refused=None,
                outline=None,
                chat=None,
                # a reply that repeats itself is written whole
                sampling=replace(sample_request.chosen_by, repetition=None),
                strategy=(),
            )
            if self._counts_bytes:
                sample_request = self._in_bytes(sample_request, len(read_prompt.tokens))
            reply_text = self._take_text(sample_request, read_prompt.tokens, taken_reply, request)
            taken_reply = None  # the other samples take theirs
            script = reply_text.lead + reply_text.text.removeprefix(beginning)
            prompt = self._script.begin_script(read_prompt.tokens, script)
            try:
                (handle,) = super()._submit_checked(replace(sample_request, prompt=prompt))
            except BaseException:
                self._script.end_script(prompt)
                raise
            handle.request, handle.sample = request, sample
            handle.listen(partial(self._check_end, handle, prompt, reply_text))
            handles.append(handle)
        return handles

    def _in_bytes(self, request: Request, prompt_count: int) -> Request:
        """Return a request whose numbers of tokens are numbers of bytes, as far as the context allows."""
        thinking = request.thinking
        if thinking is not None:
            thinking = replace(thinking, max_tokens=BYTES_A_TOKEN * thinking.max_tokens)
        room = self.model.context - prompt_count - most_tokens(thinking)
        max_tokens = max(request.most_tokens, min(BYTES_A_TOKEN * request.most_tokens, room))
        return replace(request, thinking=thinking, max_tokens=max_tokens)

    def prompt_tokens(self, request: Request) -> list[int]:
        """Return the tokens of a prompt after which the model says the next reply: for `sg.sample` and
        others that read the model themselves."""
        read_prompt = self.reading.read_request(request)
        if any(token >= self.tokenizer.vocab_size for token in read_prompt.tokens[:1]):
            return read_prompt.tokens  # it has its script
        unbounded_request = replace(request, max_tokens=self.model.context)
        reply_text = self._take_text(unbounded_request, read_prompt.tokens, None, request)
        return self._script.begin_script(read_prompt.tokens, reply_text.text)

    def _take_text(
        self,
        request: Request,
        prompt_tokens: Sequence[int],
        taken_reply: TakenReply | None,
        given_request: Request,
    ) -> ReplyText:
        """Return the text of the reply to a request, and note `given_request` for the tests.

        `taken_reply`: the reply that a request of HTTP has taken already; None: one is taken here. For
        example, the reply `{"age": 36}` is JSON with the blanks of the form. Errors: ScriptError, the reply
        where it is an exception, and those of `ReplyForm.spell_reply`.
        """
        prompt = self._script.bytes_of(prompt_tokens).decode("utf-8", "replace")
        try:
            with self._replies.lock:
                self.asked.append(prompt)
                self.requests.append(given_request)
                taken_reply = self._replies.take_reply(prompt) if taken_reply is None else taken_reply
            taken_reply = taken_reply.make_reply(prompt)
        except AssertionError as error:  # of this script, or of a function that makes replies
            self.errors.append(error)
            raise
        reply, where = taken_reply
        if taken_reply.is_raised:
            raise reply
        grammar, machine, bans = request.grammar, None, check_bans(request.chosen_by.banned)
        if bans:
            grammar = without_banned_texts(grammar, bans)
        if grammar is not None:
            machine = self.compiled(grammar, warns=False, bans=bans)
        form = ReplyForm(machine, self._call_format, self.specials)
        try:
            if isinstance(reply, Failure):
                cure = "Pass an exception, or serve the replies with sg.testing.server."
                raise OptionError("A Failure is only for servers.", where=where, cure=cure)
            text = form.spell_reply(reply, where)
            if not text.startswith(request.begun):
                text = request.begun + text
            return self._check_text(text, request, form, prompt, where)
        except (ScriptError, OptionError) as error:
            self.errors.append(error)
            raise

    def _check_text(
        self,
        text: str,
        request: Request,
        form: ReplyForm,
        prompt: str,
        where: str,
    ) -> ReplyText:
        """Return the text of a reply, apart from its thoughts. `prompt` and `where`: for errors, such as
        `replies[1]`. Raises ScriptError for a text that the form forbids, or that is too long."""
        thoughts = tag = ""
        if request.thinking is not None:
            closing = closing_of(request.thinking, self.tokenizer, self._named_tokens)
            tag = self._script.bytes_of(closing.tokens).decode("utf-8", "replace")
            text_before, found_tag, text_after = text.partition(tag)
            thoughts, text = (text_before, text_after) if found_tag else ("", text)
            self._check_size("thoughts", thoughts, request.thinking.max_tokens, where)
        if fault := form.describe_fault(text):
            raise ScriptError(
                f"The form rejects this reply: {fault}The prompt: {short_repr(prompt)}.",
                where=where,
                cure="Correct the reply, or the form; an object is written as the form requires.",
            )
        self._check_size("reply", text.removeprefix(request.begun), request.most_tokens, where)
        is_plain = not any(special in text for special in self.specials)
        return ReplyText(thoughts + tag, text, where, is_plain)

    def _check_size(
        self,
        part_name: str,
        text: str,
        max_count: int,
        where: str,
    ) -> None:
        """Raise ScriptError for a text of more than `max_count` tokens. `part_name`: "reply" or
        "thoughts"."""
        size = self._script.size_of(text.encode())
        if size > max_count:
            unit = BYTES_A_TOKEN if self._counts_bytes else 1
            count, limit = -(-size // unit), max_count // unit
            raise ScriptError(
                f"The {part_name} of {count:,} tokens is longer than max_tokens={limit:,}.",
                where=where,
                cure="Shorten the text, or increase max_tokens.",
            )

    @property
    def _call_format(self) -> ToolFormat | None:
        """The format of the model's calls; None where its chat template shows none."""
        try:
            return model_format(self.prompts)
        except OptionError:
            return None

    def _check_end(
        self,
        handle: Handle,
        prompt: Sequence[int],
        reply_text: ReplyText,
        piece: str | None,
    ) -> None:
        """Listen to a text: at its end, raise ScriptError if it is not the reply, because an option of the
        request, such as `logit_bias`, has changed the tokens. `piece`: None at the end."""
        result = handle.result
        if piece is not None or result is None:
            return
        self._script.end_script(prompt)
        is_cut = result.stopped_by and reply_text.text.startswith(result.text)
        is_other = result.finish_reason is FinishReason.CANCELLED or result.error is not None
        if result.text == reply_text.text or is_cut or is_other or not reply_text.is_plain:
            return
        pairs = [*zip(reply_text.text, result.text, strict=False)]
        differing = (index for index, pair in enumerate(pairs) if pair[0] != pair[1])
        offset = next(differing, len(pairs))
        written, expected = (short_repr(text[offset:], 60) for text in (result.text, reply_text.text))
        error = ScriptError(
            f"The engine left the reply at character {offset}: it wrote {written} instead of {expected}.",
            where=reply_text.where,
            cure="Check the options of the request that choose other tokens, such as logit_bias.",
        )
        self.errors.append(error)
        raise error
