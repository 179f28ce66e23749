"""What is written of the dataclasses that declare the options: files for type checkers and for commands.

    python scripts/call_options.py [--write]

A call with `**options: Unpack[CallOptions]` needs a TypedDict, and no dataclass is one. Each row of `MADE`
says which TypedDicts stand in which file for the fields of a dataclass there. `LISTED` has the files whose
last overloads list the same options one by one. `NAMES` are tuples of names in a file of the commands, which
read it because `--help` has no time to import the dataclasses. The table of docs/typed-functions.md gets a
row of each option that has none, in the words of its dataclass. Without `--write` the script prints the files
that would change; tests/test_names_of_options.py fails where there is one.
"""

from __future__ import annotations

import argparse
import ast
import re
import textwrap
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
OF_SAMPLE_ALONE = ("tokenizer", "name", "outline", "chat")
OF_WRITING = (
    *("sampling", "strategy", "max_tokens", "attempts", "outline", "chat", "timeout", "policies"),
    *("speculation", "canonical", "healing", "wrap", "choices", "thinking"),
)
DECLARED = {
    "Request": "decoding/engine/requests.py",
    "Sampling": "decoding/engine/requests.py",
    "TypedOptions": "doors/typed/options.py",
    "ExtractSettings": "doors/extraction/extract_options.py",
    "InfillSettings": "decoding/infilling/infill.py",
    "TargetSettings": "decoding/samplers/sample.py",
    "SampleSettings": "decoding/samplers/sample.py",
}
"""The files of the dataclasses that declare options. A field of a dataclass is a field of its subclasses."""
WRITTEN = (
    *("doors/typed/signatures/call_options.py", "doors/typed/signatures/run_calls.py"),
    *("doors/extraction/extract_signatures.py", "decoding/runs/option_names.py"),
)
"""The files of which nothing but the lists that this script writes names options."""
OF_REQUESTS_NEVER = (
    *("prompt", "grammar", "n", "logprobs", "special_texts", "refused", "begun", "cache_salt", "shortened"),
)
"""Fields of a request that say what is asked, or what became of it."""
MADE = (
    (
        "doors/typed/signatures/call_options.py",
        "TypedOptions",
        {"WritingOptions": OF_WRITING, "CallOptions": ()},
        (*OF_REQUESTS_NEVER, "end_margin", "tools", "thoughts"),
    ),
    ("doors/extraction/extract_signatures.py", "ExtractSettings", {"ExtractOptions": ()}, ()),
    ("decoding/infilling/infill.py", "InfillSettings", {"InfillOptions": ()}, ("template",)),
    (
        "decoding/samplers/sample.py",
        "TargetSettings",
        {"AskingOptions": OF_SAMPLE_ALONE, "TargetOptions": ()},
        (),
    ),
    (
        "decoding/samplers/sample.py",
        "SampleSettings",
        {"TypedSampleOptions": ()},
        ("n", *OF_SAMPLE_ALONE),
    ),
)
"""File; dataclass; its TypedDicts, each with the fields that it takes (none named: the fields that are left);
and the fields that are in none of them. So a new field is always in one."""
WIDER = {
    "examples": "Iterable[tuple[Any, Any]] | Path | None",
    "out": "str | Path | None",
    "sampling": "Sampling | None",
    "max_tokens": "int | None",
    "thinking": 'Thinking | bool | Literal["auto"] | None',
}
"""What may be given where the dataclass keeps less."""
LISTED = {
    "doors/typed/signatures/run_calls.py": [("doors/typed/signatures/call_options.py", "CallOptions")],
    "doors/extraction/extract_signatures.py": [
        ("doors/typed/signatures/call_options.py", "WritingOptions"),
        ("doors/extraction/extract_signatures.py", "ExtractOptions"),
    ],
    "decoding/samplers/sample.py": [("decoding/samplers/sample.py", "SampleOptions")],
}
"""Files whose last overloads list the options of TypedDicts: structgen.decoding.runs.wrong_arguments."""
NAMES = {
    "OF_SAMPLING": ("Sampling", ()),
    "OF_REQUEST": ("Request", (*OF_REQUESTS_NEVER, "sampling", "strategy")),
    "OF_PAGES": ("ExtractSettings", ("prompt", "examples", "page", "out", "progress")),
    "OF_WRITING": ("WritingOptions", ("sampling", "strategy", "policies", "thinking")),
}
"""The tuples of decoding/runs/option_names.py, with the class of each, and its fields that are no names
there."""
_TOLD_FIRST = ("temperature", "seed")
_TUPLE = re.compile(r"^(\w+): Final = \((?:\n(?:    .*\n)*)?\)\n", re.MULTILINE)
_OPTION_TABLE = "docs/typed-functions.md"
_LISTED = re.compile(r"(( +)# the options, by scripts/call_options.py\n)(?:\2\w+: .*\n)*")


class _Plain(ast.NodeTransformer):
    """Leaves the checks out of an annotation: `int` of `Annotated[int, WholeCheck(1)]`, and of a name for
    such a type in base/language/checks.py."""

    def __init__(self) -> None:
        tree = ast.parse(_read("base/language/checks.py"))
        self._types = {
            ast.unparse(node.target): node.value.slice.elts[0]
            for node in tree.body
            if isinstance(node, ast.AnnAssign)
            and isinstance(node.value, ast.Subscript)
            and isinstance(node.value.slice, ast.Tuple)
            and ast.unparse(node.value.value) == "Annotated"
        }

    def visit_Name(self, node: ast.Name) -> ast.AST:
        return self._types.get(node.id, node)

    def visit_Subscript(self, node: ast.Subscript) -> ast.AST:
        inside = node.slice
        if (
            isinstance(node.value, ast.Name)
            and node.value.id == "Annotated"
            and isinstance(inside, ast.Tuple)
        ):
            return inside.elts[0]
        return self.generic_visit(node)


