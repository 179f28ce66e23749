"""The back end that `sglang_plugin` registers with SGLang. This module imports SGLang.

A *back end* makes the grammar object of each request; a *grammar object* follows one text and fills its
masks.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future, wait
from http import HTTPStatus
from typing import Any
from weakref import proxy

import torch
from sglang.srt.constrained.base_grammar_backend import (
    BaseGrammarBackend,
    BaseGrammarObject,
    InvalidGrammarObject,
)
from sglang.srt.constrained.reasoner_grammar_backend import ReasonerGrammarBackend
from sglang.srt.managers.schedule_batch import FINISH_ABORT
from sglang.srt.parser.reasoning_parser import ReasoningParser
from sglang.srt.runtime_context import get_serving
from structgen_kernels import apply_mask_

from structgen.base.errors import OptionError, StructgenError
from structgen.doors.integrations.engine_grammars import (
    SOON,
    EngineGrammars,
    EngineText,
    Recent,
    check_room,
    fill_texts,
)
from structgen.machines.core.compiled import CompiledGrammar
from structgen.tokens.token_mask import TokenMask


class SglangGrammar(BaseGrammarObject):  # type: ignore[misc]
    """The text of one request. With its end token it is complete within the tokens of the request."""

    def __init__(self, compiled_grammar: CompiledGrammar) -> None:
        super().__init__()
        self.compiled, self.text = compiled_grammar, EngineText(compiled_grammar)
        self._request: Any = None

    def structgen_admits(self, request: Any, *, thinks: bool) -> None:
        """Receive the request of this text. It is aborted, with status 400, if no text fits its tokens.
        `thinks`: whether the text may begin after thoughts."""
        params = request.sampling_params
        try:
            # a request for 0 tokens only fills the cache, as the first request for several texts does
            if params.max_new_tokens:
                check_room(self.compiled, params.max_new_tokens, "max_new_tokens")
            if params.min_new_tokens:
                raise OptionError(
                    "The option could forbid the end where only the end is allowed.",
                    where="min_new_tokens",
                    cure="Bound the lengths in the grammar (minLength, minItems).",
                )
        except StructgenError as error:
            request.set_finish_with_abort(str(error))
            return
        self._request = proxy(request)  # a weak reference, because the request holds the grammar
        self.text = EngineText(self.compiled, tuple(params.stop_token_ids or ()))
        # the last token of the thoughts reaches us before the request counts it
        self.text.reserve = 1 if thinks else 0

    def remaining_budget(self) -> int | None:
        """Return how many tokens the text may still take, the end token not counted."""
        request = self._request
        if request is None or request.sampling_params.max_new_tokens is None:
            return None
        return self.text.remaining_budget(request.sampling_params.max_new_tokens, len(request.output_ids))

    def accept_token(self, token: int) -> None:
        """Take a token. Raises ValueError if it is not allowed; SGLang then aborts the request."""
        if self.text.is_finished:
            return
        self.current_token = token
        try:
            self.text.take_token(token)
        except StructgenError as error:
            raise ValueError(str(error)) from error

    def rollback(self, k: int) -> None:
        """Take the last tokens back."""
        self.text.rollback(k)

    def is_terminated(self) -> bool:
        """Return whether the text has ended."""
        return self.text.is_finished

    @staticmethod
    def allocate_vocab_mask(vocab_size: int, batch_size: int, device: Any) -> torch.Tensor:
        """Return masks that allow everything, in pinned memory, which a GPU copies fastest."""
        words = (vocab_size + 31) // 32
        return torch.full((batch_size, words), -1, dtype=torch.int32, pin_memory=torch.cuda.is_available())

    def fill_vocab_mask(self, vocab_mask: torch.Tensor, idx: int) -> None:
        """Write the mask of the next token."""
        self.text.fill_row(TokenMask.wrap(vocab_mask), idx, self.remaining_budget())
        self._report_failure()

    def _report_failure(self) -> None:
        """If no mask could be filled, end the request with the reason. Otherwise SGLang would take the text
        for complete at the end token, the only token that is then allowed."""
        if self.text.failure is not None and self._request is not None:
            reason = str(self.text.failure), HTTPStatus.BAD_REQUEST, "BadRequestError"
            self._request.to_finish = FINISH_ABORT(*reason)

    @staticmethod
    def fill_vocab_mask_batched(entries: Sequence[Any], vocab_mask: torch.Tensor) -> None:
        """Write the masks of several requests by one call."""
        ours = [entry for entry in entries if isinstance(entry.grammar, SglangGrammar)]
        grammars, rows = [entry.grammar for entry in ours], [entry.row for entry in ours]
        budgets = [grammar.remaining_budget() for grammar in grammars]
        fill_texts([grammar.text for grammar in grammars], TokenMask.wrap(vocab_mask), rows, budgets)
        for grammar in grammars:
            grammar._report_failure()
        for entry in entries:
            if not isinstance(entry.grammar, SglangGrammar):
                entry.grammar.fill_vocab_mask(vocab_mask, entry.row)

    @staticmethod
    def reset_vocab_mask(vocab_mask: torch.Tensor) -> None:
        """Allow everything."""
        vocab_mask.fill_(-1)

    @staticmethod
    def move_vocab_mask(vocab_mask: torch.Tensor, device: Any) -> torch.Tensor:
        """Return the masks on the device of the logits."""
        return vocab_mask.to(device, non_blocking=True)

    @staticmethod
    def apply_vocab_mask(logits: torch.Tensor, vocab_mask: torch.Tensor) -> None:
        """Forbid tokens in the logits: by a kernel on a GPU, by torch elsewhere."""
        apply_mask_(logits, vocab_mask)

    def copy(self) -> SglangGrammar:
        """Return the grammar for another request."""
        return SglangGrammar(self.compiled)


class SglangBackend(BaseGrammarBackend):  # type: ignore[misc]
    """The back end of one scheduler. For a text after thoughts, SGLang calls three functions of masks here
    and not those of the grammar object."""

    allocate_vocab_mask = staticmethod(SglangGrammar.allocate_vocab_mask)
    move_vocab_mask = staticmethod(SglangGrammar.move_vocab_mask)
    apply_vocab_mask = staticmethod(SglangGrammar.apply_vocab_mask)

    def __init__(self, grammars: EngineGrammars, white_space: dict[str, Any]) -> None:
        super().__init__()
        self.cache: Recent[Any, Any] = Recent()
        self.grammars, self._white_space = grammars, white_space

    def _make_grammar(self, kind: str, value: Any, **options: Any) -> BaseGrammarObject:
        try:
            return SglangGrammar(
                self.grammars.compile_constraint({"structured_outputs": {kind: value, **options}})
            )
        except StructgenError as error:
            return InvalidGrammarObject(str(error))

    def get_cached_or_future_value(
        self, key: tuple[str, str], require_reasoning: bool
    ) -> tuple[BaseGrammarObject | Future[BaseGrammarObject], bool]:
        """Return the grammar object of a request, and True. If compiling takes longer, return its future, and
        False."""
        value, is_known = super().get_cached_or_future_value(key, require_reasoning)
        if is_known or not wait((value,), SOON).done or value.exception() is not None:
            return value, is_known
        self.set_cache(key, value.result().copy())
        return value.result(), True

    def dispatch_json(self, key_string: str) -> BaseGrammarObject:
        """Return the grammar of a JSON Schema; "$$ANY$$" stands for any object."""
        if key_string == "$$ANY$$":
            return self._make_grammar("json_object", True, **self._white_space)
        return self._make_grammar("json", key_string, **self._white_space)

    def dispatch_regex(self, key_string: str) -> BaseGrammarObject:
        """Return the grammar of a regular expression."""
        return self._make_grammar("regex", key_string)

    def dispatch_ebnf(self, key_string: str) -> BaseGrammarObject:
        """Return the grammar of a text in EBNF, or in Lark's form."""
        return self._make_grammar("grammar", key_string)

    def dispatch_structural_tag(self, key_string: str) -> BaseGrammarObject:
        """Return the grammar of a structural tag."""
        return self._make_grammar("structural_tag", key_string, **self._white_space)


