#!/bin/bash
# gemm.sh compares f32 products with OpenBLAS, as numpy from PyPI brings it:
# both on the same operands' shapes, in turns, in the same minutes. Where there
# is no such numpy it says why and skips.
set -euo pipefail
cd "$(dirname "$0")/../.."
skip() { echo "SKIP peers: $1"; exit 0; }

command -v python3 >/dev/null || skip "no python3"
venv=bin/peers
if [ ! -x $venv/bin/python ]; then
  python3 -m venv $venv >/dev/null 2>&1 || skip "python3 has no venv"
fi
$venv/bin/python -c 'import numpy' 2>/dev/null ||
  $venv/bin/python -m pip install --quiet --disable-pip-version-check --only-binary :all: numpy 2>$venv/pip.log ||
  skip "numpy cannot be installed: $(tail -1 $venv/pip.log)"
go test -c -o $venv/gemm.test ./kernel/gemm
# A core type chosen by hand would bind OpenBLAS to older instructions.
unset OPENBLAS_CORETYPE
exec $venv/bin/python tools/peers/gemm.py $venv/gemm.test
