#!/bin/sh
# weekly-report.sh FOLDER: a marker program that writes down how a group stands.
#
# Named in the destination's configuration, and placed at the source with: blockferry marker custom oracle weekly-report
#   markers:
#     weekly-report: { run: [/usr/local/bin/weekly-report.sh, /var/lib/blockferry-reports], time-limit: 10 min, wait: false }
#
# It does not read the volumes, so wait: false lets replication go on. That the report is there says that the whole way
# from the source to here worked: the marker came in order, behind every write before it.
# What Blockferry tells a marker program is listed in nightly-backup.sh.
set -eu
export LC_ALL=C

folder=${1:?usage: weekly-report.sh FOLDER}
report=$folder/$BLOCKFERRY_GROUP-$(printf '%.10s' "$BLOCKFERRY_TIME").txt

mkdir -p "$folder"
{
  echo "Group $BLOCKFERRY_GROUP, marker $BLOCKFERRY_MARKER"
  echo "Placed at the source: $BLOCKFERRY_TIME (LSN $BLOCKFERRY_LSN)"
  echo "Reached this site:    $(date -u +%Y-%m-%dT%H:%M:%SZ) (attempt $BLOCKFERRY_ATTEMPT)"
  echo "Volumes:              $BLOCKFERRY_VOLUMES"
  echo
  # A daemon that is too busy to answer is worth knowing too.
  blockferry status "$BLOCKFERRY_GROUP" || echo "(no status: exit code $?)"
  echo
  echo "Recovery points:"
  blockferry snapshot list "$BLOCKFERRY_GROUP" || echo "(no list: exit code $?)"
} >"$report.part"
# A second attempt writes the same report again.
mv "$report.part" "$report"
echo "wrote $report"
