"""What a schema says about one location of a document, read statically from the schema's text.

This is written from the specifications and from the policy table alone, so that it can judge the engine.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import Any
from urllib.parse import unquote

import ecma

Json = Any
OLD_DRAFTS = ("4", "6", "7")


def draft_of(schema: Json, draft: str | None = None) -> str:
    """Return the draft: as asked, or as `$schema` says, or 2020-12."""
    if draft is not None:
        return draft
    uri = schema.get("$schema", "") if isinstance(schema, dict) else ""
    for name in ("2019-09", "2020-12"):
        if name in uri:
            return name
    found = re.search(r"draft-0([467])", uri)
    return found[1] if found else "2020-12"


@dataclass(frozen=True)
class Source:
    """A root schema with its draft: resolves the references that stand in it."""

    root: Json
    draft: str

    def resolve(self, reference: str) -> Json:
        """Return the target of `#`, `#/pointer`, `#anchor`, or an `$id` of the document with such a
        fragment.
        """
        base, _, fragment = reference.partition("#")
        fragment = unquote(fragment)
        here = self.root
        if base:
            here = next(
                s
                for s in _subvalues(self.root)
                if isinstance(s, dict) and base in (s.get("$id"), s.get("id"))
            )
        if fragment.startswith("/"):
            for step in fragment[1:].split("/"):
                step = step.replace("~1", "/").replace("~0", "~")
                here = here[int(step)] if isinstance(here, list) else here[step]
            return here
        if fragment:
            names = ("$anchor", "$dynamicAnchor")
            return next(
                s
                for s in _subvalues(here)
                if isinstance(s, dict)
                and (any(s.get(n) == fragment for n in names) or s.get("$id", s.get("id")) == "#" + fragment)
            )
        return here

    def members(self, schema: Json) -> dict[str, Json]:
        """Return the keywords that count: up to draft 7 a `$ref` hides its siblings."""
        if not isinstance(schema, dict):
            return {}
        if "$ref" in schema and self.draft in OLD_DRAFTS:
            return {"$ref": schema["$ref"]}
        return schema


def _subvalues(value: Json) -> Iterator[Json]:
    stack = [value]
    while stack:
        item = stack.pop()
        yield item
        if isinstance(item, dict):
            stack.extend(item.values())
        elif isinstance(item, list):
            stack.extend(item)


@dataclass(frozen=True)
class Part:
    """A subschema that speaks of a location. `certain`: it holds for every value there; `negated`: it stands
    below a `not`. `sign`: 1 where it may have to hold and never has to fail, -1 where it is the other way
    round, 0 where both may be."""

    schema: Json
    certain: bool
    negated: bool
    sign: int = 1

    @property
    def mentions(self) -> bool:
        """Whether its keys may be mentions for the declared order: what only has to fail mentions none."""
        return not self.negated or self.sign >= 0


def in_place(source: Source, roots: Iterable[Part], kind: str | None = None) -> list[Part]:
    """Return all subschemas that speak of the location that `roots` speak of, in text order, each once.

    `kind` is the value's (object, array, string, number, literal), where it is known: where it leaves one
    branch of an anyOf or oneOf, that branch is certain.
    """
    found: list[Part] = []
    seen: set[tuple[int, bool, int]] = set()
    for root in roots:
        stack = [root]
        while stack:
            part = stack.pop()
            key = id(part.schema), part.negated, part.sign
            if key in seen:
                continue
            seen.add(key)
            found.append(part)
            below: list[Part] = []
            for keyword, body in source.members(part.schema).items():
                below.extend(_applied(source, part, keyword, body, kind))
            stack.extend(reversed(below))
    return found


def _applied(source: Source, part: Part, keyword: str, body: Json, kind: str | None = None) -> list[Part]:
    sign = part.sign
    if keyword == "allOf":
        return [Part(s, part.certain, part.negated, sign) for s in body]
    if keyword == "$ref":
        return [Part(source.resolve(body), part.certain, part.negated, sign)]
    if keyword in ("anyOf", "oneOf"):
        fitting = [s for s in body if kind is None or _may_be(source, s, kind)]
        below = sign if keyword == "anyOf" else 0
        return [Part(s, part.certain and fitting == [s], part.negated, below) for s in body]
    if keyword in ("if", "then", "else"):
        others = ("then", "else") if keyword == "if" else ("if",)
        # Without its counterpart it asserts nothing.
        has_effect = any(other in source.members(part.schema) for other in others)
        return [Part(body, False, part.negated, 0 if keyword == "if" else sign)] if has_effect else []
    if keyword == "dependentSchemas" or (keyword == "dependencies" and source.draft in OLD_DRAFTS):
        return [Part(s, False, part.negated, sign) for s in body.values() if not isinstance(s, list)]
    if keyword == "not":
        return [Part(body, False, True, -sign)]
    return []


def _may_be(source: Source, schema: Json, kind: str) -> bool:
    """Return False only where the schema's own words rule the kind out."""
    members = source.members(schema)
    if "$ref" in members:
        schema = source.resolve(members["$ref"])
        members = {
            **(schema if isinstance(schema, dict) else {}),
            **{k: v for k, v in members.items() if k != "$ref"},
        }
    if schema is False:
        return False
    names = members.get("type", [])
    kinds = {"integer": "number", "boolean": "literal", "null": "literal"}
    if names and kind not in {kinds.get(n, n) for n in ([names] if isinstance(names, str) else names)}:
        return False
    listed = members.get("enum", [members["const"]] if "const" in members else None)
    return listed is None or kind in map(kind_of, listed)


