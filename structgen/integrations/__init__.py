"""Other people's loops with our masks; a module for each, loaded when it is first named."""

from __future__ import annotations

from typing import TYPE_CHECKING

from structgen.base.system.lazy_names import lazy_names

if TYPE_CHECKING:
    from structgen.integrations import llama_cpp as llama_cpp
    from structgen.integrations import transformers as transformers

__getattr__, __dir__ = lazy_names(__name__, {}, modules="llama_cpp transformers")
