"""structgen as a back end of vLLM: `--structured-outputs-config '{"backend": "structgen"}'`.

A *back end* gives vLLM masks; a *hook* is a function of vLLM that we call, replace or implement. vLLM has no
registry of back ends. It loads the entry point `vllm.general_plugins` in all of its processes. There
`register` adds the name (a pydantic field), the check of requests in the front end, and the back end of the
engine. Each hook passes requests for other back ends on. docs/serving-engines.md describes what is served.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import Future, wait
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial, wraps
from typing import Annotated, Any, Final, Literal, get_args

from structgen.base.errors import OptionError, StructgenError
from structgen.doors.integrations.engine_hooks import Hook, check_engine
from structgen.doors.integrations.vllm_drafts import draft_for

NAME: Final = "structgen"
VERSIONS: Final = ("0.32", "0.33")
"""The releases whose hooks we have read. We have run the engines of 0.32."""
_OUTPUTS: Final = "vllm.v1.structured_output"
_GRAMMAR: Final = f"{_OUTPUTS}.backend_types:StructuredOutputGrammar"
_BACKEND: Final = f"{_OUTPUTS}.backend_types:StructuredOutputBackend"
_OPENAI: Final = "vllm.entrypoints.openai"
HOOKS: Final = (
    Hook(
        "vllm.sampling_params:SamplingParams._validate_structured_outputs",
        ("self", "model_config", "structured_outputs_config", "tokenizer"),
    ),
    Hook("vllm.v1.engine.async_llm:AsyncLLM.__init__", ("self", "vllm_config", "...")),
    Hook(
        "vllm.v1.engine.async_llm:AsyncLLM.generate",
        ("self", "prompt", "sampling_params", "request_id", "..."),
    ),
    Hook("vllm.v1.engine.llm_engine:LLMEngine.__init__", ("self", "vllm_config", "...")),
    Hook(f"{_OUTPUTS}:StructuredOutputManager.__init__", ("self", "vllm_config")),
    Hook(f"{_OUTPUTS}:StructuredOutputManager.grammar_init", ("self", "request")),
    Hook(f"{_OUTPUTS}:StructuredOutputManager._create_grammar", ("self", "request")),
    Hook(
        f"{_OUTPUTS}:StructuredOutputManager.grammar_bitmask",
        ("self", "requests", "structured_output_request_ids", "scheduled_spec_decode_tokens"),
    ),
    Hook(f"{_GRAMMAR}.accept_tokens", ("self", "request_id", "tokens")),
    Hook(f"{_GRAMMAR}.validate_tokens", ("self", "tokens")),
    Hook(f"{_GRAMMAR}.rollback", ("self", "num_tokens")),
    Hook(f"{_GRAMMAR}.fill_bitmask", ("self", "bitmask", "batch_index")),
    Hook(f"{_GRAMMAR}.is_terminated", ("self",)),
    Hook(f"{_GRAMMAR}.reset", ("self",)),
    Hook(f"{_BACKEND}.compile_grammar", ("self", "request_type", "grammar_spec", "stop_token_ids")),
    Hook(f"{_BACKEND}.allocate_token_bitmask", ("self", "max_num_seqs")),
    Hook(f"{_BACKEND}.destroy", ("self",)),
    Hook("vllm.tool_parsers.utils:_get_tool_schema_from_name_and_params", ("name", "params")),
    *(
        Hook(
            f"{_OPENAI}.{module}.protocol:{request}.to_beam_search_params",
            ("self", "max_tokens", "default_sampling_params"),
        )
        for module, request in (
            ("chat_completion", "ChatCompletionRequest"),
            ("completion", "CompletionRequest"),
        )
    ),
)
"""The functions of vLLM that we replace, call and implement."""

_log = logging.getLogger("vllm.plugins.structgen")
Check = Callable[[int], None]
"""The check of a request. Its argument is the number of tokens that the context leaves after the prompt."""
_left_to_engine: ContextVar[list[Check] | None] = ContextVar("structgen_checks", default=None)
"""The list that collects checks which the engine makes as well. None: each check is made at once, in the
server."""


def register() -> None:
    """The entry point. It may be called twice.

    If the release is not known, or a hook has changed, only the name is added. A configuration that chooses
    the name is then refused with the reason, and other back ends work as before.
    """
    import vllm  # optional: the engine

    refusal: StructgenError | None = None
    try:
        check_engine("vllm", vllm.__version__, VERSIONS, HOOKS)
    except StructgenError as error:
        refusal = error
    try:
        if not _add_name(refusal):
            return
    except (AttributeError, ImportError, KeyError, TypeError) as error:
        _log.warning("%s (and its name cannot be added: %r)", refusal or "structgen is not there", error)
        return
    if refusal is None:
        _check_requests()
        _install_backend()


def _add_name(refusal: StructgenError | None) -> bool:
    """Add our name to those of the back ends. Return False if it was there already. `refusal`: the error with
    which a configuration that chooses the name is refused; None: it is accepted."""
    from pydantic import AfterValidator  # optional: comes with the engine
    from pydantic.dataclasses import rebuild_dataclass
    from vllm.config import structured_outputs

    def check_name(name: str) -> str:
        if name == NAME and refusal is not None:
            raise ValueError(str(refusal))
        return name

    settings = structured_outputs.StructuredOutputsConfig
    names = get_args(structured_outputs.StructuredOutputsBackend)
    if NAME in names:
        return False
    structured_outputs.StructuredOutputsBackend = Literal[(*names, NAME)]
    kind = Annotated[structured_outputs.StructuredOutputsBackend, AfterValidator(check_name)]
    settings.__annotations__["backend"] = kind
    settings.__dataclass_fields__["backend"].type = kind
    rebuild_dataclass(settings, force=True)
    return True


def _check_requests() -> None:
    """Add our checks to the front end: that of the configuration, made once, and that of each request."""
    from vllm.entrypoints.openai.chat_completion.protocol import ChatCompletionRequest  # optional: the engine
    from vllm.entrypoints.openai.completion.protocol import CompletionRequest
    from vllm.exceptions import VLLMValidationError
    from vllm.sampling_params import SamplingParams
    from vllm.tool_parsers import utils as tools
    from vllm.v1.engine.async_llm import AsyncLLM
    from vllm.v1.engine.llm_engine import LLMEngine

    others = SamplingParams._validate_structured_outputs

    def wrap_init(begin: Callable[..., None]) -> Callable[..., None]:
        @wraps(begin)
        def init_engine(self: Any, vllm_config: Any, *args: Any, **kwargs: Any) -> None:
            if vllm_config.structured_outputs_config.backend != NAME:
                begin(self, vllm_config, *args, **kwargs)
                return
            check_configuration(vllm_config)
            with _without_llvmlite():
                begin(self, vllm_config, *args, **kwargs)
            # start-up: numba, where our back end is chosen
            from structgen.doors.integrations.vllm_backend import grammars_of

            grammars_of(vllm_config.model_config, self.input_processor.tokenizer).preload_kinds()
            if getattr(tools._get_tool_schema_from_name_and_params, "structgen", False):
                return
            tools._get_tool_schema_from_name_and_params = _close_schema(
                tools._get_tool_schema_from_name_and_params
            )
            for request in (ChatCompletionRequest, CompletionRequest):
                request.to_beam_search_params = _without_beams(
                    request.to_beam_search_params, VLLMValidationError
                )

        return init_engine

    def validate_request(
        self: Any, model_config: Any, structured_outputs_config: Any, tokenizer: Any
    ) -> None:
        settings = structured_outputs_config
        if self.structured_outputs is None or settings is None or settings.backend != NAME:
            others(self, model_config, settings, tokenizer)
            return
        # start-up: as where the engine begins
        from structgen.doors.integrations.vllm_backend import check_request, grammars_of

        self.structured_outputs._backend = NAME
        grammars = grammars_of(model_config, tokenizer)

        def check_room_left(room: int | None = None) -> None:
            try:
                check_request(self, grammars, room)
            except StructgenError as error:
                raise VLLMValidationError(str(error)) from error

        checks = _left_to_engine.get()
        if checks is None or self.ignore_eos:
            check_room_left()
        else:
            checks.append(check_room_left)

    for engine in (AsyncLLM, LLMEngine):
        engine.__init__ = wrap_init(engine.__init__)
    AsyncLLM.generate = _with_reasons(AsyncLLM.generate, VLLMValidationError)
    SamplingParams._validate_structured_outputs = validate_request


def _with_reasons(others: Callable[..., Any], error_class: type[Exception]) -> Callable[..., Any]:
    """Return a replacement for `generate`, so that only the engine compiles the constraint of a request.

    vLLM's engine reports only that a request has failed. The server then makes the check of the request in a
    thread, and raises its error. If a text fails later, at a limit, the reason comes with its last output.
    `others`: the original `generate`. `error_class`: the error of vLLM that is raised.
    """

    @wraps(others)
    async def generate(self: Any, *args: Any, **kwargs: Any) -> AsyncIterator[Any]:
        checks: list[Check] = []
        outputs = others(self, *args, **kwargs)
        try:
            while True:
                token = _left_to_engine.set(checks)
                try:
                    output = await anext(outputs, None)
                finally:
                    _left_to_engine.reset(token)
                if output is None:
                    return
                if any(text.finish_reason == "error" for text in output.outputs):
                    room = self.model_config.max_model_len - len(output.prompt_token_ids or ())
                    for check in checks:
                        await asyncio.to_thread(check, room)
                    for text in output.outputs:
                        if checks and isinstance(text.stop_reason, str):
                            raise error_class(text.stop_reason)
                yield output
        finally:
            await outputs.aclose()

    return generate


@contextmanager
def _without_llvmlite() -> Iterator[None]:
    """Keep llvmlite's library, which numba imports, out of `sys.modules` during a block. On a CPU, vLLM looks
    for an attribute in all values of all modules. It fails at this library, which has every attribute."""
    name = "llvmlite.binding.ffi"
    module = sys.modules.pop(name, None)
    try:
        yield
    finally:
        if module is not None:
            sys.modules[name] = module


def check_configuration(vllm_config: Any) -> None:
    """Raise OptionError for a configuration under which requests could not be constrained."""
    model = vllm_config.model_config
    if model.skip_tokenizer_init:
        raise OptionError(
            "Without a tokenizer a grammar cannot be read.",
            where="skip_tokenizer_init",
            cure="Remove it, or use no structured output back end.",
        )
    if model.is_diffusion:
        raise OptionError(
            "This model does not write from left to right.",
            where="model",
            cure="Serve an autoregressive model.",
        )


def _without_beams(others: Callable[..., Any], error_class: type[Exception]) -> Callable[..., Any]:
    """Return a replacement for the method that makes the parameters of a beam search. vLLM drops the
    constraint there, so a request with a constraint is refused. `others`: the original method."""

    def to_beam_search_params(self: Any, *args: Any, **kwargs: Any) -> Any:
        if self.extract_structured_outputs() is not None:
            raise error_class(
                "use_beam_search: a beam search over HTTP ignores the constraint. Request n samples."
            )
        return others(self, *args, **kwargs)

    return to_beam_search_params


def _close_schema(others: Callable[..., Any]) -> Callable[..., Any]:
    """Return a replacement for the function that makes the schema of a tool's call. Its object allows only
    the members that vLLM names.

    vLLM's own schema allows others, and some of its parsers then read the arguments from a member that no
    schema constrains. `others`: the original function.
    """

    def schema_of(name: str, params: Any) -> Any:
        return {**others(name, params), "additionalProperties": False}

    setattr(schema_of, "structgen", True)  # noqa: B010 (mypy refuses the assignment)
    return schema_of


def _install_backend() -> None:
    """Add the back end to the engine. vLLM's manager only knows its own four back ends by name."""
    from vllm.v1.structured_output import StructuredOutputManager  # optional: the engine

    begin, others = StructuredOutputManager.__init__, StructuredOutputManager._create_grammar
    submit, masks = StructuredOutputManager.grammar_init, StructuredOutputManager.grammar_bitmask

    def init_manager(self: Any, vllm_config: Any) -> None:
        if vllm_config.structured_outputs_config.backend != NAME:
            begin(self, vllm_config)
            return
        from structgen.doors.integrations.vllm_backend import VllmBackend  # start-up: where it is chosen

        check_configuration(vllm_config)
        begin(self, vllm_config)
        draft_for(self, VERSIONS)
        # with a back end set before the first request, `grammar_init` does not choose one
        self.backend = VllmBackend(vllm_config, self.tokenizer, vllm_config.model_config.get_vocab_size())
        # one call of ours fills all rows, so vLLM's threads for filling are not needed
        self.fill_bitmask_parallel_threshold = sys.maxsize

    def create_grammar(self: Any, request: Any) -> Any:
        if getattr(self.backend, "name", None) != NAME:
            return others(self, request)
        return self.backend.grammar_of(request, thinks=self.reasoner_cls is not None)

    def grammar_init(self: Any, request: Any) -> None:
        submit(self, request)
        constraint = request.structured_output_request
        if constraint is not None and getattr(self.backend, "name", None) == NAME:
            pending = getattr(constraint, "_grammar", None)
            if isinstance(pending, Future):
                wait((pending,), self.backend.soon)

    def grammar_bitmask(self: Any, *arguments: Any, **options: Any) -> Any:
        if getattr(self.backend, "name", None) != NAME:
            return masks(self, *arguments, **options)
        return self.backend.in_one_call(partial(masks, self, *arguments, **options))

    StructuredOutputManager.__init__ = init_manager
    StructuredOutputManager.grammar_bitmask = grammar_bitmask
    StructuredOutputManager.grammar_init = grammar_init
    StructuredOutputManager._create_grammar = create_grammar
