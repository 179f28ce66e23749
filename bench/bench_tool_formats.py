"""Do structgen and xgrammar mean the same by a format of tool calls? Texts of each are held to the other.

    python bench/bench_tool_formats.py [FORMAT...] [--count 500] [--walks 0] [--seed 0]

For each format that xgrammar builds, `--count` texts are drawn by a random walk over xgrammar's masks and
given to structgen, and as many over structgen's masks and given to xgrammar, which are read back by
`sg.parse_calls` too. The vocabulary has single characters and the texts of the format, so that walks meet
calls often. With `--walks`, as many walks of structgen's grammar alone are read back, for all formats.

A text that one side refuses is a difference. Those that are known have a name (`NAMES`), and are counted
under it; any other is printed, and a text that is not read back, and the exit status is 1. Writes
bench/results/tool-formats-DATE.csv.
"""

from __future__ import annotations

import argparse
import itertools
import random
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, Final, TypeAlias

import numpy as np
from judging import Named, Outcome, Question, run
from records import versions

import structgen as sg
from structgen.asking.tool_calls.format_rows import FORMATS
from structgen.asking.tool_calls.tool_format import ToolFormat
from structgen.grammars.text_grammars.composition.templates import TEXT, template_pieces

NAMELESS, UNREAD = "without a name", "not read back"


def _closed(required: list[str], **properties: Any) -> dict[str, Any]:
    """Return the schema of an object with these members; a name stands for its type."""
    members = {name: {"type": one} if isinstance(one, str) else one for name, one in properties.items()}
    return {"type": "object", "properties": members, "required": required, "additionalProperties": False}


_TAGS = {"type": "array", "items": {"type": "string"}}
SEARCH = _closed(["query", "limit"], query="string", limit="integer", exact="boolean", tags=_TAGS)
MOVE = _closed(["to"], to=_closed(["room"], room="string", floor="integer"), ratio="number")
TOOLS: Final[list[dict[str, Any]]] = [
    {"type": "function", "function": {"name": "search", "description": "Find.", "parameters": SEARCH}},
    {"type": "function", "function": {"name": "move", "description": "Go.", "parameters": MOVE}},
]
CHOICES: Final[tuple[Any, ...]] = ("auto", "required", {"type": "function", "function": {"name": "search"}})
_KEYS = ("query", "limit", "exact", "tags", "to", "room", "floor", "ratio")
WORDS = (*(f'"{key}"' for key in _KEYS), ": ", ", ", "true", *_KEYS, "search", "move", "false", "raw")
WIDE = {"whitespace": "any", "numbers": "any"}
"""Policies under which structgen judges texts of xgrammar, which bounds neither."""
_LONGEST = 400
"""Tokens after which a walk is given up."""
_CLOSING = 80
"""Tokens after which a walk prefers the format's own texts."""


def _without_blanks(text: str, format: ToolFormat, thinking: bool | str) -> str:
    """Return a text without white space around the JSON text of arguments."""
    assert isinstance(format.calls, tuple)
    for template in format.calls:
        before, _, after = template.partition("$arguments")
        before, after = re.split(r"\$[a-z]+", before)[-1], re.split(r"\$[a-z]+", after)[0]
        text = re.sub(re.escape(before) + r"\s+\{", lambda _, said=before: said + "{", text)
        text = re.sub(r"\}\s+" + re.escape(after), lambda _, said=after: "}" + said, text)
    return text


def _without_begins(text: str, format: ToolFormat, thinking: bool | str) -> str:
    """Return a text without beginnings of calls outside of sections; xgrammar stumbles over some that begin
    like a section."""
    begin, end = map(re.escape, format.section)
    at = behind_thoughts(text, format, thinking)
    parts = re.split(f"({begin}.*?{end})", text[at:], flags=re.DOTALL) if begin else [text[at:]]
    parts[::2] = [one.replace("<|tool_call_begin|>", "") for one in parts[::2]]
    return text[:at].replace("<|tool_call_begin|>", "") + "".join(parts)


