"""The Triton kernels under Triton's interpreter: each equals its twin in torch. No GPU is needed.

Interpreting is decided when a process imports Triton, and a process that interprets cannot compile. So the
tests in interpreted_*.py run in a process of their own, with TRITON_INTERPRET=1.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest
from nonempty import nonempty

FOLDER = Path(__file__).parent
FILES = sorted(path.name for path in nonempty(FOLDER.glob("interpreted_*.py")))

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("torch") is None or importlib.util.find_spec("triton") is None,
    reason="needs torch and triton: pip install 'structgen-toolkit[triton]'",
)


def run_interpreted(files: list[str], which: str) -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-m", which]
    command += [str(FOLDER / file) for file in files]
    # the tensors are small: threads would cost more than they save
    environment = {**os.environ, "TRITON_INTERPRET": "1", "OMP_NUM_THREADS": "1"}
    # what this process says of its own run is not for the one below
    for name in [name for name in environment if name.startswith("PYTEST_")]:
        del environment[name]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=1200)
    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr[-5_000:]


def test_there_are_files_for_masks_samples_and_steps() -> None:
    assert FILES == ["interpreted_masking.py", "interpreted_sampling.py", "interpreted_steps.py"]


def test_interpreted_kernels_equal_their_twins() -> None:
    run_interpreted(FILES, "not slow")


@pytest.mark.slow
def test_interpreted_kernels_equal_their_twins_at_length() -> None:
    run_interpreted(FILES, "slow")
