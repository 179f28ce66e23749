"""Reads a JSON Schema document: every subschema that the root reaches, once, with references resolved.

A *subschema* is a schema inside of a document. The root *reaches* it through keywords and references. For
example `{"items": {"$ref": "#/$defs/a"}, "$defs": {"a": {}, "b": {}}}` reaches "a" and not "b". A *binding*
is the target that a path of references gives to the name of a dynamic reference.
"""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import unquote

from structgen.automata.strings.banned_patterns import pattern_of
from structgen.base.errors import LimitError, RegexError, SchemaError, UnsupportedError
from structgen.base.json_text.events import spell_pointer
from structgen.base.json_text.exact_json import Json, escape, kind_name
from structgen.base.limits import Limits
from structgen.base.system.public_calls import THIS_CALL
from structgen.schema.reading.draft_names import DEFAULT_DRAFT
from structgen.schema.reading.missing_bytes import Quoting, limits_of, quoting_of
from structgen.schema.reading.model import (
    KeywordRefusal,
    OpenDocument,
    Schema,
    Scope,
    show_value,
)
from structgen.schema.reading.policies import Policies
from structgen.schema.reading.reference_loops import settle_loops
from structgen.schema.reading.references import (
    RECURSIVE,
    Bindings,
    NowhereError,
    References,
    ReferenceTarget,
    RemoteError,
)
from structgen.schema.reading.remotes import Remotes
from structgen.schema.reading.schema_cures import reference_cure, schema_cure
from structgen.schema.reading.string_grammars import HeldGrammars

_MOST_FAULTS: Final = 5
"""The most faults that one error names. After them the rest of the schema is not read."""


