"""How arguments stand one by one: `<parameter=city>Oslo</parameter>`. The styles of formats, as data."""

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
    """How a format writes arguments one by one. Texts may have places: `$key`, `$value`, `$type`, and `$gap`
    (white space, usually none)."""

    name: str
    _: KW_ONLY
    member: str = ""
    """One argument: `<parameter=$key>$value</parameter>`, and `$type` where its type is told. "": the
    arguments are one JSON object."""
    item: str = ""
    """One item of an array. With it, or with `brackets`, arrays and objects inside arguments are written in
    the same way; without, they are JSON."""
    brackets: tuple[str, str, str, str] | tuple[()] = ()
    """The texts around an object and around an array."""
    between: str = "\n"
    """The text between arguments; if it is white space, any white space may stand there, or none."""
    quote: str = ""
    """The text around strings; "": strings stand raw, up to the text after `$value`."""
    stops: tuple[str, ...] = ()
    """Texts that no string may hold, those inside JSON neither; (): a raw string may not hold what follows
    `$value`, a quoted one not `quote`."""
    ends: tuple[str, ...] = ()
    """Marks that show that an argument is over, though what closes it is missing: the beginning of another
    one, the end of the call. No string that is not JSON holds one."""
    frame: str = ""
    """The text that is usually written on both sides of a value, and belongs to no string."""
    blanks: bool = True
    """White space may stand around values that are no strings; with `brackets`, around strings and keys
    too."""
    types: Mapping[str, str] = field(default_factory=dict, hash=False)
    """The word for `$type` of each of JSON Schema's types."""
    open_types: Mapping[str, str] = field(default_factory=dict, hash=False)
    """Another word for `$type` of some types, where a schema leaves open which of several a value has."""
    keys: str = r"""[^\s\x00-\x1f\x7f"'<>=&,:{}\[\]|]{1,256}"""
    """A pattern of the names of arguments that can be written."""

    def __post_init__(self) -> None:
        checks.check_text("name", self.name)
        if self.member:
            self._check_member()

    def _style_error(self, field: str, fault: str, cure: str) -> OptionError:
        return OptionError(fault, where=f"{type(self).__name__} {self.name}, {field}", cure=cure)

    def _check_member(self) -> None:
        """Raise `OptionError` where a reader could not tell an argument's parts from one another."""
        for name, template in (("member", self.member), ("item", self.item or "$value")):
            kinds = [kind for kind, _ in template_pieces(template)]
            needs_key = name == "member"  # an item has no name
            if kinds.count("value") != 1 or needs_key != ("key" in kinds):
                raise self._style_error(
                    name, f"{template!r} has not the places it needs.", "See its docstring."
                )
            if "type" in kinds and set(JSON_TYPES) - self.types.keys():
                raise self._style_error("types", "Some types have no word.", f"Name {', '.join(JSON_TYPES)}.")
        if not self.brackets and not first_text(self.member):
            raise self._style_error(
                "member", "Nothing says where an argument begins.", "Write a text before $key."
            )
        last_kind, _ = template_pieces(self.member)[-1]
        if not self.quote and last_kind == "value":
            raise self._style_error(
                "member", "Nothing says where a raw string ends.", "Write a text after $value."
            )
        _, _, behind_value = self.member.partition("$value")
        end = self.quote or behind_value.partition("$")[0]
        # with the end `aa` a string `xa` would be written `xaaa`, and read as `x`
        tails = (end[start:] for start in range(1, len(end)))
        if any(end.startswith(tail) for tail in tails):
            raise self._style_error(
                "quote" if self.quote else "member",
                f"The end of strings, {end!r}, ends as it begins, so that it can overlap itself.",
                "Choose another text.",
            )

    @property
    def nested(self) -> bool:
        """Whether arrays and objects inside arguments are written as the arguments are."""
        return bool(self.item or self.brackets)

    @property
    def padded(self) -> bool:
        """Whether white space may stand around strings and keys, and in an object or an array without
        any."""
        return self.blanks and bool(self.brackets)

    @property
    def spaced(self) -> bool:
        """Whether white space may stand between arguments."""
        return not self.between.strip() and not self.brackets


_IS_STRING: Final = MappingProxyType({kind: str(kind == "string").lower() for kind in JSON_TYPES})
_M3: Final = "]<]minimax[>["
TAGGED: Final = r"""[^\s\x00-\x1f\x7f"'<>]{1,256}"""
"""The names of arguments that stand in tags: nothing but quotes and brackets of tags ends them."""


def _deepseek_style(blank: str) -> Mapping[str, Any]:
    # versions of the model differ in a blank inside of the tags
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
"""The fields of the styles that formats of tool calls share with structural tags, under XGrammar's names."""
