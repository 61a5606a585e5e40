# SPDX-License-Identifier: Apache-2.0
"""CONNECT, CONNACK, PINGREQ and DISCONNECT, clause by clause."""
import itertools

import pytest

import rawmqtt as m
from rawmqtt import ALL_VERSIONS, V31, V311, V5, VERSIONS, broker, name, raw  # noqa: F401


# ---- protocol name, level, flags ----

@ALL_VERSIONS
def test_each_version_is_let_in(raw, name, version):
    client = raw(version, name)
    assert client.connack.present == 0
    assert client.until_ping() == []


@pytest.mark.parametrize("text", ["", "M", "MQTTX", "mqtt", "MQIsd", "HTTP", "MQTT\u00e9"])
def test_another_protocol_name_is_not_served(raw, text):
    """[MQTT-3.1.2-1] [MQTT311-3.1.2-1]"""
    client = raw(V311, None)
    client.send(m.connect(V311, "x", name=text))
    assert all(one.reason for one in client.until_closed())


@pytest.mark.parametrize("level", [0, 1, 2, 3, 6, 7, 42, 127, 255])
def test_an_unknown_level_is_told_so_and_closed(raw, level):
    """[MQTT-3.1.2-2] [MQTT311-3.1.2-2]"""
    client = raw(V311, None)
    client.send(m.connect(V311, "x", level=level))
    said = client.until_closed()
    assert [one.kind for one in said] == [m.CONNACK] and said[0].reason in (1, 0x84)


@VERSIONS
def test_every_combination_of_connect_flags_is_judged_by_the_rules(raw, version):
    """[MQTT-3.1.2-3] [MQTT-3.1.2-11] [MQTT-3.1.2-12] [MQTT-3.1.2-13] [MQTT-3.1.2-14]
    [MQTT311-3.1.2-22]
    [MQTT311-3.1.2-3] [MQTT311-3.1.2-11] [MQTT311-3.1.2-13] [MQTT311-3.1.2-14]
    [MQTT311-3.1.2-15] [MQTT311-3.1.2-16]"""
    for flags in range(256):
        will, qos, will_retain = flags >> 2 & 1, flags >> 3 & 3, flags >> 5 & 1
        password, username = flags >> 6 & 1, flags >> 7
        good = not flags & 1 and qos < 3 and (will or not (qos or will_retain))
        good = good and (version == V5 or username or not password)
        client = raw(version, None)
        client.send(m.connect(version, f"flags{flags}", flags=flags,
                              will=("w", b"x") if will else None,
                              username="u" if username else None,
                              password="p" if password else None))
        if good:
            assert client.expect(m.CONNACK).reason == 0, bin(flags)
            client.send(m.disconnect())
            assert client.until_closed() == []
        else:
            assert all(one.reason for one in client.until_closed()), bin(flags)


@VERSIONS
def test_a_flag_without_its_field_or_a_field_without_its_flag_is_malformed(raw, version):
    """[MQTT-3.1.2-16] [MQTT-3.1.2-17] [MQTT-3.1.2-18] [MQTT-3.1.2-19]
    [MQTT311-3.1.2-18] [MQTT311-3.1.2-19] [MQTT311-3.1.2-20] [MQTT311-3.1.2-21]"""
    for flags, extra in ((0x82, b""), (0xC2, b"\0\1u"), (0x06, b""), (2, b"\0\1u"), (2, b"\0")):
        client = raw(version, None)
        whole = m.connect(version, "x", flags=flags)
        client.send(m.packet(0x10, whole[2:] + extra))
        assert all(one.reason for one in client.until_closed()), (flags, extra)


@ALL_VERSIONS
def test_a_second_connect_is_a_protocol_error(raw, name, version):
    """[MQTT-3.1.0-2] [MQTT311-3.1.0-2]"""
    client = raw(version, name)
    client.send(m.connect(version, name))
    client.closed_for(0x82)
    packed = raw(version, None)
    packed.send(m.connect(version, name) * 2)
    packed.expect(m.CONNACK)
    packed.closed_for(0x82)


@pytest.mark.parametrize("first", [
    m.PING, m.publish(V311, "a", b"x"), m.subscribe(V311, 1, "a"), m.disconnect(),
    m.ack(m.PUBACK, 1), m.packet(0x20, b"\0\0"), m.packet(0xF0), m.packet(0x00), m.packet(0x11),
    b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"\n", b"\xff" * 64])
def test_anything_but_connect_comes_too_early(raw, first):
    """[MQTT-3.1.0-1] [MQTT311-3.1.0-1]"""
    client = raw(V311, None)
    client.send(first)
    assert client.until_closed() == []


# ---- client identifiers ----

def test_an_empty_id_is_for_clean_sessions_and_version_5(raw):
    """[MQTT-3.1.3-6] [MQTT-3.1.3-7] [MQTT-3.1.3-8] [MQTT-3.2.2-16]
    [MQTT311-3.1.3-6] [MQTT311-3.1.3-8] [MQTT311-3.1.3-9]"""
    assert raw(V311, "", clean=True)
    for version in (V31, V311):
        refused = raw(version, None)
        refused.send(m.connect(version, "", clean=version == V31))
        assert [one.reason for one in refused.until_closed()] == [2]
    given = [raw(V5, "", clean=clean).connack.prop(m.ASSIGNED_ID) for clean in (True, False)]
    assert all(given) and given[0] != given[1]
    assert raw(V5, "own").connack.prop(m.ASSIGNED_ID) is None


