"""The numbers of a grammar's states and rules depend on the grammar alone, not on the order of sets."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

_CODE = r"""
import structgen as sg
tables = sg.lark('start: s+\ns: NAME "(" [s ("," s)*] ")" | "in" NAME\nNAME: /[a-z]+/\n%ignore " "\n').tables
print(tables.rules, tables.kernels, tables.contexts, tables.context_of.tolist())
print(tables.actions.tolist(), tables.gotos.tolist(), tables.start, tables.end)
"""


def test_processes_with_other_hashes_number_states_and_rules_alike(tmp_path: Path) -> None:
    said = set()
    for seed in ("1", "2"):
        environment = os.environ | {"PYTHONHASHSEED": seed, "STRUCTGEN_CACHE": str(tmp_path / seed)}
        done = subprocess.run(
            [sys.executable, "-c", _CODE], env=environment, capture_output=True, text=True, check=True
        )
        said.add(done.stdout)
    assert len(said) == 1