def behind_thoughts(text: str, format: ToolFormat, thinking: bool | str) -> int:
    """Return where the thoughts end that a text begins with."""
    if not format.thinking or format.blocks or not thinking:
        return 0
    begun = text.startswith(format.thinking[0]) or (thinking is True and format.opened)
    return max(0, text.find(format.thinking[1])) if begun else 0


def _with_constrain(text: str, format: ToolFormat, thinking: bool | str) -> str:
    """Return a text with <|constrain|> as xgrammar writes it."""
    text = text.replace(" <|constrain|>json", "<|constrain|>json")
    return text.replace("commentary<|constrain|>", "commentary <|constrain|>")


def _one_section(text: str, format: ToolFormat, thinking: bool | str) -> str:
    """Return a text up to the end of its first section of calls, which is behind the thoughts."""
    end = format.section[1] or "<|call|>"
    at = behind_thoughts(text, format, thinking)
    before, found, _ = text[at:].partition(end)
    return text[:at] + before + found


def blocks(text: str, format: ToolFormat) -> Iterator[tuple[str, str, str]]:
    """Yield the blocks of a text that consists of some: the beginning of thoughts or text, "" of a call; what
    is between; the end."""
    begins = (format.thinking[0], format.text[0])
    while text:
        begin = next((one for one in begins if text.startswith(one)), "")
        ends = format.text[1:] if begin else ("<|call|>",)
        found = re.search("|".join(map(re.escape, ends)), text)
        at, end = found.span() if found else (len(text), len(text))
        yield begin, text[len(begin) : at], text[at:end]
        text = text[end:].removeprefix(format.blocks)


def _without_text(text: str, format: ToolFormat, thinking: bool | str) -> str:
    """Return a text without what stands between its calls and behind the last."""
    for said in reversed(sg.parse_calls(text, format, tools=TOOLS, thinking=thinking).texts[1:]):
        before, found, after = text.rpartition(said) if said.strip() else (text, "", "")
        text = before + after if found else text
    return text


def _with_call(text: str, format: ToolFormat, thinking: bool | str) -> str:
    """Return a text of blocks without a call with one; what xgrammar asks of `required` holds no call."""
    call = ' to=functions.search<|channel|>commentary json<|message|>{"query": "", "limit": 0}<|call|>'
    if not format.blocks or not all(begin for begin, _, _ in blocks(text, format)):
        return text
    return text + (format.blocks if text else "") + call


def _thought_once(text: str, format: ToolFormat, thinking: bool | str) -> str:
    """Return a text in which neither thoughts nor blocks of text hold the beginning of thoughts, and no
    thoughts end like a block of text."""
    begin, end = format.thinking or ("<think>", "</think>")
    if format.blocks:
        said = [
            begun + (inside.replace(begin, "") if begun else inside) + (end if begun == begin else ended)
            for begun, inside, ended in blocks(text, format)
        ]
        return format.blocks.join(said)
    head, found, rest = text.partition(end)
    opened = begin if head.startswith(begin) and not (thinking is True and format.opened) else ""
    return opened + head.replace(begin, "") + found + rest


Mend: TypeAlias = Callable[[str, ToolFormat, "bool | str"], str]

NAMES: Final[dict[str, tuple[str, Mend]]] = {
    "white space around the arguments": ("structgen", _without_blanks),
    "minus zero": ("structgen", lambda text, *_: re.sub(r"-0(?![\d.])", "0", text)),
    "the beginning of a call in free text": ("structgen", _without_begins),
    "<|constrain|> behind a blank, as gpt-oss writes it": ("structgen", _with_constrain),
    "text and calls behind the calls that were asked for": ("xgrammar", _one_section),
    "text between and behind the calls that were asked for": ("xgrammar", _without_text),
    "a reply that must call, without a call": ("xgrammar", _with_call),
    "the beginning of thoughts inside of them, or <|return|> behind them": ("xgrammar", _thought_once),
}
"""Known differences: whose texts the other refuses, and what must be changed in them that it does not."""


