"""`structgen report`: what the report of a fault needs, and nothing private.

Each value is a version, a number, a digest, or a word that this package knows. Paths, values of the
environment, names and values of a schema, and messages of errors, which may quote all of these, are left out.
"""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import sys
import sysconfig
import traceback
import warnings
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import suppress
from importlib import import_module, metadata
from pathlib import Path
from typing import Any, Final

from structgen.base.errors import LimitError, StructgenError
from structgen.base.json_text.exact_json import JsonObject
from structgen.base.system.installation import DISTRIBUTION, EXTRAS
from structgen.base.system.platforms import missing_here, processors
from structgen.base.system.source_digests import package_digest
from structgen.decoding.runs.resources import model_name, model_path
from structgen.doors.cli.inner_loops import modules_to_compile
from structgen.doors.cli.named_options import CommandOptions, takes_options
from structgen.doors.cli.output import echo, echo_json
from structgen.doors.cli.target_language import schema_of

CORE: Final = (
    "filelock", "jinja2", "jsonschema", "lark",
    "numpy", "platformdirs", "referencing", "rich", "typer",
)  # fmt: skip
"""The packages that structgen always needs, as in pyproject.toml."""
_OTHERS: Final = (
    "click",
    "huggingface-hub",
    "llama-cpp-python",
    "opentelemetry-api",
    "opentelemetry-sdk",
    "pydantic-core",
    "sglang",
    "triton",
    "vllm",
)
"""Packages below or beside those of the extras, whose versions have mattered."""
_VARIABLES: Final = (
    "CUDA_VISIBLE_DEVICES", "NUMBA_CPU_FEATURES", "NUMBA_CPU_NAME", "OMP_NUM_THREADS",
    "STRUCTGEN_CACHE", "STRUCTGEN_CHECKED", "STRUCTGEN_MACHINE_CODE", "XDG_CACHE_HOME",
)  # fmt: skip
"""Variables of the environment that change what structgen does."""


@takes_options("tokenizer", "schema", "json")
def report(options: CommandOptions) -> None:
    """Print what a report of a fault should hold: versions, the machine, where machine code comes from.

    It has no path, no value of the environment, no prompt, and of a schema no names and no values. Of a
    tokenizer and a schema there are digests, which tell whether two are the same. Where a schema or a
    tokenizer is not usable, the type of the error is told and the line of structgen that raised it.

    Nothing is compiled: without machine code it is unknown whether the schema compiles.

    Exit status: 0 the report is printed; 2 wrong usage, or a file cannot be read.
    """
    with warnings.catch_warnings(record=True) as caught_warnings:
        warnings.simplefilter("always")
        facts: JsonObject = {
            "structgen": _structgen_facts(),
            "python": _python_facts(),
            "packages": dict(_package_versions()),
            "machine": _machine_facts(),
            "machine_code": _try_part(_machine_code),
            "cache": _try_part(_cache_facts),
            "variables": [name for name in _VARIABLES if os.environ.get(name)],
        }
        if "tokenizer" in options:
            facts["tokenizer"] = _tokenizer_facts(str(options.get("tokenizer")))
        if "schema" in options:
            code = facts["machine_code"]
            is_loaded = "error" not in code and "none" not in code
            facts["schema"] = _schema_facts(str(options.get("schema")), is_loaded)
    facts["warnings"] = Counter(caught.category.__name__ for caught in caught_warnings)
    if "json" in options:
        echo_json(facts)
    else:
        echo(
            "\n".join(f"{name.replace('_', ' ')}: {_describe_value(value)}" for name, value in facts.items())
        )


def _describe_value(value: Any, joint: str = "; ") -> str:
    """Return a part of the report on one line; an inner part stands in parentheses."""
    if isinstance(value, dict):
        inside = {name.replace("_", " "): _describe_value(item, ", ") for name, item in value.items()}
        words = joint.join(f"{name} {item}" for name, item in inside.items())
        return f"({words})" if joint == ", " else words or "none"
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none"
    if value is None or isinstance(value, bool):
        return {None: "unknown", True: "yes", False: "no"}[value]
    return f"{value:,}" if isinstance(value, int) else str(value)


def _try_part(part: Callable[[], JsonObject]) -> JsonObject:
    """Return a part of the report, or the error where it fails: an installation that is broken needs a report
    most."""
    try:
        return part()
    except Exception as error:
        return {"error": _error_facts(error)}


def _error_facts(error: Exception) -> JsonObject:
    """Return an error without its message: the type, the limit that was reached, and the innermost line of
    structgen."""
    frames = traceback.walk_tb(error.__traceback__)
    locations = [(str(frame.f_globals.get("__name__")), line) for frame, line in frames]
    module, line = next(location for location in reversed(locations) if location[0].startswith("structgen."))
    limit = {"limit": error.limit} if isinstance(error, LimitError) else {}
    return {"kind": type(error).__name__, **limit, "at": f"{module}:{line}"}


