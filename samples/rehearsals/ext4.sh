#!/bin/sh
# ext4.sh: a check for rehearsals of a group whose volumes are ext4 file systems. The file system's own journal is replayed,
# as after a power failure; then nothing may be wrong with its structure, it must be possible to mount it, and every file
# must be readable.
#
#   rehearsal: { run: [/usr/local/lib/rehearsals/ext4.sh], at: 0 5 * * sun }
#
# volumes.sh, which must lie beside it, says what it needs (and e2fsprogs).
set -eu
# shellcheck source-path=SCRIPTDIR source=volumes.sh
. "$(dirname "$0")/volumes.sh"

for volume in $BLOCKFERRY_VOLUMES; do
  attach "$volume"
  # 1 says that something was to be replayed.
  e2fsck -p -E journal_only "$device" || [ $? -eq 1 ]
  e2fsck -fn "$device"
  place "$volume" ro
  read_all "$place"
  echo "$volume: an ext4 file system without a fault, $(find "$place" -xdev -type f | wc -l) files read"
done
