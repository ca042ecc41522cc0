# Keeps an engine for as long as stdin stays open, then puts everything back.
#
# Arguments: socket, run id, folder of the run, and whether the engine is to be started (`start`) or was `found`.
# The process that started this script holds the other end of stdin. However that process ends, by return, panic,
# Ctrl-C or SIGKILL, stdin closes and the clean-up below runs. Only when it says `keep` first does everything stay, until
# this script gets a signal.
set -u
socket=$1 run=$2 folder=$3 origin=$4

ask() { timeout 30 docker -H "unix://$socket" "$@" </dev/null; }

if [ "$origin" = start ]; then
    # The engine publishes a port by starting this program. It listens beside the engine and on this host, whose network
    # namespace is that of this script.
    printf '#!/bin/sh\nexec "%s/ports" ports /proc/%s/ns/net "$@" >&3\n' '${0%/*}' $$ >"$folder/publish-port"
    chmod +x "$folder/publish-port"
    # A network namespace of its own: interfaces, routes, rules of iptables and settings of this host stay as they are,
    # whatever the engine does when it starts, crashes, starts again or ends.
    # shellcheck disable=SC2016 # the inner shell expands its own arguments
    unshare --net sh -c 'ip link set lo up && exec "$@"' sh \
        dockerd --config-file "$folder/daemon.json" --host "unix://$socket" --pidfile "$folder/dockerd.pid" \
        --data-root "$folder/data" --exec-root "$folder/exec" --group "$(id -gn)" \
        --iptables=false --ip-masq=false --ip-forward=false --userland-proxy-path "$folder/publish-port" \
        --default-address-pool base=10.200.0.0/16,size=24 --shutdown-timeout 5 \
        </dev/null >"$folder/log" 2>&1 &
    echo "$!" >"$folder/pid"
fi

trap : HUP INT TERM
read -r word
if [ "${word:-}" = keep ]; then
    # The run has ended and left everything on purpose. A signal to this script ends the waiting.
    tail -f /dev/null >/dev/null 2>&1 &
    wait $!
    kill $!
fi

if [ "$origin" = start ]; then only=''; else only="--filter label=com.esb.e2e.run=$run"; fi
# shellcheck disable=SC2046,SC2086 # lists of ids are meant to be split
{
    set -- $(ask ps -aq $only); [ $# -eq 0 ] || ask rm -fv "$@"
    set -- $(ask network ls -q --filter type=custom $only); [ $# -eq 0 ] || ask network rm "$@"
    set -- $(ask volume ls -q $only); [ $# -eq 0 ] || ask volume rm -f "$@"
}
if [ "$origin" = found ]; then
    # An image goes only after those made from it, and lists have another order.
    for _ in 1 2 3 4; do
        # shellcheck disable=SC2046,SC2086
        set -- $(ask image ls -q $only | sort -u); [ $# -eq 0 ] && break
        ask image rm -f "$@"
    done
    rm -rf -- "$folder"
    exit 0
fi

# It may have been started again since, by somebody who wrote its number down.
engine=$(cat "$folder/pid")
alive() { [ -e "/proc/$engine/stat" ] && ! grep -q ') Z ' "/proc/$engine/stat"; }
kill -TERM "$engine"
# The patience of the engine itself is 5 s a container, and none is left by now.
tenths=150
while alive && [ $tenths -gt 0 ]; do sleep 0.1; tenths=$((tenths - 1)); done
alive && kill -KILL "$engine"
# An engine that had to be killed leaves its containerd and shims, and steps of builds; only those name our folder.
for cmdline in /proc/[0-9]*/cmdline; do
    pid=${cmdline#/proc/} pid=${pid%/cmdline}
    if [ "$pid" != $$ ] && tr '\0' ' ' <"$cmdline" | grep -qF -e "$folder/exec" -e "$folder/data" -e "$folder/ports "; then kill -KILL "$pid"; fi
done
grep -F " $folder/" /proc/mounts | cut -d ' ' -f 2 | sort -r | while read -r mount; do umount -l "$mount"; done
rm -rf -- "$folder"
