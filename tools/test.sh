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

results=$(mktemp)
mocha --forbid-only --forbid-pending --reporter tools/reporter.cjs --reporter-option "results=$results" 'test/**/*.test.ts'
tests=$?
counts=$(cat "$results")
rm -f "$results"
if [ -z "$counts" ]; then
  echo "the tests did not come to their end (exit code $tests)"
  counts="0 1"
fi
passed=$((passed + ${counts% *}))
failed=$((failed + ${counts#* }))
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$tests" -eq 0 ]
