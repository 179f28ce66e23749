"""The changelog of a release: entries move from "Unreleased" to a section with a version and a date."""

from __future__ import annotations

import re
from datetime import date

UNRELEASED = "## [Unreleased]"
_HEAD = re.compile(r"^## \[(.+?)\](?: - (\S+))?[ \t]*$", re.MULTILINE)


class ReleaseError(Exception):
    """Something is not as a release needs it. The message says what, and how to mend it."""


def sections(text: str) -> dict[str, tuple[str, str]]:
    """Return the sections of a changelog: for each name its date, "" where it has none, and its text."""
    heads = list(_HEAD.finditer(text))
    ends = [head.start() for head in heads[1:]] + [len(text)]
    return {
        head[1]: (head[2] or "", text[head.end() : end].strip())
        for head, end in zip(heads, ends, strict=True)
    }


def cut(text: str, version: str, day: date) -> str:
    """Return a changelog whose entries of "Unreleased" stand below a version and its day.

    "Unreleased" stays above it, empty. Raises ReleaseError where the version has a section already, or where
    nothing is to be released.
    """
    found = sections(text)
    if version in found:
        raise ReleaseError(
            f"CHANGELOG.md has {version} already. Set another version in structgen/__init__.py."
        )
    if not found.get("Unreleased", ("", ""))[1]:
        raise ReleaseError(f'CHANGELOG.md has no entry below "{UNRELEASED}". Write what this version brings.')
    return text.replace(f"{UNRELEASED}\n", f"{UNRELEASED}\n\n## [{version}] - {day.isoformat()}\n", 1)


def section(text: str, version: str) -> str:
    """Return the entries of a version. Raises ReleaseError where there are none, or they have no date."""
    day, entries = sections(text).get(version, ("", ""))
    if not entries:
        raise ReleaseError(
            f"CHANGELOG.md has no section {version}. Run `python scripts/release cut`, and commit."
        )
    try:
        date.fromisoformat(day)
    except ValueError:
        raise ReleaseError(
            f'Section {version} of CHANGELOG.md has the date {day!r}. Write "## [{version}] - 2026-12-31".'
        ) from None
    return entries
