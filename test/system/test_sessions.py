# SPDX-License-Identifier: Apache-2.0
"""What a broker remembers of a client, and what happens when the client goes."""
import errno
import os
import socket
import struct

import pytest

import brokers
from clients import V311, V5, Client, mosquitto_pub
from test_delivery import VERSIONS, WAYS, await_probe, ends


def name(topic):
    """A client id of this test's own."""
    return "client-" + topic.replace("/", "-") + f"-{os.getpid()}"


@VERSIONS
def test_a_retained_message_meets_later_subscribers_until_it_is_cleared(one, topic, version):
    mosquitto_pub(one, topic, b"first", 1, version, retain=True)
    mosquitto_pub(one, topic, b"second", 1, version, retain=True)
    with Client(one, version) as early:
        early.subscribe(topic, 1)
        message = early.receive()
        assert (message.payload, message.retain) == (b"second", True)
        mosquitto_pub(one, topic, b"third", 1, version, retain=True)
        message = early.receive()
        assert (message.payload, message.retain) == (b"third", False)
        mosquitto_pub(one, topic, b"", 1, version, retain=True)
        assert early.receive().payload == b""
        with Client(one, version) as late:
            late.subscribe(topic, 1)
            late.expect_silence()


@VERSIONS
@WAYS
def test_a_will_is_published_when_the_connection_is_lost(line, topic, version, way):
    source, sink = ends(line, way)
    with Client(sink, version) as watcher, Client(source, version) as publisher:
        watcher.subscribe(topic + "/#", 1)
        await_probe(publisher, watcher, topic)
        device = Client(source, version, will=(topic + "/gone", b"lost", 1, False)).connect()
        device.drop()
        message = watcher.receive()
        assert (message.topic, message.payload) == (topic + "/gone", b"lost")
        watcher.expect_silence()


@VERSIONS
def test_no_will_is_published_after_a_disconnect(one, topic, version):
    with Client(one, version) as watcher:
        watcher.subscribe(topic + "/#", 1)
        Client(one, version, will=(topic + "/gone", b"lost", 1, False)).connect().close()
        watcher.expect_silence()


def raw_connect(broker, client_id, version):
    """A bare socket after its CONNACK."""
    head = b"\x00\x04MQTT" + bytes([version]) + b"\x02\x00\x3c" + (b"\x00" if version == V5 else b"")
    payload = struct.pack(">H", len(client_id)) + client_id.encode()
    device = socket.create_connection(("127.0.0.1", broker.mqtt_port), brokers.PATIENCE_S)
    device.sendall(bytes([0x10, len(head) + len(payload)]) + head + payload)
    assert device.recv(1024)[:1] == b"\x20"
    return device


@VERSIONS
def test_the_newcomer_takes_a_client_id_over(one, topic, version):
    """[MQTT-3.1.4-3] 3.1.1 closes the older connection, 5 says 0x8E before. [MQTT311-3.1.4-2]"""
    with raw_connect(one, name(topic), version) as first:
        with Client(one, version, client_id=name(topic)) as second:
            last_words = b""
            while data := first.recv(1024):
                last_words += data
            if version == V5:
                assert last_words[:1] == b"\xe0" and last_words[2] == 0x8E
            else:
                assert last_words == b""
            second.subscribe(topic)
            second.publish(topic, b"mine")
            assert second.receive().payload == b"mine"


@VERSIONS
@WAYS
@pytest.mark.parametrize("qos", [1, 2])
def test_a_persistent_session_gets_what_it_missed(line, topic, version, way, qos):
    source, sink = ends(line, way)
    client = Client(sink, version, client_id=name(topic), persistent=True).connect()
    assert not client.session_present
    client.subscribe(topic + "/#", qos)
    with Client(source, version) as publisher:
        await_probe(publisher, client, topic)
        client.close()
        payloads = [b"%d" % n for n in range(50)]
        for payload in payloads:
            publisher.publish(topic + "/data", payload, qos)
        # Over the mesh the last acknowledgement may come before the last arrival.
        again = Client(sink, version, client_id=name(topic), persistent=True).connect()
        assert again.session_present
        got = [again.receive() for _ in payloads]
        assert [m.payload for m in got] == payloads
        again.expect_silence()
    again.close()
    with Client(sink, version, client_id=name(topic)) as clean:
        assert not clean.session_present


def test_unsubscribing_ends_the_flow(one, topic):
    with Client(one) as client:
        client.subscribe(topic + "/+", 1)
        client.publish(topic + "/a", b"1", 1)
        assert client.receive().payload == b"1"
        client.unsubscribe(topic + "/+")
        client.publish(topic + "/a", b"2", 1)
        client.expect_silence()


def test_a_slow_keepalive_is_punished_and_its_will_published(one, topic):
    """[MQTT-3.1.2-22] one and a half times the keepalive without a byte."""
    will = struct.pack(">H", len(topic)) + topic.encode() + b"\x00\x04gone"
    payload = b"\x00\x04silt" + will
    head = b"\x00\x04MQTT\x04\x06" + struct.pack(">H", 1)
    packet = bytes([0x10, len(head) + len(payload)]) + head + payload
    with Client(one) as watcher:
        watcher.subscribe(topic)
        with socket.create_connection(("127.0.0.1", one.mqtt_port)) as device:
            device.sendall(packet)
            assert device.recv(4) == b"\x20\x02\x00\x00"
            assert watcher.receive().payload == b"gone"
            device.settimeout(brokers.PATIENCE_S)
            assert device.recv(1) == b""


def test_bytes_that_are_no_mqtt_close_the_connection_and_nothing_else(one, topic):
    with Client(one, V311) as bystander:
        bystander.subscribe(topic)
        for junk in (b"\x00" * 64, b"\xff" * 64, b"\x10\xff\xff\xff\xff\x7f", os.urandom(200)):
            with socket.create_connection(("127.0.0.1", one.mqtt_port)) as bad:
                bad.settimeout(brokers.PATIENCE_S)
                try:
                    bad.sendall(junk)
                    bad.shutdown(socket.SHUT_WR)
                    while bad.recv(4096):
                        pass
                except ConnectionError:
                    pass
                except OSError as error:
                    assert error.errno == errno.ENOTCONN
        bystander.publish(topic, b"still here", 1)
        assert bystander.receive().payload == b"still here"
