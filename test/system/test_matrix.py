# SPDX-License-Identifier: Apache-2.0
"""Other people's clients over every transport, at every QoS, retained, in 3.1.1 and 5."""
import ssl
import subprocess

import paho.mqtt.client as paho
import pytest

import brokers
from brokers import PATIENCE_S, wait_until
from clients import MOSQUITTO_VERSION, V5, V311, Printer, properties
from transports import TRANSPORTS, Stage

class Program:
    """A client that is two programs. Publishes standard input as one message."""
    unbuffered = ()
    forgivable = "nothing is"

    def publish(self, stage, transport, version, topic, payload, qos, retain):
        words = [*self.words(stage, transport, "pub"), "-V", MOSQUITTO_VERSION[version], "-q", str(qos),
                 "-t", topic, "-s", *(["-r"] if retain else [])]
        try:
            done = subprocess.run(words, input=payload, capture_output=True, timeout=PATIENCE_S,
                                  env=brokers.CLIENT_ENV)
        except subprocess.TimeoutExpired as expired:
            done = expired
        said = (done.stderr or b"").decode()
        assert getattr(done, "returncode", None) == 0 or self.forgivable in said, said or done

    def subscribe(self, stage, transport, version, topic):
        printer = Printer([*self.unbuffered, *self.words(stage, transport, "sub"), "-V",
                           MOSQUITTO_VERSION[version], "-q", "2", "-t", topic, "-v"])
        printer.payloads = lambda: [line.split(" ", 1)[1].encode() for line in list(printer.lines)]
        return printer


class Mosquitto(Program):
    unbuffered = ("stdbuf", "-oL")
    cannot = {name: "its library has no WebSocket" for name, (_, way) in TRANSPORTS.items()
              if way in ("ws", "wss")}

    def words(self, stage, transport, what):
        where = ["--unix", stage.path] if transport == "unix" else \
            ["-h", stage.host(transport), "-p", str(stage.port(transport))]
        return [f"mosquitto_{what}", *where, *stage.secret(transport)]


class PahoC(Program):
    """In plexus pub and plexus sub."""
    # Its thread frees something twice when it ends, once in some hundred times, and the
    # sanitizers' report of it may hang. What was to be sent has been sent by then.
    forgivable = "attempting double-free"
    cannot = {"unix": "Paho C 1.3.12 knows no unix sockets",
              "auto-wss": "it offers no ALPN by which MQTT and HTTP in TLS are told apart"}

    def words(self, stage, transport, what):
        scheme = {"tcp": "tcp", "tls": "ssl", "ws": "ws", "wss": "wss"}[TRANSPORTS[transport][1]]
        host = "[::1]" if transport == "tcp6" else "localhost" if scheme in ("ssl", "wss") else "127.0.0.1"
        url = f"{scheme}://{host}:{stage.port(transport)}" + ("/mqtt" if scheme.startswith("ws") else "")
        return [brokers.program(stage.broker.build, "plexus"), what, "--url", url,
                *stage.secret(transport)]


class PahoPython:
    cannot = {"unix": "Paho Python 1.6 knows no unix sockets"}

    class Subscriber:
        def __init__(self, client):
            self.client, self.got = client, []
            client.on_message = lambda c, u, message: self.got.append(message.payload)

        def payloads(self):
            return list(self.got)

        def __enter__(self):
            return self

        def __exit__(self, *_):
            self.client.disconnect()
            self.client.loop_stop()

    def connect(self, stage, transport, version):
        way = TRANSPORTS[transport][1]
        client = paho.Client(client_id="", protocol=version,
                             transport="websockets" if way in ("ws", "wss") else "tcp")
        client.ws_set_options(path="/mqtt")
        if way in ("tls", "wss"):
            context = ssl.create_default_context(cafile=stage.ca)
            if way == "wss":
                context.set_alpn_protocols(["http/1.1"])
            if transport == "mtls":
                context.load_cert_chain(stage.authority.path("alice.pem"), stage.authority.path("alice.key"))
            client.tls_set_context(context)
        expiry = {"properties": properties("CONNECT", SessionExpiryInterval=0)} if version == V5 else {}
        client.connect(stage.host(transport), stage.port(transport), **expiry)
        client.loop_start()
        return client

    def publish(self, stage, transport, version, topic, payload, qos, retain):
        client = self.connect(stage, transport, version)
        sent = client.publish(topic, payload, qos, retain)
        sent.wait_for_publish(PATIENCE_S)
        assert sent.is_published()
        client.disconnect()
        client.loop_stop()

    def subscribe(self, stage, transport, version, topic):
        subscriber = self.Subscriber(self.connect(stage, transport, version))
        wait_until(subscriber.client.is_connected, "CONNACK")
        subscriber.client.subscribe(topic, 2)
        return subscriber


CLIENTS = {"mosquitto": Mosquitto(), "paho-c": PahoC(), "paho-python": PahoPython()}


@pytest.fixture(scope="module")
def stage(tmp_path_factory):
    started = brokers.Brokers()
    try:
        yield Stage(started, tmp_path_factory.mktemp("matrix"))
    finally:
        started.stop()


@pytest.mark.parametrize("version", [V311, V5], ids=["3.1.1", "5"])
@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("client", CLIENTS)
def test_a_client_publishes_and_subscribes(stage, topic, client, transport, version):
    client = CLIENTS[client]
    if transport in client.cannot:
        pytest.skip(client.cannot[transport])
    before = stage.subscriptions()
    sent = [b"once at most", b"once at least " * 3000, b"once exactly", b"kept"]
    way = (stage, transport, version)
    with client.subscribe(*way, f"{topic}/#") as subscriber:
        wait_until(lambda: stage.subscriptions() == before + 1, "the subscription")
        for qos in (0, 1, 2):
            client.publish(*way, f"{topic}/{qos}", sent[qos], qos, False)
        client.publish(*way, f"{topic}/kept", sent[3], 1, True)
        # A client may hand out a message of QoS 2 only once it is released.
        wait_until(lambda: sorted(subscriber.payloads()) == sorted(sent), "what was sent")
    with client.subscribe(*way, f"{topic}/#") as late:
        wait_until(late.payloads, "what is retained")
        assert late.payloads() == sent[3:]
    wait_until(lambda: stage.subscriptions() == before, "the subscriptions to go")
    assert not brokers.SANITIZER.search(stage.broker.log())
