#!/bin/sh
# Event handler, on the nodes that use the cache: a file with the living members that have the tags
# role=cache and port=NUMBER, one ADDRESS:PORT a line. ring.py follows it.
#
# It looks at the members as they are now, not at the event, so that it does not matter how many
# events came and in which order; it can be run by hand at any time.
set -eu

file=${SERVERS_FILE:-/var/lib/serf/memcached.servers}

# One at a time, so that no list replaces one that is newer.
exec 9>"$file.lock"
flock 9

new=$(mktemp "$file.XXXXXX")
trap 'rm -f "$new"' EXIT
members=$(serf members -status alive -tag role=cache -format json)
# Tags are what others say of themselves: a port is a number, or the member is left out.
printf '%s\n' "$members" | jq -r '
    [.members[]? | select(.tags.port // "" | test("\\A[0-9]{1,5}\\z"))
        | (.addr | sub(":[0-9]+$"; "")) + ":" + .tags.port] | sort[]' >"$new"
if ! [ -s "$new" ]; then
    # More probably this node is cut off than all others are gone.
    echo "no cache is alive: keeping the list" >&2
    exit 0
fi
chmod 644 "$new"
# All nodes have the same list, and with it the same ring. Clients read it again only if it changed.
cmp -s "$new" "$file" || mv "$new" "$file"