@VERSIONS
def test_an_assigned_id_is_as_good_as_any_other(raw, version):
    """[MQTT-3.2.2-16]"""
    first = raw(V5, "", clean=False, props=[(m.SESSION_EXPIRY, 60)])
    again = first.connack.prop(m.ASSIGNED_ID)
    first.send(m.disconnect())
    first.until_closed()
    assert raw(version, again, clean=False).connack.present == 1


@VERSIONS
@pytest.mark.parametrize("text", [
    "a", "a" * 23, "a" * 24, "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ",
    "\u00e4\u20ac\U0002a6d4", "with space/+#$", "a" * 1000, "a" * 65535],
    ids=lambda text: f"{text[:4]}-{len(text)}")
def test_ids_of_all_kinds_and_lengths_are_accepted(raw, version, text):
    """[MQTT-3.1.3-4] [MQTT-3.1.3-5] [MQTT311-3.1.3-5]"""
    raw(version, text).send(m.disconnect())


@VERSIONS
def test_every_field_of_connect_may_be_as_long_as_its_prefix_allows(raw, version):
    long = "t" * 65535
    client = raw(version, "i" * 65535, will=("w" * 65535, long, 1, True), username=long,
                 password=long)
    client.send(m.disconnect())
    client.until_closed()


# ---- what CONNACK says ----

def test_version_5_is_told_the_limits_of_the_server(raw):
    """[MQTT5 3.2.2.3]"""
    connack = raw(V5, "").connack
    assert connack.prop(m.PACKET_MAX) == 16 * 2**20
    assert connack.prop(m.RECEIVE_MAX) >= 1 and connack.prop(m.ALIAS_MAX) >= 1
    assert connack.prop(m.MAX_QOS) is None and connack.prop(m.RETAIN_AVAILABLE) in (None, 1)
    assert len({number for number, _ in connack.props}) == len(connack.props)
    assert connack.prop(m.SERVER_KEEP_ALIVE) is None, "the keep alive was accepted as it is"


@pytest.mark.parametrize("number, value", [
    (m.SESSION_EXPIRY, 0), (m.SESSION_EXPIRY, 0xFFFFFFFF), (m.RECEIVE_MAX, 1),
    (m.RECEIVE_MAX, 65535), (m.PACKET_MAX, 64), (m.PACKET_MAX, 0xFFFFFFFF), (m.ALIAS_MAX, 0),
    (m.ALIAS_MAX, 65535), (m.RESPONSE_INFO, 0), (m.RESPONSE_INFO, 1), (m.PROBLEM_INFO, 0),
    (m.PROBLEM_INFO, 1), (m.USER, ("k", "v")), (m.USER, ("", ""))])
def test_the_properties_of_connect_are_accepted_once(raw, number, value):
    """[MQTT5 3.1.2.11]"""
    raw(V5, "once", props=[(number, value)])
    twice = raw(V5, None)
    twice.send(m.connect(V5, "twice", props=[(number, value)] * 2))
    if number == m.USER:
        assert twice.expect(m.CONNACK).reason == 0
    else:
        assert all(one.reason in (0x81, 0x82) for one in twice.until_closed())


@pytest.mark.parametrize("props", [
    [(m.RECEIVE_MAX, 0)], [(m.PACKET_MAX, 0)], [(m.RESPONSE_INFO, 2)], [(m.PROBLEM_INFO, 2)],
    [(m.AUTH_DATA, b"x")], [(m.ALIAS, 1)], [(m.WILL_DELAY, 1)], [(m.SUB_ID, 1)], [(m.EXPIRY, 1)],
    [(m.SERVER_KEEP_ALIVE, 1)], [(m.REASON_STRING, "x")], b"\x00", b"\x7f\0", b"\x11", b"\x26\0\1a",
    b"\x80\x00\x00", b"\x26\0\1\xff\0\1a", b"\x26\0\1a\0\2\xc0\x80"])
def test_properties_that_connect_cannot_have_are_refused(raw, props):
    """[MQTT5 3.1.2.11] [MQTT5 2.2.2.2]"""
    client = raw(V5, None)
    client.send(m.connect(V5, "x", props=props))
    assert all(one.reason in (0x81, 0x82) for one in client.until_closed())


def test_an_unknown_authentication_method_is_refused_by_name(raw):
    """[MQTT-4.12.0-1]"""
    client = raw(V5, None)
    client.send(m.connect(V5, "x", props=[(m.AUTH_METHOD, "none"), (m.AUTH_DATA, b"\0")]))
    assert [one.reason for one in client.until_closed()] == [0x8C]


