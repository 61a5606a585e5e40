# SPDX-License-Identifier: Apache-2.0
"""A broker with a listener for every transport."""
import json
import re
import urllib.request

from certificates import Authority

# A listener, and what is spoken there.
TRANSPORTS = {
    "tcp": ("mqtt", "tcp"), "tcp6": ("six", "tcp"), "unix": ("local", "unix"),
    "tls": ("mqtts", "tls"), "mtls": ("strict", "tls"), "ws": ("web", "ws"), "wss": ("wss", "wss"),
    "auto-tcp": ("auto", "tcp"), "auto-tls": ("auto", "tls"), "auto-ws": ("auto", "ws"),
    "auto-wss": ("auto", "wss")}


class Stage:
    """A broker with a listener for each."""

    def __init__(self, mesh, directory):
        self.authority = Authority(directory).make("server", "localhost", "DNS:localhost,IP:127.0.0.1,IP:::1")
        self.authority.make("alice", "alice")
        self.path = str(directory / "mqtt.sock")
        self.ca, local = self.authority.path("ca.pem"), {"address": "127.0.0.1:0"}
        tls = self.authority.tls("server")
        self.broker = mesh.start("matrix", args=["--set", "listeners=" + json.dumps([
            {"name": "six", "address": "[::1]:0"}, {"name": "local", "address": f"unix:{self.path}"},
            {"name": "mqtts", **local, "tls": tls}, {"name": "wss", **local, "protocol": "web", "tls": tls},
            {"name": "strict", **local, "tls": {**tls, "ca_file": self.ca, "client_certificate": "required"}},
            {"name": "auto", **local, "protocol": "auto", "tls": tls}])])

    def host(self, transport):
        return {"tcp6": "::1", "tls": "localhost", "mtls": "localhost"}.get(transport, "127.0.0.1")

    def port(self, transport):
        listener = TRANSPORTS[transport][0]
        return int(self.broker.wait_log(rf"\b(?:listener\.)?{listener}=\S*:(\d+)").group(1))

    def secret(self, transport):
        """The words of mosquitto's and plexus's programs for TLS."""
        words = ["--cafile", self.ca] if TRANSPORTS[transport][1] in ("tls", "wss") else []
        if transport == "mtls":
            words += ["--cert", self.authority.path("alice.pem"), "--key", self.authority.path("alice.key")]
        return words

    def subscriptions(self):
        with urllib.request.urlopen(self.broker.web_url + "/api/v1/status", timeout=30) as answer:
            return int(re.search(r'"subscriptions": ?(\d+)', answer.read().decode()).group(1))
