"""The files of a release, from a commit: an sdist, a pure wheel, and a wheel with machine code.

The pure wheel is built from the sdist, so that whoever has the sdist can build it too. The other wheel is the
pure one with the library of `structgen warmup --target generic` beside the sources and another tag: both have
the same metadata, as indexes ask for. Environments and trees lie in a temporary folder.
"""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

from changelog_cut import ReleaseError

ROOT = Path(__file__).resolve().parents[2]
GLIBC = 27
"""The second number of the oldest glibc that the library runs with: that of numpy's own wheels."""
TAG = f"py3-none-manylinux_2_{GLIBC}_x86_64"
"""The tag of the wheel with machine code: the library needs the stable ABI of Python alone."""
_VERSIONS = re.compile(rb"GLIBC_2\.(\d+)")


def version_of(root: Path) -> str:
    """Return the version that a tree of the sources says."""
    found = re.search(
        r'^__version__ = "(.+)"$', (root / "structgen/__init__.py").read_text("utf-8"), re.MULTILINE
    )
    if found is None:
        raise ReleaseError("structgen/__init__.py has no line `__version__ = ...`.")
    return found[1]


def run(*command: str | Path, cwd: Path = ROOT, **environment: str) -> str:
    """Return what a command prints. Its environment has nothing that names this checkout or a cache of it.
    Raises ReleaseError with the last lines of what it said where it fails."""
    inherited = {
        name: value
        for name, value in os.environ.items()
        if name not in ("PYTHONPATH", "VIRTUAL_ENV") and not name.startswith(("STRUCTGEN_", "NUMBA_"))
    }
    words = [str(word) for word in command]
    done = subprocess.run(words, cwd=cwd, env={**inherited, **environment}, capture_output=True, text=True)
    if done.returncode != 0:
        said = "\n".join((done.stdout + done.stderr).splitlines()[-15:])
        raise ReleaseError(f"`{' '.join(words)}` ended with status {done.returncode}:\n{said}")
    return done.stdout


def python_of(name: str) -> Path:
    """Return the interpreter that a command of a person stands for."""
    found = shutil.which(name)
    if found is None:
        raise ReleaseError(f"{name} is not on this machine. Install it, or leave it out.")
    return Path(found).absolute()


def environment(python: Path, folder: Path) -> Path:
    """Make an empty environment; return its interpreter."""
    run(python, "-m", "venv", folder, cwd=folder.parent)
    return folder / "bin/python"


def installed(wheel: str, python: Path, folder: Path, constraints: Path) -> Path:
    """Make an environment that has a wheel, and what it needs in the versions that it is tested with; return
    its interpreter."""
    inside = environment(python, folder)
    pip = (inside, "-m", "pip", "install", "--disable-pip-version-check", "-q")
    run(*pip, wheel, "-c", constraints, cwd=folder.parent)
    return inside


def build(pythons: Sequence[str], output: Path, *, twice: bool = True) -> None:
    """Build all files of the commit HEAD into a folder, in place of what it held. Prints their names.

    `pythons`: the first one compiles. `twice`: in two folders at the same time. Raises ReleaseError where a
    build fails or a byte differs. Cost: some 75 s of a processor for each build.
    """
    python = python_of(pythons[0])
    changed = run("git", "status", "--porcelain").splitlines()
    if changed:
        print(
            f"Not in the release: {len(changed)} files that differ from the commit, such as {changed[0][3:]}."
        )
    with tempfile.TemporaryDirectory(prefix="release-") as temporary:
        # folders of different names and lengths: no path may be in what is built
        folders = [Path(temporary, name) for name in ("one", "the-second-one")[: 1 + twice]]
        with ThreadPoolExecutor(len(folders)) as threads:
            made = list(threads.map(lambda folder: build_once(python, folder), folders))
        for other in made[1:]:
            compare(made[0], other)
        shutil.rmtree(output, ignore_errors=True)
        output.mkdir(parents=True)
        for file in made[0]:
            shutil.copy(file, output)
            print(f"{output.name}/{file.name}: {file.stat().st_size / 1e6:.1f} MB")
    if twice:
        print("Two builds of the commit are equal byte for byte.")


def compare(files: Iterable[Path], others: Iterable[Path]) -> None:
    """Raise ReleaseError where two builds have other files, or other bytes in one of them."""
    one, two = ({file.name: file.read_bytes() for file in made} for made in (files, others))
    for name in sorted({*one, *two}):
        if one.get(name) != two.get(name):
            raise ReleaseError(
                f"Two builds of the commit differ in {name}{_member(one.get(name), two.get(name))}."
            )


