# SPDX-License-Identifier: Apache-2.0
"""PUBLISH and its acknowledgements in both directions, clause by clause."""
import pytest

import rawmqtt as m
from rawmqtt import ALL_VERSIONS, V31, V311, V5, VERSIONS, broker, name, raw  # noqa: F401

QOS = pytest.mark.parametrize("qos", [0, 1, 2])


# ---- exchanges ----

@ALL_VERSIONS
@QOS
def test_a_message_goes_its_whole_way_at_each_qos(raw, name, version, qos):
    """[MQTT-4.3.1-1] [MQTT-4.3.2-1] [MQTT-4.3.3-1] [MQTT-3.3.5-1]
    [MQTT311-4.3.1-1] [MQTT311-4.3.2-1] [MQTT311-4.3.3-1]"""
    client = raw(version, "")
    assert client.subscribe((name, qos)) == [qos]
    assert client.publish(name, "text", qos) == 0
    one, = client.messages()
    assert (one.topic, one.payload, one.qos, one.retain, one.dup) == (name, b"text", qos, 0, 0)
    assert client.messages() == []


@VERSIONS
def test_the_lower_of_both_qos_counts(raw, name, version):
    """[MQTT-3.8.4-8] [MQTT311-3.8.4-6]"""
    source = raw(version, "")
    for granted in range(3):
        sink = raw(version, "")
        sink.subscribe((name, granted))
        for qos in range(3):
            source.publish(name, str(qos), qos, 7)
        assert [(one.payload, one.qos) for one in sink.messages()] == [
            (b"0", 0), (b"1", min(1, granted)), (b"2", min(2, granted))]


@VERSIONS
def test_a_qos_2_message_sent_again_is_not_delivered_again(raw, name, version):
    """[MQTT-4.3.3-10] [MQTT-4.3.3-11] [MQTT311-4.3.3-2]"""
    client, watch = raw(version, ""), raw(version, "")
    watch.subscribe((name, 2))
    for dup in (False, True, True):
        client.send(m.publish(version, name, "once", 2, 9, dup=dup))
        assert client.expect(m.PUBREC, 9).reason == 0
    for reason in (0, 0x92 if version == V5 else 0):
        client.send(m.ack(m.PUBREL, 9))
        assert client.expect(m.PUBCOMP, 9).reason == reason
    assert client.publish(name, "new", 2, 9) == 0, "the identifier is free again"
    assert watch.payloads() == [b"once", b"new"]


@VERSIONS
def test_a_qos_2_message_survives_the_connection_between_its_packets(raw, name, version):
    """[MQTT-4.3.3-10] The identifier is kept with the session until PUBREL. [MQTT311-4.3.3-2]"""
    keep = {"clean": False, "props": [(m.SESSION_EXPIRY, 60)]}
    watch = raw(version, "")
    watch.subscribe((name, 2))
    client = raw(version, name, **keep)
    client.send(m.publish(version, name, "once", 2, 5))
    client.expect(m.PUBREC, 5)
    client.drop()
    client = raw(version, name, **keep)
    assert client.connack.present == 1
    client.send(m.publish(version, name, "once", 2, 5, dup=True))
    client.expect(m.PUBREC, 5)
    client.send(m.ack(m.PUBREL, 5))
    assert client.expect(m.PUBCOMP, 5).reason == 0
    assert watch.payloads() == [b"once"]


@VERSIONS
@pytest.mark.parametrize("qos", [1, 2])
def test_dup_says_nothing_to_others(raw, name, version, qos):
    """[MQTT-3.3.1-3] [MQTT311-3.3.1-3]"""
    client = raw(version, "")
    client.subscribe((name, 2))
    client.publish(name, "x", qos, 3, dup=True)
    assert [one.dup for one in client.messages()] == [0]


