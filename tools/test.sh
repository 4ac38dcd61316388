#!/bin/sh
# The one test command: sets up what is missing (npm and Debian packages), then format, lint, layers, types and
# all tests. The last line is "N passed, N failed", where each of the checks counts as one.
set -u
cd "$(dirname "$0")/.."
root=$PWD

packages="curl dash shellcheck systemd e2fsprogs xfsprogs btrfs-progs fdisk fio fuse3 gdisk lftp libnbd-bin nbdkit ntfs-3g openssh-client openssl postgresql python3-libnbd qemu-utils sqlite3 util-linux"
programs="curl dash shellcheck systemd-analyze mkfs.ext4 mkfs.xfs mkfs.btrfs fio fusermount3 lftp nbdinfo nbdcopy nbdfuse nbdkit openssl ssh-keygen setpriv qemu-img qemu-io losetup blkid sfdisk sgdisk mkfs.ntfs sqlite3 pg_createcluster"
PATH=$PATH:/usr/sbin:/sbin

missing=
for program in $programs; do command -v "$program" >/dev/null 2>&1 || missing="$missing $program"; done
/usr/bin/python3 -c 'import nbd' >/dev/null 2>&1 || missing="$missing python3-libnbd"
if [ -n "$missing" ]; then
  echo "missing:$missing; installing Debian packages"
  sudo=
  [ "$(id -u)" = 0 ] || sudo=sudo
  # The packages that a distribution has folded into others are not fatal: the programs are looked for again below.
  $sudo apt-get update -qq || exit 1
  DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y -qq --no-install-recommends $packages nbdfuse >/tmp/blockferry-apt.log 2>&1 ||
    DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y -qq --no-install-recommends $packages >/tmp/blockferry-apt.log 2>&1 ||
    { cat /tmp/blockferry-apt.log; exit 1; }
  for program in $programs; do
    command -v "$program" >/dev/null 2>&1 || { echo "$program is still missing"; exit 1; }
  done
fi
sh tools/fetch-servers.sh || exit 1

# Always from the lock file, in a fresh clone as in an old one.
if [ ! -f node_modules/.package-lock.json ] || [ package-lock.json -nt node_modules/.package-lock.json ]; then
  npm ci --no-audit --no-fund || exit 1
fi
PATH=$root/node_modules/.bin:$PATH
export PATH

work=$(mktemp -d)
passed=0
failed=0

# Becomes mocha, which counts for the name $1 at the niceness $2: to be called in the background.
run() {
  results=$work/$1
  niceness=$2
  shift 2
  exec nice -n "$niceness" mocha --forbid-only --forbid-pending \
    --reporter tools/reporter.cjs --reporter-option results="$results" "$@"
}

# Adds up what the tests called $1 counted; $2 is mocha's exit code.
count() {
  read -r passes failures 2>/dev/null <"$work/$1" || { passes=0 failures=0; }
  # Also when mocha did not come to its end, or found nothing wrong but in what the tests left behind.
  if [ "$failures" -eq 0 ] && [ "$2" -ne 0 ]; then
    echo "the tests ($1) ended with exit code $2" | tee -a "$work/$1.failures"
    failures=1
  fi
  passed=$((passed + passes))
  failed=$((failed + failures))
}

# Simulated time does not mind being slow: the simulation runs beside all else, and yields to it. Tests of whole sites and
# of the transports against real servers wait for most of their time, beside the checks and the other tests.
run simulation 15 'test/simulation/**/*.test.ts' >"$work/simulation.log" 2>&1 &
simulation=$!
run sites 0 'test/sites/**/*.test.ts' 'test/real/**/*.test.ts' >"$work/sites.log" 2>&1 &
sites=$!
run servers 0 'test/conformance/transport-*.test.ts' >"$work/servers.log" 2>&1 &
servers=$!
others=
trap 'kill $simulation $sites $servers $others 2>/dev/null; rm -rf "$work"; exit 130' INT TERM

for check in format lint layers types; do
  if npm run --silent "check:$check"; then
    passed=$((passed + 1))
    echo "check:$check passed"
  else
    failed=$((failed + 1))
    echo "check:$check FAILED" | tee -a "$work/checks.failures"
  fi
done

run others 0 --ignore 'test/simulation/**' --ignore 'test/sites/**' --ignore 'test/real/**' \
  --ignore 'test/conformance/transport-*' 'test/**/*.test.ts' &
others=$!
wait "$others"
count others "$?"

# Shows what the tests called $1 said, once the process $2 has ended.
conclude() {
  wait "$2"
  ended=$?
  cat "$work/$1.log"
  count "$1" "$ended"
}
conclude servers "$servers"
conclude sites "$sites"
conclude simulation "$simulation"
# Once more at the end, whatever shows only the last lines.
cat "$work"/*.failures 2>/dev/null
rm -rf "$work"
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
