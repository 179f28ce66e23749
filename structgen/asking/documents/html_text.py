"""Extracts the text of an HTML page. Headings, paragraphs, lists and tables are written as in Markdown.

A *tag* is an element of the page. *Hidden* text is text that a reader of the page does not see; it is left
out. A *remark* is a sentence about what was left out or guessed. A *mark* is what Markdown writes at the
beginning of each line of a quote or list: `> ` or an indent. For example `<h1>News</h1><p>Hello.</p>` becomes
the heading `# News` and the paragraph `Hello.`.
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
"""The styles of hidden text: `display: none`, `visibility: hidden`, `font-size: 0px`, `opacity: .0`."""
_BLANKS: Final = re.compile(r"[\t\r\n ]{64,}")
"""Runs of white space that are shortened to one character. The patterns of markdownify take time in the
square of the length of a run; runs below 64 characters do not matter."""
MARKS: Final = 10
"""The depth of quotes and lists inside each other up to which lines get marks. Deeper ones are written like
the text around them, so that no line has very many marks."""
_MARKED: Final = ("blockquote", "dd", "li")
"""Tags whose text gets a mark or an indent at the beginning of each line."""
_BARE: Final = "a b code del em i img kbd s samp strong".split()
"""Tags that are dropped, while their text is kept."""
FRAMES: Final = 20_000
"""The recursion limit while the text is written: some four calls for each level of tags. These are calls of
Python functions, which do not use up the stack of C."""


def html_text(data: bytes) -> tuple[str, tuple[str, ...]]:
    """Return the text of a page, and remarks about its encoding and about what was left out.

    Hidden text is left out, with a remark: the text of tags with `hidden` or `aria-hidden`, of `template`,
    and of tags with a style of `_HIDING`. Style sheets are not read. Scripts, styles and pictures have no
    text. A superscript gets `^` before it, so that the footnote 2 of `10<sup>2</sup>` does not make 102.

    Lines of quotes and lists have at most MARKS marks. Raises OptionError where `decode_page` does, and
    RecursionError where tags are nested too deeply for FRAMES. Cost: some 4 s for a megabyte of short
    paragraphs, and the square of the depth of tags.
    """
    from bs4 import BeautifulSoup  # optional: beautifulsoup4
    from bs4.element import PreformattedString  # optional: beautifulsoup4
    from markdownify import MarkdownConverter  # optional: markdownify

    text, remarks = decode_page(data)
    with warnings.catch_warnings(action="ignore"):  # about pages that are XHTML
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
    # For each tag, by its id: how many tags of _MARKED it is inside, itself included.
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
        strip_pre="strip_one",  # takes linear time
        table_infer_header=True,
    )
    frames = sys.getrecursionlimit()
    sys.setrecursionlimit(FRAMES)
    try:
        markdown = writer.convert_soup(page)
    finally:
        sys.setrecursionlimit(frames)
    # Blanks at the ends of lines go, and more than one empty line in a row becomes one.
    markdown = re.sub(r"(?<![^\S\n])[^\S\n]++\n", "\n", markdown)
    return re.sub(r"\n{3,}", "\n\n", markdown).strip(), remarks + left_out(" ".join(hidden), "hidden")


def left_out(text: str, kind: str) -> tuple[str, ...]:
    """Return a tuple of one remark about text that was left out; an empty tuple where `text` is blank.

    `kind` is an adjective, such as "hidden". The remark quotes the first 60 characters.
    """
    text = " ".join(text.split())
    return (f"{len(text)} characters of {kind} text are omitted: {text[:60]!r}.",) if text else ()


def _is_hidden(tag: Any) -> bool:
    """Return whether a reader of the page does not see the text of a tag."""
    return (
        tag.name == "template"
        or tag.has_attr("hidden")
        or tag.get("aria-hidden") == "true"
        or _HIDING.search(tag.get("style") or "") is not None
    )
