# shellcheck shell=sh
# SPDX-License-Identifier: Apache-2.0
# test [SUITE...]: build with sanitizers and run every test
#
# Suites: meson (unit, wire, story, fuzz smoke, tidy), threads (what crosses threads, under
# ThreadSanitizer), system (real brokers, real clients), browser (headless Chromium), container
# (the compose file). All of them without any. Ends with the line `N passed, N failed`; exit 1
# when anything failed.

build='build-asan'
threads='build-tsan'
reports=$build/reports

[ $# -gt 0 ] || set -- meson threads system browser container
wanted=" $* "
unready=''
for suite in "$@"; do
    case $suite in
    meson | threads | system | browser | container) ;;
    *) die "test knows no suite '$suite'" ;;
    esac
done

want()
{
    case $wanted in *" $1 "*) ;; *) return 1 ;; esac
}

# Nothing could run: still end with the line that says so.
give_up()
{
    echo "0 passed, 1 failed"
    exit 1
}

# A browser that cannot be had is a failure, but the other suites still run.
setup_for_tests()
{
    ./dev setup build test || return 1
    ! want browser || ./dev setup browser || unready="$unready failed:setup-of-browser"
    # Where containers cannot be had, or by whom, their tests say so and are skipped.
    ! want container || [ "$(id -u)" -ne 0 ] || ./dev setup container || true
}

run_meson()
{
    rm -f "$build/meson-logs/testlog.json"
    # Whatever else the machine does, a test that is only slow is no failure.
    meson test -C "$build" --no-rebuild --quiet --print-errorlogs --timeout-multiplier 5 -t 5 || true
}

# ThreadSanitizer does not go together with the others: a build of its own, of what it is for.
run_threads()
{
    rm -f "$threads/meson-logs/testlog.json"
    meson_build "$threads" "test/store/test_store_threads test/server/test_server_authority" -- \
        -Db_sanitize=thread -Db_lundef=false -Dbuildtype=debugoptimized || return 0
    meson test -C "$threads" --no-rebuild --quiet --print-errorlogs --timeout-multiplier 5 -t 5 \
        store/threads server/authority || true
}

run_pytest()
{
    set --
    if want system; then
        set -- test/tidy test/system
        want container || set -- "$@" --ignore test/system/test_containers.py
    elif want container; then
        set -- test/system/test_containers.py
    fi
    ! want browser || set -- "$@" test/browser
    [ $# -gt 0 ] || return 0
    PLEXUS_BUILD=$PWD/$build /usr/bin/python3 -B -m pytest -c test/pytest.ini --rootdir . \
        -q -n 4 --dist loadgroup --junit-xml "$reports/pytest.xml" "$@" || true
}

setup_for_tests || give_up
meson_build "$build" "" -- -Db_sanitize=address,undefined -Db_lundef=false \
    -Dbuildtype=debugoptimized || give_up
rm -rf "$reports"
mkdir -p "$reports"

set -- "$reports"
! want meson || run_meson
! want meson || set -- "$@" "$build/meson-logs/testlog.json"
! want threads || run_threads
! want threads || set -- "$@" "$threads/meson-logs/testlog.json"
if want system || want browser || want container; then
    run_pytest
    set -- "$@" "$reports/pytest.xml"
fi
shift
# shellcheck disable=SC2086 # a list of words
exec /usr/bin/python3 dev.d/tally.py "$@" $unready
