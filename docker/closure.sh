#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# closure.sh ROOT PROGRAM: lay PROGRAM, stripped, under ROOT/usr/bin with every library it
# links or loads at run time, the certificates and the files name look-ups read.
set -eu

root=$1
program=$2

place()
{
    mkdir -p "$root$(dirname "$1")"
    cp -L "$1" "$root$1"
}

# What ldd cannot see: libwebsockets loads its event loop by name.
plugins=$(find /usr/lib -name 'libwebsockets-evlib_uv.so')
[ -n "$plugins" ] || { echo "no libwebsockets-evlib_uv.so" >&2; exit 1; }

mkdir -p "$root/usr/bin" "$root/etc" "$root/tmp" "$root/data"
cp "$program" "$root/usr/bin/"
strip "$root/usr/bin/$(basename "$program")"
for plugin in $plugins; do
    place "$plugin"
done
# shellcheck disable=SC2086 # a list of paths
for library in $(ldd "$program" $plugins | grep -o '/[^ :]*\.so[^ :]*' | sort -u); do
    place "$library"
done
place /etc/ssl/certs/ca-certificates.crt
printf 'plexus:x:65532:65532::/:/nologin\n' >"$root/etc/passwd"
printf 'plexus:x:65532:\n' >"$root/etc/group"
printf 'hosts: files dns\n' >"$root/etc/nsswitch.conf"
chown 65532:65532 "$root/data"
chmod 1777 "$root/tmp"
