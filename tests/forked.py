"""New processes that need not import anew what is slow to import: each is a fork of one that has.

For what a process does with its files. Tests of imports themselves start an interpreter of their own.
"""

from __future__ import annotations

import atexit
import gc
import json
import os
import socket
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable
from functools import cache
from pathlib import Path

COMPILER = """
try:
    import numba
    numba.njit("int64(int64)")(lambda x: x + 1)
except ImportError:
    import numpy
"""
"""What makes numba's compiler ready where it is installed, without our package."""
NUMPY = "import numpy"

_SERVER = """
import json, os, socket, sys
{ahead}
with socket.socket(fileno=int(sys.argv[1])) as asked:
    while True:
        message, files, *_ = socket.recv_fds(asked, 1 << 20, 2)
        if not message:
            sys.exit()
        child = os.fork()
        if not child:
            break
        for file in files:
            os.close(file)
        asked.send(str(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])).encode())
for number, file in enumerate(files, 1):
    os.dup2(file, number)
code, sys.argv[1:], environment, folder = json.loads(message)
os.environ.clear()
os.environ.update(environment)
os.chdir(folder)
sys.path[:0] = [".", *environment.get("PYTHONPATH", "").split(os.pathsep)]
exec(compile(code, "<string>", "exec"))
"""


def begun(work: Callable[[], bool]) -> int:
    """Begin a fork of this process, which ends with 0 where `work` returns True; return its id."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12 warns of forks beside threads
        child = os.fork()
    if child == 0:
        status = 1
        gc.freeze()  # a collection goes through what the fork makes, and copies no page of the other process
        try:
            status = 0 if work() else 1
        finally:
            os._exit(status)
    return child


@cache
def _server(ahead: str) -> socket.socket:
    """Start the process that has run some statements, and return the end of a socket that it reads."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    number = theirs.fileno()
    with theirs:
        process = subprocess.Popen(
            [sys.executable, "-c", _SERVER.format(ahead=ahead), str(number)], pass_fds=[number]
        )

    def end() -> None:
        ours.close()
        process.wait()

    atexit.register(end)
    return ours


def run(
    code: str,
    *arguments: str,
    ahead: str = COMPILER,
    cwd: Path | str = ".",
    env: dict[str, str] | None = None,
    stderr: int | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run code in a new process that has run the statements `ahead`, and return what it wrote.

    `stderr` is the number of an open file that takes the place of its standard error.
    """
    server = _server(ahead)
    environment = dict(os.environ) if env is None else env
    message = json.dumps([code, arguments, environment, os.path.abspath(cwd)]).encode()
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        socket.send_fds(server, [message], [out.fileno(), err.fileno() if stderr is None else stderr])
        status = int(server.recv(16))
        out.seek(0)
        err.seek(0)
        return subprocess.CompletedProcess(code, status, out.read(), err.read())
