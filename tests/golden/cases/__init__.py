"""The cases, by name."""

from __future__ import annotations

from ..case import Case
from . import composed, lark, policies, refusals, schemas, tags, texts

CASES: dict[str, Case] = {}
for _module in (schemas, policies, lark, texts, tags, composed, refusals):
    for _case in _module.cases():
        assert _case.name not in CASES, f"two cases are named {_case.name}"
        assert not set(_case.name) & set(" @="), _case.name
        CASES[_case.name] = _case
