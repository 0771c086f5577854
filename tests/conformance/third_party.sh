#!/usr/bin/env bash
# A backend that is not ours, as its users meet it: wheels of core and of examples/allumette-torch in
# a clean virtual environment, and the kit. PyTorch is a large download: only CI runs this.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
repository=$PWD

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
python=${PYTHON:-python3}

"$python" -m venv "$scratch/venv"
bin="$scratch/venv/bin"
"$bin/python" -m pip wheel --quiet --no-deps --wheel-dir "$scratch/wheels" \
  packages/allumette-core packages/allumette-train examples/allumette-torch
"$bin/python" -m pip install --quiet ${TORCH:-torch==2.13.0} \
  "$scratch"/wheels/allumette_core-*.whl "$scratch"/wheels/allumette_train-*.whl \
  "$scratch"/wheels/allumette_torch-*.whl 'hypothesis>=6.100,<7' 'pytest>=8.2,<10' ruff==0.17.6 \
  mypy==2.4.1

cd "$scratch"
"$bin/allumette" conform torch --report "$scratch/report"
"$bin/allumette" train --backend torch --power-ten-points 3 --iterations 20

# What new-backend writes is right at once.
for library in numpy torch; do
  name=fresh_$library project=allumette-fresh_$library
  "$bin/allumette" new-backend "$name" --wraps "$library"
  "$bin/ruff" check "$project"
  "$bin/ruff" format --check "$project"
  (cd "$project" && "$bin/mypy" --strict src)
  "$bin/python" -m pip install --quiet --no-deps "./$project"
  "$bin/python" -m pytest -q "$project/tests"
  "$bin/allumette" conform "$name" --level L0-L4
done

# README: from nothing to a backend that conforms.
"$python" -m venv "$scratch/readme"
export PATH="$scratch/readme/bin:$PATH"
cd "$scratch" && ln -s "$repository/packages" packages
python -m pip install packages/allumette-core
allumette new-backend mine --install
allumette conform mine
