#!/usr/bin/env bash
# Build the extension's zip from the files that git tracks, with Blender's own tool.
# usage: tools/build_extension.sh PYTHON_WITH_BPY OUTPUT_FOLDER
set -euo pipefail
cd "$(dirname "$0")/.."
python=$1 out=$2
tool=$("$python" - <<'PY'
import pathlib, sysconfig
roots = pathlib.Path(sysconfig.get_paths()["purelib"]).glob("bpy/*/scripts/addons_core/bl_pkg/cli/blender_ext.py")
print(next(roots))
PY
)
stage=$(mktemp -d)
trap 'rm -rf "$stage"' EXIT
git ls-files -z -- blender_manifest.toml '*.py' LICENSE README.md sync_engine operators panels scene |
    grep -zvE '^(tests|training|benchmarks|demo|tools|docs)/' | xargs -0 cp --parents -t "$stage"
mkdir -p "$out"
rm -f "$out"/syncscape-*.zip
"$python" "$tool" validate "$stage"
"$python" "$tool" build --source-dir "$stage" --output-dir "$out"
