# shellcheck shell=sh
# SPDX-License-Identifier: Apache-2.0
# fuzz SECONDS [NAME...]: run each fuzzer that long (libFuzzer, address and UB sanitizers)
#
# NAME picks fuzzers: `fuzz 60 packet` runs build-fuzz/test/fuzz/fuzz_packet. What is new
# goes to build-fuzz/corpus/NAME, a crash to build-fuzz/crash-NAME-...; copy what is worth
# keeping to test/fuzz/corpus/NAME. `broker` is no libFuzzer: two clients talk nonsense to a
# real plexusd over sockets, and FUZZ_SEED says which (test/system/test_fuzz.py).

seconds=${1:-}
case $seconds in
"" | *[!0-9]*) die "how many seconds? (./dev fuzz --help)" ;;
esac
shift

# The broker with sanitizers, and the test of it for longer.
fuzz_broker()
{
    ./dev setup test || return 1
    meson_build build-asan "plexusd plexus" -- -Db_sanitize=address,undefined -Db_lundef=false \
        -Dbuildtype=debugoptimized || return 1
    seed=${FUZZ_SEED:-$(date +%s)}
    PLEXUS_BUILD=$PWD/build-asan FUZZ_SECONDS=$seconds FUZZ_SEED=$seed \
        step "fuzzing broker for $seconds s, seed $seed" /usr/bin/python3 -B -m pytest \
        -c test/pytest.ini --rootdir . -q -s test/system/test_fuzz.py
}

./dev setup build fuzz
if [ ! -f build-fuzz/build.ninja ]; then
    step "configuring build-fuzz" env CC=clang meson setup build-fuzz -Dfuzz=true \
        -Dbuildtype=debugoptimized -Db_lundef=false \
        -Db_sanitize=address,undefined || exit 1
fi
step "building build-fuzz" ninja -C build-fuzz fuzz || exit 1

if [ $# -eq 0 ]; then
    for fuzzer in build-fuzz/test/fuzz/fuzz_*; do
        [ -f "$fuzzer" ] && [ -x "$fuzzer" ] && set -- "$@" "${fuzzer##*/fuzz_}"
    done
    [ $# -gt 0 ] || die "there is no fuzzer in build-fuzz/test/fuzz"
    set -- "$@" broker
fi

failed=""
for name in "$@"; do
    if [ "$name" = broker ]; then
        fuzz_broker || failed="$failed broker"
        continue
    fi
    mkdir -p "build-fuzz/corpus/$name"
    seeds=test/fuzz/corpus/$name
    [ -d "$seeds" ] || seeds=
    step "fuzzing $name for $seconds s" "build-fuzz/test/fuzz/fuzz_$name" \
        -max_total_time="$seconds" -print_final_stats=1 \
        -artifact_prefix="build-fuzz/crash-$name-" "build-fuzz/corpus/$name" ${seeds:+"$seeds"} ||
        failed="$failed $name"
done
[ -z "$failed" ] || { echo "failed:$failed"; exit 1; }
