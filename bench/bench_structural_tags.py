"""Do structgen and xgrammar read a structural tag alike? Texts of each are held to the other.

    python bench/bench_structural_tags.py [FORM...] [--count 500] [--seed 0]

A form is a format that xgrammar builds for a model (`get_model_structural_tag`), under each choice of tools,
with and without thoughts and parallel calls; the same with the markers as tokens (`token_markers`), where
xgrammar offers it; a style of arguments, also in any order, counted, excluding a text, and without a schema;
and a grammar in EBNF or Lark. `sg.structural_tag` reads the very tag that xgrammar made.

For each form `--count` texts are drawn by random walks over xgrammar's masks and given to structgen, and as
many over structgen's masks and given to xgrammar. A text that one side refuses is a difference. Those that
are known have a name (`NAMES`) and are counted under it; any other is printed, and the exit status is 1.
Writes bench/results/structural-tags-DATE.csv.
"""

from __future__ import annotations

import argparse
import itertools
import random
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, Literal, NamedTuple

from bench_tool_formats import CHOICES, NAMELESS, TOOLS, WORDS, Chooser, Peer, Walker, drawn
from judging import Named, Outcome, Question, run
from records import versions

import structgen as sg
from structgen.grammars.text_grammars.composition.argument_styles import ARGUMENT_STYLES
from structgen.grammars.text_grammars.composition.templates import TEXT, template_pieces

WIDE: Final[dict[str, Any]] = {"whitespace": "any", "numbers": "any"}
SCHEMA: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {
        "query": {"type": "string"},
        "limit": {"type": "integer"},
        "exact": {"type": "boolean"},
        "tags": {"type": "array", "items": {"type": "string"}},
        "to": {
            "type": "object",
            "properties": {"room": {"type": "string"}, "floor": {"type": "integer"}},
            "required": ["room"],
            "additionalProperties": False,
        },
    },
    "required": ["query", "limit"],
    "additionalProperties": False,
}
NUMBERS: Final = {
    **SCHEMA,
    "properties": {"limit": {"type": "integer"}, "ratio": {"type": "number"}, "exact": {"type": "boolean"}},
    "required": ["limit", "exact"],
}
STYLES: Final[dict[str, dict[str, Any]]] = {
    "alone": {"json_schema": SCHEMA},
    "counted": {"json_schema": SCHEMA, "max_whitespace_cnt": 2},
    "excluding": {"json_schema": SCHEMA, "excludes": ["xy"]},
    "in any order": {"json_schema": NUMBERS, "any_order": True},
    "any object": {"json_schema": {"type": "object"}},
    "anything": {"json_schema": True},
}
_REFUSED: Final = {
    ("minimax_m3_xml", "excluding"),
    ("cohere_xml", "excluding"),
    ("minimax_m3_xml", "anything"),
}
"""Styles and what xgrammar does not offer with them."""
_EBNF: Final = r"""
root ::= item ("," " "? item)*
item ::= [a-z]+ | "(" root ")" | [0-9]{1,3}
"""
_LARK: Final = r"""
start: item ("," item)* <|tool|>?
item: NAME | "(" start ")" | INT ~ 1..2 | %json {
  "type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"], "additionalProperties": false
}
NAME: /[a-z]+/
%import common.INT
%ignore " "
"""
_OLDER: Final = {"qwen_xml_parameter": "qwen_xml"}
MARKS: Final = ("<think>", "</think>", "<tool_call>", "</tool_call>")
GLM: Final = (*MARKS, "<arg_key>", "</arg_key>", "<arg_value>", "</arg_value>")
MARKERS: Final = {"qwen_3": MARKS, "qwen_3_5": MARKS, "qwen_3_coder": MARKS, "glm_4_7": GLM}
"""The markers that are tokens, of formats that xgrammar offers them for."""


class Asked(NamedTuple):
    """A tag to compare."""

    what: str
    tag: dict[str, Any]
    specials: tuple[str, ...] = ()
    style: str = ""

    def has(self, style: str) -> bool:
        """Return whether arguments stand in a style in it."""
        return f"'{style}'" in str(self.tag)


def models() -> list[str]:
    """Return the names of xgrammar's formats."""
    from xgrammar.builtin_structural_tag import _structural_tag_registry

    return list(_structural_tag_registry)


def forms() -> list[str]:
    """Return the names of all forms."""
    marked = [f"{name} with token markers" for name in MARKERS]
    styles = [f"style {style}" for style in ("json", *ARGUMENT_STYLES)]
    return [*models(), *marked, *styles, "qwen_xml_parameter", "grammar ebnf", "grammar lark", "any_text"]


