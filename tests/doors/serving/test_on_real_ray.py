"""Work on a Ray of this machine: workers and jobs are killed, and every answer is there once; what goes wrong
in a worker is told.

Selected by `-m serving`; skipped where Ray is not installed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import pytest

ray = pytest.importorskip("ray")

from structgen.decoding.runs.ray_workers import ray_answers  # noqa: E402
from structgen.errors import OptionError, StructgenError  # noqa: E402

pytestmark = [pytest.mark.serving, pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")]

ROOT = Path(__file__).resolve().parents[3]
ENGINES = ROOT / ".venv-engines" / "bin" / "python"
"""Of the environment that `make test-serving` makes (scripts/serving_checks.py)."""
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
            [python, "-c", "from structgen.doors.cli import main; main()", *given],
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
    """Return the whole lines of results in the order of the prompts."""
    whole = [line for line in out.read_bytes().splitlines(keepends=True) if line.endswith(b"\n")]
    return sorted(whole, key=lambda line: json.loads(line)["line"])


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
    one, out = tmp_path / "one.jsonl", tmp_path / "out.jsonl"
    alone = ask(*_generate(prompts, one))
    assert alone.wait(600) == 0
    asked = _generate(prompts, out, "--ray", "--workers", "2")
    job = ask(*asked)
    _until(lambda: len(_workers(job.pid)) == 2, job)
    os.kill(_workers(job.pid)[0], signal.SIGKILL)
    _until(lambda: out.exists() and len(_lines(out)) > 0, job)
    job.kill()
    job.wait()
    before = len(_lines(out))
    again = ask(*asked)
    _, told = again.communicate(timeout=600)
    assert again.returncode == 0, told
    assert _lines(out) == _lines(one)
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
    out = tmp_path / "out.jsonl"
    asked = _generate(_prompts(tmp_path, OF_VLLM), out, "--ray", "--workers", "1", "-o", "engine=vllm")
    asked += [
        "-o",
        'engine_options={"enforce_eager": true, "max_model_len": 512, "gpu_memory_utilization": 0.2}',
    ]
    job = ask(*asked, python=str(ENGINES))
    _until(lambda: out.exists() and len(_lines(out)) > 0, job)
    os.kill(_workers(job.pid)[0], signal.SIGKILL)
    _, told = job.communicate(timeout=600)
    assert job.returncode == 0, told
    lines = [json.loads(line) for line in _lines(out)]
    assert [line["line"] for line in lines] == list(range(OF_VLLM))
    assert all(set(json.loads(line["text"])) == {"name"} for line in lines)
    again = ask(*asked, "--max-tokens", "25", python=str(ENGINES))
    _, told = again.communicate(timeout=600)
    assert again.returncode == 2 and "another max_tokens" in told


def test_maskbench_finds_what_is_done_and_leaves_nothing_else(
    tmp_path: Path, ask: Callable[..., subprocess.Popen[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("in", "tmp"):
        (tmp_path / name).mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
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
    assert len(out.read_bytes().splitlines()) == 20
    assert not list((tmp_path / "tmp").glob("structgen-maskbench-*"))
    # the times too: they were read
    assert reports[0] == reports[1] and reports[0]["passing"] == 20


# --- workers ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """Yield Ray with a cluster of two processors that was there before."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("RAY_ADDRESS", raising=False)
        patch.setenv("RAY_AUTH_MODE", "disabled")
        paths = [str(Path(__file__).parent), str(ROOT), os.environ.get("PYTHONPATH", "")]
        patch.setenv("PYTHONPATH", os.pathsep.join(paths))
        ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
        yield ray
        ray.shutdown()


class Squares:
    """A worker. It says of itself what `said` is, and does what its shard is called, `died` once; `together`
    it waits for a second one."""

    def __init__(self, folder: Path, said: object = "one version") -> None:
        self._folder, self._said = folder, said
        # processes that were started
        (folder / f"made-{os.getpid()}").touch()

    def __call__(self, shard: list[int | str]) -> Iterator[object]:
        """Yield what is said of it, and for each task a square, or fail."""
        yield os.getpid() if self._said == "its process" else self._said
        yield from map(self._done, shard)

    def _done(self, shard: int | str) -> object:
        match shard:
            case "refused":
                raise OptionError("It is refused.", where="there", cure="Ask for less.")
            case "died" if not (self._folder / "died").exists():
                (self._folder / "died").touch()
                os.kill(os.getpid(), signal.SIGKILL)
            case "together":
                while len(list(self._folder.glob("made-*"))) < 2:
                    time.sleep(0.01)
            case "wrong":
                raise ZeroDivisionError("by a shard")
        return shard * 2 if isinstance(shard, str) else shard**2


