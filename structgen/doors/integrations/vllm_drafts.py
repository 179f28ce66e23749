"""Our drafts in vLLM: `--speculative-config '{"model": "structgen.integrations.vllm_drafts.Drafts", ...}'`.

A *draft* is a chain of guessed tokens; a *proposer* is vLLM's object that makes drafts. vLLM makes a proposer
of the class that this option names, in each worker. Workers have no grammar, so ours proposes nothing there.
The scheduler, which has the grammars and all tokens, receives the proposals of each step, and we replace them
by our drafts. vLLM then drops tokens that a grammar or a budget forbids, and reads the draft in one pass of
the model. It accepts the tokens that the model would have written.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import wraps
from typing import Any, Final

from structgen.base.errors import OptionError
from structgen.doors.integrations.engine_hooks import Hook, check_engine

__all__ = ["Drafts"]
_SCHEDULER: Final = "vllm.v1.core.sched.scheduler:Scheduler"
_MANAGER: Final = "vllm.v1.structured_output:StructuredOutputManager"
HOOKS: Final = (
    Hook("vllm.v1.spec_decode.custom_class_proposer:create_custom_proposer", ("vllm_config",)),
    Hook(f"{_SCHEDULER}.update_draft_token_ids", ("self", "draft_token_ids")),
    Hook(f"{_MANAGER}.validate_tokens", ("self", "request", "spec_tokens")),
    Hook(f"{_MANAGER}._get_constraint_bounds", ("self", "request", "spec_tokens", "...")),
    Hook("vllm.v1.outputs:DraftTokenIds", ("req_ids", "draft_token_ids")),
)
"""The names of vLLM that we depend on, each with its parameters. In order: the function that creates our
class; the method that we replace; the method that checks our drafts in it; the method and the class that we
call."""


class Drafts:
    """The proposer in a worker, with the methods that vLLM calls. It proposes nothing; the scheduler does."""

    name: Final = "structgen.integrations.vllm_drafts.Drafts"

    def __init__(self, vllm_config: Any) -> None:
        """Check the configuration. Raises OptionError if another back end is chosen, because then nothing in
        the scheduler would make drafts."""
        if vllm_config.structured_outputs_config.backend != "structgen":
            raise OptionError(
                "The proposer drafts only from the grammars of structgen's back end.",
                where="speculative_config.model",
                cure="Set the back end structgen in structured_outputs_config, or another proposer.",
            )

    def load_model(self, *_: Any) -> None:
        """Do nothing: there is no model."""

    def propose(self, sampled_token_ids: Sequence[Any], *_: Any, **__: Any) -> list[list[int]]:
        """Return an empty proposal for each request."""
        return [[] for _ in sampled_token_ids]


def draft_for(manager: Any, versions: Sequence[str]) -> None:
    """Have the scheduler make drafts, if the configuration of `manager` names our class. `versions`: the
    known releases of vLLM. Raises OptionError for hooks that have changed."""
    config = manager.vllm_config
    if config.speculative_config is None or config.speculative_config.model != Drafts.name:
        return
    import vllm  # optional: the engine

    check_engine("vllm", vllm.__version__, versions, HOOKS)
    from vllm.v1.core.sched.scheduler import Scheduler  # optional: the engine

    # start-up: drafters, where they are chosen
    from structgen.doors.integrations.engine_drafts import EngineDrafts
    from structgen.doors.integrations.vllm_backend import grammars_of

    grammars = grammars_of(config.model_config, manager.tokenizer)
    manager.structgen_drafts = EngineDrafts(grammars.tokenizer, config.num_speculative_tokens)
    if not hasattr(Scheduler.update_draft_token_ids, "__wrapped__"):
        Scheduler.update_draft_token_ids = _replace_proposals(Scheduler.update_draft_token_ids)


def _replace_proposals(others: Any) -> Any:
    """Return a replacement for the scheduler's method that receives the proposals of workers. It replaces
    them by our drafts, and then calls `others`, the original method, with these."""
    from vllm.platforms import current_platform  # optional: the engine
    from vllm.v1.outputs import DraftTokenIds

    from structgen.doors.integrations.engine_drafts import DraftedRequest  # start-up: as above

    @wraps(others)
    def update_draft_token_ids(self: Any, draft_token_ids: Any) -> None:
        """Replace the proposals of workers, `draft_token_ids`, by our drafts for the same requests."""
        manager = self.structured_output_manager
        drafts = getattr(manager, "structgen_drafts", None)
        if drafts is None:
            others(self, draft_token_ids)
            return
        requests = [self.requests.get(name) for name in draft_token_ids.req_ids]
        batch = [
            DraftedRequest(
                request,
                request.prompt_token_ids or (),
                request.output_token_ids,
                _constrained_text(manager, request),
                _draft_room(request, self.max_model_len, current_platform.device_type == "cpu"),
            )
            for request in requests
            if request is not None and not request.is_finished()
        ]
        proposals = [draft.tokens.tolist() for draft in drafts.plan_drafts(batch)]
        others(self, DraftTokenIds([request.request.request_id for request in batch], proposals))

    return update_draft_token_ids


def _constrained_text(manager: Any, request: Any) -> Any:
    """Return our text object of a request if a grammar constrains its next token, else None."""
    if not request.use_structured_output or manager._get_constraint_bounds(request, ()).constraint_start:
        return None
    return request.structured_output_request.grammar.text


def _draft_room(request: Any, model_len: int, on_cpu: bool) -> int:
    """Return how many tokens may be proposed for a request; a number below 1 means none.

    `model_len`: the most tokens of a text of the model. `on_cpu`: whether vLLM runs on a CPU.

    The number is 0 if a seed makes the request's draws repeatable, because vLLM's verification draws other
    tokens than its sampler, though from the same law. On a CPU it is 0 for any request that draws, because
    vLLM 0.32 verifies draws there at temperatures that it never set (vllm#42638).
    """
    params = request.sampling_params
    if params.temperature and (on_cpu or params.seed is not None):
        return 0
    remaining: int = min(request.max_tokens - request.num_output_tokens, model_len - request.num_tokens)
    return remaining - 1  # the model itself writes one more token in each step
