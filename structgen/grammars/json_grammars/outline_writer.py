"""Writes the outline of a schema, and its descriptions, for `prompting`.

An *outline* is a schema in one line: `{name: string, tags?: [string]}`. A *demand* is a tuple of schemas that
all hold of one value, and a *part* is a value inside the outline, with the demand on it. A *piece* is a text
of the outline, or a part that is still to be written: the pieces of an array are "[", a part, "]".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from decimal import Decimal
from itertools import chain
from types import MappingProxyType
from typing import Final, NamedTuple, TypeAlias

from structgen.base.errors import LimitError, StructgenError
from structgen.base.json_text.exact_json import Json, write_canonical
from structgen.base.language.ir import All, Length, Pattern
from structgen.machines.core.grammar import Grammar
from structgen.machines.core.string_values import over_bytes
from structgen.schema.reading.model import Schema, conjuncts_of

MOST_OUTLINE = 100_000
"""The most characters of an outline: few models take a longer prompt."""
MOST_DESCRIPTION = 200
"""The most characters of a description: a longer one is cut after a word. It is also the length up to which a
definition is written again at a second place: a longer one gets a name, which is written instead."""
_UNTOLD = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]+")
"""Control characters, and lone surrogates (U+D800 to U+DFFF), which no encoding can write."""
_PLAIN_KEY = re.compile(r"[A-Za-z_$][A-Za-z0-9_$]*")
_TYPES = ("string", "integer", "number", "boolean", "object", "array", "null")
_WIDER: Final[Mapping[str, str]] = MappingProxyType({"integer": "number"})
"""For a type the wider type that contains all its values."""

_Demand: TypeAlias = tuple[Schema, ...]
"""Schemas that one value must all meet."""


class _Part(NamedTuple):
    """A part of an outline: a value inside another value, or a value that was written before."""

    demand: _Demand
    label: str = ""
    """The key of the value; "[]" for an item of an array."""
    is_told: bool = True
    """Whether the value is written in the outline; if not, only its description is listed."""


_Piece: TypeAlias = str | _Part
_TOLD = (
    "types",
    "enum",
    "verdict",
    "format",
    "grammar",
    "properties",
    "pattern_properties",
    "additional",
    "items",
)
_CHOICES = ("any_of", "one_of", "prefix")
"""The fields of `Schema`, besides those above, that an outline shows."""

_LEVELS: Final[Mapping[int, str]] = MappingProxyType(
    {
        **{depth: f"the first {depth} levels alone" for depth in (6, 4, 3, 2)},
        1: "the first level alone",
        0: "the type alone",
    }
)
"""The levels of nesting that a shortened outline keeps, tried in this order. The value names its scope in
words."""
Outlines: TypeAlias = Callable[..., str]
"""`schema_outline` of one schema, which takes its other arguments."""


def shorter_outlines(outline: Outlines, *, descriptions: bool) -> Iterator[tuple[str, str]]:
    """Yield the outlines of a schema, each with its scope in words: the whole one (""), then the
    same without descriptions, then shallower ones, at last the type of the whole. Those that are no shorter
    than the one before, or longer than MOST_OUTLINE, are left out. `descriptions`: whether any has them."""
    forms: list[tuple[int | None, bool, str]] = [(None, False, "")]
    """Depth, whether with descriptions, and the scope of such an outline in words."""
    if descriptions:
        forms = [(None, True, ""), (None, False, "no descriptions")]
    forms += [(depth, False, scope_text) for depth, scope_text in _LEVELS.items()]
    last_outline: str | None = None
    for depth, has_descriptions, scope_text in forms:
        try:
            shorter = outline(depth=depth, descriptions=has_descriptions)
        except LimitError:
            continue  # a shorter form follows
        if last_outline is None or len(shorter) < len(last_outline):
            yield shorter, scope_text
            last_outline = shorter


def longest_outline(grammar: Grammar | None, *, descriptions: bool) -> str:
    """Return the first of `shorter_outlines` of a grammar's schema; "" where there is none."""
    outline = None if grammar is None else grammar.outline
    return "" if outline is None else next(shorter_outlines(outline, descriptions=descriptions))[0]


class ModelPrompt(str):
    """A prompt in the form that its model was trained on. The engine hands it to the model as it is."""

    __slots__ = ()


