# SPDX-License-Identifier: Apache-2.0
"""What stands where in the packets of MQTT 5, as a client with bytes of its own sees it."""
import struct

import pytest

import rawmqtt as m
from rawmqtt import V5, broker, name, raw  # noqa: F401


def hand_made(*fields, flags, props=b""):
    """A CONNECT whose payload is as given: text with its length before it, bytes as they are."""
    head = m.binary("MQTT") + bytes([5, flags]) + struct.pack(">H", 0) + m.properties(props)
    return m.packet(0x10, head + b"".join(
        m.binary(field) if isinstance(field, str) else field for field in fields))


def refusal(raw, whole):
    """The reason of the CONNACK that a CONNECT gets before the broker closes."""
    said = raw(V5, None).send(whole).until_closed()
    assert [one.kind for one in said] == [m.CONNACK] and said[0].present == 0
    return said[0].reason


# ---- CONNECT ----

def test_the_payload_of_connect_has_its_order(raw, name):
    """[MQTT-3.1.3-1] [MQTT-3.1.3-3] [MQTT-3.1.2-9]"""
    watcher = raw(V5)
    watcher.subscribe(name)
    will_props = m.properties([(m.USER, ("k", "v"))])
    client = raw(V5, None)
    client.send(hand_made(name + "-id", will_props, name, "gone", "user", "word", flags=0b11000110))
    assert client.expect(m.CONNACK).reason == 0
    raw(V5, name + "-id")  # ... which takes over: the first field was the name
    client.closed_for(0x8E)
    will = watcher.expect(m.PUBLISH)
    assert (will.payload, will.all(m.USER)) == (b"gone", [("k", "v")])
    assert refusal(raw, hand_made(flags=0b10)) == 0x81
    assert refusal(raw, hand_made("x", will_props, name, flags=0b110)) == 0x81


@pytest.mark.parametrize("props, reason", [
    ([(m.RECEIVE_MAX, 0)], 0x82), ([(m.PACKET_MAX, 0)], 0x82), ([(m.PROBLEM_INFO, 2)], 0x82),
    ([(m.RESPONSE_INFO, 2)], 0x82), ([(m.SESSION_EXPIRY, 1)] * 2, 0x82),
    ([(m.AUTH_DATA, b"x")], 0x82), ([(m.ALIAS, 1)], 0x81), ([(m.SERVER_KEEP_ALIVE, 1)], 0x81),
    ([(m.WILL_DELAY, 1)], 0x81), (b"\x7f", 0x81), (b"\x21\x00", 0x81), (b"\xa1\x00\x00\x01", 0x81),
    ([(m.AUTH_METHOD, "nobody knows")], 0x8C)])
def test_a_connect_is_refused_for_its_properties_and_told_why(raw, name, props, reason):
    """[MQTT-3.1.4-1] [MQTT-3.1.4-2] [MQTT-3.2.2-6] [MQTT-3.2.2-7] [MQTT-3.2.2-8] [MQTT5 2.2.2.2]
    [MQTT5 3.1.2.11]"""
    assert refusal(raw, m.connect(V5, name, props=props)) == reason


@pytest.mark.parametrize("props, reason", [
    ([(m.WILL_DELAY, 1)] * 2, 0x82), ([(m.ALIAS, 1)], 0x81), ([(m.FORMAT, 2)], 0x82),
    ([(m.RESPONSE_TOPIC, "a/#")], 0x82), ([(m.SESSION_EXPIRY, 1)], 0x81), ([(m.SUB_ID, 1)], 0x81)])
def test_a_connect_is_refused_for_the_properties_of_its_will(raw, name, props, reason):
    """[MQTT-3.1.4-1] [MQTT5 3.1.3.2]"""
    assert refusal(raw, m.connect(V5, name, will=("w", b"x", 0, False, props))) == reason


def test_a_connect_that_is_too_large_is_told_so(raw, name):
    """[MQTT5 3.1.2.11.4]: nothing of what is announced need come."""
    whole = m.connect(V5, name, will=(name, b"x" * 65535, 0, False, [(m.USER, ("u", "x" * 65000))] * 9))
    assert refusal(raw, whole[:4000]) == 0x95


# ---- numbers in their shortest form ----

@pytest.mark.parametrize("bad", [
    b"\xc0\x80\x00",                                        # the remaining length
    b"\x30\x84\x00\x00\x01t\x00",
    m.packet(0x30, m.binary("t") + b"\x80\x00"),            # the length of the properties
    m.packet(0x30, m.binary("t") + b"\x03\x81\x00\x01"),    # what a property is
    m.packet(0x82, b"\0\1\x03\x0b\x81\x00" + m.binary("t") + b"\0"),  # a subscription identifier
], ids=["ping", "publish", "properties", "property", "identifier"])
def test_a_number_that_is_longer_than_it_must_be_is_malformed(raw, bad):
    """[MQTT-1.5.5-1]"""
    raw(V5).send(bad).closed_for(0x81)


