"""One root for every error; each message says what was wrong, where, and last how to mend it."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any, ClassVar, Final, ForwardRef, ParamSpec, TypeVar

from structgen.base.printable import printable

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")


class StructgenError(Exception):
    """The root of every error that structgen raises on purpose.

    `where` is the place in the caller's input (a JSON pointer, a line and column, an option's name) or "",
    exactly as it is there. `cure` is the sentence that says how to mend it; it ends the message, and is
    "" where the fault says it (`must be X, got Y`). In `what`,
    `cure` and the message, characters that a terminal would obey are written as escapes.
    """

    def __init__(self, what: str, *, where: str = "", cure: str = "") -> None:
        self.what = printable(what)
        self.where = where
        self.cure = printable(cure)
        # `where` stays as it is in the input, so that a program finds it there; only the message is escaped.
        sentence = self.what
        # a sentence that begins with the place has it once
        if where and not self.what.startswith(f"{where} "):
            # `temperature must be ...` is one sentence; a JSON pointer is no subject of a sentence.
            is_subject = self.what.startswith(("must ", "is ")) and "#" not in where and where[0] != "/"
            sentence = f"{printable(where, lines=False)}{' ' if is_subject else ': '}{self.what}"
        super().__init__(" ".join(part for part in (sentence, self.cure) if part))

    def __reduce__(self) -> Any:
        """Pickle by the message and the attributes, without a second call of the constructor."""
        return _restore_error, (type(self), self.args, self.__dict__)

    def name_owner(self, owner: str, joint: str = ": ") -> None:
        """Put the name of what the place is in, and a joint, before the place."""
        where = f"{owner}{joint}{self.where}" if self.where else owner
        # the root's own constructor: those of the subclasses take more, and would build their messages again
        StructgenError.__init__(self, self.what, where=where, cure=self.cure)

    def name_schemas(self, pointers: Iterable[str]) -> None:
        """Put the JSON pointers of some schemas for the place, if none is named yet."""
        if not self.where:
            self.name_owner(", ".join(pointer or "#" for pointer in pointers))


def _restore_error(
    kind: type[BaseException],
    args: tuple[str, ...],
    attributes: dict[str, Any],
) -> BaseException:
    """Return a pickled error: its class, the arguments of the message, and its attributes."""
    base: Any = kind.__base__  # of two bases the one of which the error has the layout
    error: BaseException = base.__new__(kind, *args)
    error.args = args  # OSError reads them in its constructor
    error.__dict__.update(attributes)
    return error


class OptionError(StructgenError):
    """An option has a value, or a combination of values, that is not offered."""


class OutputError(OptionError, OSError):
    """A file that a person has named for results cannot be written. The message has the path and the reason;
    `errno` is the system's number for it."""


class TokenizerError(StructgenError):
    """A tokenizer cannot be read, or cannot serve for masks."""


class MaskError(StructgenError):
    """A mask array has the wrong size, type, or layout, or a row is out of range."""


class TokenError(StructgenError):
    """A token id is out of range, or is not allowed in the present state (the state is unchanged)."""


class FinishedError(StructgenError):
    """A mask or a token was asked of a matcher that has already taken an end token."""


class BudgetError(StructgenError):
    """A token budget is smaller than the least that completes the document; `minimum` is that least."""

    def __init__(self, what: str, *, minimum: int, **details: str) -> None:
        self.minimum = minimum
        super().__init__(what, **details)


class BusyError(StructgenError):
    """An engine has as many texts as it may have (`Engine(max_waiting=)`); later there may be room."""


class LimitError(StructgenError):
    """A named limit of `sg.Limits` was reached; `limit` is its field's name."""

    def __init__(self, what: str, *, limit: str, cure: str = "", **details: str) -> None:
        self.limit = limit
        super().__init__(what, cure=cure or f"Increase it with limits=sg.Limits({limit}=...).", **details)


class OutOfMemoryError(StructgenError, MemoryError):
    """The system gave no more memory, or no more addresses. The grammar can be used again."""

    def __init__(self, what: str) -> None:
        cure = "Keep fewer grammars and smaller stores (sg.MaskStore(memory=...)), or raise ulimit -v."
        super().__init__(what, cure=cure)


