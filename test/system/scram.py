# SPDX-License-Identifier: Apache-2.0
"""The client's side of SCRAM-SHA-256, from RFC 5802 and RFC 7677."""
import base64
import hashlib
import hmac
import os


def keyed(key, data):
    return hmac.new(key, data, "sha256").digest()


class Scram:
    """first(), then final(challenge), then the server's last word goes to verify()."""

    def __init__(self, user, password):
        self.user, self.password = user, password
        self.nonce = base64.b64encode(os.urandom(18)).decode()
        self.bare = f"n={user.replace('=', '=3D').replace(',', '=2C')},r={self.nonce}"
        self.salted = self.whole = None

    def first(self):
        return ("n,," + self.bare).encode()

    def final(self, challenge):
        text = challenge.decode()
        told = dict(part.split("=", 1) for part in text.split(","))
        assert told["r"].startswith(self.nonce) and len(told["r"]) > len(self.nonce)
        self.salt, self.iterations = told["s"], int(told["i"])
        self.salted = hashlib.pbkdf2_hmac("sha256", self.password.encode(),
                                          base64.b64decode(self.salt), self.iterations)
        plain = f"c=biws,r={told['r']}"
        self.whole = f"{self.bare},{text},{plain}".encode()
        key = keyed(self.salted, b"Client Key")
        signature = keyed(hashlib.sha256(key).digest(), self.whole)
        proof = bytes(a ^ b for a, b in zip(key, signature))
        return f"{plain},p={base64.b64encode(proof).decode()}".encode()

    def verify(self, last):
        signature = keyed(keyed(self.salted, b"Server Key"), self.whole)
        assert last == b"v=" + base64.b64encode(signature)
