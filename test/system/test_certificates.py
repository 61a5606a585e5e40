# SPDX-License-Identifier: Apache-2.0
"""Server certificate, authority and revocation list replaced under load, by a signal and by
watching the files: nobody who is connected notices, and newcomers meet the new ones."""
import json
import os
import pathlib
import signal
import socket
import ssl
import threading

import paho.mqtt.client as paho
import pytest

import rawmqtt as m
from brokers import PATIENCE_S, wait_until
from certificates import Authority
from rawmqtt import V5, Raw, Tcp, Web

LISTENERS = {"mqtts": "tcp", "wss": "websockets", "auto": "tcp"}


class Stage:
    """A broker that asks for certificates of old, and later of new as well."""

    def __init__(self, mesh, directory, by):
        self.by, self.directory = by, directory
        (directory / "old").mkdir()
        (directory / "new").mkdir()
        self.old, self.new = Authority(directory / "old"), Authority(directory / "new", "New Authority")
        self.old.make("server", "localhost").make("alice", "alice").make("bob", "bob").revoke()
        self.new.make("carol", "carol").revoke()
        self.trust(self.old)
        tls = self.old.tls("server", ca_file=str(directory / "ca.pem"), crl_file=str(directory / "crl.pem"),
                           client_certificate="required")
        self.broker = mesh.start("rotating", args=["--set", "listeners=" + json.dumps([
            {"name": name, "address": "127.0.0.1:0", "tls": tls,
             "protocol": {"mqtts": "mqtt", "wss": "web"}.get(name, name)} for name in LISTENERS])])

    def trust(self, *authorities):
        """Their certificates and lists, each file replaced at once where it stood before."""
        for name in ("ca.pem", "crl.pem"):
            made = self.directory / "made"
            made.write_text("".join(pathlib.Path(a.path(name)).read_text() for a in authorities))
            os.replace(made, self.directory / name)

    def hurry(self):
        if self.by == "signal":
            os.kill(self.broker.process.pid, signal.SIGHUP)

    def port(self, listener):
        return int(self.broker.wait_log(rf"listener\.{listener}=\S*:(\d+)").group(1))

    def context(self, authority, name):
        context = ssl.create_default_context(cafile=self.old.path("ca.pem"))
        context.load_cert_chain(authority.path(f"{name}.pem"), authority.path(f"{name}.key"))
        return context

    def raw(self, listener, authority, name, context=None, session=None):
        """A client that is connected, or None when its certificate is refused."""
        plain = socket.create_connection(("127.0.0.1", self.port(listener)), PATIENCE_S)
        try:
            tls = (context or self.context(authority, name)).wrap_socket(
                plain, server_hostname="localhost", session=session)
            if listener == "wss":
                transport = Web(None, socket_=tls)
                if transport.status != 101:
                    return None
            else:
                transport = Tcp.__new__(Tcp)
                transport.socket = tls
            client = Raw(transport, V5)
            client.send(m.connect(V5, ""))
            return client if client.next() else None
        except (ssl.SSLError, ConnectionError):
            return None

    def gets_in(self, listener, authority, name):
        client = self.raw(listener, authority, name)
        if client:
            client.drop()
        return client is not None

    def serial(self, listener):
        with socket.create_connection(("127.0.0.1", self.port(listener)), 10) as plain, \
                self.context(self.old, "alice").wrap_socket(plain, server_hostname="localhost") as tls:
            return int(tls.getpeercert()["serialNumber"], 16)


class Load:
    """A client that publishes at QoS 1 to itself, one message after the other, until stopped."""

    def __init__(self, stage, listener):
        self.got, self.lost, self.sent, self.over = [], [], 0, threading.Event()
        self.client = paho.Client(client_id="", transport=LISTENERS[listener])
        self.client.ws_set_options(path="/mqtt")
        self.client.tls_set_context(stage.context(stage.old, "alice"))
        self.client.on_message = lambda c, u, message: self.got.append(int(message.payload))
        self.client.on_disconnect = lambda *_: self.over.is_set() or self.lost.append(listener)
        self.client.on_subscribe = lambda *_: self.thread.start()
        self.client.on_connect = lambda *_: self.client.subscribe(f"load/{listener}", 1)
        self.topic = f"load/{listener}"
        self.thread = threading.Thread(target=self.run)
        self.client.connect("localhost", stage.port(listener))
        self.client.loop_start()

    def run(self):
        while not self.over.is_set():
            self.client.publish(self.topic, str(self.sent), 1).wait_for_publish(PATIENCE_S)
            self.sent += 1

    def stop(self):
        wait_until(lambda: self.thread.ident, "the load to begin")
        self.over.set()
        self.thread.join()
        wait_until(lambda: len(self.got) >= self.sent, "all messages")
        assert self.got == list(range(self.sent)) and not self.lost and self.sent > 0
        self.client.disconnect()
        self.client.loop_stop()


@pytest.mark.parametrize("by", ["signal", "watching"])
def test_everything_is_replaced_under_load_and_nobody_notices(mesh, tmp_path, by):
    stage = Stage(mesh, tmp_path, by)
    loads = [Load(stage, listener) for listener in LISTENERS]
    bobs = {listener: stage.raw(listener, stage.old, "bob") for listener in LISTENERS}
    for listener in LISTENERS:
        assert not stage.gets_in(listener, stage.new, "carol")
    stage.old.make("server", "localhost")
    server = stage.old.serial
    stage.hurry()
    for listener in LISTENERS:
        wait_until(lambda n=listener: stage.serial(n) == server, "the new certificate", every_s=0.1)
    stage.trust(stage.old, stage.new)
    stage.hurry()
    for listener in LISTENERS:
        wait_until(lambda n=listener: stage.gets_in(n, stage.new, "carol"), "the new authority",
                   every_s=0.1)
        assert stage.gets_in(listener, stage.old, "bob")
    stage.old.revoke("bob")
    stage.trust(stage.old, stage.new)
    stage.hurry()
    for listener in LISTENERS:
        wait_until(lambda n=listener: not stage.gets_in(n, stage.old, "bob"), "the revocation",
                   every_s=0.1)
        assert stage.gets_in(listener, stage.new, "carol")
        assert bobs[listener].until_ping() == []  # who is in stays in
        bobs[listener].drop()
    for load in loads:
        load.stop()


@pytest.mark.parametrize("listener", LISTENERS)
def test_a_ticket_from_before_does_not_let_in_who_was_revoked(mesh, tmp_path, listener):
    """[RFC8446 4.6.1] A resumed session shows no certificate again."""
    stage = Stage(mesh, tmp_path, "signal")
    context = stage.context(stage.old, "bob")
    first = stage.raw(listener, stage.old, "bob", context)
    session = first.transport.socket.session
    again = stage.raw(listener, stage.old, "bob", context, session)
    assert again.transport.socket.session_reused
    session = again.transport.socket.session
    stage.old.revoke("bob")
    stage.trust(stage.old)
    stage.hurry()
    wait_until(lambda: not stage.gets_in(listener, stage.old, "bob"), "the revocation", every_s=0.1)
    assert stage.raw(listener, stage.old, "bob", context, session) is None
    first.drop()
    again.drop()
