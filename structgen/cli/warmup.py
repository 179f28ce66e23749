"""`structgen warmup`: compile the inner loops now, so that the first mask need not wait for them."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from structgen.cli.flags import OF_LARK
from structgen.cli.inner_loops import compile_all, modules_to_compile, write_for
from structgen.cli.named_options import Given, reads
from structgen.cli.output import echo
from structgen.cli.wanted_language import WantedLanguage, listed
from structgen.errors import OptionError, TokenError
from structgen.native.first_use import processors
from structgen.system.progress import progress

if TYPE_CHECKING:
    from structgen.core.grammar import Grammar
    from structgen.tokens.tokenizer import Tokenizer


@reads("tokenizer", "grammar", "text", "jobs", "target", "output", more=OF_LARK)
def warmup(given: Given) -> None:
    """Compile the inner loops ahead, so that the first mask is fast.

    Run it once after installation, or while an image is built. A second call only checks that the compiled
    code is there. With --target it writes code that machines with a processor of that level use instead of
    compiling: they need the same versions of Python, numba, llvmlite and structgen. They find it in the
    package, or in the folder that STRUCTGEN_MACHINE_CODE names.

    Exit status: 0 done; 2 the tokenizer, the grammar or a text cannot be read, or the grammar rejects a text.
    """
    import structgen
    from structgen.language import checks
    from structgen.tokens.tokenizer import byte_tokenizer

    begun = time.perf_counter()
    wanted = WantedLanguage(given)
    wanted.check()
    processes = checks.whole("jobs", given.get("jobs", min(processors(), 4)), 1)
    if "target" in given:
        _write_target(str(given.get("target")), given.get("output"), processes)
        return
    echo("Compiling the inner loops (about a minute, once after an installation) ...")
    with _modules() as done:
        compile_all(processes, done)
    structgen.preload()
    compiled = time.perf_counter()
    echo(f"The inner loops are ready: {compiled - begun:.1f} s.")
    vocabulary = byte_tokenizer()
    if "tokenizer" in given:
        file = given.get("tokenizer")
        # start-up: most calls name no tokenizer
        from structgen.engine.models import tokenizer_of

        vocabulary = tokenizer_of(file)
        structgen.preload("json", tokenizer=vocabulary)
        echo(f"The tables of {file} are ready: {time.perf_counter() - compiled:.1f} s.")
    loading = time.perf_counter()
    if wanted.grammar is not None:
        masks = first_masks(wanted.grammar, vocabulary, [Path(one) for one in listed(given.get("text"))])
        echo(f"{wanted.name} is ready, with {masks:,} masks: {time.perf_counter() - loading:.1f} s.")


def _write_target(target: str, output: str | Path | None, jobs: int) -> None:
    """Write machine code for a level of processors (`--target`). Raises OptionError."""
    from structgen.native import shipped_code  # start-up: numba

    here = shipped_code.architecture()
    level = shipped_code.GENERIC.get(here, target) if target == "generic" else target
    known = [name for name, (kind, _, _) in shipped_code.LEVELS.items() if kind == here]
    if level not in known:
        raise OptionError(
            f"{target!r} is no level of processors that is known on this machine ({here}).",
            where="--target",
            cure=f"Use generic, {', '.join(known)}." if known else "Run structgen warmup without --target.",
        )
    folder = shipped_code.BESIDE_THE_PACKAGE if output is None else Path(output)
    begun = time.perf_counter()
    echo(f"Writing machine code for {level} (up to a minute) ...")
    with _modules() as done:
        size = write_for(level, folder, jobs, done)
    spent = time.perf_counter() - begun
    echo(f"{size / 1e6:.1f} MB of machine code for {level} are in {folder / level}: {spent:.1f} s.")
    if output is not None:
        echo(f"Machines use it where STRUCTGEN_MACHINE_CODE names {folder}.")


@contextmanager
def _modules() -> Iterator[Callable[[str], None]]:
    """Yield what is called with each module that was compiled, and shows their number."""
    finished, count = itertools.count(1), len(modules_to_compile())
    with progress("warmup", "modules") as tell:
        yield lambda name: tell(next(finished), count)


def first_masks(grammar: Grammar, tokenizer: Tokenizer, texts: Sequence[Path] = ()) -> int:
    """Compile a grammar, work out ahead what its masks are made of, and fill those along its shortest text,
    and along those in some files, so that what is kept of them is written; return how many masks that were.
    Raises OptionError for a text that the grammar refuses."""
    import structgen
    from structgen.store.mask_store import default_store

    compiled = structgen.compile(grammar, tokenizer)
    with progress("warmup", "states of lexemes") as tell:
        compiled.prepare(progress=tell)
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
