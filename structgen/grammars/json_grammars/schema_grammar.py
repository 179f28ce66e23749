"""`json_schema`, the public function for schemas, and `JsonSchemaGrammar`, which it returns.

The *policies* of a grammar are its options: which of the many JSON texts of a value a model may write (white
space, order of keys, escapes). A *document* is a schema that was read. The *network* is the schema as the
JSON machine asks for it: which keys, items and values may come.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Hashable, Iterable, Mapping
from contextlib import suppress
from contextvars import ContextVar
from copy import copy
from dataclasses import asdict, fields, replace
from functools import lru_cache
from os.path import isfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, TypeVar, cast
from weakref import WeakValueDictionary, ref

from structgen.base.errors import (
    OptionError,
    SchemaError,
    SchemaWarning,
    UnsupportedError,
    options_named,
    prefix_place,
    warning_level,
)
from structgen.base.json_text.exact_json import (
    Json,
    exact_copy,
    read_exact,
    repeated_members,
    write_canonical,
)
from structgen.base.language import checks
from structgen.base.limits import Limits
from structgen.base.system.lazy_names import public_name
from structgen.base.system.text_files import read_text
from structgen.machines.core.grammar import Grammar, ValueReader
from structgen.schema.reading.document import Document
from structgen.schema.reading.draft_names import DRAFTS
from structgen.schema.reading.keywords import idle_keywords
from structgen.schema.reading.missing_bytes import Quoting, quoting_of
from structgen.schema.reading.policies import Policies
from structgen.schema.reading.remotes import Remotes, check_resources
from structgen.schema.reading.string_grammars import GRAMMAR, HeldGrammars
from structgen.schema.schema_source import SchemaSource

if TYPE_CHECKING:
    from structgen.grammars.json_grammars.compiled_schema import CompiledSchema
    from structgen.machines.store.mask_store import StoreOption

    # start-up: the report is worked out when asked
    from structgen.schema.explaining.keyword_report import KeywordReport
    from structgen.schema.meaning.scalars import NumberOracle, StringOracle

    # start-up: who only reads schemas needs no network
    from structgen.schema.reading.suspect_keywords import Suspect
    from structgen.schema.recogniser.schema_network import SchemaNetwork
    from structgen.tokens.tokenizer import Tokenizer

A = TypeVar("A")
SCHEMA_REMARKS: ContextVar[list[str] | None] = ContextVar("schema_remarks", default=None)
"""A list that receives the texts of warnings about schemas and grammars, for callers who have these from
others; None: warnings are issued."""


def warn_or_remark(warning: Warning) -> None:
    """Issue a warning; `SCHEMA_REMARKS` takes its text instead where it is set."""
    remarks = SCHEMA_REMARKS.get()
    if remarks is None:
        warnings.warn(warning, stacklevel=warning_level())
    else:
        remarks.append(str(warning))


_READ_SCHEMAS: Final[WeakValueDictionary[Hashable, JsonSchemaGrammar]] = WeakValueDictionary()
"""The grammars of schemas that were read, by their texts and options. Compiled grammars hold them: so a
schema that comes again is not read again while an engine or a mask store keeps its compiled grammar."""


class JsonSchemaGrammar(Grammar, SchemaSource):
    """The JSON texts of the values that a schema accepts, within the policies. Made by `json_schema`."""

    __slots__ = (
        "_answers",
        "_canonical",
        "_draft",
        "_file",
        "_grammars",
        "_missing",
        "_networks",
        "_notes",
        "_read_as",
        "_resources",
        "_spare",
        "_spelling",
        "_text",
        "banned",
        "limits",
        "policies",
        "reader",
        "root_types",
        "schema",
        "told",
    )
    schema: Json
    """The schema as exact JSON (numbers as int or Decimal), which must not be changed."""
    policies: Policies
    """The written policies: which texts of a value are in the language."""
    limits: Limits
    """The bounds on work and memory."""
    banned: tuple[str, ...]
    """The texts that no string and no key of a value may hold (`sg.without`), in order."""
    texts_named = "a text of a JSON Schema"

    def __init__(
        self,
        value: Json,
        *,
        draft: str | None,
        policies: Policies,
        limits: Limits,
        text: str | None = None,
        notes: tuple[str, ...] = (),
        remotes: Remotes | None = None,
        banned: tuple[str, ...] = (),
        missing: frozenset[int] = frozenset(),
        grammars: HeldGrammars = None,
    ) -> None:
        """Read the schema `value` (exact JSON that nobody changes), which was read from `text`.

        Of the `remotes`, those that references lead to become part of the grammar. No string and no key may
        hold one of the texts in `banned`. Of texts with a byte in `missing` some are left out, as
        `without_bytes` says. `grammars`: those that the schema names, and now holds (`Document`).
        """
        self.schema = value
        self._text = text
        self._notes = notes
        self.told: JsonSchemaGrammar | None = None
        """The grammar that prompts describe, if this one is a narrower form of it; else None."""
        self.reader: ValueReader | None = None
        """The function that makes a value of a document, where the schema is that of a Python type. None: the
        value is that of the JSON text. The language does not depend on it."""
        self._draft = draft
        self.policies = policies
        self.limits = limits
        self.banned = banned
        self._missing = missing
        self._grammars = grammars
        self._file: str | None = None  # that the schema was read from, for errors
        if remotes is None:
            remotes = Remotes()
        self._take_over(self.document(remotes=remotes))
        # after the reading, which marks the resources that it follows references to
        self._resources = remotes.used

    def _take_over(self, document: Document) -> None:
        """Note the facts of a document that was read: reading is the check of a schema. The first network
        takes the document over."""
        self._canonical = self._spelling = ""
        self._networks: list[ref[SchemaNetwork]] = []
        self._spare = [document]  # documents that were read already, one use each
        self._answers: dict[Hashable, Any] = {}
        """The outlines and the suspects that were asked for, by question (`_ask_document`)."""
        self.root_types = document.text_root.types
        """The types in the root's `type`; None where the root has no such keyword."""
        self._read_as = document.draft
        if document.references.has_custom_dialects:
            self._read_as += " and meta-schemas"

    @property
    def canonical(self) -> str:
        """The options and the schema as one JSON text, the schema's members in their order."""
        if not self._canonical:
            custom_formats: dict[str, Json] = {}
            for name, definition in self.policies.custom_formats:
                custom_formats[name] = definition if isinstance(definition, str) else dict(definition)
            options: dict[str, Json] = {
                "kind": "json_schema 1",
                "draft": self._read_as,
                "policies": {**asdict(self.policies), "custom_formats": custom_formats},
                "limits": dict(asdict(self.limits)),
            }
            if self._resources:
                options["resources"] = dict(sorted(self._resources.items()))
            if self.banned:
                options["banned"] = list(self.banned)
            if self._missing:
                options["missing"] = [*sorted(self._missing)]
            self._canonical = write_canonical([options, self.schema])
        return self._canonical

    @property
    def spelling(self) -> str:
        """The options and the schema, as its text or as `repr` writes it."""
        if not self._spelling:
            try:
                schema = self._text if self._text is not None else repr(self.schema)
                resources = repr(sorted(self._resources.items())) if self._resources else ""
            except RecursionError:  # `canonical` writes values of any depth
                return self.canonical
            parts = [schema, self._read_as, _text_of(self.policies), _text_of(self.limits), resources]
            rare_options = self.banned, sorted(self._missing)
            if any(rare_options):
                parts.append(repr(rare_options))
            self._spelling = "\0".join(parts)
        return self._spelling

    @property
    def grammars(self) -> Iterable[Grammar]:
        """The grammar objects that strings are held to."""
        return (self._grammars or {}).values()

    def without(self, banned: tuple[str, ...]) -> JsonSchemaGrammar:
        """Return this grammar with more texts banned from strings and keys; `sg.without` checks them."""
        return self._copy_with(banned=tuple(sorted({*self.banned, *banned})))

    def under(self, policies: Policies) -> JsonSchemaGrammar:
        """Return the grammar of the same schema under other policies."""
        return self._copy_with(policies=policies)

    def in_place_of(self, schema: Json) -> JsonSchemaGrammar:
        """Return the grammar of another schema under the same draft and options, which prompts tell as this
        one. The schema may name grammar objects of this process. Raises UnsupportedError for draft 3, whose
        alternatives are written otherwise."""
        if self._read_as.startswith("3"):
            raise UnsupportedError(
                "A schema of draft 3 cannot be grounded in texts.",
                keyword="grounded",
                where="#/$schema",
                cure="Write it in draft 4 or a later one.",
            )
        # the draft is that of this grammar: else a schema without `$schema` would be read as the newest
        if isinstance(schema, dict) and isinstance(self.schema, dict) and "$schema" in self.schema:
            schema = {"$schema": self.schema["$schema"], **schema}
        held_grammars = dict(self._grammars or {})
        return self._copy_with(
            schema=schema, _text=None, _notes=(), told=self.told or self, _grammars=held_grammars
        )

    def _with_grammars(self, grammars: Mapping[str, Grammar | str]) -> JsonSchemaGrammar:
        """Return this grammar, which nobody has yet, with grammars at places of its schema."""
        # start-up: few schemas have grammars at their places
        from structgen.schema.explaining.keyword_report import report_of
        from structgen.schema.reading.grammar_places import pointer_error, with_grammars

        if not isinstance(grammars, Mapping) or not all(isinstance(pointer, str) for pointer in grammars):
            raise checks.option_error("grammars", grammars, 'a dict such as {"#/properties/query": grammar}')
        grammars_by_pointer: dict[str, Grammar] = {}
        for pointer, part in grammars.items():
            with prefix_place(f"grammars, {pointer}"):
                # `sg.sequence` makes a grammar of a text that stands for itself
                grammars_by_pointer[pointer] = public_name("sequence")(part)
        all_of_keyword = "extends" if self._read_as.startswith("3") else "allOf"
        new_schema, places = with_grammars(self.schema, grammars_by_pointer, all_of_keyword)
        new_grammar = self._copy_with(schema=new_schema, _text=None, _notes=self._reading_notes())
        # under a cap (max_string) a redundant grammar counts as enforced: ask under the default policies
        report = report_of(new_grammar.document(policies=Policies()))
        findings = [finding for finding in report.findings if finding.keyword == GRAMMAR]
        reasons = {finding.pointer: finding.why for finding in findings}
        for place in places:
            why = reasons.get(place, "no value is checked against it")
            if why:  # "": the grammar is enforced there
                raise pointer_error(f"A grammar has no effect at {place}: {why}.")
        return new_grammar

    def without_bytes(self, missing: frozenset[int]) -> JsonSchemaGrammar:
        """Return the grammar of those texts of this one that contain none of the bytes `missing`. Where no
        text is left, compiling it raises. It takes over the document that was read of the schema."""
        if missing <= self._missing:
            return self
        missing |= self._missing
        # an unused document is changed in place: a schema of many tools is not read once more
        document = self._spare.pop() if self._spare else None
        if document is not None:
            document.lose_bytes(missing)
        return self._copy_with(document, _missing=missing)

    def _copy_with(self, document: Document | None = None, **others: Any) -> JsonSchemaGrammar:
        """Return a grammar that differs in some attributes; `document`: of its schema, if it was read."""
        new_grammar = JsonSchemaGrammar.__new__(JsonSchemaGrammar)
        for name in self.__slots__:
            setattr(new_grammar, name, others.get(name, getattr(self, name)))
        # with another reader alone it shares what was read of the schema
        if "reader" not in others:
            new_grammar._take_over(document or new_grammar.document())
        return new_grammar

    def with_reader(self, reader: ValueReader) -> JsonSchemaGrammar:
        """Return the same grammar, whose values `reader` makes of documents. It holds this one, for others
        with an equal schema (`_READ_SCHEMAS`)."""
        return self._copy_with(reader=reader, told=self.told or self)

    @property
    def outline(self) -> Callable[..., str]:
        """What writes the outline for prompts: `schema_outline` without the schema."""
        return self._write_outline

    def _write_outline(self, *, depth: int | None = None, descriptions: bool = False) -> str:
        # start-up: not every schema is in a prompt
        from structgen.grammars.json_grammars.outline_writer import OutlineWriter

        policies = self.policies
        if policies.custom_formats:
            # a format that the caller defined himself is read as a pattern, and the outline says its name
            policies = replace(policies, custom_formats=())
        write_outline = OutlineWriter(depth, descriptions).write_outline
        outlined = self.told or self
        return outlined._ask_document(
            (depth, descriptions, policies), lambda document: write_outline((document.text_root,)), policies
        )

    def _ask_document(self, question: Hashable, answer: Callable[[Document], A], policies: Policies) -> A:
        """Return the answer to a question about the schema under `policies`: `answer` only looks at a
        document, which was read already or is new. Answers are remembered."""
        if question not in self._answers:
            is_spare = policies == self.policies
            document = self._take_document() if is_spare else self.document(policies=policies)
            try:
                self._answers[question] = answer(document)
            finally:
                self._spare += [document] * is_spare
        known_answer: A = self._answers[question]
        return known_answer

    @property
    def quoting(self) -> Quoting:
        """How strings are written, and which bytes no text has."""
        return quoting_of(self.policies.escapes, self._missing)

    @property
    def report(self) -> KeywordReport:
        """The report of the keywords that are enforced, annotations, and refused; worked out anew when asked.

        `may_dead_end` lists the places that its compiled forms, while they live, have flagged so far.
        """
        # start-up: the report is worked out when asked
        from structgen.schema.explaining.keyword_report import report_of

        flagged_places: dict[str, None] = {}
        for reference in self._networks:
            network = reference()
            if network is not None:  # its compiled grammar still lives
                flagged_places.update(dict.fromkeys(network.may_dead_end))
        return report_of(self.document(), self._reading_notes(), flagged_places)

    def suspects(self) -> tuple[Suspect, ...]:
        """Return the places of the schema that look misspelt or misplaced (`suspect_keywords`)."""
        return self._ask_document("suspects", _suspects_of, self.policies)

    def warn_of_suspects(self, *, strict: bool = False) -> None:
        """Warn (`SchemaWarning`) of `suspects`; `SCHEMA_REMARKS` takes them instead where it is set. With
        `strict` they are a `SchemaError` that names the first."""
        suspects = self.suspects()
        if strict and suspects:
            first, *others = suspects
            count_text = f" {len(others)} more such places." if others else ""
            raise SchemaError(
                f"{first.fault}{count_text}",
                where=first.where,
                cure=f"{first.cure} (strict=True refuses it.)",
            )
        for suspect in suspects:
            message = f"{suspect.where}: {suspect.fault} {suspect.cure}"
            warn_or_remark(SchemaWarning(message, where=suspect.where, likely=suspect.likely))

    def compiled(self, tokenizer: Tokenizer, limits: Limits | None, store: StoreOption) -> CompiledSchema:
        """Return the grammar compiled against a tokenizer, or an equal one that the store has."""
        # start-up: who reads or reports schemas needs no machine
        from structgen.grammars.json_grammars.compiled_schema import compiled_schema

        return compiled_schema(self, tokenizer, limits or self.limits, store)

    def make_network(
        self,
        strings: StringOracle,
        numbers: NumberOracle,
        limits: Limits | None = None,
        *,
        widest: Callable[[], NumberOracle] | None = None,
    ) -> SchemaNetwork:
        """Return a new network of the language; `limits` stands for the grammar's own.

        `strings` and `numbers` are asked about scalars; `widest` makes the widest policies' number oracle,
        to tell a contradiction in the schema from one with the policies. Errors: `UnsupportedError` for a
        keyword that is not handled, `RegexError`, `UnsatisfiableSchema`, `LimitError`.
        """
        # start-up: who only reads schemas needs no network
        from structgen.schema.recogniser.schema_network import SchemaNetwork

        # a document is read under limits: the one that was read serves only the grammar's own
        has_own_limits = limits is None or limits == self.limits
        document = self._take_document() if has_own_limits else self.document(limits=limits)
        with prefix_place(self._file, ", "):
            document.require_handled()
            network = SchemaNetwork(document, strings, numbers, widest=widest)
            if document.has_grammars:
                # start-up: few schemas have grammars in their strings
                from structgen.schema.recogniser.early_refusals import refuse_early

                refuse_early(network)
        # weak references: a network goes with its compiled grammar
        self._networks[:] = [reference for reference in self._networks if reference() is not None]
        self._networks.append(ref(network))
        return network

    def _take_document(self) -> Document:
        """Return the document that the constructor made, the first time, and then new ones."""
        try:
            return self._spare.pop()  # one step, so that two threads never share a document
        except IndexError:
            return self.document()

    def document(
        self,
        value: Json | None = None,
        *,
        policies: Policies | None = None,
        limits: Limits | None = None,
        remotes: Remotes | None = None,
    ) -> Document:
        """Return the schema read anew, or the schema `value` under the same draft and resources; the caller
        owns it. `policies`, `limits`, `remotes` stand for the grammar's own. Cost: some 2 us for each
        subschema. Example: `grammar.document(policies=Policies())`."""
        return Document(
            self.schema if value is None else value,
            draft=self._draft,
            policies=policies or self.policies,
            limits=limits or self.limits,
            remotes=Remotes.from_used(self._resources) if remotes is None else remotes,
            banned_texts=self.banned,
            missing=self._missing,
            grammars=self._grammars,
        )

    def _reading_notes(self) -> tuple[str, ...]:
        """Return the remarks on the text of the schema."""
        if self._text is None:
            return self._notes
        places = repeated_members(self._text)
        return tuple(f"{place} is given more than once; the last one counts." for place in places)

    def __reduce__(self) -> tuple[Any, ...]:
        # the notes, since the text that they are made of is not pickled
        arguments = self.canonical, self._draft, self._reading_notes(), self.reader, self._grammars, self.told
        return _restore_grammar, arguments


