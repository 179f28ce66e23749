"""vLLM's hooks without vLLM: names, parameters, and the order of the calls, as recorded in 0.32.0 and 0.33.0.

The manager is written from what was recorded: a grammar is made in a pool, drafted tokens are validated,
masks are filled for each of them and they are taken back, and what the model wrote is taken for good.
"""

import asyncio
import enum
import json
import random
import sys
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from types import ModuleType, SimpleNamespace
from typing import Any, Literal

import numpy as np
import pydantic
import torch
from transformers import AutoTokenizer

VERSIONS = ("0.32.0", "0.33.0")


def install(version: str, put: Callable[[str, ModuleType], None]) -> SimpleNamespace:
    """Put the modules of a version of vLLM in place with `put`; return what tests touch of them."""
    types, sampling, protocol = _backend_types(), _sampling(), _protocol()
    request, settings = _request(types), _settings()
    manager = _manager(version)
    engines = _engines(manager, request.Request)
    llm = _llm(engines.LLMEngine, request.Request, settings)
    modules: dict[str, Mapping[str, Any]] = {
        "vllm": {"__version__": version, "LLM": llm},
        "vllm.platforms": {"current_platform": SimpleNamespace(device_type="cpu")},
        "vllm.config": {},
        "vllm.config.structured_outputs": vars(settings),
        "vllm.exceptions": {"VLLMValidationError": VLLMValidationError},
        "vllm.sampling_params": vars(sampling),
        "vllm.tool_parsers": {},
        "vllm.tool_parsers.utils": {"_get_tool_schema_from_name_and_params": tool_schema},
        "vllm.v1": {},
        "vllm.v1.engine": {},
        "vllm.v1.engine.async_llm": {"AsyncLLM": engines.AsyncLLM},
        "vllm.v1.engine.llm_engine": {"LLMEngine": engines.LLMEngine},
        "vllm.v1.structured_output": {"StructuredOutputManager": manager},
        "vllm.v1.structured_output.backend_types": vars(types),
        "vllm.entrypoints": {},
        "vllm.entrypoints.openai": {},
        "vllm.entrypoints.openai.chat_completion": {},
        "vllm.entrypoints.openai.completion": {},
        "vllm.entrypoints.openai.chat_completion.protocol": vars(protocol),
        "vllm.entrypoints.openai.completion.protocol": vars(protocol),
    }
    made = {name: ModuleType(name) for name in modules}
    for name, module in made.items():
        vars(module).update(modules[name])
        above, _, last = name.rpartition(".")
        if above:
            setattr(made[above], last, module)
        put(name, module)
    found = SimpleNamespace(Request=request.Request, Manager=manager, **vars(engines), **vars(protocol))
    found.LLM = llm
    found.tools = made["vllm.tool_parsers.utils"]
    found.settings, found.sampling = made["vllm.config.structured_outputs"], sampling
    return found


def tool_schema(name: str, params: dict[str, Any] | None) -> dict[str, Any]:
    """Return the schema of a call, which says nothing of other members."""
    return {
        "properties": {"name": {"enum": [name]}, "parameters": params},
        "required": ["name", "parameters"],
    }


class VLLMValidationError(Exception):
    """What the front end turns into a status 400."""

    def __init__(self, message: str, *, parameter: str | None = None, value: Any = None) -> None:
        super().__init__(message)


def _settings() -> SimpleNamespace:
    names = Literal["auto", "xgrammar", "guidance", "outlines", "lm-format-enforcer"]

    @pydantic.dataclasses.dataclass
    class StructuredOutputsConfig:
        backend: names = "auto"  # type: ignore[valid-type]
        disable_any_whitespace: bool = False

    return SimpleNamespace(StructuredOutputsBackend=names, StructuredOutputsConfig=StructuredOutputsConfig)


def _sampling() -> SimpleNamespace:
    @dataclass
    class StructuredOutputsParams:
        json: str | dict[str, Any] | None = None
        regex: str | None = None
        choice: list[str] | None = None
        grammar: str | None = None
        json_object: bool | None = None
        disable_any_whitespace: bool = False
        disable_additional_properties: bool = False
        whitespace_pattern: str | None = None
        structural_tag: str | None = None
        _backend: str | None = field(default=None, init=False)

    @dataclass
    class SamplingParams:
        structured_outputs: StructuredOutputsParams | None = None
        max_tokens: int | None = 16
        ignore_eos: bool = False
        extra_args: dict[str, Any] | None = None
        all_stop_token_ids: set[int] = field(default_factory=set)
        passed_on: bool = False
        temperature: float = 1.0
        top_p: float = 1.0
        top_k: int = 0
        min_p: float = 0.0
        repetition_penalty: float = 1.0
        presence_penalty: float = 0.0
        frequency_penalty: float = 0.0
        seed: int | None = None
        logit_bias: dict[int, float] | None = None
        min_tokens: int = 0
        stop: list[str] | None = None

        def verify(self, model_config: Any, structured_outputs_config: Any, tokenizer: Any) -> None:
            self._validate_structured_outputs(model_config, structured_outputs_config, tokenizer)

        def _validate_structured_outputs(
            self, model_config: Any, structured_outputs_config: Any, tokenizer: Any
        ) -> None:
            self.passed_on = True

    return SimpleNamespace(SamplingParams=SamplingParams, StructuredOutputsParams=StructuredOutputsParams)