class GrammarError(StructgenError):
    """The root of what can be wrong with a grammar or a schema."""


class RegexError(GrammarError):
    """A regular expression has a syntax error, or uses what cannot be compiled (back-references)."""

    BACK_REFERENCE_CURE: ClassVar[str] = (
        "An automaton cannot compare two parts of a text. Write the texts out as alternatives, "
        "aa|bb for (a|b)\\1; or remove the back-reference, and check the text afterwards."
    )


class SchemaError(GrammarError):
    """A schema is not JSON, or is not a valid JSON Schema; `where` is the JSON pointer."""


class UnsupportedError(GrammarError):
    """A keyword (or a use of it) that is not handled; `keyword` names it, `where` is its JSON pointer."""

    def __init__(self, what: str, *, keyword: str, **details: str) -> None:
        self.keyword = keyword
        super().__init__(what, **details)


class UnsatisfiableSchema(GrammarError):
    """No document satisfies the schema; `keywords` are the JSON pointers of a smallest set of keywords that
    contradict each other, `places` those of their schemas, in the order of the text."""

    def __init__(
        self,
        what: str,
        *,
        keywords: Sequence[str] = (),
        places: Sequence[str] = (),
        policies: Sequence[str] = (),
        **details: str,
    ) -> None:
        self.keywords = tuple(keywords)
        self.places = tuple(places)
        self.policies = tuple(policies)
        super().__init__(what, **details)


class UnsatisfiableUnderPolicy(UnsatisfiableSchema):
    """Documents satisfy the schema, but none under the policies; `policies` are the options to widen."""


class ValidatorError(StructgenError):
    """A document of a type's schema that the type's own validators refuse; `count` is how many faults it has,
    `where` the JSON pointer of the first."""

    def __init__(self, what: str, *, count: int = 1, **details: str) -> None:
        self.count = count
        super().__init__(what, **details)


class GenerationError(StructgenError):
    """A model's text did not become what was asked for.

    `text` is what there is of it (of several attempts, that of the best one), `attempts` how many were made.
    """

    def __init__(self, what: str, *, text: str = "", attempts: int = 1, **details: str) -> None:
        self.text = text
        self.attempts = attempts
        super().__init__(what, **details)


class NotStatedError(GenerationError):
    """No text states a value that a grounded answer requires; the model was not asked.

    `path` is the JSON Pointer of the value in the answer, `texts` are the texts by name. `missing` says what
    they do not state, as a part of a sentence (`no date for /made`), and `kinds` of which kinds a value may
    be (`date`); none where some are stated, and too few.
    """

    def __init__(
        self,
        what: str,
        *,
        path: str = "",
        texts: Mapping[str, str] | None = None,
        missing: str = "",
        kinds: Sequence[str] = (),
        **details: str,
    ) -> None:
        self.path = path
        self.texts = {} if texts is None else texts
        self.missing = missing
        self.kinds = tuple(kinds)
        super().__init__(what, attempts=0, **details)


class LooseCallError(GenerationError):
    """A call that a model did not write as its format writes it, and that was read all the same: a note."""


class StoreWarning(UserWarning):
    """A mask store file was damaged or unusable and was rebuilt, or left for memory alone."""


class ShortenedWarning(UserWarning):
    """A call that returns a value alone had its text shortened by a budget: a document that was shortened,
    or a free text that was cut off."""


class _InputWarning(UserWarning):
    """A warning about input: what a terminal would obey in it is escaped."""

    __reduce__ = StructgenError.__reduce__

    def __init__(self, what: str) -> None:
        super().__init__(printable(what))


class SchemaWarning(_InputWarning):
    """A keyword of a schema is not known and looks like one that was meant, or a schema restricts nothing.

    `where` is the JSON pointer of the keyword, `likely` the keyword that was probably meant ("" where there
    is none). `warnings.simplefilter("error", sg.errors.SchemaWarning)` makes it an error; `strict=True` of
    `sg.json_schema` refuses such a schema.
    """

    def __init__(self, what: str, *, where: str = "#", likely: str = "") -> None:
        self.where = where
        self.likely = likely
        super().__init__(what)


class GrammarWarning(_InputWarning):
    """A rule of a grammar is defined twice, and the later one alone counts; or a grammar in Lark is read as
    llguidance reads it, since lark refuses it."""