@options_named(
    'sg.json_schema({"type": "object"})', {"indent": "Write whitespace=", "schema_draft": "Write draft="}
)
def json_schema(
    schema: dict[str, Any] | bool | str | Path,
    *,
    draft: str | None = None,
    whitespace: str | int = "bounded",
    property_order: str = "declared",
    numbers: str = "bounded",
    escapes: str = "canonical",
    formats: str = "assert",
    max_string: int | None = None,
    max_items: int | None = None,
    any_value: str | int = "any",
    custom_formats: Mapping[str, str | Mapping[str, int]] | None = None,
    subset: str | None = None,
    resources: Mapping[str, Any] | None = None,
    grammars: Mapping[str, Grammar | str] | Literal[False] | None = None,
    limits: Limits | None = None,
    strict: bool | None = False,
) -> JsonSchemaGrammar:
    """Return the grammar of a JSON Schema, given as a dict, a boolean, a JSON text, or the path of a file.

    `draft` is one of "3", "4", "6", "7", "2019-09", "2020-12", "v1"; None: the draft that `$schema` names,
    else 2020-12. `resources` maps URIs to further schemas for `$ref` (dicts, booleans, JSON texts, or a
    `referencing.Registry`). A reference never opens a file or a connection. The standard meta-schemas are
    built in. `grammars` maps JSON Pointers of strings in the schema (`"#/properties/query"`) to grammars, or
    texts that stand for themselves: there the value of a string is a text of the grammar, as the keyword
    `x-grammar` says it. False: a stranger wrote the schema, and it names no grammar object.
    The policies define which texts of an accepted value are in the language:

    whitespace
        "bounded": up to 8 blanks, or a line break and 8 blanks a level; "compact"; "oneline" (", " and ": ");
        an int or str: exactly json.dumps(indent=...)'s text; "any"; a word and ":3": up to 3 together.
    property_order
        "declared": keys in the order in which the schema first mentions them; "any".
    numbers
        "bounded": only digits where only integers are valid, else finite floats; at most 20 integer, 20
        fraction and 3 exponent digits, more if the schema needs more; none that a double takes over a bound
        or onto another number;
        "plain": no exponent, no -0, integers without a fraction; "python": as `repr` writes them; "decimal":
        as "bounded", but exact decimals; "any": any number of digits, exact decimals.
    escapes
        "canonical": keys and constants as json.dumps(ensure_ascii=False) writes them; "utf8", "ascii": all
        strings as json.dumps writes them with ensure_ascii=False, True; "any".
    formats
        "assert", or "annotate": `format` has no effect.
    max_string, max_items
        code points of a string, items of an array, if the schema sets no bound; None: no bound.
    any_value
        the values allowed where the schema has no constraint: "any"; "scalar"; an int: the nesting depth of
        arrays and objects.
    custom_formats
        your own formats by name, which override the standard's. A format is a regular expression as for
        `pattern`, which without anchors matches anywhere in the string. Or it is a dict of integers for
        numbers: `minimum`, `maximum`, `exclusiveMinimum`, `exclusiveMaximum` and `multipleOf`.
        `sg.OPENAPI_FORMATS` has OpenAPI's formats.

    `sg.WIDEST` has the widest policies; `sg.OPENAI_STRICT` those for OpenAI's strict structured outputs,
    with `subset="openai"`: it refuses a schema that such a server refuses (`UnsupportedError`). The call
    reads every subschema that the root reaches (some 2 us each, and the copy of a dict); it compiles nothing.
    Errors: `SchemaError` for invalid JSON (line and column) or an invalid schema (its place), `OptionError`,
    `LimitError`. `sg.compile` refuses unsupported keywords (`UnsupportedError`), and `schema_grammar.report`
    lists them. Four faults cause a `SchemaWarning`, once for each place: an unknown keyword that looks like
    a known one (`maxLenght`, `nullable`), an unknown format that looks like a known one, a required key that
    looks like a key of `properties`, and a schema none of whose keys is a keyword. With `strict=True` they
    raise a `SchemaError`, and with `strict=None` there is no warning.
    """
    checks.InstanceCheck(bool | None, "Pass True, False or None.")("strict", strict)
    policies = _make_policies(
        whitespace,
        property_order,
        numbers,
        escapes,
        formats,
        max_string,
        max_items,
        any_value,
        custom_formats,
    )
    if draft is not None:
        checks.ChoiceCheck(DRAFTS)("draft", draft)
    if subset is not None:
        checks.ChoiceCheck(("openai",))("subset", subset)
    check_resources(resources)
    limits = checks.check_limits(limits)
    file = str(schema) if isinstance(schema, Path) else None
    value, text = _given_schema(schema)
    with prefix_place(file, ", "):
        if subset is not None:
            # start-up: few schemas are held to this subset
            from structgen.schema.reading.openai import check_subset

            check_subset(value)
        key: Hashable = None
        if not (resources or grammars):
            # `repr` tells 1, 1.0 and true apart, and keeps the order of keys
            with suppress(RecursionError):
                key = text or repr(value), file, draft, policies, limits, grammars is False
        grammar = _READ_SCHEMAS.get(key)
        if grammar is None:
            grammar = JsonSchemaGrammar(
                value,
                draft=draft,
                policies=policies,
                limits=limits,
                text=text,
                remotes=Remotes(resources),
                grammars=None if grammars is False else {},
            )
            if grammars is not None and grammars is not False:
                grammar = grammar._with_grammars(grammars)
            grammar._file = file
            # a grammar object of this process may go, and another one have its name
            if not (key is None or grammar._grammars):
                _READ_SCHEMAS[key] = grammar
        if strict is not None:
            grammar.warn_of_suspects(strict=strict)
    return grammar


