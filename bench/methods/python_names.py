"""Monitors of Python code, on jedi: attributes, names and arguments that exist (`monitored_text`).

Nothing of the text is executed: jedi reads it, the project and installed packages. The code is what stands
before the text (`before`) and the text. Formatted strings count as strings, and are not watched.

`project_path` is the folder whose modules the code imports; `before` and `after` are the code of the file
around the text. All monitors raise StructgenError where jedi is not installed, and OptionError for a folder
that is none.
"""

from __future__ import annotations

import re
import sys
import sysconfig
from abc import abstractmethod
from collections.abc import Iterable, Mapping
from functools import lru_cache
from os import PathLike
from pathlib import Path
from pickle import UnpicklingError
from types import ModuleType
from typing import Any, ClassVar, Final

import structgen as sg
from methods.checked_domain import needed
from methods.monitored_text import Monitor
from structgen.errors import OptionError

_NUMBER_BEFORE: Final = re.compile(r"(?<![\w.])\d\w*\.\Z|\.\.\Z")
"""A text that ends in the point of a number, or in two dots."""
_OWN_OBJECT: Final = re.compile(r"(?<![\w.])(?:self|cls)\.\Z")
"""The object of the class that is being written."""
_IN_STATEMENT: Final = re.compile(r"(?:^|\n)[ \t]*[\w.]+\.\Z")
"""A line that may give an object an attribute."""
_LIBRARY: Final = tuple(sysconfig.get_paths()[name] for name in ("stdlib", "platstdlib"))
"""Folders of the standard library."""
_OF_NONE: Final = frozenset(dir(None))
"""Attributes of None: where jedi infers nothing else, None is the value before the one that is meant."""
_READS_A_NAME: Final = re.compile(
    r"(?:(?<!\w)(?P<word>return|if|elif|while|assert|raise|and|or|not|in|is)|(?<=[^\s])\s*[=+\-*/%<>|&^])\Z"
)
"""A line behind which a name can only be read."""
_IMPORTS: Final = re.compile(r"\s*(from|import)\b")
_BINDS_NAMES: Final = re.compile(
    r"\s*(async\b|def\b|class\b|from\b|import\b|global\b|nonlocal\b|@)|.*\blambda\b"
)
_WORDS_OF_EXPRESSIONS: Final = ("None", "True", "False", "not", "lambda", "await", "yield")
_KEYWORD: Final = re.compile(r"([^\W\d]\w*)\s*=(?!=)")
_LITERAL: Final = re.compile(
    r"#[^\n]*|('{3}|\"{3})(?:\\.|(?!\1).)*(?:\1|\Z)|(['\"])(?:\\.|(?!\2)[^\\\n])*(?:\2|\n|\Z)", re.DOTALL
)
"""A comment or a string, up to its end or that of the text. Formatted strings count as strings."""
_BRACKETS: Final = re.compile(r"[()\[\]{}]")
_END: Final = "@"
"""A character of code behind a text: it is blanked where the text ends in a comment or a string."""
_KEPT: Final = 16
"""Texts of which the brackets in whole lines are kept: texts of a batch mostly go on."""
_POSITIONAL, _ONLY_POSITIONAL = "POSITIONAL_OR_KEYWORD", "POSITIONAL_ONLY"


class _PythonMonitor(Monitor):
    """What the monitors of Python share."""

    def __init__(self, project_path: str | PathLike[str] = ".", *, before: str = "", after: str = "") -> None:
        needed("jedi", "pip install jedi")
        if not Path(project_path).is_dir():
            raise OptionError(
                f"{str(project_path)!r} is no folder.",
                where="project_path",
                cure="Give the folder of the project whose modules the code imports.",
            )
        self.project_path, self.before, self.after = str(project_path), before, after

    def __repr__(self) -> str:
        around = f"before={self.before!r}, after={self.after!r}"
        return f"{type(self).__name__}({self.project_path!r}, {around})"

    def trigger(self, text: str) -> bool:
        """Return whether suggestions apply behind a text."""
        return self._is_trigger(self.before + text)

    def suggest(self, text: str) -> Iterable[str] | sg.Grammar | None:
        """Return what may follow; None where jedi cannot tell."""
        try:
            return self._suggested(self.before + text)
        except (EOFError, UnpicklingError):
            # another process that writes jedi's cache, or was ended meanwhile, has left half a file
            needed("parso.cache", "pip install jedi").clear_cache()
            return self._suggested(self.before + text)

    @abstractmethod
    def _is_trigger(self, code: str) -> bool:
        """Return whether suggestions apply behind code."""

    @abstractmethod
    def _suggested(self, code: str) -> Iterable[str] | sg.Grammar | None:
        """Return what may follow code."""

    def _script(self, code: str) -> Any:
        jedi = needed("jedi", "pip install jedi")
        # the interpreter of this process: another one would be a process of jedi
        environment = needed("jedi.api.environment", "pip install jedi").InterpreterEnvironment()
        return jedi.Script(
            code + self.after, project=jedi.Project(self.project_path), environment=environment
        )


