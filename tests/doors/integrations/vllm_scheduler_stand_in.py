"""vLLM's scheduler without vLLM: how proposals of a worker reach it, and what it does with them (0.32.0).

A step: the masks of the drafted places, the choices of the model there, as many of them as agree with the
draft and one more, and then the proposals for the next step."""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np


@dataclass
class DraftTokenIds:
    req_ids: list[str]
    draft_token_ids: list[list[int]]


def create_custom_proposer(vllm_config: Any) -> Any: ...


def install(manager: Any, put: Callable[[str, ModuleType], None], end: int) -> type:
    """Put the modules of drafting in place behind those of `vllm_stand_in`; return the scheduler's class.
    `end`: the token at which thoughts end."""
    validate = manager.validate_tokens

    def _get_constraint_bounds(
        self: Any, request: Any, spec_tokens: Sequence[int], spec_tokens_committed: bool = False
    ) -> Any:
        return SimpleNamespace(constraint_start=0 if request.reasoning_ended else 1)

    def validate_tokens(self: Any, request: Any, spec_tokens: list[int]) -> list[int]:
        if not request.use_structured_output:
            return spec_tokens
        found: list[int] = validate(self, request, spec_tokens, None if request.reasoning_ended else end)
        return found

    manager.validate_tokens, manager._get_constraint_bounds = validate_tokens, _get_constraint_bounds

    class Scheduler:
        def __init__(self, manager: Any, max_model_len: int) -> None:
            self.structured_output_manager, self.max_model_len = manager, max_model_len
            self.requests: dict[str, Any] = {}

        def update_draft_token_ids(self, draft_token_ids: DraftTokenIds) -> None:
            for name, tokens in zip(draft_token_ids.req_ids, draft_token_ids.draft_token_ids, strict=True):
                request = self.requests.get(name)
                if request is None or request.is_finished():
                    continue
                if request.is_prefill_chunk:
                    request.spec_token_ids = []
                    continue
                request.spec_token_ids = self.structured_output_manager.validate_tokens(request, tokens)

    modules: dict[str, dict[str, Any]] = {
        "vllm.v1.core": {},
        "vllm.v1.core.sched": {},
        "vllm.v1.core.sched.scheduler": {"Scheduler": Scheduler},
        "vllm.v1.outputs": {"DraftTokenIds": DraftTokenIds},
        "vllm.v1.spec_decode": {},
        "vllm.v1.spec_decode.custom_class_proposer": {"create_custom_proposer": create_custom_proposer},
    }
    for name, values in modules.items():
        module = ModuleType(name)
        vars(module).update(values)
        above, _, last = name.rpartition(".")
        setattr(sys.modules[above], last, module)
        put(name, module)
    return Scheduler


def scheduled(request: Any, name: str, prompt: Sequence[int]) -> Any:
    """Return a request with what the scheduler's own one has besides."""
    request.request_id, request.prompt_token_ids = name, list(prompt)
    request.spec_token_ids, request.is_prefill_chunk = [], False
    request.ended = False
    kind = type(request)
    kind.output_token_ids = property(lambda self: self.output)
    kind.num_tokens = property(lambda self: self.num_prompt_tokens + len(self.output))
    kind.use_structured_output = property(lambda self: self.structured_output_request is not None)
    kind.is_finished = lambda self: self.ended
    return request


def step(
    scheduler: Any, proposer: Any, choose: Callable[[Any, Sequence[int], list[int]], int], end: int
) -> None:
    """Run one step of all requests. `choose`: the token that the model writes behind an output, of those
    that may come."""
    manager, running = scheduler.structured_output_manager, []
    for request in scheduler.requests.values():
        if request.is_finished():
            continue
        running.append(request)
        ends = None if request.reasoning_ended else end
        drafted, taken = request.spec_token_ids, list[int]()
        rows: Any = [None] * (len(drafted) + 1)
        if request.use_structured_output:
            rows = manager.masks(request, drafted, ends)
        for row, guess in zip(rows, [*drafted, None], strict=True):
            bits = [] if row is None else np.unpackbits(row.view(np.uint8), bitorder="little")
            may = [int(token) for token in np.flatnonzero(bits)]
            taken.append(choose(request, [*request.output, *taken], may))
            if taken[-1] != guess:
                break
        stops = [at for at, token in enumerate(taken) if token in request.sampling_params.all_stop_token_ids]
        taken = taken[: min([at + 1 for at in stops] + [request.max_tokens - len(request.output)])]
        request.output += taken
        assert not request.use_structured_output or manager.accept_tokens(request, taken, ends)
        request.ended = bool(stops) or len(request.output) >= request.max_tokens
    names = [request.request_id for request in running]
    scheduler.update_draft_token_ids(DraftTokenIds(names, proposer.propose([[0]] * len(names), 0, None)))
