"""All texts of errors and warnings in one file, so that an editor reads them in one sitting.

    python scripts/error_texts.py [--write]

The texts are read from the sources by `ast`; nothing is imported. A text is a string template, with `{...}`
where a value goes. These are texts of messages:

- what is handed to an error that is raised, to a function that returns an error, or to `warnings.warn`;
- what such an expression names: a variable or constant with a text, and what a called function returns;
- what callers hand to a parameter that such an expression names;
- other whole sentences: the tables of options that exclude one another are made of them.

Without `--write` the script says whether FILE is up to date; tests/test_error_texts.py fails where it is not.
"""

from __future__ import annotations

import argparse
import ast
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FILE = ROOT / "tests" / "data" / "error_texts.txt"
SENTENCE = re.compile(r"(?s)\S+\s+\S+\s+.*[^.]\.")
"""A text that is a sentence by its looks: at least three words, and a full stop."""
WORDS = re.compile(r"[A-Za-z]{2,}.*\s")
"""A text that has words: one word or more, and a space."""
MOST_LINES = 4
"""Texts of more lines are pages, templates and declarations, not messages."""
ELSEWHERE = re.compile(r"<\w+[^>]*>|\{%")
"""Marks of a page of HTML or of a template."""
RETURNED = re.compile(r"\b(str|\w*(Error|Warning)|NoReturn)\b")
"""The types of functions that return a text or an error."""
Function = ast.FunctionDef | ast.AsyncFunctionDef


def template(node: ast.AST) -> str | None:
    """Return the text of a string, with `{...}` for the values of an f-string; None for another node."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(map(_template_part, node.values))
    return None


def _template_part(part: ast.expr) -> str:
    """Return the text of one part of an f-string: its own text, or a value with its conversion and format."""
    if isinstance(part, ast.Constant):
        return str(part.value).replace("{", "{{").replace("}", "}}")
    quoted = ast.unparse(ast.JoinedStr([part])).removeprefix("f")
    return quoted[3:-3] if quoted.startswith(("'''", '"""')) else quoted[1:-1]


def called_name(call: ast.Call) -> str:
    """Return the last name of what a call calls: `warn` for `warnings.warn(...)`."""
    function = call.func
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else ""


def parameters(function: Function) -> list[str]:
    """Return the names of a function's parameters, in order, without `self` and `cls`."""
    arguments = function.args
    names = [item.arg for item in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)]
    return [name for name in names if name not in ("self", "cls")]