def asked(form: str) -> Iterator[Asked]:
    """Yield the tags of a form."""
    kind, _, which = form.partition(" ")
    if kind == "style":
        for name, members in STYLES.items():
            if (which, name) not in _REFUSED and (which != "json" or not name.startswith("any")):
                yield Asked(name, _tag(type="json_schema", style=which, **members), style=which)
    elif kind == "qwen_xml_parameter":
        yield Asked("alone", _tag(type=kind, json_schema=SCHEMA), style="qwen_xml")
    elif kind == "any_text":
        inside = {"type": "any_text", "excludes": ["xy"], "max_chars": 30}
        yield Asked("alone", _tag(type="tag", begin="<a>", content=inside, end=["</a>", "\n"]))
    elif kind == "grammar":
        text, specials = (_EBNF, ()) if which == "ebnf" else (_LARK, ("<|tool|>",))
        yield Asked("alone", _tag(type=kind, syntax=which, grammar=text), specials)
    else:
        yield from _built(kind, MARKERS[kind] if which else ())


def _tag(**format: Any) -> dict[str, Any]:
    return {"type": "structural_tag", "format": format}


def _built(model: str, markers: tuple[str, ...]) -> Iterator[Asked]:
    from xgrammar import get_model_structural_tag

    def made(what: str, choice: Any, tools: Any = TOOLS, **options: Any) -> Asked:
        tag = get_model_structural_tag(model, tools, choice, token_markers=bool(markers), **options)
        return Asked(what, tag.model_dump(mode="json"), markers)

    modes: tuple[Literal["enabled", "disabled", "auto"], ...] = ("enabled", "disabled", "auto")
    for choice, parallel, mode in itertools.product(CHOICES, (True, False), modes):
        what = f"{choice} {parallel} {mode}"
        yield made(what, choice, reasoning=mode, parallel_tool_calls=parallel)
    yield made("counted", "auto", max_whitespace_cnt=2)
    yield made("no tools", "none")
    if not markers:  # beside these, free text may hold markers
        yield made("special texts", "auto", exclude_special_tokens=False)
    if model != "minimax_m3":
        loose = [{"type": "function", "function": {"name": "search"}}]
        yield made("without a schema", "required", loose, parallel_tool_calls=False)


def vocabulary(tag: Any) -> list[str]:
    """Return the tokens of walks: single characters, the texts of a tag, and words."""
    single = [chr(code) for code in range(32, 127)] + ["\n", "é"]
    return list(dict.fromkeys([*single, *_texts(tag), *WORDS]))


def _texts(value: Any) -> Iterator[str]:
    """Yield the texts that a tag writes."""
    if isinstance(value, list):
        for one in value:
            yield from _texts(one)
    elif isinstance(value, dict):
        for name in ("begin", "end", "value", "separator"):
            said = value.get(name)
            yield from (
                one for one in (said if isinstance(said, list) else [said]) if isinstance(one, str) and one
            )
        fields = ARGUMENT_STYLES.get(value.get("style", _OLDER.get(value.get("type"), "")), {})
        for template in (fields.get("member", ""), fields.get("item", "")):
            yield from (text for kind, text in template_pieces(template) if kind == TEXT)
        yield from (one for one in (*fields.get("brackets", ()), fields.get("quote", "")) if one)
        yield from dict(fields.get("types", {})).values()
        for name, one in value.items():
            if name != "json_schema":
                yield from _texts(one)


class TagWalker(Walker):
    """Draws and takes texts of structgen's grammar, in which characters stand for special tokens."""

    def __init__(self, tag: Any, tokens: Sequence[str], specials: Sequence[str], **policies: Any) -> None:
        named = {text: len(tokens) + at for at, text in enumerate(specials)}
        self.named = specials
        bytes_of: list[bytes | None] = [*(one.encode() for one in tokens), *[None] * len(specials)]
        # the other bytes make the vocabulary whole, and are not drawn
        rest = [bytes((byte,)) for byte in range(256) if bytes((byte,)) not in bytes_of]
        bytes_of += [*rest, None]
        end = len(bytes_of) - 1
        tokenizer = sg.Tokenizer.from_bytes(bytes_of, eos_token_id=end)
        grammar = sg.structural_tag(tag, specials=named, **policies)
        self.compiled = sg.compile(grammar, tokenizer, store=False)
        self.mask, self.chooser = sg.allocate_mask(1, end + 1), _chooser(tokens, specials, len(rest))
        self.first = len(tokens)

    def takes(self, text: str, *, spelled: bool = False) -> bool:
        """Return whether a text is one of the grammar; `spelled`: a special token that cannot stand at a
        place counts as its text there."""
        state = self.compiled.start
        for one in re.split(f"([{chr(_FIRST)}-{chr(_FIRST + 99)}])", text):
            at = ord(one) - _FIRST if len(one) == 1 else -1
            after = (
                self.compiled.step(state, self.first + at)
                if 0 <= at < 100
                else self.compiled.step_bytes(state, one.encode())
            )
            if after is None and spelled and 0 <= at < 100:
                after = self.compiled.step_bytes(state, self.named[at].encode())
            if after is None:
                return False
            state = after
        return self.compiled.accepts_end(state)

    def draw(self, source: random.Random) -> str | None:  # type: ignore[override]
        """Return the text of a walk; None where it was given up before a special token that must come."""
        matcher = sg.Matcher(self.compiled)

        def masked() -> Any:
            matcher.fill_mask(self.mask, 0)
            return self.mask.array[0]

        text, end = self.chooser.walked(masked, matcher.advance, source)
        assert end != "dead end", text
        if end or self.named:
            return text if end else None
        return text + matcher.compiled.completion(matcher.state).decode()


