"""Unpack the library of machine code of a wheel that `make release` built, where it fits these sources.

    python scripts/built_library.py FOLDER [--dist dist]

Writes the library into FOLDER and prints FOLDER, for STRUCTGEN_MACHINE_CODE: processes then compile nothing.
Exit status 1, and nothing is printed, where no wheel has a library of these sources for this processor.
"""

from __future__ import annotations

import argparse
import os
import sys
import zipfile
from pathlib import Path

from structgen.base.native.machine_code import ENVIRONMENT_VARIABLE, library_path, sources_digest

ROOT = Path(__file__).resolve().parents[1]


def unpack_library(wheels: Path, folder: Path) -> bool:
    """Write the library of these sources, if a wheel has it, into a folder; return whether it fits."""
    prefix = f"structgen/machine_code/loops-{sources_digest()}-"
    for path in sorted(wheels.glob("*.whl")):
        with zipfile.ZipFile(path) as wheel:
            for name in wheel.namelist():
                if name.startswith(prefix):
                    folder.mkdir(parents=True, exist_ok=True)
                    for old in folder.glob("loops-*.so"):
                        old.unlink()
                    (folder / Path(name).name).write_bytes(wheel.read(name))
                    os.environ[ENVIRONMENT_VARIABLE] = str(folder)
                    return library_path() is not None
    return False


def main() -> None:
    """Read the command line and do what it says."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--dist", type=Path, default=ROOT / "dist")
    options = parser.parse_args()
    if not unpack_library(options.dist, options.folder.absolute()):
        sys.exit(1)
    print(options.folder.absolute())


if __name__ == "__main__":
    main()
