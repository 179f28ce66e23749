"""`structgen warmup`: compile the inner loops now, so that the first mask need not wait for them."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from structgen.base.errors import OptionError
from structgen.base.native.compile_pace import Pace
from structgen.base.native.first_use import processors, seconds_told
from structgen.base.system.progress import progress
from structgen.doors.cli.flags import OF_LARK
from structgen.doors.cli.inner_loops import compile_all, modules_to_compile, write_for
from structgen.doors.cli.named_options import CommandOptions, takes_options
from structgen.doors.cli.output import echo
from structgen.doors.cli.target_language import TargetLanguage


@takes_options("tokenizer", "grammar", "jobs", "target", "output", more_names=OF_LARK)
def warmup(options: CommandOptions) -> None:
    """Compile the inner loops ahead, so that the first mask is fast.

    Run it once after installation, or while an image is built. A second call only checks that the compiled
    code is there. With --target it writes code that machines with a processor of that level use instead of
    compiling: they need the same versions of Python, numba, llvmlite and structgen. They find it in the
    package, or in the folder that STRUCTGEN_MACHINE_CODE names. Of a grammar its tables and its lexer are
    left in the cache folder: later processes read them.

    Exit status: 0 done; 2 the tokenizer or the grammar cannot be read.
    """
    import structgen
    from structgen.tokens.tokenizer import byte_tokenizer

    start_time = time.perf_counter()
    language = TargetLanguage(options)
    language.check()
    processes = options.get("jobs", min(processors(), 4))
    if "target" in options:
        _write_target(str(options.get("target")), options.get("output"), processes)
        return
    echo("Compiling the inner loops, once after an installation ...")
    with progress("warmup", "modules", timed=False) as report:
        compile_all(processes, lambda name: None, lambda pace: report(*pace.modules, _describe_rest(pace)))
    structgen.preload()
    compiled_time = time.perf_counter()
    echo(f"The inner loops are ready: {compiled_time - start_time:.1f} s.")
    vocabulary = byte_tokenizer()
    if "tokenizer" in options:
        file = options.get("tokenizer")
        # start-up: most calls name no tokenizer
        from structgen.decoding.engine.models import tokenizer_of

        vocabulary = tokenizer_of(file)
        structgen.preload("json", tokenizer=vocabulary)
        echo(f"The tables of {file} are ready: {time.perf_counter() - compiled_time:.1f} s.")
    loading_time = time.perf_counter()
    if language.grammar is not None:
        structgen.compile(language.grammar, vocabulary)
        echo(f"{language.name} is ready: {time.perf_counter() - loading_time:.1f} s.")


def _write_target(target: str, output: str | Path | None, jobs: int) -> None:
    """Write machine code for a level of processors (`--target`). Raises OptionError."""
    from structgen.base.native import shipped_code  # start-up: numba

    here = shipped_code.architecture()
    level = shipped_code.GENERIC.get(here, target) if target == "generic" else target
    known_levels = [name for name, (kind, _, _) in shipped_code.LEVELS.items() if kind == here]
    if level not in known_levels:
        raise OptionError(
            f"{target!r} is no level of processors that is known on this machine ({here}).",
            where="--target",
            cure=f"Use generic, {', '.join(known_levels)}."
            if known_levels
            else "Run structgen warmup without --target.",
        )
    folder = shipped_code.BESIDE_THE_PACKAGE if output is None else Path(output)
    start_time = time.perf_counter()
    echo(f"Writing machine code for {level} (up to a minute) ...")
    with _show_modules() as done:
        size = write_for(level, folder, jobs, done)
    spent = time.perf_counter() - start_time
    echo(f"{size / 1e6:.1f} MB of machine code for {level} are in {folder / level}: {spent:.1f} s.")
    if output is not None:
        echo(f"Machines use it where STRUCTGEN_MACHINE_CODE names {folder}.")


def _describe_rest(pace: Pace) -> str:
    """Return the seconds that are left, once that is known."""
    return f"about {seconds_told(pace.left)} left" if pace.left else ""


@contextmanager
def _show_modules() -> Iterator[Callable[[str], None]]:
    """Yield a callback that takes the name of each module that was compiled, and shows their number."""
    numbers, count = itertools.count(1), len(modules_to_compile())
    with progress("warmup", "modules") as report:
        yield lambda name: report(next(numbers), count)