def _backend_types() -> SimpleNamespace:
    class StructuredOutputOptions(enum.Enum):
        JSON = enum.auto()
        JSON_OBJECT = enum.auto()
        REGEX = enum.auto()
        GRAMMAR = enum.auto()
        CHOICE = enum.auto()
        STRUCTURAL_TAG = enum.auto()

    class StructuredOutputGrammar(ABC):
        @abstractmethod
        def accept_tokens(self, request_id: str, tokens: list[int]) -> bool: ...
        @abstractmethod
        def validate_tokens(self, tokens: list[int]) -> list[int]: ...
        @abstractmethod
        def rollback(self, num_tokens: int) -> None: ...
        @abstractmethod
        def fill_bitmask(self, bitmask: torch.Tensor, batch_index: int) -> None: ...
        @abstractmethod
        def is_terminated(self) -> bool: ...
        @abstractmethod
        def reset(self) -> None: ...

    @dataclass
    class StructuredOutputBackend(ABC):
        vllm_config: Any
        tokenizer: Any
        vocab_size: int

        @abstractmethod
        def compile_grammar(
            self, request_type: Any, grammar_spec: str, stop_token_ids: set[int] | None = None
        ) -> StructuredOutputGrammar: ...
        @abstractmethod
        def allocate_token_bitmask(self, max_num_seqs: int) -> torch.Tensor: ...
        @abstractmethod
        def destroy(self) -> None: ...

    return SimpleNamespace(
        StructuredOutputOptions=StructuredOutputOptions,
        StructuredOutputGrammar=StructuredOutputGrammar,
        StructuredOutputBackend=StructuredOutputBackend,
    )


def _request(types: SimpleNamespace) -> SimpleNamespace:
    kinds = types.StructuredOutputOptions

    def get_structured_output_key(params: Any) -> tuple[Any, str]:
        for name in ("json", "choice"):
            value = getattr(params, name)
            if value is not None:
                return kinds[name.upper()], value if isinstance(value, str) else json.dumps(value)
        if params.json_object:
            return kinds.JSON_OBJECT, ""
        for name in ("regex", "grammar", "structural_tag"):
            if getattr(params, name) is not None:
                return kinds[name.upper()], getattr(params, name)
        raise ValueError("none")

    class StructuredOutputRequest:
        """What is asked of a request's text, and its grammar, which is a future until it is made."""

        def __init__(self, params: Any) -> None:
            self.structured_output_key = get_structured_output_key(params)
            self._grammar: Any = None

        @property
        def grammar(self) -> Any:
            if isinstance(self._grammar, Future):
                if not self._grammar.done():
                    return None
                self._grammar = self._grammar.exception() or self._grammar.result()
            return self._grammar

        @grammar.setter
        def grammar(self, grammar: Any) -> None:
            self._grammar = grammar

    class Request:
        """What the scheduler holds of a request; `thoughts`: its output begins with reasoning."""

        def __init__(self, params: Any, prompt: int = 5, *, thoughts: bool = False) -> None:
            self.request_id, self.sampling_params = "r", params
            self.num_prompt_tokens, self.max_tokens = prompt, params.max_tokens
            self.output: list[int] = []
            self.stop_reason: int | str | None = None
            self.reasoning_ended = not thoughts
            self.end_of_thoughts: int | None = None
            self.structured_output_request = None
            if params.structured_outputs is not None:
                self.structured_output_request = StructuredOutputRequest(params.structured_outputs)

        @property
        def num_output_tokens(self) -> int:
            return len(self.output)

    return SimpleNamespace(get_structured_output_key=get_structured_output_key, Request=Request)


