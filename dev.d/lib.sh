# shellcheck shell=sh
# SPDX-License-Identifier: Apache-2.0
# What the words of ./dev share. Sourced with the tree's root as working directory.

die()
{
    echo "dev: $*" >&2
    exit 2
}

# The help of a word: the comment its file opens with, after the licence line.
word_help()
{
    awk 'NR < 3 { next } /^#/ { sub(/^# ?/, ""); print; next } { exit }' "dev.d/$1.sh"
}

# step LABEL COMMAND...: run quietly, show how long it took; show the output when it failed.
step()
{
    step_label=$1
    shift
    step_log=$(mktemp)
    step_from=$(date +%s)
    printf '%s ... ' "$step_label"
    step_rc=0
    "$@" >"$step_log" 2>&1 </dev/null || step_rc=$?
    if [ "$step_rc" -eq 0 ]; then
        echo "ok ($(($(date +%s) - step_from)) s)"
    else
        echo "FAILED"
        tail -n 60 "$step_log"
    fi
    rm -f "$step_log"
    return "$step_rc"
}

as_root()
{
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    elif command -v sudo >/dev/null 2>&1; then
        sudo "$@"
    else
        die "this needs root, and there is no sudo: $*"
    fi
}

# Which of these Debian packages are not installed?
packages_missing()
{
    for package in "$@"; do
        case $(dpkg-query -W -f '${Status}' "$package" 2>/dev/null) in
        *" installed") ;;
        *) printf '%s ' "$package" ;;
        esac
    done
}

apt_install()
{
    as_root env DEBIAN_FRONTEND=noninteractive apt-get update -q &&
        as_root env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 \
            install -y -q --no-install-recommends "$@"
}

# packages PURPOSE PACKAGE...: install what is missing of them; instant when nothing is.
packages()
{
    packages_purpose=$1
    shift
    packages_new=$(packages_missing "$@")
    [ -n "$packages_new" ] || return 0
    # shellcheck disable=SC2086 # a list of words
    step "installing for $packages_purpose: $packages_new" apt_install $packages_new
}

# meson_build DIR TARGETS -- SETUP-OPTIONS: configure DIR once, then build the targets
# (all of them when TARGETS is empty).
meson_build()
{
    meson_dir=$1
    meson_targets=$2
    shift 3
    if [ ! -f "$meson_dir/build.ninja" ]; then
        step "configuring $meson_dir" meson setup "$meson_dir" "$@" || return 1
    fi
    # shellcheck disable=SC2086 # a list of words
    step "building $meson_dir" meson compile -C "$meson_dir" $meson_targets
}

# The release build of the two programs.
build_release()
{
    meson_build build "plexusd plexus" -- -Dtests=false
}
