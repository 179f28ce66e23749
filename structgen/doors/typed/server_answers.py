"""An answer of a model that nothing holds to its form: how it arrives, and the result that it is."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from types import MappingProxyType
from typing import Any, Final

from structgen.asking.tool_calls.tool_replies import Reply
from structgen.base.errors import StructgenError, ValidatorError
from structgen.decoding.engine.requests import FinishReason, Result, Usage
from structgen.doors.typed.remote_calls import SentCalls, read_reply
from structgen.doors.typed.server_replies import ArrivingObject, read_document, split_thoughts
from structgen.doors.typed.target_forms import TargetForm
from structgen.doors.typed.tool_use import ToolUse
from structgen.doors.typed.wrapping import is_object

_REASONS = MappingProxyType({"stop": FinishReason.STOP, "length": FinishReason.MAX_TOKENS})
_SILENT: Final = (
    "The reply is empty: all of it is reasoning ({:,} characters). Raise max_tokens; or turn off, at the "
    "server, the model's thinking, or the parser that takes its answer for reasoning."
)


class Answer:
    """An answer, as it arrives."""

    def __init__(self, form: TargetForm, where: str, reason: str | None = None) -> None:
        """`where`: what wrote it, for errors; `reason`: why it ends, where that is known beforehand."""
        self.form, self._where, self._calls = form, where, SentCalls()
        schema = form.schema or {}
        bracket = "[" if schema.get("type") == "array" and not form.wrap else "{"
        self._is_findable = bracket == "[" or is_object(schema)
        """Whether the document can be found while it arrives."""
        self.object, self.sent_text = ArrivingObject(bracket), ""
        """What may be the document; and what of the text was handed out."""
        self.thoughts = self.refusal = ""
        self.reason = reason
        self.usage = Usage()
        self.documents = set[int]()
        """The numbers of calls whose arguments are the document, where a protocol has it so."""
        self._is_over = False

    def count_tokens(self, prompt: Any, tokens: Any) -> None:
        """Take the tokens of the prompt and of the text that a server tells. What is no count, as broken
        servers send it, changes nothing."""
        counts = [count if type(count) is int and count > 0 else 0 for count in (prompt, tokens)]
        self.usage = Usage(counts[0] or self.usage.prompt_tokens, counts[1] or self.usage.tokens)

    def add_part(
        self,
        text: str | None,
        calls: Iterable[Any] | None = (),
        *,
        thoughts: object = "",
        refusal: str | None = "",
        reason: str | None = None,
    ) -> None:
        """Take what has arrived."""
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
        """Return what there is beyond what was handed out: of a document, of the object that may be it."""
        arrived_text = self.reply
        if self.form.grammar is not None:
            arrived_text = (self.object.excerpt if self._is_findable else "") + self._calls.text_so_far(
                is_complete=self._is_over
            )
        new_text = arrived_text[len(self.sent_text) :] if arrived_text.startswith(self.sent_text) else ""
        self.sent_text += new_text
        return new_text

    def make_result(self) -> Result:
        """Return the result of the answer, which has ended."""
        form = self.form
        if form.tools is not None and self.reason == "tool_calls":
            self.reason = "stop"
        self._is_over = self.reason != "length"
        text, thoughts, error = self.reply, self.thoughts, self._ending_error()
        value: Any = text
        if form.tools is not None and self._has_calls(form.tools, text):
            value = read_reply(form.tools, text, is_complete=True)
            thoughts = thoughts or value.thinking or ""
            value = replace(value, thinking=thoughts or None)
            error = error or form.tools.find_fault(value)
        elif form.grammar is not None and error is None:
            reading = read_document(text, form.server_schema)
            thoughts = thoughts or reading.thoughts
            if reading.document is not None and self._is_over:
                text, value = form.server_schema.unwrap_value(reading.document)
            else:
                error = ValidatorError(f"{reading.fault}.", where="text")
                text = value = reading.excerpt if self._is_over else self.object.excerpt or text
        if isinstance(error, ValidatorError) and not self._is_over:
            error = StructgenError("The text was cut off.", where=self._where, cure="Raise max_tokens.")
        finish_reason = (
            FinishReason.ERROR if self.refusal else _REASONS.get(str(self.reason), FinishReason.ERROR)
        )
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
        )

    def take_rest(self, result: Result) -> str:
        """Return what is to be handed out at the end: where only the whole reply shows where the document
        is, all of it. A result that is another document than what was handed out gets an error."""
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
        """Tell whether a whole reply is one of text and calls. Where it may also be a document, it is one
        that has calls outside of it, or is a call itself."""
        if self.form.grammar is None or self._calls.text_so_far(is_complete=True):
            return True
        rest = (split_thoughts(text) or ("", ""))[1]
        reply, reading = read_reply(use, rest, is_complete=True), read_document(rest, self.form.server_schema)
        if not reply.calls or reading.document is None:
            return bool(reply.calls)
        if use.find_fault(reply) is not None:
            return False
        is_before = len(reply.texts[0]) <= rest.find(reading.excerpt)
        return is_before or bool(
            read_reply(use, rest.replace(reading.excerpt, "", 1), is_complete=True).calls
        )

    def _ending_error(self) -> StructgenError | None:
        """Return the error of a text that did not end by itself or at its bound; of one that is empty beside
        reasoning, which is asked for again if it ended by itself. Beside tools an answer may be empty."""
        if self.refusal:
            fault = f"The model refuses: {self.refusal}"
            return StructgenError(fault, where=self._where, cure="Ask differently.")
        if str(self.reason) in _REASONS:
            if self.form.tools is not None or self.reply.strip() or not self.thoughts.strip():
                return None
            kind = ValidatorError if self._is_over else StructgenError
            cure = "" if self._is_over else "Raise max_tokens."
            return kind(_SILENT.format(len(self.thoughts)), where=self._where, cure=cure)
        return StructgenError(
            f"The text ended for the reason {self.reason!r}.",
            where=self._where,
            cure="See what the server means by it; content_filter is a refusal of the text.",
        )
