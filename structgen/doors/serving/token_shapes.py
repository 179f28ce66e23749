"""vLLM's `/tokenize` and `/detokenize`: the tokens of a text or of messages, and the text of tokens."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from structgen.base.json_text.exact_json import JsonObject
from structgen.decoding.engine.requests import Request, Result
from structgen.doors.serving.answer_shape import CountedPrompt
from structgen.doors.serving.chat_shape import ChatShape
from structgen.doors.serving.reply_parts import ReplyParts
from structgen.doors.serving.request_fields import check_members
from structgen.doors.serving.served_model import BodyRequest, ServedModel


class TokenizeShape(CountedPrompt, ChatShape):
    """Answers of `/tokenize`. A text is read as vLLM reads it: the names of special tokens in it are these
    tokens, and no others are added. Messages are read as `/v1/chat/completions` reads them."""

    path = "/tokenize"
    address = "tokenize"

    def __init__(
        self,
        model: ServedModel,
        body: JsonObject,
        *arguments: Any,
    ) -> None:
        super().__init__(model, {"model": model.name, **body}, *arguments)

    def read_body(self) -> BodyRequest:
        self.with_texts = self.body.pop("return_token_strs", None)
        self.body.pop("add_special_tokens", None)
        text = self.body.get("prompt")
        self.body = check_members(self.body, "chat" if text is None else "completions")
        if text is None:
            return super().read_body()
        self.tokens = self.model.read_tokens(text)
        return BodyRequest((), ReplyParts())

    def whole_body(self, results: Sequence[Result]) -> JsonObject:
        texts = [self.model.spell_tokens([token]) for token in self.tokens]
        return {
            "count": len(texts),
            "max_model_len": self.model.engine.model.context,
            "tokens": self.tokens,
            "token_strs": texts if self.with_texts else None,
        }


class DetokenizeShape(TokenizeShape):
    """Answers of `/detokenize`."""

    path = "/detokenize"
    address = "detokenize"
    member_names = ((r"^prompt\b", "tokens"),)

    def read_body(self) -> BodyRequest:
        tokens = self.body["tokens"]
        # the ids are checked as those of a prompt are, which has at least one
        self.tokens = self.model.engine.prompt_tokens(Request(tokens)) if tokens else []
        return BodyRequest((), ReplyParts())

    def whole_body(self, results: Sequence[Result]) -> JsonObject:
        return {"prompt": self.model.spell_tokens(self.tokens)}
