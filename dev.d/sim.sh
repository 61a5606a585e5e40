# shellcheck shell=sh
# SPDX-License-Identifier: Apache-2.0
# sim [ARGUMENTS]: run simulated mesh schedules (10,000 of them without arguments)
#
# Builds a release of the simulator and passes the arguments on: --seed S --nodes N
# --steps K replays one schedule, --schedules N runs that many.

./dev setup build test
meson_build build "plexusd plexus" -- -Dtests=true || exit 1
meson configure build -Dtests=true
step "building the simulator" ninja -C build test/sim/sim || exit 1
[ $# -gt 0 ] || set -- --schedules 10000
exec build/test/sim/sim "$@"
