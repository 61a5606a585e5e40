# shellcheck shell=sh
# SPDX-License-Identifier: Apache-2.0
# setup [PURPOSE...]: install what is missing (Debian packages, npm modules)
#
# Purposes: build, client (mosquitto_pub and _sub), test, browser, container, fuzz, bench.
# Without any: all but the last two. Uses sudo when not root; asks apt for nothing that is
# already there, so a second run is instant.

setup_node()
{
    # Where node and npm came from elsewhere, Debian's npm would break them.
    if ! command -v node >/dev/null 2>&1 || ! command -v npm >/dev/null 2>&1; then
        packages browser nodejs npm || return 1
    fi
    if ! cmp -s test/browser/package-lock.json test/browser/node_modules/.installed.json; then
        step "installing npm modules of test/browser" \
            npm --prefix test/browser ci --no-audit --no-fund || return 1
        cp test/browser/package-lock.json test/browser/node_modules/.installed.json
    fi
}

# The bench starts Mosquitto itself. The service that Debian's package begins at once would
# sit on port 1883, where plexusd wants to be.
setup_mosquitto()
{
    [ -n "$(packages_missing mosquitto)" ] || return 0
    packages bench mosquitto || return 1
    if [ -d /run/systemd/system ]; then
        step "stopping the service of mosquitto" as_root systemctl disable --now mosquitto
    fi
}

# The tests start these themselves, on ports of their own, and want no services of theirs.
setup_proxies()
{
    [ -n "$(packages_missing nginx-light libnginx-mod-stream haproxy)" ] || return 0
    # Where there is no systemd, this runlevel keeps init scripts from starting them.
    (export RUNLEVEL=1 && packages test nginx-light libnginx-mod-stream haproxy) || return 1
    if [ -d /run/systemd/system ]; then
        step "stopping the services of nginx and haproxy" \
            as_root systemctl disable --now nginx haproxy
    fi
}

setup_purpose()
{
    case $1 in
    build)
        packages build gcc libc6-dev meson ninja-build pkg-config python3 libuv1-dev \
            libwebsockets-dev libwebsockets-evlib-uv libjansson-dev libssl-dev liblmdb-dev \
            libpaho-mqtt-dev
        ;;
    client) packages client python3 mosquitto-clients ;;
    test)
        packages test check python3-pytest python3-pytest-xdist python3-paho-mqtt \
            mosquitto-clients && setup_proxies
        ;;
    browser) packages browser chromium && setup_node ;;
    container)
        packages container podman buildah runc netavark aardvark-dns podman-compose catatonit \
            mmdebstrap iptables nftables iproute2
        ;;
    fuzz) packages fuzz check clang libclang-rt-14-dev ;;
    bench) setup_mosquitto ;;
    *) die "setup knows no purpose '$1'" ;;
    esac
}

[ $# -gt 0 ] || set -- build client test browser container
for purpose in "$@"; do
    setup_purpose "$purpose" || die "setup of '$purpose' failed"
done
