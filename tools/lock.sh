#!/bin/sh
# Resolve pyproject.toml in a fresh environment and write the lock files. Usage: lock.sh PYTHON
# The lock is for every machine: the suffix of a build of torch (+cpu) and the CUDA packages, which
# torch itself pins where it needs them, stay out of it.
set -eu
cd "$(dirname "$0")/.."
fresh=$(mktemp -d)
trap 'rm -rf "$fresh"' EXIT
pip="$fresh/venv/bin/pip --disable-pip-version-check"

# The requirements of the project and of the extras named, one a line.
declared() {
    "$fresh/venv/bin/python" - "$@" <<'END'
import sys, tomllib
with open("pyproject.toml", "rb") as file:
    project = tomllib.load(file)["project"]
for extra in sys.argv[1:]:
    project["dependencies"] += project["optional-dependencies"][extra]
print("\n".join(project["dependencies"]))
END
}

frozen() {
    $pip freeze --exclude setuptools | sed 's/+cpu$//' |
        grep -vE '^(cuda|nvidia|triton)' | LC_ALL=C sort -f
}

"$1" -m venv "$fresh/venv"
declared dev > "$fresh/wanted"
$pip install --quiet -r "$fresh/wanted"
frozen > "$fresh/core"
{
    echo "# Everything that running and testing need, exact versions. Made by \`make lock\`."
    cat "$fresh/core"
} > requirements.lock
for extra in real bench; do
    "$1" -m venv --clear "$fresh/venv"
    declared dev "$extra" > "$fresh/wanted"
    $pip install --quiet -r "$fresh/wanted" --constraint requirements.lock
    {
        echo "# The extra \`$extra\`, exact versions, on top of requirements.lock. Made by \`make lock\`."
        echo "-r requirements.lock"
        frozen | grep -vxFf "$fresh/core"
    } > "requirements-$extra.lock"
done