def extraction_prompt_under(outline: str, text: str) -> ModelPrompt:
    """Return the prompt of an embedded model: an outline, a line break, the text, a line break."""
    return ModelPrompt(f"{outline}\n{text.strip()}\n")


class OutlineWriter:
    """Writes one outline. Values that are not yet written are kept on an explicit stack, since schemas may be
    nested deeper than Python's calls."""

    def __init__(self, depth: int | None, descriptions: bool) -> None:
        """`depth`: the levels of nesting that are written, None: all; `descriptions`: whether descriptions
        are listed (`prompting.schema_outline`)."""
        self.depth = depth
        self.descriptions = descriptions
        self.described_ids: set[int] = set()
        """The subschemas whose descriptions are written, by `id` of their JSON."""
        self.pieces: list[str] = []
        self.length = 0
        self.piece_numbers: dict[tuple[int, ...], int] = {}
        """For each demand (the ids of its schemas) that was begun, the index of the first piece of its
        text."""
        self.sizes: dict[tuple[int, ...], int] = {}
        """For each demand that is complete, the characters of its text."""
        self.names: dict[tuple[int, ...], str] = {}
        """For each demand that has a name, the name."""
        self.stack: list[tuple[Iterator[_Piece], tuple[int, ...], int, str]] = []
        """The demands that are being written, as tuples: the remaining pieces, the key of the demand, the
        length of the outline before it, and its label."""
        self.lines: list[str] = []
        """The lines with descriptions."""

    def write_outline(self, root: _Demand) -> str:
        """Return the outline of a value that meets some schemas, and the lines below it."""
        self._enter_part(_Part(root))
        while self.stack:
            pieces, key, start, _ = self.stack[-1]
            piece = next(pieces, None)
            if piece is None:
                self.stack.pop()
                self.sizes[key] = self.length - start
            elif isinstance(piece, str):
                self._put_text(piece)
            else:
                self._enter_part(piece)
        return "\n".join(["".join(self.pieces), *self.lines])

    def _put_text(self, text: str) -> None:
        self.pieces.append(text)
        self._count_characters(len(text))

    def _count_characters(self, characters: int) -> None:
        self.length += characters
        if self.length > MOST_OUTLINE:
            raise LimitError(
                f"The outline of the schema has more than {MOST_OUTLINE:,} characters.",
                limit="MOST_OUTLINE",
                where="schema",
                cure="Describe the schema in the prompt yourself, or outline a part of it.",
            )

    def _enter_part(self, part: _Part) -> None:
        """Begin to write a part. If it has a name or is nested too deeply, it is written at once."""
        parts = tuple(conjuncts_of(part.demand))
        self._add_descriptions(parts, part.label)
        if not part.is_told:
            return
        # A schema that is only a reference shows nothing. Without it, two references to one place are equal.
        parts = tuple(part for part in parts if part.ref is None or _has_outline(part)) or parts
        key = tuple(part.id for part in parts)
        # A demand without a size is being written: it contains itself, so it needs a name.
        is_long = self.sizes.get(key, MOST_OUTLINE) > MOST_DESCRIPTION
        if key in self.piece_numbers and is_long:
            if key not in self.names:
                self.names[key] = self._fresh_name(parts)
                self.pieces[self.piece_numbers[key]] = f"{self.names[key]}="
            self._put_text(self.names[key])
        elif self.depth is not None and len(self.stack) >= self.depth:
            self._put_text("|".join(_common_types(parts) or ["any"]))
        else:
            self.piece_numbers[key] = len(self.pieces)
            self.sizes.pop(key, None)
            self._put_text("")  # a placeholder for the name, if one is needed later
            self.stack.append((_outline_pieces(parts), key, self.length, part.label))

    def _add_descriptions(self, parts: _Demand, label: str) -> None:
        """List the descriptions of a value that are not listed yet, each on a line after its place."""
        if not self.descriptions:
            return
        texts: dict[str, None] = {}
        for part in parts:
            raw = part.raw
            # by `id`: one definition has one description, however many references lead to it
            if isinstance(raw, dict) and id(raw) not in self.described_ids:
                self.described_ids.add(id(raw))
                text = short_description(raw.get("description"))
                if text:
                    texts[text] = None
        if not texts:
            return
        place = ""
        for name in (*(entry_label for *_, entry_label in self.stack), label):
            if name:
                place += name if name.startswith("[") else f".{name}"
        # one listed value tells the branch of a choice: `kind = "circle": ...`
        constants = (json_literal(part.enum[0]) for part in parts if part.enum and len(part.enum) == 1)
        heading = " = ".join(filter(None, [place.removeprefix("."), next(constants, "")]))
        line = ": ".join(filter(None, [heading, "; ".join(texts)]))
        self.lines.append(line)
        self._count_characters(len(line) + 1)

    def _fresh_name(self, parts: _Demand) -> str:
        """Return a new name for a demand: the last word of its place in the schema, with a number if it is
        taken."""
        last_step = parts[-1].pointer.rsplit("/", 1)[-1]
        unescaped = last_step.replace("~1", "_").replace("~0", "_")
        word = re.sub(r"\W+", "_", unescaped).strip("_") or "Root"
        name = word
        count = 1
        while name in self.names.values():
            count += 1
            name = f"{word}{count}"
        return name


