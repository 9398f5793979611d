#!/bin/sh
# Event handler for user:config, with "VERSION SHA256" as payload: fetches that version of the
# configuration, checks it and puts it in place in one step. An older one than is there is passed
# over, so that events can come late, twice, or in another order.
#
# CONFIG_FILE gets the configuration, and a line "VERSION SHA256" in CONFIG_FILE.version.
set -eu

file=${CONFIG_FILE:-/etc/app/app.conf}
source=${CONFIG_SOURCE:-https://config.example.com/app}
# Is given the new file, and says by its exit code whether the program can run with it.
check=${CHECK:-true}
reload=${RELOAD:-systemctl reload app}

# One at a time: also catch-up.sh runs this.
exec 9>"$file.lock"
flock 9

read -r version digest rest || true
case $version,$digest,$rest in
,* | *[!0-9]*,*,* | *,*[!0-9a-f]*,* | *,*,?* | *,,)
    echo "not a version and its SHA-256: '$version $digest $rest'" >&2
    exit 1
    ;;
esac

here=0
[ -e "$file.version" ] && read -r here _ <"$file.version"
if [ "$version" -le "$here" ]; then
    echo "version $version is not newer than $here, which is here"  >&2
    exit 0
fi

new=$(mktemp "$file.XXXXXX")
trap 'rm -f "$new" "$new.version"' EXIT
curl -fsS --retry 2 -o "$new" "$source/$version.conf"
echo "$digest  $new" | sha256sum --check --quiet
$check "$new"
chmod 644 "$new"
mv "$new" "$file"
$reload
# Last, so that the next event tries again what failed before.
echo "$version $digest" >"$new.version"
mv "$new.version" "$file.version"
