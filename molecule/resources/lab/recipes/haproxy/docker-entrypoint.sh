#!/bin/sh
# As the upstream image does: options alone mean haproxy, and haproxy runs as a master in the foreground.
set -eu
case ${1:-} in
    -*) set -- haproxy "$@" ;;
esac
if [ "${1:-}" = haproxy ]; then
    shift
    set -- haproxy -W -db "$@"
fi
exec "$@"
