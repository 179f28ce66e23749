"""Draw the pictures of the docs anew, and keep the structure of each page that a picture shows.

    python scripts/pictures.py                  draw all pictures; chromium is needed
    python scripts/pictures.py evidence.png     draw one

A *picture* is a file of docs/: a screenshot of a page, or an SVG. Its *page* is made here, from data that
stand below or from what an embedded model writes. docs/pictures.json has a digest of each page's *structure*:
its style, its headings, and which elements stand inside which. It does not change with the number of rows or
with a figure. tests/test_pictures.py fails where the structure is another one: the picture shows an old page.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tempfile
import warnings
from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from hashlib import sha256
from html import escape
from html.parser import HTMLParser
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final, NamedTuple

import structgen as sg
from structgen.asking.documents.sheets import Sheet, sheet_finder
from structgen.asking.grounding.evidence import evidence_of
from structgen.asking.grounding.stated_text import stated_text
from structgen.decoding.samplers.report import report
from structgen.decoding.samplers.report_page import page_of as report_page
from structgen.doors.extraction.extraction_page import page_of as extraction_page
from structgen.doors.extraction.found_items import FoundItem, FoundValue, add_sheets

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
DIGESTS = DOCS / "pictures.json"
BROWSERS = ("chromium", "chromium-browser", "google-chrome")

LETTER = """\
Harbour Books
12 Quay Street, Galway

Invoice HB-2026 0417 of 9 October 2026

Dear Ms Okafor,

thank you for your order: two copies of “The Salt Path” at 11.50 euros each, and one “Atlas of Remote \
Islands” at 38.40 euros. The total is 61.40 euros, and your account has 1.204 points now. Please pay by \
23 October 2026 to IE29 AIBK 9311 5212 3456 78, or write to accounts@harbour-books.example.

With kind regards,
Tomás Ó Briain, Harbour Books
"""
BILL = {
    "shop": "Harbour Books",
    "customer": "Ms Okafor",
    "invoice": "HB-20260417",
    "issued": "2026-10-09",
    "due": "2026-10-23",
    "items": [
        {"title": "The Salt Path", "count": 2, "price": Decimal("11.50")},
        {"title": "Atlas of Remote Islands", "count": 1, "price": Decimal("38.40")},
    ],
    "total": Decimal("61.40"),
    "points": 1204,
    "account": "IE29AIBK93115212345678",
    "signed": "Tomás Ó Briain",
    "currency": "EUR",
}
CONTRACT = (
    """\
Service agreement

between Harbour Logistics GmbH, Hamburg (the Client), and Brightwater Analytics Ltd, Galway (the Provider).

1. Subject
The Provider sets up a forecast of the Client's container traffic, and operates it for two years.

2. Fees
Harbour Logistics GmbH pays EUR 48,500.00 for the set-up by 15 March 2026, and EUR 3,200.00 a month for the \
operation, on the first working day of each month.""",
    """\
3. Late forecasts
If fewer than nine tenths of a month's forecasts arrive in time, Brightwater Analytics Ltd pays back \
EUR 400.00 for late forecasts of that month.

4. Liability
The Provider's liability is limited to EUR 250,000.00 a year, except for intent and gross negligence.""",
    """\
5. Acceptance
The set-up is accepted when the forecasts of ten working days in a row meet clause 3. Upon acceptance the \
set-up fee of EUR 45,800.00 falls due, on 15 March 2026 at the latest.

6. Term and notice
The agreement is extended by twelve months each, unless a party gives notice of three months.""",
)
PAYMENTS: Sequence[tuple[tuple[int, ...], Sequence[tuple[str, Any, str, float]]]] = (
    (
        (1, 3),
        (
            ("/party", "Harbour Logistics GmbH", "Harbour Logistics GmbH pays", 0.98),
            ("/purpose", "set-up", "set-up by", 0.97),
            ("/amount", Decimal("48500.00"), "48,500.00", 0.71),
            ("/due", "2026-03-15", "15 March 2026, and", 0.96),
        ),
    ),
    (
        (1,),
        (
            ("/party", "Harbour Logistics GmbH", "Harbour Logistics GmbH pays", 0.97),
            ("/purpose", "operation", "operation, on", 0.92),
            ("/amount", Decimal("3200.00"), "3,200.00", 0.99),
            ("/due", "first working day of each month", "first working day of each month", 0.9),
        ),
    ),
    (
        (2,),
        (
            ("/party", "Brightwater Analytics Ltd", "Brightwater Analytics Ltd pays", 0.95),
            ("/purpose", "late forecasts", "late forecasts of", 0.88),
            ("/amount", Decimal("400.00"), "400.00", 0.98),
            ("/due", "that month", "that month", 0.42),
        ),
    ),
    (
        (2,),
        (
            ("/party", "The Provider", "The Provider's liability", 0.6),
            ("/purpose", "liability", "liability is", 0.55),
            ("/amount", Decimal("250000.00"), "250,000.00", 0.98),
            ("/due", "a year", "a year,", 0.38),
        ),
    ),
)
"""The pieces of each item, and its fields: path, value, the text that begins at the place, confidence. The
last item is doubtful."""
ORDER = {
    "type": "object",
    "properties": {
        "customer": {"type": "string"},
        "order": {"type": "string", "pattern": "^[A-Z]{2}-[0-9]{4}$"},
        "arrives": {"type": "string", "format": "date-time"},
        "items": {"type": "array", "items": {"type": "string"}, "maxItems": 3},
    },
    "required": ["customer", "order", "arrives", "items"],
    "additionalProperties": False,
}
PERSON = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "age": {"type": "integer"}, "city": {"type": "string"}},
    "required": ["name", "age", "city"],
}


