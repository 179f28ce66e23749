"""Files of Lark grammars with other numbers and a right checksum: the process goes on.

Each number that compiled code would follow is checked; what cannot be told from its range may change masks,
and only whoever may write to this user's files can put it there (tests/test_cache_owner.py).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

_CHILD = r"""
import faulthandler, json, random, sys, warnings
faulthandler.enable()
import numpy as np
import structgen as sg
from structgen.errors import StructgenError
from structgen.lark_grammars.kept import kept_grammars
from structgen.lark_grammars.masks import kept_lark
from structgen.native.cache_entries import CacheEntries
from structgen.store.grammar_files import GRAMMAR_SUFFIX
from structgen.system.resources import small_tokenizer
from pathlib import Path

kind, folder, seed, turns = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
draw = random.Random(seed)
tokenizer = sg.Tokenizer.from_huggingface(small_tokenizer())
LARK = '''start: sum
sum: product ("+" product)*
product: atom ("*" atom)*
atom: NUMBER | STRING | "(" sum ")"
STRING: /"[^"]*"/
%import common.NUMBER
%import common.WS
%ignore WS
'''
FIRST, SECOND = '1 + 2 * ( 3.5 + "a b" )', '(((4))) * "xyz" + 12345'


def grammar():
    return sg.lark(LARK)


def masks(compiled, text):
    matcher, mask, found = sg.Matcher(compiled), sg.allocate_mask(1, compiled.vocab_size), []
    for token in tokenizer.encode(text.encode()):
        matcher.fill_mask(mask)
        found.append(mask.array.tobytes())
        if not matcher.try_advance(token) if hasattr(matcher, "try_advance") else matcher.advance(token):
            break
    return found


store = sg.MaskStore(folder / "store")
expected = [masks(sg.compile(grammar(), tokenizer, store=store), text) for text in (FIRST, SECOND)][:1]
masks(sg.compile(grammar(), tokenizer, store=store), FIRST)
store.flush()
if kind == "tables":
    (path,) = (folder / "cache" / "grammars").glob("*.lark-tables")
else:
    (path,) = (folder / "store").rglob("*" + GRAMMAR_SUFFIX)
whole = path.read_bytes()
entries = CacheEntries(path.parent, path.suffix)
layout = {"lark": kept_lark.KIND, "tables": kept_grammars.KeptTables.kind}[kind]
counts = {"same": 0, "other": 0, "rejected": 0, "error": 0}
told = {}


def changed(array):
    flat = np.ascontiguousarray(array).reshape(-1).copy()
    at, size = draw.randrange(len(flat)), flat.itemsize
    old = int(flat[at])
    value = draw.choice((
        0, -1, 1, old + 1, old - 1, old + draw.randrange(2, 100), draw.randrange(1 << 12),
        (1 << (8 * size - 1)) - 1,
        -(1 << (8 * size - 1)), old ^ (1 << draw.randrange(8 * size)), 1 << draw.randrange(8 * size),
    ))
    flat[at : at + 1] = np.array([value & ((1 << 8 * size) - 1)], f"<u{size}").view(flat.dtype)
    return flat.reshape(array.shape)


def forged():
    found = entries.read(layout, path.name.removesuffix(path.suffix))
    arrays = {**found.arrays, **{name: one.array for name, one in found.later.items()}}
    # what patterns are made of is not checked (docs/cache.md)
    names = [
        name for name, array in arrays.items()
        if array.size and name != "said" and not name.startswith("patterns.")
    ]
    # tables of many numbers, and those of few
    for name in draw.choices(names, k=draw.choice((1, 1, 1, 2))):
        arrays[name] = changed(arrays[name])
    key = path.name.removesuffix(path.suffix)
    entries.write(layout, key, arrays, found.numbers, list(found.later))


for turn in range(turns):
    path.write_bytes(whole)
    forged()
    print(turn, flush=True, file=sys.stderr)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            compiled = sg.compile(grammar(), tokenizer, store=sg.MaskStore(folder / "store"))
            found = [masks(compiled, FIRST)]
            masks(compiled, SECOND)
            for state in (compiled.start,):
                compiled.tokens_to_finish(state)
        except StructgenError as error:
            counts["error"] += 1
            told[type(error).__name__] = told.get(type(error).__name__, 0) + 1
            continue
        except Exception as error:
            counts["error"] += 1
            import traceback
            name = type(error).__name__ + " " + traceback.format_exc().strip().splitlines()[-3].strip()
            told[name] = told.get(name, 0) + 1
            continue
    counts["rejected" if caught else "same" if found == expected else "other"] += 1
print(json.dumps([counts, told]))
"""


def attacked(kind: str, folder: Path, seed: int, turns: int) -> tuple[dict[str, int], dict[str, int]]:
    """Return what became of grammars whose files were changed, and the errors."""
    done = subprocess.run(
        [sys.executable, "-c", _CHILD, kind, str(folder), str(seed), str(turns)],
        env={**os.environ, "STRUCTGEN_CACHE": str(folder / "cache")},
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert done.returncode == 0, (done.returncode, done.stderr[-3000:])
    counts, told = json.loads(done.stdout)
    return counts, told


@pytest.mark.parametrize("kind", ["lark", "tables"])
def test_a_grammar_with_other_numbers_does_not_crash(tmp_path: Path, kind: str) -> None:
    """lark: a compiled Lark grammar; tables: what lark made of its text."""
    counts, _ = attacked(kind, tmp_path, 1, 40)
    assert counts["rejected"] >= 4 and sum(counts.values()) == 40, counts


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["lark", "tables"])
def test_grammars_with_many_other_numbers_do_not_crash(tmp_path: Path, kind: str) -> None:
    attacked(kind, tmp_path, 2, 1000)