class TagPeer(Peer):
    """The same of xgrammar."""

    def __init__(self, tag: Any, tokens: Sequence[str], specials: Sequence[str]) -> None:
        import xgrammar

        bytes_of = [*(one.encode() for one in (*tokens, *specials)), b"</s>"]
        information = xgrammar.TokenizerInfo(bytes_of, stop_token_ids=[len(bytes_of) - 1])
        compiled = xgrammar.GrammarCompiler(information).compile_structural_tag(tag)
        self.matcher_of = lambda: xgrammar.GrammarMatcher(compiled)
        self.mask, self.chooser = (
            xgrammar.allocate_token_bitmask(1, len(bytes_of)),
            _chooser(tokens, specials),
        )
        self.ids = {text: at for at, text in enumerate(self.chooser.tokens)}

    def takes(self, text: str) -> bool:
        """Return whether a text is one of the grammar, a character a token."""
        matcher = self.matcher_of()
        return all(matcher.accept_token(self.ids[one]) for one in text) and matcher.accept_token(
            len(self.ids)
        )


_FIRST: Final = 0xE000
"""The character that stands for the first special token."""


def _chooser(tokens: Sequence[str], specials: Sequence[str], undrawn: int = 0) -> Chooser:
    characters = [chr(_FIRST + at) for at in range(len(specials) + undrawn)]
    found = Chooser([*tokens, *characters])
    found.weights[:, len(tokens) : -1] = [[40.0], [1e4]]
    found.weights[:, len(tokens) + len(specials) : -1] = 1e-12
    return found


def _without_blanks(text: str, asked: Asked) -> str:
    """Return a text without white space around JSON documents, around arguments of a style, and between the
    items of a list (cohere_xml)."""
    if asked.style:
        return re.sub(r"(?<=>)\s+(?=<cofl:value type)", "", text.strip())
    every = dict.fromkeys(_texts(asked.tag))
    said = "|".join(re.escape(one) for one in every if "think" not in one.lower())  # a blank may belong to it
    before = None
    while before != text:
        before = text
        text = re.sub(rf"({said})\s+(?=[{{\[\"0-9-]|true|false|null)", r"\1", text)
        text = re.sub(rf"(?<=[}}\]\"el0-9])\s+(?={said})", "", text)
    return text


def _numbered(text: str, asked: Asked) -> str:
    """Return a text with other keys in its document, none twice."""
    heads = [one for one in _texts(asked.tag) if '"name": ' in one]
    at = max((text.find(one) + len(one) for one in heads if one in text), default=0)
    count = itertools.count()
    return text[:at] + re.sub(r'"[^"\\]*"(?=\s*:)', lambda _: f'"k{next(count)}"', text[at:])


_GEMMA_KEY: Final = re.compile(r'(<\|"\|>.*?<\|"\|>)|(?<=[{,])(\s*)[^\s:{}<]+(?=\s*:)', re.DOTALL)


def _renamed(text: str, asked: Asked) -> str:
    """Return a text with other keys in the last of its values in the style gemma."""
    before, call, value = text.rpartition("<|tool_call>call:") if asked.has("gemma") else (text, "", "")
    if asked.style == "gemma":
        before, value = "", text
    return before + call + _GEMMA_KEY.sub(lambda found: found[1] or f"{found[2]}a", value)


_NO_OBJECT: Final = re.compile(r"(<\|tool_call>call:search)(?!\{).*?(<tool_call\|>)", re.DOTALL)

