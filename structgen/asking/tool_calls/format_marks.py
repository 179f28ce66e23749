"""Collects the marks of a format, and the ways in which its calls are read.

A *mark* is a fixed text of a format, for example `<tool_call>`. An *opening* begins a call. Other marks stand
in calls alone: one of them in a text shows that something is wrong. A *way* is one spelling of a call.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from itertools import pairwise
from typing import Any, Final, NamedTuple

from structgen.asking.tool_calls.tool_format import TAG, Texts, ToolFormat
from structgen.grammars.text_grammars.composition.templates import TEXT, first_text, template_pieces

_UNQUOTED: Final = re.compile(r'(?<!")(\$[a-z]+)')
_VALUES: Final = {"arguments": "{", "quoted": '"{'}
_ARGUMENTS: Final = re.compile(r"\$(arguments|quoted)")
_NAMED: Final = re.compile(r"([^$]+)\$name\$arguments([^$]+)")
"""A call behind its tag: the text before the name, name and arguments, the text behind."""


class ObjectCall(NamedTuple):
    """A call that is one JSON object between texts."""

    prefix: str
    members: Mapping[str, str]
    """Its keys in their order, and the place that is the value of each: "object" of one that holds others,
    "" of one that is always the same."""
    required_keys: frozenset[str]
    """Keys that every way of writing has."""
    suffix: str

    @property
    def arguments_key(self) -> str:
        """The key of the arguments."""
        return next(key for key, place in self.members.items() if place in _VALUES)


class Way(NamedTuple):
    """A way in which a call is read."""

    prefix: str
    """The template of what stands before the arguments, or before the object that a call is."""
    kind: str = ""
    """"arguments", "quoted", "object"; "": it has none."""
    suffix: str = ""
    lack: str = ""
    """Which mark is missing."""
    is_loose: bool = False
    """Whether another text may stand before the arguments."""
    is_lost: bool = False
    """Whether a head that names the tool stands in the place of `$name`."""


def _parse_way(template: str) -> Way:
    return Way(*_ARGUMENTS.split(template))  # type: ignore[arg-type]


class FormatMarks:
    """What a reader and a mask must know of the texts of a format. Made by `marks_of`."""

    def __init__(self, row: ToolFormat) -> None:
        calls = row.calls if isinstance(row.calls, tuple) else (row.calls,)
        # tags tell a call from JSON in a text
        tags = list(_find_tags(*row.section, *calls))
        self.has_tags = bool(tags)
        """Whether there are tags in calls."""
        self.openings = tuple(
            dict.fromkeys((*row.triggers, *self._openings_inside_calls(row), *map(first_text, row.also)))
        )
        """The texts that begin calls, those without their opening mark too."""
        self.strays = tuple(dict.fromkeys(self._texts_in_calls_alone(row, tags)))
        """Texts that stand in calls alone, and begin none."""
        self.object = _object_of(calls)
        """How a call is one JSON object; None where it is none."""
        self.untagged = Way("")
        """A call whose opening tag is missing, where no other one begins it, up to what closes
        it."""
        self.doubtful: Texts = ()
        """The texts that may begin such a call, or one that is a JSON object without tags."""
        self.closing = tuple(filter(None, (row.section[1].strip(), row.separator.strip())))
        """What must follow such a call, one of them."""
        tag = TAG.match(calls[0])
        rest = _NAMED.fullmatch(calls[0], tag.end()) if tag else None
        # without tags a call is told by its first member
        if self.object is not None:
            keys = [key for key, place in self.object.members.items() if place in ("name", "arguments")]
            self.doubtful = tuple(f'{{ "{key}"' for key in keys) if tags else ('{ "',)
            self.untagged = Way("", "object")
            self.closing = (self.object.suffix.strip(),) if self.object.suffix else self.closing
        elif rest is not None:
            self.doubtful, self.closing = (rest[1],), (rest[2],)
            self.untagged = Way(f"{rest[1]}$name", "arguments")
        kind, piece = template_pieces(row.section[1] or calls[0])[-1]
        self.is_open_ended = (kind in _VALUES and not row.member) or piece.endswith(("}", "]"))
        """Whether calls end in brackets of JSON alone, so that one more may follow."""
        templates = (*row.section, *calls, row.member, row.item)
        texts = [
            said.strip() for template in templates for kind, said in template_pieces(template) if kind == TEXT
        ]
        marks = dict.fromkeys([*_find_tags(*templates), *filter(TAG.search, texts)])
        self.all = tuple(sorted(marks, key=len, reverse=True))
        """All marks of calls, the longest first."""
        self.members = tuple(filter(None, map(first_text, (row.member, row.item))))
        """The texts that begin arguments and items."""
        self.close = next(iter(TAG.findall(calls[0].partition("$arguments")[2])), "")
        """The tag that follows the arguments."""
        self.ways = tuple(self._list_ways(row, calls))
        """The ways in which a call is read, the right ones first."""
        self.lost = tuple(text for text in map(first_text, row.heads) if not text.startswith(self.openings))
        """The texts that begin calls whose heads name tools in other ways than the format's."""
        last = [template_pieces(template)[-1] for template in calls]
        closing = [said.split()[-1].lstrip("}]`") for kind, said in last if kind == TEXT and said.strip()]
        others = [*row.triggers, row.section[1], row.blocks, row.end]
        others += [first_text(template).strip() for template in calls if row.section[0]]
        self.edges = tuple(dict.fromkeys(filter(None, closing))), tuple(dict.fromkeys(filter(None, others)))
        """The marks that close calls, and the texts that begin what follows one."""

    def _openings_inside_calls(self, row: ToolFormat) -> Iterator[str]:
        """Yield the texts that begin calls without their opening mark. In the place of a section's beginning
        that is the one of a call; of several tags before the name those behind the first."""
        for template in () if row.blocks else row.calls:
            head = first_text(template).lstrip()
            tags = [tag.start() for tag in TAG.finditer(head) if tag[0][0] == "<"]
            # without the mark of a section its first call begins with its own
            if row.section[0]:
                yield from [head] * bool(tags)
            else:
                yield from (head[offset:] for offset in tags[1:])

    def _texts_in_calls_alone(self, row: ToolFormat, tags: list[str]) -> Iterator[str]:
        """Yield tags that begin no call. A tag in brackets is one with the argument that follows it; without
        any tags, so is what stands before arguments."""
        for tag in tags:
            if row.text or not any(tag in opening for opening in self.openings):
                yield f"{tag}{{" if tag[0] == "[" else tag
        for template in () if tags else row.calls:
            parts = template_pieces(template)
            for (kind, text), (value, _) in pairwise(parts):
                if kind == TEXT and value in _VALUES:
                    yield text + _VALUES[value]

    def _list_ways(self, row: ToolFormat, calls: Texts) -> Iterator[Way]:
        """Yield the ways in which a call is read, the right ones first."""
        if self.object is not None:
            yield Way(self.object.prefix, "object", self.object.suffix)
            return
        ways = list(map(_parse_way, calls))
        yield from ways
        if not row.member:
            yield from (way._replace(is_loose=True) for way in ways if way.kind)
        for head in () if row.section[0] else self.openings[len(row.triggers) :]:
            for template in calls:
                if head in template:
                    yield _parse_way(template[template.index(head) :])._replace(
                        lack="Its opening mark is missing"
                    )
        yield from (_parse_way(template)._replace(is_lost=True) for template in row.heads)


