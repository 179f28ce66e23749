"""Pages that the site has beside docs/ (mkdocs.yml): README.md, CONTRIBUTING.md, a reference of public names.

The reference follows the docstring of the package, which names each public name in a group. A hook of mkdocs
calls `on_files` before it reads pages, and `on_page_markdown` for each page.
"""

from __future__ import annotations

import ast
import posixpath
import re
from functools import partial
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File
from site_docstrings import parted

ROOT = Path(__file__).resolve().parents[1]
GROUP = re.compile(r"^\*\*(.+?)\.\*\* (.*?)(?=^\*\*|^`help)", re.MULTILINE | re.DOTALL)
"""A group of the package's docstring: its title, and sentences in which names stand between backquotes."""
LINK = re.compile(r"\[([^\]\[]*)\]\((?![a-z]+:|#)([^)#\s]+)(#[^)]*)?\)")
ADDED = {"index.md": "README.md", "contributing.md": "CONTRIBUTING.md"}
"""Pages of the site that lie outside of docs/: their names in the site and in the repository."""


def package() -> tuple[str, dict[str, str]]:
    """Return the docstring of structgen, and where each of its public names is defined."""
    module = ast.parse((ROOT / "structgen/__init__.py").read_text(encoding="utf-8"))
    homes = {
        alias.asname or alias.name: f"{statement.module}.{alias.name}"
        for statement in ast.walk(module)
        if isinstance(statement, ast.ImportFrom)
        and statement.module
        and statement.module.startswith("structgen")
        for alias in statement.names
    }
    homes.pop("lazy_names")
    return ast.get_docstring(module) or "", homes


def reference() -> dict[str, str]:
    """Return the pages of the reference: their names below reference/, and their texts."""
    told, homes = package()
    pages, index = {}, ["# Reference", "All public names of `structgen`, by what you do with them."]
    for title, sentences in GROUP.findall(told):
        page = title.removeprefix("In ").lower().replace(" ", "-") + ".md"
        # a name has its place in the group that tells it first
        shown = dict.fromkeys(re.findall(r"`(?:sg\.)?(\w+)`", sentences))
        named = {one: homes.pop(one) for one in shown if one in homes}
        told_of = re.sub(r"`(?:sg\.)?(\w+)`", partial(_linked, named), " ".join(sentences.split()))
        parts = [
            f"# {title}",
            told_of,
            *(_directive(home, f"structgen.{one}") for one, home in named.items()),
        ]
        pages[page] = "\n\n".join(parts) + "\n"
        rows = [f"| [`{one}`][{home}] | {first_sentence(home)} |" for one, home in named.items()]
        index += [f"## [{title}]({page})", "\n".join(["| name | what it is |", "|---|---|", *rows])]
    pages["index.md"] = "\n\n".join(index) + "\n"
    return pages


def _linked(named: dict[str, str], match: re.Match[str]) -> str:
    """Return a name between backquotes as a link to its place in the reference, if it has one."""
    home = named.get(match[1])
    return match[0] if home is None else f"[{match[0]}][{home}]"


def first_sentence(home: str) -> str:
    """Return the first sentence of the docstring of a module, or of a name in a module, in one line; "" where
    there is none."""
    path = ROOT / home.replace(".", "/")
    if (file := path.with_suffix(".py")).is_file() or (file := path / "__init__.py").is_file():
        told = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8")))
        return " ".join(parted(told or "")[0].split())
    module, _, name = home.rpartition(".")
    told = None
    body = ast.parse((ROOT / f"{module.replace('.', '/')}.py").read_text(encoding="utf-8")).body
    for statement, after in zip(body, [*body[1:], ast.Pass()], strict=True):
        match statement, after:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef(), _ if statement.name == name:
                told = ast.get_docstring(statement) or told
            case (
                ast.Assign(targets=[ast.Name(id=found)]) | ast.AnnAssign(target=ast.Name(id=found)),
                ast.Expr(value=ast.Constant(value=str(said))),
            ) if found == name:
                told = said
    return " ".join(parted(told or "")[0].split()).replace("|", "\\|")


def _directive(path: str, heading: str) -> str:
    told = (
        f"::: {path}\n    options:\n      heading: {heading}\n      toc_label: {heading.rpartition('.')[2]}"
    )
    # constants of the errors' module are for the package
    return told + '\n      filters: ["!^_", "!^[A-Z_]+$"]' * (path == "structgen.errors")


def on_files(files: Any, config: Any) -> Any:
    """Add the pages that are not in docs/."""
    pages = {uri: (ROOT / name).read_text(encoding="utf-8") for uri, name in ADDED.items()}
    pages |= {f"reference/{name}": text for name, text in reference().items()}
    for name, text in pages.items():
        files.append(File.generated(config, name, content=text))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:
    """Return a page whose links lead to pages of the site. Of a link to another file of the repository, the
    text stays."""
    source = page.file.src_uri
    # where the page lies in the repository, and the folder of its links
    folder = "." if source in ADDED else posixpath.dirname(f"docs/{source}")

    def linked(match: re.Match[str]) -> str:
        text, target, anchor = match[1], match[2], match[3] or ""
        path = posixpath.normpath(posixpath.join(folder, target))
        uri = next((uri for uri, name in ADDED.items() if name == path), None)
        if uri is None and not path.startswith("docs/"):
            return text
        place = uri or path.removeprefix("docs/")
        return f"[{text}]({posixpath.relpath(place, posixpath.dirname(source) or '.')}{anchor})"

    return LINK.sub(linked, markdown.replace("```python sketch", "```python"))
