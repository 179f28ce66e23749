"""SGLang's hooks without SGLang: names, parameters, and the order of the calls, as recorded in 0.5.23.

The scheduler is written from what was recorded: a grammar is made in a pool and kept, a copy goes to each
request, masks are filled for a batch, drafted tokens are walked as a tree, and an error of a token that
is no ValueError ends the scheduler.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from types import ModuleType, SimpleNamespace
from typing import Any, NamedTuple

import torch

VERSION = "0.5.23"


def install(put: Callable[[str, ModuleType], None], version: str = VERSION) -> SimpleNamespace:
    """Put the modules of SGLang in place with `put`; return what tests touch of them."""
    base, serving = _base(), _serving()
    reasoner, hooks = _reasoner(base), _hooks()
    manager = _manager(base, reasoner)
    choices = ["xgrammar", "none"]
    srt = "sglang.srt"
    modules: dict[str, dict[str, Any]] = {
        "sglang": {"__version__": version},
        srt: {},
        f"{srt}.arg_groups": {},
        f"{srt}.arg_groups.choices": {
            "GRAMMAR_BACKEND_CHOICES": choices,
            "add_grammar_backend_choices": choices.extend,
        },
        f"{srt}.constrained": {},
        f"{srt}.constrained.base_grammar_backend": vars(base),
        f"{srt}.constrained.grammar_manager": {"GrammarManager": manager},
        f"{srt}.constrained.reasoner_grammar_backend": {
            "ReasonerGrammarBackend": reasoner.ReasonerGrammarBackend
        },
        f"{srt}.managers": {},
        f"{srt}.managers.schedule_batch": {"Req": Req, "FINISH_ABORT": FINISH_ABORT},
        f"{srt}.parser": {},
        f"{srt}.parser.reasoning_parser": {"ReasoningParser": SimpleNamespace},
        f"{srt}.plugins": {},
        f"{srt}.plugins.hook_registry": vars(hooks),
        f"{srt}.runtime_context": {"get_serving": lambda: serving},
    }
    for name, contents in modules.items():
        module = ModuleType(name)
        vars(module).update(contents)
        put(name, module)
    return SimpleNamespace(
        serving=serving, choices=choices, base=base, reasoner=reasoner, hooks=hooks, GrammarManager=manager
    )


def _serving() -> SimpleNamespace:
    return SimpleNamespace(
        constrained_json_disable_any_whitespace=False,
        constrained_json_whitespace_pattern=None,
        constrained_json_max_whitespace_cnt=None,
        reasoning_parser=None,
        enable_strict_thinking=False,
    )


@dataclass
class FINISH_ABORT:
    """Why the scheduler ends a request at its next token, whichever it is."""

    message: str | None = None
    status_code: int | None = None
    err_type: str | None = None


class Req:
    """What the scheduler holds of a request."""

    def __init__(self, kind: str, text: str, max_new_tokens: int = 60, **params: Any) -> None:
        self.key = kind, text
        self.sampling_params = SimpleNamespace(
            max_new_tokens=max_new_tokens,
            min_new_tokens=params.get("min_new_tokens", 0),
            stop_token_ids=params.get("stop_token_ids"),
        )
        self.require_reasoning = params.get("thinks", False)
        self.output_ids: list[int] = []
        self.grammar: Any = None
        self.aborted: str | None = None
        self.to_finish: FINISH_ABORT | None = None

    def set_finish_with_abort(
        self, error_msg: str, status_code: int = 400, err_type: str = "BadRequestError"
    ) -> None:
        self.grammar, self.aborted = None, error_msg


def _base() -> SimpleNamespace:
    class GrammarRow(NamedTuple):
        row: int
        grammar: Any

    class BaseGrammarObject:
        def __init__(self) -> None:
            self.finished = False
            self.current_token = None
            self.grammar_stats = None

        def maybe_init_reasoning(self, reasoning: bool) -> None:
            pass

        def accept_token(self, token: int) -> None: ...
        def rollback(self, k: int) -> None: ...
        def is_terminated(self) -> bool:
            return False

        def allocate_vocab_mask(self, vocab_size: int, batch_size: int, device: Any) -> Any: ...
        def fill_vocab_mask(self, vocab_mask: Any, idx: int) -> None: ...
        @staticmethod
        def fill_vocab_mask_batched(entries: Sequence[GrammarRow], vocab_mask: Any) -> None:
            for entry in entries:
                entry.grammar.fill_vocab_mask(vocab_mask, entry.row)

        @staticmethod
        def reset_vocab_mask(vocab_mask: Any) -> None: ...
        @staticmethod
        def move_vocab_mask(vocab_mask: Any, device: Any) -> Any: ...
        @staticmethod
        def apply_vocab_mask(logits: Any, vocab_mask: Any) -> None: ...
        def copy(self) -> Any:
            return self

        def try_jump_forward(self, tokenizer: Any) -> Any: ...
        def jump_forward_str_state(self, helper: Any) -> Any: ...
        def jump_and_retokenize(
            self, old_output_ids: list[int], new_output_ids: list[int], next_state: int
        ) -> None: ...

    class InvalidGrammarObject(BaseGrammarObject):
        def __init__(self, error_message: str = "Unknown grammar error") -> None:
            super().__init__()
            self.error_message = error_message

        def copy(self) -> Any:
            return self

    class BaseGrammarBackend:
        def __init__(self) -> None:
            self.executor = ThreadPoolExecutor(1)
            self.cache: dict[tuple[str, str], Any] = {}

        def dispatch_json(self, key_string: str) -> Any: ...
        def dispatch_regex(self, key_string: str) -> Any: ...
        def dispatch_ebnf(self, key_string: str) -> Any: ...
        def dispatch_structural_tag(self, key_string: str) -> Any: ...
        def _init_value_dispatch(self, key: tuple[str, str], reasoning: bool) -> Any:
            return getattr(self, f"dispatch_{key[0]}")(key[1])

        def get_cached_or_future_value(self, key: tuple[str, str], reasoning: bool) -> tuple[Any, bool]:
            value = self.cache.get(key)
            if value:
                copied = value.copy()
                copied.maybe_init_reasoning(reasoning)
                return copied, True
            return self.executor.submit(self._init_value_dispatch, key, reasoning), False

        def set_cache(self, key: tuple[str, str], value: Any) -> None:
            self.cache[key] = value

        def reset(self) -> None:
            self.cache.clear()

    registry: dict[str, Any] = {}

    def register_grammar_backend(name: str, init_func: Any) -> None:
        registry[name] = init_func

    return SimpleNamespace(
        GrammarRow=GrammarRow,
        BaseGrammarObject=BaseGrammarObject,
        InvalidGrammarObject=InvalidGrammarObject,
        BaseGrammarBackend=BaseGrammarBackend,
        register_grammar_backend=register_grammar_backend,
        GRAMMAR_BACKEND_REGISTRY=registry,
    )


def _reasoner(base: SimpleNamespace) -> SimpleNamespace:
    class ReasonerGrammarObject(base.BaseGrammarObject):
        """Another grammar behind the end of thoughts."""

        END = 300

        def __init__(self, grammar: Any) -> None:
            super().__init__()
            self.grammar, self.thinks = grammar, True

        def maybe_init_reasoning(self, reasoning: bool) -> None:
            self.thinks = reasoning

        def accept_token(self, token: int) -> None:
            if self.thinks:
                self.thinks = token != self.END
            else:
                self.grammar.accept_token(token)

        def is_terminated(self) -> bool:
            return not self.thinks and self.grammar.is_terminated()

        def allocate_vocab_mask(self, vocab_size: int, batch_size: int, device: Any) -> Any:
            return self.grammar.allocate_vocab_mask(vocab_size, batch_size, device)

        def move_vocab_mask(self, vocab_mask: Any, device: Any) -> Any:
            return self.grammar.move_vocab_mask(vocab_mask, device)

        @property
        def apply_vocab_mask(self) -> Any:
            return self.grammar.apply_vocab_mask

        def fill_vocab_mask(self, vocab_mask: Any, idx: int) -> None:
            if not self.thinks:
                self.grammar.fill_vocab_mask(vocab_mask, idx)

        def copy(self) -> Any:
            return ReasonerGrammarObject(self.grammar.copy())

    class ReasonerGrammarBackend(base.BaseGrammarBackend):
        def __init__(
            self,
            grammar_backend: Any,
            reasoning_parser: Any,
            tokenizer: Any,
            enable_strict_thinking: bool = False,
        ) -> None:
            super().__init__()
            self.inner = grammar_backend

        def _init_value_dispatch(self, key: tuple[str, str], reasoning: bool) -> Any:
            made = self.inner._init_value_dispatch(key, reasoning)
            if isinstance(made, base.InvalidGrammarObject):
                return made
            found = ReasonerGrammarObject(made)
            # for a request whose thoughts alone are filtered
            self.functions = (
                self.inner.allocate_vocab_mask,
                self.inner.move_vocab_mask,
                self.inner.apply_vocab_mask,
            )
            found.maybe_init_reasoning(reasoning)
            return found

    return SimpleNamespace(
        ReasonerGrammarObject=ReasonerGrammarObject, ReasonerGrammarBackend=ReasonerGrammarBackend
    )


def _hooks() -> SimpleNamespace:
    class HookType:
        AFTER = "after"

    class HookRegistry:
        hooks: dict[str, tuple[Any, str]] = {}  # noqa: RUF012

        @classmethod
        def register(cls, target: str, hook: Any, hook_type: str = HookType.AFTER) -> None:
            cls.hooks[target] = hook, hook_type

    return SimpleNamespace(HookRegistry=HookRegistry, HookType=HookType)


def _manager(base: SimpleNamespace, reasoner: SimpleNamespace) -> type:
    class GrammarManager:
        def __init__(self, backend: Any) -> None:
            self.grammar_backend = backend

        def admit(self, req: Req) -> None:
            """What process_req_with_grammar and get_ready_grammar_requests do of it."""
            value, hit = self.grammar_backend.get_cached_or_future_value(req.key, req.require_reasoning)
            req.grammar = value if hit else value.result()
            if not hit:
                self.grammar_backend.set_cache(req.key, req.grammar.copy())
            if isinstance(req.grammar, base.InvalidGrammarObject):
                req.set_finish_with_abort(
                    f"Failed to compile {req.key[0]} grammar: {req.grammar.error_message}"
                )
            else:
                self._apply_request_reasoning_config(req)

        def _apply_request_reasoning_config(self, req: Req) -> None:
            pass

    return GrammarManager


def masks_of(base: SimpleNamespace, requests: Sequence[Req], width: int) -> Any:
    """Return the masks of a batch, as the scheduler asks for them."""
    first = next(one.grammar for one in requests if one.grammar)
    mask = first.allocate_vocab_mask(vocab_size=width, batch_size=len(requests), device="cpu")
    rows = [
        base.GrammarRow(row, one.grammar)
        for row, one in enumerate(requests)
        if one.grammar and not one.grammar.finished and not one.grammar.is_terminated()
    ]
    first.fill_vocab_mask_batched(rows, mask)
    logits = torch.zeros(len(requests), width)
    first.apply_vocab_mask(logits=logits, vocab_mask=first.move_vocab_mask(mask, "cpu"))
    return logits


def walked(grammar: Any, tokens: Sequence[int], mask: Any, row: int = 0) -> int:
    """Walk a chain of drafted tokens as the verification of a tree does; return how many may come."""
    grammar.fill_vocab_mask(mask, row)
    count = 0
    if row < len(tokens):
        token = tokens[row]
        if int(mask[row, token // 32]) & (1 << token % 32):
            count = 1
            grammar.accept_token(token)
            if not grammar.is_terminated():
                count += walked(grammar, tokens, mask, row + 1)
            grammar.rollback(1)
    return count