class Document(OpenDocument):
    """The subschemas of one schema that its root reaches, through keywords and references.

    The constructor reads all of them. It raises `SchemaError` for a value that is not a schema: a keyword
    with a value of the wrong kind, a `$ref` to nowhere, references that go in a circle within one value. The
    error names the places of further faults. Definitions without a reference to them are not read. Keywords
    that are not handled are collected in `refusals`; `require_handled` raises the first. Cost: some 2 us a
    subschema.
    """

    def __init__(
        self,
        value: Json,
        *,
        draft: str | None = None,
        policies: Policies | None = None,
        limits: Limits | None = None,
        remotes: Remotes | None = None,
        banned_texts: tuple[str, ...] = (),
        missing: frozenset[int] = frozenset(),
        grammars: HeldGrammars = None,
    ) -> None:
        """Read the schema `value` (exact JSON, which must not change afterwards).

        `draft` is one of `draft_names.DRAFTS`, or None: `$schema` decides, else 2020-12. `remotes` holds the
        documents that references may lead to. No string and no key of a value may contain one of
        `banned_texts`, and its JSON text none of the bytes in `missing`. `root` is the schema together with
        these two conditions, `text_root` the schema alone. `grammars` has the grammar objects that the schema
        may name, and takes further ones of this process. None: the schema may name none.
        """
        self.value = value
        self.grammars = grammars
        self.banned_texts = banned_texts
        self.missing = missing
        self.policies = policies if policies is not None else Policies()
        self.limits = limits if limits is not None else Limits()
        self.notes = []
        self.references = References(value, draft, remotes if remotes is not None else Remotes())
        self.top = self.references.root
        # `References` has read $schema by now: the dialect says which draft the text is in.
        self.draft = self.top.dialect.draft
        if draft is None:
            self._check_declaration()
        self.root: Schema
        names: frozenset[str] = frozenset()
        # A reading may meet names that it did not follow. The set of names only grows, so that the loop ends.
        while not self._read_all(names):
            # Dynamic references: their names take part in what a schema is. Few schemas have one.
            names |= self._asked_names
        self.text_root: Schema = self.root
        if banned_texts:
            # A schema of a value does not restrict its keys: `propertyNames` has to exclude the texts there.
            banned = self.derive_schema("", types=frozenset({"string"}), pattern=pattern_of(banned_texts))
            of_keys = self.derive_schema("", not_=banned, bans=True)
            self._ask_throughout(not_=banned, bans=True, property_names=of_keys)
            count = "1 text is" if len(banned_texts) == 1 else f"{len(banned_texts):,} texts are"
            self.notes.append(f"{count} banned from strings and keys.")
        if missing:
            self.lose_bytes(missing)

    def _read_all(self, names: frozenset[str]) -> bool:
        """Read everything that the root reaches, with these names of dynamic anchors bound on the ways.

        A schema with a dynamic reference may mean something else on each path of references to it: a
        `Schema` then is its text *and* what the path binds. Return whether no other name is asked for.
        """
        self.reset_reading()
        self._faults: list[SchemaError] = []
        self._by_raw: dict[Any, Schema] = {}
        self._referring: list[Schema] = []
        self._todo: list[Schema] = []
        self._asked_names: set[str] = set()
        self._names = sorted(names)
        self._bound: dict[int, Bindings] = {}
        unbound = (None,) * len(names)
        self.root = self._target_schema(ReferenceTarget(self.value, "#", self.top), unbound)
        self._read_waiting()
        # An `if` alone asserts nothing. It is read only where `unevaluated*` asks which members it evaluates;
        # reading it may find more of both.
        while self.has_unevaluated and self.tests:
            schema, test = self.tests.pop()
            schema.verdict = None
            schema.if_ = self.add_child(schema, test, ("if",))
            self._read_waiting()
        if self.references.has_custom_dialects:
            self._check_vocabularies()
        # Another name can change which schemas are the same one, so that the reading starts again.
        if not self._asked_names <= names:
            return False
        if self._referring:
            settle_loops(self, self._referring)
        return True

    # --- For the network ------------------------------------------------------------------------------------

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
        more_text = ""
        if rest:
            plural = "s" if rest > 1 else ""
            more_text = f" ({rest:,} more such keyword{plural} in grammar.report.)"
        raise UnsupportedError(
            first.fault + more_text,
            keyword=first.keyword,
            where=f"{first.pointer}/{escape(first.keyword)}",
            cure=first.cure,
        )

    # --- For the readers of keywords (`OpenDocument`) -------------------------------------------------------

    def add_child(self, up: Schema, raw: Any, at: tuple[str | int, ...]) -> Schema:
        """Return the subschema `raw`, to be read; `at` is the way to it from `up`."""
        if raw.__class__ is not dict:
            # Drafts 3 and 4 have no boolean schemas, but take booleans under these two keywords.
            booleans = up.scope.dialect.booleans or at[0] in ("additionalProperties", "additionalItems")
            if raw.__class__ is not bool or not booleans:
                where = spell_pointer((up.at, *at))
                cure = schema_cure(raw, at)
                raise _no_schema(raw, up.scope, where, cure or f"Correct {at[0]}.")
        return self._add_subschema(raw, up, at, up.scope, self._bound.get(up.id, ()))

    def follow_reference(self, schema: Schema, keyword: str, reference: str) -> None:
        """Set the target of a reference in a schema. A dynamic one depends on the path to this schema."""
        # `$ref` has one target. Where the other two lead depends on the way by which this schema is reached.
        find = self._find_target if keyword == "$ref" else self._found_dynamically
        reference_target = find(schema, keyword, reference)
        if reference_target is None:
            return
        target = self._target_schema(reference_target, self._bound.get(schema.id, ()))
        self._referring.append(schema)
        # `$ref` and `$dynamicRef` may stand side by side: `ref` holds the first one, `all_of` the second.
        if schema.ref is None:
            schema.ref = target
            schema.applicators += ("$ref",)
        else:
            schema.all_of += (target,)
            schema.applicators += ("allOf",)

    def _found_dynamically(self, schema: Schema, keyword: str, reference: str) -> ReferenceTarget | None:
        """Return where a dynamic reference leads.

        None where the reference is refused, or where this reading does not follow its name: then the next
        reading finds the target.
        """
        scope = schema.scope
        bound = self._bound.get(schema.id, ())
        name = RECURSIVE if keyword == "$recursiveRef" else unquote(reference.partition("#")[2])
        anchors = self.references.dynamic_anchors
        if scope.dialect.draft == "v1" and reference.startswith("#"):
            # In v1 the way alone decides; in 2020-12 the reference itself must lead to a dynamic anchor.
            raw = self._bound_to(name, bound) or anchors(scope).get(name)
            if raw is not None or name not in self._names:
                return raw
        raw = self._find_target(schema, keyword, reference)
        if raw is not None:
            anchor = anchors(raw.scope).get(name)
            if anchor is not None and anchor.raw is raw.raw:
                return self._bound_to(name, bound) or raw
        return raw

    def _bound_to(self, name: str, bound: Bindings) -> ReferenceTarget | None:
        """Return the target of a name; None where it is unbound, or this reading does not follow the name."""
        self._asked_names.add(name)
        if name in self._names:
            return bound[self._names.index(name)]
        return None

    def _find_target(self, schema: Schema, keyword: str, reference: str) -> ReferenceTarget | None:
        """Return where a reference leads, or None where that is refused; `SchemaError` for nowhere."""
        try:
            target = self.references.find_target(schema.scope, reference)
        except NowhereError as error:
            raise SchemaError(
                f"{reference!r} does not exist: {error}.",
                where=f"{schema.pointer}/{keyword}",
                cure=reference_cure(self.value, reference),
            ) from None
        except RemoteError as error:
            fault = f"{reference!r} refers to {str(error)!r}, which is not among the resources."
            cure = "Pass it: resources={uri: schema}."
            # Such a reference looks like a name: often its definition exists, and "#/$defs/" is missing.
            if "/" not in reference and "." not in reference:
                cure = f"{reference_cure(self.value, reference)} Pass other documents in resources=."
            self.refuse_keyword(schema, keyword, fault, cure)
            return None
        if target.raw.__class__ is not dict and target.raw.__class__ is not bool:
            raise SchemaError(
                f"{reference!r} refers to {kind_name(target.raw)}, which is not a schema.",
                where=f"{schema.pointer}/{keyword}",
                cure="Refer to an object or a boolean.",
            )
        return target

    @property
    def quoting(self) -> Quoting:
        """The way in which strings are written without the missing bytes (`missing_bytes.Quoting`)."""
        return quoting_of(self.policies.escapes, self.missing)

    def lose_bytes(self, missing: frozenset[int]) -> None:
        """Make `root` exclude the values that cannot be written without the missing bytes (`limits_of`)."""
        self.missing = missing
        fields, lost, keys = limits_of(self.quoting, self.policies)
        if lost:
            fields["not_"] = self.derive_schema("", enum=lost)
        if keys is not None:
            fields["property_names"] = self.derive_schema("", pattern=keys)
        if fields:
            self._ask_throughout(**fields)

    def _ask_throughout(self, **fields: Any) -> None:
        """Make `root` apply some fields of `Schema` to the whole value and to every value inside it."""
        inner_schema = self.derive_schema("", **fields)
        # The schema is its own schema of members and of items, so that it holds at every depth.
        inner_schema.additional = inner_schema.items = inner_schema
        self.root = self.derive_schema(self.root.pointer, all_of=(self.root, inner_schema))

    # --- Inside ---------------------------------------------------------------------------------------------

    def _check_patterns(self) -> None:
        if self.patterns:
            # start-up: most schemas have no pattern
            from structgen.automata.regex.ecma_syntax import parse_ecma
            from structgen.automata.strings.alphabets import NUMBERS_OF_A_CHARACTER

            for source, schema in self.patterns.items():
                try:
                    THIS_CALL.count_work(NUMBERS_OF_A_CHARACTER * len(source))
                    parse_ecma(source)
                except RegexError as error:
                    keyword = "pattern" if schema.pattern == source else f"patternProperties/{escape(source)}"
                    error.name_owner(f"{schema.pointer}/{keyword}")
                    raise

    def _check_formats(self) -> None:
        if self.formats:
            # start-up: most schemas have no format
            from structgen.automata.formats.named_formats import require_known

            for name, schema in self.formats.items():
                try:
                    require_known(name)
                except UnsupportedError as error:
                    error.name_owner(f"{schema.pointer}/format")
                    raise

    def _check_declaration(self) -> None:
        """Refuse a `$schema` that is not a text, and note one that names no known draft."""
        if not isinstance(self.value, dict) or "$schema" not in self.value:
            return
        uri = self.value["$schema"]
        if not isinstance(uri, str):
            raise SchemaError(
                f"$schema must be a URI in a string, got {show_value(uri)}.",
                where="#/$schema",
                cure="Name the draft, such as https://json-schema.org/draft/2020-12/schema, or remove it.",
            )
        if not self.references.knows_dialect(uri):
            self.notes.append(f"$schema {uri!r} is not a known draft: read as {DEFAULT_DRAFT}.")

    def _check_vocabularies(self) -> None:
        """Refuse the schemas of a dialect that requires an unknown vocabulary."""
        for scope in dict.fromkeys(schema.scope for schema in self.schemas):
            for uri in scope.dialect.unknown_vocabularies:
                self.refusals.append(
                    KeywordRefusal(
                        scope.prefix,
                        "$schema",
                        f"Its meta-schema requires the vocabulary {uri!r}, which is not known.",
                        "Set it to false in its $vocabulary, or name a draft in $schema.",
                    )
                )

    def _target_schema(self, target: ReferenceTarget, bound: Bindings) -> Schema:
        """Return the schema of a reference's target, or of the root, to be read."""
        raw = target.raw
        scope = target.scope
        if raw.__class__ is not dict and not (raw.__class__ is bool and scope.dialect.booleans):
            raise _no_schema(raw, scope, target.prefix)
        # A pointer into an embedded resource does not come through the one around it.
        return self._add_subschema(raw, None, target.prefix, scope, bound)

    def _add_subschema(
        self,
        raw: Any,
        up: Schema | None,
        at: Any,
        scope: Scope,
        bound: Bindings,
    ) -> Schema:
        """Return the schema of a JSON value; a new one waits in `_todo` to be read.

        `raw` is the value (a dict or a bool), `up` the schema around it, and `at` the way from there, for
        example `("properties", "a")`. `up` None: `at` is the whole pointer. `scope` is the resource around
        it, `bound` what the path before it binds. A value that was met before gives the same schema.
        """
        if raw.__class__ is bool:
            schema = self.new_schema(raw, up, at, scope)
            schema.verdict = raw
            return schema
        key: Any = id(raw)
        if self._names:
            # The same text under other bindings is another schema: its dynamic references lead elsewhere.
            whole_way = at if up is None else (up.at, *at)
            inside = self.references.enter_schema(scope, raw, whole_way)
            bound = self.references.bind_names(bound, inside, self._names)
            key = key, bound
        known_schema = self._by_raw.get(key)
        if known_schema is not None:
            return known_schema
        schema = self._by_raw[key] = self.new_schema(raw, up, at, scope)
        self._todo.append(schema)
        if self._names:
            self._bound[schema.id] = bound
        return schema

    def _read_waiting(self) -> None:
        """Read every waiting schema, and the schemas that these add."""
        todo = self._todo
        schemas = self.schemas
        max_schemas = self.limits.schema_places
        faults = self._faults
        while todo and len(faults) < _MOST_FAULTS:
            THIS_CALL.check_stop()
            schema = todo.pop()
            raw: Any = schema.raw
            if schema.scope.dialect.id_key in raw:
                self._read_identifier(schema, raw)
            dialect = schema.scope.dialect
            keywords = dialect.keywords
            # Up to draft 7 `$ref` makes the keywords beside it void.
            if dialect.hides_siblings and "$ref" in raw:
                raw = {"$ref": raw["$ref"]}
            for keyword, value in raw.items():
                reader = keywords.get(keyword)
                if reader is not None:
                    try:
                        reader(self, schema, keyword, value)
                    except SchemaError as error:
                        faults.append(error)
                elif keyword not in dialect.annotations:
                    self.unknown.append((schema, keyword))
            # No keyword set a field: the schema accepts every value.
            if not schema.__dict__:
                schema.verdict = True
            if len(schemas) > max_schemas and not faults:
                raise LimitError(
                    f"The schema has more than {max_schemas:,} places.",
                    limit="schema_places",
                    where=schema.pointer,
                )
        if faults:
            first = faults[0]
            others = dict.fromkeys(fault.where for fault in faults if fault.where != first.where)
            more_text = f" Other faults: {', '.join(others)}." if others else ""
            raise SchemaError(first.what + more_text, where=first.where, cure=first.cure)

    def _read_identifier(self, schema: Schema, raw: dict[str, Any]) -> None:
        key = schema.scope.dialect.id_key
        if not isinstance(raw[key], str):
            if key == "id":
                return  # in draft 4 often a forgotten `properties`; it names nothing and asks for nothing
            self._faults.append(self.keyword_error(schema, key, "a URI reference in a string"))
            return
        schema.scope = self.references.enter_schema(schema.scope, raw, schema.at)


def _no_schema(
    raw: object,
    scope: Scope,
    where: str,
    cure: str = "Write an object.",
) -> SchemaError:
    """Return the error for a value that stands where a schema is expected, for example `"string"`."""
    takes = "an object, true or false" if scope.dialect.booleans else "an object"
    fault = f"A schema must be {takes}, got {show_value(raw)}."
    if raw.__class__ is bool:
        fault = f"In draft {scope.dialect.draft} {show_value(raw)} is not a schema."
    return SchemaError(fault, where=where, cure=cure)