def evidence() -> str:
    """Return the page of evidence of a bill; the answer and its confidences are written by hand."""
    found = evidence_of(BILL, stated_text((("letter", LETTER),)))
    sure = {value.path: 0.44 if value.path == "/signed" else 0.97 for value in found}
    return replace(found, confidences=sure).page()


def extract() -> str:
    """Return the page of an extraction from a contract of three sheets; the items are written by hand."""
    name, text = "service-agreement.pdf", "\n\n".join(CONTRACT)
    starts = [text.index(part) for part in CONTRACT]
    sheets = [Sheet(start, number, len(starts), str(number)) for number, start in enumerate(starts, 1)]
    items = []
    for pieces, fields in PAYMENTS:
        values = [
            FoundValue(
                path, value, text.index(words), text.index(words) + _length(value, words), pieces[0], sure
            )
            for path, value, words, sure in fields
        ]
        item = FoundItem(name, {value.path[1:]: value.value for value in values}, tuple(values), pages=pieces)
        if len(pieces) > 1:
            start = text.index("45,800.00")
            other = FoundValue("/amount", Decimal("45800.00"), start, start + 9, pieces[1], 0.64)
            item = replace(item, conflicts=(other,))
        items.append(add_sheets(item, sheet_finder(text, sheets)))
    return extraction_page({name: text}, items[:-1], [], items[-1:], {name: name})


def _length(value: Any, words: str) -> int:
    """Return the number of the characters of `words` that state a value."""
    match = re.match(r"[\d,]+\.\d+|\d+ \w+ \d+", words)
    return len(match[0] if match else value)


def trace() -> str:
    """Return the page of the tokens of an answer."""
    engine = sg.Engine("structgen/extract")
    prompt = "Zorvik's order ZK-2041 of a lamp and a desk arrives on 4 May 2026."
    (result,) = engine.generate(sg.Request(prompt, sg.json_schema(ORDER)))
    return engine.trace(result, title="structgen generate: stop").page


def infilling() -> str:
    """Return the page of an infilling, step by step."""
    prompt = "Maria Keller is 34 years old and lives in Hamburg."
    # the times are those of a second call: the first one also loads what both need
    _, found = (sg.infill("structgen/infill", grammar=PERSON, prompt=prompt, slots=32) for _ in range(2))
    with tempfile.TemporaryDirectory() as folder:
        found.write_trace(Path(folder) / "page.html")
        return (Path(folder) / "page.html").read_text(encoding="utf-8")


def sample_report() -> str:
    """Return the page of a report on draws, beside draws by masking."""
    schema = json.loads((ROOT / "examples/lamp.schema.json").read_text(encoding="utf-8"))
    prompt = "Zorvik took a big lamp or two, and some of it is paid."
    with warnings.catch_warnings():
        # that masking draws from another law is what the page shows
        warnings.simplefilter("ignore", sg.errors.DrawsWarning)
        draws, masked = (
            sg.sample("structgen/extract-draft", prompt, schema, 200, method=method, max_tokens=60)
            for method in ("beams", "masked")
        )
    return report_page(draws, report(draws, masked))


@dataclass
class Event:
    title: str
    city: str
    year: int


def stream() -> str:
    """Return an SVG of the partial objects of a stream. Lines appear one after the other, and stay; a viewer
    without animations shows all of them."""

    @sg.generate(model="structgen/extract", speculation="off")
    def event(text: str) -> Event:
        """Extract the event from: {text}"""
        return sg.filled()

    partials = list(event.stream("The World Expo was held in Osaka in 2025."))
    lines = ["for partial in event.stream(text): print(partial.json)"]
    lines += dict.fromkeys(repr(partial.json) for partial in partials)
    lines += ["print(partial.result)", repr(partials[-1].result)]
    height = 22 * len(lines) + 36
    rows = []
    for index, line in enumerate(lines):
        kind = {0: "call", len(lines) - 2: "line call", len(lines) - 1: "line done"}.get(index, "line")
        delay = f' style="animation-delay: {0.35 * index:.2f}s"' if index else ""
        place = f'x="20" y="{22 * index + (36 if index else 30)}"'
        rows.append(f'<text class="{kind}"{delay} {place}>{escape(line)}</text>')
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="760" height="{height}" role="img">'
        "<title>A stream of partial objects</title><style>\n"
        "text { font: 14px ui-monospace, Menlo, Consolas, monospace; fill: #d6deeb }\n"
        ".call { fill: #7fdbca } .done { fill: #ecc48d }\n"
        ".line { animation: appear 0.2s both }\n"
        "@keyframes appear { from { opacity: 0 } to { opacity: 1 } }\n"
        f'</style><rect width="760" height="{height}" rx="8" fill="#011627"/>{"".join(rows)}</svg>\n'
    )


