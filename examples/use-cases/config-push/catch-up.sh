#!/bin/sh
# Event handler for member-join: a node that has started asks the others for the newest
# configuration and takes it. For those that missed the event: new, restarted, or down for long.
# By hand or from cron it does the same at once, for those that were cut off.
set -eu

file=${CONFIG_FILE:-/etc/app/app.conf}

if [ "${SERF_EVENT-}" = member-join ]; then
    # An agent tells of its own start as the first thing.
    cut -f 1 | grep -qxF "$SERF_SELF_NAME" || exit 0
    # Not in the handler itself: while that runs, this node answers nobody, and if several ask at
    # once, each waits for the others.
    unset SERF_EVENT
    "$0" >"$file.catch-up.log" 2>&1 </dev/null &
    exit 0
fi

self=$(serf info -format json | jq -r .agent.name)
tries=5
while [ $tries -gt 0 ]; do
    tries=$((tries - 1))
    answers=$(serf query -timeout "${TIMEOUT:-3s}" -format json config)
    # Alone: an empty line. Nobody has one yet: 0.
    newest=$(printf '%s\n' "$answers" | jq -r --arg self "$self" '
        [.Responses // {} | del(.[$self])[] | rtrimstr("\n")
            | select(test("\\A[0-9]+( [0-9a-f]{64})?\\z")) | split(" ")]
        | max_by(.[0] | tonumber) // [] | join(" ")')
    case $newest in
    '') ;;
    0) exit 0 ;;
    *)
        printf '%s\n' "$newest" | "${0%/*}/config.sh"
        exit 0
        ;;
    esac
done
echo "nobody has answered" >&2
