#!/bin/sh
# postgresql.sh DATA-VOLUME FOLDER [WAL-VOLUME FOLDER]: a check for rehearsals of a PostgreSQL cluster; FOLDER is where the
# data directory, and pg_wal if it lies on a volume of its own, is in the volume's file system. PostgreSQL is started on it
# and recovers, as after a power failure; then every table and B-tree index of every database must be without a fault.
#
#   rehearsal: { run: [/usr/local/lib/rehearsals/postgresql.sh, data, 15/main, wal, pg_wal], at: 0 5 * * sun }
#
# It listens on a socket of its own alone, and with settings of its own, whatever else runs on this machine. It needs the
# server programs of the cluster's version, with pg_amcheck (Debian package postgresql-VERSION), and what volumes.sh says,
# which must lie beside it.
set -eu
usage='usage: postgresql.sh DATA-VOLUME FOLDER [WAL-VOLUME FOLDER]'
data_volume=${1:?$usage}
data_folder=${2:?$usage}
wal_volume=${3:-}
wal_folder=${4:-}
# shellcheck source-path=SCRIPTDIR source=volumes.sh
. "$(dirname "$0")/volumes.sh"

open_volume() {
  attach "$1"
  options=rw
  if [ "$(blkid --probe --output value --match-tag TYPE "$device")" = xfs ]; then options=nouuid; fi
  place "$1" "$options"
}

open_volume "$data_volume"
data=$place/$data_folder
programs=/usr/lib/postgresql/$(cat "$data/PG_VERSION")/bin
owner=$(stat -c %u "$data")
as_owner() { setpriv --reuid="$owner" --regid="$(stat -c %g "$data")" --clear-groups env HOME="$work" "$@"; }

# Links lead to where the cluster itself lies, which must not be touched.
if [ -n "$wal_volume" ]; then
  open_volume "$wal_volume"
  rm "$data/pg_wal"
  ln -s "$place/$wal_folder" "$data/pg_wal"
fi
for link in "$data/pg_wal" "$data"/pg_tblspc/*; do
  case $(readlink "$link" || true) in
    '' | "$work"/*) ;;
    *)
      echo "$link is a link to $(readlink "$link"), which is not rehearsed: name the volume, or extend this script" >&2
      exit 1
      ;;
  esac
done

# Of the cluster as it ran: the number may be another program's here.
rm -f "$data/postmaster.pid"
run=$work/run
install -d -m 711 "$run"
: >"$run/postgresql.conf"
echo 'local all all trust' >"$run/pg_hba.conf"
chown -R "$owner" "$run"
stop() { as_owner "$programs/pg_ctl" --silent -D "$data" -m immediate stop >/dev/null 2>&1 || true; }
trap 'stop; release "$work"' EXIT

options="-c config_file=$run/postgresql.conf -c hba_file=$run/pg_hba.conf -c data_directory=$data -c listen_addresses="
options="$options -c unix_socket_directories=$run -c port=5432 -c fsync=off -c logging_collector=off"
if ! as_owner "$programs/pg_ctl" --silent -D "$data" --wait --timeout 3600 --log "$run/log" -o "$options" start; then
  tail -n 15 "$run/log" >&2
  exit 1
fi
export PGHOST="$run" PGPORT=5432 PGUSER="${PGUSER:-postgres}"

as_owner "$programs/pg_amcheck" --all --install-missing
databases=$(as_owner "$programs/psql" --no-psqlrc -Atc 'select count(*) from pg_database where datallowconn' postgres)
echo "PostgreSQL recovered, and finds no fault in $databases databases"
