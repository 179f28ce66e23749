"""Results that are written as JSON, as a table and as a page, to a file or as text."""

from __future__ import annotations

from collections.abc import Callable
from os import PathLike
from typing import Any, TypeAlias

from structgen.asking.pages.html_pages import frame_page
from structgen.base.system.output_files import check_path, write_output

AnyPath: TypeAlias = str | PathLike[str]


class ResultTexts:
    """The methods that write a result. `to_json` and its like take the path of a file, and return None;
    without a path they return the text. A file is written completely or not at all.

    Errors: OutputError, which is an OSError too, for a file that cannot be written; OptionError for what is
    no path of a file.
    """

    page: Callable[[], str]
    """Returns one file of HTML."""
    _json_text: Callable[[], str]
    _csv_text: Callable[[bool], str]
    _text_of: Callable[[str], str]
    """Returns the text of a file by the ending of its path, such as ".json", that is no table and no page."""

    def to_json(self, path: AnyPath | None = None) -> Any:
        """Write the result as a JSON array, or return its text."""
        return write_or_return(path, self._json_text())

    def to_csv(self, path: AnyPath | None = None, *, formulas: bool = False) -> Any:
        """Write the result as a table (RFC 4180), or return its text. A text that a spreadsheet could compute
        gets an apostrophe in front, unless `formulas` is True."""
        return write_or_return(path, self._csv_text(formulas))

    def to_html(self, path: AnyPath | None = None) -> Any:
        """Write the page of the result, one file of HTML, or return its text."""
        return write_or_return(path, self.page())

    def write(self, path: AnyPath, *, formulas: bool = False) -> None:
        """Write a file: a table if the path ends in .csv, the page if it ends in .html. To other paths
        `Evidence` writes its page, or to .json its array; an extraction writes lines of JSON. `formulas`: as
        in `to_csv`."""
        ending = check_path("path", path).suffix.lower()
        if ending == ".csv":
            self.to_csv(path, formulas=formulas)
        elif ending in (".html", ".htm"):
            self.to_html(path)
        else:
            write_output(path, self._text_of(ending))

    def _repr_html_(self) -> str:
        """Return the page in a frame; if it is too long for a notebook, a summary in place of it."""
        return frame_page(self.page(), repr(self), "allow-scripts")


def write_or_return(path: AnyPath | None, text: str) -> str | None:
    """Return a text; or write it to a file, and return None. Errors: those of `write_output`."""
    if path is None:
        return text
    write_output(path, text)
    return None
