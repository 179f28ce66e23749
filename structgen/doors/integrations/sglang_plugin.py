"""structgen as a grammar back end of SGLang: `--grammar-backend structgen`.

A *back end* gives SGLang masks; a *hook* is a function of SGLang that we call, replace or implement. SGLang
has a registry of back ends, and one of hooks. It loads the entry point `sglang.srt.plugins` in all of its
processes. docs/serving-engines.md describes what is served.
"""

from __future__ import annotations

from typing import Any, Final

from structgen.doors.integrations.engine_hooks import Hook, check_engine

NAME: Final = "structgen"
VERSIONS: Final = ("0.5.23",)
"""The releases whose hooks we have read, and which we have run."""
_BASE: Final = "sglang.srt.constrained.base_grammar_backend"
_MANAGER: Final = "sglang.srt.constrained.grammar_manager:GrammarManager"
_HAS_GRAMMAR: Final = "_apply_request_reasoning_config"
"""The method that the grammar manager calls for each request when its grammar is ready."""
_GRAMMAR: Final[dict[str, tuple[str, ...]]] = {
    "maybe_init_reasoning": ("self", "reasoning"),
    "accept_token": ("self", "token"),
    "rollback": ("self", "k"),
    "is_terminated": ("self",),
    "allocate_vocab_mask": ("self", "vocab_size", "batch_size", "device"),
    "fill_vocab_mask": ("self", "vocab_mask", "idx"),
    "fill_vocab_mask_batched": ("entries", "vocab_mask"),
    "reset_vocab_mask": ("vocab_mask",),
    "move_vocab_mask": ("vocab_mask", "device"),
    "apply_vocab_mask": ("logits", "vocab_mask"),
    "copy": ("self",),
}
HOOKS: Final = (
    *(Hook(f"{_BASE}:BaseGrammarObject.{name}", parameters) for name, parameters in _GRAMMAR.items()),
    *(
        Hook(f"{_BASE}:BaseGrammarBackend.dispatch_{kind}", ("self", "key_string"))
        for kind in ("json", "regex", "ebnf", "structural_tag")
    ),
    Hook(f"{_BASE}:InvalidGrammarObject", ("error_message",)),
    Hook(f"{_BASE}:register_grammar_backend", ("name", "init_func")),
    Hook(f"{_MANAGER}.{_HAS_GRAMMAR}", ("self", "req")),
    Hook("sglang.srt.managers.schedule_batch:FINISH_ABORT", ("message", "status_code", "err_type")),
    Hook("sglang.srt.managers.schedule_batch:Req.set_finish_with_abort", ("self", "error_msg", "...")),
    Hook(
        "sglang.srt.constrained.reasoner_grammar_backend:ReasonerGrammarBackend",
        ("grammar_backend", "reasoning_parser", "tokenizer", "enable_strict_thinking"),
    ),
)
"""The functions of SGLang that we implement, call or are called after."""


def register() -> None:
    """The entry point. It registers the name of the back end, the function that makes it, and the hook that
    shows a request to its grammar."""
    from sglang.srt.arg_groups.choices import (  # optional: the engine
        GRAMMAR_BACKEND_CHOICES,
        add_grammar_backend_choices,
    )
    from sglang.srt.constrained.base_grammar_backend import register_grammar_backend
    from sglang.srt.plugins.hook_registry import HookRegistry, HookType

    if NAME in GRAMMAR_BACKEND_CHOICES:
        return
    add_grammar_backend_choices([NAME])
    register_grammar_backend(NAME, create_backend)
    HookRegistry.register(f"{_MANAGER.replace(':', '.')}.{_HAS_GRAMMAR}", _admit_request, HookType.AFTER)


def create_backend(
    server_args: Any,
    tokenizer: Any,
    vocab_size: int,
    eos_token_ids: Any,
) -> Any:
    """Return the back end of a scheduler, ready for the first request. The parameters are those of SGLang's
    registry (`register_grammar_backend`). Raises OptionError for a release that is not known, hooks that have
    changed, and settings that would be dropped."""
    import sglang  # optional: the engine

    check_engine("sglang", sglang.__version__, VERSIONS, HOOKS)
    from structgen.doors.integrations.sglang_backend import make_backend  # start-up: where it is chosen

    return make_backend(tokenizer, vocab_size, eos_token_ids)


def _admit_request(result: None, manager: Any, request: Any) -> None:
    """Give a request to its grammar object, if that is ours."""
    grammar = getattr(request.grammar, "grammar", request.grammar)  # with thoughts, ours is wrapped
    admit = getattr(grammar, "structgen_admits", None)
    if admit is not None:
        admit(request, thinks=grammar is not request.grammar)