@VERSIONS
def test_unfinished_messages_are_sent_again_in_order_with_their_identifiers(raw, name, version):
    """[MQTT-4.4.0-1] [MQTT-4.4.0-2] [MQTT-3.3.1-1] [MQTT-4.6.0-1] [MQTT-4.6.0-4]
    [MQTT311-3.3.1-1] [MQTT311-4.4.0-1]"""
    keep = {"clean": False, "props": [(m.SESSION_EXPIRY, 60)]}
    client, source = raw(version, name, **keep), raw(version, "")
    client.subscribe((name, 2))
    for qos, text in ((1, "a"), (2, "b"), (1, "c"), (2, "d"), (2, "e")):
        source.publish(name, text, qos)
    a, b, c, d, e = (client.expect(m.PUBLISH).pid for _ in range(5))
    for pid in (d, b):
        client.send(m.ack(m.PUBREC, pid))
        client.expect(m.PUBREL, pid)
    client.drop()
    client = raw(version, name, **keep)
    again = [client.next() for _ in range(5)]
    assert [(one.kind, one.pid) for one in again] == [
        (m.PUBREL, d), (m.PUBREL, b), (m.PUBLISH, a), (m.PUBLISH, c), (m.PUBLISH, e)]
    assert all(one.dup for one in again if one.kind == m.PUBLISH)
    assert [one.payload for one in again if one.kind == m.PUBLISH] == [b"a", b"c", b"e"]
    client.send(m.ack(m.PUBACK, a), m.ack(m.PUBCOMP, b), m.ack(m.PUBACK, c), m.ack(m.PUBCOMP, d),
                m.ack(m.PUBREC, e))
    client.expect(m.PUBREL, e)
    client.send(m.ack(m.PUBCOMP, e))
    assert client.until_ping() == []
    client.drop()
    assert raw(version, name, **keep).until_ping() == []


@pytest.mark.parametrize("qos", [0, 1, 2])
def test_no_time_to_live_is_enough_for_who_can_take_it_at_once(raw, name, qos):
    """[MQTT-3.3.2-5] [MQTT-3.3.2-6]"""
    keep = {"clean": False, "props": [(m.SESSION_EXPIRY, 60)]}
    here, away, source = raw(V5, ""), raw(V5, name, **keep), raw(V5, "")
    for each in (here, away):
        each.subscribe((name, 2))
    away.drop()
    source.publish(name, "x", qos, props=[(m.EXPIRY, 0)])
    assert [(one.qos, one.prop(m.EXPIRY)) for one in here.messages()] == [(qos, 0)]
    assert raw(V5, name, **keep).messages() == []


@VERSIONS
def test_nothing_is_sent_again_while_the_connection_stands(raw, name, version):
    """[MQTT-4.4.0-1] of 5; 3.1.1 allows it."""
    client = raw(version, "")
    client.subscribe((name, 2))
    client.publish(name, "x", 2)
    one = client.expect(m.PUBLISH)
    assert client.until_ping() == []
    client.send(m.ack(m.PUBREC, one.pid), m.ack(m.PUBREC, one.pid))
    assert [x.kind for x in client.until_ping()] == [m.PUBREL] * 2


@pytest.mark.parametrize("reason", [0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99])
def test_a_refusing_pubrec_or_puback_ends_the_exchange(raw, name, reason):
    """[MQTT-4.3.3-4] [MQTT-4.4.0-2]"""
    client = raw(V5, name, props=[(m.RECEIVE_MAX, 1)])
    client.subscribe((name, 2))
    for qos, kind in ((2, m.PUBREC), (1, m.PUBACK), (2, m.PUBREC)):
        client.publish(name, "x", qos)
        one = client.expect(m.PUBLISH)
        client.send(m.ack(kind, one.pid, reason))
        assert client.until_ping() == [], "no PUBREL, and the window is free"


def test_an_unknown_identifier_is_answered_with_its_reason(raw):
    """[MQTT5 3.6.2.1] [MQTT5 4.3.3]"""
    client = raw(V5, "")
    client.send(m.ack(m.PUBREL, 77))
    assert client.expect(m.PUBCOMP, 77).reason == 0x92
    client.send(m.ack(m.PUBREC, 77))
    assert client.expect(m.PUBREL, 77).reason == 0x92
    client.send(m.ack(m.PUBACK, 77), m.ack(m.PUBCOMP, 77))
    assert client.until_ping() == []
    old = raw(V311, "")
    old.send(m.ack(m.PUBREL, 77))
    old.expect(m.PUBCOMP, 77)
    old.send(m.ack(m.PUBACK, 77), m.ack(m.PUBCOMP, 77))
    assert old.until_ping() == []