def _suspects_of(document: Document) -> tuple[Suspect, ...]:
    """Return the places of a schema that look misspelt or misplaced."""
    # a quick look first: most schemas have none of these
    suspect_parts = (
        document.unknown,
        document.patterns,
        document.unknown_formats,
        document.undeclared_schemas,
    )
    if not any(suspect_parts) and not any(map(idle_keywords, document.schemas)):
        return ()
    # start-up: most schemas have nothing to look at
    from structgen.schema.reading.suspect_keywords import all_suspects

    return all_suspects(document)


def _given_schema(schema: dict[str, Any] | bool | str | Path) -> tuple[Json, str | None]:
    """Return a schema as exact JSON, and the text that it was read from. Errors: `SchemaError` with the file,
    the line and the column; `OptionError`."""
    if isinstance(schema, (dict, bool)):
        return exact_copy(schema), None
    if not isinstance(schema, (str, Path)):
        raise _schema_type_error(schema)
    text = schema if isinstance(schema, str) else read_text(schema, SchemaError)
    try:
        return read_exact(text), text
    except SchemaError as error:
        cure = error.cure
        where = error.where
        if isinstance(schema, Path):
            cure = "Correct the file."
            where = f"{schema}, {where}"
        elif _names_file(text):
            cure = f"To read a file: sg.json_schema(pathlib.Path({text!r}))."
        raise SchemaError(error.what, where=where, cure=cure) from None


