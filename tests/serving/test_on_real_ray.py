"""Bulk runs on a Ray of this machine: workers and jobs are killed, and every answer is there once.

Selected by `-m serving`; skipped where Ray is not installed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("ray")
pytestmark = [pytest.mark.serving, pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")]

ROOT = Path(__file__).resolve().parents[2]
ENGINES = ROOT / ".venv-engines" / "bin" / "python"
"""Of the environment that `make test-serving` makes (scripts/serving_engines.py)."""
COUNT, OF_VLLM = 2000, 400
"""Prompts of our own engine, and of vLLM's, which takes longer."""
SCHEMA = '{"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}'
BENCH = {"schema": {"enum": ["ab"]}, "tests": [{"data": "ab", "valid": True}, {"data": "b", "valid": False}]}


def _prompts(folder: Path, count: int) -> Path:
    path = folder / "p.jsonl"
    path.write_text("".join(f'{{"prompt": "Ada {i} is here.", "id": {i}}}\n' for i in range(count)))
    return path


@pytest.fixture
def ask(tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Yield what starts a command of structgen; what is left of it is killed."""
    begun = []
    paths = os.pathsep.join([str(ROOT), str(ROOT / "kernels"), os.environ.get("PYTHONPATH", "")])
    left_out = ("RAY_ADDRESS", "COV_CORE_SOURCE")
    environment = {name: value for name, value in os.environ.items() if name not in left_out}

    def start(*given: str, python: str = sys.executable) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [python, "-c", "from structgen.cli import main; main()", *given],
            env={**environment, "PYTHONPATH": paths, "RAY_AUTH_MODE": "disabled", "NO_COLOR": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        begun.append(process)
        return process

    yield start
    for process in begun:
        process.kill()
        process.communicate()


def _generate(prompts: Path, out: Path, *rest: str) -> list[str]:
    given = ["--schema", SCHEMA, "--max-tokens", "24", "-o", "device=cpu"]
    return ["bulk", "--prompts", str(prompts), "--out", str(out), *given, *rest]


def _lines(out: Path) -> list[bytes]:
    return [line for path in sorted(out.glob("*.jsonl")) for line in path.read_bytes().splitlines()]


def _workers(job: int) -> list[int]:
    """Return the processes of actors below a job, and below the servers that it started."""
    found, below = [], {job}
    for _ in range(4):
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
                name = (folder / "cmdline").read_bytes()
            except OSError:
                continue
            if parent in below:
                below.add(int(folder.name))
                if name.startswith(b"ray::RayActor"):
                    found.append(int(folder.name))
    return sorted(set(found))


def _until(holds: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    for _ in range(4000):
        if holds():
            return
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)
    raise AssertionError("it never came")


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="processes are listed by /proc")
def test_workers_and_a_job_that_are_killed_leave_each_answer_once(
    tmp_path: Path, ask: Callable[..., subprocess.Popen[str]]
) -> None:
    prompts = _prompts(tmp_path, COUNT)
    one, out = tmp_path / "one.jsonl", tmp_path / "out"
    alone = ask(*_generate(prompts, one))
    assert alone.wait(600) == 0
    expected = sorted(one.read_bytes().splitlines(), key=lambda line: json.loads(line)["line"])
    asked = _generate(prompts, out, "--ray", "--workers", "2")
    job = ask(*asked)
    _until(lambda: len(_workers(job.pid)) == 2, job)
    os.kill(_workers(job.pid)[0], signal.SIGKILL)
    _until(lambda: out.is_dir() and len(_lines(out)) > 0, job)
    job.kill()
    job.wait()
    before = len(_lines(out))
    again = ask(*asked)
    _, told = again.communicate(timeout=600)
    assert again.returncode == 0, told
    assert _lines(out) == expected
    assert before == COUNT or f"{before:,} of them before" in told
    assert Path(f"{out}.run").read_bytes() == Path(f"{one}.run").read_bytes()


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="processes are listed by /proc")
def test_vllm_in_workers_that_are_killed_leaves_each_answer_once(
    tmp_path: Path, ask: Callable[..., subprocess.Popen[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    if not ENGINES.exists() or subprocess.run([ENGINES, "-c", "import ray, vllm"]).returncode:
        pytest.skip("vLLM and Ray are in no environment")
    for name, value in {"VLLM_CPU_KVCACHE_SPACE": "1", "VLLM_NO_USAGE_STATS": "1"}.items():
        monkeypatch.setenv(name, value)
    out = tmp_path / "out"
    asked = _generate(_prompts(tmp_path, OF_VLLM), out, "--ray", "--workers", "1", "-o", "engine=vllm")
    asked += [
        "-o",
        'engine_options={"enforce_eager": true, "max_model_len": 512, "gpu_memory_utilization": 0.2}',
    ]
    job = ask(*asked, python=str(ENGINES))
    _until(lambda: out.is_dir() and len(_lines(out)) > 0, job)
    os.kill(_workers(job.pid)[0], signal.SIGKILL)
    _, told = job.communicate(timeout=600)
    assert job.returncode == 0, told
    lines = [json.loads(line) for line in _lines(out)]
    assert [line["line"] for line in lines] == list(range(OF_VLLM))
    assert all(set(json.loads(line["text"])) == {"name"} for line in lines)
    again = ask(*asked, "--max-tokens", "25", python=str(ENGINES))
    _, told = again.communicate(timeout=600)
    assert again.returncode == 2 and "another max_tokens" in told


def test_maskbench_finds_what_is_done(tmp_path: Path, ask: Callable[..., subprocess.Popen[str]]) -> None:
    (tmp_path / "in").mkdir()
    for i in range(20):
        (tmp_path / "in" / f"Easy---{i}.json").write_text(json.dumps(BENCH))
    out = tmp_path / "out"
    asked = ["maskbench", str(tmp_path / "in"), "--json", "--ray", "--out", str(out), "--workers", "2"]
    reports = []
    for _ in range(2):
        run = ask(*asked)
        said, told = run.communicate(timeout=600)
        assert run.returncode == 0, told
        reports.append(json.loads(said)["engines"]["structgen"]["all"])
    assert len(list(out.iterdir())) == 2
    # the times too: they were read
    assert reports[0] == reports[1] and reports[0]["passing"] == 20
