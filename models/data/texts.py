"""The words and phrases that sentences are made of: NAME.toml beside each module that uses them.

A string at the top of a file is a list of words, between blanks; an array is a list of phrases or of rows.
Their order decides what is drawn, so that a list is not sorted, and nothing is put in its middle.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from types import SimpleNamespace


def texts(name: str) -> SimpleNamespace:
    """Return the lists of NAME.toml, each under its name."""
    read = tomllib.loads((Path(__file__).parent / f"{name}.toml").read_text(encoding="utf-8"))
    return SimpleNamespace(
        **{key: value.split() if isinstance(value, str) else value for key, value in read.items()}
    )
