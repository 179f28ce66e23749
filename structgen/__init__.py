"""structgen: a language model's answer in the form that you ask for.

    import structgen as sg

    @sg.generate(model="structgen/extract")      # a function that a model answers, with an object of a type
    def read(text: str) -> Person:
        return sg.filled(text)

    read("Ada is 36 years old.")                                      # Person(name='Ada', age=36)
    sg.run("structgen/extract", "Ada is 36 years old.", Person)       # the same as one call
    sg.run("smollm2", "Is it?", sg.choice(["yes", "no"]))             # a text of a grammar

**Ask a model.** `run` and, for coroutines, `arun`, with the methods `detailed` and `stream`; `generate` with
`filled`; `extract` and `aextract` read documents of any length; `tools` with `Tool`, `Call`, `Reply`,
`ToolFormat`, `parse_calls`; `infill` and `Infilling` fill the holes of a text (`Infilled`). `Partial` is an
object that is still being written, `Outcome` an answer with its figures, `Server` a model at an address.
`outcome_of` reads the text of a model that you call yourself.

**Say what may come.** `json_schema`, `lark` (`LarkGrammar`), `ebnf`, `regex`, `choice`, `literal`, `text`,
`special`, `substring_of`; together: `sequence`, `either`, `structural_tag`, `in_json_string`, `without`,
`without_spans_of` (`CopiedSpan`). `Regex` is a field of a type, and `Quote`, `Inferred` and `Key` mark
one. Ways to write JSON: `WIDEST`, `JSON_DUMPS`, `OPENAI_STRICT`, `OPENAPI_FORMATS`. `read_request` reads the
grammar of a server's request. `explain` says what a grammar allows (`Explanation`, `GrammarExplanation`).

**Drive a model yourself.** `compile` makes a `CompiledGrammar` of a `Grammar` and a `Tokenizer`; a `Matcher`
fills token masks (`allocate_mask`). `Engine` writes many texts at once: `Request`, `Sampling`, `Speculation`,
`Thinking` go in, a `Result` with its `FinishReason` comes out. `Limits`, `MaskStore` and `preload` bound and
prepare the work.

**Draw by probability.** `sample` draws from the model's own law among the valid texts (`Samples`); `score`,
`most_probable`, `cite`.

**In submodules.** `sg.errors`: what can go wrong; all are a `StructgenError`. `sg.strategies`: published
changes of the choice of tokens. `sg.samplers`: checkers, and the results of `score`, `cite`, `most_probable`.
`sg.speculation`: drafters of your own. `sg.core`: states, masks of batches and drafts, events.
`sg.integrations`: transformers, llama.cpp. `sg.testing`: a model and a server that say given texts, for
tests of your code.

`help(sg.run)` and the other names have their options. README.md has the first five minutes, docs/ a page for
each subject. Each name is loaded when it is first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from structgen.base.system.lazy_names import lazy_names
from structgen.base.system.public_addresses import refuse_moved

if TYPE_CHECKING:
    from structgen import core as core
    from structgen import errors as errors
    from structgen import integrations as integrations
    from structgen import samplers as samplers
    from structgen import speculation as speculation
    from structgen import strategies as strategies
    from structgen import testing as testing
    from structgen.asking.python_types.grounding_marks import Inferred as Inferred
    from structgen.asking.python_types.grounding_marks import Key as Key
    from structgen.asking.python_types.grounding_marks import Quote as Quote
    from structgen.asking.python_types.regex_annotation import Regex as Regex
    from structgen.asking.request_reading.request_reader import read_request as read_request
    from structgen.asking.tool_calls.call_reader import parse_calls as parse_calls
    from structgen.asking.tool_calls.tool_definitions import Tool as Tool
    from structgen.asking.tool_calls.tool_format import ToolFormat as ToolFormat
    from structgen.asking.tool_calls.tool_grammar import tools as tools
    from structgen.asking.tool_calls.tool_replies import Call as Call
    from structgen.asking.tool_calls.tool_replies import Reply as Reply
    from structgen.base.errors import StructgenError as StructgenError
    from structgen.base.limits import Limits as Limits
    from structgen.decoding.engine.engine import Engine as Engine
    from structgen.decoding.engine.requests import FinishReason as FinishReason
    from structgen.decoding.engine.requests import Request as Request
    from structgen.decoding.engine.requests import Result as Result
    from structgen.decoding.engine.requests import Sampling as Sampling
    from structgen.decoding.engine.thinking import Thinking as Thinking
    from structgen.decoding.infilling.infill import infill as infill
    from structgen.decoding.infilling.results import Infilled as Infilled
    from structgen.decoding.samplers.cite import cite as cite
    from structgen.decoding.samplers.most_probable import most_probable as most_probable
    from structgen.decoding.samplers.sample import sample as sample
    from structgen.decoding.samplers.samples import Samples as Samples
    from structgen.decoding.samplers.score import score as score
    from structgen.decoding.speculation.speculation_options import Speculation as Speculation
    from structgen.doors.extraction.extract_calls import aextract as aextract
    from structgen.doors.extraction.extract_calls import extract as extract
    from structgen.doors.typed.decorator import filled as filled
    from structgen.doors.typed.decorator import generate as generate
    from structgen.doors.typed.infilled import Infilling as Infilling
    from structgen.doors.typed.outcomes import Outcome as Outcome
    from structgen.doors.typed.partial import Partial as Partial
    from structgen.doors.typed.run import arun as arun
    from structgen.doors.typed.run import run as run
    from structgen.doors.typed.servers import Server as Server
    from structgen.doors.typed.text_outcomes import outcome_of as outcome_of
    from structgen.grammars.compilation.compiler import compile as compile
    from structgen.grammars.compilation.explanation import explain as explain
    from structgen.grammars.compilation.grammar_explanation import GrammarExplanation as GrammarExplanation
    from structgen.grammars.compilation.preloading import preload as preload
    from structgen.grammars.compilation.schema_explanation import Explanation as Explanation
    from structgen.grammars.json_grammars.schema_grammar import json_schema as json_schema
    from structgen.grammars.lark_grammars.compiled.loaded_lark import LarkGrammar as LarkGrammar
    from structgen.grammars.lark_grammars.lark_grammar import lark as lark
    from structgen.grammars.structural_tags.structural_tag import structural_tag as structural_tag
    from structgen.grammars.text_grammars.composition.bans import without as without
    from structgen.grammars.text_grammars.composition.json_strings import in_json_string as in_json_string
    from structgen.grammars.text_grammars.copied_spans import CopiedSpan as CopiedSpan
    from structgen.grammars.text_grammars.copied_spans import without_spans_of as without_spans_of
    from structgen.grammars.text_grammars.ebnf_grammar import ebnf as ebnf
    from structgen.grammars.text_grammars.free_text import text as text
    from structgen.grammars.text_grammars.regular import choice as choice
    from structgen.grammars.text_grammars.regular import literal as literal
    from structgen.grammars.text_grammars.regular import regex as regex
    from structgen.grammars.text_grammars.special_tokens import special as special
    from structgen.grammars.text_grammars.text_grammar import either as either
    from structgen.grammars.text_grammars.text_grammar import sequence as sequence
    from structgen.grammars.text_grammars.word_runs import substring_of as substring_of
    from structgen.machines.core.compiled import CompiledGrammar as CompiledGrammar
    from structgen.machines.core.grammar import Grammar as Grammar
    from structgen.machines.core.matcher import Matcher as Matcher
    from structgen.machines.store.mask_store import MaskStore as MaskStore
    from structgen.schema.reading.openai import OPENAI_STRICT as OPENAI_STRICT
    from structgen.schema.reading.policies import JSON_DUMPS as JSON_DUMPS
    from structgen.schema.reading.policies import OPENAPI_FORMATS as OPENAPI_FORMATS
    from structgen.schema.reading.policies import WIDEST as WIDEST
    from structgen.tokens.token_mask import allocate_mask as allocate_mask
    from structgen.tokens.tokenizer import Tokenizer as Tokenizer

__version__ = "0.9.0"
"""Also the version of the distribution: the build reads it here (pyproject.toml)."""

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "structgen.grammars.compilation.compiler": "compile",
        "structgen.grammars.compilation.explanation": "explain",
        "structgen.grammars.compilation.grammar_explanation": "GrammarExplanation",
        "structgen.grammars.compilation.preloading": "preload",
        "structgen.grammars.compilation.schema_explanation": "Explanation",
        "structgen.machines.core.compiled": "CompiledGrammar",
        "structgen.machines.core.grammar": "Grammar",
        "structgen.machines.core.matcher": "Matcher",
        "structgen.decoding.engine": "Engine",
        "structgen.decoding.engine.requests": "FinishReason Request Result Sampling",
        "structgen.decoding.engine.thinking": "Thinking",
        "structgen.base.errors": "StructgenError",
        "structgen.decoding.infilling.infill": "infill",
        "structgen.decoding.infilling.results": "Infilled",
        "structgen.grammars.json_grammars.schema_grammar": "json_schema",
        "structgen.grammars.lark_grammars.compiled.loaded_lark": "LarkGrammar",
        "structgen.grammars.lark_grammars.lark_grammar": "lark",
        "structgen.base.limits": "Limits",
        "structgen.asking.python_types.grounding_marks": "Inferred Key Quote",
        "structgen.asking.python_types.regex_annotation": "Regex",
        "structgen.asking.request_reading.request_reader": "read_request",
        "structgen.decoding.samplers.cite": "cite",
        "structgen.decoding.samplers.most_probable": "most_probable",
        "structgen.decoding.samplers.sample": "sample",
        "structgen.decoding.samplers.samples": "Samples",
        "structgen.decoding.samplers.score": "score",
        "structgen.schema.reading.openai": "OPENAI_STRICT",
        "structgen.schema.reading.policies": "JSON_DUMPS OPENAPI_FORMATS WIDEST",
        "structgen.decoding.speculation.speculation_options": "Speculation",
        "structgen.machines.store.mask_store": "MaskStore",
        "structgen.grammars.text_grammars.composition.bans": "without",
        "structgen.grammars.text_grammars.composition.json_strings": "in_json_string",
        "structgen.grammars.structural_tags.structural_tag": "structural_tag",
        "structgen.grammars.text_grammars.copied_spans": "CopiedSpan without_spans_of",
        "structgen.grammars.text_grammars.ebnf_grammar": "ebnf",
        "structgen.grammars.text_grammars.free_text": "text",
        "structgen.grammars.text_grammars.regular": "choice literal regex",
        "structgen.grammars.text_grammars.special_tokens": "special",
        "structgen.grammars.text_grammars.text_grammar": "either sequence",
        "structgen.grammars.text_grammars.word_runs": "substring_of",
        "structgen.tokens.token_mask": "allocate_mask",
        "structgen.tokens.tokenizer": "Tokenizer",
        "structgen.asking.tool_calls.call_reader": "parse_calls",
        "structgen.asking.tool_calls.tool_definitions": "Tool",
        "structgen.asking.tool_calls.tool_format": "ToolFormat",
        "structgen.asking.tool_calls.tool_grammar": "tools",
        "structgen.asking.tool_calls.tool_replies": "Call Reply",
        "structgen.doors.extraction.extract_calls": "aextract extract",
        "structgen.doors.typed.decorator": "filled generate",
        "structgen.doors.typed.text_outcomes": "outcome_of",
        "structgen.doors.typed.infilled": "Infilling",
        "structgen.doors.typed.outcomes": "Outcome",
        "structgen.doors.typed.partial": "Partial",
        "structgen.doors.typed.run": "arun run",
        "structgen.doors.typed.servers": "Server",
    },
    modules="core errors integrations samplers speculation strategies testing",
)
refuse_moved()
