"""Structured generation for language models: the public names, each loaded when it is first used."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from structgen import integrations as integrations
    from structgen import monitors as monitors
    from structgen.compilation.compiler import compile
    from structgen.compilation.explanation import explain
    from structgen.compilation.grammar_explanation import GrammarExplanation
    from structgen.compilation.preloading import preload
    from structgen.compilation.schema_explanation import Explanation
    from structgen.core.batch import RowStatus, advance_all, fill_masks
    from structgen.core.compiled import CompiledGrammar, State
    from structgen.core.dfa import Dfa
    from structgen.core.draft_masks import fill_draft, fill_drafts
    from structgen.core.events import Event, EventKind
    from structgen.core.grammar import Grammar
    from structgen.core.matcher import Matcher
    from structgen.engine.composed_models.fused import Fused
    from structgen.engine.composed_models.switched import Switched
    from structgen.engine.engine import Engine
    from structgen.engine.requests import FinishReason, Request, Result, Sampling
    from structgen.engine.searches.cautious import Cautious
    from structgen.engine.searches.pause_and_rerank import PauseAndRerank
    from structgen.engine.searches.plan import Plan
    from structgen.engine.searches.superposed import Superposed
    from structgen.engine.searches.valued import Valued
    from structgen.engine.strategies.contrast import Contrast
    from structgen.engine.strategies.guidance import Guidance
    from structgen.engine.strategies.mirostat import Mirostat
    from structgen.engine.strategies.model_arithmetic import ContrastiveDecoding, ProxyTuning
    from structgen.engine.strategies.momentum import Momentum
    from structgen.engine.strategies.repetitions import Repetitions
    from structgen.engine.thinking import Thinking
    from structgen.errors import (
        BudgetError,
        BusyError,
        FinishedError,
        GenerationError,
        GrammarError,
        LimitError,
        LooseCallError,
        MaskError,
        OptionError,
        RegexError,
        SchemaError,
        SchemaWarning,
        ShortenedWarning,
        SlotsWarning,
        StoreWarning,
        StructgenError,
        TokenError,
        TokenizerError,
        ToolWarning,
        UnsatisfiableSchema,
        UnsatisfiableUnderPolicy,
        UnsupportedError,
        ValidatorError,
    )
    from structgen.infilling.infill import infill
    from structgen.infilling.no_filling import NoFillingError
    from structgen.infilling.results import Infilled
    from structgen.json_grammars.schema_grammar import json_schema
    from structgen.language.expectation import Expected
    from structgen.lark_grammars.lark_grammar import LarkGrammar, lark
    from structgen.limits import Limits
    from structgen.monitors.monitor import Monitor, MonitorUse
    from structgen.python_types.regex_annotation import Regex
    from structgen.request_reading.request_reader import read_request
    from structgen.sampling.checkers import Checker, Closed, Written
    from structgen.sampling.exact_spans.cite import Span, cite
    from structgen.sampling.exact_spans.most_probable import MostProbable, ProbableText, most_probable
    from structgen.sampling.processes import InProcess
    from structgen.sampling.sample import sample
    from structgen.sampling.samples import Samples
    from structgen.sampling.score import Score, score
    from structgen.sampling.targets.expert import Expert
    from structgen.sampling.tree import PrefixTree
    from structgen.sampling.types import TypeChecker
    from structgen.schema.reading.openai import OPENAI_STRICT
    from structgen.schema.reading.policies import JSON_DUMPS, OPENAPI_FORMATS, WIDEST
    from structgen.speculation.drafters.answer_history import AnswerHistory
    from structgen.speculation.drafts.draft import Draft
    from structgen.speculation.drafts.drafter import Drafter, Facts, View
    from structgen.speculation.speculation_options import Speculation
    from structgen.store.mask_store import MaskStore
    from structgen.text_grammars.composition.bans import without
    from structgen.text_grammars.composition.json_strings import in_json_string
    from structgen.text_grammars.composition.structural_tags import structural_tag
    from structgen.text_grammars.copied_spans import CopiedSpan, without_spans_of
    from structgen.text_grammars.ebnf_grammar import ebnf
    from structgen.text_grammars.free_text import text
    from structgen.text_grammars.regular import choice, literal, regex
    from structgen.text_grammars.special_tokens import special
    from structgen.text_grammars.substrings import substring_of
    from structgen.text_grammars.text_grammar import either, sequence
    from structgen.tokens.token_mask import TokenMask, allocate_mask
    from structgen.tokens.tokenizer import Tokenizer
    from structgen.tool_calls.call_parsing import parse_calls
    from structgen.tool_calls.tool_definitions import Tool
    from structgen.tool_calls.tool_format import ToolFormat
    from structgen.tool_calls.tool_grammar import tools
    from structgen.tool_calls.tool_replies import Call, Reply
    from structgen.typed.decorator import filled, generate
    from structgen.typed.functions import Outcome
    from structgen.typed.infilled import Infilling
    from structgen.typed.partial import Partial
    from structgen.typed.run import run
    from structgen.typed.servers import Server

__version__ = "0.1.0.dev0"
"""Also the version of the distribution: the build reads it here (pyproject.toml)."""

__all__ = [
    "JSON_DUMPS",
    "OPENAI_STRICT",
    "OPENAPI_FORMATS",
    "WIDEST",
    "AnswerHistory",
    "BudgetError",
    "BusyError",
    "Call",
    "Cautious",
    "Checker",
    "Closed",
    "CompiledGrammar",
    "Contrast",
    "ContrastiveDecoding",
    "CopiedSpan",
    "Dfa",
    "Draft",
    "Drafter",
    "Engine",
    "Event",
    "EventKind",
    "Expected",
    "Expert",
    "Explanation",
    "Facts",
    "FinishReason",
    "FinishedError",
    "Fused",
    "GenerationError",
    "Grammar",
    "GrammarError",
    "GrammarExplanation",
    "Guidance",
    "InProcess",
    "Infilled",
    "Infilling",
    "LarkGrammar",
    "LimitError",
    "Limits",
    "LooseCallError",
    "MaskError",
    "MaskStore",
    "Matcher",
    "Mirostat",
    "Momentum",
    "Monitor",
    "MonitorUse",
    "MostProbable",
    "NoFillingError",
    "OptionError",
    "Outcome",
    "Partial",
    "PauseAndRerank",
    "Plan",
    "PrefixTree",
    "ProbableText",
    "ProxyTuning",
    "Regex",
    "RegexError",
    "Repetitions",
    "Reply",
    "Request",
    "Result",
    "RowStatus",
    "Samples",
    "Sampling",
    "SchemaError",
    "SchemaWarning",
    "Score",
    "Server",
    "ShortenedWarning",
    "SlotsWarning",
    "Span",
    "Speculation",
    "State",
    "StoreWarning",
    "StructgenError",
    "Superposed",
    "Switched",
    "Thinking",
    "TokenError",
    "TokenMask",
    "Tokenizer",
    "TokenizerError",
    "Tool",
    "ToolFormat",
    "ToolWarning",
    "TypeChecker",
    "UnsatisfiableSchema",
    "UnsatisfiableUnderPolicy",
    "UnsupportedError",
    "ValidatorError",
    "Valued",
    "View",
    "Written",
    "__version__",
    "advance_all",
    "allocate_mask",
    "choice",
    "cite",
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
    "monitors",
    "most_probable",
    "parse_calls",
    "preload",
    "read_request",
    "regex",
    "run",
    "sample",
    "score",
    "sequence",
    "special",
    "structural_tag",
    "substring_of",
    "text",
    "tools",
    "without",
    "without_spans_of",
]


def _home(name: str) -> str | None:
    """Return the module that defines a public name; a function, so that importing builds no table."""
    match name:
        case "RowStatus" | "advance_all" | "fill_masks":
            return "structgen.core.batch"
        case "fill_draft" | "fill_drafts":
            return "structgen.core.draft_masks"
        case "CompiledGrammar" | "State":
            return "structgen.core.compiled"
        case "compile":
            return "structgen.compilation.compiler"
        case "preload":
            return "structgen.compilation.preloading"
        case "Dfa":
            return "structgen.core.dfa"
        case "Engine":
            return "structgen.engine"
        case "FinishReason" | "Request" | "Result" | "Sampling":
            return "structgen.engine.requests"
        case "Repetitions":
            return "structgen.engine.strategies.repetitions"
        case "Contrast" | "Guidance" | "Mirostat" | "Momentum":
            return f"structgen.engine.strategies.{name.lower()}"
        case "Cautious" | "Plan" | "Superposed" | "Valued":
            return f"structgen.engine.searches.{name.lower()}"
        case "PauseAndRerank":
            return "structgen.engine.searches.pause_and_rerank"
        case "ContrastiveDecoding" | "ProxyTuning":
            return "structgen.engine.strategies.model_arithmetic"
        case "Monitor" | "MonitorUse":
            return "structgen.monitors.monitor"
        case "Fused" | "Switched":
            return f"structgen.engine.composed_models.{name.lower()}"
        case "Thinking":
            return "structgen.engine.thinking"
        case "Event" | "EventKind":
            return "structgen.core.events"
        case "Expert":
            return "structgen.sampling.targets.expert"
        case "Expected":
            return "structgen.language.expectation"
        case "explain":
            return "structgen.compilation.explanation"
        case "Explanation":
            return "structgen.compilation.schema_explanation"
        case "GrammarExplanation":
            return "structgen.compilation.grammar_explanation"
        case "infill":
            return "structgen.infilling.infill"
        case "NoFillingError":
            return "structgen.infilling.no_filling"
        case "Infilled":
            return "structgen.infilling.results"
        case "Regex":
            return "structgen.python_types.regex_annotation"
        case "LarkGrammar" | "lark":
            return "structgen.lark_grammars.lark_grammar"
        case "Limits":
            return "structgen.limits"
        case "TokenMask" | "allocate_mask":
            return "structgen.tokens.token_mask"
        case "MaskStore":
            return "structgen.store.mask_store"
        case "Matcher":
            return "structgen.core.matcher"
        case "either" | "sequence":
            return "structgen.text_grammars.text_grammar"
        case "ebnf":
            return "structgen.text_grammars.ebnf_grammar"
        case "in_json_string":
            return "structgen.text_grammars.composition.json_strings"
        case "substring_of":
            return "structgen.text_grammars.substrings"
        case "CopiedSpan" | "without_spans_of":
            return "structgen.text_grammars.copied_spans"
        case "special":
            return "structgen.text_grammars.special_tokens"
        case "structural_tag":
            return "structgen.text_grammars.composition.structural_tags"
        case "text":
            return "structgen.text_grammars.free_text"
        case "without":
            return "structgen.text_grammars.composition.bans"
        case "choice" | "literal" | "regex":
            return "structgen.text_grammars.regular"
        case "Grammar":
            return "structgen.core.grammar"
        case "Checker" | "Closed" | "Written":
            return "structgen.sampling.checkers"
        case "InProcess":
            return "structgen.sampling.processes"
        case "TypeChecker":
            return "structgen.sampling.types"
        case "sample":
            return "structgen.sampling.sample"
        case "Score" | "score":
            return "structgen.sampling.score"
        case "Span" | "cite":
            return "structgen.sampling.exact_spans.cite"
        case "MostProbable" | "ProbableText" | "most_probable":
            return "structgen.sampling.exact_spans.most_probable"
        case "PrefixTree":
            return "structgen.sampling.tree"
        case "Samples":
            return "structgen.sampling.samples"
        case "json_schema":
            return "structgen.json_grammars.schema_grammar"
        case "OPENAI_STRICT":
            return "structgen.schema.reading.openai"
        case "JSON_DUMPS" | "OPENAPI_FORMATS" | "WIDEST":
            return "structgen.schema.reading.policies"
        case "AnswerHistory":
            return "structgen.speculation.drafters.answer_history"
        case "Draft":
            return "structgen.speculation.drafts.draft"
        case "Drafter" | "Facts" | "View":
            return "structgen.speculation.drafts.drafter"
        case "Speculation":
            return "structgen.speculation.speculation_options"
        case "Tokenizer":
            return "structgen.tokens.tokenizer"
        case "Call" | "Reply":
            return "structgen.tool_calls.tool_replies"
        case "Tool":
            return "structgen.tool_calls.tool_definitions"
        case "ToolFormat":
            return "structgen.tool_calls.tool_format"
        case "parse_calls":
            return "structgen.tool_calls.call_parsing"
        case "read_request":
            return "structgen.request_reading.request_reader"
        case "tools":
            return "structgen.tool_calls.tool_grammar"
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
        case "Server":
            return "structgen.typed.servers"
    return "structgen.errors" if name in __all__ else None


def __getattr__(name: str) -> object:
    """Return a public name, importing its module the first time (numpy and numba come in only then)."""
    value: object
    if name in ("integrations", "monitors"):
        value = import_module(f"structgen.{name}")
    else:
        home = _home(name)
        if home is None:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = getattr(import_module(home), name)
    setattr(sys.modules[__name__], name, value)
    return value


def __dir__() -> list[str]:
    """Return the public names, loaded or not."""
    return sorted(__all__)
