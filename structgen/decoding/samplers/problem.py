"""The inputs of `sample` and `score`: a model, its tokenizer, a compiled grammar, and prompts.

A *problem* is a model with a grammar; a problem and a prompt make a *target*, the distribution to draw from.
A *walk* writes one text token by token.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import astuple
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Final

from structgen.asking.request_reading.targets import read_target
from structgen.base.errors import OptionError
from structgen.base.language import checks
from structgen.base.language.checks import check_encodable, check_flag
from structgen.decoding.engine.model_protocol import ReadsMany
from structgen.decoding.engine.models import tokenizer_of
from structgen.decoding.engine.requests import Request
from structgen.decoding.samplers.checkers import Checker, TypeChecker
from structgen.decoding.samplers.intervals.field_paths import LENGTH_OF_TEXT, Path, show_path
from structgen.decoding.samplers.intervals.value_ranges import ValueRanges, find_value_ranges
from structgen.decoding.samplers.rows import FunctionRows, PrefixRows
from structgen.decoding.samplers.target import Bounds, Target
from structgen.decoding.speculation.drafts.model_rows import ModelRows
from structgen.grammars.compilation.compiler import compile
from structgen.machines.core.compiled import CompiledGrammar
from structgen.machines.core.grammar import Grammar
from structgen.tokens.tokenizer import Tokenizer

if TYPE_CHECKING:
    # optional: torch
    from structgen.decoding.engine.engine import Engine

WALKS: Final = 32
"""The number of an engine's walks that go side by side. What one walk learns helps only the walks that begin
later, so another number gives other draws."""


class Problem:
    """A model, and a grammar compiled for its tokenizer. Several prompts may use it, one after another."""

    def __init__(
        self,
        model: Any,
        grammar: Any,
        tokenizer: Any,
        name: str,
        outline: bool | None = None,
        chat: bool | None = None,
    ) -> None:
        """`model` is an engine, any argument of `sg.Engine`, or a function `next_logprobs(ids)`; `grammar` is
        a grammar, compiled or not, or a Python type; `outline` and `chat` are those of `sg.Request`.

        Raises OptionError if a function has no tokenizer or no name, if the engine has another tokenizer than
        the given one, or if the grammar was compiled for another.
        """
        name = check_encodable("name", name)
        self._ranges: ValueRanges | None = None
        self._outline = check_flag("outline", outline)
        self._chat = check_flag("chat", chat)
        self._function: Callable[[list[int]], Any] | None = None
        self._engine: Engine | None = None
        plain_grammar, self._read_value, self._type_checkers = read_grammar(grammar)
        # a model of transformers is callable too, but it is not a function `next_logprobs`
        is_model = hasattr(model, "prefill") or hasattr(model, "get_output_embeddings")
        if callable(model) and not is_model:
            if tokenizer is None or not name:
                raise OptionError(
                    "A function needs the tokenizer of its ids, and a name.",
                    where="model",
                    cure="Pass tokenizer= and name=.",
                )
            for option, value in (("outline", outline), ("chat", chat)):
                if value is not None:
                    raise OptionError(
                        f"{option}={value} applies to an engine: a function reads the prompt as it is.",
                        where=option,
                        cure="Remove it.",
                    )
            self._function = model
            self.name = name
            self.width = 1
            self.together = 1
            self.tokenizer = tokenizer_of(tokenizer)
            self.compiled = _compile_for(plain_grammar, self.tokenizer)
            self._vocab_size = self.compiled.vocab_size
            self._context = 1 << 62  # a function has no context that is known
            return
        # optional: torch
        from structgen.decoding.engine import Engine

        engine = model if isinstance(model, Engine) else Engine(model, tokenizer)
        if tokenizer is not None and tokenizer_of(tokenizer) != engine.tokenizer:
            raise OptionError(
                f"The engine has {engine.tokenizer!r}, got {tokenizer_of(tokenizer)!r}.",
                where="tokenizer",
                cure="Remove it, or make the engine with it.",
            )
        self._engine = engine
        self.name = name or engine.name
        self.tokenizer = engine.tokenizer
        self.width = WALKS
        self.together = engine.max_rows
        self.compiled = engine.compiled(plain_grammar)
        self._plain_grammar = plain_grammar
        self._vocab_size = engine.model.vocab_size
        self._context = engine.model.context

    width: int
    """The number of walks that go side by side: `WALKS`, whatever `max_rows` the engine has, so that equal
    seeds give equal draws. It is 1 for a function, which reads one prefix at a time: each walk then learns
    from the walk before it."""
    together: int
    """The most prompts that are read in one pass."""

    def field_ranges(self, paths: Iterable[Path], token_limit: int) -> dict[str, Bounds]:
        """Return the ranges of the fields whose numbers the grammar bounds, by their paths as texts."""
        if self._ranges is None:
            self._ranges = find_value_ranges(self.compiled, token_limit)
        ranges: dict[str, Bounds] = {}
        for path in paths:
            bounds = self._ranges.range_at(path)
            # A field with one possible number has no range to scale it by.
            if bounds is not None and bounds[0] < bounds[1]:
                ranges[show_path(path)] = bounds
        ranges[LENGTH_OF_TEXT] = self._ranges.text_length
        return ranges

    def prompt_ids(self, prompt: str | Sequence[int], where: str, token_limit: int) -> list[int]:
        """Return the tokens of a prompt. An engine puts a text into the form that its model needs.

        Raises OptionError for wrong ids, for a text that UTF-8 cannot encode, and if the prompt and
        `token_limit` more tokens do not fit into the model's context.
        """
        if isinstance(prompt, str):
            check_encodable(where, prompt)
            if self._engine is None or not prompt:
                ids = self.tokenizer.encode(prompt.encode())
            else:
                request = Request(prompt, self._plain_grammar, outline=self._outline, chat=self._chat)
                # With the chat template and the outline of the schema, as `sg.run` asks the model.
                ids = self._engine.prompt_tokens(request)
        else:
            # numpy's arrays and torch's tensors
            id_list = prompt.tolist() if hasattr(prompt, "tolist") else prompt
            is_empty = isinstance(id_list, list | tuple | range) and not id_list
            tokens = () if is_empty else checks.check_tokens(where, id_list)
            ids = [
                checks.check_whole(f"{where}[{at}]", token, 0, self._vocab_size - 1)
                for at, token in enumerate(tokens)
            ]
        if self._engine is not None and not ids:
            raise OptionError("The prompt is empty.", where=where, cure="Pass at least one token.")
        if len(ids) + token_limit > self._context:
            raise OptionError(
                f"{len(ids):,} tokens of prompt and max_tokens={token_limit:,} exceed the model's "
                f"context, {self._context:,}.",
                where="max_tokens",
                cure="Shorten the prompt, or reduce max_tokens.",
            )
        return ids

    def make_target(
        self,
        rows: PrefixRows,
        checkers: Sequence[Checker],
        **law: Any,
    ) -> Target:
        """Return the target law after a prompt. The validators of a type are checkers too.

        `rows`: the model's rows after the prompt (`row_sources`); `law`: `temperature`, `max_tokens` and
        `truncation` of `Target`. For example `problem.make_target(rows, (), max_tokens=256)`. Raises
        OptionError for a checker that reads tokens of another tokenizer (an attribute `tokenizer`).
        """
        for at, checker in enumerate(checkers):
            checker_tokenizer = getattr(checker, "tokenizer", self.tokenizer)
            if checker_tokenizer != self.tokenizer:
                raise OptionError(
                    f"The checker reads tokens of {checker_tokenizer!r}, and the model has "
                    f"{self.tokenizer!r}.",
                    where=f"checkers[{at}]",
                    cure="Pass a model with the same tokenizer.",
                )
        return Target(
            rows,
            self.compiled,
            checkers=(*self._type_checkers, *checkers),
            read_value=self._read_value,
            **law,
        )

    def row_sources(self, prompts: Sequence[list[int]]) -> list[PrefixRows]:
        """Return the source of rows after each prompt. The first prompts are read in one pass, if the model
        can do that (`ReadsMany`); a common prefix is then read once."""
        if self._engine is None:
            function = self._function
            assert function is not None
            return [FunctionRows(function, ids, self._vocab_size, self.name) for ids in prompts]
        model = self._engine.model
        # The caches of as many prefixes as two passes need are kept in any case.
        min_rows = 2 * self.together
        prefilled: Sequence[Any] = [None] * len(prompts)
        if len(prompts) > 1 and isinstance(model, ReadsMany):
            prefilled = model.prefill_many(prompts)
        return [
            ModelRows(model, ids, self.name, least=min_rows, begun=first)
            for ids, first in zip(prompts, prefilled, strict=True)
        ]


def read_grammar(
    grammar: Any,
) -> tuple[Grammar | CompiledGrammar, Callable[[bytes], Any] | None, tuple[Checker, ...]]:
    """Return a grammar, the reader that makes objects of its texts (None without a type), and the type's
    checkers.

    `grammar` is any target (`read_target`). Raises OptionError for free text, and what `read_target` raises.
    """
    if isinstance(grammar, CompiledGrammar):
        return grammar, None, ()
    plain_grammar, reader = read_target(grammar, usual={}, where="grammar")
    if plain_grammar is None:
        raise OptionError(
            "Free text has no constraint to sample under.",
            where="grammar",
            cure="Pass a type that has a schema, or a grammar; or use an sg.Engine with a temperature of 1.",
        )
    if reader is None:
        return plain_grammar, None, ()
    return plain_grammar, reader.read_document, (TypeChecker(reader),)


def _compile_for(grammar: Any, tokenizer: Tokenizer) -> CompiledGrammar:
    """Return a grammar compiled for a tokenizer. Raises OptionError for one that was compiled for another."""
    if not isinstance(grammar, CompiledGrammar):
        compiled_grammar: CompiledGrammar = compile(grammar, tokenizer)
        return compiled_grammar
    if grammar.tokenizer != tokenizer:
        raise OptionError(
            f"The grammar was compiled for {grammar.tokenizer!r}, and tokenizer= is {tokenizer!r}.",
            where="grammar",
            cure="Pass the grammar itself, or compile it for that tokenizer.",
        )
    return grammar


def target_fingerprint(ids: Sequence[int], target: Target) -> str:
    """Return a digest that identifies a target. Raises OptionError if a part of it has no name."""
    if not target.rows.name:
        raise OptionError(
            "A tree is bound to its model by name, and this model has no name.",
            where="tree",
            cure="Pass name=.",
        )
    marks = [getattr(checker, "fingerprint", None) for checker in target.checkers]
    if None in marks:
        raise OptionError(
            "A tree stores what the checkers have rejected, and one of them has no `fingerprint`.",
            where="checkers",
            cure="Add an attribute `fingerprint`: a text that changes whenever its answers may.",
        )
    compiled_grammar = target.compiled
    facts = {
        "model": target.rows.name,
        "prompt": list(ids),
        "grammar": compiled_grammar.grammar.fingerprint,
        "tokenizer": compiled_grammar.tokenizer.fingerprint,
        "temperature": target.temperature,
        "max_tokens": target.max_tokens,
        "checkers": list(map(str, marks)),
    }
    # Only where there is one: trees and files of before truncation keep their digests.
    if not target.truncation.is_none:
        facts["truncation"] = astuple(target.truncation)
    return blake2b(json.dumps(facts).encode(), digest_size=16).hexdigest()


def known_fingerprint(ids: Sequence[int], target: Target) -> str:
    """Return the fingerprint of a target, or "" if a part of it has no name."""
    try:
        return target_fingerprint(ids, target)
    except OptionError:
        return ""  # only trees and joined runs need a digest
