#!/bin/sh
# sqlite.sh VOLUME FILE…: a check for rehearsals of SQLite databases, FILE being where each lies in the volume's file system.
# A transaction that was under way is rolled back, as after a power failure; then SQLite must find nothing wrong.
#
#   rehearsal: { run: [/usr/local/lib/rehearsals/sqlite.sh, data, app/app.db], at: 0 5 * * sun }
#
# volumes.sh, which must lie beside it, says what it needs (and sqlite3).
set -eu
volume=${1:?usage: sqlite.sh VOLUME FILE…}
shift
: "${1:?usage: sqlite.sh VOLUME FILE…}"
# shellcheck source-path=SCRIPTDIR source=volumes.sh
. "$(dirname "$0")/volumes.sh"

attach "$volume"
options=rw
if [ "$(blkid --probe --output value --match-tag TYPE "$device")" = xfs ]; then options=nouuid; fi
place "$volume" "$options"
for file in "$@"; do
  # Without the file, sqlite3 would make an empty database, which has no fault.
  if [ ! -f "$place/$file" ]; then
    echo "there is no $file in $volume" >&2
    exit 1
  fi
  found=$(sqlite3 "$place/$file" 'PRAGMA integrity_check; PRAGMA foreign_key_check;')
  if [ "$found" != ok ]; then
    printf '%s\n' "$found"
    exit 1
  fi
  echo "$file: SQLite finds no fault"
done
