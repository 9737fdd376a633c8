# Functions of the shell for a root: start a server, wait until it answers, use it, and stop it.
answer='def run(n=6):
    return n * 7
'
begin() {
    server_began=$(date +%s%N)
    "$@" >/tmp/said-$$ 2>&1 &
    server=$!
    until grep -q ' at http' /tmp/said-$$; do
        kill -0 $server || { cat /tmp/said-$$; exit 1; }
        test $(($(date +%s%N) - server_began)) -lt 60000000000 || { cat /tmp/said-$$; exit 1; }
        sleep 0.02
    done
}
end() {
    kill -TERM $server
    wait $server
    cat /tmp/said-$$
}
# The server's first start, and the first run of a script on it.
first_start() {
    program=$1
    begin "$@"
    awk -v ns=$(($(date +%s%N) - server_began)) 'BEGIN { printf "first start: %.2f s\n", ns / 1e9 }'
    test ! -d "$HOME" || cd "$HOME"
    printf '%s' "$answer" >answer.py
    "$program" push answer.py
    "$program" run --remote answer
    end
}
# Another start of a server that has data already.
again() {
    program=$1
    begin "$@"
    "$program" scripts
    "$program" run --remote answer
    end
}
