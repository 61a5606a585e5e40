# SPDX-License-Identifier: Apache-2.0
"""MQTT over WebSocket: chapter 6 and RFC 6455."""
import socket

import pytest

import rawmqtt as m
from rawmqtt import ALL_VERSIONS, V31, V311, V5, VERSIONS, Web, broker, name, raw  # noqa: F401


@pytest.fixture
def web(raw, broker):
    """A connected client over WebSocket, and its transport."""
    def make(version=V5, client_id="", **more):
        return raw(version, client_id, transport=Web(broker), **more)
    return make


@pytest.mark.parametrize("offer, chosen", [
    ("mqtt", "mqtt"), ("mqttv3.1", "mqttv3.1"), ("foo, mqtt", "mqtt"), ("mqtt, mqttv3.1", "mqtt"),
    ("mqttv3.1,mqtt", None)])
def test_the_subprotocol_is_chosen_from_the_offer(broker, offer, chosen):
    """[MQTT-6.0.0-3] [MQTT-6.0.0-4] [MQTT311-6.0.0-4]"""
    web = Web(broker, offer)
    assert web.status == 101
    assert web.headers["sec-websocket-protocol"] in (chosen, *([] if chosen else offer.split(",")))
    web.close()


@pytest.mark.parametrize("offer, path", [
    ("", "/mqtt"), ("foo", "/mqtt"), ("mqttx", "/mqtt"), ("xmqtt", "/mqtt"), ("MQTT!", "/mqtt"),
    ("mqtt", "/"), ("mqtt", "/nowhere")])
def test_an_upgrade_without_mqtt_or_elsewhere_is_refused(broker, offer, path):
    """[MQTT-6.0.0-3]"""
    web = Web(broker, offer, path)
    assert web.status == (400 if path == "/mqtt" else 404)
    web.close()


@ALL_VERSIONS
@pytest.mark.parametrize("qos", [0, 1, 2])
def test_a_message_goes_its_whole_way(web, raw, name, version, qos):
    client, plain = web(version), raw(version, "")
    for each in (client, plain):
        each.subscribe((name, qos))
    client.publish(name, b"x" * 70000, qos)
    assert client.payloads() == plain.payloads() == [b"x" * 70000]


@VERSIONS
def test_frames_need_not_begin_or_end_with_packets(raw, broker, name, version):
    """[MQTT-6.0.0-2] [MQTT311-6.0.0-2]"""
    story = b"".join([m.connect(version, ""), m.subscribe(version, 1, (name, 1)),
                      m.publish(version, name, "x" * 200, 1, 2), m.PING])
    for size in (1, 2, 3, 7, 50, 130, len(story)):
        client = raw(version, None, transport=Web(broker))
        for at in range(0, len(story), size):
            client.transport.send(story[at:at + size])
        kinds = []
        while m.PINGRESP not in kinds:
            kinds.append(client.next().kind)
        assert sorted(kinds) == sorted([m.CONNACK, m.SUBACK, m.PUBLISH, m.PUBACK, m.PINGRESP])
        client.drop()


def test_a_fragmented_message_is_put_together(raw, broker, name):
    """[RFC6455 5.4] Control frames may stand between."""
    client = raw(V5, None, transport=Web(broker))
    story = m.connect(V5, "") + m.PING
    web = client.transport
    web.frame(Web.BINARY, story[:5], final=False)
    web.frame(Web.PING, b"between")
    web.frame(0, b"", final=False)
    web.frame(0, story[5:9], final=False)
    web.frame(0, story[9:])
    client.expect(m.CONNACK)
    client.expect(m.PINGRESP)
    web.frame(Web.BINARY, b"")
    assert client.until_ping() == []
    assert web.pongs == [b"between"]


def test_each_packet_to_a_client_has_its_own_frame(web, name):
    """Deployed clients stall on packed frames."""
    client = web()
    client.subscribe((name, 1))
    before = client.transport.frames
    for number in range(20):
        client.send(m.publish(V5, name, str(number)))
    assert len(client.until_ping()) == 20
    assert client.transport.frames - before == 21


@pytest.mark.parametrize("size", [0, 1, 125])
def test_a_ping_is_answered_with_its_bytes(web, size):
    """[RFC6455 5.5.2]"""
    client = web()
    client.transport.frame(Web.PING, b"p" * size)
    client.transport.frame(Web.PONG, b"unasked")
    assert client.until_ping() == []
    assert client.transport.pongs == [b"p" * size]