@pytest.mark.parametrize("whole", [
    m.ack(m.PUBACK, 0), m.ack(m.PUBREC, 0), m.ack(m.PUBREL, 0), m.ack(m.PUBCOMP, 0),
    m.ack(m.PUBACK, 1, 0x92), m.ack(m.PUBREL, 1, 0x80), m.ack(m.PUBREC, 1, 1), m.ack(m.PUBACK, 1, 2),
    m.ack(m.PUBACK, 1, 0, [(m.CONTENT_TYPE, "x")]), m.ack(m.PUBACK, 1, 0, [(m.REASON_STRING, "x")] * 2),
    m.packet(0x40), m.packet(0x40, b"\0"), m.packet(0x40, b"\0\1\0\5"), m.packet(0x40, b"\0\1\0\0\0"),
    m.packet(0x60, b"\0\1"), m.packet(0x41, b"\0\1"), m.packet(0x52, b"\0\1"), m.packet(0x72, b"\0\1")],
    ids=lambda whole: whole.hex())
def test_acknowledgements_that_break_the_rules_are_refused(raw, whole):
    """[MQTT-2.2.1-3] [MQTT-3.4.2-1] [MQTT-3.5.2-1] [MQTT-3.6.1-1] [MQTT-3.6.2-1] [MQTT-2.1.3-1]"""
    raw(V5, "").send(whole).closed_for(0x81, 0x82)


def test_acknowledgements_may_say_why(raw):
    """[MQTT5 3.4.2.2]"""
    client = raw(V5, "")
    for kind in (m.PUBACK, m.PUBREC, m.PUBREL, m.PUBCOMP):
        client.send(m.ack(kind, 9, 0), m.ack(kind, 9, 0, []),
                    m.ack(kind, 9, 0, [(m.REASON_STRING, "x"), (m.USER, ("a", "b")),
                                       (m.USER, ("a", "b"))]))
    client.until_ping()


@VERSIONS
def test_a_receive_maximum_of_the_client_is_kept(raw, name, version):
    """[MQTT-3.3.4-9] Before 5 there is none, but messages keep their order."""
    client = raw(version, "", props=[(m.RECEIVE_MAX, 2)])
    source = raw(version, "")
    client.subscribe((name, 2))
    for number in range(6):
        source.publish(name, str(number), 1 + number % 2)
    seen = []
    if version == V5:
        while len(seen) < 6:
            some = client.until_ping()
            assert len(some) == 2
            for one in some:
                seen.append(one.payload)
                client.send(m.ack(m.PUBACK if one.qos == 1 else m.PUBREC, one.pid))
                if one.qos == 2:
                    client.await_kind(m.PUBREL, one.pid)
                    client.send(m.ack(m.PUBCOMP, one.pid))
    else:
        seen = client.payloads()
    assert seen == [b"0", b"1", b"2", b"3", b"4", b"5"]


def test_qos_0_passes_a_full_window(raw, name):
    """[MQTT5 4.9] The send quota is no concern of QoS 0."""
    client = raw(V5, "", props=[(m.RECEIVE_MAX, 1)])
    client.subscribe((name, 2))
    for qos, text in ((1, "a"), (1, "b"), (0, "c")):
        client.publish(name, text, qos)
    assert [one.payload for one in client.until_ping()] == [b"a", b"c"]


def test_who_exceeds_our_receive_maximum_is_closed(raw, name):
    """[MQTT-3.3.4-7] 0x93; answers free the quota."""
    client = raw(V5, "")
    most = client.connack.prop(m.RECEIVE_MAX)
    for pid in range(1, most + 1):
        client.send(m.publish(V5, name, b"", 2, pid))
        client.expect(m.PUBREC, pid)
    client.send(m.ack(m.PUBREL, 1))
    client.expect(m.PUBCOMP, 1)
    client.send(m.publish(V5, name, b"", 2, 1))
    client.expect(m.PUBREC, 1)
    client.send(m.publish(V5, name, b"", 2, most + 1))
    client.closed_for(0x93)


# ---- retain ----

