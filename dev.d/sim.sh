# shellcheck shell=sh
# SPDX-License-Identifier: Apache-2.0
# sim [crash | fleet] [ARGUMENTS]: run simulated schedules (10,000 of them without arguments)
#
# Of a mesh: --seed S --nodes N --steps K replays one schedule, --schedules N runs that many.
# With the word crash, of one broker with its store and clients, which crashes at any moment:
# SEED COUNT STEPS, of which each may be left out from the right.
# With the word fleet, of two to six such brokers in a mesh; arguments are those of a mesh.

./dev setup build test
meson_build build "plexusd plexus" -- -Dtests=true || exit 1
meson configure build -Dtests=true
case ${1:-} in
crash) program=crash/crash many='1 10000' && shift ;;
fleet) program=crash/fleet many='--schedules 10000' && shift ;;
*) program=sim/sim many='--schedules 10000' ;;
esac
step "building the simulator" ninja -C build "test/$program" || exit 1
# shellcheck disable=SC2086 # a list of words
[ $# -gt 0 ] || set -- $many
exec "build/test/$program" "$@"