def texts_of(format: ToolFormat) -> list[str]:
    """Return the texts that a format writes."""
    assert isinstance(format.calls, tuple)
    templates = [*format.calls, format.member, format.item]
    found = [said for one in templates if one for kind, said in template_pieces(one) if kind == TEXT]
    found += [*format.section, format.separator, format.lead, *format.triggers, *format.thinking]
    found += [*format.text, format.blocks, format.end, *format.brackets, format.quote, *format.types.values()]
    return [one for one in dict.fromkeys(found) if one]


def vocabulary(format: ToolFormat) -> list[str]:
    """Return the tokens of a format's walks; the end token follows them."""
    single = [chr(code) for code in range(32, 127)] + ["\n", "é"]
    return list(dict.fromkeys([*single, *texts_of(format), *WORDS]))


class Chooser:
    """Walks: chooses allowed tokens, more often a long one, above all late in a walk."""

    def __init__(self, tokens: Sequence[str]) -> None:
        self.tokens = tokens
        early = [1.0 if len(one) == 1 else 40.0 for one in tokens]
        late = [1e3 if one in '"}]0' else 1.0 if len(one) == 1 else 1e4 for one in tokens]
        self.weights = np.array([[*early, 4.0], [*late, 1e6]])
        self.known: dict[tuple[bytes, bool], tuple[list[int], list[float]]] = {}

    def walked(
        self, masked: Callable[[], np.ndarray[Any, Any]], take: Callable[[int], Any], source: random.Random
    ) -> tuple[str, str]:
        """Return the text of a walk, and how it went: "whole", "dead end", or "" where it was given up.
        `masked` returns the row of the mask, `take` writes a token."""
        found: list[str] = []
        while len(found) < _LONGEST:
            token = self.chosen(masked(), source, len(found))
            if token is None or token == len(self.tokens):
                return "".join(found), "dead end" if token is None else "whole"
            take(token)
            found.append(self.tokens[token])
        return "".join(found), ""

    def chosen(self, row: np.ndarray[Any, Any], source: random.Random, written: int) -> int | None:
        """Return one of the tokens of a row of a mask, None where there is none."""
        late = written >= _CLOSING
        key = row.tobytes(), late
        if key not in self.known:
            bits = np.unpackbits(row.view(np.uint8), bitorder="little")[: self.weights.shape[1]]
            allowed = np.flatnonzero(bits)
            self.known[key] = allowed.tolist(), np.cumsum(self.weights[int(late), allowed]).tolist()
        listed, sums = self.known[key]
        return source.choices(listed, cum_weights=sums)[0] if listed else None


class Walker:
    """Draws texts of structgen's grammar, and takes texts."""

    def __init__(self, grammar: sg.Grammar, tokens: Sequence[str]) -> None:
        bytes_of: list[bytes | None] = [one.encode() for one in tokens]
        tokenizer = sg.Tokenizer.from_bytes([*bytes_of, None], eos_token_id=len(tokens))
        self.compiled = sg.compile(grammar, tokenizer, store=False)
        self.mask, self.chooser = sg.allocate_mask(1, len(tokens) + 1), Chooser(tokens)

    def draw(self, source: random.Random) -> str:
        """Return the text of a walk, completed where it was given up."""
        matcher = sg.Matcher(self.compiled)

        def masked() -> np.ndarray[Any, Any]:
            matcher.fill_mask(self.mask, 0)
            return self.mask.array[0]

        text, end = self.chooser.walked(masked, matcher.advance, source)
        assert end != "dead end", text
        return text if end else text + self.compiled.completion(matcher.state).decode()

    def takes(self, text: str) -> bool:
        """Return whether a text is one of the grammar."""
        state = self.compiled.step_bytes(self.compiled.start, text.encode())
        return state is not None and self.compiled.accepts_end(state)


