"""Reads arguments: one JSON object, or one by one as a format's `member` says."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final, NamedTuple

from structgen.language.ir import ValueMenu
from structgen.schema.meaning.formulas import number_meets
from structgen.text_grammars.composition.argument_grammar import ArgumentPlan, KnownMember
from structgen.text_grammars.composition.templates import TEXT, filled, pieces
from structgen.tool_calls.call_texts import DifferentError, UnfinishedError, matched, skipped
from structgen.tool_calls.json_pieces import MISSING, exact_value, growing_value, value_end
from structgen.tool_calls.tool_format import ToolFormat

_BARE: Final = re.compile(r"[^,\]}]*")
_LONGEST_KEY: Final = 1024


class Arguments(NamedTuple):
    """Arguments that were read, whole or in part."""

    value: dict[str, Any]
    end: int
    document: str
    closed: bool
    """Whether they are written to their end."""
    error: str = ""
    """Why they are no arguments."""


def read_json(text: str, at: int) -> Arguments:
    """Return the object whose JSON text stands at `at`, or the JSON string that holds one.

    Raises `UnfinishedError` where nothing stands there yet, `DifferentError` where something else does.
    """
    at = skipped(text, at)
    if at == len(text):
        raise UnfinishedError
    try:
        end = value_end(text, at)
        if text[at] == '"':
            written = growing_value(text, at)[0] if end is None else exact_value(text[at:end])
        else:
            written = text[at : len(text) if end is None else end]
        if end is None:
            found = growing_value(written)[0] if written.strip() else {}
            return Arguments(found if isinstance(found, dict) else {}, len(text), written, False)
    except (ValueError, IndexError) as error:
        raise DifferentError(f"the arguments: {error}") from error
    try:
        value = exact_value(written)
    except (ValueError, RecursionError) as error:
        return Arguments({}, end, written, True, f"they are no JSON: {error}")
    if not isinstance(value, dict):
        return Arguments({}, end, written, True, "they are no object")
    return Arguments(value, end, written, True)


class MemberReader:
    """Reads arguments one by one. `plan` says what each may be; None: told by how it is written."""

    def __init__(self, text: str, format: ToolFormat, plan: ArgumentPlan | None) -> None:
        self.text, self.format, self.plan = text, format, plan
        self.unfinished = False

    def read(self, at: int) -> Arguments:
        """Return the arguments that stand at `at`, as many as there are."""
        value, end = self.object(at, self.plan.root if self.plan is not None else None)
        return Arguments(value, end, json.dumps(value, ensure_ascii=False), not self.unfinished)

    def object(self, at: int, members: tuple[KnownMember, ...] | None) -> tuple[dict[str, Any], int]:
        """Return an object, and where it ends; what is unfinished is noted."""
        known = {member.key: member for member in members or ()}
        found, at = self.row(self.format.member, 0, at, known.get)
        return dict(found), at

    def array(self, at: int, member: KnownMember | None) -> tuple[list[Any], int]:
        item = self.items(member)
        found, at = self.row(self.format.item, 2, at, lambda _: item)
        return [value for _, value in found], at

    def row(
        self, template: str, brackets: int, at: int, known: Callable[[str], KnownMember | None]
    ) -> tuple[list[tuple[str, Any]], int]:
        """Return the members of an object or the items of an array, each with its key, and where they end.
        `brackets`: the first of those around them; `known`: what the value of a key may be."""
        found: list[tuple[str, Any]] = []
        open_, close = self.brackets(brackets)
        try:
            at = matched(self.text, at, open_)
            while not self.ends(at, close):
                if found or open_:
                    at = self.separated(at, first=not found)
                before = at if open_ else skipped(self.text, at)
                try:
                    key, word, inside = self.head(template, before)
                except DifferentError:
                    if close:
                        raise
                    break  # what follows the arguments
                tail = filled(template.partition("$value")[2], {"key": key})
                value, at = self.value(inside, tail, word, known(key))
                if value is not MISSING:
                    found.append((key, value))
                if self.unfinished:
                    return found, at
            at = matched(self.text, at, close)
        except UnfinishedError:
            self.unfinished = True
            return found, len(self.text)
        return found, at

    def brackets(self, at: int) -> tuple[str, str]:
        of = self.format.brackets
        return (of[at], of[at + 1]) if of else ("", "")

    def ends(self, at: int, close: str) -> bool:
        if not close:
            return False
        if skipped(self.text, at) == len(self.text):
            raise UnfinishedError
        return self.text.startswith(close, skipped(self.text, at))

    def separated(self, at: int, *, first: bool) -> int:
        return skipped(self.text, at) if first else matched(self.text, at, self.format.between)

    def head(self, template: str, at: int) -> tuple[str, str, int]:
        """Return the key, the word for the type, and where the value begins."""
        key = word = ""
        parts = pieces(template)
        for index, (kind, said) in enumerate(parts):
            if kind == "value":
                break
            if kind == TEXT:
                at = matched(self.text, at, said)
            elif kind in ("gap", "line"):
                at = skipped(self.text, at)
            else:
                stop = parts[index + 1][1][:1]
                end = self.text.find(stop, at, at + _LONGEST_KEY)
                if end < 0:
                    if len(self.text) - at < _LONGEST_KEY:
                        raise UnfinishedError
                    raise DifferentError(f"${kind}")
                if kind == "key":
                    key = self.text[at:end].strip()
                    if re.fullmatch(self.format.keys, key) is None:
                        raise DifferentError("the name of an argument")
                else:
                    word = self.text[at:end]
                at = end
        return key, word, at

    def value(self, at: int, tail: str, word: str, member: KnownMember | None) -> tuple[Any, int]:
        """Return a value, and where its tail ends."""
        menu = None if member is None or self.plan is None else self.plan.menu(member.place, "#")
        if self.format.quote:
            found, at = self.quoted(at, member, menu)
            return found, at if self.unfinished else matched(self.text, at, tail)
        kinds = [kind for kind, said in self.format.types.items() if said == word] if word else []
        if self.format.nested and self.holds_members(at, kinds, menu):
            inside = self.inner(at, kinds, member, menu)
            if inside is not None:
                found, at = inside
                return found, at if self.unfinished else matched(self.text, skipped(self.text, at), tail)
        found, end = self.json(at, tail, kinds, menu)
        if end >= 0:
            return found, end
        end = self.text.find(tail, at)
        if end < 0:
            self.unfinished = True
            return self.growing(self.text[at:], tail, kinds, menu), len(self.text)
        return self.decoded(self.text[at:end], kinds, menu), end + len(tail)

    def json(self, at: int, tail: str, kinds: list[str], menu: ValueMenu | None) -> tuple[Any, int]:
        """Return an object or an array as JSON, whose strings may hold the tail, and where the tail ends; -1
        where there is none."""
        at = skipped(self.text, at)
        if kinds:
            may_be = "string" not in kinds
        else:
            may_be = menu is None or menu.object is not None or menu.array is not None
        if not may_be or self.text[at : at + 1] not in ("{", "["):
            return MISSING, -1
        try:
            end = value_end(self.text, at)
            if end is None:
                found = growing_value(self.text, at)[0]
                self.unfinished = True
                return found, len(self.text)
            found = exact_value(self.text[at:end])
            return found, matched(self.text, skipped(self.text, end), tail)
        except (ValueError, DifferentError):
            return MISSING, -1
        except UnfinishedError:
            self.unfinished = True
            return found, len(self.text)

    # --- values -------------------------------------------------------------------------------------------

    def holds_members(self, at: int, kinds: list[str], menu: ValueMenu | None) -> bool:
        """Tell whether an object or an array stands there, in the format's own way."""
        if kinds:
            return kinds[0] in ("object", "array")
        if menu is not None and menu.object is None and menu.array is None:
            return False
        begin = pieces(self.format.member)[0][1]
        at = skipped(self.text, at)
        begun = self.text.startswith(begin, at) and not self.text.startswith(begin + "/", at)
        return begun or (menu is not None and menu.string is None and menu.number is None)

    def inner(
        self, at: int, kinds: list[str], member: KnownMember | None, menu: ValueMenu | None
    ) -> tuple[Any, int] | None:
        """Return an object or array; None where its beginning shows that it is none."""
        item = pieces(self.format.item)[0][1] if self.format.item else ""
        first = skipped(self.text, at)
        if kinds:
            is_array = kinds[0] == "array"
        elif menu is not None and (menu.object is None) != (menu.array is None):
            is_array = menu.array is not None
        else:
            is_array = self.text.startswith(item, first)
        if is_array:
            return self.array(at, member)
        if menu is not None and menu.object is not None and self.plan is not None:
            return self.object(at, self.plan.members(menu.object, "#"))
        return self.object(at, None)

    def items(self, member: KnownMember | None) -> KnownMember | None:
        """Return what the items of an array may be, where they are all alike."""
        if member is None or self.plan is None:
            return None
        array = self.plan.menu(member.place, "#").array
        if array is None:
            return None
        places, _, _ = self.plan.items(array, "#")
        return KnownMember("", places[0], True) if len(set(places)) == 1 else None

    def quoted(self, at: int, member: KnownMember | None, menu: ValueMenu | None) -> tuple[Any, int]:
        """Return a value in a format that quotes strings in its own way."""
        quote = self.format.quote
        at = skipped(self.text, at)
        rest = self.text[at : at + len(quote)]
        if rest == quote:
            end = self.text.find(quote, at + len(quote))
            if end < 0:
                self.unfinished = True
                return self.cut(self.text[at + len(quote) :], quote), len(self.text)
            return self.text[at + len(quote) : end], end + len(quote)
        if quote.startswith(rest):  # the text ends in it, or before
            raise UnfinishedError
        for index, is_array in ((0, False), (2, True)):
            if self.text.startswith(self.brackets(index)[0], at):
                if is_array:
                    return self.array(at, member)
                known = menu is not None and menu.object is not None and self.plan is not None
                members = self.plan.members(menu.object, "#") if known else None  # type: ignore[union-attr, arg-type]
                return self.object(at, members)
        bare = _BARE.match(self.text, at)
        assert bare is not None
        if bare.end() == len(self.text):
            raise UnfinishedError
        return self.scalar(bare[0].strip()), bare.end()

    def scalar(self, written: str) -> Any:
        try:
            return exact_value(written)
        except ValueError:
            return written

    def decoded(self, written: str, kinds: list[str], menu: ValueMenu | None) -> Any:
        """Return the value of what stands between the texts of a member."""
        raw = self.unframed(written)
        if kinds:
            return raw if "string" in kinds else self.scalar(written)
        others = menu is None or any(
            one is not None
            for one in (menu.object, menu.array, menu.number, menu.true, menu.false, menu.null)
        )
        if not others:
            return raw
        try:
            value = exact_value(written)
        except ValueError:
            return raw
        if menu is None:
            return raw if isinstance(value, str) else value
        return value if menu.string is None or _may_be(value, menu) else raw

    def unframed(self, written: str) -> str:
        frame = self.format.frame
        if frame and written.startswith(frame):
            written = written[len(frame) :]
        return written.removesuffix(frame) if frame else written

    def growing(self, written: str, tail: str, kinds: list[str], menu: ValueMenu | None) -> Any:
        """Return what there is of a value whose tail has not come: of a string its characters."""
        is_string = "string" in kinds if kinds else menu is not None and not _others(menu)
        if not is_string:
            return MISSING
        found = self.cut(written, tail)
        frame = self.format.frame
        if frame:
            found = self.cut(found.removeprefix(frame), frame + "x").removesuffix(frame)
        return found

    def cut(self, written: str, stop: str) -> str:
        """Return a string without what may be the beginning of the text that ends it."""
        for length in range(min(len(stop) - 1, len(written)), 0, -1):
            if written.endswith(stop[:length]):
                return written[:-length]
        return written


def _others(menu: ValueMenu) -> bool:
    """Tell whether a value may be something else than a string."""
    rest = (menu.object, menu.array, menu.number, menu.true, menu.false, menu.null)
    return any(one is not None for one in rest)


def _may_be(value: Any, menu: ValueMenu) -> bool:
    """Tell whether a value that is no string may stand there; of objects and arrays, whether one may."""
    if value is None or isinstance(value, bool):
        found = {None: menu.null, True: menu.true, False: menu.false}[value]
        return found is not None
    if isinstance(value, (int, float)):
        return menu.number is not None and number_meets(menu.number.formulas[0], Decimal(str(value)))
    if isinstance(value, (dict, list)):
        return (menu.object if isinstance(value, dict) else menu.array) is not None
    return False
