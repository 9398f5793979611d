#!/bin/sh
# Event handler for query:config: the version that is in place here, and its SHA-256.
set -eu

cat "${CONFIG_FILE:-/etc/app/app.conf}.version" 2>/dev/null || echo 0