def _manager(version: str) -> type:
    class StructuredOutputManager:
        def __init__(self, vllm_config: Any) -> None:
            self.backend: Any = None
            self.reasoner_cls = vllm_config.reasoner
            self.vllm_config = vllm_config
            self.tokenizer = vllm_config.tokenizer
            self.executor = ThreadPoolExecutor(1)
            self.mask: torch.Tensor | None = None
            if version.startswith("0.33"):
                self.backend_name: str | None = None

        def grammar_init(self, request: Any) -> None:
            if request.structured_output_request is None:
                return
            chosen = request.sampling_params.structured_outputs._backend
            if getattr(self, "backend_name", None) not in (None, chosen):
                raise RuntimeError("one back end an engine")
            if self.backend is None:
                raise ValueError(f"Unsupported structured output backend: {chosen}")
            request.structured_output_request.grammar = self.executor.submit(self._create_grammar, request)

        def _create_grammar(self, request: Any) -> Any:
            kind, text = request.structured_output_request.structured_output_key
            stops = request.sampling_params.all_stop_token_ids
            return self.backend.compile_grammar(kind, text, stop_token_ids=stops)

        def grammar(self, request: Any) -> Any:
            asked = request.structured_output_request
            if isinstance(asked._grammar, Future):
                asked.grammar = asked._grammar.result()
            return asked.grammar

        def validate_tokens(self, request: Any, drafted: list[int], end: int | None) -> list[int]:
            start = 0
            if not request.reasoning_ended:
                start = drafted.index(end) + 1 if end in drafted else len(drafted)
            if start == len(drafted):
                return drafted
            return drafted[:start] + self.grammar(request).validate_tokens(drafted[start:])

        def grammar_bitmask(
            self,
            requests: dict[str, Any],
            structured_output_request_ids: list[str],
            scheduled_spec_decode_tokens: dict[str, list[int]],
        ) -> Any:
            """Return the masks of the drafted places of requests and of the ones behind them. Behind a draft
            that is refused, rows are those of its place."""
            if self.mask is None:
                self.mask = self.backend.allocate_token_bitmask(64)
            row = 0
            for name in structured_output_request_ids:
                request, drafted = requests[name], scheduled_spec_decode_tokens.get(name, [])
                grammar, taken, constrained = self.grammar(request), 0, request.reasoning_ended
                failed = None
                for token in (*drafted, None):
                    if failed is not None:
                        self.mask[row].copy_(self.mask[failed])
                    elif constrained and not grammar.is_terminated():
                        grammar.fill_bitmask(self.mask, row)
                    else:
                        self.mask[row].fill_(-1)
                    if token is not None and constrained and failed is None:
                        if not grammar.is_terminated() and grammar.accept_tokens(name, [token]):
                            taken += 1
                        else:
                            failed = row
                    constrained = constrained or token == request.end_of_thoughts
                    row += 1
                if taken:
                    grammar.rollback(taken)
            return self.mask[:row].numpy()

        def masks(self, request: Any, drafted: list[int], end: int | None) -> Any:
            """Return the masks of one request; `end`: the token at which thoughts end."""
            request.end_of_thoughts = end
            return self.grammar_bitmask({"r": request}, ["r"], {"r": drafted})

        def accept_tokens(self, request: Any, tokens: list[int], end: int | None) -> bool:
            """Take what was sampled, which the request has already."""
            if not request.reasoning_ended:
                if end not in tokens:
                    return True
                request.reasoning_ended = True
                tokens = tokens[tokens.index(end) + 1 :]
            return bool(self.grammar(request).accept_tokens("r", tokens))

    return StructuredOutputManager


def _engines(manager: type, request: type) -> SimpleNamespace:
    class Engine:
        def __init__(self, vllm_config: Any, executor_class: Any, log_stats: bool = False) -> None:
            self.input_processor = SimpleNamespace(tokenizer=vllm_config.tokenizer)
            self.modules = set(sys.modules)
            self.manager = manager(vllm_config)

    class AsyncLLM(Engine):
        def __init__(self, vllm_config: Any, executor_class: Any, log_stats: bool = False) -> None:
            super().__init__(vllm_config, executor_class, log_stats)
            self.config, self.model_config = vllm_config, vllm_config.model_config
            self.sent: list[str] = []
            self.closed = 0

        async def generate(self, prompt: Any, sampling_params: Any, request_id: str) -> AsyncIterator[Any]:
            """Yield two outputs; where the grammar is not compiled, one that says that the request failed."""
            try:
                settings = self.config
                sampling_params.verify(
                    settings.model_config, settings.structured_outputs_config, settings.tokenizer
                )
                self.sent.append(request_id)
                made = request(sampling_params, len(prompt))
                self.manager.grammar_init(made)
                pending = made.structured_output_request._grammar
                failed = await asyncio.to_thread(pending.exception) is not None
                if not failed:  # the first step: its mask allows something, which the grammar takes
                    bits = self.manager.masks(made, [], None)[0].view(np.uint8)
                    token = int(np.flatnonzero(np.unpackbits(bits, bitorder="little"))[0])
                    made.output.append(token)
                    failed = not self.manager.accept_tokens(made, [token], None)
                for reason in ("error",) if failed else (None, "stop"):
                    yield SimpleNamespace(
                        prompt_token_ids=prompt,
                        outputs=[SimpleNamespace(finish_reason=reason, stop_reason=made.stop_reason)],
                    )
            finally:
                self.closed += 1

    class LLMEngine(Engine):
        def __init__(self, vllm_config: Any, executor_class: Any, log_stats: bool = False) -> None:
            super().__init__(vllm_config, executor_class, log_stats)

    return SimpleNamespace(AsyncLLM=AsyncLLM, LLMEngine=LLMEngine)


