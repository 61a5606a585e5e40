# SPDX-License-Identifier: Apache-2.0
"""Exactly once, topic and payload intact: every QoS, version, transport, near and far."""
import collections
import os
import re
import subprocess
import time

import pytest

import brokers
from clients import V31, V311, V5, Client, Printer, mosquitto_pub, mosquitto_sub

PAYLOADS = [b"", b"21.5", "Grüße, 世界".encode(), bytes(range(256)), b"\x00\xff" * 5000]
VERSIONS = pytest.mark.parametrize("version", [V311, V5], ids=["3.1.1", "5"])
EVERY_QOS = pytest.mark.parametrize("qos", [0, 1, 2])
WAYS = pytest.mark.parametrize("way", ["near", "far"])
TRANSPORTS = pytest.mark.parametrize("transport", ["tcp", "websockets"])


def ends(line, way):
    """Where to publish and where to subscribe."""
    return (line[0], line[0]) if way == "near" else (line[0], line[2])


def await_probe(publisher, subscriber, topic):
    """Publish on topic/probe until it arrives there, then forget the probes."""
    deadline = time.monotonic() + brokers.PATIENCE_S
    while time.monotonic() < deadline:
        publisher.publish(topic + "/probe", b"probe")
        try:
            subscriber.receive(0.1)
        except AssertionError:
            continue
        # Probes keep their order, so behind this one nothing of them is left.
        publisher.publish(topic + "/probe", b"last")
        while subscriber.receive().payload != b"last":
            pass
        return
    raise AssertionError("the interest did not travel")


@VERSIONS
@EVERY_QOS
@WAYS
def test_mosquitto_clients_deliver_exactly_once(line, topic, version, qos, way):
    source, sink = ends(line, way)
    with mosquitto_sub(sink, topic + "/#", qos, version) as subscriber:
        def probed():
            mosquitto_pub(source, topic + "/probe", b"probe", 0, version)
            time.sleep(0.05)
            return subscriber.got[topic + "/probe"]

        brokers.wait_until(probed, "interest to travel")
        for payload in PAYLOADS:
            mosquitto_pub(source, topic + "/data", payload, qos, version)
        brokers.wait_until(lambda: len(subscriber.got[topic + "/data"]) >= len(PAYLOADS),
                           f"{len(PAYLOADS)} messages")
        time.sleep(0.2)
        # Each came from a connection of its own, so their order is not promised.
        assert sorted(subscriber.got[topic + "/data"]) == sorted(PAYLOADS)


@VERSIONS
@EVERY_QOS
@WAYS
@TRANSPORTS
def test_paho_delivers_exactly_once_and_in_order(line, topic, version, qos, way, transport):
    source, sink = ends(line, way)
    payloads = PAYLOADS + [b"%d" % n for n in range(100)]
    with Client(sink, version, transport) as subscriber, \
            Client(source, version, transport) as publisher:
        subscriber.subscribe(topic + "/#", qos)
        await_probe(publisher, subscriber, topic)
        for payload in payloads:
            sent = publisher.publish(topic + "/data", payload, qos, wait=False)
        sent.wait_for_publish(brokers.PATIENCE_S)
        got = [subscriber.receive() for _ in payloads]
        assert [m.payload for m in got] == payloads
        assert {m.topic for m in got} == {topic + "/data"}
        assert {m.qos for m in got} == {qos}
        subscriber.expect_silence()


@pytest.mark.parametrize("way, qos, transport", [
    ("near", 0, "tcp"), ("near", 2, "tcp"), ("far", 0, "tcp"), ("far", 1, "tcp"),
    ("far", 2, "tcp"),
    # Once is enough: Paho's WebSocket client takes half a minute over it.
    ("far", 1, "websockets")])
def test_a_megabyte_arrives_intact(line, topic, way, qos, transport):
    source, sink = ends(line, way)
    payload = os.urandom(1_000_000)
    with Client(sink, V5, transport) as subscriber, Client(source, V5, transport) as publisher:
        subscriber.subscribe(topic + "/#", qos)
        await_probe(publisher, subscriber, topic)
        publisher.publish(topic, payload, qos, wait=False)
        assert subscriber.receive(90).payload == payload
        subscriber.expect_silence()


@pytest.mark.parametrize("size", [500, 512, 1024, 2048, 2049])
def test_every_receiver_gets_its_own_whole_copy(line, topic, size):
    """Payloads that several receivers share go out by reference, between their own heads."""
    receivers = [Client(line[0], version, transport=transport).connect()
                 for version in (V311, V5) for transport in ("tcp", "tcp", "websockets")]
    sent = [bytes((n * 7 + i) & 0xFF for i in range(size)) for n in range(40)]
    try:
        for qos, receiver in enumerate(receivers):
            receiver.subscribe(topic, qos % 3)
        with Client(line[0]) as publisher:
            for payload in sent:
                publisher.publish(topic, payload, 2, wait=False)
            for receiver in receivers:
                assert [receiver.receive().payload for _ in sent] == sent
    finally:
        for receiver in receivers:
            receiver.close()


@pytest.mark.parametrize("publisher_version", [V31, V311, V5], ids=["from-3.1", "from-3.1.1", "from-5"])
@pytest.mark.parametrize("subscriber_version", [V31, V311, V5], ids=["to-3.1", "to-3.1.1", "to-5"])
def test_versions_understand_each_other(line, topic, publisher_version, subscriber_version):
    edge, _, cloud = line
    with Client(cloud, subscriber_version) as subscriber, \
            Client(edge, publisher_version) as publisher:
        subscriber.subscribe(topic + "/#", 2)
        await_probe(publisher, subscriber, topic)
        publisher.publish(topic, b"hello", 2)
        assert subscriber.receive().payload == b"hello"


def plexus(broker, transport, *words):
    where = ["--url", f"ws://{broker.web}/mqtt"] if transport == "ws" else \
        ["-h", "127.0.0.1", "-p", str(broker.mqtt_port)]
    return [brokers.program(broker.build, "plexus"), words[0], *where, *words[1:]]


@EVERY_QOS
@pytest.mark.parametrize("version", ["mqttv311", "mqttv5"])
@pytest.mark.parametrize("transport", ["tcp", "ws"])
def test_the_plexus_program_publishes_and_subscribes(line, topic, qos, version, transport):
    edge, _, cloud = line
    env = brokers.CLIENT_ENV
    sub = plexus(cloud, transport, "sub", "-V", version, "-q", str(qos), "-t", topic + "/#")

    def pub(name, text):
        done = subprocess.run(plexus(edge, transport, "pub", "-V", version, "-q", str(qos), "-t",
                                     f"{topic}/{name}", "-m", text),
                              capture_output=True, text=True, timeout=30, env=env)
        assert done.returncode == 0, done.stderr

    with Printer(sub) as subscriber:
        def probed():
            pub("probe", "probe")
            time.sleep(0.05)
            return any("probe" in text for text in subscriber.lines)

        brokers.wait_until(probed, "interest to travel")
        texts = [f"reading-{n}" for n in range(5)]
        for text in texts:
            pub("data", text)
        count = collections.Counter()

        def arrived():
            count.clear()
            count.update(re.findall(r"reading-\d", "\n".join(subscriber.lines)))
            return len(count) == len(texts)

        brokers.wait_until(arrived, "five readings")
        time.sleep(0.2)
        arrived()
        assert set(count.values()) == {1}, subscriber.lines
    said = "\n".join(subscriber.lines)
    assert not brokers.SANITIZER.search(said), said
