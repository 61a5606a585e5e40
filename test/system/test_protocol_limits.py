# SPDX-License-Identifier: Apache-2.0
"""What a broker with tight limits tells its clients, and what it does at the limit."""
import socket

import pytest

import brokers
import rawmqtt as m
from rawmqtt import ALL_VERSIONS, V31, V311, V5, VERSIONS, Web, name, raw  # noqa: F401

LIMITS = {
    "limits.keep_alive_max_s": 1, "limits.connect_timeout_ms": 500, "limits.receive_max": 3,
    "limits.packet_bytes_max": 2000, "limits.inflight_max": 2, "session.expiry_max_s": 100,
    "session.queue_messages_max": 5, "session.subscriptions_max": 4, "retained.messages_max": 3,
    "session.count_max": 40, "limits.http_header_bytes_max": 2048,
    "limits.http_body_bytes_max": 1024, "limits.websocket_frame_bytes_max": 131072,
    "mesh.links_max": 1,
}


@pytest.fixture(scope="module")
def broker():
    started = brokers.Brokers()
    try:
        yield started.start("tight", args=sum((["--set", f"{key}={value}"]
                                               for key, value in LIMITS.items()), []))
    finally:
        started.stop()


def test_connack_tells_the_limits(raw):
    """[MQTT-3.2.2-21] [MQTT-3.2.2-22] [MQTT5 3.2.2.3]"""
    connack = raw(V5, "", keep_alive=60, props=[(m.SESSION_EXPIRY, 0xFFFFFFFF)]).connack
    assert {number: connack.prop(number) for number in (
        m.SERVER_KEEP_ALIVE, m.RECEIVE_MAX, m.PACKET_MAX, m.SESSION_EXPIRY)} == {
        m.SERVER_KEEP_ALIVE: 1, m.RECEIVE_MAX: 3, m.PACKET_MAX: 2000, m.SESSION_EXPIRY: 100}
    assert raw(V5, "", keep_alive=1).connack.prop(m.SERVER_KEEP_ALIVE) is None
    assert raw(V5, "", keep_alive=0).connack.prop(m.SERVER_KEEP_ALIVE) == 1


def test_the_keep_alive_of_the_server_counts(raw):
    """[MQTT-3.2.2-21]"""
    raw(V5, "", keep_alive=60).closed_for(0x8D)


@pytest.mark.parametrize("start", [b"", b"\x10", b"\x10\x20\0\4MQ"])
@pytest.mark.parametrize("way", ["tcp", "web"])
def test_who_does_not_say_connect_in_time_is_closed(raw, broker, start, way):
    """[MQTT5 3.1.4]"""
    client = raw(V5, None, transport=Web(broker) if way == "web" else None)
    if start:
        client.send(start)
    assert client.until_closed() == []


@VERSIONS
def test_a_packet_over_the_limit_closes(raw, name, version):
    """[MQTT-3.1.2-24] [MQTT5 4.13]"""
    client = raw(version, "")
    whole = m.publish(version, name, b"x" * (2000 - len(m.publish(version, name, b"x" * 200)) + 200))
    assert len(whole) == 2000
    client.send(whole)
    assert client.until_ping() == []
    client.send(b"\x30" + m.varint(1998)).closed_for(0x95)


@pytest.mark.parametrize("qos", [1, 2])
def test_the_receive_maximum_counts_what_is_unfinished(raw, name, qos):
    """[MQTT-3.3.4-7] [MQTT-3.3.4-8]"""
    client = raw(V5, "")
    for pid in range(1, 10):
        assert client.publish(name, "x", qos, pid) in (0, 0x10)
    client.send(*(m.publish(V5, name, "x", 2, pid) for pid in (1, 2, 3)))
    for pid in (1, 2, 3):
        client.expect(m.PUBREC, pid)
    client.send(m.publish(V5, name, "x", 2, 2, dup=True))
    client.expect(m.PUBREC, 2)  # no new one
    client.send(m.publish(V5, name, "x", 0))
    assert client.until_ping() == []
    client.send(m.publish(V5, name, "x", qos, 4)).closed_for(0x93)


