#!/bin/sh
# Ansible inventory: the living members. `all` has them, and each tag KEY=VALUE makes a group
# KEY_VALUE of them; the tags are in the variable serf_tags.
#
#     ansible -i serf-inventory.sh role_web -m ping
set -eu

case ${1---list} in
--list) ;;
--host)
    # Everything is in the list already.
    echo '{}'
    exit 0
    ;;
*)
    echo "accepted are --list and --host NAME, not $1" >&2
    exit 1
    ;;
esac

members=$(serf members -status alive -format json)
# Names and tags are what others say of themselves. What could be taken for more than a name is
# left out, and groups are named as Ansible wants them. Values go in as data, never as templates.
printf '%s\n' "$members" | jq '
    [.members[]? | select(.name | test("\\A[A-Za-z0-9][A-Za-z0-9._-]*\\z"))] as $members
    | def vars: {
        ansible_host: (.addr | sub(":[0-9]+$"; "") | ltrimstr("[") | rtrimstr("]")),
        serf_tags: ((.tags // {}) | map_values({__ansible_unsafe: .}))};
    ($members | [.[] | .name as $name | (.tags // {}) | to_entries[]
        | {group: "\(.key)_\(.value)" | gsub("[^A-Za-z0-9_]"; "_"), name: $name}]
        | group_by(.group) | map({key: .[0].group, value: {hosts: map(.name)}}) | from_entries)
    + {
        all: {hosts: ($members | map(.name) | sort)},
        _meta: {hostvars: ($members | map({key: .name, value: vars}) | from_entries)}
    }'
