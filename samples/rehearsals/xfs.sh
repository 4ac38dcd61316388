#!/bin/sh
# xfs.sh: a check for rehearsals of a group whose volumes are XFS file systems. Mounting replays the log, as after a power
# failure; then nothing may be wrong with the structure, and every file must be readable.
#
#   rehearsal: { run: [/usr/local/lib/rehearsals/xfs.sh], at: 0 5 * * sun }
#
# volumes.sh, which must lie beside it, says what it needs (and xfsprogs).
set -eu
# shellcheck source-path=SCRIPTDIR source=volumes.sh
. "$(dirname "$0")/volumes.sh"

for volume in $BLOCKFERRY_VOLUMES; do
  attach "$volume"
  # nouuid: the volume itself, or another copy of it, may be mounted on this machine.
  place "$volume" nouuid
  umount "$place"
  xfs_repair -n "$device"
  place "$volume" ro,nouuid
  read_all "$place"
  echo "$volume: an XFS file system without a fault, $(find "$place" -xdev -type f | wc -l) files read"
done
