"""An answer of a model that no mask holds to its form: how it arrives, and the result that it becomes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any, Final

from structgen.asking.tool_calls.tool_replies import Reply
from structgen.base.errors import StructgenError, ValidatorError
from structgen.decoding.engine.requests import FinishReason, Result, Usage
from structgen.doors.typed.model_servers.remote_calls import SentCalls, read_reply
from structgen.doors.typed.model_servers.server_replies import ArrivingObject, read_document, split_thoughts
from structgen.doors.typed.target_forms import TargetForm
from structgen.doors.typed.tool_use import ToolUse
from structgen.doors.typed.wrapping import is_object

_REASONS = MappingProxyType(
    {
        "stop": FinishReason.STOP,
        "length": FinishReason.MAX_TOKENS,
        # of structgen's own server, which says them in members of their own
        "closed_early": FinishReason.STEERED,
        "closed_values": FinishReason.REPETITION,
    }
)
_SILENT: Final = (
    "The reply is empty: all of it is reasoning ({:,} characters). Increase max_tokens; or turn "
    "off, at the server, the model's thinking, or the parser that takes its answer for reasoning."
)


class Answer:
    """An answer, as it arrives."""

    def __init__(self, form: TargetForm, where: str, reason: str | None = None) -> None:
        """`where`: the name of the model, for errors; `reason`: why the text ends, if it has ended."""
        self.form, self._where, self._calls = form, where, SentCalls()
        schema = form.schema or {}
        bracket = "[" if schema.get("type") == "array" and not form.wrap else "{"
        self._is_findable = bracket == "[" or is_object(schema)
        """Whether the document can be found while it arrives."""
        self.object, self.sent_text = ArrivingObject(bracket), ""
        """The object that may be the document; and the text that was handed out, its quotes repaired."""
        is_repaired = form.quoted_text is not None and form.grammar is not None
        make_repair = form.server_schema.make_repair if is_repaired else None
        self._repair = make_repair and make_repair()
        self._taken_text = ""
        """The part of the text that was handed out, as it arrived."""
        self.thoughts = self.refusal = ""
        self.reason = reason
        self.usage = Usage()
        self.documents = set[int]()
        """The indices of calls whose arguments are the document: Anthropic's protocol has it so."""
        self._is_over = False

    def count_tokens(self, prompt: Any, tokens: Any) -> None:
        """Take the numbers of tokens of the prompt and of the text. A value that is no count, as broken
        servers send it, changes nothing."""
        counts = [count if type(count) is int and count > 0 else 0 for count in (prompt, tokens)]
        prompt_tokens, token_count = counts[0] or self.usage.prompt_tokens, counts[1] or self.usage.tokens
        self.usage = replace(self.usage, prompt_tokens=prompt_tokens, tokens=token_count)

    def add_ending(self, members: Mapping[str, Any]) -> None:
        """Take the members by which structgen's own server says that it closed a document before its end, or
        that its prompt has not all of the outline and the examples."""
        if isinstance(shortening := members.get("shortened_outline"), str):
            self.usage = replace(self.usage, outline=shortening)
        if self.reason != "stop":
            return
        if isinstance(closed_values := members.get("closed_values"), list):
            self.usage = replace(self.usage, closed=tuple(map(str, closed_values)))
            self.reason = "closed_values"
        elif members.get("closed_early") is True:
            self.reason = "closed_early"

    def add_part(
        self,
        text: str | None,
        calls: Iterable[Any] | None = (),
        *,
        thoughts: object = "",
        refusal: str | None = "",
        reason: str | None = None,
    ) -> None:
        """Take a part that has arrived: a piece of the text, `tool_calls`, thoughts, a refusal, or the reason
        of the end. For example, `answer.add_part("", reason="stop")` ends the text."""
        self.reason = reason or self.reason
        self.refusal += refusal or ""
        self.thoughts += thoughts if isinstance(thoughts, str) else ""
        self.object.add_piece(text or "")
        if self.form.tools is not None:
            self._calls.add_pieces(calls)

    @property
    def reply(self) -> str:
        """The text that has arrived, followed by the calls of tools, written as text."""
        return self.object.reply + self._calls.text_so_far(is_complete=self._is_over)

    def take_new_text(self) -> str:
        """Return the text that has arrived and was not handed out. Of a document it is that of the object
        which may be the document."""
        arrived_text = self.reply
        if self.form.grammar is not None:
            excerpt = self.object.excerpt if self._is_findable else ""
            arrived_text = excerpt + self._calls.text_so_far(is_complete=self._is_over)
        # an id that comes late changes a text that was handed out: then nothing is added
        is_longer = arrived_text.startswith(self._taken_text)
        new_text = arrived_text[len(self._taken_text) :] if is_longer else ""
        self._taken_text += new_text
        if self._repair is not None:
            new_text = self._repair.repair_piece(new_text)
        self.sent_text += new_text
        return new_text

    def make_result(self) -> Result:
        """Return the result of the answer, which has ended."""
        form = self.form
        if form.tools is not None and self.reason == "tool_calls":
            self.reason = "stop"  # calls are an end like any other
        self._is_over = self.reason != "length"
        text, thoughts, error = self.reply, self.thoughts, self._ending_error()
        value: Any = text
        repairs: Mapping[str, str] = {}
        if form.tools is not None and self._has_calls(form.tools, text):
            value = read_reply(form.tools, text, is_complete=True)
            thoughts = thoughts or value.thinking or ""
            value = replace(value, thinking=thoughts or None)
            error = error or form.tools.find_fault(value)
        elif form.grammar is not None and error is None:
            reading = read_document(text, form.server_schema)
            thoughts = thoughts or reading.thoughts
            if reading.document is not None and self._is_over:
                text, value, repairs = form.server_schema.unwrap_value(reading.document)
            else:
                error = ValidatorError(f"{reading.fault}.", where="text")
                text = value = reading.excerpt if self._is_over else self.object.excerpt or text
        # another attempt mends no text that was cut off
        if isinstance(error, ValidatorError) and not self._is_over:
            error = StructgenError("The text was truncated.", where=self._where, cure="Increase max_tokens.")
        finish_reason = _REASONS.get(str(self.reason), FinishReason.ERROR)
        if self.refusal:
            finish_reason = FinishReason.ERROR
        return Result(
            text,
            finish_reason,
            [],
            [],
            self.usage,
            error=error,
            value=value,
            thoughts=thoughts,
            reply=self.reply,
            repairs=repairs,
        )

    def take_rest(self, result: Result) -> str:
        """Return the text to hand out at the end: all of the document where only the whole reply shows where
        it is. A result that is another document than the text that was handed out gets an error."""
        is_text = self.form.grammar is None or isinstance(result.value, Reply)
        is_document = not is_text and result.error is None
        if is_document and self.sent_text and result.text.strip() != self.sent_text:
            result.error = StructgenError(
                "The stream began with another object than the document.",
                where=self._where,
                cure="Call the function itself, without .stream, or ask for the document alone.",
            )
        return result.text if is_document and not self.sent_text else self.take_new_text()

    def _has_calls(self, use: ToolUse, text: str) -> bool:
        """Tell whether a whole reply is one of texts and calls. A reply that may also be a document is one if
        it has calls outside of the document, or if the document is a call itself."""
        if self.form.grammar is None or self._calls.text_so_far(is_complete=True):
            return True
        rest = (split_thoughts(text) or ("", ""))[1]
        reply = read_reply(use, rest, is_complete=True)
        reading = read_document(rest, self.form.server_schema)
        if not reply.calls or reading.document is None:
            return bool(reply.calls)
        if use.find_fault(reply) is not None:
            return False
        if len(reply.texts[0]) <= rest.find(reading.excerpt):
            return True  # a call begins before the document
        rest = rest.replace(reading.excerpt, "", 1)
        return bool(read_reply(use, rest, is_complete=True).calls)

    def _ending_error(self) -> StructgenError | None:
        """Return the error of a text that did not end by itself or at its bound, and of an empty text beside
        reasoning; None for others. An empty text that ended by itself is asked for again. Beside tools an
        answer may be empty."""
        if self.refusal:
            fault = f"The model refused: {self.refusal}"
            return StructgenError(fault, where=self._where, cure="Change the prompt.")
        if str(self.reason) in _REASONS:
            if self.form.tools is not None or self.reply.strip() or not self.thoughts.strip():
                return None
            kind = ValidatorError if self._is_over else StructgenError
            cure = "" if self._is_over else "Increase max_tokens."
            return kind(_SILENT.format(len(self.thoughts)), where=self._where, cure=cure)
        return StructgenError(
            f"The text ended for the reason {self.reason!r}.",
            where=self._where,
            cure="Check what the server means by it; content_filter is a refusal of the text.",
        )
