"""Pages that the site has beside docs/ (mkdocs.yml): README.md, CONTRIBUTING.md, a reference of public names.

The reference follows the docstring of the package, which names each public name in a group. A hook of mkdocs
calls `on_files` before it reads pages, and `on_page_markdown` for each page.
"""

from __future__ import annotations

import ast
import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File

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
    pages, index = {}, ["# Reference", "", "All public names, by what you do with them.", ""]
    for title, sentences in GROUP.findall(told):
        name = title.removeprefix("In ").lower().replace(" ", "-") + ".md"
        if title == "In submodules":
            pages[name] = _of_modules(title, sentences)
        else:
            named = [one for one in re.findall(r"`(\w+)`", sentences) if one in homes]
            parts = [f"# {title}", " ".join(sentences.split())]
            parts += [_directive(homes[one], f"structgen.{one}") for one in named]
            pages[name] = "\n\n".join(parts) + "\n"
        index.append(f"- [{title}]({name}): {' '.join(sentences.split())}")
    pages["index.md"] = "\n".join(index) + "\n"
    return pages


def _of_modules(title: str, sentences: str) -> str:
    """Return the page of the submodules: each with the names that its `__init__` or file makes public."""
    parts = [f"# {title}", " ".join(sentences.split())]
    parts += [
        _directive(f"structgen.{one}", f"structgen.{one}") for one in re.findall(r"`sg\.(\w+)`", sentences)
    ]
    return "\n\n".join(parts) + "\n"


def _directive(path: str, heading: str) -> str:
    return (
        f"::: {path}\n    options:\n      heading: {heading}\n      toc_label: {heading.rpartition('.')[2]}"
    )


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
