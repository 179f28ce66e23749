"""The back end that `vllm_plugin` adds to vLLM. This module imports vLLM.

A *back end* makes the grammar object of each request; a *grammar object* follows one text and fills its
masks. A *step* is one pass of the engine; masks that a step asks for are written together at its end.
"""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable
from typing import Any, ClassVar, Final, TypeVar
from weakref import proxy

import torch
from vllm.v1.structured_output.backend_types import StructuredOutputBackend, StructuredOutputGrammar

from structgen.asking.request_reading.request_members import REQUESTS
from structgen.base.errors import OptionError, StructgenError
from structgen.doors.integrations.engine_grammars import (
    SOON,
    EngineGrammars,
    EngineText,
    check_room,
    fill_texts,
)
from structgen.tokens.token_mask import TokenMask

T = TypeVar("T")
MaskRequest = tuple[EngineText, EngineText, int, int | None]
"""A mask that a step asks for: (text, copy of the text at that time, row, budget)."""
_log = logging.getLogger("vllm.plugins.structgen")
_grammars_by_config: Final[dict[int, tuple[Any, EngineGrammars]]] = {}
"""The configuration and the grammars of each model, by the `id` of the configuration. Front end and engine
share them if they run in one process."""
_lock: Final = threading.Lock()


def grammars_of(model_config: Any, tokenizer: Any) -> EngineGrammars:
    """Return the grammars of a model's requests in this process. Raises TokenizerError for a tokenizer that
    cannot be read."""
    with _lock:
        config_and_grammars = _grammars_by_config.get(id(model_config))
        if config_and_grammars is None:
            end_setting = model_config.try_get_generation_config().get("eos_token_id")
            ends = {
                *([end_setting] if isinstance(end_setting, int) else end_setting or ()),
                tokenizer.eos_token_id,
            } - {None}
            config_and_grammars = (
                model_config,
                EngineGrammars(tokenizer, sorted(ends), model_config.get_vocab_size()),
            )
            _grammars_by_config[id(model_config)] = config_and_grammars
        return config_and_grammars[1]


def check_request(params: Any, grammars: EngineGrammars, room: int | None = None) -> None:
    """Check the parameters of a request, and compile its grammar. `room`: the tokens that the context leaves.
    Raises StructgenError for a request that is refused. Here the client gets the error; in the engine it
    would be an error of the server."""
    if params.ignore_eos:
        raise OptionError(
            "After the end of the document the text would not be constrained.",
            where="ignore_eos",
            cure="Remove it.",
        )
    compiled_grammar = grammars.compile_constraint(constraint_of(params.structured_outputs))
    bounds = [bound for bound in (params.max_tokens, room) if bound is not None]
    if bounds and not _is_prefill(params):
        check_room(compiled_grammar, min(bounds), "max_tokens")


def constraint_of(outputs: Any) -> dict[str, Any]:
    """Return the constraint of `StructuredOutputsParams` as a member of a request, e.g. {"json": {...}}."""
    members = {name: getattr(outputs, name) for name in REQUESTS.objects["structured_outputs"]}
    return {
        "structured_outputs": {name: value for name, value in members.items() if value not in (None, False)}
    }


def _is_prefill(params: Any) -> bool:
    """Return whether another instance of vLLM writes the text. This one then only fills the cache, and writes
    a token that is not used."""
    return bool(((params.extra_args or {}).get("kv_transfer_params") or {}).get("do_remote_decode"))


class VllmGrammar(StructuredOutputGrammar):  # type: ignore[misc]
    """The text of one request. With its end token it is complete within the tokens of the request."""

    def __init__(self, backend: VllmBackend, text: EngineText, request: Any = None) -> None:
        """Follow `text`. Without a `request` there is no budget. The request is referred to weakly, because
        it holds this object."""
        self.backend, self.text = backend, text
        self.request: Any = None if request is None else proxy(request)

    def _remaining_budget(self) -> int | None:
        """Return how many tokens the text may still take, without the end token; None: any number."""
        request = self.request
        if request is None:
            return None
        max_tokens = min(request.max_tokens, self.backend.model_len - request.num_prompt_tokens)
        return self.text.remaining_budget(max_tokens, request.num_output_tokens)

    def accept_tokens(self, request_id: str, tokens: list[int]) -> bool:
        """Take tokens. If one is not allowed, log the reason and return False."""
        self.backend.keep_position(self.text)
        for token in tokens:
            if self.is_terminated():
                break
            try:
                self.text.take_token(token)
            except StructgenError as error:
                self.backend.fill_requested()  # vLLM copies this row to later rows
                _log.error("Request %s: %s", request_id, error)
                if self.request is not None:
                    self.request.stop_reason = str(error)  # the engine's output takes it to the server
                return False
        return True

    def validate_tokens(self, tokens: list[int]) -> list[int]:
        """Return the drafted tokens before the first one that is not allowed."""
        try:
            return tokens[: self.text.count_allowed(tokens, self._remaining_budget())]
        except StructgenError:  # a limit; the mask of this position will report it
            return []

    def rollback(self, num_tokens: int) -> None:
        """Take the last tokens back."""
        self.backend.keep_position(self.text)
        self.text.rollback(num_tokens)

    def fill_bitmask(self, bitmask: torch.Tensor, batch_index: int) -> None:
        """Write the mask of the next token. In a step it is written at the end
        (`VllmBackend.in_one_call`)."""
        backend, text, budget = self.backend, self.text, self._remaining_budget()
        mask = backend.wrap_mask(bitmask)
        if backend.mask_requests is None:
            text.fill_row(mask, batch_index, budget)
        else:
            backend.mask_requests.append((text, text, batch_index, budget))

    def is_terminated(self) -> bool:
        """Return whether the text has ended."""
        return self.text.is_finished

    def reset(self) -> None:
        """Begin again."""
        self.text.reset()


