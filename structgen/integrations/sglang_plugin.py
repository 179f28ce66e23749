"""structgen as a grammar back end of SGLang: `--grammar-backend structgen`.

SGLang has a registry of back ends, and one of hooks; it loads the entry point `sglang.srt.plugins` in all of
its processes. docs/serving-engines.md says what is served.
"""

from __future__ import annotations

from typing import Any, Final

from structgen.integrations.engine_hooks import check_engine, hooks_of

NAME: Final = "structgen"
VERSIONS: Final = ("0.5.23",)
"""Releases whose hooks were read, and which were run."""
_BASE: Final = "sglang.srt.constrained.base_grammar_backend"
_GRAMMAR: Final = f"{_BASE}:BaseGrammarObject"
_MANAGER: Final = "sglang.srt.constrained.grammar_manager:GrammarManager"
_HAS_GRAMMAR: Final = "_apply_request_reasoning_config"
"""The manager calls it for each request once its grammar is there."""
HOOKS: Final = hooks_of(
    f"""
{_GRAMMAR}.maybe_init_reasoning self reasoning
{_GRAMMAR}.accept_token self token
{_GRAMMAR}.rollback self k
{_GRAMMAR}.is_terminated self
{_GRAMMAR}.allocate_vocab_mask self vocab_size batch_size device
{_GRAMMAR}.fill_vocab_mask self vocab_mask idx
{_GRAMMAR}.fill_vocab_mask_batched entries vocab_mask
{_GRAMMAR}.reset_vocab_mask vocab_mask
{_GRAMMAR}.move_vocab_mask vocab_mask device
{_GRAMMAR}.apply_vocab_mask logits vocab_mask
{_GRAMMAR}.copy self
{_GRAMMAR}.try_jump_forward self tokenizer
{_GRAMMAR}.jump_forward_str_state self helper
{_GRAMMAR}.jump_and_retokenize self old_output_ids new_output_ids next_state
{_BASE}:BaseGrammarBackend.dispatch_json self key_string
{_BASE}:BaseGrammarBackend.dispatch_regex self key_string
{_BASE}:BaseGrammarBackend.dispatch_ebnf self key_string
{_BASE}:BaseGrammarBackend.dispatch_structural_tag self key_string
{_BASE}:InvalidGrammarObject error_message
{_BASE}:register_grammar_backend name init_func
{_MANAGER}.{_HAS_GRAMMAR} self req
sglang.srt.managers.schedule_batch:FINISH_ABORT message status_code err_type
sglang.srt.managers.schedule_batch:Req.set_finish_with_abort self error_msg ...
sglang.srt.constrained.reasoner_grammar_backend:ReasonerGrammarBackend
    grammar_backend reasoning_parser tokenizer enable_strict_thinking
"""
)
"""What we implement, call and follow."""


def register() -> None:
    """The entry point: the name, the maker of the back end, and the hook that shows it the requests."""
    from sglang.srt.arg_groups.choices import (  # optional: the engine
        GRAMMAR_BACKEND_CHOICES,
        add_grammar_backend_choices,
    )
    from sglang.srt.constrained.base_grammar_backend import register_grammar_backend
    from sglang.srt.plugins.hook_registry import HookRegistry, HookType

    if NAME in GRAMMAR_BACKEND_CHOICES:
        return
    add_grammar_backend_choices([NAME])
    register_grammar_backend(NAME, make)
    HookRegistry.register(f"{_MANAGER.replace(':', '.')}.{_HAS_GRAMMAR}", _admit, HookType.AFTER)


def make(server_args: Any, tokenizer: Any, vocab_size: int, eos_token_ids: Any) -> Any:
    """Return the back end of a scheduler, ready for the first request. Raises OptionError for a release that
    is not known, hooks that have changed, and settings that would be dropped."""
    import sglang  # optional: the engine

    check_engine("sglang", sglang.__version__, VERSIONS, HOOKS)
    from structgen.integrations.sglang_backend import made_backend  # start-up: where it is chosen

    return made_backend(tokenizer, vocab_size, eos_token_ids)


def _admit(result: None, manager: Any, request: Any) -> None:
    """Show a request to its grammar, if that is ours."""
    grammar = getattr(request.grammar, "grammar", request.grammar)  # behind thoughts: wrapped
    admitted = getattr(grammar, "structgen_admits", None)
    if admitted is not None:
        admitted(request, thinks=grammar is not request.grammar)
