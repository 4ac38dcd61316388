#!/bin/sh
# flush-then-snapshot.sh GROUP MOUNT-POINT...: a recovery point whose file systems need no repair.
#
# Runs at the source, on the host that has the group's volumes mounted, as root. It freezes every file system that is
# named (all that was written goes to the volume, and nothing more is), places a snapshot marker, and thaws them. The
# file systems stand still for a fraction of a second: placing a marker waits for nothing at the other site.
#
#   flush-then-snapshot.sh oracle /srv/oracle/data /srv/oracle/log
#
# An application with caches of its own (a database) should be told to flush first, and let go afterwards: at the two
# places marked below.
#
# Thawed is whatever happens: an error, a signal, a daemon that does not answer. Only SIGKILL and a power failure
# cannot be caught; after the former: fsfreeze --unfreeze MOUNT-POINT.
set -eu

time_limit=30 # seconds for placing the marker

if [ $# -lt 2 ]; then
  echo "usage: flush-then-snapshot.sh GROUP MOUNT-POINT..." >&2
  exit 2
fi
group=$1
shift

# The daemon's own files must not be frozen: it could not answer any more.
for mount_point in "$@"; do
  if [ "$(readlink -f -- "$mount_point")" = / ]; then
    echo "$mount_point is the root file system: freezing it would stop this script too" >&2
    exit 2
  fi
done

frozen=0 # of the mount points, from the first on

thaw() {
  for mount_point in "$@"; do
    [ "$frozen" -gt 0 ] || break
    frozen=$((frozen - 1))
    fsfreeze --unfreeze "$mount_point" || echo "could not thaw $mount_point: fsfreeze --unfreeze $mount_point" >&2
  done
  # (Let the application go on here.)
}

trap 'thaw "$@"' EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

# (Tell the application to flush here.)
for mount_point in "$@"; do
  # Flushed before it is frozen, so that it stands still for a shorter time.
  sync --file-system "$mount_point"
done
for mount_point in "$@"; do
  # Counted first: a signal in between must thaw it too.
  frozen=$((frozen + 1))
  if ! fsfreeze --freeze "$mount_point"; then
    frozen=$((frozen - 1)) # somebody else's freeze is theirs to end
    exit 1
  fi
done

timeout "$time_limit" blockferry marker snapshot "$group"