def _structgen_facts() -> JsonObject:
    """Return the facts of the package that runs. The installed distribution may be another copy of it."""
    from structgen import __version__

    facts = {"version": __version__, "sources": package_digest(), "distribution": "none"}
    with suppress(metadata.PackageNotFoundError):
        distribution = metadata.distribution(DISTRIBUTION)
        record = distribution.read_text("direct_url.json") or ""  # PEP 610
        kinds = {"dir_info": "a folder", "vcs_info": "version control", "archive_info": "a file"}
        origin = next((kinds[kind] for kind in kinds if f'"{kind}"' in record), "an index")
        facts |= {"distribution": distribution.version, "installed_from": origin}
    return facts


def _python_facts() -> JsonObject:
    """Return the facts of the interpreter, without its path."""
    return {
        "version": platform.python_version(),
        "implementation": platform.python_implementation(),
        "virtual_environment": sys.prefix != sys.base_prefix,
        "free_threaded": bool(sysconfig.get_config_var("Py_GIL_DISABLED")),
    }


def _package_versions() -> Iterator[tuple[str, str]]:
    """Yield the installed packages that structgen may use, with their versions. None is imported."""
    for name in sorted({*CORE, *_OTHERS, *(name for names in EXTRAS.values() for name in names)}):
        with suppress(metadata.PackageNotFoundError, KeyError, OSError):  # a damaged record is none
            yield name, metadata.version(name)


def _machine_facts() -> JsonObject:
    """Return the facts of the machine: its system, its processors, its memory."""
    memory = None
    with suppress(AttributeError, OSError, ValueError):  # Windows has no sysconf
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20
    return {
        "system": platform.system(),
        "release": platform.release(),
        "libc": " ".join(platform.libc_ver()).strip(),
        "architecture": platform.machine(),
        "processors": processors(),
        "memory_mib": memory,
        "missing": [message.partition(":")[0] for message in missing_here()],
    }


def _machine_code() -> JsonObject:
    """Return for how many modules the machine code is in the library, kept in a file, or nowhere yet; and
    the processor as LLVM names it, where llvmlite is installed."""
    from structgen.base.native.machine_code import processor, source_of  # start-up: numpy

    facts: JsonObject = Counter()
    for name in modules_to_compile():
        import_module(name)
        facts[source_of(name)] += 1
    with suppress(StructgenError):
        facts["processor"] = processor().split()[0]
    return dict(facts)


def _cache_facts() -> JsonObject:
    """Return whether the cache folder is there and can be written, and the free space."""
    from structgen.base.system.cache import cache_folder  # start-up: numpy

    folder = cache_folder().absolute()
    existing_folder = next(parent for parent in (folder, *folder.parents) if parent.exists())
    return {
        "exists": existing_folder == folder,
        "writable": existing_folder.is_dir() and os.access(existing_folder, os.W_OK | os.X_OK),
        "free_mib": shutil.disk_usage(existing_folder).free // 2**20,
    }


def _tokenizer_facts(name: str) -> JsonObject:
    """Return the digest and the numbers of a tokenizer. Raises StructgenError where there is no such file."""
    from structgen.decoding.engine.models import tokenizer_of  # start-up: numpy

    try:
        tokenizer = tokenizer_of(name)
    except Exception as error:
        if not model_path(model_name(name)).exists():
            raise
        return {"error": _error_facts(error)}
    return {
        "digest": tokenizer.fingerprint,
        "tokens": tokenizer.vocab_size,
        "special": len(tokenizer.special_ids),
        "ends": len(tokenizer.eos_token_ids),
        "missing_bytes": len(tokenizer.missing_bytes),
    }


def _schema_facts(option: str, has_code: bool) -> JsonObject:
    """Return the SHA-256 digest of a schema's text, and how its keywords are read. `has_code`: whether
    machine code is there, so that the schema can be compiled. Raises OSError for a file that cannot be
    read."""
    import structgen as sg
    from structgen.schema.reading.dialects import dialect_of
    from structgen.tokens.tokenizer import byte_tokenizer

    source = schema_of(option)
    data = source.read_bytes() if isinstance(source, Path) else source.encode("utf-8", "surrogatepass")
    facts: JsonObject = {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
    try:
        widest: JsonObject = {**sg.WIDEST}
        grammar = sg.json_schema(source, **widest)
        report = grammar.report
        draft = dialect_of(report.draft)
        names = {*draft.keywords, *draft.annotations}
        keywords = defaultdict[str, Counter[str]](Counter)
        for finding in report.findings:
            keywords[finding.standing.value][finding.keyword if finding.keyword in names else "others"] += 1
        facts |= {"draft": report.draft, "keywords": keywords}
        if has_code:
            sg.compile(grammar, byte_tokenizer())
        facts["compiles"] = True if has_code else None
    except Exception as error:
        facts |= {"compiles": False, "error": _error_facts(error)}
    return facts
