"""Digests of what Lark grammars answer along texts; `make lark-oracle` compares them with `digests.txt`.

`golden` holds some steps of many kinds of grammars; this holds every step of the texts of a few real Lark
grammars, and walks through a thousand small ones. Where a digest differs, `--judge` asks lark who is right.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "oracles"))
