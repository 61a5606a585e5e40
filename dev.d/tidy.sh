# shellcheck shell=sh
# SPDX-License-Identifier: Apache-2.0
# tidy: check the tree against the style's numbers (lengths, includes, ranks, prose)

[ -x /usr/bin/python3 ] || ./dev setup build
exec /usr/bin/python3 test/tidy/tidy.py "$@"
