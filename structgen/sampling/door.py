"""`sample`: a model, a prompt and a grammar become draws from the model's own distribution of valid texts."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from hashlib import blake2b
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final

from structgen.compiled import CompiledGrammar
from structgen.compiler import compile
from structgen.engine import checks
from structgen.errors import OptionError, StructgenError
from structgen.grammar import Grammar
from structgen.sampling.checkers import Checker
from structgen.sampling.described import described
from structgen.sampling.rows import FunctionRows, ModelRows, Rows
from structgen.sampling.run import Drawn, Progress, Run
from structgen.sampling.samples import Samples, Statistics, interval_of
from structgen.sampling.target import Target
from structgen.sampling.tree import PrefixTree
from structgen.sampling.types import TypedGrammar, understood
from structgen.tokenizer import Tokenizer

if TYPE_CHECKING:
    from structgen.engine.doors import Engine

METHODS: Final = ("auto", "cars", "importance", "smc", "awrs", "asap", "rejection", "masked")
_OTHER_LAWS: Final = frozenset(
    ("top_p", "top_k", "min_p", "repetition_penalty", "presence_penalty", "frequency_penalty")
)


def sample(
    model: Engine | str | Path | Callable[[list[int]], Any] | Any,
    prompt: str | Sequence[int],
    grammar: Grammar | CompiledGrammar | TypedGrammar | type[Any] | Any,
    n: int,
    *,
    method: str = "auto",
    budget: int | None = None,
    seconds: float | None = None,
    standard_error: float | None = None,
    seed: int = 0,
    temperature: float = 1.0,
    max_tokens: int = 256,
    checkers: Sequence[Checker] = (),
    tree: PrefixTree | None = None,
    tokenizer: Tokenizer | None = None,
    name: str = "",
    progress: Callable[[Progress], None] | None = None,
    **others: Any,
) -> Samples[Any]:
    """Return draws from the model's distribution of texts, given that the text is valid.

    Valid is a text of the grammar, of at most `max_tokens` tokens (the end token not counted), that every
    checker passes. The law is over token sequences: two tokenisations of a text are two outcomes.

    model
        an `sg.Engine`, whatever `sg.Engine` takes, or a function `next_logprobs(ids) -> float array [V]`; for
        a function, `tokenizer` and `name` (which tells it from other functions) are needed.
    grammar
        a grammar, compiled or not, or a Python type: then the values are objects of the type, and a text that
        its validators refuse is not valid.
    method
        "cars" and "rejection" give exact independent draws; "auto", "importance", "smc" and "awrs" weighted
        ones whose weights also estimate Z; "masked" and "asap" draws of another law, for comparison. With
        "auto" each valid text is there once, and `n` is how many are to be found.
    budget, seconds, standard_error
        the run ends at so many model rows, after so long, or once log Z is known so well; the draws made
        until then are returned, and `statistics.stopped` says why. So does Ctrl-C.
    seed
        the same seed gives the same draws.
    tree
        what earlier runs of the same target have learnt (`sg.PrefixTree`), for "auto", "cars", "importance"
        and "asap". With checkers it takes a `fingerprint` attribute of each, which tells it from others.

    Raises OptionError for an option that has no meaning here (top_p and the like change the law),
    StructgenError where Z is proved to be 0 or the model gives no numbers.
    """
    _check(n, method, budget, seconds, standard_error, seed, temperature, max_tokens, others)
    began = time.monotonic()
    wanted, read, own = understood(grammar)
    rows, compiled, width, ids = _rows(model, prompt, wanted, tokenizer, name, max_tokens)
    target = Target(
        rows,
        compiled,
        temperature=temperature,
        max_tokens=max_tokens,
        checkers=(*own, *checkers),
        read=read,
    )
    shared = PrefixTree() if tree is None else tree
    run = Run(target, shared, n, seed, width, budget, seconds, standard_error, progress, began=began)
    try:
        with shared.used("" if tree is None else _fingerprint(rows, ids, target)):
            found: Drawn = _method(method).draw(run)
    finally:
        target.close()
    if run.tree.bracket[1] == 0.0:
        raise StructgenError(
            f"No text is valid: all that the model gives mass to is proved invalid (Z = 0), after "
            f"{run.model_rows:,} model rows.",
            where="grammar",
            cure=f"Raise max_tokens={max_tokens}, or look at the checkers.",
        )
    return _samples(method, run, found)


def _fingerprint(rows: Rows, ids: list[int], target: Target) -> str:
    """Return what tells a target from others. Raises OptionError where a part of it has no name."""
    if not rows.name:
        raise OptionError(
            "A tree is bound to its model by name, and this one has none.", where="tree", cure="Give name=."
        )
    marks = [getattr(checker, "fingerprint", None) for checker in target.checkers]
    if None in marks:
        raise OptionError(
            "A tree holds what the checkers have refused, and one of them has no `fingerprint`.",
            where="checkers",
            cure="Give it an attribute `fingerprint`: a text that changes whenever its answers may.",
        )
    compiled = target.compiled
    said = {
        "model": rows.name,
        "prompt": ids,
        "grammar": compiled.grammar.fingerprint,
        "tokenizer": compiled.tokenizer.fingerprint,
        "temperature": target.temperature,
        "max_tokens": target.max_tokens,
        "checkers": list(map(str, marks)),
    }
    return blake2b(json.dumps(said).encode(), digest_size=16).hexdigest()


def _samples(method: str, run: Run, found: Drawn) -> Samples[Any]:
    texts = [run.target.text(tokens) for tokens in found.tokens]
    log_z, interval = interval_of(found.log_z, found.relative_error, run.tree.bracket)
    return Samples(
        method,
        [text.decode("utf-8", "replace") for text in texts],
        [run.target.value(text) for text in texts],
        found.tokens,
        found.logprobs,
        found.log_weights,
        found.is_exact,
        found.is_biased,
        log_z,
        interval,
        run.tree.bracket,
        Statistics(
            found.attempts,
            len(found.tokens),
            run.model_rows,
            time.monotonic() - run.began,
            run.stopped or "n",
            run.target.checks,
        ),
        found.contributions,
        **described(run, found.tokens),
    )


def _method(name: str) -> ModuleType:
    """Return the module of a method: a file each, loaded when it is asked for."""
    return import_module(f"structgen.sampling.methods.{name}")


def _rows(
    model: Any,
    prompt: str | Sequence[int],
    grammar: Any,
    tokenizer: Tokenizer | None,
    name: str,
    max_tokens: int,
) -> tuple[Rows, CompiledGrammar, int, list[int]]:
    """Return what gives the model's rows, the compiled grammar, how many rows go through one pass, and the
    prompt's tokens."""
    if callable(model) and not hasattr(model, "prefill"):
        if tokenizer is None or not name:
            raise OptionError(
                "A function needs the tokenizer of its ids, and a name that tells it from others.",
                where="model",
                cure="Give tokenizer= and name=.",
            )
        compiled = grammar if isinstance(grammar, CompiledGrammar) else compile(grammar, tokenizer)
        ids = _ids(prompt, tokenizer, compiled.vocab_size)
        # A function is asked for one row at a time: each walk may as well learn from the one before it.
        return FunctionRows(model, ids, compiled.vocab_size, name), compiled, 1, ids
    from structgen.engine.doors import Engine

    engine = model if isinstance(model, Engine) else Engine(model, tokenizer)
    compiled = engine.compiled(grammar)
    ids = _ids(prompt, engine.tokenizer, engine.model.vocab_size)
    if not ids:
        raise OptionError("The prompt is empty.", where="prompt", cure="Give at least one token.")
    if len(ids) + max_tokens > engine.model.context:
        raise OptionError(
            f"{len(ids):,} tokens of prompt and max_tokens={max_tokens:,} are more than the model's context, "
            f"{engine.model.context:,}.",
            where="max_tokens",
            cure="Shorten the prompt, or ask for fewer tokens.",
        )
    rows = ModelRows(engine.model, ids, engine.name or name, max(256, 4 * engine.max_rows))
    return rows, compiled, engine.max_rows, ids