class Peer:
    """The same of xgrammar."""

    def __init__(self, tag: Any, tokens: Sequence[str]) -> None:
        import xgrammar

        bytes_of = [*(one.encode() for one in tokens), b"</s>"]
        information = xgrammar.TokenizerInfo(bytes_of, stop_token_ids=[len(tokens)])
        compiled = xgrammar.GrammarCompiler(information).compile_structural_tag(tag)
        self.matcher_of = partial(xgrammar.GrammarMatcher, compiled)
        self.mask, self.chooser = xgrammar.allocate_token_bitmask(1, len(tokens) + 1), Chooser(tokens)

    def draw(self, source: random.Random) -> str | None:
        """Return the text of a walk; None where it was given up, or met a dead end."""
        matcher = self.matcher_of()

        def masked() -> np.ndarray[Any, Any]:
            matcher.fill_next_token_bitmask(self.mask, 0)
            return self.mask[0].numpy()

        text, end = self.chooser.walked(masked, matcher.accept_token, source)
        return text if end == "whole" else None

    def takes(self, text: str) -> bool:
        """Return whether a text is one of the grammar."""
        matcher = self.matcher_of()
        return (not text or matcher.accept_string(text)) and matcher.accept_token(len(self.chooser.tokens))


def grammar_of(
    format: ToolFormat, choice: Any, parallel: bool, thinking: bool | str, **policies: Any
) -> sg.Grammar:
    return sg.tools(
        TOOLS, format=format, tool_choice=choice, parallel=parallel, thinking=thinking, **policies
    )


def tag_of(format: str, choice: Any, parallel: bool, thinking: bool | str) -> Any:
    """Return xgrammar's structural tag."""
    from xgrammar import get_model_structural_tag

    mode = {True: "enabled", False: "disabled", "auto": "auto"}[thinking]
    return get_model_structural_tag(
        format,
        TOOLS,
        choice,
        reasoning=mode,
        parallel_tool_calls=parallel,  # type: ignore[arg-type]
    )


def cases(format: ToolFormat) -> Iterator[tuple[Any, bool, bool | str]]:
    """Yield choices, whether calls may be parallel, and thoughts; no others than both sides mean alike."""
    for choice in CHOICES:
        for parallel in (True, False):
            if format.name != "minimax":  # without thoughts, xgrammar writes empty ones
                yield choice, parallel, False
            if format.thinking:
                yield choice, parallel, True
                if format.name != "minimax_m3":  # xgrammar takes the end of thoughts alone
                    yield choice, parallel, "auto"


def peers() -> list[str]:
    """Return the formats that xgrammar builds and structgen knows."""
    from xgrammar.builtin_structural_tag import _structural_tag_registry

    return [name for name in FORMATS if name in _structural_tag_registry]


def named(
    text: str, source: str, format: ToolFormat, thinking: bool | str, takes: Callable[[str], bool]
) -> tuple[str, ...]:
    """Return the names of the known differences for which a text is refused, the fewest; () for none."""
    names = [name for name, (of, _) in NAMES.items() if of == source]
    for count in range(1, len(names) + 1):
        for some in itertools.combinations(names, count):
            mended = text
            for name in some:
                mended = NAMES[name][1](mended, format, thinking)
            if takes(mended):
                return some
    return ()