class PatternWarning(_InputWarning):
    r"""A compiled pattern was handed in whose `\d`, `\w`, `\s` or `\b` are Unicode's: re makes them so where
    no flag is given."""

    def __init__(self, pattern: str) -> None:
        super().__init__(
            f"The compiled pattern {pattern} uses Unicode's classes: \\d is a digit of any script, "
            "not only 0 to 9. Compile it with re.ASCII, or begin it with (?u) if all scripts are "
            "meant."
        )


class ToolWarning(_InputWarning):
    """A tool is not offered to the model: its format has no way to write the tool's arguments. Or a reply
    calls a tool several times with the same arguments. The message names the tool and what to do."""


class GroundedWarning(_InputWarning):
    """A grounded answer that is held to less than it may seem: the text is a whole prompt, or nothing of the
    type can be stated."""


class ModelWarning(_InputWarning):
    """A model is asked for a form that its card does not list. The answer has the form; its content is
    probably useless. The message names the form, what the card lists, and what to ask instead."""


class AdviceWarning(_InputWarning):
    """A call does what was asked, and another way to ask probably gives what is meant: plain JSON in each
    step of a stream, calibrated labels, a grammar whose blanks end. The message names the way."""


class NoFillingError(StructgenError):
    """A template has no valid filling. `fixed` is the fixed text that prevents it; "" if a hole does. `slots`
    is the number that a hole needs where more slots mend the fault; else 0."""

    def __init__(self, what: str, *, fixed: str = "", slots: int = 0, **details: str) -> None:
        self.fixed = fixed
        self.slots = slots
        super().__init__(what, **details)


class DrawsWarning(UserWarning):
    """The draws of `sg.sample` are fewer than were asked for, biased, or those of a run that a limit cut."""


class FullHoleWarning(_InputWarning):
    """An infilling left no slot of a hole empty: the text may have been cut short. `hole` is its name."""

    def __init__(self, what: str, *, hole: str) -> None:
        self.hole = hole
        super().__init__(what)


def warning_level() -> int:
    """Return the `stacklevel` with which the caller of this function's caller warns the first caller that is
    not in this package."""
    level = 1
    frame = sys._getframe(1)
    # Other packages' frames between two of ours do not count as ours: the walk ends at the first of them.
    while frame.f_back is not None and frame.f_globals.get("__name__", "").partition(".")[0] == "structgen":
        level += 1
        frame = frame.f_back
    return level


# --- calls with options that are not there ---

CLOSE: Final = 0.8
"""The least similarity (difflib's ratio) at which a name counts as a misspelling of another."""
_NOWHERE: Final[Mapping[str, str]] = MappingProxyType({})
GONE: Final = {
    "momentum": "Momentum",
    "cautious": "Cautious",
    "contrast": "Contrast",
    "contrastive": "ContrastiveDecoding",
    "proxy": "ProxyTuning",
    "pause": "PauseAndRerank",
    "valued": "ValueGuided",
    "superposed": "SuperposedDecoding",
    "fused": "FusedModels",
    "switched": "SwitchedModels",
    "monitors": "monitors",
}
"""Methods that did not pay in the package, by their names on a command line: their names in Python."""
WHERE: Final = "Take it from bench/methods of the sources; docs/methods.md names its file."
"""Where these are."""
OF_MONITORS: Final = {
    "monitors": "Monitors are in bench/methods of the sources: write grammar=Monitored(grammar, monitor), as "
    "docs/methods.md does"
}
"""An option that went, and what to write instead."""


@contextmanager
def prefix_place(place: str | None, joint: str = ": ") -> Iterator[None]:
    """Put the place of a part, such as a file, and a joint before the place of an error in it; None:
    nothing."""
    try:
        yield
    except StructgenError as error:
        if place is not None:
            error.name_owner(place, joint)
        raise


