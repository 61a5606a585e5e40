# SPDX-License-Identifier: Apache-2.0
"""Real clients through TLS: mosquitto, Paho, plexus and openssl, certificates rotated."""
import json
import os
import re
import signal
import socket
import ssl
import subprocess
import threading

import paho.mqtt.client as paho
import pytest

import brokers
from brokers import wait_until
from certificates import Authority


def listeners(authority):
    local = {"address": "127.0.0.1:0"}
    return [
        {"name": "mqtts", **local, "tls": authority.tls("server")},
        {"name": "wss", **local, "protocol": "web", "tls": authority.tls("server")},
        {"name": "pages", **local, "protocol": "web", "tls": authority.tls("server"),
         "origins": ["https://good.test"]},
        {"name": "strict", **local,
         "tls": authority.tls("server", ca_file=authority.path("ca.pem"),
                              client_certificate="required", username_from_certificate=True)},
        {"name": "auto", **local, "protocol": "auto", "tls": authority.tls("server")},
    ]


class Stage:
    """A broker with TLS listeners, and its authority."""

    def __init__(self, broker, authority):
        self.broker, self.authority = broker, authority
        self.ca = authority.path("ca.pem")

    def port(self, name):
        return int(self.broker.wait_log(rf"listener\.{name}=\S*:(\d+)").group(1))

    def context(self):
        return ssl.create_default_context(cafile=self.ca)

    def serial(self, name):
        """The serial number of the certificate that this listener shows now."""
        with socket.create_connection(("127.0.0.1", self.port(name)), 10) as plain, \
                self.context().wrap_socket(plain, server_hostname="localhost") as tls:
            return int(tls.getpeercert()["serialNumber"], 16)


@pytest.fixture
def stage(mesh, tmp_path):
    authority = Authority(tmp_path).make("server", "localhost").make("alice", "alice")
    broker = mesh.start("secure", args=["--set", "listeners=" + json.dumps(listeners(authority))])
    return Stage(broker, authority)


def mosquitto(program, stage, listener, *words):
    return [program, "-h", "localhost", "-p", str(stage.port(listener)), "--cafile", stage.ca,
            *words]


def test_mosquitto_clients_publish_and_subscribe_through_tls(stage, topic):
    with subprocess.Popen(["stdbuf", "-oL", *mosquitto("mosquitto_sub", stage, "mqtts", "-t",
                           topic, "-C", "2", "-d")], stdout=subprocess.PIPE, text=True) as sub:
        for line in sub.stdout:
            if "Subscribed" in line:
                break
        for listener in ("mqtts", "auto"):
            subprocess.run(mosquitto("mosquitto_pub", stage, listener, "-t", topic, "-m", "hello",
                                     "-q", "1", "--tls-alpn", "mqtt"), check=True, timeout=20)
        assert sub.stdout.read().split("\n").count("hello") == 2
        assert sub.wait(20) == 0


def test_a_certificate_lets_in_where_one_is_required_and_is_the_user(stage, topic):
    words = ["-t", topic, "-m", "x", "-q", "1"]
    refused = subprocess.run(mosquitto("mosquitto_pub", stage, "strict", *words),
                             capture_output=True, timeout=20)
    assert refused.returncode != 0
    stage.broker.wait_log(r"tls\.refused .*certificate")
    subprocess.run(mosquitto("mosquitto_pub", stage, "strict", *words, "--cert",
                             stage.authority.path("alice.pem"), "--key",
                             stage.authority.path("alice.key")), check=True, timeout=20)


def test_plexus_publishes_and_subscribes_by_ssl_and_wss(stage, topic):
    env = {**brokers.CLIENT_ENV, "SSL_CERT_FILE": stage.ca}
    plexus = brokers.program(stage.broker.build, "plexus")
    urls = [f"ssl://localhost:{stage.port('mqtts')}",
            f"wss://localhost:{stage.port('wss')}/mqtt"]
    for url in urls:
        done = subprocess.run([plexus, "pub", "--url", url, "-t", topic, "-m", "x", "-q", "1"],
                              capture_output=True, text=True, timeout=30, env=env)
        assert done.returncode == 0, (url, done.stderr)


def paho_client(stage, listener, transport):
    client = paho.Client(client_id="", transport=transport)
    client.ws_set_options(path="/mqtt")
    client.tls_set(stage.ca)
    client.got = []
    client.on_message = lambda c, _, message: c.got.append(message.payload)
    client.on_subscribe = lambda c, *_: setattr(c, "subscribed", True)
    client.subscribed = False
    client.connect("localhost", stage.port(listener))
    client.loop_start()
    return client


