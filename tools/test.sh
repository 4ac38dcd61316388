#!/bin/sh
# The one test command: sets up what is missing (npm and Debian packages), then format, lint, layers, types and
# all tests. The last line is "N passed, N failed", where each of the checks counts as one.
set -u
cd "$(dirname "$0")/.."
root=$PWD

packages="curl dash shellcheck systemd e2fsprogs xfsprogs btrfs-progs fio fuse3 lftp libnbd-bin nbdkit openssh-client openssl python3-libnbd qemu-utils util-linux"
programs="curl dash shellcheck systemd-analyze mkfs.ext4 mkfs.xfs mkfs.btrfs fio fusermount3 lftp nbdinfo nbdcopy nbdfuse nbdkit openssl ssh-keygen setpriv qemu-img qemu-io losetup"
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

passed=0
failed=0
for check in format lint layers types; do
  if npm run --silent "check:$check"; then
    passed=$((passed + 1))
    echo "check:$check passed"
  else
    failed=$((failed + 1))
    echo "check:$check FAILED"
  fi
done

work=$(mktemp -d)
flags="--forbid-only --forbid-pending --reporter tools/reporter.cjs --reporter-option results=$work"

# Adds up what the tests called $1 counted; $2 is mocha's exit code.
count() {
  read -r passes failures 2>/dev/null <"$work/$1" || { passes=0 failures=0; }
  # Also when mocha did not come to its end, or found nothing wrong but in what the tests left behind.
  if [ "$failures" -eq 0 ] && [ "$2" -ne 0 ]; then
    echo "the tests ($1) ended with exit code $2"
    failures=1
  fi
  passed=$((passed + passes))
  failed=$((failed + failures))
}

# Simulated time does not mind being slow: the simulation runs beside the tests whose time is real, and yields to them.
# shellcheck disable=SC2086
nice -n 15 mocha $flags/simulation 'test/simulation/**/*.test.ts' >"$work/output" 2>&1 &
beside=$!
trap 'kill "$beside" 2>/dev/null; rm -rf "$work"; exit 130' INT TERM
# shellcheck disable=SC2086
mocha $flags/others --ignore 'test/simulation/**' 'test/**/*.test.ts'
others=$?
wait "$beside"
simulation=$?
cat "$work/output"
count simulation "$simulation"
count others "$others"
rm -rf "$work"
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