def kind_of(value: Json) -> str:
    """Return object, array, string, number or literal."""
    if isinstance(value, bool) or value is None:
        return "literal"
    if isinstance(value, dict):
        return "object"
    return "array" if isinstance(value, list) else "string" if isinstance(value, str) else "number"


def child(source: Source, parts: list[Part], step: str | int) -> list[Part]:
    """Return what the parts of a location say about the value under a key or at an index."""
    found: list[Part] = []
    for part in parts:
        members = source.members(part.schema)
        for body in [*_children(source, members, step), *_listed(members, step)]:
            found.append(Part(body, part.certain, part.negated, part.sign))
        for keyword in ("contains", "unevaluatedItems", "unevaluatedProperties"):
            if keyword in members and isinstance(step, str) == (keyword == "unevaluatedProperties"):
                # At most so many items may match: the others must fail.
                sign = 0 if keyword == "contains" and "maxContains" in members else part.sign
                found.append(Part(members[keyword], False, part.negated, sign))
    return found


def _children(source: Source, members: dict[str, Json], step: str | int) -> list[Json]:
    if isinstance(step, str):
        own = [members["properties"][step]] if step in members.get("properties", {}) else []
        own += [
            s for pattern, s in members.get("patternProperties", {}).items() if ecma.search(pattern, step)
        ]
        if not own and "additionalProperties" in members:
            own = [members["additionalProperties"]]
        return own
    items = members.get("items")
    prefix = (
        members.get("prefixItems", [])
        if source.draft == "2020-12"
        else items
        if isinstance(items, list)
        else []
    )
    if step < len(prefix):
        return [prefix[step]]
    rest = members.get("additionalItems") if isinstance(items, list) else items
    return [] if rest is None else [rest]


def _listed(members: dict[str, Json], step: str | int) -> list[Json]:
    """Return what `const` and `enum` say of the value under a key or at an index: that it is listed too."""
    values = [*members.get("enum", ()), *([members["const"]] if "const" in members else ())]
    if isinstance(step, str):
        inner = [value[step] for value in values if isinstance(value, dict) and step in value]
    else:
        inner = [value[step] for value in values if isinstance(value, list) and step < len(value)]
    return [{"enum": inner}] if inner else []


def key_order(source: Source, roots: list[Part]) -> tuple[list[str], list[str]]:
    """Return the keys in declared order: those in `properties` by first mention, then those only in
    `required`.

    The closure is taken of the schemas given, in the order given; `not` is not read.
    """
    mentioned: dict[str, None] = {}
    required: dict[str, None] = {}
    seen: set[int] = set()
    # A depth-first reading in which `properties` takes its turn among the applicators, in the text's order.
    work: list[tuple[str, Json]] = [("schema", root.schema) for root in reversed(roots) if root.mentions]
    while work:
        kind, item = work.pop()
        if kind == "keys":
            mentioned.update(dict.fromkeys(item))
            continue
        if kind == "required":
            required.update(dict.fromkeys(item))
            continue
        if not isinstance(item, dict) or id(item) in seen:
            continue
        seen.add(id(item))
        steps: list[tuple[str, Json]] = []
        for keyword, body in source.members(item).items():
            if keyword == "properties":
                steps.append(("keys", list(body)))
            elif keyword == "required" and isinstance(body, list):
                steps.append(("required", body))
            elif keyword != "not":
                steps += [
                    ("schema", p.schema) for p in _applied(source, Part(item, True, False), keyword, body)
                ]
        work.extend(reversed(steps))
    return list(mentioned), [key for key in required if key not in mentioned]


def possible_roots(source: Source, roots: list[Part]) -> list[list[Part]]:
    """Return the selections of parts that may speak of a location, once the uncertain ones are in or out.

    Parts that mention no key make no difference to an order and stay in. One selection where nothing is
    uncertain; an empty list where there are too many to try.
    """
    # What a `not` keeps from mentioning keys may have to hold after all, below another `not`.
    below = in_place(source, [root for root in roots if not root.certain])
    roots = [*roots, *(part for part in below if part.negated and part.mentions and part not in roots)]
    unsure = [p for p in roots if not p.certain and p.mentions and key_order(source, [p]) != ([], [])]
    if len(unsure) > 5:
        return []
    return [
        [part for part in roots if part not in unsure or part in chosen]
        for size in range(len(unsure), -1, -1)
        for chosen in itertools.combinations(unsure, size)
    ]


def numbers_in(parts: Iterable[Part], source: Source) -> list[Decimal]:
    """Return the constants that the numbers of a location are compared with."""
    found: list[Decimal] = []
    for part in parts:
        members = source.members(part.schema)
        for keyword in ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "const"):
            found.extend(_decimals([members.get(keyword)]))
        found.extend(_decimals(members.get("enum", [])))
    return found


def _decimals(values: Iterable[Json]) -> Iterator[Decimal]:
    for value in values:
        if isinstance(value, (int, float, Decimal)) and not isinstance(value, bool):
            yield exact(value)


@lru_cache(maxsize=4096)
def _exact_float(value: float) -> Decimal:
    return Decimal(repr(value))


def exact(value: int | float | Decimal) -> Decimal:
    """Return the number that a schema's number stands for: a float is its shortest repr."""
    return _exact_float(value) if isinstance(value, float) else Decimal(value)