@VERSIONS
def test_retained_messages_follow_their_rules(raw, name, version):
    """[MQTT-3.3.1-5] [MQTT-3.3.1-6] [MQTT-3.3.1-7] [MQTT-3.3.1-8] [MQTT-3.3.1-12]
    [MQTT311-3.3.1-5] [MQTT311-3.3.1-9] [MQTT311-3.3.1-10] [MQTT311-3.3.1-11]
    [MQTT311-3.3.1-12]"""
    source, early = raw(version, ""), raw(version, "")
    early.subscribe((name, 2))
    for qos, text in ((2, "one"), (0, "two"), (1, "three")):
        source.publish(name, text, qos, retain=True)
    source.publish(name, "passing", 1)
    assert [(one.payload, one.retain) for one in early.messages()] == [
        (b"one", 0), (b"two", 0), (b"three", 0), (b"passing", 0)]
    late = raw(version, "")
    late.subscribe((name, 2))
    assert [(one.payload, one.retain, one.qos) for one in late.messages()] == [(b"three", 1, 1)]
    source.publish(name, "", 0, retain=True)
    assert [(one.payload, one.retain) for one in late.messages()] == [(b"", 0)]
    assert early.payloads() == [b""]
    later = raw(version, "")
    later.subscribe((name, 2))
    assert later.messages() == []


def test_a_retained_message_keeps_its_properties_and_loses_time(raw, name, broker):
    """[MQTT-3.3.2-6] [MQTT-3.3.2-15] to [MQTT-3.3.2-18]"""
    props = [(m.FORMAT, 1), (m.CONTENT_TYPE, "t"), (m.USER, ("a", "1")), (m.USER, ("a", "2"))]
    source = raw(V5, "")
    source.publish(name, "x", 1, retain=True, props=[(m.EXPIRY, 3), *props])
    expiry, watch = 3, None
    while expiry == 3:  # until a second has passed
        watch = raw(V5, "")
        watch.subscribe((name, 1))
        one, = watch.messages()
        expiry = one.prop(m.EXPIRY)
        assert [pair for pair in one.props if pair[0] != m.EXPIRY] == props
    assert expiry == 2
    while watch.subscribe(name) and watch.messages():
        pass
    watch.publish(name, "fresh", 0, retain=True, props=[(m.EXPIRY, 100)])
    assert watch.messages()[0].prop(m.EXPIRY) == 100


# ---- properties ----

def test_properties_are_forwarded_unaltered_and_in_order(raw, name):
    """[MQTT-3.3.2-4] [MQTT-3.3.2-15] [MQTT-3.3.2-16] [MQTT-3.3.2-17] [MQTT-3.3.2-18]
    [MQTT-3.3.2-20]"""
    client, old = raw(V5, ""), raw(V311, "")
    props = [(m.USER, ("z", "1")), (m.RESPONSE_TOPIC, "re/ply"), (m.USER, ("a", "2")),
             (m.CORRELATION, bytes(range(256))), (m.USER, ("z", "1")), (m.FORMAT, 0),
             (m.CONTENT_TYPE, "\u20ac/x"), (m.USER, ("", "")), (m.USER, ("k" * 65535, "v" * 65535))]
    for each in (client, old):
        each.subscribe((name, 2))
    for qos in range(3):
        client.publish(name, "x", qos, props=props)
        one, = client.messages()
        assert one.props == props
    assert old.payloads() == [b"x"] * 3
    client.publish(name, "x", props=[(m.FORMAT, 1), (m.ALIAS, 1)])
    assert client.messages()[0].props == [(m.FORMAT, 1)], "the alias is between us"
    old.publish(name, "plain", 1)
    assert client.messages()[0].props == []


def test_a_waiting_message_loses_time_and_is_dropped_when_it_is_over(raw, name):
    """[MQTT-3.3.2-5] [MQTT-3.3.2-6]"""
    keep = {"clean": False, "props": [(m.SESSION_EXPIRY, 60)]}
    client = raw(V5, name, **keep)
    client.subscribe((name, 1))
    client.send(m.disconnect())
    client.until_closed()
    source = raw(V5, "")
    for text, seconds in (("gone", 1), ("kept", 100)):
        source.publish(name, text, 1, props=[(m.EXPIRY, seconds)])
    source.publish(name + "/clock", "x", 1, retain=True, props=[(m.EXPIRY, 2)])
    while source.subscribe(name + "/clock") and source.messages():
        pass  # until two seconds have passed
    client = raw(V5, name, **keep)
    one, = client.messages()
    assert one.payload == b"kept" and 90 <= one.prop(m.EXPIRY) <= 98


