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
from structgen.doors.typed.server_replies import ArrivingObject, read_document, thoughts_apart
from structgen.doors.typed.tool_use import ToolUse
from structgen.doors.typed.wanted_forms import WantedForm
from structgen.doors.typed.wrapping import is_object

_REASONS = MappingProxyType({"stop": FinishReason.STOP, "length": FinishReason.MAX_TOKENS})
_SILENT: Final = (
    "The reply is empty: all of it is reasoning ({:,} characters). Raise max_tokens; or turn off, at the "
    "server, the model's thinking, or the parser that takes its answer for reasoning."
)


class Answer:
    """An answer, as it arrives."""

    def __init__(self, form: WantedForm, where: str, reason: str | None = None) -> None:
        """`where`: what wrote it, for errors; `reason`: why it ends, where that is known beforehand."""
        self.form, self._where, self._calls = form, where, SentCalls()
        schema = form.schema or {}
        bracket = "[" if schema.get("type") == "array" and not form.wrap else "{"
        self._is_found = bracket == "[" or is_object(schema)
        """Whether the document can be found while it arrives."""
        self.object, self.told = ArrivingObject(bracket), ""
        """What may be the document; and what of the text was handed out."""
        self.thoughts = self.refusal = ""
        self.reason = reason
        self.usage = Usage()
        self.documents = set[int]()
        """The numbers of calls whose arguments are the document, where a protocol has it so."""
        self._is_over = False

    def count(self, prompt: Any, tokens: Any) -> None:
        """Take the tokens of the prompt and of the text that a server tells. What is no count, as broken
        servers send it, changes nothing."""
        told = [said if type(said) is int and said > 0 else 0 for said in (prompt, tokens)]
        self.usage = Usage(told[0] or self.usage.prompt_tokens, told[1] or self.usage.tokens)

    def add(
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
        self.object.add(text or "")
        if self.form.tools is not None:
            self._calls.add(calls)

    @property
    def reply(self) -> str:
        """The text that has arrived, followed by the calls of tools, written as text."""
        return self.object.reply + self._calls.text(ended=self._is_over)

    def new(self) -> str:
        """Return what there is beyond what was handed out: of a document, of the object that may be it."""
        known = self.reply
        if self.form.grammar is not None:
            known = (self.object.found if self._is_found else "") + self._calls.text(ended=self._is_over)
        new = known[len(self.told) :] if known.startswith(self.told) else ""
        self.told += new
        return new

    def result(self) -> Result:
        """Return the result of the answer, which has ended."""
        form = self.form
        if form.tools is not None and self.reason == "tool_calls":
            self.reason = "stop"
        self._is_over = self.reason != "length"
        text, thoughts, error = self.reply, self.thoughts, self._ended_badly()
        value: Any = text
        if form.tools is not None and self._has_calls(form.tools, text):
            value = read_reply(form.tools, text, ended=True)
            thoughts = thoughts or value.thinking or ""
            value = replace(value, thinking=thoughts or None)
            error = error or form.tools.fault(value)
        elif form.grammar is not None and error is None:
            reading = read_document(text, form.sent)
            thoughts = thoughts or reading.thoughts
            if reading.document is not None and self._is_over:
                text, value = form.sent.wanted(reading.document)
            else:
                error = ValidatorError(f"{reading.fault}.", where="text")
                text = value = reading.found if self._is_over else self.object.found or text
        if isinstance(error, ValidatorError) and not self._is_over:
            error = StructgenError("The text was cut off.", where=self._where, cure="Raise max_tokens.")
        ended = FinishReason.ERROR if self.refusal else _REASONS.get(str(self.reason), FinishReason.ERROR)
        return Result(
            text, ended, [], [], self.usage, error=error, value=value, thoughts=thoughts, reply=self.reply
        )

    def rest(self, result: Result) -> str:
        """Return what is to be handed out at the end: where only the whole reply shows where the document
        is, all of it. A result that is another document than what was handed out gets an error."""
        is_text = self.form.grammar is None or isinstance(result.value, Reply)
        is_document = not is_text and result.error is None
        if is_document and self.told and result.text.strip() != self.told:
            result.error = StructgenError(
                "The stream began with another object than the document.",
                where=self._where,
                cure="Call the function itself, without .stream, or ask for the document alone.",
            )
        return result.text if is_document and not self.told else self.new()

    def _has_calls(self, use: ToolUse, text: str) -> bool:
        """Tell whether a whole reply is one of text and calls. Where it may also be a document, it is one
        that has calls outside of it, or is a call itself."""
        if self.form.grammar is None or self._calls.text(ended=True):
            return True
        rest = (thoughts_apart(text) or ("", ""))[1]
        reply, reading = read_reply(use, rest, ended=True), read_document(rest, self.form.sent)
        if not reply.calls or reading.document is None:
            return bool(reply.calls)
        if use.fault(reply) is not None:
            return False
        is_before = len(reply.texts[0]) <= rest.find(reading.found)
        return is_before or bool(read_reply(use, rest.replace(reading.found, "", 1), ended=True).calls)

    def _ended_badly(self) -> StructgenError | None:
        """Return the error of a text that did not end by itself or at its bound; of one that is empty beside
        reasoning, which is asked for again if it ended by itself. Beside tools an answer may be empty."""
        if self.refusal:
            what = f"The model refuses: {self.refusal}"
            return StructgenError(what, where=self._where, cure="Ask differently.")
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