class PythonAttributes(_PythonMonitor):
    """Behind a dot: the attributes that the object has, as far as jedi can infer it. The attributes of `self`
    and `cls` are known only with the rest of the class, in `after`; new ones may then be assigned
    (`self.name = ...`)."""

    name: ClassVar[str] = "python_attributes"
    trigger_characters: ClassVar[str] = "."

    def _is_trigger(self, code: str) -> bool:
        if not code.endswith(".") or _NUMBER_BEFORE.search(code[-40:]):
            return False
        return open_brackets(code) is not None

    def _suggested(self, code: str) -> Iterable[str] | sg.Grammar | None:
        own = _OWN_OBJECT.search(code)
        if own is not None and not self.after:
            return None  # the class may define the attribute further down
        line, column = _place(code)
        script = self._script(code)
        values: list[Any] = script.infer(line, column - 2) if column > 1 else []
        if any(one.name in ("None", "NoneType") for one in values):
            return None  # mostly a variable holds it before its proper value, which jedi does not see
        names = script.complete(line, column)
        found = {one.name: one for one in names if not _is_unread_submodule(one, code)}
        if "__getattr__" in found or _OF_NONE.issuperset(found):
            return None
        absent = _absent(found, values, code)
        known = sorted(found.keys() - absent)
        assigned = r"[A-Za-z_]\w*" if own is not None else _one_of(absent)
        if assigned and _IN_STATEMENT.search(code):
            return sg.regex(rf"(?u)(?:{_one_of(known)})[^\w]|(?:{assigned}) = [^=\n]")
        return known


class PythonNames(_PythonMonitor):
    """Where a name can only be read (behind `=`, an operator, `return`, `if` and such words): the names that
    are bound there. Outside of brackets, in which names of a comprehension come before what binds them."""

    name: ClassVar[str] = "python_names"
    trigger_characters: ClassVar[str] = "=+-*/%<>|&^"

    def _is_trigger(self, code: str) -> bool:
        line = code.rpartition("\n")[2]
        if not _READS_A_NAME.search(line) or _BINDS_NAMES.match(line):
            return False
        return open_brackets(code) == ()

    def _suggested(self, code: str) -> Iterable[str] | sg.Grammar | None:
        # a name behind the place: without one jedi does not see that the place is in a function
        names = self._script(code + " x").complete(*_place(code + " "))
        found = {one.name for one in names if one.type != "keyword"}
        if not found:
            return None
        known = _one_of(found.union(_WORDS_OF_EXPRESSIONS))
        # behind a word without a blank the word may go on: it is a part of another one
        longer = r"|\w" if code[-1].isalpha() else ""
        first = " +" if longer else " *"
        prefixes = r"[rRbBuUfF]{1,2}[\"']"
        return sg.regex(rf"(?u){first}(?:(?:{known})[^\w\"']|{prefixes}|[0-9]|[^\w ])|[^\w ]{longer}")


class PythonArguments(_PythonMonitor):
    """In a call whose one signature jedi finds: no more positional arguments than there are parameters,
    keywords that are parameters and not given yet, and no end before all parameters without a default are
    given."""

    name: ClassVar[str] = "python_arguments"
    trigger_characters: ClassVar[str] = "(,"

    def _is_trigger(self, code: str) -> bool:
        if code[-1:] not in ("(", ","):
            return False
        brackets = open_brackets(code)
        return _is_call(code, brackets[-1]) if brackets else False

    def _suggested(self, code: str) -> Iterable[str] | sg.Grammar | None:
        signatures = self._script(code).get_signatures(*_place(code))
        brackets = open_brackets(code)
        if len(signatures) != 1 or not brackets:
            return None
        given = arguments_of(code, brackets[-1] + 1)[:-1]
        if any(one.startswith("*") for one in given):
            return None
        return _following(signatures[0].params, given)


def open_brackets(code: str) -> tuple[int, ...] | None:
    """Return where the brackets stand that are open at the end of code; None inside a string or a comment.
    Cost: the last line; all lines when a line begins."""
    before, brackets = _behind_lines(code[: code.rfind("\n") + 1])
    plain = _plain(code[before:])
    return _opened(plain, before, brackets) if plain.endswith(_END) else None


@lru_cache(maxsize=_KEPT)
def _behind_lines(lines: str) -> tuple[int, tuple[int, ...]]:
    """Return how much of whole lines is certainly no part of an open string, and the brackets open there."""
    plain = _plain(lines).rstrip(_END + "\0")
    return len(plain), _opened(plain, 0, ())


