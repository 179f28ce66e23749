"""In how many files each option is declared.

    python scripts/declarations.py [NAME ...]

A declaration is a parameter of a function, an annotated field of a class (a member of a TypedDict too), a
flag of the command line (a key of `FLAGS`), or a member of requests to servers. Files that
scripts/call_options.py writes are left out.

An option is a field of a dataclass of `ROOMS`, and is counted in the rooms to which the dataclass hands
it: `seed` of `Sampling` and `seed` of `SampleSettings` are two options. `SUBJECTS` are no options, but what a
call is about. A word of `OTHER_THINGS` is another thing in a file. With names the script prints each place of
them.
"""

from __future__ import annotations

import argparse
import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import call_options

PACKAGE = call_options.ROOT / "structgen"
_OF_CALLS = (
    *("asking/request_reading", "decoding/engine", "decoding/runs", "decoding/speculation", "doors/cli"),
    *("doors/integrations", "doors/serving", "doors/testing", "doors/typed"),
)
ROOMS = {
    ("Request", "Sampling", "TypedOptions"): _OF_CALLS,
    ("ExtractSettings",): ("asking/documents", "doors/cli", "doors/extraction"),
    ("InfillSettings",): ("decoding/infilling", "doors/cli"),
    ("TargetSettings", "SampleSettings"): ("decoding/samplers", "doors/cli"),
}
"""The rooms that read the options of some dataclasses."""
SUBJECTS = {"prompt", "grammar", "tokenizer", "name", "n", "template", "tools", "thoughts"}
OTHER_THINGS = {
    # names of methods of checkers
    "method": ("decoding/samplers/constraints.py", "decoding/samplers/processes.py"),
    # a page itself, its number, or a page of HTML
    "page": (
        *("doors/cli/extract.py", "doors/extraction/extraction.py", "doors/extraction/found_items.py"),
        *("doors/extraction/page_asking.py", "doors/extraction/unasked_pages.py"),
    ),
    # of `fit`, and of `Samples.resample`
    "seed": (*("decoding/samplers/samples.py", "doors/typed/functions.py", "doors/typed/worked/fitting.py"),),
    # places of a canvas, after the option was read
    "slots": (
        *("decoding/infilling/canvas.py", "decoding/infilling/lattice.py"),
        *("decoding/infilling/obstacles.py", "decoding/infilling/schedulers.py"),
    ),
    # the Thinking itself, and the thoughts of a format
    "thinking": ("decoding/engine/thinking.py", "doors/typed/tool_use.py"),
}
"""Files in which the word is another thing than the option, and what it is there."""
MEMBER_FILE = "asking/request_reading/request_members.py"


class Declaration(NamedTuple):
    """A place that declares a name."""

    name: str
    file: str
    line: int
    holder: str
    """The function, the class or the table."""


def option_names(kind: str) -> set[str]:
    """Return the names of the options of a dataclass."""
    text = (PACKAGE / call_options.DECLARED[kind]).read_text(encoding="utf-8")
    return call_options.keywords(text, kind).keys() - SUBJECTS


def find_declarations(text: str, file: str) -> Iterator[Declaration]:
    """Yield the declarations in the text of a file."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            arguments = node.args
            for parameter in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs):
                yield Declaration(parameter.arg, file, parameter.lineno, node.name)
        elif isinstance(node, ast.ClassDef):
            for field in node.body:
                if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name):
                    yield Declaration(field.target.id, file, field.lineno, node.name)
        elif isinstance(node, ast.Dict):
            for key, value in zip(node.keys, node.values, strict=True):
                is_flag = isinstance(value, ast.Call) and ast.unparse(value.func) == "Flag"
                if is_flag and isinstance(key, ast.Constant):
                    yield Declaration(key.value.rpartition(" ")[2], file, key.lineno, "FLAGS")
        elif file == MEMBER_FILE and isinstance(node, ast.Call):
            if ast.unparse(node.func) in ("MemberRow", "JsonShapes"):
                for text_node in ast.walk(node):
                    if isinstance(text_node, ast.Constant) and isinstance(text_node.value, str):
                        for name in re.findall(r"(?<![\w'+])\w+(?![\w'|\]])", text_node.value):
                            yield Declaration(name, file, text_node.lineno, "members")


def declarations(root: Path = PACKAGE) -> dict[tuple[str, str], list[Declaration]]:
    """Return the declarations of each option, by its dataclass and its name; ("", name): all of the package.

    `root`: the folder of the package. Cost: some seconds.
    """
    found: defaultdict[tuple[str, str], list[Declaration]] = defaultdict(list)
    places = [
        place
        for path in sorted(root.rglob("*.py"))
        if path.relative_to(root).as_posix() not in call_options.WRITTEN
        for place in find_declarations(path.read_text(encoding="utf-8"), path.relative_to(root).as_posix())
    ]
    for kinds, rooms in ROOMS.items():
        names = set().union(*map(option_names, kinds))
        for place in places:
            if place.name in names:
                found["", place.name].append(place)
                if place.file.startswith(rooms) and place.file not in OTHER_THINGS.get(place.name, ()):
                    found[kinds[0], place.name].append(place)
    return dict(found)


def count_files(places: list[Declaration]) -> int:
    """Return the number of files of some declarations."""
    return len({place.file for place in places})


def main() -> None:
    """Print the options, those with the most files first; of named ones each place."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*")
    names = parser.parse_args().names
    found = declarations()
    for (kind, name), places in sorted(found.items(), key=lambda item: -count_files(item[1])):
        if name in names or (kind and not names):
            files = f"{len(places)} declarations in {count_files(places)} files"
            print(f"{name} of {kind or 'the package'}: {files}")
        if name in names and kind:
            for place in places:
                print(f"    structgen/{place.file}:{place.line} {place.holder}")


if __name__ == "__main__":
    main()