def test_before_version_5_nobody_is_closed_for_a_quota_it_was_not_told(raw, name):
    client = raw(V311, "")
    client.send(*(m.publish(V311, name, "x", 2, pid) for pid in range(1, 50)))
    for pid in range(1, 50):
        client.expect(m.PUBREC, pid)


@VERSIONS
def test_a_full_queue_drops_what_is_new_and_keeps_what_it_took(raw, name, version):
    """[MQTT-4.5.0-2] as far as there is room"""
    keep = {"clean": False, "props": [(m.SESSION_EXPIRY, 60)]}
    client, source = raw(version, name, **keep), raw(version, "", keep_alive=1)
    client.subscribe((name, 1))
    client.send(m.disconnect())
    client.until_closed()
    for number in range(20):
        source.publish(name, str(number), 1)
    client, seen = raw(version, name, **keep), []
    while some := client.payloads():
        seen += some
    assert seen == [b"0", b"1", b"2", b"3", b"4"]


@VERSIONS
def test_one_subscription_too_many_is_refused_alone(raw, name, version):
    """[MQTT5 3.9.3]"""
    client = raw(version, "")
    refused = 0x97 if version == V5 else 0x80
    assert client.subscribe(*(f"{name}/{n}" for n in range(6))) == [0] * 4 + [refused] * 2
    assert client.subscribe((name + "/0", 1)) == [1], "replacing takes no room"


def test_what_cannot_be_retained_is_told_to_who_can_be_told(raw, name):
    """[MQTT5 3.4.2.1]"""
    client, old = raw(V5, ""), raw(V311, "")
    codes = [client.publish(f"{name}/{n}", "x", 1, retain=True) for n in range(5)]
    assert codes == [0x10, 0x10, 0x10, 0x97, 0x97]  # kept, though nobody listens
    assert old.publish(f"{name}/9", "x", 1, retain=True) == 0
    old.subscribe(name + "/#")
    assert len(old.messages()) == 3
    for number in range(5):
        client.publish(f"{name}/{number}", "", 1, retain=True)


@VERSIONS
def test_one_session_too_many_is_refused(raw, name, version):
    """[MQTT5 3.2.2.2] 0x97; 3: server unavailable"""
    crowd, refused = [], None
    for number in range(60):
        client = raw(version, None)
        client.send(m.connect(version, f"{name}-{number}"))
        answer = client.expect(m.CONNACK)
        if answer.reason:
            refused = answer.reason
            assert client.until_closed() == []
            break
        crowd.append(client)
    assert refused == (0x97 if version == V5 else 3)
    for client in crowd:
        client.send(m.disconnect())
        client.until_closed()
    assert raw(version, "").until_ping() == []


def test_a_websocket_frame_over_the_limit_closes(raw, broker, name):
    """RFC 6455 7.4.1: 1009, too big."""
    web = Web(broker)
    client = raw(V5, "", transport=web)
    rest = b"x" * (1024 - len(m.publish(V5, name, b"x" * 200)) + 200)
    frame = m.publish(V5, name, rest) * 128
    assert len(frame) == 131072
    client.send(frame)
    assert client.until_ping() == []
    client.send(frame + b"\xc0\0")
    assert client.until_closed() == [] and web.closed_with == 1009


@pytest.mark.parametrize("head, body, status", [
    (1500, 0, b"405"), (2100, 0, b"431"), (100, 1024, b"405"), (100, 1025, b"413")])
def test_an_http_request_over_the_limits_is_not_taken(broker, head, body, status):
    with socket.create_connection(("127.0.0.1", broker.web_port), brokers.PATIENCE_S) as client:
        client.sendall(f"POST /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: {body}\r\n"
                       f"Authorization: {'a' * head}\r\n\r\n".encode() + b"b" * body)
        assert client.recv(100).startswith(b"HTTP/1.1 " + status)


def test_one_link_too_many_is_refused_and_told(broker):
    started = brokers.Brokers()
    try:
        started.start("first", [broker])
        second = started.start("second", [broker])
        brokers.wait_until(lambda: second.mesh()["links"][0]["reason"].endswith("too many links"),
                           "the reason")
    finally:
        started.stop()