def _plain(code: str) -> str:
    """Return code and `_END`, with each character of its comments and strings blanked."""
    return _LITERAL.sub(lambda found: "\0" * len(found[0]), code + _END)


def _opened(plain: str, start: int, brackets: tuple[int, ...]) -> tuple[int, ...]:
    """Return the open brackets behind code that begins at `start`, inside of some brackets."""
    for match in _BRACKETS.finditer(plain):
        brackets = (*brackets, start + match.start()) if match[0] in "([{" else brackets[:-1]
    return brackets


def arguments_of(text: str, start: int) -> list[str]:
    """Return the arguments of a call that is still open, as far as they are written. `start`: the place
    behind its bracket. The last one is the one that the text ends in."""
    plain, found, begin = _plain(text[start:]), list[str](), 0
    for match in re.finditer(",", plain):
        if not _opened(plain[: match.start()], 0, ()):
            found.append(text[start + begin : start + match.start()].strip())
            begin = match.end()
    return [*found, text[start + begin :].strip()]


def _one_of(names: Iterable[str]) -> str:
    """Return the pattern of some names; "" for none."""
    return "|".join(map(re.escape, sorted(names)))


def _place(code: str) -> tuple[int, int]:
    """Return the line, from 1, and the column at which code ends."""
    return code.count("\n") + 1, len(code) - code.rfind("\n") - 1


def _is_unread_submodule(name: Any, code: str) -> bool:
    """Return whether a name of jedi is a module of a package that the code does not import: it is no
    attribute yet. A line that imports may name it."""
    is_importing = _IMPORTS.match(code.rpartition("\n")[2]) is not None
    if is_importing or name.type != "module" or name.full_name != name.module_name:
        return False
    return re.search(rf"\bimport +{re.escape(name.full_name)}\b", code) is None


def _absent(names: Mapping[str, Any], values: list[Any], code: str) -> set[str]:
    """Return the names that stubs have and the objects have not: names of another system or version, and of
    the stubs' own imports. What an object has is known of modules of the standard library that this process
    has loaded; nothing is loaded for it. Names that the code assigns are there."""
    modules = [module for one in values if (module := _loaded(one)) is not None]
    if not modules or len(modules) < len(values):
        return set()
    packages = {module.__name__ for module in modules if hasattr(module, "__path__")}
    return {
        name
        for name, one in names.items()
        if not any(hasattr(module, name) for module in modules)
        and f".{name} = " not in code
        # a module that the code imports, and this process does not
        and not (one.type == "module" and one.full_name.removesuffix(f".{name}") in packages)
    }


def _loaded(value: Any) -> ModuleType | None:
    """Return the module of the standard library that a value of jedi is; None for another value, and where
    this process has not loaded it."""
    path = value.module_path
    is_own = path is not None and not value.is_stub() and not str(path).startswith(_LIBRARY)
    is_known = str(value.full_name).partition(".")[0] in sys.stdlib_module_names
    return sys.modules.get(value.full_name) if value.type == "module" and is_known and not is_own else None


def _is_call(code: str, bracket: int) -> bool:
    """Return whether a bracket opens the arguments of a call."""
    line = code[code.rfind("\n", 0, bracket) + 1 : bracket]
    return bool(re.search(r"[\w\])]\Z", line)) and not _BINDS_NAMES.match(line)


def _following(parameters: Any, given: list[str]) -> sg.Grammar:
    """Return the grammar of what may follow the arguments that are given, up to a character behind which
    anything may come."""
    keywords = {match[1] for one in given if (match := _KEYWORD.match(one))}
    count = len(given) - len(keywords)
    ordered = [one for one in parameters if one.kind.name in (_POSITIONAL, _ONLY_POSITIONAL)]
    kinds = {one.kind.name for one in parameters}
    left = [one for one in parameters if one.kind.name == "KEYWORD_ONLY"] + ordered[count:]
    left = [one for one in left if one.name not in keywords]
    ways = [r"\*"]
    if all("=" in one.to_string() for one in left):  # each has a default
        ways.append(r"\)")
    takes_position = not keywords and (count < len(ordered) or "VAR_POSITIONAL" in kinds)
    if "VAR_KEYWORD" in kinds:
        ways.append(r"[A-Za-z_]")
    else:
        names = _one_of([one.name for one in left if one.kind.name != _ONLY_POSITIONAL])
        if names:
            ways.append(rf"(?:{names}) ?=[^=]")
        if takes_position:
            ways.append(r"[A-Za-z_]\w*(?: ?==|[^\w= ]| [^= ])")
    if takes_position:
        ways.append(r"[^A-Za-z_ \n\t),*=]")
    return sg.regex(rf"(?u)[ \n\t]*(?:{'|'.join(ways)})")
