#!/bin/sh
# Starts the server on its defaults, uploads a script and runs it, and leaves the server running until Ctrl-C. It listens where
# CRONBOX_LISTEN, cronbox.toml or the words for serve say; its first line says where that is.
# Usage: serve.sh PATH-OF-CRONBOX [words for serve …]
set -eu
cronbox=$1
shift
said=$(mktemp -d)
mkfifo "$said/lines"
# A session of its own: a Ctrl-C of the terminal's reaches this script alone, which passes it on once.
session=$(command -v setsid || true)
$session "$cronbox" serve "$@" >"$said/lines" &
server=$!
trap 'kill -TERM $server 2>/dev/null' INT TERM HUP
exec 3<"$said/lines"
rm -r "$said"
url=
# The first start compiles the interpreter; a server that ended has said why.
while [ -z "$url" ] && read -r line <&3; do
    printf '%s\n' "$line"
    url=$(printf '%s\n' "$line" | grep -oE '(https?://|unix:)[^ ",;)]*' | head -n 1)
done
[ -n "$url" ] || { wait $server; exit $?; }
cat <&3 &
# Listening everywhere is listening here.
CRONBOX_URL=$(printf '%s' "$url" | sed 's/\/\/0\.0\.0\.0:/\/\/127.0.0.1:/; s/\/\/\[::\]:/\/\/[::1]:/; s/\/$//')
export CRONBOX_URL
show() {
    echo
    echo "\$ cronbox $*"
    "$cronbox" "$@"
}
# What does not work, for want of a token for example, has said why; the server goes on.
if show push tests/tour/prices.py && show run --remote prices --arg symbol=INIT && show runs --script prices --limit 3; then
    echo
    echo "The server goes on; Ctrl-C ends it. In another terminal:"
    case $CRONBOX_URL in
        unix:*) echo "  CRONBOX_URL=$CRONBOX_URL $cronbox run --remote prices --arg symbol=ACME" ;;
        *) echo "  curl -X POST '$CRONBOX_URL/v1/scripts/prices/runs?wait' -d '{\"args\": {\"symbol\": \"ACME\"}}'" ;;
    esac
fi
# The signal that ends the server ends the wait first.
wait $server || wait $server
