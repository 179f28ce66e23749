"""Read by each process that Python starts with this folder on PYTHONPATH: it writes when the functions of an
engine that a request passes begin and end (bench/first_text.py). Nothing is changed where STRUCTGEN_PROBE is
not set.

A line is JSON: the name of a function's work, its begin by `time.perf_counter` (one clock for all processes),
its seconds, and the processor seconds of its thread.
"""

from __future__ import annotations

import functools
import importlib.abc
import importlib.util
import inspect
import json
import os
import sys
import threading
import time
from collections.abc import Callable, Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any, TextIO

_VLLM = "vllm.v1.structured_output"
_SGLANG = "sglang.srt.constrained"
OWNERS: dict[str, dict[str, str]] = {
    "uvicorn.protocols.http.httptools_impl": {"RequestResponseCycle.send": "server: sends"},
    "uvicorn.protocols.http.h11_impl": {"RequestResponseCycle.send": "server: sends"},
    "vllm.v1.engine.input_processor": {"InputProcessor.process_inputs": "server: reads the request"},
    "vllm.v1.engine.output_processor": {"OutputProcessor.process_outputs": "server: reads tokens"},
    "vllm.v1.engine.core": {
        "EngineCore.preprocess_add_request": "engine: takes the request",
        "EngineCore.step": "engine: a step",
    },
    "structgen.doors.integrations.vllm_backend": {
        "check_request": "grammar: check",
        "VllmBackend.grammar_of": "grammar: compile",
        "VllmGrammar.fill_bitmask": "grammar: mask",
        "VllmGrammar.accept_tokens": "grammar: takes a token",
    },
    f"{_VLLM}.backend_guidance": {
        "validate_guidance_grammar": "grammar: check",
        "GuidanceBackend.compile_grammar": "grammar: compile",
        "GuidanceGrammar.fill_bitmask": "grammar: mask",
        "GuidanceGrammar.accept_tokens": "grammar: takes a token",
    },
    f"{_VLLM}.backend_xgrammar": {
        "validate_xgrammar_grammar": "grammar: check",
        "XgrammarBackend.compile_grammar": "grammar: compile",
        "XgrammarGrammar.fill_bitmask": "grammar: mask",
        "XgrammarGrammar.accept_tokens": "grammar: takes a token",
    },
    "sglang.srt.managers.scheduler": {
        "Scheduler.process_input_requests": "engine: takes requests",
        "Scheduler.run_batch": "engine: a step",
        "Scheduler.process_batch_result": "engine: reads tokens",
    },
    "structgen.doors.integrations.sglang_backend": {
        "SglangBackend.dispatch_json": "grammar: compile",
        "SglangGrammar.structgen_admits": "grammar: check",
        "SglangGrammar.fill_vocab_mask_batched": "grammar: mask",
        "SglangGrammar.accept_token": "grammar: takes a token",
    },
    f"{_SGLANG}.llguidance_backend": {
        "GuidanceBackend.dispatch_json": "grammar: compile",
        "GuidanceGrammar.fill_vocab_mask": "grammar: mask",
        "GuidanceGrammar.accept_token": "grammar: takes a token",
    },
    f"{_SGLANG}.xgrammar_backend": {
        "XGrammarGrammarBackend.dispatch_json": "grammar: compile",
        "XGrammarGrammar.fill_vocab_mask": "grammar: mask",
        "XGrammarGrammar.accept_token": "grammar: takes a token",
    },
}
"""Functions by module, and what they do."""


class Notes:
    """The file of this process, which is opened when the first note is written."""

    def __init__(self, prefix: str) -> None:
        self.prefix, self.lock = prefix, threading.Lock()
        self.file: TextIO | None = None
        self.process = 0

    def write(self, work: str, began: float, processor: float) -> None:
        """Note work that has just ended; `processor`: its thread's processor seconds when it began."""
        seconds, spent = time.perf_counter() - began, time.thread_time() - processor
        with self.lock:
            if self.file is None or self.process != os.getpid():
                self.process = os.getpid()
                self.file = open(f"{self.prefix}.{self.process}", "a", encoding="utf-8")  # noqa: SIM115
            print(json.dumps([work, began, seconds, spent]), file=self.file, flush=True)

    def noted(self, function: Callable[..., Any], work: str) -> Callable[..., Any]:
        """Return a function that does the same and is noted."""
        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def asynchronous(*args: Any, **kwargs: Any) -> Any:
                began, processor = time.perf_counter(), time.thread_time()
                try:
                    return await function(*args, **kwargs)
                finally:
                    self.write(work, began, processor)

            return asynchronous

        @functools.wraps(function)
        def plain(*args: Any, **kwargs: Any) -> Any:
            began, processor = time.perf_counter(), time.thread_time()
            try:
                return function(*args, **kwargs)
            finally:
                self.write(work, began, processor)

        return plain


class Probe(importlib.abc.MetaPathFinder):
    """Puts the notes into the modules of `OWNERS` when they are imported."""

    def __init__(self, notes: Notes) -> None:
        self.notes = notes
        self.left = dict(OWNERS)

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        functions = self.left.pop(name, None)
        spec = importlib.util.find_spec(name) if functions else None
        if spec is None or spec.loader is None or functions is None:
            return None
        plain = spec.loader.exec_module

        def exec_module(module: ModuleType) -> None:
            plain(module)
            for place, work in functions.items():
                *owners, last = place.split(".")
                owner: Any = functools.reduce(getattr, owners, module)
                found = inspect.getattr_static(owner, last)
                noted = self.notes.noted(getattr(owner, last), work)
                setattr(owner, last, staticmethod(noted) if isinstance(found, staticmethod) else noted)

        spec.loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec


if "STRUCTGEN_PROBE" in os.environ:
    sys.meta_path.insert(0, Probe(Notes(os.environ["STRUCTGEN_PROBE"])))
