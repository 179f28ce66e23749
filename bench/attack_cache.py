"""Attack a cache folder: processes fill masks over it while it is damaged, and some of them are killed.

Some processes compile grammars (JSON Schema, Lark, a regex) against one folder, and their masks are compared
with those of a process that has a folder of its own. Meanwhile files of the folder get bits flipped, are cut
short in place, are overwritten with others and with older versions of themselves, opened to all writers,
given to another user, and deleted; and random processes are killed.

What must hold: no process ends by a signal but our own kill, none hangs, none finds another mask.

    python bench/attack_cache.py --seconds 120 --seed 1
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

LONGEST = 90.0
"""Seconds after which a process hangs: compiling everything takes some ten on a busy machine."""

WORKER = r"""
import hashlib, json, os, random, sys, warnings
warnings.simplefilter("ignore")
import structgen as sg
from structgen.store import grammar_files
from structgen.tokens import vocabulary
from structgen.tokens.vocabulary import Vocabulary

vocabulary._WORTH_A_FILE = 0
grammar_files._IDLE = 0.0
draw = random.Random(int(sys.argv[1]))
from structgen.system.resources import small_tokenizer
tokenizer = sg.Tokenizer.from_huggingface(small_tokenizer())
CASES = {
    "object": (lambda: sg.json_schema({"type": "object", "properties": {
        "name": {"type": "string", "minLength": 2, "maxLength": 9},
        "code": {"type": "string", "pattern": "^[a-f]{2,5}$"},
        "size": {"type": "number", "minimum": 3}, "tags": {"type": "array", "items": {"enum": ["x", "yy"]},
        "uniqueItems": True}}, "required": ["name"], "additionalProperties": {"type": "boolean"}}),
        '{"name": "Ada", "code": "abc", "size": 31.5, "tags": ["x"], "more": true}'),
    "array": (lambda: sg.json_schema({"type": "array", "items": {"anyOf": [{"type": "integer"},
        {"type": "string", "format": "date"}]}}), '[1, 22, "2020-01-31", -5]'),
    "calc": (lambda: sg.lark('''start: sum
sum: product ("+" product)*
product: atom ("*" atom)*
atom: NUMBER | "(" sum ")"
%import common.NUMBER
%import common.WS
%ignore WS
'''), "1 + 2 * (3 + 44) * 5.5"),
    "words": (lambda: sg.lark('start: (WORD | STRING)+\nWORD: /[a-z]+/\nSTRING: /"[^"]*"/\n%ignore " "\n'),
        'abc "d e" f'),
    "regex": (lambda: sg.regex(r"(?i:[a-z]+)\s?\w{2,5}", dialect="python"), "Hello abc"),
}
order = sorted(CASES)
if sys.argv[2] != "all":
    draw.shuffle(order)
found = {}
for name in order:
    make, text = CASES[name]
    compiled = sg.compile(make(), tokenizer)
    matcher, mask, digest = sg.Matcher(compiled), sg.allocate_mask(1, compiled.vocab_size), hashlib.blake2b()
    for token in tokenizer.encode(text.encode()):
        matcher.fill_mask(mask)
        digest.update(mask.array.tobytes())
        matcher.advance(token)
    matcher.fill_mask(mask)
    digest.update(mask.array.tobytes())
    found[name] = digest.hexdigest()
    if draw.random() < 0.5:
        del compiled, matcher
    if draw.random() < 0.3:
        Vocabulary._open.clear(); Vocabulary._recent.clear()
print(json.dumps(found), flush=True)
"""


def worker(folder: Path, seed: int, how: str) -> subprocess.Popen[str]:
    """Start a process that fills masks over a folder."""
    return subprocess.Popen(
        [sys.executable, "-c", WORKER, str(seed), how],
        env={**os.environ, "STRUCTGEN_CACHE": str(folder), "PYTHONFAULTHANDLER": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def damage(folder: Path, older: dict[Path, bytes], draw: random.Random) -> str:
    """Do something to a file of the folder; return what."""
    files = [path for path in folder.rglob("*") if path.is_file() and path.name != "lock"]
    if not files:
        return "nothing"
    path = draw.choice(files)
    try:
        if draw.random() < 0.3:
            older.setdefault(path, path.read_bytes())
        what = draw.choice(
            ("flip", "flip", "cut", "cut", "empty", "older", "other", "open", "foreign", "delete")
        )
        if what == "flip":
            with path.open("r+b") as file:
                size = os.fstat(file.fileno()).st_size
                for _ in range(draw.randrange(1, 5)):
                    at = draw.randrange(max(1, size))
                    file.seek(at)
                    byte = file.read(1)
                    file.seek(at)
                    file.write(bytes(((byte or b"\0")[0] ^ (1 << draw.randrange(8)),)))
        elif what == "cut":
            os.truncate(path, draw.randrange(max(1, path.stat().st_size)))
        elif what == "empty":
            os.truncate(path, 0)
        elif what == "older" and older:
            path.write_bytes(older.get(path) or draw.choice(list(older.values())))
        elif what == "other":
            path.write_bytes(draw.choice(files).read_bytes())
        elif what == "open":
            path.chmod(0o666)
        elif what == "foreign" and os.geteuid() == 0:
            os.chown(path, 12345, 12345)
        elif what == "delete":
            path.unlink()
    except OSError:
        return "gone"
    return what


def main() -> int:
    """Attack; return 0 where all held."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--seconds", type=float, default=120)
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--processes", type=int, default=8)
    given = options.parse_args()
    draw = random.Random(given.seed)
    with tempfile.TemporaryDirectory() as place:
        clean = worker(Path(place, "clean"), 0, "all")
        said, errors = clean.communicate()
        assert clean.returncode == 0, errors
        expected = json.loads(said)
        folder = Path(place, "shared")
        shutil.copytree(Path(place, "clean"), folder)
        running: dict[subprocess.Popen[str], float] = {}
        killed: set[int] = set()
        counts: dict[str, int] = {}
        faults: list[str] = []
        older: dict[Path, bytes] = {}
        until, number = time.monotonic() + given.seconds, 0
        while time.monotonic() < until or running:
            going = time.monotonic() < until
            while going and len(running) < given.processes:
                number += 1
                running[worker(folder, given.seed * 100_000 + number, "some")] = time.monotonic()
            if going:
                what = damage(folder, older, draw)
                counts[what] = counts.get(what, 0) + 1
                if draw.random() < 0.003:
                    victim = draw.choice(list(running))
                    killed.add(victim.pid)
                    victim.kill()
                    counts["kill"] = counts.get("kill", 0) + 1
            for process, begun in list(running.items()):
                if process.poll() is None:
                    if time.monotonic() - begun > LONGEST:
                        faults.append("a process hangs")
                        process.send_signal(signal.SIGABRT)
                        faults.append(process.communicate()[1][-1500:])
                        del running[process]
                    continue
                said, errors = process.communicate()
                del running[process]
                if process.pid in killed and process.returncode == -signal.SIGKILL:
                    continue
                counts["ended"] = counts.get("ended", 0) + 1
                if process.returncode != 0:
                    faults.append(f"ended with {process.returncode}: {errors[-1500:]}")
                elif json.loads(said) != expected:
                    found = json.loads(said)
                    faults.append(f"other masks: {[name for name in found if found[name] != expected[name]]}")
            time.sleep(draw.uniform(0.0, 0.05))
    print(json.dumps({"seed": given.seed, "processes": number, **counts, "faults": len(faults)}))
    for fault in list(dict.fromkeys(faults))[:4]:
        print(fault)
    return int(bool(faults))


if __name__ == "__main__":
    sys.exit(main())