@pytest.mark.parametrize("props, reasons", [
    ([(m.FORMAT, 2)], (0x81, 0x82)), ([(m.FORMAT, 1)] * 2, (0x82,)), ([(m.EXPIRY, 1)] * 2, (0x82,)),
    ([(m.CONTENT_TYPE, "a")] * 2, (0x82,)), ([(m.CORRELATION, b"a")] * 2, (0x82,)),
    ([(m.RESPONSE_TOPIC, "a")] * 2, (0x82,)), ([(m.ALIAS, 1)] * 2, (0x82,)),
    ([(m.RESPONSE_TOPIC, "a/+")], (0x81, 0x82, 0x90)), ([(m.RESPONSE_TOPIC, "#")], (0x81, 0x82, 0x90)),
    ([(m.SUB_ID, 1)], (0x81, 0x82)), ([(m.REASON_STRING, "a")], (0x81, 0x82)),
    ([(m.SESSION_EXPIRY, 1)], (0x81, 0x82)), ([(m.WILL_DELAY, 1)], (0x81, 0x82)),
    (b"\x01", (0x81,)), (b"\x02\0\0\0", (0x81,)), (b"\x03\0\5abc", (0x81,)), (b"\x26\0\1a", (0x81,)),
    (b"\x03\0\1\xff", (0x81,)), (b"\x00", (0x81, 0x82)), (b"\x81\0\1", (0x81,)),
    (b"\x03\0\3a\0b", (0x81,)), (b"\x08\0\3\xed\xa0\x80", (0x81,))], ids=str)
def test_properties_that_publish_cannot_have_are_refused(raw, name, props, reasons):
    """[MQTT5 3.3.2.3] [MQTT5 2.2.2.2]"""
    raw(V5, "").send(m.publish(V5, name, "x", props=props)).closed_for(*reasons)


# ---- topic aliases ----

def test_a_topic_alias_stands_for_its_topic_on_this_connection(raw, name):
    """[MQTT-3.3.2-7] [MQTT-3.3.2-8] [MQTT-3.3.2-9] [MQTT-3.3.2-12]"""
    client = raw(V5, name, clean=False, props=[(m.SESSION_EXPIRY, 60)])
    client.subscribe((name + "/#", 0))
    most = client.connack.prop(m.ALIAS_MAX)
    for alias in (1, most):
        client.publish(f"{name}/{alias}", "set", props=[(m.ALIAS, alias)])
    for alias in (most, 1):
        client.publish("", "by", 1, props=[(m.ALIAS, alias)])
    client.publish(f"{name}/new", "set", 2, props=[(m.ALIAS, 1)])
    client.publish("", "by", 2, props=[(m.ALIAS, 1)])
    assert [(one.topic, one.payload) for one in client.messages()] == [
        (f"{name}/1", b"set"), (f"{name}/{most}", b"set"), (f"{name}/{most}", b"by"),
        (f"{name}/1", b"by"), (f"{name}/new", b"set"), (f"{name}/new", b"by")]
    client.drop()
    again = raw(V5, name, clean=False)
    again.send(m.publish(V5, "", "x", props=[(m.ALIAS, 1)])).closed_for(0x82)


@pytest.mark.parametrize("alias", [0, -1, 65535])
def test_an_alias_beyond_the_maximum_is_invalid(raw, name, alias):
    """[MQTT-3.3.2-8] [MQTT-3.3.2-9] 0x94"""
    client = raw(V5, "")
    alias = client.connack.prop(m.ALIAS_MAX) + 1 if alias < 0 else alias
    client.send(m.publish(V5, name, "x", props=[(m.ALIAS, alias)]))
    client.closed_for(0x94)  # [MQTT5 3.3.4]


def test_an_empty_topic_needs_an_alias_that_was_set(raw):
    """[MQTT5 3.3.2.1] [MQTT-4.7.3-1] [MQTT311-4.7.3-1]"""
    raw(V5, "").send(m.publish(V5, "", "x")).closed_for(0x82)
    raw(V5, "").send(m.publish(V5, "", "x", props=[(m.ALIAS, 3)])).closed_for(0x82)
    raw(V311, "").send(m.publish(V311, "", "x")).closed_for()