marks_of = lru_cache(maxsize=256)(FormatMarks)


def _find_tags(*texts: str) -> Iterator[str]:
    for text in texts:
        for kind, piece in template_pieces(text):
            if kind == TEXT:
                yield from TAG.findall(piece)


def _object_of(calls: Texts) -> ObjectCall | None:
    """Return how calls are one JSON object, of the way that has most members."""
    shapes = [shape for template in calls if (shape := _parse_object(template)) is not None]
    # a format of which one way is no object is not read as objects
    if len(shapes) < len(calls):
        return None
    required_keys = frozenset.intersection(*(frozenset(shape.members) for shape in shapes))
    return max(shapes, key=lambda shape: len(shape.members))._replace(required_keys=required_keys)


def _parse_object(template: str) -> ObjectCall | None:
    """Return how a template is one JSON object; None where it is none."""
    begin = template.find("{")
    end = template.rfind("}") + 1
    try:
        call = json.loads(_UNQUOTED.sub(r'"\1"', template[begin:end]) if begin >= 0 else "")
    except ValueError:
        return None
    members = dict(_object_members(call))
    places = set(members.values())
    if "name" not in places or not places & set(_VALUES):
        return None
    return ObjectCall(template[:begin], members, frozenset(), template[end:])


def _object_members(shape: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the keys of an object and of the ones in it, each with the place that is its value."""
    for key, value in shape.items():
        if isinstance(value, Mapping):
            yield key, "object"
            yield from _object_members(value)
        else:
            yield key, value[1:] if str(value).startswith("$") else ""