def compared(outcome: Outcome, name: str, count: int, seed: int) -> None:
    """Note for each source how many of its texts the other refuses; and the texts without a name."""
    format, tokens = FORMATS[name], vocabulary(FORMATS[name])
    listed = list(cases(format))
    each = max(1, -(-count // len(listed)))
    for index, (choice, parallel, thinking) in enumerate(listed):
        grammar = grammar_of(format, choice, parallel, thinking)
        ours, theirs = Walker(grammar, tokens), Peer(tag_of(name, choice, parallel, thinking), tokens)
        wide = Walker(grammar_of(format, choice, parallel, thinking, **WIDE), tokens)
        for of, drawer, judge in (("structgen", ours, theirs), ("xgrammar", theirs, wide)):
            row, source = f"{name}\t{of}", random.Random(f"{seed} {name} {index} {of}")
            for text in itertools.islice(drawn(drawer, source, 5 * each), each):
                outcome.count(row, "texts")
                if of == "structgen":
                    outcome.count(row, "calls", len(read_back(text, format, thinking).calls))
                if judge.takes(text):
                    continue
                outcome.count(row, "differences")
                found = named(text, of, format, thinking, judge.takes)
                for one in found:
                    outcome.count(row, one)
                if not found and marks_are_told(text, format, thinking):
                    outcome.count(row, "a mark stands alone")
                elif not found:
                    outcome.fault(row, NAMELESS, asked=[choice, parallel, thinking], text=text)


def marks_are_told(text: str, format: ToolFormat, thinking: bool | str) -> bool:
    """Return whether a reader of calls finds fault with the marks of a text. xgrammar's free text may hold
    any marks but the first one of a call; ours none, and a call may lack its opening one."""
    return bool(sg.parse_calls(text, format, tools=TOOLS, thinking=thinking).problems)


def walked(outcome: Outcome, name: str, count: int, seed: int) -> None:
    """Read walks of structgen's grammar back."""
    format, row = FORMATS[name], f"{name}\twalks"
    listed, tokens = list(cases(format)), vocabulary(format)
    for index, (choice, parallel, thinking) in enumerate(listed):
        walker = Walker(grammar_of(format, choice, parallel, thinking), tokens)
        source = random.Random(f"{seed} {name} {index} walks")
        for _ in range(-(-count // len(listed))):
            outcome.count(row, "texts")
            outcome.count(row, "calls", len(read_back(walker.draw(source), format, thinking).calls))


def drawn(drawer: Walker | Peer, source: random.Random, tries: int) -> Iterator[str]:
    """Yield the texts of so many walks, without those that were given up."""
    texts = (drawer.draw(source) for _ in range(tries))
    return (text for text in texts if text is not None)


def read_back(text: str, format: ToolFormat, thinking: bool | str) -> sg.Reply:
    """Return what is read of a text of our grammar, which must be whole and without faults; a call in a text
    may lack its opening mark."""
    reply = sg.parse_calls(text, format, tools=TOOLS, thinking=thinking)
    faults = [one for one in reply.problems if not re.search("mark that opens|opening mark", one.what)]
    assert reply.partial is None and not faults, (text, reply)
    assert reply.complete or reply.problems, (text, reply)
    assert all(call.name in ("search", "move") for call in reply.calls)
    for call in reply.calls:
        call.value()  # raises for arguments that the schema refuses
    return reply


class Formats(Question):
    """Holds texts of formats to the other side."""

    name = "tool-formats"
    keys = ("format", "source")
    figures = ("texts", "calls", "differences", NAMELESS, *NAMES)
    bad = (NAMELESS, UNREAD)

    @classmethod
    def add_options(cls, parser: argparse.ArgumentParser) -> None:
        parser.set_defaults(timeout=36_000.0)
        parser.add_argument("--count", type=int, default=500)
        parser.add_argument("--walks", type=int, default=0)

    def cases(self, wanted: Callable[[str], bool]) -> Iterator[Named]:
        return (Named(name) for name in FORMATS if wanted(name))

    def judged(self, case: Named) -> Outcome:
        outcome, options = Outcome(case.name), self.options
        try:
            if options.count and case.name in peers():
                compared(outcome, case.name, options.count, options.seed)
            if options.walks:
                walked(outcome, case.name, options.walks, options.seed)
        except AssertionError as error:
            outcome.fault(f"{case.name}\t{UNREAD}", UNREAD, str(error))
        return outcome

    def about(self) -> dict[str, object]:
        return {"versions": versions("xgrammar"), "seed": self.options.seed}


if __name__ == "__main__":
    sys.exit(run(Formats, __doc__))
