# shellcheck shell=sh
# SPDX-License-Identifier: Apache-2.0
# bench [ARGUMENTS]: measure the broker beside Mosquitto and a bare forwarder
#
# Builds a release and the load generator, then runs bench/run.py with the arguments
# given; bench --help-runner prints the ones it knows.

./dev setup build client bench
meson_build build "plexusd plexus" -- -Dtests=false -Dbench=true || exit 1
meson configure build -Dbench=true
step "building build/bench" ninja -C build plexusd bench/bench-load bench/bench-ceiling || exit 1
[ "${1:-}" != --help-runner ] || set -- --help
exec /usr/bin/python3 bench/run.py "$@"