def _schema_type_error(schema: object) -> OptionError:
    """Return the error for a value that is no schema; a Python type is often one that has a schema."""
    if isinstance(schema, type):
        cure = "Pass its schema (with pydantic: T.model_json_schema()); sg.generate and sg.run take types."
    else:
        cure = "Pass a dict, a boolean, a JSON text, or the pathlib.Path of a file."
    return OptionError(
        f"A schema must be a dict, a boolean, a text or a Path, got {type(schema).__name__}.",
        where="schema",
        cure=cure,
    )


def _names_file(text: str) -> bool:
    """Return whether a text that is not JSON is probably the path of a schema."""
    return text.isprintable() and (text.endswith(".json") or isfile(text))


_cached_policies = lru_cache(64, typed=True)(Policies)
_text_of = lru_cache(64)(repr)
"""Returns the text of policies or limits, of which most grammars have the same."""


def _make_policies(*options: Any) -> Policies:
    """Return `Policies` of the same arguments: where the last, the caller's own formats, is None, the same
    object for arguments that were seen before. So a request with tools does not check them anew."""
    with suppress(TypeError):  # one of them has no hash
        if options[-1] is None:
            return _cached_policies(*options)
    return Policies(*options)


def unwarned_schema(schema: dict[str, Any] | bool | str | Path, **options: Any) -> JsonSchemaGrammar:
    """Return what `json_schema` returns for the same options, without its warnings: for a schema of which
    was warned before."""
    return json_schema(schema, strict=None, **options)