def _unread() -> Any:
    """Stand for what is of a module that a worker does not have."""
    raise ModuleNotFoundError("No module named 'mine'")


def _answered(make: Callable[[], Any], shards: list[Any], **options: Any) -> list[Any]:
    return list(ray_answers(make, shards, 1, **options))[1:]


def _until_all_ended(cluster: Any) -> None:
    for _ in range(200):
        if cluster.available_resources().get("CPU") == 2:
            return
        time.sleep(0.05)
    raise AssertionError("a worker is left")


@pytest.mark.parametrize("at_once", [1, 2])
def test_a_shard_whose_worker_died_is_answered_once_and_the_cluster_stays(
    tmp_path: Path, cluster: Any, at_once: int
) -> None:
    shards = [1, 2, "died", 3, 4, 5]
    found = _answered(partial(Squares, tmp_path), shards, count=2, at_once=at_once)
    assert sorted(map(str, found)) == ["1", "16", "25", "4", "9", "dieddied"]
    assert cluster.is_initialized()
    _until_all_ended(cluster)


def test_workers_that_find_no_room_hold_up_nobody(tmp_path: Path, cluster: Any) -> None:
    assert len(_answered(partial(Squares, tmp_path), list(range(9)), count=5)) == 9
    assert 1 <= len(list(tmp_path.glob("made-*"))) <= 2
    _until_all_ended(cluster)


def test_there_are_as_many_workers_as_processors(tmp_path: Path, cluster: Any) -> None:
    counts = list[int]()
    assert list(ray_answers(partial(Squares, tmp_path), [], 1, report_count=counts.append)) == ["one version"]
    assert counts == [2]


def test_a_device_that_the_cluster_lacks_is_refused(tmp_path: Path, cluster: Any) -> None:
    with pytest.raises(OptionError, match=r"no GPU\. Choose another device"):
        _answered(partial(Squares, tmp_path), [1], gpu=True)


@pytest.mark.parametrize(
    ("shards", "told"),
    [
        ([1, "refused"], "there: It is refused. Ask for less."),
        (
            [1, "wrong"],
            "ray: A worker failed: ZeroDivisionError: by a shard What it is sent must be",
        ),
    ],
)
def test_errors_of_a_worker_are_told_and_end_all(
    tmp_path: Path, cluster: Any, shards: list[Any], told: str
) -> None:
    with pytest.raises(StructgenError) as caught:
        _answered(partial(Squares, tmp_path), shards)
    assert str(caught.value).startswith(told)
    _until_all_ended(cluster)


def test_whoever_leaves_early_ends_the_workers(tmp_path: Path, cluster: Any) -> None:
    with pytest.raises(KeyError), closing(ray_answers(partial(Squares, tmp_path), range(9), 1)) as answers:
        assert next(answers) == "one version"
        next(answers)
        raise KeyError
    _until_all_ended(cluster)


def test_a_worker_that_cannot_be_made_is_told(tmp_path: Path, cluster: Any) -> None:
    with pytest.raises(StructgenError, match=r"No such file.*nowhere"):
        _answered(partial(Squares, tmp_path / "nowhere"), [1])
    with pytest.raises(StructgenError, match=r"A worker failed: .*No module named 'mine'"):
        _answered(_unread, [1])


def test_workers_that_differ_are_refused(tmp_path: Path, cluster: Any) -> None:
    with pytest.raises(StructgenError, match="same version and the same model"):
        _answered(partial(Squares, tmp_path, "its process"), ["together", *range(99)], count=2)


def test_what_cannot_be_sent_is_refused(tmp_path: Path, cluster: Any) -> None:
    with pytest.raises(OptionError, match=r"cannot be sent.*plain values and grammars"):
        _answered(partial(Squares, tmp_path, threading.Lock()), [1])
