#!/bin/sh
# nightly-backup.sh FOLDER: a marker program that keeps whole copies of a group's volumes.
#
# Runs at the destination, for a marker that was placed at the source:
#   blockferry marker custom oracle nightly          (from cron, say, at the end of the business day)
# and is named in the destination's configuration:
#   markers: { nightly: { run: [/usr/local/bin/nightly-backup.sh, /backup], time-limit: 4 h, wait: true } }
#
# With wait: true the volumes stand still at the marker while this runs, so the copy is the group as it was when the
# marker was placed, however long copying takes. Replication files go on arriving meanwhile.
#
# What Blockferry tells:
#   BLOCKFERRY_GROUP, BLOCKFERRY_MARKER   the names
#   BLOCKFERRY_TIME, BLOCKFERRY_LSN       when the marker was placed (UTC), and its place in the order of writes
#   BLOCKFERRY_VOLUMES                    the volumes' names; the path of each in BLOCKFERRY_VOLUME_<NAME>
#   BLOCKFERRY_MARKER_ID                  the same whenever this marker runs again
#   BLOCKFERRY_ATTEMPT                    1 at first; more after a failure, or when the machine stopped on the way
# A program must therefore be able to run twice for one marker. Exit code 0 says that it is done.
set -eu
export LC_ALL=C
umask 077

keep=7 # the newest so many copies

folder=${1:?usage: nightly-backup.sh FOLDER}/$BLOCKFERRY_GROUP
# Sorts by age, whatever the clocks did.
name=$(printf '%016d' "$BLOCKFERRY_LSN")_$(printf '%s' "$BLOCKFERRY_TIME" | tr : -)

if [ -d "$folder/$name" ]; then
  echo "$folder/$name is there already (attempt $BLOCKFERRY_ATTEMPT)"
  exit 0
fi

# What an attempt that did not end left behind.
mkdir -p "$folder"
rm -rf "$folder/$name.part"
mkdir "$folder/$name.part"

for volume in $BLOCKFERRY_VOLUMES; do
  variable=BLOCKFERRY_VOLUME_$(printf '%s' "$volume" | tr '[:lower:]' '[:upper:]' | tr -c 'A-Z0-9' _)
  path=
  eval "path=\$$variable" # of letters, digits and underscores alone
  echo "copying $volume from $path"
  dd if="$path" of="$folder/$name.part/$volume.raw" bs=1M conv=sparse,fsync status=none
done

# Only a whole copy gets the name; the folder's own entry is made durable too.
mv "$folder/$name.part" "$folder/$name"
sync "$folder"
echo "$folder/$name holds group $BLOCKFERRY_GROUP as of $BLOCKFERRY_TIME"

# Our own names hold no blanks.
for old in $(cd "$folder" && printf '%s\n' [0-9]*_*Z | sort -r | tail -n +$((keep + 1))); do
  echo "removing $folder/$old"
  rm -rf "${folder:?}/$old"
done
