"""`structgen warmup`: compile the inner loops now, so that the first mask need not wait for them."""

from __future__ import annotations

import platform
import time
from pathlib import Path

from structgen.base.errors import OptionError
from structgen.base.system.platforms import processors
from structgen.doors.cli.flags import OF_LARK
from structgen.doors.cli.inner_loops import compile_all, write_library
from structgen.doors.cli.named_options import CommandOptions, takes_options
from structgen.doors.cli.output import echo
from structgen.doors.cli.target_language import TargetLanguage


@takes_options("tokenizer", "grammar", "jobs", "target", "output", more_names=OF_LARK)
def warmup(options: CommandOptions) -> None:
    """Compile the inner loops ahead, so that the first mask is fast.

    Run it once after the installation of a wheel without machine code, or while an image is built. A second
    call only checks that the compiled code is there. With --target it writes the library that a wheel with
    machine code has: any Python loads it, without numba, on processors of the level x86-64-v3. It is found
    in the package, or in the folder that STRUCTGEN_MACHINE_CODE names. Of a grammar its tables and its lexer
    are left in the cache folder: later processes read them.

    Exit status: 0 done; 2 the tokenizer or the grammar cannot be read.
    """
    import structgen
    from structgen.tokens.tokenizer import byte_tokenizer

    start_time = time.perf_counter()
    language = TargetLanguage(options)
    language.check()
    processes = options.get("jobs", min(processors(), 4))
    if "target" in options:
        _write_target(str(options.get("target")), options.get("output"))
        return
    echo("Compiling the inner loops that are missing (up to a minute) ...")
    compile_all(processes)
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


def _write_target(target: str, output: str | Path | None) -> None:
    """Write the library of machine code (`--target`). Raises OptionError."""
    from structgen.base.native.machine_code import BESIDE_THE_PACKAGE, LEVEL  # start-up: numpy

    if target not in ("generic", LEVEL) or platform.machine() != "x86_64":
        raise OptionError(
            f"A library for {target!r} cannot be written on this machine ({platform.machine()}).",
            where="--target",
            cure=f"Use generic on x86_64, or structgen warmup without --target. Known: generic, {LEVEL}.",
        )
    start_time = time.perf_counter()
    echo(f"Writing the library of machine code for {LEVEL} (up to a minute) ...")
    path = write_library(BESIDE_THE_PACKAGE if output is None else Path(output))
    spent = time.perf_counter() - start_time
    echo(f"{path.stat().st_size / 1e6:.1f} MB of machine code are in {path}: {spent:.1f} s.")
    if output is not None:
        echo(f"Processes use it where STRUCTGEN_MACHINE_CODE names {output}.")