def without_grammars(schema: dict[str, Any], *syntaxes: str) -> dict[str, Any]:
    """Return a copy of a schema without `x-grammar`, for those who refuse keywords that they do not know.
    Patterns beside it stay. `syntaxes`: those of the keywords that go; none: all of them go. For example,
    `without_grammars(schema, OBJECT)` keeps the grammars that are texts."""
    holder_of_root: Any = {"": schema}
    pending: list[Any] = [holder_of_root]
    while pending:
        holder = pending.pop()
        # a list, since the holder changes in the loop
        members = list(holder.items() if isinstance(holder, dict) else enumerate(holder))
        for key, value in members:
            is_grammar = key == GRAMMAR and isinstance(value, dict)
            syntax = value.get("syntax") if is_grammar else None
            if isinstance(syntax, str) and (not syntaxes or syntax in syntaxes):
                del holder[key]
            elif isinstance(value, (dict, list)):
                # a copy of one level: its members are copied in their turn
                holder[key] = copy(value)
                pending.append(holder[key])
    return cast("dict[str, Any]", holder_of_root[""])


def _restore_grammar(
    canonical: str,
    draft: str | None,
    notes: tuple[str, ...],
    reader: ValueReader | None,
    grammars: HeldGrammars = None,
    outlined: JsonSchemaGrammar | None = None,
) -> JsonSchemaGrammar:
    """Return a pickled grammar again; fields of `Limits` that this version does not know are left out. The
    parameters are those of `__reduce__`: `pickle.loads` calls this."""
    options, value = cast("tuple[dict[str, Any], Json]", read_exact(canonical))
    limit_names = {field.name for field in fields(Limits)}
    known_limits = {name: limit for name, limit in options["limits"].items() if name in limit_names}
    grammar = JsonSchemaGrammar(
        value,
        draft=draft,
        policies=Policies(**options["policies"]),
        limits=Limits(**known_limits),
        notes=notes,
        remotes=Remotes.from_used(options.get("resources", {})),
        banned=tuple(options.get("banned", ())),
        missing=frozenset(options.get("missing", ())),
        grammars=grammars,
    )
    grammar.reader = reader
    grammar.told = outlined
    return grammar