def make_backend(tokenizer: Any, vocab_size: int, eos_token_ids: Any) -> BaseGrammarBackend:
    """Return a back end that is ready for requests. With a reasoning parser, its texts begin after thoughts.
    Raises OptionError for an unknown setting, TokenizerError, and SGLang's ValueError for strict thinking."""
    settings = get_serving()
    if settings.constrained_json_max_whitespace_cnt is not None:
        raise OptionError(
            "The option belongs to xgrammar's back end.",
            where="constrained_json_max_whitespace_cnt",
            cure="Remove it, or set constrained_json_whitespace_pattern.",
        )
    white_space = {
        "disable_any_whitespace": settings.constrained_json_disable_any_whitespace,
        "whitespace_pattern": settings.constrained_json_whitespace_pattern,
    }
    grammars = EngineGrammars(tokenizer, sorted(eos_token_ids or ()), vocab_size)
    grammars.preload_kinds()
    backend = SglangBackend(grammars, white_space)
    if not settings.reasoning_parser:
        return backend
    # SGLang wraps its own back ends in this way, but not those of its registry
    parser = ReasoningParser(
        model_type=settings.reasoning_parser, stream_reasoning=False, tokenizer=tokenizer
    )
    strict = settings.enable_strict_thinking
    reasoning_backend = ReasonerGrammarBackend(backend, parser, tokenizer, enable_strict_thinking=strict)
    reasoning_backend.cache = Recent()
    return reasoning_backend
