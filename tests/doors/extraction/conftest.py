"""Extraction asks models of torch, and servers."""

import sys
from importlib.util import find_spec
from pathlib import Path

if not all(map(find_spec, ("torch", "transformers", "pydantic", "openai"))):
    collect_ignore_glob = ["test_extract*.py"]
sys.path.insert(0, str(Path(__file__).parents[1] / "typed"))
sys.path.insert(0, str(Path(__file__).parents[2] / "asking/documents"))
