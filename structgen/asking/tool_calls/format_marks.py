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
"""A call after its tag: the text before the name, the name and arguments, the text after them."""


class ObjectCall(NamedTuple):
    """A call that is one JSON object between texts."""

    prefix: str
    members: Mapping[str, str]
    """The keys of the object in order, each with the template place that is its value, such as "name". The
    value is "object" for an inner object of the call, and "" for a constant."""
    required_keys: frozenset[str]
    """The keys that every template of the format has."""
    suffix: str

    @property
    def arguments_key(self) -> str:
        """The key of the arguments."""
        return next(key for key, place in self.members.items() if place in _VALUES)


class Way(NamedTuple):
    """One spelling of a call, in parts: a template before the arguments, the arguments, a template after
    them."""

    prefix: str
    """The template before the arguments, or before the JSON object that is the whole call."""
    kind: str = ""
    """The part between the templates: "arguments", "quoted", "object" (the whole call); "": no arguments."""
    suffix: str = ""
    lack: str = ""
    """A sentence about the mark that is missing; "": none is."""
    is_loose: bool = False
    """Whether another text than the format's may stand before the arguments."""
    is_lost: bool = False
    """Whether a head that names the tool stands in the place of `$name`."""


def _parse_way(template: str) -> Way:
    return Way(*_ARGUMENTS.split(template))  # type: ignore[arg-type]


class FormatMarks:
    """The marks of one format, for the reader of replies and for masks. Made by `marks_of`."""

    def __init__(self, row: ToolFormat) -> None:
        calls = row.calls if isinstance(row.calls, tuple) else (row.calls,)
        # tags tell a call from JSON in a text
        tags = list(_find_tags(*row.section, *calls))
        self.has_tags = bool(tags)
        """Whether calls contain tags, such as `<tool_call>`."""
        self.openings = tuple(
            dict.fromkeys((*row.triggers, *self._openings_inside_calls(row), *map(first_text, row.also)))
        )
        """The marks that begin calls, and the beginnings of calls whose opening mark is missing."""
        self.strays = tuple(dict.fromkeys(self._texts_in_calls_alone(row, tags)))
        """The marks that belong inside of calls and begin none: in a text they show a fault."""
        self.object = _object_of(calls)
        """The members of a call that is one JSON object; None where calls of the format are not."""
        self.untagged = Way("")
        """The way to read a call whose only opening tag is missing, up to its closing mark."""
        self.doubtful: Texts = ()
        """The marks that may begin such a call, or a call that is a JSON object without tags."""
        self.closing = tuple(filter(None, (row.section[1].strip(), row.separator.strip())))
        """The marks of which one must follow such a call."""
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
        """Whether calls end in brackets of JSON without a mark, so that a superfluous bracket may follow."""
        templates = (*row.section, *calls, row.member, row.item)
        texts = [
            said.strip() for template in templates for kind, said in template_pieces(template) if kind == TEXT
        ]
        marks = dict.fromkeys([*_find_tags(*templates), *filter(TAG.search, texts)])
        self.all = tuple(sorted(marks, key=len, reverse=True))
        """All marks of calls, the longest first."""
        self.members = tuple(filter(None, map(first_text, (row.member, row.item))))
        """The marks that begin an argument, or an item of an array."""
        self.close = next(iter(TAG.findall(calls[0].partition("$arguments")[2])), "")
        """The tag that follows the arguments."""
        self.ways = tuple(self._list_ways(row, calls))
        """The ways in which a call is read, those of the format first."""
        self.lost = tuple(text for text in map(first_text, row.heads) if not text.startswith(self.openings))
        """The marks that begin calls whose heads name tools in unusual ways (`ToolFormat.heads`)."""
        last = [template_pieces(template)[-1] for template in calls]
        closing = [said.split()[-1].lstrip("}]`") for kind, said in last if kind == TEXT and said.strip()]
        others = [*row.triggers, row.section[1], row.blocks, row.end]
        others += [first_text(template).strip() for template in calls if row.section[0]]
        self.edges = tuple(dict.fromkeys(filter(None, closing))), tuple(dict.fromkeys(filter(None, others)))
        """A pair: the marks that close calls, and the marks that may begin the next part of a reply."""

    def _openings_inside_calls(self, row: ToolFormat) -> Iterator[str]:
        """Yield the beginnings of calls without their opening mark. Without the mark of a section it is the
        mark of a call; of several tags before the name it is the tags after the first one."""
        for template in () if row.blocks else row.calls:
            head = first_text(template).lstrip()
            tags = [tag.start() for tag in TAG.finditer(head) if tag[0][0] == "<"]
            # without the mark of a section its first call begins with its own
            if row.section[0]:
                yield from [head] * bool(tags)
            else:
                yield from (head[offset:] for offset in tags[1:])

    def _texts_in_calls_alone(self, row: ToolFormat, tags: list[str]) -> Iterator[str]:
        """Yield the texts that belong inside of calls and begin none: tags, a tag in brackets together with
        the argument after it. In a format without tags it is the text before arguments."""
        for tag in tags:
            if row.text or not any(tag in opening for opening in self.openings):
                yield f"{tag}{{" if tag[0] == "[" else tag
        for template in () if tags else row.calls:
            parts = template_pieces(template)
            for (kind, text), (value, _) in pairwise(parts):
                if kind == TEXT and value in _VALUES:
                    yield text + _VALUES[value]

    def _list_ways(self, row: ToolFormat, calls: Texts) -> Iterator[Way]:
        """Yield the ways in which a call is read, those of the format first."""
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
    """Return the members of calls that are one JSON object, by the template with the most members; else
    None."""
    shapes = [shape for template in calls if (shape := _parse_object(template)) is not None]
    # all templates must be objects
    if len(shapes) < len(calls):
        return None
    required_keys = frozenset.intersection(*(frozenset(shape.members) for shape in shapes))
    return max(shapes, key=lambda shape: len(shape.members))._replace(required_keys=required_keys)


def _parse_object(template: str) -> ObjectCall | None:
    """Return the members of a template that is one JSON object; None where it is not."""
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
    """Yield the keys of an object and of its inner objects, each with the template place that is its
    value."""
    for key, value in shape.items():
        if isinstance(value, Mapping):
            yield key, "object"
            yield from _object_members(value)
        else:
            yield key, value[1:] if str(value).startswith("$") else ""