def test_at_qos_0_the_properties_follow_the_topic_and_none_are_a_zero(raw, name):
    """[MQTT-2.2.1-2] [MQTT-2.2.2-1] [MQTT-3.3.2-1]"""
    client = raw(V5)
    client.subscribe(name)
    client.send(m.packet(0x30, m.binary(name) + b"\0" + b"\0\1x"))
    one = client.expect(m.PUBLISH)
    assert one.body == m.binary(name) + b"\0" + b"\0\1x"


def test_what_is_in_flight_has_identifiers_of_its_own(raw, name):
    """[MQTT-2.2.1-4]"""
    client, other = raw(V5), raw(V5)
    client.subscribe((name, 2))
    for i in range(20):
        other.publish(name, b"%d" % i, 1 + i % 2)
    flying = [one.pid for one in client.until_ping() if one.kind == m.PUBLISH]
    assert len(set(flying)) == len(flying) == 20
    # The identifiers of what was answered are free; those of the rest are still taken.
    for pid in flying[::2]:
        client.send(m.ack(m.PUBACK, pid))
    for i in range(10):
        other.publish(name, b"more", 1)
    more = [one.pid for one in client.until_ping() if one.kind == m.PUBLISH]
    assert len(more) == 10 and not set(more) & set(flying[1::2])


# ---- topics ----

@pytest.mark.parametrize("topic", ["a/#", "#", "+", "a/+/b", "a+b", "a#"])
def test_a_name_has_no_wildcards_wherever_it_stands(raw, name, topic):
    """[MQTT-4.7.0-1] [MQTT-3.3.2-2] [MQTT-3.3.2-14]"""
    raw(V5).send(m.publish(V5, topic)).closed_for(0x90)
    raw(V5).send(m.publish(V5, name, props=[(m.RESPONSE_TOPIC, topic)])).closed_for(0x82)
    assert refusal(raw, m.connect(V5, name, will=(topic, b"x"))) == 0x90


@pytest.mark.parametrize("text", ["$share/", "$share/g", "$share//a", "$share/g+/a", "$share/g#/a",
                                  "$share/+/a", "$share/#", "$share/g/", "$share/g/a/#/b"])
def test_a_share_needs_a_name_and_a_filter(raw, text):
    """[MQTT-4.8.2-1] [MQTT-4.8.2-2]"""
    client = raw(V5)
    assert client.subscribe(text, "$share/g/a/#") == [0x8F, 0]
    client.send(m.unsubscribe(V5, 2, text))
    assert client.expect(m.UNSUBACK, 2).reasons == [0x11]


# ---- AUTH and DISCONNECT ----

@pytest.mark.parametrize("bad, reason", [
    (m.packet(0xF1), 0x81), (m.packet(0xF8, b"\x18\0"), 0x81), (m.packet(0xF0, b"\x01\0"), 0x82),
    (m.packet(0xF0, b"\x18\0"), 0x82), (m.packet(0xF0), 0x82), (m.packet(0xF0, b"\x18"), 0x81),
    (m.packet(0xF0, b"\x19" + m.properties([(m.AUTH_METHOD, "x")])), 0x82)])
def test_an_auth_that_breaks_the_rules_or_was_not_agreed_on_closes(raw, bad, reason):
    """[MQTT-3.15.1-1] [MQTT-3.15.2-1] [MQTT-4.12.0-7]"""
    raw(V5).send(bad).closed_for(reason)


@pytest.mark.parametrize("reason", [0x01, 0x02, 0x10, 0x18, 0x91, 0xFF])
def test_a_goodbye_with_a_reason_that_is_none_is_no_goodbye(raw, name, reason):
    """[MQTT-3.14.2-1]"""
    watcher = raw(V5)
    watcher.subscribe(name)
    raw(V5, will=(name, b"will")).send(m.disconnect(reason)).closed_for(0x82)
    assert watcher.payloads() == [b"will"]


def test_a_goodbye_may_not_lengthen_a_session_that_ends_with_its_connection(raw, name):
    """[MQTT5 3.14.2.2.2] It is no goodbye then, and the will is published."""
    watcher = raw(V5)
    watcher.subscribe(name)
    client = raw(V5, name, will=(name, b"will"))
    client.send(m.disconnect(0, [(m.SESSION_EXPIRY, 10)])).closed_for(0x82)
    assert watcher.payloads() == [b"will"]
    assert raw(V5, name, clean=False).connack.present == 0


# ---- limits of the client ----

def test_words_go_only_to_who_has_room_for_them(raw, name):
    """[MQTT-3.6.2-2] [MQTT-3.7.2-2] [MQTT-3.9.2-1]"""
    for most, told in ((60, False), (1000, True)):
        client = raw(V5, props=[(m.PACKET_MAX, most)])
        client.send(m.ack(m.PUBREC, 9))
        assert bool(client.expect(m.PUBREL, 9).prop(m.REASON_STRING)) == told
        client.send(m.ack(m.PUBREL, 9))
        assert bool(client.expect(m.PUBCOMP, 9).prop(m.REASON_STRING)) == told
        client.send(m.subscribe(V5, 3, "a#"))
        assert bool(client.expect(m.SUBACK, 3).prop(m.REASON_STRING)) == told
