"""The engine as a system of the laws."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cases import Case
from laws import System
from policy_oracle import Options
from strategies import schema_text

import structgen as sg


def system_of(case: Case, store: Any = False, limits: sg.Limits | None = None) -> System:
    """Return the engine compiled for a case."""
    return compiled_system(case.schema, case.options, case.tokens, case.eos, store, limits)


def compiled_system(
    schema: Any,
    options: Options,
    tokens: Sequence[bytes | None],
    eos: Sequence[int],
    store: Any = False,
    limits: sg.Limits | None = None,
) -> System:
    """Return the engine compiled for a schema. The schema goes in as text, so that its numbers are exact."""
    tokenizer = sg.Tokenizer.from_bytes(list(tokens), eos_token_id=list(eos))
    grammar = sg.json_schema(schema_text(schema), **options.arguments())
    compiled = sg.compile(grammar, tokenizer, limits=limits, store=store)
    return System(
        compiled,
        lambda: sg.Matcher(compiled),
        lambda rows: sg.allocate_mask(rows, len(tokens)),
        tokens,
        tuple(eos),
    )
