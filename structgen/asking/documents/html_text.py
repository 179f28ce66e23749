"""Extracts the text of an HTML page. Headings, paragraphs, lists and tables are written as in Markdown.

For example `<h1>News</h1><p>Hello.</p>` becomes the heading `# News` and the paragraph `Hello.`.
"""

from __future__ import annotations

import re
import sys
import warnings
from typing import Any, Final

from structgen.asking.documents.page_encodings import decode_page

_HIDING: Final = re.compile(
    r"display\s*:\s*none|visibility\s*:\s*(?:hidden|collapse)"
    r"|(?:font-size|opacity)\s*:\s*(?:0+(?:\.0*)?|\.0+)[a-z%]*\s*(?:[;!]|$)",
    re.IGNORECASE,
)
"""Styles of what nobody sees: `display: none`, `visibility: hidden`, `font-size: 0px`, `opacity: .0`."""
_BLANKS: Final = re.compile(r"[\t\r\n ]{64,}")
"""White space that is made short: the patterns of markdownify take the square of its length."""
MARKS: Final = 10
"""Quotes and lists inside each other whose lines begin with a mark or are indented; deeper ones are as those
around them, so that a line has no more marks than a reader counts."""
_MARKED: Final = ("blockquote", "dd", "li")
"""Tags whose text gets a mark or an indent at the beginning of each line."""
_BARE: Final = "a b code del em i img kbd s samp strong".split()
"""Tags of which the text alone is taken."""
FRAMES: Final = 20_000
"""Calls inside calls: some four for each tag inside others. They are calls of Python, which need no stack."""


def html_text(data: bytes) -> tuple[str, tuple[str, ...]]:
    """Return the text of a page, and remarks about its encoding and about what was left out.

    Text that a reader does not see is left out, and told: of `hidden`, `aria-hidden` and `template`, and
    where the style of a tag says so; what a style sheet says of classes is not read. Scripts, styles and
    pictures have no text. A raised text has `^` before it: a footnote is no digit of the number before.

    Lines of quotes and lists have at most MARKS marks. Raises OptionError where `decode_page` does, and
    RecursionError for tags inside each other, some four calls deep each. Cost: some 4 s a megabyte of short
    paragraphs, the square of the depth of tags.
    """
    from bs4 import BeautifulSoup  # optional: beautifulsoup4
    from bs4.element import PreformattedString  # optional: beautifulsoup4
    from markdownify import MarkdownConverter  # optional: markdownify

    text, remarks = decode_page(data)
    with warnings.catch_warnings(action="ignore"):  # of pages that are XHTML
        page = BeautifulSoup(text, "lxml")
    for tag in page.find_all(["script", "style"]):
        tag.decompose()
    hidden = []
    for tag in page.find_all(_is_hidden):
        hidden.append(tag.get_text(" "))
        tag.decompose()
    for tag in page.find_all("sup"):
        tag.insert(0, "^")
    for tag in page.find_all("title"):
        tag.name = "p"
    for string in page.find_all(string=_BLANKS):
        if not isinstance(string, PreformattedString) and string.find_parent("pre") is None:
            string.replace_with(_BLANKS.sub(lambda blanks: "\n" if "\n" in blanks[0] else " ", string))
    depths = {id(page): 0}
    for tag in page.find_all(True):
        depths[id(tag)] = depths[id(tag.parent)] + (tag.name in _MARKED)
        if depths[id(tag)] > MARKS and tag.name in _MARKED:
            tag.name = "div"
    writer = MarkdownConverter(
        bullets="-",
        escape_asterisks=False,
        escape_misc=False,
        escape_underscores=False,
        heading_style="ATX",
        strip=_BARE,
        strip_pre="strip_one",  # in linear time
        table_infer_header=True,
    )
    frames = sys.getrecursionlimit()
    sys.setrecursionlimit(FRAMES)
    try:
        markdown = writer.convert_soup(page)
    finally:
        sys.setrecursionlimit(frames)
    markdown = re.sub(r"(?<![^\S\n])[^\S\n]++\n", "\n", markdown)
    return re.sub(r"\n{3,}", "\n\n", markdown).strip(), remarks + left_out(" ".join(hidden), "hidden")


def left_out(text: str, kind: str) -> tuple[str, ...]:
    """Return a remark about text that was left out, with its beginning; none where it is empty."""
    text = " ".join(text.split())
    return (f"{len(text)} characters of {kind} text are left out: {text[:60]!r}.",) if text else ()


def _is_hidden(tag: Any) -> bool:
    return (
        tag.name == "template"
        or tag.has_attr("hidden")
        or tag.get("aria-hidden") == "true"
        or _HIDING.search(tag.get("style") or "") is not None
    )
