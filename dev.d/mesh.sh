# shellcheck shell=sh
# SPDX-License-Identifier: Apache-2.0
# mesh [--once]: three brokers in a line, events published at one end and shown at the other
#
# Starts edge - hub - cloud on free loopback ports (edge and cloud have no link to each
# other), publishes at edge with mosquitto_pub, shows what arrives at cloud and prints
# the address of cloud's page. Stays until Ctrl-C.
#
#   --once   check that events of QoS 0, 1 and 2 arrive exactly once; exit 0 or 1

./dev setup build client
build_release || exit 1
exec /usr/bin/python3 dev.d/mesh.py "$@"