def _check(
    n: int,
    method: str,
    budget: int | None,
    seconds: float | None,
    standard_error: float | None,
    seed: int,
    temperature: float,
    max_tokens: int,
    others: dict[str, Any],
) -> None:
    """Raise OptionError for an option that has no meaning here."""
    if changed := sorted(_OTHER_LAWS & others.keys()):
        raise OptionError(
            f"{changed[0]} changes the law that is sampled from.",
            where=changed[0],
            cure="Leave it out; sg.Engine takes it for texts that are not meant as draws.",
        )
    if others:
        raise TypeError(f"sample() got an unexpected keyword argument {next(iter(others))!r}")
    if method not in METHODS:
        raise OptionError(
            f"{method!r} is no method.", where="method", cure=f"Choose from {', '.join(METHODS)}."
        )
    checks.whole("n", n, 1)
    checks.whole("max_tokens", max_tokens, 1)
    checks.whole("seed", seed, 0)
    if budget is not None:
        checks.whole("budget", budget, 1)
    if temperature == 0:
        raise OptionError(
            "At temperature 0 the model has one text, and no distribution.",
            where="temperature",
            cure="Use sg.Engine with temperature=0 for the likeliest tokens, or a temperature above 0 here.",
        )
    for option, value in (
        ("temperature", temperature),
        ("seconds", seconds),
        ("standard_error", standard_error),
    ):
        if value is not None:
            checks.number(option, value, 1e-30, 1e30, "a number above 0")


def _ids(prompt: str | Sequence[int], tokenizer: Tokenizer, most: int) -> list[int]:
    """Return the token ids of a prompt. Raises OptionError for wrong ids and texts without UTF-8."""
    if isinstance(prompt, str):
        return tokenizer.encode(checks.encodable("prompt", prompt).encode())
    return [checks.whole(f"prompt[{at}]", token, 0, most - 1) for at, token in enumerate(prompt)]
