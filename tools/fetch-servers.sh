#!/bin/sh
# Fetches the FTP, SMB and SSH servers that the tests start, from Debian's own archive, into a cache folder.
#
# Debian's vsftpd, pure-ftpd and proftpd packages conflict, and samba's and sshd's start services, so they are never
# installed: each package is downloaded and unpacked beside the others. With the cache there, nothing is asked of the
# network.
#
# BLOCKFERRY_TEST_CACHE chooses the folder; otherwise $XDG_CACHE_HOME/blockferry-test or ~/.cache/blockferry-test.
set -eu

cache=${BLOCKFERRY_TEST_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/blockferry-test}
# libnss-wrapper lets sshd have users of its own.
servers='vsftpd pure-ftpd proftpd-core proftpd-mod-crypto samba samba-common-bin smbclient openssh-server libnss-wrapper'
# What a minimal system lacks to run them.
libraries='libhiredis0.14 libmemcached11 libmemcachedutil2 libhashkit2 libpcre2-posix3
  libwrap0 libnsl2 libtirpc3 libsodium23 libgssapi-krb5-2 libkrb5-3 libk5crypto3 libkrb5support0 libkeyutils1
  samba-libs libsmbclient libwbclient0 libtalloc2 libtdb1 libtevent0 libldb2 liblmdb0 libavahi-client3 libavahi-common3
  libdbus-1-3 libbsd0 libmd0 libicu72 libjansson4 libldap-2.5-0 libsasl2-2 libpopt0 libarchive13 libxml2 libreadline8'

missing() {
  for package in $servers $libraries; do
    [ -d "$cache/$package/usr" ] || [ -d "$cache/$package/lib" ] || echo "$package"
  done
}

wanted=$(missing)
if [ -z "$wanted" ]; then exit 0; fi

for tool in apt-get dpkg; do
  if ! command -v "$tool" >/dev/null; then
    echo "fetch-servers: $tool is not there; the servers are taken from Debian packages, so run the tests on Debian" >&2
    exit 1
  fi
done

mkdir -p "$cache"
work=$(mktemp -d "$cache/fetch.XXXXXX")
trap 'rm -rf "$work"' EXIT
cd "$work"

download() {
  # shellcheck disable=SC2086 # one word a package
  apt-get -o APT::Sandbox::User="$(id -un)" --quiet download $wanted
}
if ! download >download.log 2>&1; then
  # An image without package lists, or with old ones.
  if ! { apt-get --quiet update >>download.log 2>&1 && download >>download.log 2>&1; }; then
    cat download.log >&2
    echo 'fetch-servers: apt-get could not download the packages; see above' >&2
    exit 1
  fi
fi

for package in $wanted; do
  set -- "${package}"_*.deb
  dpkg -x "$1" "$1.unpacked"
  # One folder a version, and a link that appears only when it is whole: two runs at once do no harm.
  version=${1%.deb}
  rm -rf "${cache:?}/$version"
  mv "$1.unpacked" "$cache/$version"
  ln -sfn "$version" "$cache/$package"
  echo "fetch-servers: $version"
done
