"""The incremental reader of replies: pieces of any size give what the whole gives, at a constant cost for
each character; heads that are lost, calls of sibling formats, and marks that a text quotes."""

from __future__ import annotations

import random
import re
from collections.abc import Iterable
from typing import Any

import pytest
from for_each import for_each
from malformed_replies import malformed
from reply_texts import MARKS, TEXTS, TOOLS, reply, words
from test_call_formats import EXAMPLES
from test_call_formats import TOOLS as WEATHER

import structgen as sg
from structgen.asking.tool_calls import call_texts
from structgen.asking.tool_calls.call_reader import CallReader
from structgen.asking.tool_calls.call_texts import LooseJson
from structgen.asking.tool_calls.call_writing import write_calls
from structgen.asking.tool_calls.format_marks import marks_of
from structgen.asking.tool_calls.format_rows import FORMATS
from structgen.asking.tool_calls.tool_definitions import read_tools

SEARCHER, BEGINNINGS = call_texts.marks_pattern, call_texts._partial_marks_pattern
FEED, TAKE = LooseJson.feed, LooseJson._take_token
KNOWN = read_tools([*TOOLS[:1], *TOOLS[2:], *WEATHER])


def events_of(reader: CallReader, pieces: Iterable[str]) -> list[tuple[str, str, int]]:
    """Return the events of a reply, with what goes on in one of them joined."""
    found: list[tuple[str, str, int]] = []
    for event in [
        *(one for piece in pieces for one in reader.read_piece(piece)),
        *reader.read_piece("", is_last=True),
    ]:
        if event.kind in ("text", "thoughts", "arguments") and found and found[-1][::2] == event[::2]:
            found[-1] = event.kind, found[-1][1] + event.text, event.call
        else:
            found.append(tuple(event))  # type: ignore[arg-type]
    return found


def some_reply(source: random.Random, format: str) -> str:
    """Return a reply of one of several kinds: written as it should be, with faults, or marks among texts."""
    kind = source.randrange(4)
    if kind == 0:
        text = reply(source, format, source.randrange(1, 3))[0]
    elif kind == 1:
        text = source.choice(malformed(format))
    elif kind == 2:
        text = source.choice(TEXTS) + EXAMPLES[format] + EXAMPLES[source.choice([*FORMATS])]
    else:
        text = "".join(source.choice([source.choice(MARKS), words(source, 5)]) for _ in range(6))
    return text[: source.randrange(len(text) + 1)] if source.randrange(4) == 0 else text


@pytest.mark.parametrize("count", [14, pytest.param(700, marks=pytest.mark.slow)])
@for_each("format", FORMATS)
def test_pieces_of_any_size_give_the_events_of_the_whole(format: str, count: int) -> None:
    source = random.Random(f"pieces {format}")
    for _ in range(count):
        text, tools = some_reply(source, format), source.choice([None, KNOWN])
        thinking: Any = source.choice([True, False, "auto"])
        whole = CallReader(FORMATS[format], tools, thinking)
        events = events_of(whole, [text])
        cuts = sorted(source.choices(range(len(text) + 1), k=3))
        for pieces in (text, [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]):
            reader = CallReader(FORMATS[format], tools, thinking)
            assert events_of(reader, pieces) == events, text
            assert repr(reader.build_reply()) == repr(whole.build_reply()), text


