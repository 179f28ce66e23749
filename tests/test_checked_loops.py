"""Under `STRUCTGEN_CHECKED=1` each kind of wrong load and store of compiled code ends in an exception that
names the field and the index."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from structgen.base.native.addresses import CHECKED

pytest.importorskip("numba")

pytestmark = pytest.mark.skipif(sys.platform != "linux" or sys.maxsize < 1 << 32, reason="a shadow of Linux")

_FAULTS = """
import array, numpy as np
from structgen.base.limits import DEFAULT
from structgen.machines.machine_core.growing_tables import GrowingTables, TablePlan, TableSizes
from structgen.machines.machine_core.layout import Core, Edge
from structgen.base.native.addresses import address_of, address_of_items
from structgen.base.native.checked import DeadMemoryError
from structgen.base.native.jit import code_of, entry, jit
from structgen.base.native.raw_memory import call2
from structgen.base.native.typed_blocks import At, Block, BlockRows, Bytes, Int32s, Int32Table, Table
from structgen.base.native.typed_blocks import copy_block, word_of

class Faulty(Core):
    mine: Table[Edge]
    numbers_kept: Int32Table
    held: Int32s
    one: At[Edge]
    code: int

@entry("int64(int64, int64)")
def target_of(context, index):
    return Faulty(context).mine[index].target

@entry("int64(int64, int64)")
def put_target(context, index):
    Faulty(context).mine[index].target = 7
    return 0

@entry("int64(int64, int64)")
def number_of(context, index):
    return Faulty(context).numbers_kept[index]

@entry("int64(int64, int64)")
def held_of(context, index):
    return Faulty(context).held[index]

@entry("int64(int64, int64)")
def put_held(context, index):
    Faulty(context).held[index] = 7
    return 0

@entry("int64(int64, int64)")
def row_of(address, index):
    return Edge(address).target + index

@entry("int64(int64, int64)")
def byte_of(address, index):
    return Bytes(address)[index]

@entry("int64(int64, int64)")
def copied(address, other):
    copy_block(Edge(address), Edge(other))
    return 0

@entry("int64(int64, int64)")
def called(context, index):
    return call2(Faulty(context).code, context, index) + 1

def refused(said, function, *arguments):
    try:
        answer = function(*arguments)
    except DeadMemoryError as error:
        assert said in str(error), error
        return
    raise SystemExit(f"{function.__name__}{arguments} answered {answer}")

plan = TablePlan(Faulty, {"nodes": TableSizes(4), "edges": TableSizes(4), "lists": TableSizes(4),
                          "mine": TableSizes(4), "numbers_kept": TableSizes(4)})
tables = GrowingTables(DEFAULT, plan)
mine, context = word_of(Faulty, "mine"), tables.context
for number in range(4):
    tables.append(mine, (0, 0, 0, number))
context[word_of(Faulty, "held")] = address_of(held := np.arange(5, dtype=np.int32))
context[word_of(Faulty, "code")] = code_of(target_of)
at = tables.address
# what is right is answered
assert [target_of(at, 3), put_target(at, 0)] == [3, 0]
assert [held_of(at, 4), put_held(at, 4), called(at, 3)] == [4, 0, 4]
kept = array.array("b", [1, 2, 3])
assert byte_of(address_of_items(kept), 2) == 3
# a row, a number, an item that the table has no room for
for index in (4, -1, 1 << 40):
    refused(f"index {index}", target_of, at, index)
    refused(f"index {index}", put_target, at, index)
    refused(f"index {index}", number_of, at, index)
# past the end of an array, also inside its last eight bytes, and before its beginning
for index in (5, 6, -(1 << 40), 1 << 50):
    refused("Faulty.held", held_of, at, index)
    refused(f"index {index}", put_held, at, index)
refused("index 3", byte_of, address_of_items(kept), 3)
# through a call by address, which passes the exception on
refused("index 9", called, at, 9)
# a table that has moved: its old rows are dead, and its new ones live
before = int(context[mine])
assert row_of(before, 0) == 7
tables.append(mine, (0, 0, 0, 4))
assert int(context[mine]) != before
refused("target", row_of, before, 0)
refused("Edge", copied, before, int(context[mine]))
assert target_of(at, 4) == 4
# an array that is freed
old = address_of(held)
del held
refused("Faulty.held", held_of, at, 0)
refused("index", byte_of, 0, 0)
refused("index", byte_of, -8, 0)
print("all seen")
"""


def child(code: str, checked: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "STRUCTGEN_CHECKED": checked}
    command = [sys.executable, "-c", code]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def test_each_kind_of_wrong_access_is_seen(tmp_path: Path) -> None:
    """In a process of its own, whose compiled functions have one such fault each; else they answer."""
    file = tmp_path / "faults.py"
    file.write_text(_FAULTS)
    done = child(f"import runpy; runpy.run_path({str(file)!r})", "1")
    assert (done.returncode, done.stdout.split("\n")[-2:]) == (0, ["all seen", ""]), done.stderr[-2000:]


@pytest.mark.skipif(CHECKED, reason="the checks are on")
def test_the_checks_are_off_and_no_code() -> None:
    """The machine code that is kept for the switch off has no load of a shadow byte."""
    code = (
        "from structgen.base.native import bit_rows, compiling\n"
        "from structgen.base.native.addresses import SHADOW\n"
        "print(str(SHADOW) in str(compiling.module_of(bit_rows.__name__, '')))\n"
    )
    answers = [child(code, one).stdout.split() for one in ("0", "1")]
    assert answers == [["False"], ["True"]]
