# Keeps an engine for as long as stdin stays open, then puts everything back.
#
# Arguments: socket, run id, folder of the run, address pool of an engine to start (empty: one was found).
# The process that started this script holds the other end of stdin. However that process ends, by return, panic,
# Ctrl-C or SIGKILL, stdin closes and the clean-up below runs.
set -u
socket=$1 run=$2 folder=$3 pool=$4

ask() { timeout 30 docker -H "unix://$socket" "$@" </dev/null; }

if [ -n "$pool" ]; then
    # No bridge and no iptables of its own: an engine that flushes the host's rules would break one that runs already.
    dockerd --config-file "$folder/daemon.json" --host "unix://$socket" --pidfile "$folder/dockerd.pid" \
        --data-root "$folder/data" --exec-root "$folder/exec" --group "$(id -gn)" \
        --bridge none --iptables=false --ip-masq=false --ip-forward=false \
        --default-address-pool "base=$pool,size=24" --shutdown-timeout 5 \
        </dev/null >"$folder/log" 2>&1 &
    engine=$!
    echo "$engine" >"$folder/pid"
    # Where another engine has set the policy of forwarding to DROP, containers of one bridge need this to meet.
    iptables -I FORWARD -s "$pool" -d "$pool" -j ACCEPT && opened=yes || opened=no
fi

trap : HUP INT TERM
read -r _

if [ -n "$pool" ]; then only=''; else only="--filter label=com.esb.e2e.run=$run"; fi
# shellcheck disable=SC2046,SC2086 # lists of ids are meant to be split
{
    set -- $(ask ps -aq $only); [ $# -eq 0 ] || ask rm -fv "$@"
    set -- $(ask network ls -q --filter type=custom $only); [ $# -eq 0 ] || ask network rm "$@"
    set -- $(ask volume ls -q $only); [ $# -eq 0 ] || ask volume rm -f "$@"
}
if [ -z "$pool" ]; then
    # An image goes only after those made from it, and lists have another order.
    for _ in 1 2 3 4; do
        # shellcheck disable=SC2046,SC2086
        set -- $(ask image ls -q $only | sort -u); [ $# -eq 0 ] && break
        ask image rm -f "$@"
    done
    rm -rf -- "$folder"
    exit 0
fi

kill -TERM "$engine"
# The patience of the engine itself is 5 s a container, and none is left by now.
( for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15; do sleep 1; kill -0 "$engine" || exit 0; done; kill -KILL "$engine" ) &
guard=$!
wait "$engine"
kill "$guard"
# An engine that had to be killed leaves its containerd and shims; only those name our folder.
for cmdline in /proc/[0-9]*/cmdline; do
    pid=${cmdline#/proc/} pid=${pid%/cmdline}
    if [ "$pid" != $$ ] && tr '\0' ' ' <"$cmdline" | grep -qF -- "$folder/exec"; then kill -KILL "$pid"; fi
done
[ "$opened" = no ] || iptables -D FORWARD -s "$pool" -d "$pool" -j ACCEPT
grep -F " $folder/" /proc/mounts | cut -d ' ' -f 2 | sort -r | while read -r mount; do umount -l "$mount"; done
rm -rf -- "$folder"