def short_description(description: object) -> str:
    """Return a description as prompts have it: on one line, without control characters, and no longer than
    MOST_DESCRIPTION; "" where there is none."""
    if not isinstance(description, str):
        return ""
    words = _UNTOLD.sub(" ", description).split()
    text = " ".join(words)
    if len(text) <= MOST_DESCRIPTION:
        return text
    cut = text[: MOST_DESCRIPTION - len("...")]
    whole_words, _, _ = cut.rpartition(" ")
    return f"{whole_words or cut}..."


def _outline_pieces(parts: _Demand) -> Iterator[_Piece]:
    """Yield the texts and the inner values that describe a value, such as "[", a part and "]"."""
    if any(part.verdict is False for part in parts):
        yield "never"
        return
    value_lists = [part.enum for part in parts if part.enum is not None]
    choices = [branches for part in parts for branches in (part.any_of, part.one_of) if branches]
    if value_lists:
        first_values, *further_values = (
            {write_canonical(value): value for value in values} for values in value_lists
        )
        common = [
            value for text, value in first_values.items() if all(text in values for values in further_values)
        ]
        yield "|".join(map(json_literal, common)) or "never"
        # the branches of choices only have descriptions to tell: the values are listed
        yield from (_Part((branch,), is_told=False) for branch in chain(*choices))
        return
    types = _common_types(parts)
    pieces: list[_Piece] = []
    if types is not None or not choices:
        pieces += _join_groups(_pieces_by_type(parts, types), "|")
    for branches in choices:
        # `anyOf: [{required: [a]}, ...]` and the like say nothing that the outline writes.
        says_something = (any(map(_has_outline, conjuncts_of((branch,)))) for branch in branches)
        if pieces and not all(says_something):
            pieces += [_Part((branch,), is_told=False) for branch in branches]
            continue
        groups: list[list[_Piece]] = [[_Part((branch,))] for branch in branches]
        alternatives = _join_groups(groups, "|")
        stands_alone = not pieces and len(choices) == 1
        if pieces:
            pieces.append("&")
        if len(branches) > 1 and not stands_alone:
            pieces += ["(", *alternatives, ")"]
        else:
            pieces += alternatives
    yield from pieces or ["any"]


def json_literal(value: Json) -> str:
    """Return a listed value as JSON; a fraction as people write it, `1.5`."""
    if isinstance(value, Decimal) and -20 < value.adjusted() < 20:
        return format(value, "f")
    return write_canonical(value)


def _has_outline(part: Schema) -> bool:
    """Return whether one schema, apart from the schemas that it combines, has something that an outline
    shows."""
    values = (getattr(part, name) for name in _TOLD + _CHOICES)
    return any(value not in (None, {}, ()) for value in values)


def _common_types(parts: _Demand) -> list[str] | None:
    """Return the types that all parts allow, in a fixed order; None where none of them says."""
    type_lists = [part.types for part in parts if part.types is not None]
    if type_lists:
        shared_types = [
            name for name in _TYPES if all(name in types or _WIDER.get(name) in types for types in type_lists)
        ]
        # "number" tells of integers too
        return [name for name in shared_types if _WIDER.get(name) not in shared_types]
    # no keyword `type`: a keyword of one type tells that people mean this type
    if any(part.properties or part.additional or part.pattern_properties for part in parts):
        return ["object"]
    if any(part.items is not None or part.prefix for part in parts):
        return ["array"]
    is_text = any(part.format is not None or part.grammar is not None for part in parts)
    return ["string"] if is_text else None


