# shellcheck shell=sh
# What the `run` scripts of the use cases share: agents on loopback addresses of their own, waiting
# for conditions, and cleaning up. Not for production.
#
#     . "$(dirname "$0")/../harness.sh"
#
# SERF is the binary to run, as a path; by default the one that cargo built here.

set -eu

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../../.." && pwd)
SERF=${SERF:-$root/target/debug/serf}
PYTHON=${PYTHON:-$root/target/python/bin/python3}

fail() {
    echo "FAILED: $*" >&2
    exit 1
}

[ -x "$SERF" ] || fail "no $SERF: cargo build -p serf, or set SERF to the path of a serf"

# Debian has daemons where only root looks.
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin

# Ends with an error unless all these commands are there.
needs() {
    for command; do
        command -v "$command" >/dev/null || fail "no $command: .ci/run tools installs it"
    done
}

needs flock jq python3

scratch=$(mktemp -d)
# Some daemons read their files as another user.
chmod 755 "$scratch"
mkdir "$scratch/bin" "$scratch/log"
# Handlers find the binary under its name.
ln -s "$SERF" "$scratch/bin/serf"
PATH=$scratch/bin:$PATH

# Of runs at the same time, each has a network of its own.
net=127.$((128 + $$ / 256 % 120)).$(($$ % 256))

# The address with this number.
ip() {
    echo "$net.$1"
}

pids=''

# background NAME COMMAND... - runs it until the end of the story, with its output in a log.
background() {
    log=$scratch/log/$1
    shift
    "$@" >>"$log" 2>&1 </dev/null &
    pid=$!
    pids="$pids $pid"
}

running() {
    for pid in $pids; do
        kill -0 "$pid" 2>/dev/null && return
    done
    return 1
}

finish() {
    status=$?
    trap - EXIT INT TERM HUP
    # shellcheck disable=SC2086 # several
    [ -z "$pids" ] || kill $pids 2>/dev/null || true
    tries=0
    while running && [ $tries -lt 50 ]; do
        tries=$((tries + 1))
        sleep 0.1
    done
    for pid in $pids; do
        kill -9 "$pid" 2>/dev/null || true
    done
    wait
    if [ $status -ne 0 ]; then
        for log in "$scratch"/log/*; do
            [ -e "$log" ] || continue
            echo "--- ${log##*/}"
            tail -n 40 "$log"
        done >&2
    fi
    rm -rf "$scratch"
    exit $status
}
trap finish EXIT
trap 'exit 1' INT TERM HUP

# step TEXT - what the story does next.
step() {
    echo "- $*"
}

# eventually WHAT COMMAND... - waits until the command succeeds, for a minute at most.
eventually() {
    what=$1
    shift
    deadline=$(($(date +%s) + ${PATIENCE:-60}))
    until "$@" >/dev/null 2>&1; do
        [ "$(date +%s)" -lt $deadline ] || fail "still not after ${PATIENCE:-60} s: $what"
        sleep 0.1
    done
}

# same WHAT EXPECTED ACTUAL
same() {
    [ "$2" = "$3" ] || fail "$1: expected
$2
but found
$3"
}

# on NUMBER COMMAND... - runs it, in which `serf` talks to that agent.
on() {
    number=$1
    shift
    SERF_RPC_ADDR=$(ip "$number"):7373 "$@"
}

# agent NUMBER NAME FLAG... - starts an agent at the address with this number; its process is $pid.
# Its handlers talk to it with `serf`.
agent() {
    address=$(ip "$1")
    number=$1
    name=$2
    shift 2
    background "agent-$name" env "SERF_RPC_ADDR=$address:7373" serf agent -node "$name" \
        -bind "$address:7946" -rpc-addr "$address:7373" -profile local "$@"
    eventually "$name runs" on "$number" serf info
}

# config FILE - the example configuration, with the handlers where they are in the repository.
config() {
    sed "s|/etc/serf/handlers|$here|" "$here/$1" >"$scratch/$1"
    echo "$scratch/$1"
}

# sees NUMBER NAME STATUS - that agent holds the member for alive, left, failed.
sees() {
    on "$1" serf members -name "$2" -status "$3" | grep -q .
}

# listens ADDRESS PORT - somebody takes connections there.
listens() {
    python3 -c 'import socket, sys; socket.create_connection((sys.argv[1], sys.argv[2]), 1)' "$@"
}

# has FILE TEXT - the file has it somewhere.
has() {
    grep -qF -e "$2" "$1"
}

lacks() {
    [ -e "$1" ] && ! has "$1" "$2"
}
