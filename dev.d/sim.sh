# shellcheck shell=sh
# SPDX-License-Identifier: Apache-2.0
# sim [crash] [ARGUMENTS]: run simulated schedules (10,000 of them without arguments)
#
# Of a mesh: --seed S --nodes N --steps K replays one schedule, --schedules N runs that many.
# With the word crash, of one broker with its store and clients, which crashes at any moment:
# SEED COUNT STEPS, of which each may be left out from the right.

./dev setup build test
meson_build build "plexusd plexus" -- -Dtests=true || exit 1
meson configure build -Dtests=true
if [ "${1:-}" = crash ]; then
    shift
    step "building the simulator" ninja -C build test/crash/crash || exit 1
    [ $# -gt 0 ] || set -- 1 10000
    exec build/test/crash/crash "$@"
fi
step "building the simulator" ninja -C build test/sim/sim || exit 1
[ $# -gt 0 ] || set -- --schedules 10000
exec build/test/sim/sim "$@"
