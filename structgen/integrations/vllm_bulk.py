"""Bulk work on Ray with vLLM inside each worker: `run_bulk_on_ray(..., engine="vllm")`.

vLLM's engine runs in the worker's own process. So the back end holds a text to the request's own grammar
(`EngineGrammars.hold`), and not to a text that says it. Only work in a worker imports vLLM.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

from structgen.compilation.compiler import compile
from structgen.core.compiled import CompiledGrammar
from structgen.core.forced_text import with_forced_text
from structgen.core.grammar import Grammar
from structgen.core.matcher import Matcher
from structgen.engine.bulk.bulk_file import AnswerLine, answer_line, shown
from structgen.engine.bulk.bulk_runs import Prompt, folder_digest
from structgen.engine.model_prompts import ModelPrompts, RequestTokens, check_budget
from structgen.engine.requests import OF_TOKENS_BEFORE, FinishReason, Request, Result, Usage
from structgen.engine.strategies.repetitions import Repetitions
from structgen.errors import OptionError, StructgenError
from structgen.integrations.engine_grammars import Recent
from structgen.integrations.vllm_plugin import NAME, register
from structgen.speculation.speculation_options import Speculation
from structgen.system.installation import not_installed
from structgen.system.resources import model_path

_SAME = ("temperature", *OF_TOKENS_BEFORE)
"""Options of sampling that mean the same there."""
_REASONS = {"stop": FinishReason.STOP, "length": FinishReason.MAX_TOKENS}


def check_request(request: Request) -> None:
    """Raise OptionError for what vLLM cannot do, or would do otherwise than our own engine."""
    how = request.chosen_by
    heat = how.temperature
    refused = {
        "n": (request.n != 1, "A line of results has one text."),
        "timeout": (request.timeout is not None, "vLLM has no limit of time for a text."),
        "logprobs": (request.logprobs > 0, "Lines of results do not have them."),
        "thinking": (request.thinking is not None, "Thoughts with a budget of their own are not offered."),
        "speculation": (isinstance(request.speculation, Speculation), "vLLM has drafters of its own."),
        "end_margin": (request.end_margin > 0, "vLLM does not know the shortest completion."),
        "healing": (request.healing, "vLLM reads a prompt as it is."),
        "special_texts": (request.special_texts, "Texts are written without special tokens."),
        "temperature": (heat != 0 and not 0.01 <= heat <= 2, "vLLM takes 0, and 0.01 to 2."),
        "presence_penalty": (abs(how.presence_penalty) > 2, "vLLM takes -2 to 2."),
        "frequency_penalty": (abs(how.frequency_penalty) > 2, "vLLM takes -2 to 2."),
        "min_p": (how.min_p > 0 and how.top_p < 1, "It comes before top_p."),
        "logit_bias": (how.logit_bias and how.repetition_penalty != 1, "It comes before repetition_penalty."),
        "strategy": (bool(how.strategies), "It chooses its tokens itself."),
        "monitors": (bool(how.watching), "It takes masks of grammars alone."),
        "banned": (bool(how.bans), "Ban texts in the grammar: sg.without."),
        "repetition": (how.repetition not in (None, Repetitions()), "It chooses its tokens itself."),
        "min_tokens": (how.min_tokens and request.stops, "Stop strings are not looked for before them."),
    }
    for name, (is_set, why) in refused.items():
        if is_set:
            raise OptionError(
                f"vLLM does not do what {name} asks for here. {why}",
                where=name,
                cure="Leave it out, or take the engine structgen.",
            )


def writer(model: str, options: Mapping[str, Any], request_of: Callable[[Any], Request]) -> VllmWriter:
    """Return what an actor does with `model`. Cost: vLLM's start. Raises StructgenError where vLLM is not
    there, is of another release, or does not start."""
    # before vLLM is imported: its engine in this process, beside the grammars
    os.environ["VLLM_ENABLE_V1_MULTIPROCESSING"] = "0"
    try:
        import vllm  # optional: the engine
    except ImportError as error:
        raise not_installed(
            "The engine vLLM", "vllm", where="engine", kind=OptionError, otherwise="on every machine"
        ) from error
    register()  # where the release is not known, the name of our back end is refused below
    from vllm.platforms import current_platform  # optional: the engine

    device = options["device"]
    if device is not None and device.partition(":")[0] != current_platform.device_type:
        raise OptionError(
            f"This vLLM runs on {current_platform.device_type}.", where="device", cure="Leave it out."
        )
    of_engine = options["engine_options"]
    try:
        llm = vllm.LLM(
            str(model_path(model)),
            dtype=options["dtype"] or "auto",
            max_num_seqs=options["max_rows"],
            structured_outputs_config={"backend": NAME},
            **of_engine,
        )
    except Exception as error:  # of any of vLLM's parts
        raise StructgenError(
            f"vLLM does not start: {error}", where="engine", cure="Mend it, or see engine_options."
        ) from error
    digest = folder_digest(model)
    if of_engine:
        told = digest + json.dumps(of_engine, sort_keys=True, default=repr)
        digest = blake2b(told.encode(), digest_size=16).hexdigest()
    return VllmWriter(llm, f"vllm {vllm.__version__}", ModelPrompts(model), digest, request_of)


@dataclass(frozen=True, slots=True)
class _Text:
    """What vLLM is asked to write for a prompt."""

    prompt: Prompt
    tokens: list[int]
    compiled: CompiledGrammar | None
    params: Any


class VllmWriter:
    """An `LLM` of vLLM, which answers one shard at a time."""

    def __init__(
        self, llm: Any, version: str, prompts: ModelPrompts, model: str, request_of: Callable[[Any], Request]
    ) -> None:
        """`version`: of vLLM; `model`: its digest."""
        import structgen  # start-up: the version alone
        from structgen.integrations.vllm_backend import grammars_of  # optional: the engine

        self._llm, self._request_of = llm, request_of
        config = llm.llm_engine.model_config
        self._grammars = grammars_of(config, llm.get_tokenizer())
        tokenizer = self._grammars.tokenizer
        self._reading = RequestTokens(prompts, tokenizer, config.get_vocab_size(), config.max_model_len)
        self._compiled: Recent[Grammar, CompiledGrammar] = Recent()
        self._parts = {
            "version": f"{structgen.__version__} with {version}",
            "model": model,
            "tokenizer": tokenizer.fingerprint,
        }

    def about(self) -> Mapping[str, str]:
        """Return the parts of the run that the engine says."""
        return self._parts

    def work(self, shard: Sequence[Prompt]) -> list[AnswerLine]:
        """Return the lines of a shard, all of whose texts are written at once."""
        lines, texts = [], []
        try:
            for prompt in shard:
                try:
                    texts.append(self._text(prompt))
                except StructgenError as error:
                    lines.append(answer_line(prompt, {"error": str(error)}, 0))
            asked = [{"prompt_token_ids": text.tokens} for text in texts]
            made = self._llm.generate(asked, [text.params for text in texts], use_tqdm=False)
        finally:
            self._grammars.release()
        for text, found in zip(texts, made, strict=True):
            result = self._result(text, found.outputs[0])
            # vLLM's own are those behind the mask, or those before it, as its version has them
            said = {**shown(result), "logprob": None, "constrained_logprob": None}
            lines.append(answer_line(text.prompt, said, len(result.tokens)))
        return lines

    def _text(self, prompt: Prompt) -> _Text:
        """Return what is asked for a prompt. Raises StructgenError where our own engine would."""
        request = prompt.request(self._request_of)
        check_request(request)
        tokens = self._reading.read(request).tokens
        has_grammar = request.grammar is not None
        # vLLM counts the end token of a document
        request = self._reading.bounded(request, len(tokens), int(has_grammar))
        compiled = self._grammar(request)
        if compiled is not None:
            check_budget(request, Matcher(compiled).tokens_to_finish())
        return _Text(prompt, tokens, compiled, self._params(request, compiled))

    def _grammar(self, request: Request) -> CompiledGrammar | None:
        grammar = request.grammar
        if grammar is None:
            return None
        plain = grammar.grammar if isinstance(grammar, CompiledGrammar) else grammar
        found: CompiledGrammar | None = self._compiled.get(plain)
        if found is None:
            found = self._compiled[plain] = compile(plain, self._reading.tokenizer)
        return with_forced_text(found, canonical=request.canonical)

    def _params(self, request: Request, compiled: CompiledGrammar | None) -> Any:
        from vllm.sampling_params import SamplingParams, StructuredOutputsParams  # optional: the engine

        from structgen.integrations.vllm_backend import asked_of  # optional: the engine

        outputs = None
        if compiled is not None:
            outputs = StructuredOutputsParams(regex=f"{compiled.grammar.fingerprint} {request.canonical}")
            self._grammars.hold(asked_of(outputs), compiled)
        how = request.chosen_by
        return SamplingParams(
            **{name: getattr(how, name) for name in _SAME},
            seed=how.seed % 2**63,  # vLLM takes -1 for none
            logit_bias=dict(how.logit_bias) or None,
            stop=list(request.stops) or None,
            max_tokens=request.most_tokens + (compiled is not None),
            structured_outputs=outputs,
        )

    def _result(self, text: _Text, output: Any) -> Result:
        """Return the result of a text as our own engine gives it."""
        tokenizer, tokens = self._reading.tokenizer, list(output.token_ids)
        if tokens and tokens[-1] in tokenizer.eos_token_ids:
            tokens.pop()
        written = tokenizer.decode(tokens).decode("utf-8", "replace")
        if isinstance(output.stop_reason, str):
            written = written.partition(output.stop_reason)[0]
        reason = _REASONS.get(output.finish_reason, FinishReason.ERROR)
        error, value = None, written
        if reason is FinishReason.ERROR:
            error = StructgenError(
                f"vLLM ended the text ({output.finish_reason}).",
                where="engine",
                cure="Its log in the worker says why.",
            )
        elif text.compiled is not None and reason is FinishReason.STOP:
            try:
                value = text.compiled.value(written.encode())
            except (ValueError, RecursionError):  # an integer of more digits than Python reads
                value = written
        return Result(written, reason, tokens, [], Usage(), 0, error, value)
