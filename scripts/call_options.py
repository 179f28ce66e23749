"""The keywords that type checkers read, made from the dataclasses that check them.

    python scripts/call_options.py [--write]

A call with `**options: Unpack[CallOptions]` needs a TypedDict, and no dataclass is one. Each row of `MADE`
says which TypedDicts stand in which file for the fields of a dataclass there. `LISTED` has the files whose
last overloads list the same options one by one. Without `--write` the script prints the files that would
change; tests/test_names_of_options.py fails where there is one.
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
OF_REQUESTS_ALONE = (
    *("prompt", "grammar", "end_margin", "n", "logprobs", "special_texts", "refused", "begun", "shortened"),
)
MADE = (
    (
        "doors/typed/call_options.py",
        "TypedOptions",
        {"WritingOptions": OF_WRITING, "CallOptions": ()},
        (*OF_REQUESTS_ALONE, "tools", "thoughts"),
    ),
    ("doors/extraction/call_options.py", "ExtractSettings", {"ExtractOptions": ()}, ()),
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
    "doors/typed/call_options.py": [("doors/typed/call_options.py", "CallOptions")],
    "doors/extraction/call_options.py": [
        ("doors/typed/call_options.py", "WritingOptions"),
        ("doors/extraction/call_options.py", "ExtractOptions"),
    ],
    "decoding/samplers/sample.py": [("decoding/samplers/sample.py", "SampleOptions")],
}
"""Files whose last overloads list the options of TypedDicts: structgen.decoding.runs.wrong_arguments."""
_LISTED = re.compile(r"(( +)# the options, by scripts/call_options.py\n)(?:\2\w+: .*\n)*")


class _Plain(ast.NodeTransformer):
    """Leaves the checks out of an annotation: `int` of `Annotated[int, Whole(1)]`."""

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
    tree = ast.parse(text)
    (found,) = (one for one in tree.body if isinstance(one, ast.ClassDef) and one.name == kind)
    lines = {}
    for base in map(ast.unparse, found.bases):
        if f"class {base}" in text:
            lines |= keywords(text, base)
        elif base in DECLARED:
            lines |= keywords(_read(DECLARED[base]), base)
    for one in found.body:
        if isinstance(one, ast.AnnAssign) and isinstance(one.target, ast.Name):
            plain = ast.unparse(_Plain().visit(one.annotation)).replace("'", '"')
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
    return texts


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