@for_each("format", FORMATS)
def test_pieces_of_marks_give_the_events_of_the_whole(format: str) -> None:
    """Each mark of the format, and half of it, at the beginning and behind a call whose section goes on,
    with white space behind it or not."""
    row, marks = FORMATS[format], marks_of(FORMATS[format])
    listed = {*marks.openings, *marks.lost, *marks.strays, *marks.edges[0], *marks.edges[1], *row.thinking}
    begun = EXAMPLES[format].removesuffix(row.section[1])
    for mark in sorted({*listed, *row.text, row.preamble, *(one[: len(one) // 2] for one in listed)}):
        for text in (f"{before}{mark}{after}" for before in ("", begun) for after in ("", "\n\n<", " x")):
            whole, reader = (CallReader(row, KNOWN, True) for _ in range(2))
            assert events_of(reader, text) == events_of(whole, [text]), text
            assert repr(reader.build_reply()) == repr(whole.build_reply()), text


@for_each("format", FORMATS)
def test_events_are_what_the_reply_consists_of(format: str) -> None:
    source = random.Random(f"events {format}")
    for _ in range(8):
        text = some_reply(source, format)
        reader = CallReader(FORMATS[format], KNOWN)
        events, read = events_of(reader, text), reader.build_reply()
        calls = [*read.calls, *([] if read.partial is None else [read.partial])]
        assert "".join(said for kind, said, _ in events if kind == "text") == read.text
        assert "".join(said for kind, said, _ in events if kind == "thoughts") == (read.thinking or "")
        assert [said for kind, said, _ in events if kind == "call"] == [call.name for call in calls]
        assert [call for kind, _, call in events if kind == "end"] == [*range(len(read.calls))]
        for number, call in enumerate(calls):
            told = [said for kind, said, of in events if (kind, of) == ("arguments", number)]
            assert "".join(told) == call.begun


class Counted:
    """A pattern that counts the characters that it may look at."""

    taken = 0

    def __init__(self, pattern: re.Pattern[str]) -> None:
        self.pattern = pattern

    def search(self, text: str, *at: int) -> Any:
        found = self.pattern.search(text, *at)
        Counted.taken += (len(text) if found is None else found.end()) - sum(at[:1])
        return found

    def match(self, text: str, *at: int) -> Any:
        found = self.pattern.match(text, *at)
        Counted.taken += 1 if found is None else len(found[0])
        return found


@pytest.mark.parametrize("size", [2000, pytest.param(40_000, marks=pytest.mark.slow)])
@for_each("format", FORMATS)
def test_a_character_costs_the_same_wherever_it_stands(
    format: str, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The work is counted in characters that patterns look at and that the reader of JSON takes; arguments
    come at once, two characters late at most."""
    row = FORMATS[format]

    def counting(self: LooseJson, text: str, at: int, stop: int) -> Any:
        Counted.taken += stop - at
        return FEED(self, text, at, stop)

    monkeypatch.setattr(call_texts, "marks_pattern", lambda *one, **more: Counted(SEARCHER(*one, **more)))
    monkeypatch.setattr(
        call_texts, "_partial_marks_pattern", lambda *one: (Counted(BEGINNINGS(*one)[0]), BEGINNINGS(*one)[1])
    )
    monkeypatch.setattr(LooseJson, "feed", counting)
    counts = []
    for length in (size // 2, size):
        Counted.taken, told, late = 0, 0, 0
        text = write_calls([sg.Call("f", {"text": "ab c" * (length // 4)}, "call_0")], row)
        text = row.text[1] + text + row.end if row.text and not row.blocks else text
        begin = text.index("ab c")
        reader = CallReader(row, KNOWN, False)
        for at, char in enumerate(text):
            told += sum(len(one.text) for one in reader.read_piece(char) if one.kind == "arguments")
            if begin <= at < begin + length:
                late = max(late, at - begin - told)
        reader.read_piece("", is_last=True)
        assert [len(call.arguments["text"]) for call in reader.build_reply().calls] == [length]
        assert late <= 2
        counts.append(Counted.taken)
    assert counts[1] < 2.1 * counts[0] + 2000


HOSTILE = [
    ("hermes", '{"name": "f", "arguments": {"a": '),
    ("hermes", '<tool_call>\n{"name": "f", "arguments": {"a": '),
    ("llama", '{"a": {"b": '),
    ("mistral", '[TOOL_CALLS]f[ARGS]{"a": "b '),
    ("kimi", "<|tool_call_begin|>f"),
    ("harmony", " to=f"),
    ("harmony", "<|channel|>commentary to=f "),
    ("qwen_3_coder", "<tool_call>\n<function=f>\n<parameter=a>\n"),
]


@for_each(("format", "part"), HOSTILE)
def test_beginnings_of_calls_are_read_in_linear_time(
    format: str, part: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken = [0]

    def counting(self: LooseJson, said: str) -> int:
        taken[0] += len(said)
        return TAKE(self, said)

    monkeypatch.setattr(LooseJson, "_take_token", counting)
    counts = []
    for times in (150, 300):
        taken[0] = 0
        sg.parse_calls(part * times, format, tools=KNOWN)
        counts.append(taken[0])
    assert counts[1] < 2.2 * counts[0] + 1000


# --- marks that a text quotes -------------------------------------------------------------------------------

QUOTED = (
    "A call begins with `{}`.",
    'Write "{}" and then the name.',
    "{} is the mark; {} is not written twice.",
    "```\n{}\n```\nSo.",
)


@for_each("format", FORMATS)
def test_marks_that_a_text_quotes_are_text(format: str) -> None:
    """Nothing is called, and nothing is lost. In formats whose replies are blocks, inside of one."""
    row = FORMATS[format]
    marks = [*row.triggers, *row.section, *(one.partition("$")[0] for one in (*row.calls, *row.heads))]
    begin, end = (row.text[0], row.text[1]) if row.text else ("", "")
    for mark in filter(None, dict.fromkeys(marks)):
        for quoted in QUOTED:
            text = quoted.replace("{}", mark)
            if any(one in text for one in row.text[1:]):
                continue
            for tools in (None, KNOWN):
                read = sg.parse_calls(begin + text + end, format, tools=tools, thinking=False)
                assert [call for call in read.calls if call.error is None] == [], text
                assert read.partial is None or read.partial.error is not None, text
                if not read.calls and read.partial is None:
                    assert read.text == text


# --- heads that are lost, and calls of siblings -------------------------------------------------------------

EXEC = {"type": "object", "properties": {"cmd": {"type": "string"}}, "required": ["cmd"]}
NAMED = [{"name": name, "inputSchema": EXEC} for name in ("exec", "read_file")]
JSON = '{"cmd": "ls"}'


@for_each("blank", [" ", "\n", "\n  "])
@for_each("format", FORMATS)
def test_blanks_around_the_name_of_a_tool_are_none_of_it(format: str, blank: str) -> None:
    row = FORMATS[format]
    if marks_of(row).object is not None:
        return  # the name is a string of JSON
    call = write_calls([sg.Call("exec", {"cmd": "ls"}, "call_0")], row)
    call = f"x{row.text[1]}{call}" if row.text and not row.blocks else call
    for name in (f"{blank}exec", f"exec{blank}", f"{blank}exec{blank}"):
        read = sg.parse_calls(call.replace("exec", name), format, tools=NAMED, thinking=False)
        assert [(one.name, dict(one.arguments)) for one in read.calls] == [("exec", {"cmd": "ls"})], name
        assert read.text.strip() in ("", "x") and read.calls[0].error is None


@for_each("between", ["", "\n", ", "])
@for_each(
    "format", [one for one, row in FORMATS.items() if row.siblings and row.triggers == ("<tool_call>",)]
)
def test_several_calls_in_one_tag_are_all_read(format: str, between: str) -> None:
    calls = [f'{{"name": "{name}", "arguments": {JSON}}}' for name in ("exec", "read_file", "exec")]
    for end in ("</tool_call>", "\n</tool_call>"):
        read = sg.parse_calls(f"<tool_call>\n{between.join(calls)}{end}", format, tools=NAMED, thinking=False)
        assert [one.name for one in read.calls] == ["exec", "read_file", "exec"]
        assert read.text.strip(" ,\n") == "" and all(one.error is None for one in read.calls)


@for_each("null", ["null", "None"])
@for_each(
    "format",
    [one for one, row in FORMATS.items() if not row.member and row.calls[0].partition("$arguments")[2]],
)
def test_arguments_that_are_null_are_none(format: str, null: str) -> None:
    call = write_calls([sg.Call("read_file", {"cmd": "x"}, "call_0")], format).replace('{"cmd": "x"}', null)
    for pieces in ([call], call):
        reader = CallReader(FORMATS[format], read_tools(NAMED), False)
        events_of(reader, pieces)
        (found,) = reader.build_reply().calls
        assert (found.name, found.document, found.error) == ("read_file", "{}", None)
        assert reader.build_reply().text.strip() == "" and "null" in str(reader.build_reply().problems[0])
    broken = sg.parse_calls(call.replace(null, "nix"), format, tools=NAMED, thinking=False)
    assert not [one for one in broken.calls if one.error is None]


def kimi(head: str) -> str:
    call = f"<|tool_call_begin|>{head}<|tool_call_argument_begin|>{JSON}<|tool_call_end|>"
    return f"<|tool_calls_section_begin|>{call}<|tool_calls_section_end|>"


def harmony(head: str) -> str:
    return f"<|channel|>{head}<|message|>{JSON}<|call|>"


OBJECT = f'{{"name": "exec", "arguments": {JSON}}}'
XML = "<function=exec>\n<parameter=cmd>\nls\n</parameter>\n</function>"
LOST = [
    *(("kimi", kimi(head)) for head in ("exec:0", "functions_exec_1", "functions.exec5", "functions.exec")),
    *(("kimi", kimi(head)) for head in (" functions.exec:0", " exec ", "exec", "\nfunctions.exec:12\n")),
    ("kimi", kimi("exec:0").removeprefix("<|tool_calls_section_begin|>")),
    ("harmony", harmony("analysis to=functions.exec code")),
    ("harmony", harmony("commentary to=exec")),
    ("harmony", harmony("commentary to=exec <|constrain|>json")),
    ("harmony", harmony("commentary to=functions.exec code")),
    ("harmony", " to=exec" + harmony("commentary json")),
    ("harmony", "<|start|>assistant to=functions.exec" + harmony("analysis code")),
    ("mistral", f"[TOOL_CALLS] [{OBJECT}]"),
    ("mistral", f"[TOOL_CALLS][{OBJECT}"),
    ("mistral", f"[TOOL_CALLS]{OBJECT}"),
    ("mistral_list", f"[TOOL_CALLS]exec[ARGS]{JSON}"),
    *((one, f"<tool_call>\n{OBJECT}\n</tool_call>") for one in ("qwen_3_coder", "qwen_3_5", "mimo")),
    *((one, f"<tool_call>\n{XML}\n</tool_call>") for one in ("hermes", "qwen_3", "exaone", "mimo")),
    *((one, f"<tool_call>\n[{OBJECT}]\n</tool_call>") for one in ("hermes", "qwen_3", "qwen_3_coder")),
]


@for_each(("format", "text"), LOST)
def test_a_call_whose_head_is_lost_is_read_with_a_note(format: str, text: str) -> None:
    read = sg.parse_calls(text, format, tools=NAMED)
    assert [(call.name, call.value()) for call in read.calls] == [("exec", {"cmd": "ls"})]
    assert read.text.strip() == ""
    assert read.problems and all(isinstance(one, sg.errors.LooseCallError) for one in read.problems)
    assert not read.complete


def test_several_calls_of_a_sibling_are_read() -> None:
    for format, text in (
        ("mistral", f"[TOOL_CALLS] [{OBJECT}, {OBJECT.replace('exec', 'read_file')}]"),
        ("mistral_list", f"[TOOL_CALLS]exec[ARGS]{JSON}[TOOL_CALLS]read_file[ARGS]{JSON}"),
        ("qwen_3_coder", f"<tool_call>[{OBJECT}, {OBJECT.replace('exec', 'read_file')}]</tool_call>"),
    ):
        read = sg.parse_calls(f"Well. {text} So.", format, tools=NAMED)
        assert [(call.name, call.value()["cmd"]) for call in read.calls] == [
            ("exec", "ls"),
            ("read_file", "ls"),
        ]
        assert [one.strip() for one in read.texts] == ["Well.", "", "So."]


@for_each("head", ["EXEC:0", "nope:0", "exec read_file", "", "functions.", "exec:exec", "exec read_file:0"])
def test_a_head_that_names_no_tool_is_told_and_stays_text(head: str) -> None:
    """Of no tool, of two, of one in capitals: the problem names the head, and not what stands behind."""
    for format, text in (("kimi", kimi(head)), ("harmony", harmony(f"commentary to={head}"))):
        read = sg.parse_calls(text, format, tools=NAMED)
        assert read.calls == [] and read.text == text
        assert head in read.problems[0].what.partition(" The text there is")[0]
        assert "cmd" not in read.problems[0].what.partition(" The text there is")[0]


@for_each("name", ["EXEC", "nope", "exec_1"])
def test_a_call_of_a_sibling_that_names_no_tool_stays_text(name: str) -> None:
    for format, text in LOST[15:]:
        said = text.replace("exec", name)
        read = sg.parse_calls(said, format, tools=NAMED)
        assert [call for call in read.calls if call.error is None] == [] and read.problems, said
        assert read.calls or read.text == said


def test_the_longest_name_in_a_head_counts() -> None:
    tools = [{"name": name, "inputSchema": EXEC} for name in ("exec", "exec_1")]
    for head, name in (("exec_1", "exec_1"), ("functions_exec_2", "exec"), ("exec_1:0", "exec_1")):
        assert [call.name for call in sg.parse_calls(kimi(head), "kimi", tools=tools).calls] == [name]


def test_lost_heads_without_arguments_or_without_tools_stay_text() -> None:
    for text in (kimi("exec:0").replace(JSON, "ls"), harmony("analysis to=exec code").replace(JSON, "ls -l")):
        format = "kimi" if "tool_call_begin" in text else "harmony"
        read = sg.parse_calls(text, format, tools=NAMED)
        assert read.calls == [] and read.text == text and read.problems
        assert sg.parse_calls(kimi("exec:0"), "kimi").calls == []


@for_each("format", ["mistral", "mistral_list"])
def test_thoughts_of_mistral_are_thoughts(format: str) -> None:
    read = sg.parse_calls(f"[THINK]I see [TOOL_CALLS].[/THINK]Hi. {EXAMPLES[format]}", format, tools=WEATHER)
    assert (read.thinking, read.texts, read.problems) == ("I see [TOOL_CALLS].", ["Hi. ", ""], [])
