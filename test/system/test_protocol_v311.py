# SPDX-License-Identifier: Apache-2.0
"""What MQTT 3.1.1 says in other words than 5, or by itself; the rest is in the files beside
this one, whose tests speak both."""
import struct

import pytest

import rawmqtt as m
from rawmqtt import V311, broker, name, raw  # noqa: F401


def client_said(raw, *packets):
    """What the broker answers to bytes before it closes."""
    client = raw(V311, None)
    client.send(*packets)
    return client.until_closed()


def connect_fields(*fields, flags):
    """A CONNECT by hand: its payload as given."""
    head = m.binary("MQTT") + bytes([4, flags]) + struct.pack(">H", 0)
    return m.packet(0x10, head + b"".join(m.binary(field) for field in fields))


# ---- identifiers ----

@pytest.mark.parametrize("bad", [
    m.subscribe(V311, 0, "a"), m.unsubscribe(V311, 0, "a"), m.publish(V311, "a", b"", 1, 0),
    m.publish(V311, "a", b"", 2, 0)], ids=["subscribe", "unsubscribe", "publish-1", "publish-2"])
def test_an_identifier_is_not_zero(raw, bad):
    """[MQTT311-2.3.1-1] [MQTT311-4.8.0-1]"""
    raw(V311).send(bad).closed_for()


def test_at_qos_0_the_payload_follows_the_topic(raw, name):
    """[MQTT311-2.3.1-5] [MQTT311-3.3.2-1]"""
    client = raw(V311)
    client.subscribe(name)
    client.send(m.packet(0x30, m.binary(name) + b"\0\1x"))
    assert client.payloads() == [b"\0\1x"]


def test_every_answer_has_the_identifier_of_what_it_answers(raw, name):
    """[MQTT311-2.3.1-6] [MQTT311-2.3.1-7] [MQTT311-3.8.4-2] [MQTT311-3.10.4-4] [MQTT311-3.3.4-1]
    [MQTT311-3.10.4-5]"""
    client = raw(V311)
    client.send(m.subscribe(V311, 0xFFFF, name)).expect(m.SUBACK, 0xFFFF)
    client.send(m.unsubscribe(V311, 0x1234, name)).expect(m.UNSUBACK, 0x1234)
    client.send(m.unsubscribe(V311, 0x4321, "never")).expect(m.UNSUBACK, 0x4321)
    client.send(m.publish(V311, name, b"", 1, 0x0102)).expect(m.PUBACK, 0x0102)
    client.send(m.publish(V311, name, b"", 2, 0x0201)).expect(m.PUBREC, 0x0201)
    client.send(m.ack(m.PUBREL, 0x0201)).expect(m.PUBCOMP, 0x0201)


def test_what_is_in_flight_has_identifiers_of_its_own(raw, name):
    """[MQTT311-2.3.1-4] [MQTT311-4.3.2-1]"""
    client, other = raw(V311), raw(V311)
    client.subscribe((name, 2))
    for i in range(20):
        other.publish(name, b"%d" % i, 1 + i % 2)
    flying = [one for one in client.until_ping() if one.kind == m.PUBLISH]
    assert len({one.pid for one in flying}) == 20 and all(not one.dup for one in flying)


# ---- CONNECT ----

def test_the_payload_of_connect_has_its_order(raw, name):
    """[MQTT311-3.1.3-1] [MQTT311-3.1.3-3] [MQTT311-3.1.2-9] [MQTT311-3.1.2-19]
    [MQTT311-3.1.2-21]"""
    watcher = raw(V311)
    watcher.subscribe(name)
    client = raw(V311, None)
    client.send(connect_fields(name + "-id", name, "gone", "user", "word", flags=0b11000110))
    assert client.expect(m.CONNACK).reason == 0
    again = raw(V311, name + "-id")  # ... which takes over: the first field was the name
    assert client.until_closed() == []
    assert watcher.expect(m.PUBLISH).payload == b"gone"
    assert again.until_ping() == []
    assert client_said(raw, connect_fields(flags=0b10)) == []
    assert client_said(raw, connect_fields("x", name, flags=0b110)) == []


