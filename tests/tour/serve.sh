#!/bin/sh
# Starts the server on its defaults, uploads a script and runs it, and leaves the server running until Ctrl-C.
# Usage: serve.sh PATH-OF-CRONBOX [words for serve …]
set -eu
cronbox=$1
shift
"$cronbox" serve "$@" &
server=$!
trap 'kill -TERM $server 2>/dev/null' INT TERM
# The first start compiles the interpreter; a server that ended has said why.
until "$cronbox" scripts >/dev/null 2>&1; do
    kill -0 $server 2>/dev/null || { wait $server; exit $?; }
    sleep 0.2
done
show() {
    echo
    echo "\$ cronbox $*"
    "$cronbox" "$@"
}
show push tests/tour/prices.py
show run --remote prices --arg symbol=INIT
show runs --script prices --limit 3
echo
echo "The server goes on; Ctrl-C ends it. In another terminal:"
echo "  curl -X POST 'http://127.0.0.1:8080/v1/scripts/prices/runs?wait' -d '{\"args\": {\"symbol\": \"ACME\"}}'"
# The signal that ends the server ends the wait first.
wait $server || wait $server
