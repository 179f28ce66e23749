"""`ToolFormat`: describes, as data, how a model writes calls, thoughts and text.

A *template* is a text with places, for example `<call>$name: $arguments</call>`. A *mark* is a fixed part of
it, such as `<call>`. A *section* is what stands around all calls of a reply. A *trigger* is the text that
shows that calls begin. A *head* is the part of a call that names the tool.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, Literal, TypeAlias

from structgen.base.errors import OptionError
from structgen.base.json_text.exact_json import JsonMapping, JsonObject
from structgen.grammars.text_grammars.composition.argument_styles import ArgumentStyle
from structgen.grammars.text_grammars.composition.templates import (
    fill_template,
    first_text,
    template_pieces,
    template_places,
)

Texts: TypeAlias = tuple[str, ...]
"""Several texts of a format, for example the marks that end thoughts."""
TAG: Final = re.compile(r"<[^<>]+>?|\[[^\[\]<>]+\]")
"""A tag in a text of a format: `<tool_call>` or `[TOOL_CALLS]`."""


@dataclass(frozen=True, slots=True)
class ToolFormat(ArgumentStyle):
    """How a model writes calls. Texts may have places: `$name` (of the tool), `$arguments`, `$id` or `$index`
    (of the call), `$gap` (white space, usually none) and `$line` (white space, usually a line break).

    Most formats need `name` and `calls` alone: `ToolFormat("mine", '<call>$name: $arguments</call>')`. Those
    whose arguments are not one JSON object have a `member`, and other fields of `ArgumentStyle`.
    """

    calls: Texts | str
    """The templates of a call, the usual one first. A template without `$arguments` is for a call without
    arguments. With `$quoted` in place of `$arguments` they are JSON text in a JSON string."""
    section: tuple[str, str] = ("", "")
    """The texts before and after all calls of a reply."""
    separator: str = ""
    """The text between two calls of a section."""
    trigger: str = ""
    """The text that begins calls, and that free text must not hold. "": the beginning of the section (of the
    call where there is no section), up to its first white space or place."""
    also: Texts = ()
    """More templates of a call that models write, and that are read with a note. Free text must not hold
    their beginnings."""
    heads: Texts = ()
    """Templates of calls whose head names the tool in an unusual way. Their `$name` is the whole head, which
    the pattern `head` must match. Such a text is a call, with a note, if its tool is known and its arguments
    can be read."""
    head: str = ""
    """The pattern (`re`) of such a head; `$name` in it stands for the name of the tool."""
    siblings: Texts = ()
    """The names of formats of the same family. Their calls are read, too, under the conditions of `heads`."""
    lead: str = ""
    """The beginning of a reply that must call a tool."""
    thinking: Texts = ()
    """The texts before and after thoughts; (): the format has no thoughts."""
    opened: bool = True
    """Whether the prompt opens the thoughts where there must be some: the reply then begins inside of
    them."""
    after_thinking: str = ""
    """The text that follows the thoughts."""
    never: Texts = ()
    """More texts that neither free text nor thoughts may hold. If there are any, thoughts hold no trigger."""
    text: Texts = ()
    """The beginning of a block of free text, its end, and other ends; (): text needs no marks."""
    preamble: str = ""
    """Another beginning of a block of text: of text before calls."""
    blocks: str = ""
    """The text between two blocks (thoughts, text, calls), which then come in any order."""
    end: str = ""
    """The text after the calls that ends a reply whose text is a block."""
    names: str = r"[A-Za-z0-9_.\-]{1,128}"
    """A pattern (`re`) of the names of tools that the format can write."""
    ids: str = r"[A-Za-z0-9_\-]{1,64}"
    """A pattern (`re`) of `$id`, and of the ids that the chat template takes. `$name` in it is the tool's
    name."""
    id: str = "call_$index"
    """The id of a call that is written without one; `$index` counts the calls of a reply, or those of a
    history, from 0."""

    # messages
    role: str = "tool"
    """The role of a message that brings a result."""
    history: Literal["object", "text"] = "object"
    """Whether the chat template wants the arguments of earlier calls as an object or as JSON text."""
    signs: Texts = ()
    """Texts that all stand in chat templates of this format."""

    def __post_init__(self) -> None:
        calls = (self.calls,) if isinstance(self.calls, str) else tuple(self.calls)
        object.__setattr__(self, "calls", calls)
        ArgumentStyle.__post_init__(self)
        # strings without quotes end at the next mark of the format
        if self.member and not self.stops and not self.ends:
            begins = [first_text(template) for template in (self.member, self.item) if template]
            texts = (self.member.partition("$value")[0], *calls)
            tags = [tag.partition("$")[0] for text in texts for tag in TAG.findall(text)]
            ends = [text for text in (*begins, *tags) if text[:1] == "<"]
            object.__setattr__(self, "ends", tuple(dict.fromkeys(ends)))
        for template in (*(calls or ("",)), *self.heads):
            self._check_call(template)
        if self.blocks and not self.text:
            raise self._style_error("blocks", "Blocks need a text that is one.", "Pass text=(begin, end).")
        if self.thinking and (len(self.thinking) != 2 or not all(self.thinking)):
            raise self._style_error(
                "thinking", "Thoughts need both a beginning and an end.", "Pass both texts."
            )
        if not self.blocks:
            for trigger in self.triggers:
                inner_trigger = next(
                    (two for two in self.triggers if two != trigger and two in trigger), None
                )
                if not trigger or inner_trigger is not None:
                    raise self._style_error(
                        "trigger",
                        f"{trigger!r} contains {inner_trigger!r}, which would be found first."
                        if inner_trigger
                        else "No text marks where a call begins.",
                        "Begin each call with a text; none of these may be part of another.",
                    )

    def _check_call(self, template: str) -> None:
        """Raise OptionError for a template of calls that cannot be written or read back."""
        kinds = [kind for kind, _ in template_pieces(template)]
        word_kinds = {"name", "id", "index"}
        allowed_kinds = {*word_kinds, "arguments", "quoted", "gap", "line"}
        if "name" not in kinds or template_places(template) - allowed_kinds:
            raise self._style_error("calls", f"{template!r} does not contain $name.", "Add $name.")
        twice = next((kind for kind in allowed_kinds - {"gap", "line"} if kinds.count(kind) > 1), None)
        if twice or {"arguments", "quoted"} <= set(kinds):
            raise self._style_error(
                "calls", f"{template!r} contains ${twice or 'quoted'} twice.", "Keep one of them."
            )
        for kind, following in pairwise(kinds):
            if kind in word_kinds and following in word_kinds:
                raise self._style_error(
                    "calls", f"${kind} and ${following} are not separated.", "Put a text between them."
                )
        if "quoted" in kinds and self.member:
            raise self._style_error("calls", "Only JSON is quoted.", "Remove member, or write $arguments.")
        if self.trigger and not (self.section[0] or first_text(template)).startswith(self.trigger):
            raise self._style_error(
                "trigger",
                f"{self.trigger!r} does not begin a call.",
                "Pass the beginning of the section or call.",
            )

    @property
    def triggers(self) -> Texts:
        """The texts that begin calls, which no free text holds."""
        if self.trigger:
            return (self.trigger,)
        begins = [self.section[0]] if self.section[0] else [first_text(template) for template in self.calls]
        return tuple(dict.fromkeys(re.split(r"(?<=\S)\s", text, maxsplit=1)[0] for text in begins))

    def is_document(self, text: str) -> bool:
        """Tell whether a reply is a document in the place of calls, by what stands before its first call."""
        # where a block of text comes before calls, a document begins with a bracket or a quote
        beginning = text.lstrip()
        return beginning[:1] in ("{", "[", '"') if self.text and not self.blocks else bool(beginning)

    # --- ids of calls --------------------------------------------------------------------------------------

    def new_id(self, name: str, number: int) -> str:
        """Return the id of a call that begins: by its number, where the format counts calls, else one that no
        other call has."""
        token = secrets.token_hex(12)
        candidates = (f"call_{token}", f"c{token[:8]}")  # no number: some formats count calls
        return next((id for id in candidates if self._is_own(id, name)), self.counted_id(name, number))

    def counted_id(self, name: str, number: int) -> str:
        """Return the id of a call that stands at a place among others."""
        id = fill_template(self.id, {"name": name, "index": str(number)})
        return id if self._is_own(id, name) else f"call{number:05}"

    def _is_own(self, id: str, name: str) -> bool:
        return re.fullmatch(self.ids.replace("$name", re.escape(name)), id) is not None

    def renamed(self, messages: Sequence[JsonMapping], where: str = "messages") -> list[JsonObject]:
        """Return the messages of a history, the ids of calls and of their results as the format writes them.
        An id of another form, one that comes again, or none becomes one by the number of the call. A result
        belongs to the last turn that has its id, there to the first call without a result. One without an id
        belongs to the next call without one, or to the next call where all have ids. So equal histories, and
        longer ones, have equal ids. The `id_location` of a result, which is taken out, tells where its id was
        sent.

        Raises `OptionError` for a result of no call.
        """
        result: list[JsonObject] = []
        calls: list[tuple[str, str, str, int]] = []
        answered_calls = calls[:]
        used_ids = set[str]()
        for index, message in enumerate(messages):
            new_message = dict(message)
            id_location = new_message.pop("place", f"{where}/{index}/tool_call_id")
            if message.get("tool_calls"):
                new_message["tool_calls"] = []
                for call in message["tool_calls"]:
                    name = call["function"]["name"]
                    id = str(call.get("id") or "")
                    new = id
                    number = len(calls)
                    # the number goes on until the id is a new one
                    while new in used_ids or not self._is_own(new, name):
                        new = self.counted_id(name, number)
                        number = number + 1
                    used_ids.add(new)
                    calls.append((id, new, name, index))
                    new_message["tool_calls"].append({**call, "id": new})
            elif message.get("role") in ("tool", self.role):
                id = str(message.get("tool_call_id") or "")
                calls_of_id = [call for call in calls if call[0] == id]
                turn = max((call[3] for call in calls_of_id if id), default=0)
                open_calls = [call for call in calls if call not in answered_calls and call[3] >= turn]
                candidates = [call for call in open_calls if call[0] == id]
                candidates += calls_of_id[-1:] if id else [*open_calls, *calls[-1:]]
                if not candidates:
                    raise OptionError(
                        f"The message is the result of the call {id!r}, but no earlier message "
                        "contains that call.",
                        where=id_location,
                        cure="Send the assistant's message with its tool_calls before the results.",
                    )
                answered_calls.append(candidates[0])
                _, new, name, _ = candidates[0]
                new_message |= {"tool_call_id": new, "name": message.get("name") or name}
            result.append(new_message)
        return result
