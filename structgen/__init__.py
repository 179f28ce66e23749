"""Structured generation for language models: the public names, each loaded when it is first used."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from structgen import integrations as integrations
    from structgen.batch import RowStatus, advance_all, fill_masks
    from structgen.compiled import CompiledGrammar, State
    from structgen.compiler import compile
    from structgen.dfa import Dfa
    from structgen.draft_masks import fill_draft, fill_drafts
    from structgen.engine.doors import Engine
    from structgen.engine.requests import FinishReason, Request, Result, Sampling
    from structgen.engine.thinking import Thinking
    from structgen.errors import (
        BudgetError,
        FinishedError,
        GenerationError,
        GrammarError,
        LimitError,
        MaskError,
        OptionError,
        RegexError,
        SchemaError,
        SchemaWarning,
        StoreWarning,
        StructgenError,
        TokenError,
        TokenizerError,
        UnsatisfiableSchema,
        UnsatisfiableUnderPolicy,
        UnsupportedError,
        ValidatorError,
    )
    from structgen.events import Event, EventKind
    from structgen.expected import Expected
    from structgen.explanation import Explanation, explain
    from structgen.frontends.regex import Regex
    from structgen.grammar import Grammar
    from structgen.grammar_explanation import GrammarExplanation
    from structgen.infilling.door import infill
    from structgen.infilling.no_filling import NoFillingError
    from structgen.infilling.results import Infilled
    from structgen.languages.composition import either, sequence
    from structgen.languages.ebnf import ebnf
    from structgen.languages.escaped import in_json_string
    from structgen.languages.lark_files import LarkGrammar, lark
    from structgen.languages.regular import choice, literal, regex
    from structgen.languages.spans import substring_of
    from structgen.languages.special import special
    from structgen.languages.structural_tags import structural_tag
    from structgen.languages.until import text
    from structgen.languages.without import without
    from structgen.limits import Limits
    from structgen.masks.mask import TokenMask, allocate_mask
    from structgen.masks.store import MaskStore
    from structgen.matcher import Matcher
    from structgen.sampling.checkers import Checker, Closed, Written
    from structgen.sampling.door import sample
    from structgen.sampling.processes import InProcess
    from structgen.sampling.samples import Samples
    from structgen.sampling.score import Score, score
    from structgen.sampling.tree import PrefixTree
    from structgen.sampling.types import TypeChecker
    from structgen.schema.grammar import json_schema
    from structgen.schema.openai import OPENAI_STRICT
    from structgen.schema.policies import JSON_DUMPS, OPENAPI_FORMATS, WIDEST
    from structgen.speculation.answer_history import AnswerHistory
    from structgen.speculation.draft import Draft
    from structgen.speculation.drafter import Drafter, Facts, View
    from structgen.speculation.options import Speculation
    from structgen.tokenizer import Tokenizer
    from structgen.typed.decorator import filled, generate
    from structgen.typed.functions import Outcome
    from structgen.typed.infilled import Infilling
    from structgen.typed.partial import Partial
    from structgen.typed.run import run

__version__ = "0.1.0.dev0"
"""Also the version of the distribution: the build reads it here (pyproject.toml)."""

__all__ = [
    "JSON_DUMPS",
    "OPENAI_STRICT",
    "OPENAPI_FORMATS",
    "WIDEST",
    "AnswerHistory",
    "BudgetError",
    "Checker",
    "Closed",
    "CompiledGrammar",
    "Dfa",
    "Draft",
    "Drafter",
    "Engine",
    "Event",
    "EventKind",
    "Expected",
    "Explanation",
    "Facts",
    "FinishReason",
    "FinishedError",
    "GenerationError",
    "Grammar",
    "GrammarError",
    "GrammarExplanation",
    "InProcess",
    "Infilled",
    "Infilling",
    "LarkGrammar",
    "LimitError",
    "Limits",
    "MaskError",
    "MaskStore",
    "Matcher",
    "NoFillingError",
    "OptionError",
    "Outcome",
    "Partial",
    "PrefixTree",
    "Regex",
    "RegexError",
    "Request",
    "Result",
    "RowStatus",
    "Samples",
    "Sampling",
    "SchemaError",
    "SchemaWarning",
    "Score",
    "Speculation",
    "State",
    "StoreWarning",
    "StructgenError",
    "Thinking",
    "TokenError",
    "TokenMask",
    "Tokenizer",
    "TokenizerError",
    "TypeChecker",
    "UnsatisfiableSchema",
    "UnsatisfiableUnderPolicy",
    "UnsupportedError",
    "ValidatorError",
    "View",
    "Written",
    "__version__",
    "advance_all",
    "allocate_mask",
    "choice",
    "compile",
    "ebnf",
    "either",
    "explain",
    "fill_draft",
    "fill_drafts",
    "fill_masks",
    "filled",
    "generate",
    "in_json_string",
    "infill",
    "integrations",
    "json_schema",
    "lark",
    "literal",
    "regex",
    "run",
    "sample",
    "score",
    "sequence",
    "special",
    "structural_tag",
    "substring_of",
    "text",
    "without",
]


def _home(name: str) -> str | None:
    """Return the module that defines a public name; a function, so that importing builds no table."""
    match name:
        case "RowStatus" | "advance_all" | "fill_masks":
            return "structgen.batch"
        case "fill_draft" | "fill_drafts":
            return "structgen.draft_masks"
        case "CompiledGrammar" | "State":
            return "structgen.compiled"
        case "compile":
            return "structgen.compiler"
        case "Dfa":
            return "structgen.dfa"
        case "Engine":
            return "structgen.engine"
        case "FinishReason" | "Request" | "Result" | "Sampling":
            return "structgen.engine.requests"
        case "Thinking":
            return "structgen.engine.thinking"
        case "Event" | "EventKind":
            return "structgen.events"
        case "Expected":
            return "structgen.expected"
        case "Explanation" | "explain":
            return "structgen.explanation"
        case "GrammarExplanation":
            return "structgen.grammar_explanation"
        case "infill":
            return "structgen.infilling.door"
        case "NoFillingError":
            return "structgen.infilling.no_filling"
        case "Infilled":
            return "structgen.infilling.results"
        case "Regex":
            return "structgen.frontends.regex"
        case "LarkGrammar" | "lark":
            return "structgen.languages.lark_files"
        case "Limits":
            return "structgen.limits"
        case "TokenMask" | "allocate_mask":
            return "structgen.masks.mask"
        case "MaskStore":
            return "structgen.masks.store"
        case "Matcher":
            return "structgen.matcher"
        case "either" | "sequence":
            return "structgen.languages.composition"
        case "ebnf":
            return "structgen.languages.ebnf"
        case "in_json_string":
            return "structgen.languages.escaped"
        case "substring_of":
            return "structgen.languages.spans"
        case "special":
            return "structgen.languages.special"
        case "structural_tag":
            return "structgen.languages.structural_tags"
        case "text":
            return "structgen.languages.until"
        case "without":
            return "structgen.languages.without"
        case "choice" | "literal" | "regex":
            return "structgen.languages.regular"
        case "Grammar":
            return "structgen.grammar"
        case "Checker" | "Closed" | "Written":
            return "structgen.sampling.checkers"
        case "InProcess":
            return "structgen.sampling.processes"
        case "TypeChecker":
            return "structgen.sampling.types"
        case "sample":
            return "structgen.sampling.door"
        case "Score" | "score":
            return "structgen.sampling.score"
        case "PrefixTree":
            return "structgen.sampling.tree"
        case "Samples":
            return "structgen.sampling.samples"
        case "json_schema":
            return "structgen.schema.grammar"
        case "OPENAI_STRICT":
            return "structgen.schema.openai"
        case "JSON_DUMPS" | "OPENAPI_FORMATS" | "WIDEST":
            return "structgen.schema.policies"
        case "AnswerHistory":
            return "structgen.speculation.answer_history"
        case "Draft":
            return "structgen.speculation.draft"
        case "Drafter" | "Facts" | "View":
            return "structgen.speculation.drafter"
        case "Speculation":
            return "structgen.speculation.options"
        case "Tokenizer":
            return "structgen.tokenizer"
        case "filled" | "generate":
            return "structgen.typed.decorator"
        case "Outcome":
            return "structgen.typed.functions"
        case "Infilling":
            return "structgen.typed.infilled"
        case "Partial":
            return "structgen.typed.partial"
        case "run":
            return "structgen.typed.run"
    return "structgen.errors" if name in __all__ else None


def __getattr__(name: str) -> object:
    """Return a public name, importing its module the first time (numpy and numba come in only then)."""
    value: object
    if name == "integrations":
        value = import_module("structgen.integrations")
    else:
        home = _home(name)
        if home is None:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = getattr(import_module(home), name)
    setattr(sys.modules[__name__], name, value)
    return value


def __dir__() -> list[str]:
    """Return the public names, loaded or not."""
    return sorted({*globals(), *__all__})
