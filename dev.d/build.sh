# shellcheck shell=sh
# SPDX-License-Identifier: Apache-2.0
# build: a release into build/ (build/plexusd, build/plexus)

./dev setup build
build_release || exit 1