@pytest.mark.parametrize("fields,flags", [
    ((b"\xff",), 0b10), (("x", b"a\xff", "m"), 0b110), (("x", b"\xed\xa0\x80"), 0b10000010),
    ((b"a\0b",), 0b10)], ids=["client-id", "will-topic", "user-name", "nul"])
def test_text_that_is_not_utf_8_gets_no_connack(raw, fields, flags):
    """[MQTT311-3.1.3-4] [MQTT311-3.1.3-10] [MQTT311-3.1.3-11] [MQTT311-3.1.4-1]
    [MQTT311-3.2.2-6] [MQTT311-1.5.3-1] [MQTT311-1.5.3-2]"""
    assert client_said(raw, connect_fields(*fields, flags=flags)) == []


def test_a_refusal_is_the_last_word(raw, name):
    """[MQTT311-3.1.4-5] [MQTT311-3.2.2-4] [MQTT311-3.2.2-5] [MQTT311-3.2.0-1]"""
    watcher = raw(V311)
    watcher.subscribe(name)
    said = client_said(raw, m.connect(V311, "", clean=False),
                       m.publish(V311, name, b"not heard", retain=True), m.PING)
    assert [(one.kind, one.reason, one.present) for one in said] == [(m.CONNACK, 2, 0)]
    assert watcher.until_ping() == []
    assert raw(V311).subscribe(name) == [0]


def test_a_connect_that_is_well_is_answered_by_zero(raw, name):
    """[MQTT311-3.1.4-4] [MQTT311-3.2.0-1] [MQTT311-3.1.4-3] [MQTT311-3.1.3-2]"""
    client = raw(V311, name, clean=False)
    client.subscribe((name, 1))
    client.send(m.disconnect()).until_closed()
    assert raw(V311, name + "x", clean=False).connack.present == 0
    assert raw(V311, name, clean=False).connack.body == b"\1\0"
    assert raw(V311, name, clean=True).connack.body == b"\0\0"
    assert raw(V311, name, clean=False).connack.body == b"\0\0"


def test_who_has_no_will_leaves_without_a_word(raw, name):
    """[MQTT311-3.1.2-12]"""
    watcher = raw(V311)
    watcher.subscribe("#")
    watcher.messages()
    raw(V311, name).drop()
    raw(V311, name).publish(name, b"after")  # takes the place of what was dropped
    assert watcher.payloads() == [b"after"]


# ---- retained messages and order ----

def test_retained_messages_outlive_the_session_that_left_them(raw, name):
    """[MQTT311-3.1.2-7] [MQTT311-3.3.1-6] [MQTT311-3.3.1-8] [MQTT311-3.3.1-5]"""
    client = raw(V311, name)
    client.publish(name, b"stays", 1, retain=True)
    client.send(m.disconnect()).until_closed()
    reader = raw(V311, name)
    reader.subscribe((name, 1))
    assert [(one.payload, one.retain) for one in reader.messages()] == [(b"stays", 1)]


def test_a_retained_message_of_qos_0_replaces_any_other(raw, name):
    """[MQTT311-3.3.1-7]"""
    client = raw(V311)
    client.publish(name, b"old", 2, retain=True)
    client.publish(name, b"new", 0, retain=True)
    client.subscribe((name, 2))
    assert [(one.payload, one.qos) for one in client.messages()] == [(b"new", 0)]


def test_a_subscription_made_again_brings_what_is_retained_again(raw, name):
    """[MQTT311-3.8.4-3] [MQTT311-3.3.1-6] [MQTT311-3.3.1-9]"""
    client = raw(V311)
    client.publish(name, b"kept", 1, retain=True)
    client.subscribe((name, 0))
    client.subscribe((name, 1))
    client.publish(name, b"live", 1, retain=True)
    assert [(one.payload, one.retain, one.qos) for one in client.messages()] == [
        (b"kept", 1, 0), (b"kept", 1, 1), (b"live", 0, 1)]


