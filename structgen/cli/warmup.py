"""`structgen warmup`: compile the inner loop now, so that the first mask of a server need not."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from structgen.cli.inner_loops import compile_all
from structgen.cli.language_options import ImportPath, PostLex, RegexModule, Start, lark_grammar
from structgen.cli.output import console, echo, refuse
from structgen.errors import OptionError, StructgenError, TokenError

if TYPE_CHECKING:
    from structgen.core.grammar import Grammar
    from structgen.tokens.tokenizer import Tokenizer


def warmup(
    tokenizer: Annotated[
        Path | None,
        typer.Option(
            help="Also build and keep this tokenizer's tables: a tokenizer.json, a tekken.json, a "
            "SentencePiece model, or a folder with one of them."
        ),
    ] = None,
    grammar: Annotated[
        Path | None,
        typer.Option(
            help="Also load this Lark grammar, and work out what its masks are made of for the tokenizer.",
            show_default=False,
        ),
    ] = None,
    text: Annotated[
        list[Path] | None,
        typer.Option(
            help="Also fill the masks along this text of the grammar, and keep them; may be repeated.",
            show_default=False,
        ),
    ] = None,
    start: Start = None,
    import_path: ImportPath = None,
    postlex: PostLex = None,
    regex_module: RegexModule = False,
) -> None:
    """Compile the inner loops ahead, so that the first mask is fast.

    Run it once after installation, or while an image is built. A second call only checks that the compiled
    code is there.

    Exit status: 0 done; 2 the tokenizer, the grammar or a text cannot be read, or the grammar rejects a text.
    """
    import structgen
    from structgen.cli.tokens import byte_tokenizer

    if grammar is None and (start is not None or import_path or postlex is not None or regex_module or text):
        refuse(
            OptionError(
                "These options need --grammar.",
                where="--start, --import-path, --postlex, --regex-module, --text",
                cure="Add --grammar FILE, or leave them out.",
            ),
            False,
        )
    begun = time.perf_counter()
    echo("Preparing the inner loop (a minute or two after an installation, a moment from then on) ...")
    try:
        compile_all()
        exercise(byte_tokenizer())
        compiled = time.perf_counter()
        echo(f"The inner loop is ready: {compiled - begun:.1f} s.")
        vocabulary = byte_tokenizer()
        if tokenizer is not None:
            vocabulary = structgen.Tokenizer.from_huggingface(tokenizer)
            exercise(vocabulary)
            echo(f"The tables of {tokenizer} are ready: {time.perf_counter() - compiled:.1f} s.")
        if grammar is not None:
            loading = time.perf_counter()
            made = lark_grammar(grammar, start, import_path, postlex, regex_module=regex_module)
            masks = first_masks(made, vocabulary, text or ())
            echo(f"{grammar} is ready, with {masks:,} masks: {time.perf_counter() - loading:.1f} s.")
    except (StructgenError, OSError) as error:
        refuse(error, False)


def first_masks(grammar: Grammar, tokenizer: Tokenizer, texts: Sequence[Path] = ()) -> int:
    """Compile a grammar, work out ahead what its masks are made of, and fill those along its shortest text,
    and along those in some files, so that what is kept of them is written; return how many masks that were.
    Raises OptionError for a text that the grammar refuses."""
    import structgen
    from structgen.store.mask_store import default_store

    compiled = structgen.compile(grammar, tokenizer)
    with _counted() as progress:
        compiled.prepare(progress=progress)
    mask = structgen.allocate_mask(1, tokenizer.vocab_size)
    masks = 0
    for path, text in [
        (None, compiled.completion(compiled.start)),
        *((one, one.read_bytes()) for one in texts),
    ]:
        matcher = structgen.Matcher(compiled)
        matcher.fill_mask(mask)
        masks += 1
        for token in tokenizer.encode(text):
            try:
                matcher.advance(token)
            except TokenError as error:
                cure = "See what the grammar expects there: structgen check --grammar FILE TEXT."
                raise OptionError(error.what, where=f"{path}", cure=cure) from None
            matcher.fill_mask(mask)
            masks += 1
    default_store().flush()
    return masks


@contextmanager
def _counted() -> Iterator[Callable[[int], None]]:
    """Yield what is called with the number of states worked out so far: it shows that on a terminal;
    elsewhere, every thousand is told. Both go to stderr."""
    if sys.stderr.isatty():
        with console(stderr=True).status("States of lexemes ...") as status:
            yield lambda done: status.update(f"States of lexemes: {done:,}")
        return

    def tell(done: int) -> None:
        if done % 1000 == 0:
            echo(f"warmup: {done:,} states of lexemes", err=True)

    yield tell


def exercise(tokenizer: Tokenizer) -> None:
    """Fill masks, commit, step bytes, a batch and a draft, with every JSON type, so that a tokenizer's tables
    are kept."""
    import structgen

    schema = {
        "type": "object",
        "properties": {
            "text": {"type": "string", "minLength": 1, "maxLength": 40},
            "code": {"type": "string", "pattern": "^[a-z]{2,5}$"},
            "day": {"type": "string", "format": "date"},
            "count": {"type": "integer", "minimum": -3, "maximum": 1200},
            "ratio": {"type": "number", "multipleOf": 0.25},
            "list": {"type": "array", "items": {"enum": ["a", "b", 1, None, True]}, "maxItems": 3},
        },
        "required": ["text"],
        "patternProperties": {"^x-": {"type": "string"}},
    }
    compiled = structgen.compile(structgen.json_schema(schema), tokenizer)
    text = (
        b'{"text": "ab", "code": "abc", "day": "2024-02-29", "count": -2, "ratio": 0.25,'
        b' "list": ["a", 1], "x-1": ""}'
    )
    mask = structgen.allocate_mask(4, tokenizer.vocab_size)
    matchers = [structgen.Matcher(compiled) for _ in range(2)]
    tokens = tokenizer.encode(text)
    structgen.fill_draft(matchers[0], tokens[:3], [-1, 0, 1], mask, [0, 1, 2, 3])
    for token in tokens:
        structgen.fill_masks(matchers, mask)
        structgen.advance_all(matchers, [token, token])
    one = structgen.Matcher(compiled)
    for token in tokens:
        one.fill_mask(mask)
        one.advance(token)
    one.fill_mask(mask, budget=one.tokens_to_finish())
    one.rollback(len(tokens))
    one.forced()
    compiled.step_bytes(compiled.start, text)