class ModelConfig:
    """A model's configuration."""

    skip_tokenizer_init, is_diffusion = False, False

    def __init__(self, tokenizer: Any, max_model_len: int) -> None:
        self.ends, self.width, self.max_model_len = (
            [tokenizer.eos_token_id],
            len(tokenizer) + 5,
            max_model_len,
        )

    def get_vocab_size(self) -> int:
        return self.width

    def try_get_generation_config(self) -> dict[str, Any]:
        return {"eos_token_id": self.ends}


def _llm(engine: type, request: type, settings: SimpleNamespace) -> type:
    class LLM:
        """Offline inference. Tokens are drawn, by the seed of each request, among those that may come."""

        def __init__(
            self,
            model: str,
            *,
            dtype: str = "auto",
            max_num_seqs: int = 256,
            structured_outputs_config: dict[str, Any],
            max_model_len: int = 400,
        ) -> None:
            self.tokenizer = AutoTokenizer.from_pretrained(model)
            config = SimpleNamespace(
                model_config=ModelConfig(self.tokenizer, max_model_len),
                structured_outputs_config=settings.StructuredOutputsConfig(**structured_outputs_config),
                tokenizer=self.tokenizer,
                reasoner=None,
                num_speculative_tokens=0,
                speculative_config=None,
            )
            self.config, self.max_num_seqs = config, max_num_seqs
            self.llm_engine = engine(config, object)
            self.llm_engine.model_config = config.model_config
            self.asked: list[Any] = []
            """The parameters of all requests."""

        def get_tokenizer(self) -> Any:
            return self.tokenizer

        def generate(self, prompts: list[Any], params: list[Any], *, use_tqdm: bool) -> list[Any]:
            # as vLLM does: one that is refused is raised before any text is begun
            for one in params:
                one.all_stop_token_ids = set(self.config.model_config.ends)
                if one.structured_outputs is not None:
                    one.verify(
                        self.config.model_config, self.config.structured_outputs_config, self.tokenizer
                    )
            self.asked += params
            return [
                SimpleNamespace(outputs=[self._text(len(prompt["prompt_token_ids"]), one)])
                for prompt, one in zip(prompts, params, strict=True)
            ]

        def _text(self, prompt: int, params: Any) -> Any:
            draw, manager, made = random.Random(params.seed), self.llm_engine.manager, request(params, prompt)
            if params.structured_outputs is not None:
                manager.grammar_init(made)
            while True:
                may = list(range(40, 90))
                if params.structured_outputs is not None:
                    row = manager.masks(made, [], None)[0]
                    bits = np.unpackbits(np.ascontiguousarray(row).view(np.uint8), bitorder="little")
                    may = [int(token) for token in np.flatnonzero(bits[: self.config.model_config.width])]
                made.output.append(draw.choice(may))
                if params.structured_outputs is not None and not manager.accept_tokens(
                    made, made.output[-1:], None
                ):
                    return self._ended(made, "error")
                if made.output[-1] in params.all_stop_token_ids:
                    return self._ended(made, "stop")
                text = self.tokenizer.decode(made.output)
                found = next((one for one in params.stop or () if one in text), None)
                if found is not None:
                    return self._ended(made, "stop", found)
                if len(made.output) in (params.max_tokens, self.config.model_config.max_model_len - prompt):
                    return self._ended(made, "length")

        def _ended(self, made: Any, reason: str, stop: str | None = None) -> Any:
            return SimpleNamespace(token_ids=tuple(made.output), finish_reason=reason, stop_reason=stop)

    return LLM


def _protocol() -> SimpleNamespace:
    @dataclass
    class Asked:
        structured_outputs: Any = None

        def extract_structured_outputs(self) -> Any:
            return self.structured_outputs

        def to_beam_search_params(self, max_tokens: int, default_sampling_params: dict[str, Any]) -> str:
            return "beams"

    class ChatCompletionRequest(Asked):
        pass

    class CompletionRequest(Asked):
        pass

    return SimpleNamespace(ChatCompletionRequest=ChatCompletionRequest, CompletionRequest=CompletionRequest)