def test_behind_its_puback_an_identifier_means_a_new_message(raw, name):
    """[MQTT311-4.3.2-2]"""
    client = raw(V311)
    client.subscribe(name)
    for dup in (False, True, False):
        client.send(m.publish(V311, name, b"again", 1, 5, dup=dup))
        client.await_kind(m.PUBACK, 5)
    assert client.payloads() == [b"again"] * 3


def test_answers_come_in_the_order_of_what_they_answer(raw, name):
    """[MQTT311-4.6.0-2] [MQTT311-4.6.0-3]"""
    client = raw(V311)
    pids = [9, 2, 77, 1, 30000, 4]
    client.send(*(m.publish(V311, name, b"x", 1 + i % 2, pid) for i, pid in enumerate(pids)))
    for i, pid in enumerate(pids):
        client.expect(m.PUBREC if i % 2 else m.PUBACK, pid)


def test_pubrel_comes_in_the_order_of_pubrec(raw, name):
    """[MQTT311-4.6.0-4] [MQTT311-4.3.3-1]"""
    client, other = raw(V311), raw(V311)
    client.subscribe((name, 2))
    for i in range(4):
        other.publish(name, b"%d" % i, 2)
    flying = [one.pid for one in client.until_ping()]
    assert len(flying) == 4
    turned = [flying[i] for i in (2, 0, 3, 1)]
    client.send(*(m.ack(m.PUBREC, pid) for pid in turned))
    for pid in turned:
        client.expect(m.PUBREL, pid)
    client.send(*(m.ack(m.PUBCOMP, pid) for pid in turned))
    assert client.until_ping() == []


# ---- topics ----

@pytest.mark.parametrize("text", ["a+", "+a", "a/+b/c", "a/b+"])
def test_a_plus_stands_alone_in_its_level(raw, text):
    """[MQTT311-4.7.1-3]"""
    client = raw(V311)
    assert client.subscribe(text) == [0x80]
    assert client.until_ping() == []


def test_names_are_compared_character_by_character(raw, name):
    """[MQTT311-3.10.4-1] [MQTT311-3.10.4-2] [MQTT311-4.7.3-4] [MQTT311-3.3.2-3]
    [MQTT311-4.5.0-1]"""
    client, other = raw(V311), raw(V311)
    client.subscribe(f"{name}/A", f"{name}/e\u0301", f"{name}/+/x")
    client.send(m.unsubscribe(V311, 7, f"{name}/a", f"{name}/\u00e9", f"{name}/y/x"))
    client.expect(m.UNSUBACK, 7)
    for last in ("A", "a", "e\u0301", "\u00e9", "y/x"):
        other.publish(f"{name}/{last}", last.encode(), 1)
    assert client.payloads() == [b"A", "e\u0301".encode(), b"y/x"]
    client.send(m.unsubscribe(V311, 8, f"{name}/A", f"{name}/+/x"))
    client.expect(m.UNSUBACK, 8)
    for last in ("A", "e\u0301", "y/x"):
        other.publish(f"{name}/{last}", last.encode(), 1)
    assert client.payloads() == ["e\u0301".encode()]


def test_a_publish_that_is_not_allowed_is_acknowledged_and_dropped(raw):
    """[MQTT311-3.3.5-2]"""
    client, watcher = raw(V311), raw(V311)
    watcher.subscribe("$SYS/broker/x")
    assert client.publish("$SYS/broker/x", b"mine", 1) == 0
    assert client.publish("$SYS/broker/x", b"mine", 2) == 0
    assert watcher.until_ping() == []


@pytest.mark.parametrize("text", [b"a\xffb", b"a\0b", b"\0"])
def test_a_name_or_filter_that_is_not_utf_8_or_has_a_nul_closes(raw, text):
    """[MQTT311-3.3.2-1] [MQTT311-1.5.3-1] [MQTT311-1.5.3-2] [MQTT311-4.7.3-2]
    [MQTT311-3.8.3-1] [MQTT311-3.10.3-1]"""
    raw(V311).send(m.publish(V311, text, b"x")).closed_for()
    raw(V311).send(m.subscribe(V311, 1, text)).closed_for()
    raw(V311).send(m.unsubscribe(V311, 1, text)).closed_for()
