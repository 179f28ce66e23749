"""Our masks in the continuous batching of transformers (`model.generate_batch`).

A *step* is one pass of the model for a batch of requests. Its processors have an interface of their own: a
processor receives a number for each row of a step. Ours receives the number of the row's mask.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from structgen_kernels.reference import NEVER, allowed_of
from transformers import ContinuousBatchingConfig, GenerationConfig
from transformers.generation.continuous_batching.cb_logits_processors import ContinuousBatchingLogitsProcessor

from structgen.base.errors import OptionError
from structgen.doors.integrations.engine_grammars import EngineText, check_room
from structgen.machines.core.compiled import CompiledGrammar
from structgen.tokens.token_mask import allocate_mask


class GenerationMasks(ContinuousBatchingLogitsProcessor):  # type: ignore[misc]
    """Masks for `generate_batch`, whose steps run one after the other.

    A request names its grammar by the option `structgen=i`, an index of `grammars`. An error of a mask is
    noted in `failures` by the request's id, and ends its text.
    """

    supported_kwargs: ClassVar[dict[str, type]] = {"structgen": int}
    ignored_kwargs: ClassVar[tuple[str, ...]] = ()

    def __init__(self, grammars: Sequence[CompiledGrammar | None], width: int, token_limit: int) -> None:
        self.grammars, self.width, self.token_limit = grammars, width, token_limit
        self.failures: dict[str, str] = {}
        self._texts: dict[str, EngineText] = {}
        self._mask = allocate_mask(1, width)
        self._mask.array[0] = -1  # row 0 allows everything: for free texts, and for rows that pad a step

    def fill_defaults(self, int32_tensor: torch.Tensor) -> None:
        """Fill a tensor with 0, the number of the mask that allows everything."""
        int32_tensor.fill_(0)

    def prepare_tensor_args(self, requests_with_new_token: list[Any]) -> torch.Tensor:
        """Fill the masks of a step; return the numbers of their rows, int32 [requests]."""
        states = [request.state for request in requests_with_new_token]
        if self._mask.rows <= len(states):
            self._mask = allocate_mask(2 * len(states) + 1, self.width)
            self._mask.array[0] = -1
        return torch.tensor(
            [self._fill_row(state, row) for row, state in enumerate(states, 1)], dtype=torch.int32
        )

    def _fill_row(self, state: Any, row: int) -> int:
        """Fill the mask of a request in a row, and return the row; 0 for a request without a grammar."""
        grammar = self.grammars[state.logit_processor_kwargs["structgen"]]
        if grammar is None:
            return 0
        text = self._texts.get(state.request_id)
        if text is None:
            text = self._texts[state.request_id] = EngineText(grammar, tuple(state._eos_token_ids))
        # if a request was interrupted, the tokens of its text have become a part of its prompt
        start = state._true_initial_tokens or len(state.initial_tokens)
        written_tokens = [*state.initial_tokens, *state.generated_tokens][start:]
        for token in written_tokens[text.size :]:
            text.take_token(token)
        text.fill_row(self._mask, row, text.remaining_budget(self.token_limit, len(written_tokens)))
        if text.failure is not None:
            self.failures[state.request_id] = str(text.failure)
        return row

    def __call__(self, scores: torch.Tensor, tensor_arg: torch.Tensor) -> torch.Tensor:
        """Return the scores [rows, V], -inf for tokens that may not come."""
        chosen = torch.from_numpy(self._mask.array).to(scores.device)[tensor_arg[: scores.size(0)].long()]
        return scores.masked_fill(~allowed_of(chosen, scores.size(1)), NEVER)


def write_batch(
    model: Any,
    inputs: Sequence[Sequence[int]],
    grammars: Sequence[CompiledGrammar | None],
    generation_config: GenerationConfig,
    batching: ContinuousBatchingConfig | None,
) -> list[Any]:
    """Return transformers' outputs for prompts, each under its grammar; see `transformers.generate_batch`."""
    config = ContinuousBatchingConfig() if batching is None else batching
    for option in ("use_async_batching", "use_cuda_graph"):
        if getattr(config, option):
            raise OptionError(
                "A mask can only be computed after the token before it.",
                where=option,
                cure="Remove it, or set it to False.",
            )
        setattr(config, option, False)
    config.per_request_processors = True
    max_tokens = generation_config.max_new_tokens
    for compiled_grammar in dict.fromkeys(grammar for grammar in grammars if grammar is not None):
        check_room(compiled_grammar, max_tokens, "max_new_tokens")
    manager = model.init_continuous_batching(
        generation_config=generation_config, continuous_batching_config=config
    )
    masks = GenerationMasks(grammars, model.get_output_embeddings().weight.shape[0], max_tokens)
    processors = manager.logit_processor
    # the masks come before other processors, because top_k could remove all tokens that are allowed
    processors.logits_processor.insert(0, masks)
    processors.tensors_required += 1
    processors.do_processing = True
    processors.supported_keys.update(masks.supported_kwargs)
    results: dict[str, Any] = {}
    manager.start()
    try:
        names = [
            manager.add_request(list(prompt), max_new_tokens=max_tokens, structgen=number)
            for number, prompt in enumerate(inputs)
        ]
        while len(results) < len(names) and (manager.is_running() or not results):
            result = manager.get_result(timeout=1)
            if result is not None and result.is_finished():
                results[result.request_id] = result
    finally:
        manager.stop(block=True)
    for name, failure in masks.failures.items():
        results[name].error = failure
    return [results[name] for name in names]
