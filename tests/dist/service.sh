# What is done in a booted root, as root, and written to /check.log.
deadline=$(($(date +%s) + 60))
until cronbox scripts >/dev/null 2>&1; do
    if [ "$(date +%s)" -ge $deadline ]; then break; fi
    sleep 0.1
done
systemctl is-active cronbox
systemctl show cronbox -p User -p NRestarts
printf 'def run(n=6):\n    return n * 7\n' >/tmp/answer.py
cronbox push /tmp/answer.py
cronbox run --remote answer
# The program says which measures its sandboxes have, and which they lack.
journalctl -u cronbox -o cat --no-pager | grep -o 'hardening: [^"]*' | head -n 1
systemctl restart cronbox
deadline=$(($(date +%s) + 60))
until cronbox scripts >/tmp/scripts 2>&1; do
    if [ "$(date +%s)" -ge $deadline ]; then break; fi
    sleep 0.1
done
awk '/answer/ { print "kept: answer" }' /tmp/scripts
systemd-analyze security cronbox --no-pager | tail -n 1
journalctl -u cronbox -o cat --no-pager | tail -n 20
