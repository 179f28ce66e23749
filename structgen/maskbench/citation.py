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


def case_digest(case: Case) -> bytes:
    """Return the digest of a schema and its instances."""
    # the empty list keeps digests of earlier versions comparable, which had schemas by URI there
    said = [case.name, case.split, case.schema, case.bare, case.problem, []]
    digest = blake2b(json.dumps(said).encode(), digest_size=16)
    for instance in case.instances:
        digest.update(repr(instance).encode())
    return digest.digest()


def data_digest(cases: Iterable[bytes]) -> str:
    """Return the digest of a run's data, given those of its cases in any order."""
    return blake2b(b"".join(sorted(cases)), digest_size=16).hexdigest()


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
    there, tokenizer, schemas = about["machine"], about["vocabulary"], about["schemas"]
    memory = f", {there['memory_bytes'] / 2**30:.1f} GiB" if there["memory_bytes"] else ""
    sample = f", a sample of {about['sample']:,} by seed {about['seed']}" if about["sample"] else ""
    return [
        f"Date: {about['date']}",
        f"Machine: {there['cpu']}, {there['cores']} cores{memory}; {there['system']}",
        f"Python {there['python']}, numba {there['numba']}, numpy {there['numpy']}",
        "Engines: " + ", ".join(f"{name} {about['versions'].get(name, 'not run')}" for name in engines),
        f"Tokenizer: {about['tokenizer']}, {tokenizer['tokens']:,} tokens, digest {tokenizer['digest']}",
        f"Policy: {about['policy']}; timeout {about['timeout_s']:g} s; jobs {about['jobs']}",
        f"Data: {schemas:,} schema{'s' * (schemas != 1)}{sample}, digest {about['data_digest']}",
    ]
