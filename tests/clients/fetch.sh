#!/bin/sh
# Puts what the tests need from npm into a folder, by the lock file beside this script, with a link `node` to the Node.js that
# runs it: the machine's if it is new enough, else a pinned one from PyPI.
# The arguments are the folder and a Python that has venv.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
folder=$1
python=$2

rm -rf "$folder"
mkdir -p "$folder"
cp "$here/package.json" "$here/package-lock.json" "$here/.npmrc" "$folder"
"$here/../../web/node.sh" "$folder" "$python" 20.0
PATH="$folder:$PATH" npm ci --prefix "$folder" --ignore-scripts --no-audit --no-fund --silent
