"""Defines checkers, constraints that no grammar expresses: their methods, and the arguments of these.

A *checker* is an object with at least one of six methods. A *prefix* is the text so far. A JSON value has
*closed* once its last byte is written. If one of the first four methods is missing, the answer is True; if
one of the last two is missing, it is 0. A function such as `lambda value: value["low"] <= value["high"]` is a
checker too.

    viable(prefix: bytes) -> bool      may a valid text begin with these bytes?
    closed(event: Closed) -> bool      a JSON value has just closed: may the document still be valid?
    final(value) -> bool               is this text of the grammar valid?
    mask(state: Written) -> array      which tokens may come next?
    weigh(text: Written) -> float      the log-weight of a whole text: the target is multiplied by its exp
    guess(prefix: Written) -> float    a guess at the log-weight of the texts that begin so

A plain function counts as a checker with `final` only, and `TypeChecker` makes one of a Python type.
`structgen.decoding.samplers.constraints` calls them."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, NamedTuple, Protocol, TypeAlias, runtime_checkable

from structgen.asking.python_types.type_hints import TypeReader, read_type
from structgen.base.json_text.events import Place

METHODS = ("viable", "closed", "final", "mask", "weigh", "guess")
"""The methods that a checker may have."""


@dataclass(frozen=True, slots=True)
class ClosedValue:
    """A JSON value that has just closed: the document itself, a member of an object, or an item of an array.

    Keys do not count as values. The values inside a container close before the container does; the document
    closes last. A number that is the whole document closes where the text ends.
    """

    place: Place
    """Where in the document the value is."""
    document: bytes
    """The JSON text of the value."""

    @property
    def path(self) -> tuple[str | int, ...]:
        """The keys and indices that lead to the value; () is the whole document."""
        return self.place.parts

    @property
    def pointer(self) -> str:
        """The JSON pointer (RFC 6901) of the value; "" is the whole document."""
        return self.place.pointer

    @property
    def value(self) -> Any:
        """The value, as `json.loads` returns it. It is parsed again each time, so that changes to it have no
        effect on others."""
        return json.loads(self.document)


class GeneratedText(NamedTuple):
    """The tokens and bytes so far, the argument of `mask`, `weigh` and `guess`."""

    tokens: tuple[int, ...]
    """The token ids of the text, without those of the prompt."""
    text: bytes
    """The bytes of these tokens."""
    value: Any = None
    """The value of a whole text, as `final` gets it; None except in `weigh`."""


@runtime_checkable
class Viable(Protocol):
    """A checker of prefixes."""

    def viable(self, prefix: bytes) -> bool:
        """Return False if no valid text begins with this prefix. True promises nothing.

        It must be monotone: if it is False for a prefix, it is False for every longer one, and no text with
        that prefix is valid. It is called after each token, so a prefix may end inside a character.
        """


@runtime_checkable
class Closing(Protocol):
    """A checker of JSON values as they close; only for grammars of JSON documents."""

    def closed(self, event: ClosedValue) -> bool:
        """Return False if the document cannot be valid any more after this value."""


@runtime_checkable
class Final(Protocol):
    """A checker of whole texts."""

    def final(self, value: Any) -> bool:
        """Return whether a text of the grammar is valid.

        `value` is as in `Samples.values`: an object if the grammar is a Python type, the parsed JSON value if
        it is a JSON Schema, else the text as a str.
        """


@runtime_checkable
class Masking(Protocol):
    """A checker that says which tokens may come next."""

    def mask(self, state: GeneratedText) -> Any:
        """Return a bool array [V], True for each token that may come next; or None if all may.

        A text with a token that is forbidden here is not valid, whatever the other methods would return. A
        mask may allow too much: allowed tokens are still checked by the other methods. Forbidding an end
        token means that the text may not end here.
        """


@runtime_checkable
class Weighing(Protocol):
    """A potential: a real-valued weight of whole texts, for the methods with weights."""

    def weigh(self, text: GeneratedText) -> float:
        """Return the log-weight of a text of the grammar that passes every checker. The target's probability
        of the text is multiplied by exp(log-weight). It is at most 300; minus infinity: the text is not
        valid.
        """


@runtime_checkable
class Guessing(Protocol):
    """A critic (a twist): it tells particles which prefixes are worth going on with."""

    def guess(self, prefix: GeneratedText) -> float:
        """Return a guess at the log-weight of the texts with this prefix, at most 300. Minus infinity says
        that no text with this prefix has a weight.

        The guess changes the variance of "smc" and "awrs", but not their law; other methods do not ask for
        it. It is called after each token.
        """


Checker: TypeAlias = Viable | Closing | Final | Masking | Weighing | Guessing | Callable[[Any], bool]
"""What `sg.sample(checkers=[...])` takes.

**State.** `viable` and `closed` may store state in the checker's attributes. State belongs to a prefix: each
prefix has its own copy of the checker, made from that of the prefix one token shorter. The copy is made by
`checker.copy()`, or by `copy.deepcopy(checker)` if there is no such method. A checker without state may
define `copy` to return `self`, which is faster. Changes that `mask` and `final` make are discarded.

**Trees.** A prefix tree that several runs share needs an attribute `fingerprint` of each checker: a text that
changes whenever its answers may.
"""


class TypeChecker:
    """The validators of a type, as a checker of JSON values as they close.

    A document that the type refuses is not valid. A validator of a member or an item is run as soon as that
    value has closed; if it refuses, no text continues from there. If its answer may depend on more than the
    value, it is run when the surrounding value has closed: if it sees other members (`ValidationInfo`), is
    inside a union, or comes after a validator that may change the document first (mode "before", "wrap" or
    "plain").
    """

    def __init__(self, type_: Any) -> None:
        """`type_` is any type that `sg.sample` takes, a `pydantic.TypeAdapter`, or a TypeReader.

        Raises UnsupportedError for a type that has no JSON Schema here.
        """
        # optional: pydantic
        from structgen.asking.python_types.pydantic_schema import TypeSchema
        from structgen.asking.python_types.type_places import PlaceValidators

        if hasattr(type_, "core_schema") and hasattr(type_, "validator"):  # a TypeAdapter
            hint, core = type_, type_.core_schema
            schema = type_.json_schema(schema_generator=TypeSchema)
        else:
            reader = type_ if isinstance(type_, TypeReader) else read_type(type_)
            hint = reader.hint
            core = reader.core_schema
            schema = reader.schema
        self.hint = hint
        self._validators = PlaceValidators(core)
        marks = [repr(schema), *map(_mark_function, self._validators.functions)]
        data = "\n".join(marks).encode("utf-8", "replace")
        self.fingerprint = blake2b(data, digest_size=16).hexdigest()
        """Identifies the type for prefix trees. A type with functions of its own has another fingerprint in
        each process, because their behaviour may have changed."""

    def closed(self, event: ClosedValue) -> bool:
        """Return False if the type refuses a value that has closed."""
        # optional: pydantic
        from structgen.asking.python_types.type_places import is_refused

        reader = self._validators.reader_at(event.path)
        return reader is None or not is_refused(reader, event.document)

    def copy(self) -> TypeChecker:
        """Return the checker itself: it keeps no state of a prefix."""
        return self


def _mark_function(function: Callable[..., Any]) -> str:
    """Return a text that identifies a function: its name, and its id in this process unless it is one of
    pydantic's own."""
    name = f"{function.__module__}.{getattr(function, '__qualname__', function)}"
    return name if name.startswith(("pydantic.", "pydantic_core.")) else f"{name} {id(function)}"
