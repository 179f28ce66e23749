"""Describes, as data, how formats of tool calls write arguments one by one.

A *style* is the description of one format. A *member* is one argument as it is written, such as
`<parameter=city>Oslo</parameter>`. A *template* is a text with places: that of this member is
`<parameter=$key>$value</parameter>`. A *raw* string is written without quotes and escapes, so that the text
after `$value` ends it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, field
from types import MappingProxyType
from typing import Any, Final

from structgen.base.errors import OptionError
from structgen.base.language import checks
from structgen.grammars.text_grammars.composition.templates import first_text, template_pieces

JSON_TYPES = ("string", "number", "integer", "boolean", "null", "object", "array")


@dataclass(frozen=True, slots=True)
class ArgumentStyle:
    """How a format writes arguments one by one.

    `member` and `item` are templates with the places `$key`, `$value`, `$type`, and `$gap` (white space,
    usually none).
    """

    name: str
    """The name of the style, for messages."""
    _: KW_ONLY
    member: str = ""
    """The template of one argument, such as `<parameter=$key>$value</parameter>`. It has `$type` if the
    format writes the type. "": the arguments are one JSON object."""
    item: str = ""
    """The template of one item of an array. If there is an `item` or `brackets`, arrays and objects inside
    arguments are written in this style too; otherwise they are JSON."""
    brackets: tuple[str, str, str, str] | tuple[()] = ()
    """The texts before and after an object, then those before and after an array: ("{", "}", "[", "]")."""
    between: str = "\n"
    """The text between arguments; if it is white space, any white space may stand there, or none."""
    quote: str = ""
    """The text around strings; "": strings are raw, up to the text after `$value`."""
    stops: tuple[str, ...] = ()
    """Texts that no string may contain, also not a string inside JSON. (): a raw string may not contain the
    text after `$value`, and a quoted string may not contain `quote`."""
    ends: tuple[str, ...] = ()
    """Texts that show that an argument has ended although its closing text is missing, such as the beginning
    of the next argument or the end of the call. No string outside JSON contains one of them."""
    frame: str = ""
    """The text that is usually written before and after a value, and is not part of a string."""
    blanks: bool = True
    """Whether white space may stand around values that are not strings; with `brackets`, also around strings
    and keys."""
    types: Mapping[str, str] = field(default_factory=dict, hash=False)
    """For each type of JSON Schema the word that is written at `$type`."""
    open_types: Mapping[str, str] = field(default_factory=dict, hash=False)
    """For some types another word at `$type`, which is used where the schema allows values of several
    types."""
    keys: str = r"""[^\s\x00-\x1f\x7f"'<>=&,:{}\[\]|]{1,256}"""
    """The pattern of the names of arguments that the style can write."""

    def __post_init__(self) -> None:
        checks.check_text("name", self.name)
        if self.member:
            self._check_member()

    def _style_error(self, field: str, fault: str, cure: str) -> OptionError:
        """Return the error for a fault in a field of this style."""
        return OptionError(fault, where=f"{type(self).__name__} {self.name}, {field}", cure=cure)

    def _check_member(self) -> None:
        """Raise `OptionError` if a reader of the text could not find the parts of an argument."""
        for name, template in (("member", self.member), ("item", self.item or "$value")):
            kinds = [kind for kind, _ in template_pieces(template)]
            needs_key = name == "member"  # an item has no name
            if kinds.count("value") != 1 or needs_key != ("key" in kinds):
                raise self._style_error(
                    name, f"{template!r} lacks a place that it needs.", "See its docstring."
                )
            if "type" in kinds and set(JSON_TYPES) - self.types.keys():
                raise self._style_error("types", "Some types have no word.", f"Name {', '.join(JSON_TYPES)}.")
        if not self.brackets and not first_text(self.member):
            raise self._style_error(
                "member", "The beginning of an argument is not marked.", "Write a text before $key."
            )
        last_kind, _ = template_pieces(self.member)[-1]
        if not self.quote and last_kind == "value":
            raise self._style_error(
                "member", "The end of a raw string is not marked.", "Write a text after $value."
            )
        _, _, behind_value = self.member.partition("$value")
        end = self.quote or behind_value.partition("$")[0]
        # With the end `aa` the string `xa` would be written `xaaa`, and read as `x`: so no proper tail of the
        # end may be a beginning of it.
        tails = (end[start:] for start in range(1, len(end)))
        if any(end.startswith(tail) for tail in tails):
            raise self._style_error(
                "quote" if self.quote else "member",
                f"The end of strings, {end!r}, can overlap itself.",
                "Use another text.",
            )

    @property
    def nested(self) -> bool:
        """Whether arrays and objects inside arguments are written in this style, and not as JSON."""
        return bool(self.item or self.brackets)

    @property
    def padded(self) -> bool:
        """Whether white space may stand around strings and keys, and inside an empty object or array."""
        return self.blanks and bool(self.brackets)

    @property
    def spaced(self) -> bool:
        """Whether white space may stand between arguments."""
        return not self.between.strip() and not self.brackets


_IS_STRING: Final = MappingProxyType({kind: str(kind == "string").lower() for kind in JSON_TYPES})
_M3: Final = "]<]minimax[>["
TAGGED: Final = r"""[^\s\x00-\x1f\x7f"'<>]{1,256}"""
"""The pattern of the names of arguments inside tags. It excludes white space, control characters, quotes and
the brackets of tags."""


def _deepseek_style(blank: str) -> Mapping[str, Any]:
    """Return the fields of a style of DeepSeek. `blank`: the text inside the tags in which the versions of
    the model differ, "" or a blank."""
    tag = f"｜DSML｜{blank}parameter"
    return {
        "member": f'<{tag} name="$key" string="$type">$value</{tag}>',
        "types": _IS_STRING,
        "keys": TAGGED,
    }


ARGUMENT_STYLES: Final[Mapping[str, Mapping[str, Any]]] = MappingProxyType(
    {
        "qwen_xml": {"member": "<parameter=$key>$value</parameter>", "frame": "\n", "keys": TAGGED},
        "minimax_xml": {"member": '<parameter name="$key">$value</parameter>', "keys": TAGGED},
        "minimax_m3_xml": {
            "member": f"{_M3}<$key>$value{_M3}</$key>",
            "item": f"{_M3}<item>$value{_M3}</item>",
            "stops": (_M3,),
            "between": "",
            "blanks": False,
            "keys": rf"(?!/){TAGGED}",
        },
        "deepseek_xml": _deepseek_style(""),
        "deepseek_v4_1_xml": _deepseek_style(" "),
        "glm_xml": {
            "member": "<arg_key>$key</arg_key>$gap<arg_value>$value</arg_value>",
            "between": "",
            "keys": TAGGED,
        },
        "cohere_xml": {
            "member": '<cofl:value name="$key" type="$type">$value</cofl:value>',
            "item": '<cofl:value type="$type">$value</cofl:value>',
            "between": "",
            "keys": TAGGED,
            "types": MappingProxyType(
                {**dict.fromkeys(JSON_TYPES, "json"), "string": "raw", "object": "dict", "array": "list"}
            ),
        },
        "kimi_k3_xml": {
            "member": '<|open|>argument key="$key" type="$type"<|sep|>$value<|close|>argument<|sep|>',
            "between": "",
            "keys": TAGGED,
            "types": MappingProxyType({kind: "number" if kind == "integer" else kind for kind in JSON_TYPES}),
            "open_types": MappingProxyType({"integer": "integer"}),
        },
        "gemma": {
            "member": "$key:$value",
            "item": "$value",
            "brackets": ("{", "}", "[", "]"),
            "between": ",",
            "quote": '<|"|>',
        },
    }
)
"""For each style, under XGrammar's name, the fields of its `ArgumentStyle`. Formats of tool calls and
structural tags share these styles."""