def _pieces_by_type(parts: _Demand, types: list[str] | None) -> Iterator[list[_Piece]]:
    """Yield for each type the texts and values that tell of its values."""
    for name in types or []:
        if name == "object":
            yield list(_object_pieces(parts))
        elif name == "array":
            yield list(_array_pieces(parts))
        else:
            description: list[_Piece] = [name]
            if name == "string":
                formats = (part.format for part in parts if part.format)
                description = [next(formats, name)]
                held_parts = [part for part in parts if part.grammar is not None]
                description += map(_describe_grammar, held_parts[:1])
            yield description
    if types == []:
        yield ["never"]


def _describe_grammar(part: Schema) -> str:
    """Return a string's grammar in words: its name, and a shortest text if there is a short one."""
    grammar = part.grammar
    if part.min_length or part.max_length is not None or part.pattern is not None:
        # the example must be a value of the whole schema
        length = Length(part.min_length, part.max_length)
        grammar = grammar.narrowed(All((length, Pattern(part.pattern or ""))))
    example = _shortest_text(grammar)
    if example is None:
        return f" ({grammar.texts_named})"
    return f" ({grammar.texts_named}, such as {json_literal(example)})"


def _shortest_text(grammar: Grammar) -> str | None:
    """Return a shortest text of a grammar; None where there is none of MOST_DESCRIPTION bytes."""
    try:
        byte_grammar = over_bytes(grammar)
    except StructgenError:  # whoever compiles the schema is told
        return None
    text = byte_grammar.completion(byte_grammar.start)
    return text.decode() if len(text) <= MOST_DESCRIPTION else None


def _object_pieces(parts: _Demand) -> Iterator[_Piece]:
    """Yield the pieces of an object: `{a: string, b?: integer}`."""
    required_keys = {key for part in parts for key in part.required}
    properties: dict[str, list[Schema]] = {}
    for part in parts:
        for key, schema in part.properties.items():
            properties.setdefault(key, []).append(schema)
    for key in sorted(required_keys - properties.keys()):  # required, and nothing is said of the value
        properties[key] = []
    members: list[list[_Piece]] = []
    for key, schemas in properties.items():
        if any(schema.verdict is False for schema in schemas):  # no value is allowed: the key never stands
            continue
        name = key if _PLAIN_KEY.fullmatch(key) else write_canonical(key)
        mark = "" if key in required_keys else "?"
        members.append([f"{name}{mark}: ", _Part(tuple(schemas), name)])
    others = [part.additional for part in parts if part.additional is not None]
    pattern_members: list[tuple[str, Schema]] = []
    for part in parts:
        pattern_members += [(f"/{pattern}/", schema) for pattern, schema in part.pattern_properties]
    pattern_members += [("...", schema) for schema in others if schema.verdict is None]
    members += [[f"{name}: ", _Part((schema,), name)] for name, schema in pattern_members]
    if members:
        yield from ("{", *_join_groups(members, ", "), "}")
    elif any(schema.verdict is False for schema in others):
        yield "{}"
    else:
        yield "object"
    # their descriptions are listed, even where the outline has no `...`
    yield from (_Part((schema,), "...", is_told=False) for schema in others)


def _array_pieces(parts: _Demand) -> Iterator[_Piece]:
    """Yield the pieces of an array: `[string]`, or `[integer, ...string]` with items by their places."""
    prefix = next((part.prefix for part in parts if part.prefix), ())
    items = next((part.items for part in parts if part.items is not None), None)
    if not prefix and (items is None or items.verdict is True):
        yield "array"
    else:
        members: list[list[_Piece]] = []
        for index, schema in enumerate(prefix):
            members.append([_Part((schema,), f"[{index}]")])
        if items is not None and items.verdict is None:
            further_items = _Part((items,), "[]")
            members.append(["...", further_items] if prefix else [further_items])
        yield from ("[", *_join_groups(members, ", "), "]")
    if items is not None:
        yield _Part((items,), "[]", is_told=False)


def _join_groups(groups: Iterable[list[_Piece]], mark: str) -> Iterator[_Piece]:
    """Yield the pieces of some groups, with a mark between two."""
    for number, group in enumerate(groups):
        if number > 0:
            yield mark
        yield from group
