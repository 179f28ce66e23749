"""The cases by name: a Lark grammar, a vocabulary, and texts, or an alphabet for walks."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache, cached_property, partial
from hashlib import blake2b
from pathlib import Path
from typing import Any

import lark
from golden.case import drawn as number_drawn
from golden.vocabularies import ROOT, vocabulary
from lark.indenter import PythonIndenter
from lark_reference import build, takes
from lark_traps import TRAPS
from random_lark import drawn

import structgen as sg

FAMILIES = {"plain": 650, "looks": 200, "lines": 150}
"""How many grammars are drawn at random of each family."""
PUBLIC = Path(__file__).with_name("public_grammars.txt")
"""Grammars of public projects: the project, a commit, the file, the rule it starts with."""
_LARK = Path(lark.__file__).parent
_PYTHON_FILES = (
    "ast_utils.py", "common.py", "grammar.py", "reconstruct.py", "parsers/lalr_parser_state.py",
    "parsers/earley_common.py", "tools/serialize.py", "tools/__init__.py",
)  # fmt: skip
"""Files of lark, whose version is fixed for the tests: the same everywhere, and nothing of them lies here."""
_SYNCODE: dict[str, str | tuple[str, ...]] = {
    "json": "json",
    "sql": "sql",
    "go": "go",
    "python": "python",
    "calc": ("(30 + 1.5) * 2 / (4 - 1)", "1 + + 2"),
    "c": ("int main() { int a = 1 ; return a ; }", "int f(int a) {\n  while (a < 3) { a = a + 1; }\n}\n"),
    "prover9": ("Predicates:\nP(x) ::: a\nPremises:\n∀x (P(x) → ¬P(x)) ::: b\nConclusion:\nP(a) ::: c\n",),
    "java": (
        "package a.b;\n\nimport java.util.List;\n\n/** A point. */\npublic final class P {\n"
        "  private int x = 31, y; // two\n\n  @Override\n  public int sum(int... a) throws Error {\n"
        "    for (int i = 0; i < a.length; i++) { x += a[i]; }\n"
        '    return x > 0 ? y : (int) Math.max(1.5e3, "a\\"b");\n  }\n}\n',
        "class A { void f() { if (a == b) { g(); } else { while (true) break; } } }",
    ),
}
"""Grammars of SynCode: texts, or the name of a grammar of ours whose texts are read."""


class _SynCodesLines(PythonIndenter):
    NL_type = "_NL"


@dataclass(frozen=True)
class Case:
    """One line of `digests.txt`."""

    name: str
    source: str | Path
    texts: tuple[str, ...] = ()
    """Texts along which is asked; none: walks are made."""
    alphabet: str = ""
    """The letters that walks take most."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """Of `sg.lark` and of lark's own class."""

    @property
    def vocabulary(self) -> str:
        """The name of its vocabulary, which ends its own."""
        return self.name.rpartition("@")[2]

    @cached_property
    def inputs(self) -> str:
        """Eight digits that tell what is asked: other files of lark or of SynCode are other questions."""
        told = "\0".join((self._text, *self.texts, self.alphabet))
        return blake2b(told.encode("utf-8", "replace"), digest_size=4).hexdigest()

    @cached_property
    def reference(self) -> lark.Lark:
        """lark's parser of the grammar."""
        where = {"source_path": str(self.source)} if isinstance(self.source, Path) else {}
        return build(self._text, **where, **self.options)

    @property
    def _text(self) -> str:
        return self.source.read_text("utf-8") if isinstance(self.source, Path) else self.source


