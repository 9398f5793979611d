#!/bin/sh
# push.sh VERSION FILE - tells all nodes to take this version, which has been put where they fetch
# it. Versions are numbers that grow.
set -eu

# Each version is an event that counts: of coalesced ones a node may get only the last that was sent,
# which need not be the newest version.
digest=$(sha256sum "$2")
serf event -coalesce=false config "$1 ${digest%% *}"
