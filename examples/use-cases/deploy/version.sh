#!/bin/sh
# Event handler for query:version: the version that runs here, and what went wrong with another.
set -eu

dir=${DEPLOY_DIR:-/srv/app}
current=$(readlink "$dir/current") || current=none
echo "${current##*/}$(sed 's/^/, failed: /' "$dir/failure" 2>/dev/null)"