class Collector:
    """The texts of messages of some files. `modules`: the files by name, as syntax trees."""

    def __init__(self, modules: dict[str, ast.Module]) -> None:
        self.texts: dict[str, dict[ast.AST, str]] = {name: {} for name in modules}
        """The texts that were found, by file and node."""
        self._module_of: dict[ast.AST, str] = {}
        self._scope_of: dict[ast.AST, Function | ast.Module] = {}
        self._functions: dict[str, list[Function]] = defaultdict(list)
        self._calls: dict[str, list[ast.Call]] = defaultdict(list)
        self._values: dict[tuple[ast.AST, str], list[ast.expr]] = defaultdict(list)
        self._constants: dict[tuple[str, str], list[ast.expr]] = defaultdict(list)
        self._silent: set[ast.AST] = set()
        self._visited: set[ast.AST] = set()
        self._candidates: list[ast.AST] = []
        self._waiting: list[ast.expr] = []
        for name, tree in modules.items():
            self._index(name, tree, tree)
        for node in self._candidates:
            self._find_messages(node)
            self._find_sentence(node)
        while self._waiting:
            self._read_nodes(self._waiting.pop())

    def _index(self, module: str, node: ast.AST, scope: Function | ast.Module) -> None:
        """Note the module and scope of each node below a node, and what is defined and called there."""
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.expr_context | ast.operator):
                continue
            self._module_of[child] = module
            self._scope_of[child] = scope
            if isinstance(child, ast.Raise | ast.Call | ast.JoinedStr | ast.Constant):
                self._candidates.append(child)
            if isinstance(child, ast.Expr) and template(child.value) is not None:
                self._silent.add(child.value)  # a docstring
            if isinstance(child, ast.JoinedStr):
                self._silent.update(child.values)
            if isinstance(child, ast.Call):
                self._calls[called_name(child)].append(child)
            if isinstance(child, ast.Assign | ast.AnnAssign | ast.AugAssign | ast.NamedExpr) and child.value:
                targets = child.targets if isinstance(child, ast.Assign) else [child.target]
                for target in targets:
                    self._note_values(module, scope, target, child.value)
            inner = scope
            if isinstance(child, Function):
                self._functions[child.name].append(child)
                inner = child
            self._index(module, child, inner)

    def _note_values(self, module: str, scope: ast.AST, target: ast.expr, value: ast.expr) -> None:
        """Note that a name, or each name of a tuple, has a value in a scope."""
        if isinstance(target, ast.Name) and isinstance(scope, ast.Module):
            self._constants[module, target.id].append(value)
        elif isinstance(target, ast.Name):
            self._values[scope, target.id].append(value)
        elif isinstance(target, ast.Tuple):
            parts = value.elts if isinstance(value, ast.Tuple) else [value] * len(target.elts)
            for part, item in zip(target.elts, parts, strict=False):
                self._note_values(module, scope, part, item)

    def _find_messages(self, node: ast.AST) -> None:
        """Read what a node hands to an error or a warning."""
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
            self._read_arguments(node.exc)
            self._read_returned(called_name(node.exc), node)
        elif isinstance(node, ast.Call):
            name = called_name(node)
            makes = [ast.unparse(item.returns or ast.Constant("")) for item in self._functions.get(name, ())]
            if (re.search(r"(Error|Warning|Schema|Policy)$", name) and name[0].isupper()) or name == "warn":
                self._read_arguments(node)
            elif any(re.search(r"(Error|Warning)\b", kind) or kind == "NoReturn" for kind in makes):
                self._read_arguments(node)
                self._read_returned(name, node)
            for keyword in node.keywords:
                if keyword.arg in ("what", "cure", "fault"):
                    self._read(keyword.value)

    def _find_sentence(self, node: ast.AST) -> None:
        """Take a text that is a sentence by its looks, wherever it stands."""
        text = None if node in self._silent else template(node)
        if text is not None and SENTENCE.fullmatch(text):
            self._take(self._module_of[node], node, text)

    def _take(self, module: str, node: ast.AST, text: str) -> None:
        """Take one text, if it has words and is no page."""
        if node in self._silent or text.count("\n") >= MOST_LINES or ELSEWHERE.search(text):
            return
        if WORDS.search(re.sub(r"\{[^{}]*\}", "{}", text)):
            self.texts[module][node] = text

    def _read_arguments(self, call: ast.Call) -> None:
        for argument in (*call.args, *call.keywords):
            self._read(argument.value if isinstance(argument, ast.keyword) else argument)

    def _read_returned(self, name: str, node: ast.AST) -> None:
        """Read what the functions of a name return, if they return a text or an error."""
        for function in self._functions_meant(name, node):
            kind = ast.unparse(function.returns) if function.returns else ""
            if not RETURNED.search(kind):
                continue
            for node in ast.walk(function):
                if isinstance(node, ast.Return | ast.Yield) and node.value and node not in self._visited:
                    self._visited.add(node)
                    self._read(node.value)

    def _functions_meant(self, name: str, node: ast.AST) -> list[Function]:
        """Return the functions of a name in the module of a node; else the only function of that name."""
        functions = self._functions.get(name, [])
        own = [function for function in functions if self._module_of[function] == self._module_of[node]]
        return own or (functions if len(functions) == 1 else [])

    def _read(self, expression: ast.expr) -> None:
        """Read an expression later."""
        self._waiting.append(expression)

    def _read_nodes(self, expression: ast.expr) -> None:
        """Read the texts of an expression, and of what it names and calls."""
        for node in self._spoken(expression):
            if node in self._visited:
                continue
            self._visited.add(node)
            text = template(node)
            if text is not None:
                self._take(self._module_of[node], node, text)
            elif isinstance(node, ast.Name):
                self._read_name(node)
            elif isinstance(node, ast.Call):
                self._read_returned(called_name(node), node)

    def _spoken(self, expression: ast.expr) -> Iterator[ast.AST]:
        """Yield the nodes of an expression that may be a part of its text: no condition, no index."""
        yield expression
        if isinstance(expression, ast.IfExp):
            inner: Iterable[ast.expr | None] = (expression.body, expression.orelse)
        elif isinstance(expression, ast.Compare):
            inner = ()
        elif isinstance(expression, ast.Call):
            inner = (*expression.args, *(keyword.value for keyword in expression.keywords))
            if isinstance(expression.func, ast.Attribute):
                inner = (*inner, expression.func.value)
        elif isinstance(expression, ast.Subscript):
            inner = (expression.value,)
        elif isinstance(expression, ast.JoinedStr):
            inner = (part.value for part in expression.values if isinstance(part, ast.FormattedValue))
        else:
            inner = (child for child in ast.iter_child_nodes(expression) if isinstance(child, ast.expr))
        for child in inner:
            if child is not None:
                yield from self._spoken(child)

    def _read_name(self, node: ast.Name) -> None:
        """Read the values of a variable, or what callers hand to a parameter."""
        scope = self._scope_of[node]
        values = self._values.get((scope, node.id), [])
        if isinstance(scope, Function) and node.id in parameters(scope):
            self._read_callers(scope, node.id)
        elif not values and isinstance(scope, Function):
            values = self._constants.get((self._module_of[node], node.id), [])
        for value in values:
            self._read(value)

    def _read_callers(self, function: Function, parameter: str) -> None:
        """Read what callers hand to a parameter of a function, if its type is a text."""
        annotation = next(
            item.annotation for item in ast.walk(function.args) if getattr(item, "arg", "") == parameter
        )
        if annotation is None or not re.match(r"str\b", ast.unparse(annotation)):
            return
        place = parameters(function).index(parameter)
        for call in self._calls.get(function.name, ()):
            if function not in self._functions_meant(function.name, call):
                continue
            for keyword in call.keywords:
                if keyword.arg == parameter:
                    self._read(keyword.value)
            if place < len(call.args) and not any(isinstance(item, ast.Starred) for item in call.args):
                self._read(call.args[place])