# ---- topics, order, bounds ----

@VERSIONS
@pytest.mark.parametrize("topic", ["#", "+", "a/#", "a/+", "a/+/b", "a+", "#a", "a/b#"])
def test_a_topic_name_has_no_wildcards(raw, version, topic):
    """[MQTT-3.3.2-2] [MQTT311-3.3.2-2]"""
    raw(version, "").send(m.publish(version, topic, "x")).closed_for(0x81, 0x82, 0x90)


@VERSIONS
@pytest.mark.parametrize("topic", ["/", "//", " ", "a b", "\u20ac/\u00e4", "a" * 65535, "/a/", "a//b",
                                   "$own/topic", "\ufeffbom"], ids=lambda t: t[:8])
def test_topics_of_all_kinds_pass_as_they_are(raw, version, topic):
    """[MQTT-4.7.3-4] [MQTT-1.5.4-3] [MQTT-4.7.3-3]
    [MQTT311-1.5.3-3] [MQTT311-4.7.3-3] [MQTT311-4.7.3-4]"""
    client = raw(version, "")
    client.subscribe((topic, 1))
    client.publish(topic, "x", 1)
    assert [one.topic for one in client.messages()] == [topic]


@VERSIONS
def test_each_publisher_is_heard_in_order(raw, name, version):
    """[MQTT-4.6.0-5] [MQTT-4.6.0-6] [MQTT311-4.6.0-5] [MQTT311-4.6.0-6]"""
    client, source = raw(version, ""), raw(version, "")
    client.subscribe((name, 2))
    source.send(*(m.publish(version, name, str(n), n % 3, n + 1 if n % 3 else None)
                  for n in range(60)))
    assert [source.next().kind for _ in range(40)] == [m.PUBACK, m.PUBREC] * 20
    seen = client.payloads()
    for qos in range(3):
        assert [int(text) for text in seen if int(text) % 3 == qos] == list(range(qos, 60, 3))
    assert [int(text) for text in seen] == list(range(60)), "and altogether, within the window"


@VERSIONS
def test_a_packet_of_the_largest_size_passes_and_one_byte_more_does_not(raw, name, version):
    """[MQTT-3.2.2-15] [MQTT5 3.2.2.3.6] 0x95"""
    client = raw(version, "")
    client.subscribe((name, 0))
    most = 16 * 2**20
    head = len(m.publish(version, name, b"x" * 2**21)) - 2**21
    client.send(m.publish(version, name, b"x" * (most - head)))
    one = client.expect(m.PUBLISH)
    assert client.size == most and one.payload.strip(b"x") == b""
    client.transport.socket.sendall(b"\x30" + m.varint(most - 4))
    client.closed_for(0x95)


def test_a_message_larger_than_a_client_takes_is_not_sent_to_it(raw, name):
    """[MQTT-3.1.2-24] [MQTT-3.1.2-25]"""
    small = raw(V5, name, props=[(m.PACKET_MAX, 100), (m.RECEIVE_MAX, 1)])
    small.subscribe((name, 2))
    source = raw(V5, "")
    for text in ("a", "b" * 100, "c"):
        for qos in range(3):
            source.publish(name, text, qos)
    seen = [small.payloads() for _ in range(4)]
    assert sorted(sum(seen, [])) == [b"a"] * 3 + [b"c"] * 3
    keep = raw(V5, "")
    keep.subscribe((name, 2))
    edge = 100 - len(m.publish(V5, name, b""))
    source.publish(name, "e" * edge)
    source.publish(name, "f" * (edge + 1))
    assert small.payloads() == [b"e" * edge] and len(keep.payloads()) == 2


# ---- what users of other brokers expect ----

@pytest.mark.parametrize("version, refused", [(V31, 0), (V311, 0), (V5, 0x87)])
def test_publishing_to_sys_is_refused_quietly(raw, version, refused):
    """[MQTT-4.7.2-1] [MQTT311-3.3.5-2] Before 5 nobody can be told: it is acknowledged."""
    client = raw(version, "")
    assert client.subscribe(("$SYS/broker/x", 2)) == [2] and client.messages() == []
    for qos in range(3):
        assert client.publish("$SYS/broker/x", "x", qos, retain=True) == (refused if qos else 0)
    assert client.messages() == []
