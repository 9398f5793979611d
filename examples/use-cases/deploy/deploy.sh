#!/bin/sh
# Event handler for user:deploy. The payload is the version to run. Fetches and unpacks it, lets it
# check itself, and switches over in one step. Whatever fails, what runs goes on running.
#
# DEPLOY_DIR gets releases/VERSION and `current`, a symbolic link to one of them.
set -eu

dir=${DEPLOY_DIR:-/srv/app}
source=${DEPLOY_SOURCE:-https://artefacts.example.com/app}
restart=${RESTART:-true}

exec 9>"$dir/deploy.lock"
flock 9

read -r version || true
case $version in
'' | .* | *[!A-Za-z0-9._-]*)
    echo "not a version: '$version' (accepted are letters, digits, '.', '_' and '-')" >&2
    exit 1
    ;;
esac

# Events of two senders may come in either order, and a replay brings old ones back. The later one
# counts, on every node the same. Snapshots (see agent.json) keep this time over restarts.
ltime=${SERF_USER_LTIME:-0}
last=$(cat "$dir/ltime" 2>/dev/null || echo 0)
if [ "$ltime" -le "$last" ]; then
    echo "older than what was deployed: $version at $ltime, not after $last" >&2
    exit 0
fi
echo "$ltime" >"$dir/ltime.new"
mv "$dir/ltime.new" "$dir/ltime"

failed() {
    echo "$version: $*" | tee "$dir/failure" >&2
    exit 1
}

release=$dir/releases/$version
if ! [ -d "$release" ]; then
    new=$(mktemp -d "$dir/unpacking.XXXXXX")
    trap 'rm -rf "$new"' EXIT
    curl -fsS --retry 2 -o "$new/archive" "$source/$version.tar.gz" || failed "cannot be fetched"
    mkdir "$new/release"
    tar -xzf "$new/archive" -C "$new/release" || failed "cannot be unpacked"
    (cd "$new/release" && ./check) || failed "its check fails"
    mkdir -p "$dir/releases"
    mv "$new/release" "$release"
fi
ln -sfn "releases/$version" "$dir/current.new"
mv -T "$dir/current.new" "$dir/current"
rm -f "$dir/failure"
$restart || failed "cannot be started"
