"""`structgen generate --method`: draws from the model's own distribution of valid texts."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import typer

from structgen.cli.output import console, echo, echo_fact, echo_json_text, payload, refuse
from structgen.errors import OptionError, StructgenError

if TYPE_CHECKING:
    from structgen.engine import Engine, Request
    from structgen.python_types.type_hints import TypeReader
    from structgen.sampling.run_limits import RunProgress
    from structgen.sampling.samples import Samples

INTERRUPTED = 130
"""The exit status after Ctrl-C, as shells have it."""


@dataclass(frozen=True, slots=True)
class DrawOptions:
    """What the command line says of draws."""

    method: str
    n: int
    weights: bool
    budget: int | None
    seconds: float | None
    standard_error: float | None
    tree: Path | None
    out: Path | None

    def check(self, temperature: float, others: dict[str, bool], has_grammar: bool) -> None:
        """Raise OptionError for options that do not go with --method, before the model is loaded. `others`:
        the options that are not for draws, and whether each was given."""
        from structgen.sampling.methods import METHODS  # start-up: other commands draw nothing

        for option, is_given in others.items():
            if is_given:
                raise OptionError(
                    "It has no meaning with --method, which draws whole texts from the model's own "
                    "distribution.",
                    where=option,
                    cure="Leave one of them out.",
                )
        if self.method not in METHODS:
            raise OptionError(
                f"{self.method!r} is no method.", where="--method", cure=f"Choose from {', '.join(METHODS)}."
            )
        if temperature == 0:
            raise OptionError(
                "At temperature 0 the model has one text, and no distribution.",
                where="--temperature",
                cure="Leave --method out for the likeliest tokens, or give a temperature above 0.",
            )
        if not has_grammar:
            raise OptionError(
                "Nothing says which texts are valid, and the model's free texts are draws already.",
                where="--method",
                cure="Give --schema, --type, --grammar, --ebnf or --regex; or --temperature 1 without "
                "--method.",
            )
        for option, path in (("--out", self.out), ("--tree", self.tree)):
            if path is not None and not path.parent.is_dir():
                raise OptionError(
                    f"There is no folder {path.parent}.", where=option, cure="Make it, or name another file."
                )
        for option, value in (("--seconds", self.seconds), ("--standard-error", self.standard_error)):
            if value is not None and not 0 < value < 1e30:
                raise OptionError(f"{value!r} is not allowed.", where=option, cure="Give a number above 0.")


def check_none(given: dict[str, bool]) -> None:
    """Raise OptionError for an option that was given and belongs to --method."""
    for option, is_given in given.items():
        if is_given:
            raise OptionError(
                "The option is only for draws (--method).",
                where=option,
                cure="Add --method auto, or leave it out.",
            )


def draw(
    engine: Engine,
    request: Request,
    reader: TypeReader[Any] | None,
    seed: int,
    temperature: float,
    how: DrawOptions,
    as_json: bool,
) -> NoReturn:
    """Draw, print the texts (or write them to a file), print a summary to stderr, and exit. `reader`: that of
    --type, if given."""
    from structgen.sampling.sample import sample
    from structgen.sampling.tree import PrefixTree
    from structgen.sampling.types import TypedGrammar
    from structgen.typed.wrapping import WrappedReader

    tree = None
    if how.tree is not None:
        tree = PrefixTree.load(how.tree) if how.tree.exists() else PrefixTree()
    assert request.grammar is not None
    # The validators of a type are part of the law.
    grammar = request.grammar if reader is None else TypedGrammar(reader, request.grammar)
    try:
        with _progress() as tell:
            found = sample(
                engine,
                engine.prompt_tokens(request),
                grammar,
                how.n,
                method=how.method,
                budget=how.budget,
                seconds=how.seconds,
                standard_error=how.standard_error,
                seed=seed,
                temperature=temperature,
                max_tokens=request.most_tokens,
                tree=tree,
                progress=tell,
            )
    except OptionError:
        raise
    except StructgenError as error:
        refuse(error, as_json, 1)
    finally:
        # What was paid for is kept, whatever became of the run.
        if tree is not None and tree.root is not None and how.tree is not None:
            try:
                tree.save(how.tree)
            except OptionError as error:  # another process has saved one: the draws are printed all the same
                echo(f"The tree was not saved. {error}", err=True)
    if how.out is not None:
        found.to_jsonl(how.out)
    else:
        _print(found, how.weights, as_json, isinstance(reader, WrappedReader))
    for name, said in found.facts():
        echo_fact(name, said, err=True)
    if found.statistics.stopped == "interrupted":
        raise typer.Exit(INTERRUPTED)
    raise typer.Exit(0 if found.texts else 1)


def _print(found: Samples[Any], weights: bool, as_json: bool, is_wrapped: bool) -> None:
    """Print the draws, one a line."""
    from structgen.sampling.samples_file import lines_of
    from structgen.typed.wrapping import unwrapped

    for said in lines_of(found):
        text = unwrapped(said["text"]) if is_wrapped else said["text"]
        if as_json:
            echo_json_text(said)
        elif weights:
            numbers = f"{said['weight']:.6g}\t{said['log_weight']:.6g}\t{said['logprob']:.6g}\t"
            payload(f"{numbers}{text}")
        else:
            payload(text)


@contextmanager
def _progress() -> Iterator[Callable[[RunProgress], None] | None]:
    """Lend what shows on a terminal how far a run has come; None elsewhere."""
    screen = console(stderr=True, highlight=False)
    if not screen.is_terminal:
        yield None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bar

    columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[said]}"), TimeElapsedColumn())
    with Bar(*columns, console=screen, transient=True) as bar:
        task, begun = bar.add_task("draws", total=None, said=""), time.monotonic()

        def tell(now: RunProgress) -> None:
            lower, upper = now.bracket
            rate = now.model_rows / max(time.monotonic() - begun, 1e-9)
            bar.update(
                task,
                total=now.wanted,
                completed=now.accepted,
                said=f"{now.model_rows:,} rows, {rate:,.0f}/s; Z from {lower:.3g} to {upper:.3g}",
            )

        yield tell
