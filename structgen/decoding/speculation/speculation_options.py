"""`Speculation`: the options of drafts in a request, checked at construction.

A *drafter* guesses the next tokens of a text; its *draft* is a tree of guesses, which the model checks in one
forward pass.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from os import PathLike
from types import MappingProxyType
from typing import Annotated, Any, Final

from structgen.base.errors import OptionError, fields_named
from structgen.base.language import checks
from structgen.base.language.checks import (
    InstanceCheck,
    NamedCheck,
    UnicodeText,
    WholeCheck,
    check_fields,
    option_error,
    show_value,
)
from structgen.decoding.speculation.drafters.answer_history import AnswerHistory
from structgen.decoding.speculation.drafters.grammar_tree import ForcedBytes, GrammarTree
from structgen.decoding.speculation.drafters.ngrams import KnownTexts, callers_text
from structgen.decoding.speculation.drafters.seen_laws import OtherSamples
from structgen.decoding.speculation.drafts.draft import MOST_NODES
from structgen.decoding.speculation.drafts.drafter import Drafter

DRAFTERS: Final = MappingProxyType[str, Callable[[], Drafter]](
    {"forced": ForcedBytes, "grammar": GrammarTree, "suffix": KnownTexts, "samples": OtherSamples}
)
"""The functions that make the drafters which need nothing but the request, by the drafter's name."""
_NAMES: Final = f"one of {', '.join(DRAFTERS)}, or a function that makes a drafter"
_OTHER_OPTIONS: Final = (
    "For the caller's text, earlier answers and a draft model, set edit, history and draft_model."
)
MOST_EDIT: Final = 1 << 20
"""The most characters of a caller's text."""
_A_HISTORY = InstanceCheck(AnswerHistory | None, "Make one with sg.speculation.AnswerHistory(tokenizer).")


def _check_drafters(value: Any) -> tuple[str | Callable[[], Drafter], ...]:
    """Return the drafters of an option as a tuple. Raises OptionError, which names the item."""
    # A single name is a text, which Python would read as a sequence of letters.
    items = (value,) if isinstance(value, str) else value
    if not isinstance(items, Sequence) or isinstance(items, bytes | bytearray):
        raise option_error("drafters", value, f"a sequence of names ({', '.join(DRAFTERS)}) or of functions")
    for at, drafter in enumerate(items):
        if isinstance(drafter, str):
            if drafter not in DRAFTERS:
                raise option_error(f"drafters[{at}]", drafter, _NAMES, _OTHER_OPTIONS)
        elif not callable(drafter):
            # A drafter holds the state of one text, so one object cannot serve several requests.
            raise option_error(f"drafters[{at}]", drafter, "a name, or a function that makes a drafter")
        if drafter in items[:at]:
            raise OptionError(
                f"{show_value(drafter)} is repeated.",
                where=f"drafters[{at}]",
                cure="Name each drafter once.",
            )
    return tuple(items)


def _check_edit(value: Any) -> str:
    """Return a text that is to be edited. Raises OptionError for one that is too long."""
    if len(checks.check_encodable("edit", value)) > MOST_EDIT:
        raise OptionError(
            f"The text has {len(value):,} characters.",
            where="edit",
            cure=f"Pass up to {MOST_EDIT:,}: the part of the text that is rewritten.",
        )
    return str(value)


def _check_draft_model(value: Any) -> Any:
    """Return a draft model as it was given. It is loaded by the engine, which knows its tokenizer."""
    is_pair = isinstance(value, tuple) and len(value) == 2 and all(part is not None for part in value)
    is_name = isinstance(value, str | PathLike) and str(value)
    if not is_pair and not is_name:
        raise option_error("draft_model", value, "a name, a folder, or a pair of a model and its tokenizer")
    return value


