#!/bin/sh
# Event handler: nginx passes requests to the living members with the tags role=web and port=NUMBER.
#
# It looks at the members as they are now, not at the event, so that it does not matter how many
# events came and in which order; it can be run by hand at any time.
set -eu

file=${UPSTREAM_FILE:-/etc/nginx/serf-upstream.conf}
nginx=${NGINX:-nginx}

# One at a time, so that no list replaces one that is newer.
exec 9>"$file.lock"
flock 9

new=$(mktemp "$file.XXXXXX")
trap 'rm -f "$new"' EXIT
members=$(serf members -status alive -tag role=web -format json)
# Tags are what others say of themselves: a port is a number, or the member is left out.
servers=$(printf '%s\n' "$members" | jq -r '
    [.members[]? | select(.tags.port // "" | test("\\A[0-9]{1,5}\\z"))
        | (.addr | sub(":[0-9]+$"; "")) + ":" + .tags.port]
    | sort[] | "    server \(.) max_fails=1 fail_timeout=2s;"')
if [ -z "$servers" ]; then
    # More probably this node is cut off than all others are gone.
    echo "no backend is alive: keeping the list" >&2
    exit 0
fi
printf 'upstream web {\n%s\n}\n' "$servers" >"$new"
chmod 644 "$new"
mv "$new" "$file"

# Nothing to do if nginx has this list already. If it fails to take it, the next run tries again.
cmp -s "$file" "$file.loaded" && exit 0
$nginx -t -q
$nginx -s reload
cp "$file" "$file.loaded"
