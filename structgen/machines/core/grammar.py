"""`Grammar`: a language as a value, before it is compiled against a tokenizer.

A *language* is a set of texts, e.g. all JSON documents of a schema. The *canonical form* of a grammar is a
text that is equal for equal grammars. A *wrapper* is a grammar *around* another one, its *inner* grammar,
whose texts or masks it narrows, e.g. by a policy for tokens; the *innermost* grammar is not around any.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import suppress
from copy import copy
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from structgen.base.errors import OptionError, StructgenError
from structgen.base.language.ir import Formula, Texts
from structgen.base.limits import Limits
from structgen.base.system.lazy_names import public_name

if TYPE_CHECKING:
    from structgen.base.json_text.exact_json import Json
    from structgen.machines.core.compiled import CompiledGrammar
    from structgen.machines.store.mask_store import StoreOption
    from structgen.schema.reading.policies import Policies
    from structgen.tokens.tokenizer import Tokenizer

ValueReader: TypeAlias = Callable[[str], Any]
"""A function from a text of a grammar to its value."""


ENDLESS_BLANKS: Final = (
    "The grammar ignores texts without a bound (%ignore): a model may write blanks for ever. Bound them with "
    "sg.lark(..., ignore_at_most=8)."
)
"""What is said of a grammar that is endless (`Grammar.is_endless`)."""


class Grammar(ABC):
    """A language, as every front end hands it to `sg.compile`: a frozen value.

    Two grammars are equal when their canonical forms are; a grammar pickles by its canonical form. A new kind
    of grammar is a subclass in a room of its own, whose `compiled` chooses the machine that reads it.

    A grammar may be around another one, whose texts or masks it narrows. Then the other one is its attribute
    `around`, which it compiles, and whose properties (from `schema` on) it hands on.
    """

    __slots__ = ("__weakref__",)

    around: Grammar
    """The inner grammar, which may be around another one again. A grammar that is not around any has no such
    attribute: a default here would stop dataclasses from having it as their first field."""

    @property
    def _inner_grammar(self) -> Grammar | None:
        """The inner grammar; None where there is none. Raises OptionError where `around` is not a grammar."""
        inner = getattr(self, "around", None)
        if inner is None or isinstance(inner, Grammar):
            return inner
        raise OptionError(
            f"{type(self).__name__} contains a {type(inner).__name__}, which is not a grammar.",
            where="around",
            cure="Make one with sg.json_schema(...), sg.lark(...) or sg.regex(...).",
        )

    @property
    def canonical(self) -> str:
        """The canonical form: a text that identifies the language, however it was written.

        A grammar around another one has it by default: the class, the attributes and the inner form.
        """
        if self._inner_grammar is None:
            raise OptionError(
                f"The grammar {type(self).__name__} has no canonical form.",
                where="canonical",
                cure="Give the class a property `canonical`, or its objects the grammar inside as `around`.",
            )
        return f"{type(self)!r} {self.__getstate__()!r} {self._inner_grammar.canonical}"

    @property
    def limits(self) -> Limits:
        """The bounds on work and memory."""
        inner = self._inner_grammar
        return Limits() if inner is None else inner.limits

    @abstractmethod
    def compiled(self, tokenizer: Tokenizer, limits: Limits | None, store: StoreOption) -> CompiledGrammar:
        """Return the grammar compiled against a tokenizer; `sg.compile` has checked the arguments.

        `limits` replace the grammar's own (None: its own). `store`: None for the process's default, False for
        a store of its own. A machine that narrows another one has this grammar as its attribute `grammar`.
        """

    def compiled_part(
        self, tokenizer: Tokenizer, limits: Limits | None, store: StoreOption
    ) -> CompiledGrammar:
        """Return the grammar compiled as a part of others, which ask only which texts it has."""
        return self.compiled(tokenizer, limits, store)

    # The properties of a grammar besides its texts.

    @property
    def schema(self) -> Json | None:
        """The JSON Schema of its texts; None where it has none."""
        return getattr(self._inner_grammar, "schema", None)

    @property
    def policies(self) -> Policies | None:
        """The policies under which its JSON documents are written; None where its texts need not be JSON."""
        return getattr(self._inner_grammar, "policies", None)

    @property
    def outline(self) -> Callable[..., str] | None:
        """The function that writes its outline for prompts: `schema_outline` without the schema. None where a
        prompt has no outline of it."""
        return getattr(self._inner_grammar, "outline", None)

    @property
    def reader(self) -> ValueReader | None:
        """The function that turns a text into its value; None where the compiled grammar does that."""
        return getattr(self._inner_grammar, "reader", None)

    @property
    def repeats(self) -> Callable[[str], str] | None:
        """A function of the text so far: it names what the text repeats, "" if nothing. None where a text may
        repeat anything."""
        return getattr(self._inner_grammar, "repeats", None)

    @property
    def is_greedy(self) -> bool:
        """Whether a request without a temperature takes the likeliest tokens; else it draws them."""
        inner = self._inner_grammar
        return self.schema is not None if inner is None else inner.is_greedy

    @property
    def is_endless(self) -> bool:
        """Whether a text may have any number of ignored characters between two lexemes (`%ignore`)."""
        inner = self._inner_grammar
        return inner is not None and inner.is_endless

    @property
    def texts_named(self) -> str:
        """The words for a text of the grammar, for messages."""
        inner = self._inner_grammar
        return f"a text of {self!r}" if inner is None else inner.texts_named

    @property
    def written(self) -> dict[str, Any] | None:
        """The value of the keyword `x-grammar` that has the same texts under the default limits; None where
        there is none, or it is too long."""
        return None

    @property
    def keyword(self) -> dict[str, Any]:
        """The value of the keyword `x-grammar`, in JSON, that asks a string to be a text of this grammar.

        It is `written`. Where that is None, or the grammar has limits of its own, the value names this
        object. Such a name is good in this process only, and as long as the object is used.
        """
        # start-up: few grammars are in a schema
        from structgen.schema.reading.string_grammars import object_keyword

        value = self.written if self.limits == Limits() else None
        return object_keyword(self, value)

    @property
    def strings(self) -> Formula:
        """The formula that a string meets if it is a text of this grammar."""
        return Texts(self.canonical, self)

    def narrowed(self, formula: Formula) -> Grammar:
        """Return the grammar of the texts of this grammar that meet a regular formula."""
        return _texts_of(self).narrowed(formula)

    @property
    def innermost(self) -> Grammar:
        """The innermost grammar: this one without its wrappers."""
        inner = self._inner_grammar
        return self if inner is None else inner.innermost

    def inside(self, change: Callable[[Grammar], Grammar]) -> Grammar:
        """Return this grammar with its innermost grammar replaced by `change(innermost)`.

        The wrappers stay as they are. Raises OptionError for a wrapper that does not follow the change.
        """
        if self._inner_grammar is None:
            return change(self)
        inner = self._inner_grammar.inside(change)
        if inner is self._inner_grammar:
            return self
        changed_grammar = copy(self)
        # A grammar may be a frozen dataclass, which refuses a plain assignment.
        with suppress(AttributeError):  # `around` is a property: it keeps the old grammar, an error below
            object.__setattr__(changed_grammar, "around", inner)
        # The wrappers must be equal exactly if the inner grammars are; else the canonical form of the wrapper
        # does not depend on the inner grammar.
        if changed_grammar._inner_grammar is not inner or (changed_grammar == self) != (
            inner == self._inner_grammar
        ):
            raise OptionError(
                f"{type(self).__name__} does not follow the grammar that it contains.",
                where="around",
                cure="Keep it in an attribute `around`, and compute `canonical` from it.",
            )
        return changed_grammar

    def bare(self) -> Grammar:
        """Return the innermost grammar if the wrappers narrow none of its texts; else this grammar.

        They narrow none if both compile to the same machine. Cost: that of compiling both against a tokenizer
        of single bytes; nothing for a grammar without wrappers.
        """
        if self._inner_grammar is None:
            return self
        from structgen.machines.core.string_values import over_bytes  # start-up: few are around others

        plain = self.innermost
        try:
            compiled_plain, compiled_self = over_bytes(plain), over_bytes(self)
        except StructgenError:
            # The grammar has tokens without bytes, and does not compile so. Free text is tried in its place:
            # a wrapper that narrows nothing leaves all texts.
            free_text = public_name("text")()
            if plain == free_text or self.inside(lambda _: free_text).bare() != free_text:
                return self
            return plain
        is_same_machine = type(compiled_self) is type(compiled_plain)
        return plain if is_same_machine and compiled_self.grammar == compiled_plain.grammar else self

    @property
    def spelling(self) -> str:
        """A text that identifies the grammar as it was written. Grammars with equal spellings are equal. It
        costs less than the canonical form."""
        return self.canonical

    @property
    def fingerprint(self) -> str:
        """The BLAKE2b hash (32 hexadecimal digits) of the canonical form, the same in every process."""
        return blake2b(self.canonical.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()

    # A grammar may be beside a type in `Annotated`. Pydantic then asks it what the type's strings must be.

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> Any:
        """Return pydantic's schema of a type whose strings are texts of this grammar.

        Any other string raises pydantic's `ValidationError`, with the line and column of the fault.
        """
        # optional: pydantic, which asks
        from structgen.machines.core.string_values import with_texts_of

        return with_texts_of(self, handler(source))

    def __get_pydantic_json_schema__(self, core: Any, handler: Any) -> dict[str, Any]:
        """Return the JSON Schema of the annotated type with `x-grammar` added, and `pattern` for a regex.

        Raises `UnsupportedError` where no value of the type is a string.
        """
        # start-up: few grammars are in a type
        from structgen.schema.reading.string_annotations import annotate_schema
        from structgen.schema.reading.string_grammars import GRAMMAR

        keywords: dict[str, Any] = {GRAMMAR: self.keyword}
        if keywords[GRAMMAR]["syntax"] == "regex":
            keywords["pattern"] = f"^(?:{keywords[GRAMMAR]['definition']})$"
        return annotate_schema(f"A grammar ({self.texts_named})", core, handler, keywords)

    # The operators are those of text grammars, a package above this one: `public_name` finds it.

    def __add__(self, other: Grammar | str) -> Grammar:
        """Return the grammar of a text of this grammar, followed by a text of another."""
        return _texts_of(self) + other

    def __radd__(self, other: Grammar | str) -> Grammar:
        return _texts_of(other) + self

    def __or__(self, other: Grammar | str) -> Grammar:
        """Return the grammar of the texts of either grammar."""
        return _texts_of(self) | other

    def __ror__(self, other: Grammar | str) -> Grammar:
        return _texts_of(other) | self

    def __and__(self, other: Grammar | str) -> Grammar:
        """Return the grammar of the texts of both grammars; one of them must be regular."""
        return _texts_of(self) & other

    def __rand__(self, other: Grammar | str) -> Grammar:
        return _texts_of(other) & self

    def __sub__(self, other: Grammar | str) -> Grammar:
        """Return the grammar of the texts of this grammar that another, regular grammar does not have."""
        return _texts_of(self) - other

    def __rsub__(self, other: Grammar | str) -> Grammar:
        return _texts_of(other) - self

    def __invert__(self) -> Grammar:
        """Return the grammar of all texts that this grammar, which must be regular, does not have."""
        return ~_texts_of(self)

    def repeat(self, least: int = 0, most: int | None = None) -> Grammar:
        """Return the grammar of `least` to `most` texts of this one, one after another (None: no bound)."""
        return _texts_of(self).repeat(least, most)

    def optional(self) -> Grammar:
        """Return the grammar of the texts of this one, and the empty text."""
        return self.repeat(0, 1)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Grammar):
            return NotImplemented
        return self is other or self.canonical == other.canonical

    def __hash__(self) -> int:
        return hash(self.canonical)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.fingerprint}>"


def _texts_of(part: Grammar | str) -> Grammar:
    """Return the text grammar of the same texts. Raises OptionError for a value that cannot be a part."""
    # The import waits until here: a grammar without operators needs no text grammars.
    texts: Grammar = public_name("sequence")(part)
    return texts