def cases(
    syncode: Path | None, llama3: str | None, public: Path | None = None
) -> dict[str, Callable[[], Case]]:
    """Return what makes the cases, by their names. `syncode`: SynCode's source distribution, unpacked;
    `llama3`: the vocabulary, as the benches name it. `public`: clones of the projects of PUBLIC, in folders
    OWNER+NAME."""
    found: dict[str, Callable[[], Case]] = {}

    def put(kind: Callable[..., Case], name: str, *arguments: Any, **options: Any) -> None:
        found[name] = partial(kind, name, *arguments, **options)

    for size in ["small", *(["llama3"] if llama3 else [])]:
        ours = ROOT / "grammars"
        for path in sorted(ours.glob("*.lark")):
            lines = {"postlex": PythonIndenter()} if path.stem == "python" else {}
            put(_of_texts, f"shipped/{path.stem}@{size}", path, path.stem, lines)
        put(_of_files, f"files/ours@{size}", ours / "python.lark")
        put(_of_files, f"files/larks@{size}", _LARK / "grammars" / "python.lark", start="file_input")
        for language, texts in _SYNCODE.items() if syncode else ():
            assert syncode is not None
            (path,) = syncode.rglob(f"parsers/grammars/{language}.lark")
            lines = {"postlex": _SynCodesLines()} if language == "python" else {}
            put(_of_texts, f"syncode/{language}@{size}", path, texts, lines)
    for line in PUBLIC.read_text("utf-8").splitlines() if public else ():
        project, commit, path, start = line.split()
        name = f"public/{project}/{Path(path).stem}@small"
        put(_of_project, name, public / project.replace("/", "+"), commit, path, start)
    for trap, one in TRAPS.items():
        put(Case, f"traps/{trap.replace(' ', '-')}@letters", one.grammar, alphabet=one.alphabet)
    for family, count in FAMILIES.items():
        for seed in range(count):
            put(_at_random, f"{family}/{seed}@letters", family, seed)
    return found


def _of_texts(name: str, path: Path, texts: str | tuple[str, ...], options: Mapping[str, Any]) -> Case:
    if isinstance(texts, str):
        held = json.loads((ROOT / "grammars" / f"{texts}.texts.json").read_text("utf-8"))
        end = "\n" if name.startswith("syncode") else ""  # theirs want it behind the last line
        texts = tuple(entry["text"] + end for kind in ("accepted", "rejected") for entry in held[kind])
    return Case(name, path, texts, options=options)


def _of_project(name: str, clone: Path, commit: str, path: str, start: str) -> Case:
    """Return the case of a grammar of a public project, with two of its files that lark reads: those whose
    sizes are nearest to 200 characters; where there is none, walks."""

    def git(*command: str) -> str:
        run = subprocess.run(["git", "-C", str(clone), *command], capture_output=True, check=True)
        return run.stdout.decode("utf-8", "replace")

    case = Case(name, git("show", f"{commit}:{path}"), alphabet="abcx01 ()=;\n", options={"start": start})
    sizes: list[tuple[int, str]] = []
    for line in git("ls-tree", "-rlz", commit).split("\0")[:-1]:
        about, _, file = line.partition("\t")
        size = about.split()[-1]
        if size.isdigit() and 2 < int(size) <= 600 and not file.endswith(".lark"):
            sizes.append((abs(int(size) - 200), file))
    texts: list[str] = []
    for _, file in sorted(sizes)[:200]:
        text = git("show", f"{commit}:{file}")
        if len(texts) < 2 and takes(case.reference, text):
            texts.append(text)
    return replace(case, texts=tuple(texts))


def _of_files(name: str, path: Path, **options: Any) -> Case:
    most = 2_000  # characters: digests.txt stays below a megabyte
    texts = ((_LARK / file).read_text("utf-8")[:most] for file in _PYTHON_FILES)
    lines = tuple(text[: text.rindex("\n") + 1] for text in texts)
    return Case(name, path, lines, options={"postlex": PythonIndenter(), **options})


def _at_random(name: str, family: str, seed: int) -> Case:
    one = drawn(family, seed)
    return Case(name, one.text, alphabet=one.alphabet, options=one.options)


@cache
def tokenizer(name: str, llama3: str | None = None) -> sg.Tokenizer:
    """Return a vocabulary: "small", the repository's BPE; "letters", made for small grammars; "llama3"."""
    if name == "small":
        return vocabulary("bpe")
    if name == "llama3":
        assert llama3 is not None
        sys.path.insert(0, str(ROOT / "bench"))
        from vocabularies import load

        return load(llama3)
    tokens = [*(bytes((byte,)) for byte in range(256)), *_letters(), b"", None]
    return sg.Tokenizer.from_bytes(tokens, eos_token_id=len(tokens) - 1)


def _letters() -> Iterator[bytes]:
    """Yield tokens of more than one byte, among letters that cross lexemes and characters."""
    for alphabet, size in (("abc", 2), ("abc", 3), ("ac:(é \n", 2)):
        yield from ("".join(one).encode() for one in itertools.product(alphabet, repeat=size))
    for number in range(150):
        length = 3 + number_drawn(f"length {number}", 4)
        yield "".join('abc:()+" \né'[number_drawn(f"{number} {at}", 11)] for at in range(length)).encode()
    yield from (b"\xa9a", b"a\xc3", b"\n    ", b"ab ab", b"#a\n")