class Picture(NamedTuple):
    """How a picture is made."""

    make_page: Callable[[], str]
    width: int = 0
    """Pixels of the window; 0: the page is an SVG, which is the picture."""
    height: int = 0
    script: str = ""
    """JavaScript that runs in the page before the screenshot."""


PICTURES = {
    "evidence.png": Picture(evidence, 1280, 960),
    "extract.png": Picture(extract, 1280, 720, "document.querySelector('.line .other').click();"),
    "trace.png": Picture(trace, 900, 560),
    "infilling.png": Picture(infilling, 1100, 700),
    # the part of the page from its third heading on
    "sample-report.png": Picture(
        sample_report,
        960,
        1450,
        "const first = document.querySelectorAll('h2')[2];"
        "while (document.querySelector('h1 ~ *') != first) document.querySelector('h1 ~ *').remove();"
        "document.querySelector('h1').remove();",
    ),
    "stream.svg": Picture(stream),
}


class Structure(HTMLParser):
    """Which elements of a page stand inside which, its headings, and its style."""

    _HEADINGS = ("h1", "h2", "th", "style")
    _EMPTY = ("meta", "img", "link", "br", "input")
    _ENDED_BY: Final[Mapping[str, Sequence[str]]] = {
        **dict.fromkeys(("td", "th"), ("td", "th")),
        **dict.fromkeys(("dd", "dt"), ("dd", "dt")),
        "tr": ("td", "th", "tr"),
        "li": ("li",),
    }
    """The elements that a tag ends, whose own end tags may be left out."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.parts = set[str]()
        self._path = list[str]()
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        # the classes of colours say which field it is
        classes = {
            name for name in (dict(attrs).get("class") or "").split() if not re.fullmatch(r"c\d+", name)
        }
        while self._path and self._tag() in self._ENDED_BY.get(tag, ()):
            self._path.pop()
        self._path.append(".".join([tag, *sorted(classes)]))
        self.parts.add(" > ".join(self._path))
        if tag in self._EMPTY:
            self._path.pop()

    def handle_endtag(self, tag: str) -> None:
        if any(name.partition(".")[0] == tag for name in self._path):
            while self._path.pop().partition(".")[0] != tag:
                pass

    def handle_data(self, data: str) -> None:
        if self._path and self._tag() in self._HEADINGS and data.strip():
            self.parts.add(f"{self._tag()}: {data.strip()}")

    def _tag(self) -> str:
        return self._path[-1].partition(".")[0]


def digest_of(page: str) -> str:
    """Return the digest of the structure of a page."""
    return sha256("\n".join(sorted(Structure(page).parts)).encode()).hexdigest()[:16]


def _with_script(page: str, script: str) -> str:
    """Return a page that runs a script. Where it has one of its own, the policy allows both."""
    own_scripts = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    if not own_scripts:
        return f"{page}<script>{script}</script>"
    old, new = (
        b64encode(sha256(text.encode()).digest()).decode()
        for text in (own_scripts[0], own_scripts[0] + script)
    )
    return page.replace(old, new).replace(own_scripts[0], own_scripts[0] + script)


def draw(name: str) -> str:
    """Write a picture, and return the digest of its page. Raises SystemExit without a browser."""
    picture = PICTURES[name]
    page = picture.make_page()
    if not picture.width:
        (DOCS / name).write_text(page, encoding="utf-8")
        return digest_of(page)
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        raise SystemExit(f"No browser draws {name}. Install chromium.")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "page.html"
        path.write_text(_with_script(page, picture.script), encoding="utf-8")
        options = "--headless --no-sandbox --disable-gpu --hide-scrollbars --virtual-time-budget=2000"
        options += " --run-all-compositor-stages-before-draw"
        size, profile = f"--window-size={picture.width},{picture.height}", f"--user-data-dir={folder}/profile"
        command = [browser, *options.split(), size, profile, f"--screenshot={DOCS / name}", path.as_uri()]
        subprocess.run(command, check=True, capture_output=True, timeout=600)
    if find_spec("PIL"):
        from PIL import Image

        # 128 colours are enough for these pages, and make a third of the file
        Image.open(DOCS / name).convert("RGB").quantize(128).save(DOCS / name, optimize=True)
    return digest_of(page)


def main(names: Sequence[str]) -> None:
    digests = json.loads(DIGESTS.read_text(encoding="utf-8")) if DIGESTS.exists() else {}
    for name in names or PICTURES:
        digests[name] = draw(name)
        print(f"docs/{name}")
    DIGESTS.write_text(json.dumps(digests, indent=1, sort_keys=True) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