@pytest.mark.parametrize("code", [0x00, 0x18, 0x19])
def test_auth_without_a_method_is_a_protocol_error(raw, code):
    """[MQTT-4.12.0-6] [MQTT-4.12.1-1]"""
    client = raw(V5, "")
    client.send(m.packet(0xF0, bytes([code, 0])))
    client.closed_for(0x82)
    assert raw(V311, "").send(m.packet(0xF0)).until_closed() == []


def test_a_tiny_maximum_packet_size_is_never_exceeded(raw):
    """[MQTT-3.1.2-24] The broker says what fits, or nothing and closes."""
    for size in range(1, 64):
        client = raw(V5, None)
        client.send(m.connect(V5, "" if size % 2 else "tiny", props=[(m.PACKET_MAX, size)]))
        one = client.next()
        if one is None:
            continue
        assert client.size <= size
        client.send(m.subscribe(V5, 1, *["t"] * 100))
        while one := client.next():
            assert client.size <= size
        refused = raw(V5, None)
        refused.send(m.connect(V5, "x", props=[(m.PACKET_MAX, size), (m.AUTH_METHOD, "x")]))
        while refused.next():
            assert refused.size <= size


# ---- keep alive, PINGREQ, DISCONNECT ----

@VERSIONS
def test_a_silent_client_is_closed_after_one_and_a_half_keep_alives(raw, version):
    """[MQTT-3.1.2-22] [MQTT311-3.1.2-24]"""
    client = raw(version, "", keep_alive=1)
    client.closed_for(0x8D)


@VERSIONS
def test_any_packet_keeps_the_connection_alive(raw, version):
    """[MQTT-3.1.2-22] [MQTT-3.12.4-1] [MQTT311-3.1.2-24] [MQTT311-3.12.4-1]"""
    client, watch = raw(version, "", keep_alive=1), raw(version, "", keep_alive=1)
    for one in itertools.cycle((m.PING, m.publish(version, "alive", b"x"))):
        client.send(one)
        if one == m.PING:
            client.expect(m.PINGRESP)
        watch.transport.socket.settimeout(0.4)
        try:
            if not watch.transport.socket.recv(100):
                break
        except TimeoutError:
            continue
    assert client.until_ping() == []


@VERSIONS
def test_a_large_packet_on_its_way_keeps_the_connection_alive(raw, name, version):
    """[MQTT-3.1.2-22] What arrives piece by piece is not silence. [MQTT311-3.1.2-24]"""
    client, watch = raw(version, "", keep_alive=1), raw(version, "", keep_alive=1)
    whole, at = m.publish(version, name, b"x" * 200000), 0
    watch.transport.socket.settimeout(0.2)
    while True:
        client.send(whole[at:at + 3000])
        at += 3000
        try:
            if not watch.transport.socket.recv(100):
                break
        except TimeoutError:
            continue
    client.send(whole[at:])
    assert client.until_ping() == []


@VERSIONS
def test_every_ping_is_answered(raw, version):
    """[MQTT-3.12.4-1] [MQTT311-3.12.4-1]"""
    client = raw(version, "")
    client.send(m.PING * 100)
    for _ in range(100):
        client.expect(m.PINGRESP)
    client.send(m.packet(0xC0, b"\0"))
    client.closed_for(0x81)


@VERSIONS
def test_after_a_disconnect_the_broker_says_nothing_more_and_closes(raw, version):
    """[MQTT-3.14.4-1] [MQTT-3.14.4-2]"""
    client = raw(version, "")
    client.send(m.disconnect(), m.PING, m.publish(version, "late", b"x", 1, 1))
    assert client.until_closed() == []


@pytest.mark.parametrize("whole", [
    m.disconnect(0), m.disconnect(4), m.disconnect(0x80), m.disconnect(0x81), m.disconnect(0x95),
    m.disconnect(0, []), m.disconnect(0, [(m.USER, ("k", "v"))] * 2),
    m.disconnect(0, [(m.REASON_STRING, "why")]), m.disconnect(0, [(m.SESSION_EXPIRY, 0)])])
def test_the_disconnects_of_version_5_are_understood(raw, whole):
    """[MQTT5 3.14.2]"""
    assert raw(V5, "").send(whole).until_closed() == []


@pytest.mark.parametrize("whole", [
    m.disconnect(0x01), m.disconnect(0x10), m.disconnect(0xFF), m.packet(0xE1), m.disconnect(0, b"\x1f"),
    m.disconnect(0, [(m.REASON_STRING, "a")] * 2), m.disconnect(0, [(m.RECEIVE_MAX, 1)]),
    m.packet(0xE0, b"\0\5"), m.packet(0xE0, b"\0\0\0")])
def test_the_disconnects_that_break_the_rules_are_refused(raw, whole):
    """[MQTT-3.14.1-1] [MQTT5 3.14.2]"""
    raw(V5, "").send(whole).closed_for(0x81, 0x82)


def test_a_disconnect_of_3_1_1_is_two_bytes(raw):
    """[MQTT311-3.14.1-1]"""
    assert raw(V311, "").send(m.packet(0xE0)).until_closed() == []
    assert raw(V311, "").send(m.packet(0xE0, b"\0")).until_closed() == []
