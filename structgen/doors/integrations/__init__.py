"""Other people's loops with our masks; a module for each, loaded when it is first named.

`transformers` with `transformers_batches` and `generation_ends`, `llama_cpp`, `vllm_plugin` with
`vllm_backend`, `vllm_drafts` and `vllm_bulk`, `sglang_plugin` with `sglang_backend`. A plug-in is what the
engine loads, a back end imports the engine. What they share: `engine_grammars` compiles what requests ask
for, `engine_drafts` guesses tokens, `engine_hooks` checks that the engine is one whose hooks we know.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from structgen.base.system.lazy_names import lazy_names

if TYPE_CHECKING:
    from structgen.doors.integrations import llama_cpp as llama_cpp
    from structgen.doors.integrations import transformers as transformers

__getattr__, __dir__ = lazy_names(__name__, {}, modules="llama_cpp transformers")
