# shellcheck shell=sh
# SPDX-License-Identifier: Apache-2.0
# run [ARGUMENTS]: build a release and run one broker with these arguments
#
# Without arguments: MQTT on 127.0.0.1:1883, the web port on 127.0.0.1:8080.

./dev build >&2
exec build/plexusd "$@"
