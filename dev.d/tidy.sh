# shellcheck shell=sh
# SPDX-License-Identifier: Apache-2.0
# tidy: check the tree against the style's numbers (lengths, includes, ranks, prose)

command -v "$python" >/dev/null 2>&1 || ./dev setup build
exec "$python" test/tidy/tidy.py "$@"
