"""What a paper says of a run so that another person can make it again: versions, machine, data."""

from __future__ import annotations

import json
import os
import platform
import re
from collections.abc import Iterable, Mapping
from hashlib import blake2b
from importlib.metadata import version
from pathlib import Path
from typing import Any

from structgen.maskbench.readers import Case


class DataDigest:
    """A digest of the schemas and instances of a run, the same in any order of the cases."""

    def __init__(self) -> None:
        self._cases: list[bytes] = []

    def add(self, case: Case) -> None:
        """Take in one case."""
        self._cases.append(case_digest(case))

    def __str__(self) -> str:
        return blake2b(b"".join(sorted(self._cases)), digest_size=16).hexdigest()


def case_digest(case: Case) -> bytes:
    """Return the digest of a schema and its instances."""
    said = [case.name, case.split, case.schema, case.bare, case.problem, sorted(case.resources)]
    digest = blake2b(json.dumps(said).encode(), digest_size=16)
    for instance in case.instances:
        digest.update(repr(instance).encode())
    return digest.digest()


def machine() -> dict[str, Any]:
    """Return the processor's model, the cores that this process may use, memory in bytes (None where the
    system does not say), the system, and the versions of Python, numba and numpy."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    try:
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        memory = None
    about = Path("/proc/cpuinfo").read_text(encoding="utf-8") if Path("/proc/cpuinfo").exists() else ""
    named = re.search(r"^model name\s*: (.+)$", about, re.MULTILINE)
    return {
        "cpu": named[1] if named else platform.processor() or platform.machine(),
        "cores": cores,
        "memory_bytes": memory,
        "system": platform.platform(),
        "python": platform.python_version(),
        "numba": version("numba"),
        "numpy": version("numpy"),
    }


def citation_lines(about: Mapping[str, Any], engines: Iterable[str]) -> list[str]:
    """Return the lines below the tables: what `about` says of the run."""
    machine, tokenizer = about["machine"], about["vocabulary"]
    memory = machine["memory_bytes"]
    sample = f", a sample of {about['sample']:,} by seed {about['seed']}" if about["sample"] else ""
    schemas = about["schemas"]
    return [
        f"Date: {about['date']}",
        f"Machine: {machine['cpu']}, {machine['cores']} cores"
        + (f", {memory / 2**30:.1f} GiB" if memory else "")
        + f"; {machine['system']}",
        f"Python {machine['python']}, numba {machine['numba']}, numpy {machine['numpy']}",
        "Engines: " + ", ".join(f"{name} {about['versions'].get(name, 'not run')}" for name in engines),
        f"Tokenizer: {about['tokenizer']}, {tokenizer['tokens']:,} tokens, digest {tokenizer['digest']}",
        f"Policy: {about['policy']}; timeout {about['timeout_s']:g} s; jobs {about['jobs']}",
        f"Data: {schemas:,} schema{'s' * (schemas != 1)}{sample}, digest {about['data_digest']}",
    ]
