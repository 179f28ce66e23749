"""The options of `sg.extract`, checked once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Any, Final

from structgen.asking.request_reading.example_pairs import NO_PAIRS, Pairs, read_pairs
from structgen.base.errors import OptionError
from structgen.base.language import checks
from structgen.base.language.checks import (
    ChoiceCheck,
    Count,
    NamedCheck,
    NonemptyText,
    NumberCheck,
    PositiveCount,
    Quotes,
    Switch,
    WholeCheck,
    check_fields,
)
from structgen.base.system.output_files import check_path
from structgen.doors.typed.options import NAMED_ELSEWHERE, OPTION_DEFAULTS, TARGETS

MERGES: Final = ("places", "none")
"""The values of the option `merge`: how the items of two pages become one."""
LEAST_PAGE: Final = 16
"""The fewest tokens that a page may have."""
NAMED_IN_OTHERS: Final = {
    **NAMED_ELSEWHERE,
    **dict.fromkeys(TARGETS, "Pass it as the third argument, target"),
    **dict.fromkeys(("max_char_buffer", "chunk_size"), "Write page=, in tokens"),
    "prompt_description": "Write prompt=",
    "max_workers": "Write at_once=",
}
"""Names that other libraries give to options, and what to write here."""


@dataclass(frozen=True, slots=True)
class ExtractProgress:
    """How far an extraction has come, for a function that shows the progress."""

    pages: int
    """The number of pieces that have an answer, including those of an earlier run."""
    total: int
    items: int
    """The number of items of these pieces, before the items of several pieces are merged."""
    tokens: int
    """The number of tokens that this run has written."""
    seconds: float
    """The seconds since this run began."""
    left: float | None
    """The estimated seconds that the other pieces take; None before the first answer."""
    requests: int
    """The expected number of requests of this run: one for each piece that had no answer when it began, up to
    `max_requests`. The real number is less if pieces state too little to be asked about, and more if pieces
    are asked again."""

    def __str__(self) -> str:
        rate = f"{self.items:,} items, {self.tokens / max(self.seconds, 1e-9):,.0f} tokens/s"
        return rate if self.left is None else f"{rate}, {self.left:,.0f} s left"


def _check_progress(name: str, value: Any) -> Any:
    return value if callable(value) else checks.check_switch(name, value)


@dataclass(frozen=True, slots=True)
class ExtractSettings:
    """The options of `sg.extract` that are not those of other calls, with their defaults."""

    prompt: NonemptyText | None = None
    examples: Annotated[Pairs, NamedCheck(read_pairs)] = NO_PAIRS
    page: Annotated[int, WholeCheck(LEAST_PAGE)] | None = None
    overlap: Count | None = None
    merge: Annotated[str, ChoiceCheck(MERGES)] = "places"
    least_confidence: Annotated[float, NumberCheck(0.0, 1.0, "a probability")] = 0.3
    grounded: Switch = True
    quotes: Quotes = True
    unverified: Switch = False
    at_once: Annotated[int, WholeCheck(1, 1_024)] = 8
    max_requests: PositiveCount = 10_000
    out: Annotated[Path, check_path] | None = None
    formulas: Switch = False
    start_over: Switch = False
    workers: Count | None = None
    progress: Annotated[bool | Callable[[ExtractProgress], None], _check_progress] = True

    def __post_init__(self) -> None:
        check_fields(self)
        if (self.start_over or self.formulas) and self.out is None:
            name = "start_over" if self.start_over else "formulas"
            raise OptionError("The file of results is missing.", where=name, cure="Pass out= too.")
        if self.unverified and not self.grounded:
            fault = "With grounded=False numbers and dates are not checked, so none is verified."
            raise OptionError(fault, where="unverified", cure="Remove one of them.")


OWN_OPTIONS: Final = tuple(field.name for field in fields(ExtractSettings))
EXTRACT_DEFAULTS: Final = {
    **OPTION_DEFAULTS,
    **{field.name: field.default for field in fields(ExtractSettings)},
}
"""The default of each option, as `help` shows it."""
