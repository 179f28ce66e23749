"""A release: the files that are uploaded, made from a commit, compared, installed and tried.

    python scripts/release cut [--date 2026-12-01]      CHANGELOG.md: "Unreleased" becomes the new version
    python scripts/release notes                        print the changelog of this version
    python scripts/release build [PYTHON ...] [--once]  dist/: sdist, pure wheel, wheel with machine code
    python scripts/release check [PYTHON ...]           try the wheels of dist/ by each PYTHON; prints a table
    python scripts/release all [PYTHON ...]             what `make release` does: notes, build, check

PYTHON is a command such as `python3.13`; without one it is the Python that runs the script. No command asks
a question or needs a terminal. Each ends with exit status 1 and one line where something is not as it should
be, and `build` then leaves `dist/` as it was.

What is built is the commit HEAD, whatever else lies in the working tree. `build` builds twice, in two
folders, and compares the files byte by byte (`--once`: not). The wheel with machine code is the pure wheel
with the library of the inner loops beside it, which the first PYTHON compiles and each PYTHON loads, and with
a tag that says so.

A release is: the version in structgen/__init__.py; `cut`; a commit; `make release PYTHONS="python3.11 ..."`;
a tag `v` and the version; the upload of dist/*. A workflow without a terminal runs the same two commands:
`make release PYTHONS="..."` and `python scripts/release notes > notes.md`.
"""

from __future__ import annotations

import argparse
import sys
from datetime import UTC, date, datetime
from pathlib import Path

from changelog_cut import ReleaseError, cut, section
from release_building import ROOT, build, version_of
from release_checks import check

CHANGELOG = ROOT / "CHANGELOG.md"


def main() -> None:
    """Read the command line and do what it says."""
    shape = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser("python scripts/release", description=__doc__, formatter_class=shape)
    parser.add_argument("command", choices=("cut", "notes", "build", "check", "all"))
    parser.add_argument("pythons", nargs="*", metavar="PYTHON", default=[])
    parser.add_argument("--date", type=date.fromisoformat, default=datetime.now(UTC).date())
    parser.add_argument("--once", action="store_true", help="build once, and compare nothing")
    parser.add_argument("--output", type=Path, default=ROOT / "dist", help="the folder of the files")
    parser.add_argument(
        "--torch", default="", help="options of pip with which torch is found; `none`: no torch"
    )
    parser.add_argument("--results", type=Path, help="write the table into this folder of bench, too")
    options = parser.parse_intermixed_args()
    pythons = options.pythons or [sys.executable]
    version = version_of(ROOT)
    try:
        if options.command == "cut":
            CHANGELOG.write_text(
                cut(CHANGELOG.read_text(encoding="utf-8"), version, options.date), encoding="utf-8"
            )
        if options.command in ("notes", "all"):
            notes = section(CHANGELOG.read_text(encoding="utf-8"), version)
            print(notes if options.command == "notes" else f"CHANGELOG.md has {version}.")
        if options.command in ("build", "all"):
            build(pythons, options.output, twice=not options.once)
        if options.command in ("check", "all"):
            check(pythons, options.output, version, options.torch, options.results)
    except ReleaseError as error:
        sys.exit(f"release: {error}")


if __name__ == "__main__":
    main()
