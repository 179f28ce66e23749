"""A fixed sample of MaskBench's open part passes whole, where the data is (STRUCTGEN_MASKBENCH names it)."""

from __future__ import annotations

import json
import os

import pytest
from typer.testing import CliRunner

from structgen.cli import app

FOLDER = os.environ.get("STRUCTGEN_MASKBENCH", "")


@pytest.mark.slow
@pytest.mark.skipif(not FOLDER, reason="STRUCTGEN_MASKBENCH names no folder")
def test_a_fixed_sample_of_the_open_part_passes() -> None:
    done = CliRunner().invoke(app(), ["maskbench", FOLDER, "--sample", "150", "--seed", "3", "--json"])
    counts = json.loads(done.stdout)["engines"]["structgen"]["all"]
    assert (counts["schemas"], counts["passing"], done.exit_code) == (150, 150, 0)
