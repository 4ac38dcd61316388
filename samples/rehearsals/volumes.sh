#!/bin/sh
# volumes.sh: read in by the checks beside it, never run by itself. It makes a rehearsal's volumes block devices and mounts
# them, and takes all of that away again when the check ends, however it ends. What one that was killed left behind (after a
# power failure there is nothing) goes when the next one begins.
#
#   attach VOLUME           device=…, a block device of it; what is written to it is thrown away with the rehearsal
#   place VOLUME OPTIONS    place=…, where the device is mounted with these options
#
# What Blockferry tells:
#   BLOCKFERRY_GROUP                 the group's name
#   BLOCKFERRY_LSN, BLOCKFERRY_TIME  the recovery point: its place in the order of writes, and the source's clock there (UTC)
#   BLOCKFERRY_VOLUMES               the volumes' names; the NBD address of each in BLOCKFERRY_URI_<NAME>
#   BLOCKFERRY_REHEARSAL             a number, another one in each rehearsal
# Exit code 0 says that the recovery point is of use. The last lines that are printed are kept with the result.
#
# It needs nbdfuse (Debian package libnbd-bin or nbdfuse), fuse3 and util-linux, and to be root. Where Blockferry is not, as
# with samples/service/blockferry.service, let it be so by sudo (sudoers: blockferry ALL=(root) NOPASSWD:SETENV: …), with a
# time limit of its own, as nobody else may end what root runs:
#   rehearsal: { run: [/usr/bin/sudo, --preserve-env, /usr/bin/timeout, 30m, /usr/local/lib/rehearsals/ext4.sh] }
# in a unit that has NoNewPrivileges=no and no CapabilityBoundingSet.
set -eu
export LC_ALL=C
umask 077

# systemd names the folder that the unit's RuntimeDirectory= is.
group=${RUNTIME_DIRECTORY:-/run/blockferry}/rehearsals/$BLOCKFERRY_GROUP
# Its own: one that was cut off may be at its end still.
work=$group/$$

# release FOLDER: nothing is left of the check that worked in it.
release() {
  # What somebody still uses goes as soon as he does not.
  for mounted in "$1"/*.mount; do
    if mountpoint -q "$mounted"; then umount "$mounted" || umount --lazy "$mounted"; fi
  done
  for disk in "$1"/*.disk; do
    losetup --list --noheadings --output NAME,BACK-FILE | while read -r loop file; do
      if [ "$file" = "$disk" ]; then losetup --detach "$loop"; fi
    done
    # Its loop device is let go a moment later.
    tries=0
    while grep -q " $disk fuse" /proc/mounts && ! umount "$disk" 2>/dev/null && [ "$tries" -lt 50 ]; do
      tries=$((tries + 1))
      sleep 0.1
    done
    if grep -q " $disk fuse" /proc/mounts; then umount --lazy "$disk"; fi
  done
  rm -rf --one-file-system "$1"
  rmdir "$group" 2>/dev/null || true
}

for left in "$group"/*; do
  if [ -d "$left" ]; then release "$left"; fi
done
# PostgreSQL, for one, must get through as its own user.
(umask 022 && mkdir -p "$group")
install -d -m 711 "$work"
trap 'release "$work"' EXIT
trap 'exit 143' TERM
trap 'exit 130' INT
trap 'exit 129' HUP

attach() {
  uri=
  eval "uri=\$BLOCKFERRY_URI_$(printf '%s' "$1" | tr '[:lower:]' '[:upper:]' | tr -c 'A-Z0-9' _)"
  disk=$work/$1.disk
  : >"$disk"
  # In a session of its own: a signal that ends this script must not take the disk from under its file system first.
  setsid nbdfuse "$disk" "$uri" >"$work/$1.log" 2>&1 &
  tries=0
  until [ -s "$disk" ]; do
    tries=$((tries + 1))
    if [ "$tries" -gt 100 ]; then
      echo "$1 does not appear: $(cat "$work/$1.log")" >&2
      return 1
    fi
    sleep 0.1
  done
  device=$(losetup --find --show "$disk")
}

place() {
  place=$work/$1.mount
  mkdir -p "$place"
  mount -o "$2" "$device" "$place"
}

# Every byte of every file, as far as this file system goes.
read_all() {
  find "$1" -xdev -type f -exec cat {} + >/dev/null
}