@pytest.mark.parametrize("data", [b"", b"\xc0\x00", b"hello"])
def test_a_text_frame_closes(web, data):
    """[MQTT-6.0.0-1] [MQTT311-6.0.0-1]"""
    client = web()
    client.transport.frame(Web.TEXT, data)
    client.until_closed()
    assert client.transport.closed_with == 1003


@pytest.mark.parametrize("kind", ["reserved", "opcode", "long ping", "cut ping", "lost", "bare",
                                  "bare ping", "bare close"])
def test_frames_that_break_the_rules_close(web, kind):
    """[RFC6455 5.1] [RFC6455 5.2] [RFC6455 5.4] [RFC6455 5.5]"""
    client = web()
    frame = client.transport.frame
    if kind == "reserved":
        frame(Web.BINARY, m.PING, reserved=4)
    elif kind == "opcode":
        frame(3, m.PING)
    elif kind == "long ping":
        frame(Web.PING, b"p" * 126)
    elif kind == "cut ping":
        frame(Web.PING, b"p", final=False)
    elif kind == "bare":
        frame(Web.BINARY, m.PING, masked=False)
    elif kind == "bare ping":
        frame(Web.PING, b"", masked=False)
    elif kind == "bare close":
        frame(Web.CLOSE, b"\x03\xe8", masked=False)
    else:
        frame(0, m.PING)
    assert client.until_closed() == []
    assert client.transport.closed_with == 1002 and not client.transport.pongs


def test_a_close_is_answered_and_brings_the_will(web, raw, name):
    """[RFC6455 5.5.1] [MQTT-3.1.2-8]"""
    watch = raw(V5, "")
    watch.subscribe(name)
    client = web(will=(name, b"will"))
    client.transport.frame(Web.CLOSE, b"\x03\xe8")
    assert client.until_closed() == []
    assert client.transport.closed_with == 1000
    assert watch.expect(m.PUBLISH).payload == b"will"


@VERSIONS
def test_after_a_goodbye_or_an_error_the_websocket_closes_in_order(web, version):
    """[MQTT-3.14.4-2] [RFC6455 7.1.2]"""
    client = web(version)
    client.send(m.disconnect())
    assert client.until_closed() == [] and client.transport.closed_with == 1000
    client = web(version)
    client.send(m.packet(0)).closed_for(0x81)
    assert client.transport.closed_with == 1000


def test_who_does_not_answer_a_close_is_closed_all_the_same(web):
    """[MQTT-4.13.1-1]"""
    client = web()
    client.transport.polite = False
    client.send(m.packet(0)).closed_for(0x81)


def test_a_frame_larger_than_any_packet_closes(web):
    client = web()
    client.transport.socket.sendall(b"\x82\xff" + (2**32).to_bytes(8, "big") + b"\0" * 4 + b"\x30" * 100)
    client.until_closed()
    assert client.transport.closed_with == 1009


def test_a_message_larger_than_any_packet_closes_however_many_frames_it_has(web):
    client = web()
    frame = client.transport.frame
    part = m.publish(V5, "nobody/listens", b"x" * 2**20)
    for number in range(18):
        frame(0 if number else Web.BINARY, part, final=False)
    assert client.until_closed() == []
    assert client.transport.closed_with == 1009


@VERSIONS
def test_a_packet_of_the_largest_size_passes_in_one_frame_and_in_many(web, name, version):
    """[MQTT5 3.2.2.3.6]"""
    client = web(version)
    client.subscribe((name, 0))
    most = 16 * 2**20
    whole = m.publish(version, name, b"x" * (most - len(m.publish(version, name, b"x" * 2**21)) + 2**21))
    assert len(whole) == most
    client.send(whole)
    assert client.expect(m.PUBLISH).payload.strip(b"x") == b"" and client.size == most
    for at in range(0, most, 1000003):
        client.send(whole[at:at + 1000003])
    assert client.expect(m.PUBLISH).payload.strip(b"x") == b"" and client.size == most


@pytest.mark.parametrize("bad", [
    "GET /mqtt HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
    "GET /mqtt HTTP/1.1\r\n\r\n", "GET\r\n\r\n", "\r\n\r\n\r\n", "POST /mqtt HTTP/1.1\r\nHost: x\r\n\r\n",
    "GET /mqtt HTTP/1.1\r\nHost: x\r\nX: " + "x" * 20000 + "\r\n\r\n", "\x00" * 100, "\x10\x0c"])
def test_bad_requests_harm_nobody(raw, broker, bad):
    """The web port tells, closes or waits; the others are served."""
    with socket.create_connection(("127.0.0.1", broker.web_port)) as each:
        each.sendall(bad.encode("latin-1"))
        assert raw(V5, "", transport=Web(broker)).until_ping() == []
