"""A JSON Schema document: every subschema that the root reaches, read once, references resolved."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote

from structgen.automata.strings.banned_patterns import pattern_of
from structgen.errors import LimitError, RegexError, SchemaError, UnsupportedError
from structgen.json_text.exact_json import Json, escape, kind_name
from structgen.limits import Limits
from structgen.schema.reading.draft_names import DEFAULT_DRAFT
from structgen.schema.reading.dynamic_scope import NOTHING, Bindings
from structgen.schema.reading.missing_bytes import Quoting, limits_of, quoting_of
from structgen.schema.reading.model import Schema
from structgen.schema.reading.policies import Policies
from structgen.schema.reading.reference_loops import settle
from structgen.schema.reading.references import (
    RECURSIVE,
    NowhereError,
    References,
    ReferenceTarget,
    RemoteError,
)
from structgen.schema.reading.remotes import Remotes
from structgen.schema.reading.schema_cures import reference_cure, schema_cure
from structgen.schema.reading.schema_place import KeywordRefusal, SchemaPlace, Scope
from structgen.system.public_calls import THIS_CALL


class Document:
    """The subschemas of one schema that its root reaches, through keywords and references.

    Building it reads them all (some 2 us a subschema) and raises `SchemaError` for a value that is no schema:
    a keyword with a value of the wrong kind, a `$ref` to nowhere, references that go in a circle within one
    value. Definitions that nothing refers to are not read. Keywords that are not handled are collected in
    `refusals`; `require_handled` raises the first. `derived` is not for several threads at once.
    """

    __slots__ = (
        "_asked",
        "_bindings",
        "_bound",
        "_by_raw",
        "_referring",
        "_targets",
        "_todo",
        "banned",
        "draft",
        "formats",
        "limits",
        "missing",
        "notes",
        "patterns",
        "policies",
        "references",
        "refusals",
        "root",
        "schemas",
        "tests",
        "undeclared",
        "unevaluated",
        "unknown",
        "unknown_formats",
        "value",
        "written",
    )

    def __init__(
        self,
        value: Json,
        *,
        draft: str | None = None,
        policies: Policies | None = None,
        limits: Limits | None = None,
        remotes: Remotes | None = None,
        banned: tuple[str, ...] = (),
        missing: frozenset[int] = frozenset(),
    ) -> None:
        """Read the schema `value` (exact JSON, which must not change afterwards).

        `draft` is one of `draft_names.DRAFTS`, or None: `$schema` decides, else 2020-12. `remotes` holds the
        documents that references may lead to. No string and no key of a value may hold one of the texts in
        `banned`, and its text none of the bytes in `missing`: `root` then is the schema and what both ask,
        `written` the schema alone.
        """
        self.value = value
        self.banned, self.missing = banned, missing
        self.policies = policies if policies is not None else Policies()
        self.limits = limits if limits is not None else Limits()
        self.notes: list[str] = []
        """Notes of the report on the document as a whole."""
        if draft is None:
            self._check_declaration()
        self.references = References(value, draft, remotes if remotes is not None else Remotes())
        self.draft = self.references.root.dialect.draft
        if draft is None:
            self._note_unknown_draft()
        self.root: Schema
        names: frozenset[str] = frozenset()
        while not self._read_all(names):
            # Dynamic references: their names take part in what a place is. Few schemas have one.
            names |= self._asked
        self.written: Schema = self.root
        if banned:
            self.root = self._without(self.root, banned)
            count = "1 text is" if len(banned) == 1 else f"{len(banned):,} texts are"
            self.notes.append(f"{count} banned from strings and keys.")
        if missing:
            self.lose(missing)

    def _read_all(self, names: frozenset[str]) -> bool:
        """Read everything that the root reaches, with these names of dynamic anchors bound on the ways.

        Return whether no other name is asked for.
        """
        self.schemas: list[Schema] = []
        """By id: the places that were read, and those that the network derived."""
        self.refusals: list[KeywordRefusal] = []
        self.patterns: dict[str, Schema] = {}
        """Every regular expression of `pattern` and `patternProperties`, with its first place."""
        self.tests: list[tuple[SchemaPlace, Any]] = []
        """Every `if` without `then` and `else`; read only where `unevaluated*` asks what it evaluates."""
        self.unevaluated = False
        """`unevaluatedProperties` or `unevaluatedItems` stands somewhere."""
        self.formats: dict[str, Schema] = {}
        """Every format that is asserted, with its first place."""
        self.unknown_formats: list[tuple[SchemaPlace, str]] = []
        """Every format that is not asserted though formats are, with its place."""
        self.undeclared: list[SchemaPlace] = []
        """Every place whose `required` names a key that its `properties` lack."""
        self.unknown: list[tuple[SchemaPlace, str]] = []
        """Every keyword that its draft does not know, with its place; one that `$ref` makes void is not in
        it."""
        self._by_raw: dict[Any, SchemaPlace] = {}
        self._targets: dict[tuple[int, str, int], SchemaPlace] = {}
        self._referring: list[SchemaPlace] = []
        self._todo: list[SchemaPlace] = []
        self._asked: set[str] = set()
        self._bindings = Bindings(self.references, names) if names else None
        self._bound: dict[int, int] = {}
        self.root = self._reached(ReferenceTarget(self.value, "#", self.references.root), NOTHING)
        self._read()
        while self.unevaluated and self.tests:
            place, test = self.tests.pop()
            place.verdict, place.if_ = None, self.child(place, test, ("if",))
            self._read()
        if self.references.has_custom_dialects:
            self._check_vocabularies()
        if not self._asked <= names:
            return False
        if self._referring:
            settle(self, self._referring)
        return True

    # --- For the network ------------------------------------------------------------------------------------

    def derived(self, pointer: str, **fields: Any) -> Schema:
        """Return a new synthetic schema with these fields of `Schema`, which messages place at `pointer`."""
        place = self._new(None, None, pointer, self.references.root)
        for name, value in fields.items():
            setattr(place, name, value)
        return place

    def require_handled(self) -> None:
        """Raise an error for a valid schema that cannot be compiled.

        `UnsupportedError` for a keyword or a format that is not handled, `RegexError` for a regular
        expression that has a syntax error or that no automaton can read. Some 10 us a new expression.
        """
        if not self.refusals:
            self._check_patterns()
            self._check_formats()
            return
        first = self.refusals[0]
        rest = len(self.refusals) - 1
        more = f" ({rest:,} more such keyword{'s' if rest > 1 else ''} in grammar.report.)" if rest else ""
        raise UnsupportedError(
            first.what + more,
            keyword=first.keyword,
            where=f"{first.pointer}/{escape(first.keyword)}",
            cure=first.cure,
        )

    # --- For the readers of keywords (`Reading`) ------------------------------------------------------------

    def child(self, up: SchemaPlace, raw: Any, at: tuple[str | int, ...]) -> SchemaPlace:
        """Return the place of the subschema `raw`, to be read; `at` is the way to it from `up`."""
        if raw.__class__ is dict:
            if self._bindings is not None:
                return self._child_bound(self._bindings, up, raw, at)
            known = self._by_raw.get(id(raw))
            if known is not None:
                return known
            place = self._new(raw, up, at, up.scope)
            self._by_raw[id(raw)] = place
            self._todo.append(place)
            return place
        if raw.__class__ is bool and (
            up.scope.dialect.booleans or at[0] in ("additionalProperties", "additionalItems")
        ):
            place = self._new(raw, up, at, up.scope)
            place.verdict = raw
            return place
        keyword = str(at[0])
        where = "".join("/" + escape(segment) for segment in at)
        raise self._not_a_schema(
            up, f"{up.pointer}{where}", _no_schema(raw, up.scope), keyword, schema_cure(raw, at)
        )

    def refer(self, place: SchemaPlace, reference: str) -> None:
        """Have a place hold where its `$ref` leads."""
        key = (id(place.scope), reference, self._bound.get(place.id, NOTHING))
        target = self._targets.get(key)
        if target is None:
            found = self._found(place, "$ref", reference)
            if found is None:
                return
            target = self._targets[key] = self._reached(found, key[2])
        self._refer(place, target)

    def refer_dynamically(self, place: SchemaPlace, keyword: str, reference: str) -> None:
        """Have a place hold where its `$dynamicRef` or `$recursiveRef` leads on the way to this place."""
        scope, bound = place.scope, self._bound.get(place.id, NOTHING)
        name = RECURSIVE if keyword == "$recursiveRef" else unquote(reference.partition("#")[2])
        anchors = self.references.dynamic_anchors
        found: ReferenceTarget | None = None
        if scope.dialect.draft == "v1" and reference.startswith("#"):
            # There the way alone decides; in 2020-12 the reference itself must lead to a dynamic anchor.
            found = self._bound_to(name, bound) or anchors(scope).get(name)
            if found is None and (self._bindings is None or name not in self._bindings.names):
                return  # the next reading of the document tells
        if found is None:
            found = self._found(place, keyword, reference)
            if found is None:
                return
            anchor = anchors(found.scope).get(name)
            if anchor is not None and anchor.raw is found.raw:
                found = self._bound_to(name, bound) or found
        self._refer(place, self._reached(found, bound))

    def _refer(self, place: SchemaPlace, target: SchemaPlace) -> None:
        """Have a place hold another one; `$ref` and `$dynamicRef` may stand side by side."""
        if place.ref is None:
            place.ref = target
            place.applicators += ("$ref",)
        else:
            place.all_of += (target,)
            place.applicators += ("allOf",)
        self._referring.append(place)

    def _bound_to(self, name: str, bound: int) -> ReferenceTarget | None:
        """Return the target of a name; None where it is unbound, or this reading does not follow the name."""
        self._asked.add(name)
        return None if self._bindings is None else self._bindings.target(bound, name)

    def _found(self, place: SchemaPlace, keyword: str, reference: str) -> ReferenceTarget | None:
        """Return where a reference leads, or None where that is refused; `SchemaError` for nowhere."""
        where = f"{place.pointer}/{keyword}"
        try:
            found = self.references.find(place.scope, reference)
        except NowhereError as error:
            raise SchemaError(
                f"{reference!r} leads nowhere: {error}.",
                where=where,
                cure=reference_cure(self.value, reference),
            ) from None
        except RemoteError as error:
            what = f"{reference!r} leads to {str(error)!r}, which is not among the resources."
            cure = "Pass it: resources={uri: schema}."
            if "/" not in reference and "." not in reference:
                cure = f"{reference_cure(self.value, reference)} Another document is passed in resources=."
            self.refuse(place, keyword, what, cure)
            return None
        if found.raw.__class__ is not dict and found.raw.__class__ is not bool:
            raise SchemaError(
                f"{reference!r} leads to {kind_name(found.raw)}, which is not a schema.",
                where=where,
                cure="Refer to an object or a boolean.",
            )
        return found

    def refuse(self, place: SchemaPlace, keyword: str, what: str = "", cure: str = "") -> None:
        """Note that `keyword`, in use at `place`, is not handled."""
        what = what or f"{keyword} is not handled."
        cure = cure or f"Leave {keyword} out, or check it on the finished document."
        self.refusals.append(KeywordRefusal(place.pointer, keyword, what, cure))

    def wrong(self, place: SchemaPlace, keyword: str, takes: str, cure: str = "") -> SchemaError:
        """Return the error for a keyword of `place` whose value is of the wrong kind."""
        assert isinstance(place.raw, dict)
        what = f"{keyword} {takes}, not {_shown(place.raw[keyword])}."
        return self._not_a_schema(place, f"{place.pointer}/{escape(keyword)}", what, keyword, cure)

    def wrong_at(self, place: SchemaPlace, at: tuple[str | int, ...], what: str, cure: str) -> SchemaError:
        """Return the error for something inside a keyword of `place`."""
        where = "".join("/" + escape(segment) for segment in at)
        return self._not_a_schema(place, f"{place.pointer}{where}", what, str(at[-1]), cure)

    @property
    def quoting(self) -> Quoting:
        """How strings are written."""
        return quoting_of(self.policies.escapes, self.missing)

    def _without(self, root: Schema, banned: tuple[str, ...]) -> Schema:
        """Return a schema that asks for another one, and that no string and no key in the whole value holds
        a banned text. It asks the same of every value inside, so that it is the whole ban."""
        found = self.derived("", types=frozenset({"string"}), pattern=pattern_of(banned))
        ban = self.derived("", not_=found, bans=True)
        ban.property_names = self.derived("", not_=found, bans=True)
        ban.additional = ban.items = ban
        return self.derived(root.pointer, all_of=(root, ban))

    def lose(self, missing: frozenset[int]) -> None:
        """Have `root` ask of the whole value what `limits_of` says where bytes are missing."""
        self.missing = missing
        fields, lost, keys = limits_of(self.quoting, self.policies)
        if not (fields or lost or keys):
            return
        asked = self.derived("", **fields)
        if lost:
            asked.not_ = self.derived("", enum=lost)
        if keys is not None:
            asked.property_names = self.derived("", pattern=keys)
        asked.additional = asked.items = asked
        self.root = self.derived(self.root.pointer, all_of=(self.root, asked))

    # --- Inside ---------------------------------------------------------------------------------------------

    def _check_patterns(self) -> None:
        if self.patterns:
            # start-up: most schemas have no pattern
            from structgen.automata.regex.ecma_syntax import parse
            from structgen.automata.strings.alphabets import NUMBERS_OF_A_CHARACTER

            for source, schema in self.patterns.items():
                try:
                    THIS_CALL.work(NUMBERS_OF_A_CHARACTER * len(source))
                    parse(source)
                except RegexError as error:
                    keyword = "pattern" if schema.pattern == source else f"patternProperties/{escape(source)}"
                    raise RegexError(
                        error.what, where=f"{schema.pointer}/{keyword}", cure=error.cure
                    ) from error

    def _check_formats(self) -> None:
        if self.formats:
            # start-up: most schemas have no format
            from structgen.automata.formats.named_formats import require_known

            for name, schema in self.formats.items():
                try:
                    require_known(name)
                except UnsupportedError as error:
                    raise UnsupportedError(
                        error.what,
                        keyword="format",
                        where=f"{schema.pointer}/format",
                        cure=error.cure or 'Leave it out, or pass formats="annotate".',
                    ) from error

    def _check_declaration(self) -> None:
        if isinstance(self.value, dict) and not isinstance(self.value.get("$schema", ""), str):
            raise SchemaError(
                f"$schema takes a URI in a string, not {_shown(self.value['$schema'])}.",
                where="#/$schema",
                cure="Name the draft, as https://json-schema.org/draft/2020-12/schema, or leave it out.",
            )

    def _note_unknown_draft(self) -> None:
        uri = self.value.get("$schema") if isinstance(self.value, dict) else None
        if isinstance(uri, str) and not self.references.knows(uri):
            self.notes.append(f"$schema {uri!r} is not a known draft: read as {DEFAULT_DRAFT}.")

    def _check_vocabularies(self) -> None:
        """Refuse the schemas of a dialect that requires an unknown vocabulary."""
        for scope in dict.fromkeys(place.scope for place in self.schemas if isinstance(place, SchemaPlace)):
            for uri in scope.dialect.unknown_vocabularies:
                self.refusals.append(
                    KeywordRefusal(
                        scope.prefix,
                        "$schema",
                        f"Its meta-schema requires the vocabulary {uri!r}, which is not known.",
                        "Let its $vocabulary say false for it, or name a draft in $schema.",
                    )
                )

    def _new(
        self, raw: dict[str, Any] | bool | None, up: SchemaPlace | None, at: Any, scope: Scope
    ) -> SchemaPlace:
        place = SchemaPlace.__new__(SchemaPlace)
        place.id = len(self.schemas)
        place.raw, place.scope = raw, scope
        place.at = at if up is None else (up.at, *at)
        self.schemas.append(place)
        return place

    def _reached(self, found: ReferenceTarget, bound: int) -> SchemaPlace:
        """Return the place of a reference's target, or of the root, to be read."""
        raw = found.raw
        key: Any = id(raw)
        if self._bindings is not None:
            scope = found.scope
            if raw.__class__ is dict:
                # A pointer into an embedded resource does not come through the one around it.
                scope = self.references.enter(scope, raw, lambda: found.prefix)
            bound = self._bindings.enter(bound, scope)
            key = key, bound
        known = self._by_raw.get(key) if raw.__class__ is dict else None
        if known is not None:
            return known
        place = self._new(raw, None, found.prefix, found.scope)
        if raw.__class__ is dict:
            self._by_raw[key] = place
            self._todo.append(place)
            if self._bindings is not None:
                self._bound[place.id] = bound
        elif raw.__class__ is bool and found.scope.dialect.booleans:
            place.verdict = raw
        else:
            raise self._not_a_schema(place, found.prefix, _no_schema(raw, found.scope), "")
        return place

    def _child_bound(self, bindings: Bindings, up: SchemaPlace, raw: dict[str, Any], at: Any) -> SchemaPlace:
        """Return the place of a subschema where it depends on the dynamic scope too."""
        scope = self.references.enter(
            up.scope, raw, lambda: "".join([up.pointer, *("/" + escape(segment) for segment in at)])
        )
        bound = bindings.enter(self._bound[up.id], scope)
        known = self._by_raw.get((id(raw), bound))
        if known is not None:
            return known
        place = self._by_raw[id(raw), bound] = self._new(raw, up, at, up.scope)
        self._bound[place.id] = bound
        self._todo.append(place)
        return place

    def _read(self) -> None:
        """Read every waiting place, and the places that these add."""
        todo, schemas, most = self._todo, self.schemas, self.limits.schema_places
        while todo:
            THIS_CALL.check()
            place = todo.pop()
            raw: Any = place.raw
            known = place.scope.dialect
            if known.id_key in raw:
                self._read_identifier(place, raw)
                known = place.scope.dialect
            keywords = known.keywords
            if known.hides_siblings and "$ref" in raw:
                keywords["$ref"](self, place, raw, raw["$ref"])
            else:
                for keyword, value in raw.items():
                    reader = keywords.get(keyword)
                    if reader is not None:
                        reader(self, place, raw, value)
                    elif keyword not in known.annotations:
                        self.unknown.append((place, keyword))
            if not place.__dict__:
                place.verdict = True
            if len(schemas) > most:
                raise LimitError(
                    f"The schema has more than {most:,} places.", limit="schema_places", where=place.pointer
                )

    def _read_identifier(self, place: SchemaPlace, raw: dict[str, Any]) -> None:
        key = place.scope.dialect.id_key
        if not isinstance(raw[key], str):
            if key == "id":
                return  # in draft 4 often a forgotten `properties`; it names nothing and asks for nothing
            raise self.wrong(place, key, "takes a URI reference in a string")
        place.scope = self.references.enter(place.scope, raw, lambda: place.pointer)

    def _not_a_schema(
        self, place: SchemaPlace, where: str, what: str, keyword: str, cure: str = ""
    ) -> SchemaError:
        # Here alone the meta-schema runs: over a whole document it costs more than a first mask.
        # start-up: the meta-schemas are loaded for a schema that is refused
        from structgen.schema.reading.metaschema import faults

        others = [pointer for pointer in faults(self.value, self.draft) if pointer != where]
        if others:
            listed = ", ".join(others[:4]) + (", ..." if len(others) > 4 else "")
            what = f"{what} The meta-schema of draft {self.draft} objects to {listed} as well."
        return SchemaError(
            what,
            where=where,
            cure=cure or (f"Correct {keyword}." if keyword else "Write an object."),
        )


def _no_schema(raw: object, scope: Scope) -> str:
    if raw.__class__ is bool:
        return f"In draft {scope.dialect.draft} {_shown(raw)} is not a schema."
    takes = "an object, true or false" if scope.dialect.booleans else "an object"
    return f"A schema is {takes}, not {_shown(raw)}."


def _shown(value: object) -> str:
    """Return a value for a message: itself where it is short, else its kind."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, (dict, list)) or len(str(value)) > 40:
        return f"{'an' if kind_name(value)[0] in 'aio' else 'a'} {kind_name(value)}"
    return repr(value) if isinstance(value, str) else str(value)
