#!/bin/sh
# Event handler: Nagios watches all members, those that failed included, until they leave. All are
# in the host group serf, and those with a role in serf-ROLE: checks are configured for groups.
#
# It looks at the members as they are now, not at the event, so that it does not matter how many
# events came and in which order; it can be run by hand at any time. A list that Nagios does not
# accept does not replace one that it did.
set -eu

file=${HOSTS_FILE:-/etc/nagios4/serf-hosts.cfg}
# Has the line cfg_file=$file.
conf=${NAGIOS_CONF:-/etc/nagios4/nagios.cfg}
template=${HOST_TEMPLATE:-linux-server}
reload=${RELOAD:-systemctl reload nagios4}

# One at a time, so that no list replaces one that is newer.
exec 9>"$file.lock"
flock 9

new=$(mktemp -d "$file.XXXXXX")
trap 'rm -rf "$new"' EXIT
members=$(serf members -status 'alive|failed' -format json)
# Names and roles are what others say of themselves: only what is plain text to Nagios counts.
printf '%s\n' "$members" | jq -r --arg template "$template" '
    def plain: strings | select(test("\\A[A-Za-z0-9][A-Za-z0-9._-]{0,127}\\z"));
    def object(kind): "define \(kind) {\n"
        + (to_entries | map("    \(.key) \(.value)\n") | join("")) + "}";
    [.members[]? | select(.name | [plain] != [])
        | {name, roles: [.tags.role | plain | "serf-\(.)"],
           address: (.addr | sub(":[0-9]+$"; "") | ltrimstr("[") | rtrimstr("]"))}]
    | sort_by(.name)
    | (["serf"] + map(.roles[]) | unique[] | {hostgroup_name: ., alias: .} | object("hostgroup")),
      (.[] | {use: $template, host_name: .name, address, hostgroups: (["serf"] + .roles | join(","))}
        | object("host"))
    ' >"$new/hosts.cfg"

# The configuration as it will be.
sed "s|^cfg_file=$file\$|cfg_file=$new/hosts.cfg|" "$conf" >"$new/nagios.cfg"
grep -qF "$new/hosts.cfg" "$new/nagios.cfg" || {
    echo "$conf has no line cfg_file=$file" >&2
    exit 1
}
# Nagios reads as its own user even when root runs it.
chmod 755 "$new"
chmod 644 "$new/hosts.cfg" "$new/nagios.cfg"
nagios4 -v "$new/nagios.cfg" >"$new/said" || {
    grep -E '^ *Error|Unable' "$new/said" >&2
    exit 1
}
mv "$new/hosts.cfg" "$file"

# Nothing to do if Nagios has these already. If it fails to take them, the next run tries again.
cmp -s "$file" "$file.loaded" && exit 0
$reload
cp "$file" "$file.loaded"
