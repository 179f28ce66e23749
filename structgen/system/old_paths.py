"""Import paths of an earlier layout that README or docs/ named: they work, and each warns once in a process.

`structgen/__init__.py` asks `find` for modules that are not there. This is the only place that knows an old
path; there are no files under the old names.
"""

from __future__ import annotations

import sys
import warnings
from importlib import import_module
from importlib.abc import Loader
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Final

MOVED: Final = {
    "batch": "core.batch",
    "compiled": "core.compiled",
    "compiler": "compilation.compiler",
    "dfa": "core.dfa",
    "draft_masks": "core.draft_masks",
    "engine.doors": "engine.engine",
    "engine.llama": "engine.forward_pass.llama",
    "events": "core.events",
    "expected": "language.expectation",
    "explanation": "compilation.explanation",
    "frontends.regex": "python_types.regex_annotation",
    "frontends.type_hints": "python_types.type_hints",
    "grammar": "core.grammar",
    "grammar_explanation": "compilation.grammar_explanation",
    "infilling.door": "infilling.infill",
    "inner": "native.inner_functions",
    "jit": "native.jit",
    "language.grammar": "core.grammar",
    "languages.composition": "text_grammars.text_grammar",
    "languages.ebnf": "text_grammars.ebnf_grammar",
    "languages.escaped": "text_grammars.composition.json_strings",
    "languages.lark_files": "lark_grammars.lark_grammar",
    "languages.lark_records": "lark_grammars.compiled.lexeme_records",
    "languages.regular": "text_grammars.regular",
    "languages.spans": "text_grammars.substrings",
    "languages.special": "text_grammars.special_tokens",
    "languages.structural_tags": "text_grammars.composition.structural_tags",
    "languages.until": "text_grammars.free_text",
    "languages.without": "text_grammars.composition.bans",
    "masks.grammar_files": "store.grammar_files",
    "masks.mask": "tokens.token_mask",
    "masks.store": "store.mask_store",
    "matcher": "core.matcher",
    "prompting": "json_grammars.prompting",
    "resources": "system.resources",
    "sampling.door": "sampling.sample",
    "schema.grammar": "json_grammars.schema_grammar",
    "schema.openai": "schema.reading.openai",
    "schema.policies": "schema.reading.policies",
    "schema.prompting": "json_grammars.prompting",
    "schema.schema_grammar": "json_grammars.schema_grammar",
    "speculation.answer_history": "speculation.drafters.answer_history",
    "speculation.draft": "speculation.drafts.draft",
    "speculation.drafter": "speculation.drafts.drafter",
    "speculation.options": "speculation.speculation_options",
    "tokenizer": "tokens.tokenizer",
}
"""For a module's path below `structgen` in the earlier layout, its path now."""


class _Moved(Loader):
    """Puts the module that has moved in the place of the one that is being imported."""

    def exec_module(self, module: ModuleType) -> None:
        name = module.__name__
        new = f"structgen.{MOVED[name.removeprefix('structgen.')]}"
        warnings.warn(f"{name} is {new} now. Import it from there.", DeprecationWarning, stacklevel=2)
        sys.modules[name] = import_module(new)


class _Folder(Loader):
    """An empty package, for the folder of a module that has moved."""

    def exec_module(self, module: ModuleType) -> None:
        pass


def find(name: str) -> ModuleSpec | None:
    """Return how a module of the earlier layout is loaded; None for any other name.

    `name` is a whole path, `structgen.matcher`. The spec of a package has no places to look in: all that is
    found below it is found here.
    """
    below = name.removeprefix("structgen.")
    if below in MOVED:
        return ModuleSpec(name, _Moved())
    if any(old.startswith(f"{below}.") for old in MOVED):
        return ModuleSpec(name, _Folder(), is_package=True)
    return None
