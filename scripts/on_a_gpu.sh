#!/usr/bin/env bash
# What structgen does on a GPU, on a bare machine with Python 3.12, torch and Triton, and no network.
#
#   scripts/on_a_gpu.sh --pack FOLDER         here: the wheels that such a machine lacks (scripts/gpu_wheels.py)
#   OUT=results scripts/on_a_gpu.sh FOLDER    there: installs them, then runs the parts below
#   DEVICE=cpu scripts/on_a_gpu.sh            the same parts at small sizes, in the environment as it is
#
# Each part has its own limit in seconds; together they take at most eight minutes, on the CPU ten times as long.
# A part that fails or takes too long does not stop the next. $OUT gets log.txt, the tables as CSV, and
# summary.txt, which is what is printed. Exit status: 0, or 1 where a part failed. PARTS="tests engine" runs
# these alone; LIMIT=20 lowers every limit, WHOLE=300 that of all; PYTHON names the interpreter.
set -uo pipefail
PYTHON=${PYTHON:-python3}
if [[ ${1:-} == --pack ]]; then
  exec "$PYTHON" "$(dirname "${BASH_SOURCE[0]}")/gpu_wheels.py" "${@:2}"
fi
WHEELS=
[[ -z ${1:-} ]] || WHEELS=$(realpath -e "$1") || exit 2
OUT=$(realpath -m "${OUT:-gpu-results}")
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1
DEVICE=${DEVICE:-cuda}
LIMIT=${LIMIT:-6000}
# On the CPU, which may be busy, nobody waits for a machine that is lent.
[[ $DEVICE == cpu ]] && TIMES=10 || TIMES=1
WHOLE=${WHOLE:-$((480 * TIMES))}
PARTS=${PARTS:-install compile tests kernel-tests kernels engine}
SITE=$(mktemp -d)
trap 'rm -rf "$SITE"' EXIT
export PYTHONPATH=$SITE:$PWD:$PWD/kernels${PYTHONPATH:+:$PYTHONPATH}
export PYTEST_DISABLE_PLUGIN_AUTOLOAD=1 # those of the machine may be of another version of pytest
mkdir -p "$OUT"
: >"$OUT/summary.txt" >"$OUT/log.txt"
failed=0

say() { echo "$*" | tee -a "$OUT/summary.txt"; }

# part NAME SECONDS LINES COMMAND...: runs it within its limit, and repeats the last LINES that it said.
part() {
  local name=$1 limit=$(($2 * TIMES < LIMIT ? $2 * TIMES : LIMIT)) lines=$3 began=$SECONDS status=0 word=ok
  shift 3
  [[ " $PARTS " == *" ${name%%,*} "* ]] || return 0
  ((limit < WHOLE - SECONDS)) || limit=$((WHOLE > SECONDS ? WHOLE - SECONDS : 1))
  echo "== $name" >>"$OUT/log.txt"
  timeout -k 5 "$limit" "$@" >>"$OUT/log.txt" 2>&1 || status=$?
  if ((status)); then
    failed=1 lines=24 word="FAILED, exit status $status"
    ! is_over "$status" || word="FAILED, over $limit s"
  fi
  say "$name: $word, $((SECONDS - began)) s"
  tail -n "$lines" "$OUT/log.txt" | sed 's/^/    /' | tee -a "$OUT/summary.txt"
  return $status
}

# is_over STATUS: whether a part took too long. Then it need not be tried another way.
is_over() {
  (($1 == 124 || $1 == 137))
}

# A wheel may come in pieces, NAME.whl.00, NAME.whl.01, ..., in folders one after another.
install_wheels() {
  shopt -s nullglob
  local first name
  for first in "$WHEELS"/*/*.whl.00; do
    name=$(basename "$first" .00)
    cat "$WHEELS"/*/"$name".[0-9][0-9] >"$SITE/$name"
  done
  "$PYTHON" -m pip install -q --no-index --no-deps --no-compile --upgrade --target "$SITE" \
    "$WHEELS"/*/*.whl "$SITE"/*.whl
}
export -f install_wheels
export WHEELS SITE PYTHON

versions() {
  "$PYTHON" - <<'END'
import platform
from importlib import metadata

def version(name):
    try:
        return f"{name} {metadata.version(name)}"
    except metadata.PackageNotFoundError:
        return f"{name} missing"

print("Python", platform.python_version(), *map(version, "torch triton numba numpy transformers".split()), sep=", ")
END
  nvidia-smi --query-gpu=name,memory.total,driver_version --format=csv,noheader 2>/dev/null || echo "no GPU"
}

[[ -z $WHEELS ]] || part install 50 0 bash -c install_wheels
say "$(versions)"
part compile 50 0 "$PYTHON" -c "from structgen.doors.cli.inner_loops import compile_all; compile_all(jobs=$(nproc))"
if [[ $DEVICE == cpu ]]; then
  which=(-m "not gpu and not slow")
  rows=(--smoke --dtypes bfloat16)
  engine=(--model tiny --batches 1,3 --tokens 6 --repeats 1)
else
  which=(-m gpu)
  rows=(--rows 1 32 256 --quick)
  # the batches that say most come first: what was measured stays where the time is over
  engine=(--model extract --batches 32,1,8 --tokens 40 --repeats 4 --without-hard)
  "$PYTHON" -c 'from structgen.decoding.runs.resources import smollm2; smollm2()' 2>/dev/null && engine[1]=smollm2
fi
quiet=(-q -p no:cacheprovider)
part tests 75 1 "$PYTHON" -m pytest "${quiet[@]}" "${which[@]}" tests/gpu
part kernel-tests 90 1 "$PYTHON" -m pytest "${quiet[@]}" tests/kernels
part kernels 90 7 "$PYTHON" bench/bench_kernels.py "${rows[@]}" --results "$OUT"
engine=("$PYTHON" bench/bench_engine.py --device "$DEVICE" "${engine[@]}" --results "$OUT")
# A peer that does not run there must not take the figures of the engine along: then they come without the peers.
part engine 160 26 "${engine[@]}" || is_over $? || part engine,alone 150 24 "${engine[@]}" --alone
say "$( ((failed)) && echo 'a part failed' || echo 'all parts passed')"
exit $failed