def test_paho_speaks_through_secure_websockets(stage, topic):
    client = paho_client(stage, "wss", "websockets")
    client.subscribe(topic, 1)
    wait_until(lambda: client.subscribed, "the subscription")
    payloads = [bytes([i]) * (1 << i) for i in range(18)]
    for payload in payloads:
        client.publish(topic, payload, 1)
    wait_until(lambda: len(client.got) == len(payloads), "all messages")
    assert client.got == payloads
    client.disconnect()
    client.loop_stop()


@pytest.mark.parametrize("offered, chosen", [("mqtt", "mqtt"), ("http/1.1,mqtt", "mqtt"),
                                             ("http/1.1", None)])
def test_alpn_is_mqtt_or_the_connection_fails(stage, offered, chosen):
    done = subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{stage.port('mqtts')}",
                           "-alpn", offered], input=b"", capture_output=True, timeout=20)
    text = done.stdout.decode() + done.stderr.decode()
    assert ("ALPN protocol: mqtt" in text) == (chosen is not None)
    assert ("no application protocol" in text) == (chosen is None)


def upgrade(stage, origin):
    """The status line of a WebSocket upgrade from this page."""
    with socket.create_connection(("127.0.0.1", stage.port("pages")), 10) as plain, \
            stage.context().wrap_socket(plain, server_hostname="localhost") as tls:
        tls.sendall((f"GET /mqtt HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
                     f"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n{origin}"
                     f"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
                     f"Sec-WebSocket-Protocol: mqtt\r\n\r\n").encode())
        return tls.recv(4096).split(b"\r\n")[0]


def test_pages_that_are_not_listed_may_not_connect(stage):
    assert b"101" in upgrade(stage, "")
    assert b"101" in upgrade(stage, "Origin: https://good.test\r\n")
    assert b"403" in upgrade(stage, "Origin: https://evil.test\r\n")


def test_a_mesh_link_comes_in_through_wss(stage, mesh):
    url = f"wss://localhost:{stage.port('wss')}/mesh"
    other = mesh.start("dialler", join=[url], args=["--set", f"mesh.ca_file={stage.ca}"])
    brokers.wait_converged([stage.broker, other])


@pytest.mark.parametrize("by", ["signal", "watching"])
def test_certificates_are_replaced_under_load_and_nobody_notices(stage, topic, by):
    client = paho_client(stage, "mqtts", "tcp")
    lost = []
    client.on_disconnect = lambda *_: lost.append(True)
    client.subscribe(topic, 1)
    wait_until(lambda: client.subscribed, "the subscription")
    stop, sent = threading.Event(), []

    def publish():
        while not stop.is_set():
            client.publish(topic, len(sent).to_bytes(4, "big"), 1).wait_for_publish(20)
            sent.append(True)

    publisher = threading.Thread(target=publish)
    publisher.start()
    for _ in range(3):
        stage.authority.make("server", "localhost")
        if by == "signal":
            os.kill(stage.broker.process.pid, signal.SIGHUP)
        for name in ("mqtts", "wss", "auto"):
            wait_until(lambda n=name: stage.serial(n) == stage.authority.serial,
                       f"{name} to show the new certificate", every_s=0.1)
    stop.set()
    publisher.join()
    wait_until(lambda: len(client.got) == len(sent), "all messages")
    assert not lost and client.got == [i.to_bytes(4, "big") for i in range(len(sent))]
    client.disconnect()
    client.loop_stop()


def test_a_bad_certificate_is_refused_at_the_start_and_ignored_later(stage, tmp_path):
    serial = stage.serial("mqtts")
    path = tmp_path / "server.pem"
    path.write_text("nonsense\n")
    os.kill(stage.broker.process.pid, signal.SIGHUP)
    stage.broker.wait_log(r"tls\.unusable .*server\.pem")
    stage.broker.wait_log(r"config\.reload result=done")
    assert stage.serial("mqtts") == serial
    done = subprocess.run(
        [brokers.program(stage.broker.build, "plexusd"), "--mqtt", "none", "--web", "none",
         "--set", "listeners=" + json.dumps(listeners(stage.authority))],
        capture_output=True, text=True, timeout=20, env=brokers.PROGRAM_ENV)
    assert done.returncode == 2
    assert re.search(r"plexusd: listener mqtts: certificate_file \S*server\.pem: ", done.stderr)
