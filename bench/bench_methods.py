"""What do published methods bring that are one file each on the public extension points (bench/methods)?

    python bench/bench_methods.py [--only drafters verifiers ...]

Prints a table for each family and writes bench/results/methods-FAMILY-DATE.csv. Rows of SmolLM2 need
`make smollm2`; a family that is nothing without it is left out, and that is said. The docstring of each
family's module says what its columns are.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

import records
from methods import FAMILIES, families

from structgen.errors import StructgenError


def main(argv: Sequence[str] | None = None) -> int:
    """Measure the families; returns the exit status."""
    parser = records.arguments(__doc__)
    parser.add_argument("--only", nargs="+", choices=FAMILIES, default=list(FAMILIES))
    options = parser.parse_args(argv)
    about = {"load": records.load(), "version": records.version()}
    for name, rows in families().items():
        if name not in options.only:
            continue
        try:
            table = rows()
        except StructgenError as error:
            print(f"\n{name}: not measured: {error}", flush=True)
            continue
        columns = list(dict.fromkeys(column for row in table for column in row))
        lines = [[row.get(column, "") for column in columns] for row in table]
        path = records.write(options.results, f"methods-{name}", about, columns, lines)
        print(f"\n{name} ({path.name})\n")
        print(records.markdown(columns, lines), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