def _member(one: bytes | None, two: bytes | None) -> str:
    """Return where two wheels differ, as far as that can be said."""
    try:
        with (
            zipfile.ZipFile(io.BytesIO(one or b"")) as first,
            zipfile.ZipFile(io.BytesIO(two or b"")) as second,
        ):
            held = {name: first.read(name) for name in first.namelist()}
            differ = [name for name in second.namelist() if held.get(name) != second.read(name)]
    except zipfile.BadZipFile:
        return ""
    return f": {', '.join(differ[:5])}" if differ else ": order or times of its files"


def build_once(python: Path, folder: Path) -> list[Path]:
    """Build all files of the commit HEAD below a new folder; return them."""
    tree, made = folder / "tree", folder / "made"
    made.mkdir(parents=True)
    packed = folder / "tree.tar"
    run("git", "archive", "--format=tar", f"--output={packed}", "HEAD")
    with tarfile.open(packed) as archive:
        archive.extractall(tree, filter="data")
    made_at = run("git", "log", "-1", "--format=%ct").strip()
    hatch = (sys.executable, "-m", "hatchling", "build", "-d", made)
    run(*hatch, "-t", "sdist", cwd=tree, SOURCE_DATE_EPOCH=made_at)
    (sdist,) = made.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        archive.extractall(folder / "sdist", filter="data")
    (unpacked,) = (folder / "sdist").iterdir()
    run(*hatch, "-t", "wheel", cwd=unpacked, SOURCE_DATE_EPOCH=made_at)
    (pure,) = made.glob("*-none-any.whl")
    return [sdist, pure, with_machine_code(pure, python, folder, tree, int(made_at))]


def with_machine_code(pure: Path, python: Path, folder: Path, tree: Path, made_at: int) -> Path:
    """Compile the inner loops by a Python that has the pure wheel; return the wheel that has both.

    `tree`: where constraints.txt says which numba. `made_at`: the time of all files, in seconds since 1970.
    """
    with tempfile.TemporaryDirectory(dir=folder) as temporary:
        wanted = f"{pure}[compile]"
        inside = installed(wanted, python, Path(temporary, "python"), tree / "constraints.txt")
        code = Path(temporary, "code")
        run(
            inside.with_name("structgen"),
            *("warmup", "--target", "generic", "--output", code),
            cwd=folder,
            OMP_NUM_THREADS="1",
            STRUCTGEN_CACHE=str(Path(temporary, "cache")),
        )
        (library,) = code.glob("*.so")
        held = library.read_bytes()
    check_system(held)
    return retagged(pure, TAG, {f"structgen/machine_code/{library.name}": held}, made_at)


def check_system(library: bytes) -> None:
    """Raise ReleaseError where a library asks for a newer glibc than the tag of its wheel says."""
    newest = max(map(int, _VERSIONS.findall(library)), default=0)
    if newest > GLIBC:
        raise ReleaseError(f"The library needs glibc 2.{newest}, and its wheel says 2.{GLIBC}.")


def retagged(pure: Path, tag: str, files: dict[str, bytes], made_at: int) -> Path:
    """Write a wheel beside a pure one: with more files, another tag, and true lists of both. Return it."""
    path = pure.with_name(pure.name.replace("py3-none-any", tag))
    moment = datetime.fromtimestamp(made_at, UTC).timetuple()[:6]
    rows = []

    def add(wheel: zipfile.ZipFile, name: str, data: bytes) -> None:
        about = zipfile.ZipInfo(name, moment)
        about.external_attr = 0o100644 << 16
        about.compress_type = zipfile.ZIP_DEFLATED
        wheel.writestr(about, data)
        digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
        rows.append((name, f"sha256={digest}", len(data)))

    with zipfile.ZipFile(pure) as source, zipfile.ZipFile(path, "w") as wheel:
        names = source.namelist()
        record = next(name for name in names if name.endswith(".dist-info/RECORD"))
        kept = {name: source.read(name) for name in names if name != record}
        about = record.replace("RECORD", "WHEEL")
        text = kept[about].decode().replace("Root-Is-Purelib: true", "Root-Is-Purelib: false")
        kept[about] = text.replace("Tag: py3-none-any", f"Tag: {tag}").encode()
        for name, data in sorted(
            {**kept, **files}.items(), key=lambda item: (".dist-info/" in item[0], item[0])
        ):
            add(wheel, name, data)
        listed = io.StringIO()
        csv.writer(listed, lineterminator="\n").writerows([*rows, (record, "", "")])
        add(wheel, record, listed.getvalue().encode())
    return path