def keywords(text: str, kind: str) -> dict[str, str]:
    """Return the line of a TypedDict for each field of a class in a file's text. Its bases are in the text,
    or dataclasses of `DECLARED`."""
    tree, plain_types = ast.parse(text), _Plain()
    (found,) = (one for one in tree.body if isinstance(one, ast.ClassDef) and one.name == kind)
    lines = {}
    for base in map(ast.unparse, found.bases):
        if f"class {base}" in text:
            lines |= keywords(text, base)
        elif base in DECLARED:
            lines |= keywords(_read(DECLARED[base]), base)
    for one in found.body:
        if isinstance(one, ast.AnnAssign) and isinstance(one.target, ast.Name):
            plain = ast.unparse(plain_types.visit(one.annotation)).replace("'", '"')
            lines[one.target.id] = f"    {one.target.id}: {WIDER.get(one.target.id, plain)}\n"
    return lines


def _read(file: str) -> str:
    """Return the text of a file of the package."""
    return (ROOT / "structgen" / file).read_text(encoding="utf-8")


def made() -> dict[Path, str]:
    """Return the files, as they are to be."""
    texts: dict[Path, str] = {}
    for file, kind, typed_dicts, left_out in MADE:
        path = ROOT / "structgen" / file
        text = texts.get(path) or _read(file)
        lines = keywords(_read(DECLARED[kind]), kind)
        for name in left_out:
            del lines[name]
        for name, names in typed_dicts.items():
            taken = "".join(lines.pop(one) for one in names or tuple(lines))
            found = re.search(rf'class {name}\(.*\n    """.*?"""\n\n((?:    \w+: .*\n)*)', text)
            assert found is not None, f"{file} has no {name}"
            text = f"{text[: found.start(1)]}{taken}{text[found.end(1) :]}"
        assert not lines, f"{kind} has fields for no TypedDict: {', '.join(lines)}"
        texts[path] = text
    for file, kinds in LISTED.items():
        lines = {}
        for of, kind in kinds:
            lines |= keywords(texts[ROOT / "structgen" / of], kind)
        shown = "".join(_or_wrong(line) for line in lines.values())
        path = ROOT / "structgen" / file
        text = texts.get(path) or path.read_text(encoding="utf-8")
        texts[path] = _LISTED.sub(
            lambda found, shown=shown: found[1] + textwrap.indent(shown, found[2]), text
        )
    path = ROOT / "structgen/decoding/runs/option_names.py"
    texts[path] = _TUPLE.sub(_write_names, path.read_text(encoding="utf-8"))
    path = ROOT / _OPTION_TABLE
    texts[path] = _with_rows(path.read_text(encoding="utf-8"))
    return texts


def _write_names(found: re.Match[str]) -> str:
    """Return the tuple of a match with the names that it is to have."""
    kind, left_out = NAMES[found[1]]
    file = DECLARED.get(kind, "doors/typed/signatures/call_options.py")
    names = [name for name in keywords(_read(file), kind) if name not in left_out]
    names.sort(key=lambda name: name not in _TOLD_FIRST)
    lines = "".join(f'    "{name}",\n' for name in names)
    return f"{found[1]}: Final = (\n{lines})\n"


def _with_rows(page: str) -> str:
    """Return the page of typed functions, whose table has a row for each option of `sg.run`."""
    before, head, rest = page.partition("| option | default | meaning |\n|---|---|---|\n")
    table, end, after = rest.partition("\n\n")
    present = {name for row in table.splitlines() for name in re.findall(r"`(\w+)`", row.partition(" | ")[0])}
    rows = [
        f"\n| `{name}` | {default} | {sentence} |"
        for kind in ("Request", "TypedOptions")
        for name, (default, sentence) in _told_fields(kind).items()
        if name not in (*present, *OF_REQUESTS_NEVER, "end_margin", "thoughts")
    ]
    return "".join((before, head, table, *rows, end, after))


def _told_fields(kind: str) -> dict[str, tuple[str, str]]:
    """Return the default of each field of a dataclass, and its docstring."""
    (found,) = (
        node
        for node in ast.parse(_read(DECLARED[kind])).body
        if isinstance(node, ast.ClassDef) and node.name == kind
    )
    told = {}
    for field, words in zip(found.body, [*found.body[1:], ast.Pass()], strict=True):
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name):
            has_words = isinstance(words, ast.Expr) and isinstance(words.value, ast.Constant)
            sentence = " ".join(str(words.value.value).split()) if has_words else ""
            told[field.target.id] = (ast.unparse(field.value) if field.value else "none", sentence)
    return told


def _or_wrong(line: str) -> str:
    """Return the parameter of a last overload for the line of a TypedDict."""
    plain = line.strip()
    return f"{plain.removesuffix(' | None')} | Wrong{' | None' * plain.endswith(' | None')} = ...,\n"


def main() -> int:
    """Print or write the files that change. Return 1 where some would."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--write", action="store_true")
    writes = parser.parse_args().write
    changed = {path: text for path, text in made().items() if path.read_text(encoding="utf-8") != text}
    for path, text in changed.items():
        print(path.relative_to(ROOT))
        if writes:
            path.write_text(text, encoding="utf-8")
    return int(bool(changed) and not writes)


if __name__ == "__main__":
    raise SystemExit(main())