class VllmBackend(StructuredOutputBackend):  # type: ignore[misc]
    """The back end of one engine."""

    name: ClassVar[str] = "structgen"
    soon = SOON

    def __init__(self, vllm_config: Any, tokenizer: Any, vocab_size: int) -> None:
        super().__init__(vllm_config, tokenizer, vocab_size)
        self.model_len = vllm_config.model_config.max_model_len
        self.draft_length = vllm_config.num_speculative_tokens
        self.grammars = grammars_of(vllm_config.model_config, tokenizer)
        self.grammars.preload_kinds()
        self._wrapped_mask: tuple[torch.Tensor, TokenMask] | None = None
        self.mask_requests: list[MaskRequest] | None = None
        """The masks that the current step has asked for; None: each mask is written at once."""

    def compile_grammar(
        self, request_type: Any, grammar_spec: str, stop_token_ids: set[int] | None = None
    ) -> VllmGrammar:
        """Return the grammar of a constraint, for a text of any length."""
        kind = request_type.name.lower()
        value = json.loads(grammar_spec) if kind == "choice" else kind == "json_object" or grammar_spec
        compiled_grammar = self.grammars.compile_constraint({"structured_outputs": {kind: value}})
        return VllmGrammar(self, EngineText(compiled_grammar, tuple(stop_token_ids or ())))

    def grammar_of(self, request: Any, *, thinks: bool) -> VllmGrammar:
        """Return the grammar object of a request. `thinks`: whether its text may begin after thoughts."""
        params = request.sampling_params
        try:
            compiled_grammar = self.grammars.compile_constraint(constraint_of(params.structured_outputs))
        except StructgenError as error:
            _log.error("Request %s: %s", request.request_id, error)
            raise
        # a draft in which thoughts end has tokens of thoughts that we do not see
        text = EngineText(
            compiled_grammar, tuple(params.all_stop_token_ids), self.draft_length if thinks else 0
        )
        # the first mask finds out whether the text fits, without extra cost
        text.must_fit = not thinks
        return VllmGrammar(self, text, None if _is_prefill(params) else request)

    def allocate_token_bitmask(self, max_num_seqs: int) -> torch.Tensor:
        """Return masks that allow everything."""
        return torch.full((max_num_seqs, (self.vocab_size + 31) // 32), -1, dtype=torch.int32)

    def wrap_mask(self, bitmask: torch.Tensor) -> TokenMask:
        """Return our view of vLLM's masks. All calls pass the same masks, so the view is kept."""
        if self._wrapped_mask is None or self._wrapped_mask[0] is not bitmask:
            self._wrapped_mask = bitmask, TokenMask.wrap(bitmask)
        return self._wrapped_mask[1]

    def in_one_call(self, step: Callable[[], T]) -> T:
        """Run a step of vLLM, and return its result. The step asks for masks row by row, and one call writes
        all of them at its end."""
        self.mask_requests = []
        try:
            result = step()
            self.fill_requested()
            return result
        finally:
            self.mask_requests = None

    def keep_position(self, text: EngineText) -> None:
        """Copy the state of a text whose mask is not written yet. Call this before the text takes a drafted
        token, or takes tokens back."""
        if self.mask_requests and self.mask_requests[-1][1] is text:
            self.mask_requests[-1] = (text, text.snapshot_text(), *self.mask_requests[-1][2:])

    def fill_requested(self) -> None:
        """Write the masks that the current step has asked for so far, if any."""
        if self.mask_requests and self._wrapped_mask is not None:
            texts, snapshots, rows, budgets = zip(*self.mask_requests, strict=True)
            fill_texts(snapshots, self._wrapped_mask[1], rows, budgets)
            for text, snapshot in zip(texts, snapshots, strict=True):
                text.failure = text.failure or snapshot.failure
            self.mask_requests.clear()

    def destroy(self) -> None:
        """Drop the compiled grammars."""
        self.grammars.clear_grammars()
