"""Bulk work on Ray with vLLM inside each worker: `run_bulk_on_ray(..., engine="vllm")`.

vLLM's engine runs in the worker's own process. So the back end holds a text to the request's own grammar
(`EngineGrammars.answer_with`), and not to a text that says it. Only work in a worker imports vLLM.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import lru_cache, partial
from hashlib import blake2b
from typing import Any, Final

from structgen.base.errors import OptionError, StructgenError
from structgen.base.system.installation import require_extras
from structgen.decoding.engine.bulk_runs import Prompt, engine_parts, model_digest, show_result
from structgen.decoding.engine.model_prompts import ModelPrompts, RequestTokens, check_budget
from structgen.decoding.engine.requests import NUMBERS, FinishReason, Request, Result, Usage
from structgen.decoding.engine.strategies.repetitions import ENDS
from structgen.decoding.runs.exclusions import Exclusion, Exclusions
from structgen.decoding.runs.resources import model_path
from structgen.decoding.runs.result_files import Answers
from structgen.decoding.speculation.speculation_options import Speculation
from structgen.doors.integrations.engine_grammars import MAX_KEPT_GRAMMARS
from structgen.doors.integrations.vllm_plugin import NAME, register
from structgen.grammars.compilation.compiler import compile
from structgen.machines.core.compiled import CompiledGrammar, plain_grammar
from structgen.machines.core.forced_text import with_forced_text
from structgen.machines.core.matcher import Matcher

_REASONS = {"stop": FinishReason.STOP, "length": FinishReason.MAX_TOKENS}
_CURE: Final = "Remove it, or use the engine structgen."
_OTHERWISE: Final = "vLLM does not do what {name} asks for here. "


def _bounded_penalty(penalty: str) -> Exclusion:
    """Return the row of a penalty, which vLLM takes within bounds."""
    fault = f"{_OTHERWISE}vLLM accepts -2 to 2."
    return Exclusion(
        penalty, fault, _CURE, when=lambda request, sampling: abs(getattr(sampling, penalty)) > 2
    )


_REFUSED: Final = Exclusions(
    Exclusion(("n", "logprobs"), f"{_OTHERWISE}A line of results has one text, without its steps.", _CURE),
    Exclusion(
        ("timeout", "thinking", "end_margin", "healing", "special_texts", "strategy"),
        f"{_OTHERWISE}It chooses tokens by a mask and the options that it has.",
        _CURE,
    ),
    Exclusion(
        "speculation",
        f"{_OTHERWISE}It chooses tokens by a mask and the options that it has.",
        _CURE,
        when=lambda request, sampling: isinstance(request.speculation, Speculation),
    ),
    Exclusion(
        "repetition",
        f"{_OTHERWISE}It chooses tokens by a mask and the options that it has.",
        _CURE,
        when=lambda request, sampling: sampling.repetition not in (None, ENDS),
    ),
    Exclusion(
        "begun",
        "vLLM does not go on with the last message. It begins each text anew.",
        "Set continue_final_message=False, or use the engine structgen.",
    ),
    Exclusion("banned", f"{_OTHERWISE}Ban texts in the grammar: sg.without.", _CURE),
    Exclusion(
        "temperature",
        f"{_OTHERWISE}vLLM accepts 0, and 0.01 to 2.",
        _CURE,
        when=lambda request, sampling: sampling.temperature != 0 and not 0.01 <= sampling.temperature <= 2,
    ),
    _bounded_penalty("presence_penalty"),
    _bounded_penalty("frequency_penalty"),
    Exclusion("min_p", f"{_OTHERWISE}It is applied before top_p.", _CURE, beside="top_p"),
    Exclusion(
        "logit_bias",
        f"{_OTHERWISE}It is applied before repetition_penalty.",
        _CURE,
        beside="repetition_penalty",
    ),
    Exclusion("min_tokens", f"{_OTHERWISE}Stop strings are not searched before them.", _CURE, beside="stop"),
)
"""Of a request, and its sampling with all defaults: what vLLM cannot do, or would do otherwise."""


def check_request(request: Request) -> None:
    """Raise OptionError for what vLLM cannot do, or would do otherwise than our own engine."""
    _REFUSED.raise_first(request, request.chosen_by)


class VllmAnswers:
    """The work of an actor: an `LLM` of vLLM answers one shard at a time."""

    def __init__(self, model: str, options: Mapping[str, Any], request_of: Callable[[Any], Request]) -> None:
        """Cost: vLLM's start. Raises StructgenError where vLLM is not there, is of another release, or does
        not start."""
        # before vLLM is imported: its engine in this process, beside the grammars
        os.environ["VLLM_ENABLE_V1_MULTIPROCESSING"] = "0"
        with require_extras(
            "The engine vLLM", "vllm", where="engine", kind=OptionError, otherwise="on every machine"
        ):
            import vllm  # optional: the engine
        register()  # where the release is not known, the name of our back end is refused below
        from vllm.platforms import current_platform  # optional: the engine

        device, of_engine = options["device"], options["engine_options"]
        if device is not None and device.partition(":")[0] != current_platform.device_type:
            raise OptionError(
                f"This vLLM runs on {current_platform.device_type}.", where="device", cure="Remove it."
            )
        try:
            self._llm = vllm.LLM(
                str(model_path(model)),
                dtype=options["dtype"] or "auto",
                max_num_seqs=options["max_rows"],
                structured_outputs_config={"backend": NAME},
                **of_engine,
            )
        except Exception as error:  # of any of vLLM's parts
            raise StructgenError(
                f"vLLM did not start: {error}", where="engine", cure="Correct it, or check engine_options."
            ) from error
        from structgen.doors.integrations.vllm_backend import grammars_of  # optional: the engine

        config, self._request_of = self._llm.llm_engine.model_config, request_of
        self._grammars = grammars_of(config, self._llm.get_tokenizer())
        tokenizer = self._grammars.tokenizer
        self._compile_grammar = lru_cache(MAX_KEPT_GRAMMARS)(partial(compile, tokenizer=tokenizer))
        sizes = config.get_vocab_size(), config.max_model_len
        self._reading = RequestTokens(ModelPrompts(model), tokenizer, *sizes, self._compile_grammar)
        options_text = json.dumps(of_engine, sort_keys=True, default=repr).encode()  # it may hold a secret
        digest = f"{model_digest(model)} {blake2b(options_text, digest_size=16).hexdigest()}"
        self._parts = engine_parts(digest, tokenizer.fingerprint, f"vllm {vllm.__version__}")

    def __call__(self, shard: Sequence[Prompt]) -> Answers:
        """Answer a shard, all of whose texts are written at once."""
        yield self._parts
        texts, prompts, params = [], [], []
        try:
            for prompt in shard:
                try:
                    tokens, compiled_grammar, sampling_params = self._make_request(prompt)
                except StructgenError as error:
                    yield prompt.result_line(error)
                else:
                    texts.append((prompt, compiled_grammar))
                    prompts.append({"prompt_token_ids": tokens})
                    params.append(sampling_params)
            outputs = self._llm.generate(prompts, params, use_tqdm=False)
        finally:
            self._grammars.release_held()
        for (prompt, compiled_grammar), output in zip(texts, outputs, strict=True):
            yield prompt.result_line(self._make_answer(compiled_grammar, output.outputs[0]))

    def _make_request(self, prompt: Prompt) -> tuple[list[int], CompiledGrammar | None, Any]:
        """Return the request to vLLM for a prompt: its tokens, the grammar, and the parameters. Raises
        StructgenError where our own engine would."""
        from vllm.sampling_params import SamplingParams, StructuredOutputsParams  # optional: the engine

        from structgen.doors.integrations.vllm_backend import constraint_of  # optional: the engine

        request = prompt.make_request(self._request_of)
        read_prompt = self._reading.read_request(request)
        check_request(replace(request, begun=read_prompt.begun))
        tokens = read_prompt.tokens
        grammar, compiled_grammar, outputs = request.grammar, None, None
        # vLLM counts the end token of a document
        besides = int(grammar is not None)
        max_tokens = self._reading.bound_tokens(request.max_tokens, len(tokens), besides)
        if grammar is not None:
            compiled_grammar = with_forced_text(
                self._compile_grammar(plain_grammar(grammar)), canonical=request.canonical
            )
            check_budget(max_tokens, Matcher(compiled_grammar).tokens_to_finish())
            outputs = StructuredOutputsParams(
                regex=f"{compiled_grammar.grammar.fingerprint} {request.canonical}"
            )
            self._grammars.answer_with(constraint_of(outputs), compiled_grammar)
        sampling = request.chosen_by
        params = SamplingParams(
            **{name: getattr(sampling, name) for name in NUMBERS},
            seed=sampling.seed % 2**63,  # vLLM takes -1 for none
            logit_bias=dict(sampling.logit_bias) or None,
            stop=list(request.stops) or None,
            max_tokens=max_tokens + besides,
            structured_outputs=outputs,
        )
        return tokens, compiled_grammar, params

    def _make_answer(self, compiled_grammar: CompiledGrammar | None, output: Any) -> dict[str, Any]:
        """Return the members of a text's line, as our own engine has them."""
        tokenizer, tokens = self._reading.tokenizer, list(output.token_ids)
        if tokens and tokens[-1] in tokenizer.eos_token_ids:
            tokens.pop()
        text = tokenizer.decode(tokens).decode("utf-8", "replace")
        if isinstance(output.stop_reason, str):
            text = text.partition(output.stop_reason)[0]
        result = Result(text, _REASONS.get(output.finish_reason, FinishReason.ERROR), tokens, [], Usage())
        if result.finish_reason is FinishReason.ERROR:
            fault = f"vLLM ended the text ({output.finish_reason})."
            result.error = StructgenError(fault, where="engine", cure="Its log in the worker says why.")
        elif compiled_grammar is not None and result.finish_reason is FinishReason.STOP:
            # an integer may have more digits than Python reads
            with suppress(ValueError, RecursionError):
                result.value = compiled_grammar.value(text.encode())
        # vLLM's own probabilities are those after the mask, or those before it, as its version has them
        return show_result(result) | {"logprob": None, "constrained_logprob": None}