def error_texts() -> dict[str, list[str]]:
    """Return the texts of messages by file, in the order of the file, each text once."""
    package = ROOT / "structgen"
    modules = {
        path.relative_to(ROOT).as_posix(): ast.parse(path.read_text("utf-8"))
        for path in sorted(package.rglob("*.py"))
    }
    found = Collector(modules).texts
    return {
        name: list(dict.fromkeys(text for _, text in sorted(texts.items(), key=position)))
        for name, texts in found.items()
        if texts
    }


def position(item: tuple[ast.AST, str]) -> tuple[int, int]:
    """Return the line and the column of a node with its text."""
    return item[0].lineno, item[0].col_offset  # type: ignore[attr-defined]


def as_page(texts: dict[str, list[str]]) -> str:
    """Return the texts as the file has them: a heading for each source, and a line for each text."""
    lines = ["Texts of errors and warnings, by source. Written by `make errors`.", ""]
    for name, messages in texts.items():
        lines += [f"== {name}", *(message.replace("\n", "\\n") for message in messages), ""]
    return "\n".join(lines)


def main() -> int:
    """Write the file, or say that it is not up to date (exit status 1)."""
    options = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    options.add_argument("--write", action="store_true", help="write the file")
    page = as_page(error_texts())
    if options.parse_args().write:
        FILE.write_text(page, "utf-8")
        return 0
    if page == FILE.read_text("utf-8"):
        return 0
    print(f"{FILE.relative_to(ROOT)} is not up to date: run `make errors` and read the difference.")
    return 1


if __name__ == "__main__":
    raise SystemExit(main())
