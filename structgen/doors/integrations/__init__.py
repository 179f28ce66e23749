"""Our masks in other engines that write texts. There is a module for each, loaded when it is first named.

A *plug-in* is the module that an engine loads at its start; a *back end* is the class that gives it masks, in
a module that imports the engine. A *hook* is a function of an engine that we call, replace or implement.

- transformers: `transformers`, with `transformers_batches` and `generation_ends`.
- llama-cpp-python: `llama_cpp`.
- vLLM: `vllm_plugin`, with `vllm_backend`, `vllm_drafts` and `vllm_bulk`.
- SGLang: `sglang_plugin`, with `sglang_backend`.

Shared modules: `engine_grammars` compiles the grammars that requests ask for, `engine_drafts` guesses tokens,
and `engine_hooks` checks that the engine is a release whose hooks we know.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from structgen.base.system.lazy_names import lazy_names

if TYPE_CHECKING:
    from structgen.doors.integrations import llama_cpp as llama_cpp
    from structgen.doors.integrations import transformers as transformers

__getattr__, __dir__ = lazy_names(__name__, {}, modules="llama_cpp transformers")