def options_named(
    example: str,
    elsewhere: Mapping[str, str] = _NOWHERE,
    name: str = "",
    options: type | None = None,
    defaults: Mapping[str, object] = _NOWHERE,
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Return a decorator for a public function or method. Unknown options, missing options and surplus
    positional arguments then raise OptionError, not TypeError. `example`: a correct call; `elsewhere`: names
    that options have in other functions or libraries, and what to write here; `name`: as people write it, by
    default `sg.` and the function's. `options`: the TypedDict of a function with `**options: Unpack[...]`,
    whose signature then shows them with their `defaults`, None where there is none. Cost: some 100 ns a
    call."""
    typed_options = {} if options is None else options.__annotations__

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        function_name = name or f"sg.{function.__name__}"

        @functools.wraps(function)
        def checked_call(*args: P.args, **kwargs: P.kwargs) -> R:
            try:
                return function(*args, **kwargs)
            except TypeError:
                # Only a call that fails is compared with the signature: a right one costs nothing more. An
                # error that the function itself raised is raised again, below.
                import inspect  # start-up: a call with a fault

                signature = inspect.signature(checked_call)
                try:
                    signature.bind(*args, **kwargs)
                except TypeError as error:
                    option_names = [name for name in signature.parameters if name not in ("self", "cls")]
                    unknown_names = (name for name in kwargs if name not in option_names)
                    wrong = next(unknown_names, None)
                    if wrong is not None:
                        raise unknown_option(function_name, wrong, option_names, elsewhere) from None
                    fault = f"Wrong arguments of {function_name}: {error}."
                    place = function_name.removeprefix("sg.")
                    raise OptionError(fault, where=place, cure=f"Write {example}.") from None
                raise

        if typed_options:
            setattr(checked_call, "__signature__", _shown_signature(function, typed_options, defaults))  # noqa: B010
        return checked_call

    return decorate


def _shown_signature(
    function: Callable[..., object],
    typed_options: Mapping[str, ForwardRef],
    defaults: Mapping[str, object],
) -> object:
    """Return a signature with the options of a TypedDict in place of `**options`."""
    import inspect  # start-up: most functions name their options themselves

    signature = inspect.signature(function)
    own = [
        parameter
        for parameter in signature.parameters.values()
        if parameter.kind is not parameter.VAR_KEYWORD
    ]
    kind = inspect.Parameter.KEYWORD_ONLY
    option_parameters = [
        inspect.Parameter(name, kind, default=defaults.get(name), annotation=hint.__forward_arg__)
        for name, hint in typed_options.items()
    ]
    return signature.replace(parameters=[*own, *option_parameters])


def fields_named(example: str, elsewhere: Mapping[str, str] = _NOWHERE) -> Callable[[type[T]], type[T]]:
    """Return a decorator for a public class, whose wrong arguments then raise OptionError as with
    `options_named`. `example` begins with the class as people write it."""

    def decorate_class(kind: type[T]) -> type[T]:
        check = options_named(example, elsewhere, example.partition("(")[0])
        setattr(kind, "__init__", check(kind.__init__))  # noqa: B010 (mypy refuses the assignment)
        return kind

    return decorate_class


def unknown_option(
    function: str,
    wrong: str,
    option_names: Sequence[str],
    elsewhere: Mapping[str, str] = _NOWHERE,
    where: str = "",
) -> OptionError:
    """Return the error of an option that a function does not have, which names the one that was meant.

    `function`: as people write it, `sg.run`. `wrong`: the unknown name; `option_names`: the right ones;
    `elsewhere`: names of other functions or libraries, each with what to write here. `where`: the place of
    the option, by default its name.
    """
    from difflib import get_close_matches  # start-up: a call with a fault

    near = get_close_matches(wrong.lower(), [*option_names, *elsewhere], 1, CLOSE)
    near = near or get_close_matches(wrong.lower(), option_names, 1)
    # The name itself first: it may be another library's, and look like one of ours by chance.
    meant = wrong if wrong in elsewhere else "".join(near)
    if meant in elsewhere:
        cure = f"{elsewhere[meant]}."
    else:
        cure = f"Did you mean {meant}?" if meant else f"The options are {', '.join(option_names)}."
    error = OptionError(f"{function} has no option {wrong!r}.", where=where, cure=cure)
    error.where = where or wrong  # the message names the option already
    return error


def __dir__() -> list[str]:
    """Return the errors and warnings."""
    return sorted(
        name for name, value in globals().items() if isinstance(value, type) and issubclass(value, Exception)
    )