@fields_named("sg.Speculation(edit=old_text)")
@dataclass(frozen=True, slots=True)
class Speculation:
    """How the next tokens of a text are guessed: `sg.Request(...,
    speculation=sg.Speculation(edit=old_text))`.

    Speculation never changes the tokens of a text, only how long it takes. Raises OptionError, which names
    the field, for a value that is not allowed.
    """

    drafters: Annotated[Sequence[str | Callable[[], Drafter]], NamedCheck(_check_drafters)] = tuple(DRAFTERS)
    """Names (`forced`, `grammar`, `suffix`, `samples`), or functions (a class, for example) that make a
    `Drafter` for one text. A single name is allowed. Kept as a tuple."""
    nodes: Annotated[int, WholeCheck(1, MOST_NODES)] = 32
    """The most guessed tokens that are checked in one forward pass, 1 to 256."""
    chain: Annotated[bool, InstanceCheck(bool, "Pass True or False.")] = False
    """Whether a draft is a single chain of guesses, without alternatives."""
    edit: Annotated[str, NamedCheck(_check_edit)] = ""
    """The text of which the answer is an edited version; the draft follows it. At most 1,048,576
    characters."""
    history: Annotated[AnswerHistory | None, _A_HISTORY] = None
    """Earlier answers to the same grammar. A complete answer is added to it."""
    tenant: UnicodeText = ""
    """The owner of the earlier answers. No tenant's drafts come from another tenant's answers."""
    draft_model: Annotated[str | PathLike[str] | tuple[Any, Any], NamedCheck(_check_draft_model)] | None = (
        None
    )
    """A small model with the same tokenizer, which drafts under the grammar's mask: a name or a folder as for
    `sg.Engine`, or a pair of a model object and its tokenizer."""

    def __post_init__(self) -> None:
        check_fields(self)

    @property
    def kind(self) -> Hashable:
        """The kind of drafting: which drafters a request has, whatever its text."""
        # Functions count by their names, because each request may have its own, and some are not hashable.
        names = tuple(drafter if isinstance(drafter, str) else _name_of(drafter) for drafter in self.drafters)
        # Only whether there is a text, a history or a model counts, because a pass costs about the same with
        # any of them.
        has = bool(self.edit), self.history is not None, self.draft_model is not None
        return names, self.nodes, self.chain, has


def own_drafters(speculation: Speculation, samples: int = 1) -> list[Drafter]:
    """Return new drafters for one text: those of `drafters`, then the caller's text, then earlier answers.

    The draft model is not among them, because it needs an engine's tokenizer
    (`engine.draft_models.drafters_of`). `samples`: how many texts the request asks for. The drafter `samples`
    is left out if it is 1. Raises OptionError if a function of `drafters` does not make a drafter. Cost: some
    microseconds; the request is not read yet.
    """
    drafters: list[Drafter] = []
    for drafter in speculation.drafters:
        if not isinstance(drafter, str):
            drafters.append(_make_drafter(drafter))
        elif drafter != "samples" or samples > 1:
            # The drafter "samples" is left out for one text, which has no other samples to learn from.
            drafters.append(DRAFTERS[drafter]())
    if speculation.edit:
        drafters.append(callers_text())
    if speculation.history is not None:
        drafters.append(speculation.history.drafter())
    return drafters


def checked_speculation(value: Any) -> str | Speculation:
    """Return the value of a request's `speculation`. Raises OptionError unless it is "auto", "off" or a
    `Speculation`."""
    if isinstance(value, Speculation):
        return value
    if isinstance(value, str) and value in ("auto", "off"):
        return value
    raise option_error("speculation", value, '"auto", "off" or sg.Speculation(...)')


def _make_drafter(make: Callable[[], Drafter]) -> Drafter:
    """Return the drafter that a function of the caller's makes. Raises OptionError if it does not make
    one."""
    name = _name_of(make)
    try:
        drafter: Any = make()
    except Exception as error:  # any error of the caller's function: the request is refused with it
        raise OptionError(
            f"{name} raised {type(error).__name__}: {error}.",
            where="drafters",
            cure="Pass a function that makes a drafter when it is called without arguments.",
        ) from error
    if not isinstance(drafter, Drafter):
        missing_members = [
            member
            for member in ("name", "begin", "propose", "observe", "end")
            if not hasattr(drafter, member)
        ]
        raise OptionError(
            f"{name} made a {type(drafter).__name__}, which has no {' and no '.join(missing_members)}.",
            where="drafters",
            cure="Make an object with all five members of sg.speculation.Drafter.",
        )
    return drafter


def _name_of(make: Callable[[], Drafter]) -> str:
    """Return the name of a function or a class, for messages and for the kind of a batch."""
    return str(getattr(make, "__qualname__", type(make).__qualname__))


AUTO: Final = Speculation()
"""The options of "auto"."""
