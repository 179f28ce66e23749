"""The keywords that type checkers read, made from the dataclasses that check them.

    python scripts/call_options.py [--write]

A call with `**options: Unpack[CallOptions]` needs a TypedDict, and no dataclass is one. Each row of `MADE`
says which TypedDict stands in which file for which fields of a dataclass there. Without `--write` the script
prints the files that would change; tests/test_names_of_options.py fails where there is one.
"""

from __future__ import annotations

import argparse
import ast
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MADE = (
    ("typed/options.py", "CallOptions", "TypedOptions", "sampling", "tool_format"),
    ("samplers/sample.py", "TypedSampleOptions", "SampleSettings", "method", "max_tokens"),
    ("samplers/sample.py", "SampleOptions", "SampleSettings", "tokenizer", "chat"),
)
"""File, TypedDict, dataclass, and the first and the last of the fields."""
WIDER = {
    "sampling": "Sampling | None",
    "max_tokens": "int | None",
    "thinking": 'Thinking | bool | Literal["auto"] | None',
}
"""What may be given where the dataclass keeps less."""


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


def keywords(text: str, kind: str, first: str, last: str) -> list[str]:
    """Return the lines of a TypedDict for fields of a dataclass in a file's text."""
    tree = ast.parse(text)
    (found,) = (one for one in tree.body if isinstance(one, ast.ClassDef) and one.name == kind)
    fields = [one for one in found.body if isinstance(one, ast.AnnAssign)]
    names = [one.target.id for one in fields if isinstance(one.target, ast.Name)]
    chosen = fields[names.index(first) : names.index(last) + 1]
    plain = [ast.unparse(_Plain().visit(one.annotation)).replace("'", '"') for one in chosen]
    at = names.index(first)
    return [f"    {name}: {WIDER.get(name, one)}" for name, one in zip(names[at:], plain, strict=False)]


def made() -> dict[Path, str]:
    """Return the files, as they are to be."""
    texts: dict[Path, str] = {}
    for file, name, kind, first, last in MADE:
        path = ROOT / "structgen" / file
        text = texts.get(path) or path.read_text(encoding="utf-8")
        lines = "\n".join(keywords(text, kind, first, last))
        found = re.search(rf'class {name}\(.*\n    """.*?"""\n\n((?:    \w+: .*\n)*)', text)
        assert found is not None, f"{file} has no {name}"
        texts[path] = f"{text[: found.start(1)]}{lines}\n{text[found.end(1) :]}"
    return texts


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
