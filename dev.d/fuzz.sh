# shellcheck shell=sh
# SPDX-License-Identifier: Apache-2.0
# fuzz SECONDS [NAME...]: run each fuzzer that long (libFuzzer, address and UB sanitizers)
#
# NAME picks fuzzers: `fuzz 60 packet` runs build-fuzz/test/fuzz/fuzz_packet. What is new
# goes to build-fuzz/corpus/NAME, a crash to build-fuzz/crash-NAME-...; copy what is worth
# keeping to test/fuzz/corpus/NAME.

seconds=${1:-}
case $seconds in
"" | *[!0-9]*) die "how many seconds? (./dev fuzz --help)" ;;
esac
shift

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
fi

failed=""
for name in "$@"; do
    mkdir -p "build-fuzz/corpus/$name"
    seeds=test/fuzz/corpus/$name
    [ -d "$seeds" ] || seeds=
    step "fuzzing $name for $seconds s" "build-fuzz/test/fuzz/fuzz_$name" \
        -max_total_time="$seconds" -print_final_stats=1 \
        -artifact_prefix="build-fuzz/crash-$name-" "build-fuzz/corpus/$name" ${seeds:+"$seeds"} ||
        failed="$failed $name"
done
[ -z "$failed" ] || { echo "failed:$failed"; exit 1; }