NAMES: Final[dict[str, tuple[str, Callable[[str, Asked], str]]]] = {
    "white space around a document": ("structgen", _without_blanks),
    "ignored text before the first terminal (Lark)": (
        "structgen",
        lambda text, asked: text.lstrip(" ") if asked.has("lark") else text,
    ),
    "minus zero": ("structgen", lambda text, asked: re.sub(r"-0(?![\d.])", "0", text)),
    "names that no schema names (gemma)": ("structgen", lambda text, asked: _renamed(text, asked)),
    "names that no schema names (cohere_xml)": (
        "xgrammar",
        lambda text, asked: (
            re.sub(r':value name="[^"<>]*" type', ':value name="a" type', text)
            if asked.has("cohere_xml")
            else text
        ),
    ),
    "names of more than 256 characters (gemma)": (
        "xgrammar",
        lambda text, asked: re.sub(r"\w{257,}(?=\s*:)", "a", text) if asked.has("gemma") else text,
    ),
    "values of another type than is told": (
        "xgrammar",
        lambda text, asked: (
            re.sub(r'(<\|open\|>argument key="\w+" type=)"\w+"', r'\1"string"', text)
            if asked.has("kimi_k3_xml")
            else text
        ),
    ),
    "a key twice in a document": ("xgrammar", lambda text, asked: _numbered(text, asked)),
    "a value that is no object for arguments": (
        "xgrammar",
        lambda text, asked: (
            ("{}" if text[:1] != "{" else text) if asked.style == "gemma" else _NO_OBJECT.sub(r"\1{}\2", text)
        ),
    ),
}
"""Known differences: whose texts the other refuses, and what must be changed in them that it does not."""
ORDER: Final = "a needed key missing, or a key twice, in any order"


def is_whole(text: str, style: str) -> bool:
    """Return whether a text has each needed key of `NUMBERS` once, and no other one twice."""
    head = ARGUMENT_STYLES.get(style, {"member": '"$key":'})["member"].partition("$key")[0]
    head, tail = (r"[{,]\s*", r"\s*:") if style == "gemma" else (re.escape(head), "\\b")
    keys = re.findall(f"{head}(limit|ratio|exact){tail}", text)
    return len(set(keys)) == len(keys) and {"limit", "exact"} <= set(keys)


def named(text: str, source: str, asked: Asked, takes: Callable[[str], bool]) -> tuple[str, ...]:
    """Return the names of the known differences for which a text is refused, the fewest; () for none."""
    names = [name for name, (of, _) in NAMES.items() if of == source]
    for count in range(1, len(names) + 1):
        for some in itertools.combinations(names, count):
            mended = text
            for name in some:
                mended = NAMES[name][1](mended, asked)
            if takes(mended):
                return some
    return ()


SPELLED: Final = "a marker's token where its text stands"


def compared(outcome: Outcome, form: str, count: int, seed: int) -> None:
    """Note for each source how many of its texts the other refuses; and the texts without a name."""
    listed = list(asked(form))
    each = max(1, -(-count // len(listed)))
    for index, one_tag in enumerate(listed):
        what, tag, specials, style = one_tag
        tokens = vocabulary(tag)
        tokens = list(dict.fromkeys([*tokens, *"".join((*tokens, *specials))]))
        tokens = [one for one in tokens if one not in specials]
        ours, theirs = TagWalker(tag, tokens, specials), TagPeer(tag, tokens, specials)
        wide = TagWalker(tag, tokens, specials, **WIDE)
        for of, drawer in (("structgen", ours), ("xgrammar", theirs)):
            row, source = f"{form}\t{of}", random.Random(f"{seed} {form} {index} {of}")
            takes = theirs.takes if of == "structgen" else wide.takes
            for text in itertools.islice(drawn(drawer, source, 5 * each), each):
                outcome.count(row, "texts")
                whole = of == "structgen" or what != "in any order" or is_whole(text, style)
                if takes(text) and whole:
                    continue
                outcome.count(row, "differences")
                if not whole and not takes(text):
                    outcome.count(row, ORDER)
                    continue
                if of == "xgrammar" and specials and wide.takes(text, spelled=True):
                    outcome.count(row, SPELLED)
                    continue
                found = named(text, of, one_tag, takes) if whole else ()
                for name in found:
                    outcome.count(row, name)
                if not found:
                    outcome.fault(row, NAMELESS, asked=what, text=text)


class Tags(Question):
    """Holds texts of tags to the other side."""

    name = "structural-tags"
    keys = ("form", "source")
    figures = ("texts", "differences", NAMELESS, SPELLED, ORDER, *NAMES)
    bad = (NAMELESS,)

    @classmethod
    def add_options(cls, parser: argparse.ArgumentParser) -> None:
        parser.set_defaults(timeout=36_000.0)
        parser.add_argument("--count", type=int, default=500)

    def cases(self, wanted: Callable[[str], bool]) -> Iterator[Named]:
        return (Named(name) for name in forms() if wanted(name))

    def judged(self, case: Named) -> Outcome:
        outcome = Outcome(case.name)
        compared(outcome, case.name, self.options.count, self.options.seed)
        return outcome

    def about(self) -> dict[str, object]:
        return {"versions": versions("xgrammar"), "seed": self.options.seed}


if __name__ == "__main__":
    sys.exit(run(Tags, __doc__))
