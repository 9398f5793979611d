#!/bin/sh
# Event handler: dnsmasq answers for the living members, NAME.DOMAIN for each of them and
# ROLE.DOMAIN for all with that role.
#
# It looks at the members as they are now, not at the event, so that it does not matter how many
# events came and in which order; it can be run by hand at any time.
set -eu

file=${HOSTS_FILE:-/var/lib/serf/dnsmasq.hosts}
domain=${DOMAIN:-cluster.example}
# dnsmasq reads its hosts again when it gets SIGHUP.
reload=${RELOAD:-systemctl reload dnsmasq}

# One at a time, so that no list replaces one that is newer.
exec 9>"$file.lock"
flock 9

new=$(mktemp "$file.XXXXXX")
trap 'rm -f "$new"' EXIT
members=$(serf members -status alive -format json)
# Names and roles are what others say of themselves: only what is a label of a domain name counts.
printf '%s\n' "$members" | jq -r --arg domain "$domain" '
    def dns_label: ascii_downcase | select(test("\\A[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\\z"));
    def lines(name): [.members[]? | (.addr | sub(":[0-9]+$"; "") | ltrimstr("[") | rtrimstr("]")) as $ip
        | name | strings | dns_label | "\($ip) \(.).\($domain)"] | sort[];
    # The first name of an address is also what the address resolves to.
    lines(.name), lines(.tags.role)' >"$new"
if ! [ -s "$new" ]; then
    echo "no member has a name for a zone: keeping the file" >&2
    exit 0
fi
chmod 644 "$new"
mv "$new" "$file"

# Nothing to do if dnsmasq has these already. If it fails to take them, the next run tries again.
cmp -s "$file" "$file.loaded" && exit 0
$reload
cp "$file" "$file.loaded"
