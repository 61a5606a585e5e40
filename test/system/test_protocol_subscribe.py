# SPDX-License-Identifier: Apache-2.0
"""SUBSCRIBE, UNSUBSCRIBE and what matches, clause by clause."""
import itertools

import pytest

import rawmqtt as m
from rawmqtt import ALL_VERSIONS, V31, V311, V5, VERSIONS, broker, name, raw  # noqa: F401

NO_LOCAL, AS_PUBLISHED, IF_NEW, NEVER = 4, 8, 0x10, 0x20


# ---- SUBACK ----

@ALL_VERSIONS
def test_every_entry_has_its_answer_in_order(raw, name, version):
    """[MQTT-3.8.4-1] [MQTT-3.8.4-2] [MQTT-3.8.4-5] [MQTT-3.8.4-6] [MQTT-3.8.4-7] [MQTT-3.9.3-1]
    [MQTT311-3.8.4-1] [MQTT311-3.8.4-2] [MQTT311-3.8.4-4] [MQTT311-3.8.4-5] [MQTT311-3.8.4-6]
    [MQTT311-3.9.3-1]"""
    client = raw(version, "")
    asked = [0, 2, 1, 1, 0, 2, 2]
    assert client.subscribe(*((f"{name}/{n}", qos) for n, qos in enumerate(asked)), pid=65535) == asked


@VERSIONS
@pytest.mark.parametrize("bad", ["a#", "a/#/b", "#/a", "a+", "+a", "a/b+/c", "a/b#", "++", "##", "a/#b"])
def test_a_filter_that_is_none_fails_alone_or_closes(raw, name, version, bad):
    """[MQTT-4.7.1-1] [MQTT-4.7.1-2] [MQTT311-4.7.1-1] [MQTT311-4.7.1-2]"""
    client = raw(version, "")
    client.send(m.subscribe(version, 3, (name, 1), (bad, 1), (name + "/b", 0)))
    assert client.expect(m.SUBACK, 3).reasons == [1, 0x8F if version == V5 else 0x80, 0]
    client.publish(name, "x")
    assert client.payloads() == [b"x"]


@VERSIONS
@pytest.mark.parametrize("body", [
    b"", b"\0", b"\0\1", b"\0\1\0\1a", b"\0\1\0\2a\0", b"\0\1\0\0\0", b"\0\1\0\1\xff\0", b"\0\1\0\3a\0b\0",
    b"\0\1\0\1a\x03", b"\0\1\0\1a\xc0", b"\0\1\0\1a\x80", b"\0\1\0\1a\x40", b"\0\1\0\1a\x30",
    b"\0\0\0\1a\0", b"\0\1\0\1a\0\0\1", b"\0\1\0\1a\0\0\1b"], ids=lambda body: body.hex() or "empty")
def test_a_subscribe_that_breaks_the_rules_closes(raw, version, body):
    """[MQTT-3.8.3-1] [MQTT-3.8.3-2] [MQTT-3.8.3-5] [MQTT-2.2.1-3] [MQTT311-3.8.3-4]
    [MQTT311-2.3.1-1] [MQTT311-3.8.3-1] [MQTT311-3.8.3-3]"""
    if version == V5 and len(body) > 1:
        body = body[:2] + b"\0" + body[2:]
    raw(version, "").send(m.packet(0x82, body)).closed_for(0x81, 0x82, 0x8F)


@pytest.mark.parametrize("options", [0x04, 0x08, 0x10, 0x20, 0x3C])
def test_options_of_version_5_are_reserved_in_3_1_1(raw, options):
    """[MQTT311-3.8.3-4]"""
    raw(V311, "").send(m.subscribe(V311, 1, ("a", options))).closed_for()


@VERSIONS
@pytest.mark.parametrize("head", [0x80, 0x81, 0x83, 0x8A, 0xA0, 0xA1, 0xA3, 0xAA])
def test_reserved_flags_of_the_fixed_header_close(raw, version, head):
    """[MQTT-3.8.1-1] [MQTT-3.10.1-1] [MQTT311-3.8.1-1] [MQTT311-3.10.1-1]"""
    whole = m.subscribe(version, 1, "a") if head < 0xA0 else m.unsubscribe(version, 1, "a")
    raw(version, "").send(bytes([head]) + whole[1:]).closed_for(0x81)


@pytest.mark.parametrize("props, good", [
    ([(m.SUB_ID, 1)], True), ([(m.SUB_ID, 268435455)], True), ([(m.USER, ("a", "b"))] * 2, True),
    ([(m.SUB_ID, 0)], False), ([(m.SUB_ID, 1)] * 2, False), ([(m.REASON_STRING, "a")], False),
    (b"\x0b\xff\xff\xff\xff\x01", False), (b"\x0b\x80", False)], ids=str)
def test_the_properties_of_subscribe_are_judged_by_the_rules(raw, props, good):
    """[MQTT5 3.8.2.1]"""
    client = raw(V5, "")
    client.send(m.subscribe(V5, 1, "a", props=props))
    if good:
        assert client.expect(m.SUBACK, 1).reasons == [0]
    else:
        client.closed_for(0x81, 0x82)


# ---- subscriptions ----

@VERSIONS
def test_a_subscription_again_replaces_the_first(raw, name, version):
    """[MQTT-3.8.4-3] [MQTT-3.3.1-9] [MQTT311-3.3.1-6] [MQTT311-3.3.1-8] [MQTT311-3.8.4-3]"""
    client = raw(version, "")
    client.publish(name, "kept", 1, retain=True)
    for qos in (0, 2, 1):
        client.subscribe((name, qos))
        one, = client.messages()
        assert (one.qos, one.retain) == (min(qos, 1), 1)
    client.publish(name, "x", 2)
    assert [one.qos for one in client.messages()] == [1]


@VERSIONS
def test_overlapping_subscriptions_bring_the_highest_qos_once(raw, name, version):
    """[MQTT-3.3.4-2] [MQTT311-3.3.5-1]"""
    client = raw(version, "")
    client.subscribe((name + "/#", 0), (name + "/+", 2), (name + "/a", 1))
    for qos in range(3):
        client.publish(name + "/a", "x", qos)
    seen = [one.qos for one in client.messages()]
    assert seen == [0, 1, 2]


def test_identifiers_say_which_subscriptions_match(raw, name):
    """[MQTT-3.3.4-3] [MQTT-3.3.4-4] [MQTT-3.3.4-5]"""
    client = raw(V5, "")
    for text, number in (("/#", 1), ("/+", 268435455), ("/a", 0), ("/b", 7)):
        client.subscribe((name + text, 2), props=[(m.SUB_ID, number)] if number else ())
    for last, expected in (("a", [1, 268435455]), ("b", [1, 7, 268435455]), ("a/b", [1])):
        for qos in range(3):
            client.publish(f"{name}/{last}", "x", qos)
            seen = client.messages()
            assert sorted(sum((one.all(m.SUB_ID) for one in seen), [])) == expected
    client.subscribe(name + "/b")
    client.publish(name + "/b", "x", retain=True)
    assert sorted(client.messages()[0].all(m.SUB_ID)) == [1, 268435455], "replaced without one"
    client.subscribe((name + "/b", 1), props=[(m.SUB_ID, 9)])
    assert [one.all(m.SUB_ID) for one in client.messages()] == [[9]], "what is retained has its own"


def test_identifiers_stay_with_the_session(raw, name):
    """[MQTT5 3.8.4]"""
    keep = {"clean": False, "props": [(m.SESSION_EXPIRY, 60)]}
    client, source = raw(V5, name, **keep), raw(V311, "")
    client.subscribe((name, 1), props=[(m.SUB_ID, 5)])
    client.subscribe((name + "/#", 1), props=[(m.SUB_ID, 6)])
    client.drop()
    source.publish(name, "x", 1)
    old = raw(V311, name, clean=False)
    assert old.until_ping()[0].payload == b"x"
    old.drop()
    assert [sorted(one.all(m.SUB_ID)) for one in raw(V5, name, **keep).messages()] == [[5, 6]]


def test_no_local_keeps_what_is_ones_own(raw, name):
    """[MQTT-3.8.3-3]"""
    client, other = raw(V5, "", will=(name, b"will")), raw(V5, "")
    client.subscribe((name, 1 | NO_LOCAL))
    for each in (client, other):
        each.publish(name, "own" if each is client else "other", 1, retain=True)
    assert client.payloads() == [b"other"]
    client.subscribe((name + "/#", 0))
    client.publish(name, "x", 2)
    assert [(one.payload, one.qos) for one in client.messages()] == [(b"other", 0), (b"x", 0)]
    client.publish(name, "kept", 1, retain=True)
    client.messages()
    client.subscribe((name, 1 | NO_LOCAL))
    assert client.messages() == [], "nor what is retained"


@pytest.mark.parametrize("share", ["$share/g/a"])
def test_no_local_on_a_shared_subscription_is_a_protocol_error(raw, share):
    """[MQTT-3.8.3-4]"""
    raw(V5, "").send(m.subscribe(V5, 1, (share, NO_LOCAL))).closed_for(0x82)


def test_retain_as_published_and_retain_handling_are_obeyed(raw, name):
    """[MQTT-3.3.1-9] to [MQTT-3.3.1-13]"""
    client = raw(V5, "")
    client.publish(name, "kept", retain=True)
    for options, sent in ((NEVER, 0), (IF_NEW, 0), (0, 1), (IF_NEW, 0), (0, 1)):
        client.subscribe((name, options))
        assert len(client.messages()) == sent, hex(options)
    client.send(m.unsubscribe(V5, 1, name))
    client.subscribe((name, IF_NEW | AS_PUBLISHED))
    assert [one.retain for one in client.messages()] == [1]
    for retain in (True, False):
        client.publish(name, "x", 1, retain=retain)
        assert [one.retain for one in client.messages()] == [retain]
    client.subscribe((name, NEVER))
    client.publish(name, "x", retain=True)
    assert [one.retain for one in client.messages()] == [0]


@VERSIONS
def test_what_is_retained_comes_after_the_suback_at_the_granted_qos(raw, name, version):
    """[MQTT-3.8.4-4]"""
    client = raw(version, "")
    for number in range(20):
        client.publish(f"{name}/{number}", str(number), 2, retain=True)
    client.send(m.subscribe(version, 1, (name + "/#", 1)))
    client.expect(m.SUBACK)
    seen = client.messages()
    assert {one.payload for one in seen} == {str(n).encode() for n in range(20)}
    assert {(one.qos, one.retain) for one in seen} == {(1, 1)}


# ---- UNSUBSCRIBE ----

@ALL_VERSIONS
def test_who_unsubscribes_gets_nothing_more(raw, name, version):
    """[MQTT-3.10.4-1] to [MQTT-3.10.4-6] [MQTT-3.11.3-1] [MQTT311-3.10.4-1] [MQTT311-3.10.4-6]"""
    client = raw(version, "")
    client.subscribe((name, 1), (name + "/#", 1), (name + "/+", 1))
    client.send(m.unsubscribe(version, 500, name, name + "/#", "never", name + "/a", "a#"))
    answer = client.expect(m.UNSUBACK, 500)
    if version == V5:
        assert answer.reasons[:4] == [0, 0, 0x11, 0x11] and answer.reasons[4] in (0x11, 0x8F)
    else:
        assert answer.body == b"\x01\xf4"
    client.publish(name, "x")
    client.publish(name + "/a", "y")
    assert client.payloads() == [b"y"], "filters are compared by the byte [MQTT-3.10.4-1]"


@VERSIONS
def test_what_is_on_its_way_is_completed_after_unsubscribing(raw, name, version):
    """[MQTT-3.10.4-3] [MQTT311-3.10.4-3]"""
    client = raw(version, "")
    client.subscribe((name, 2))
    client.publish(name, "x", 2)
    client.send(m.unsubscribe(version, 2, name))
    client.await_kind(m.UNSUBACK, 2)
    one = client.expect(m.PUBLISH)
    client.send(m.ack(m.PUBREC, one.pid))
    client.expect(m.PUBREL, one.pid)
    client.send(m.ack(m.PUBCOMP, one.pid))
    assert client.until_ping() == []


@VERSIONS
@pytest.mark.parametrize("body", [b"", b"\0\1", b"\0\0\0\1a", b"\0\1\0\0", b"\0\1\0\2a", b"\0\1\0\1\xff"],
                         ids=lambda body: body.hex() or "empty")
def test_an_unsubscribe_that_breaks_the_rules_closes(raw, version, body):
    """[MQTT-3.10.3-1] [MQTT-3.10.3-2] [MQTT311-3.10.3-1] [MQTT311-3.10.3-2]"""
    if version == V5 and len(body) > 1:
        body = body[:2] + b"\0" + body[2:]
    raw(version, "").send(m.packet(0xA2, body)).closed_for(0x81, 0x82, 0x8F)


# ---- matching ----

def matches(text, topic):
    """[MQTT5 4.7], written down once more."""
    if topic[0] == "$" and text[0] in "+#":
        return False
    want, have = text.split("/"), topic.split("/")
    for at, level in enumerate(want):
        if level == "#":
            return True
        if at == len(have) or level not in ("+", have[at]):
            return False
    return len(want) == len(have)


def test_filters_match_what_the_text_says(raw, name):
    """[MQTT-4.7.1-1] [MQTT-4.7.1-2] [MQTT-4.7.2-1] [MQTT-4.7.3-4]"""
    levels = ["", "a", "b", "+"]
    filters = ["/".join(some) for size in (1, 2, 3) for some in itertools.product(levels, repeat=size)]
    filters = [text for text in filters if text]
    filters += [text + "/#" for text in filters] + ["#", "$a/#", "$a/+", "$a", "+/$a", "$a/b/#", "A", "a "]
    topics = ["/".join(some) for size in (1, 2, 3) for some in itertools.product(["", "a", "b"], repeat=size)]
    topics = [topic for topic in topics if topic] + ["$a", "$a/b", "b/$a", "$a/b/c", "A", "a ", "a/b/a/b"]
    client = raw(V5, "")
    for number, text in enumerate(filters, 1):
        client.send(m.subscribe(V5, number, text, props=[(m.SUB_ID, number)]))
    assert len([x for x in client.until_ping() if x.kind == m.SUBACK]) == len(filters)
    for topic in topics:
        client.publish(topic, "x")
        seen = sum((one.all(m.SUB_ID) for one in client.messages()), [])
        assert sorted(filters[number - 1] for number in seen) == sorted(
            text for text in filters if matches(text, topic)), topic
    client.send(m.unsubscribe(V5, 1, *filters))
    assert set(client.expect(m.UNSUBACK).reasons) == {0}


@VERSIONS
def test_leading_wildcards_see_nothing_of_sys(raw, version):
    """[MQTT-4.7.2-1] $SYS is to be subscribed to by its name. [MQTT311-4.7.2-1]"""
    client = raw(version, "")
    assert client.subscribe("+/broker/uptime", "#") == [0, 0]
    assert not [each for each in client.messages() if each.topic.startswith("$")]
    assert client.subscribe("$SYS/broker/uptime") == [0]
    assert client.payloads()[0].endswith(b" seconds")


@VERSIONS
def test_a_filter_may_have_as_many_bytes_as_fit(raw, version):
    """[MQTT-4.7.3-3] [MQTT311-4.7.3-3]"""
    client = raw(version, "")
    text = "l" * 65000
    assert client.subscribe(text, text[:-1] + "/#", "+/" + text) == [0, 0, 0]
    client.publish(text, "x")
    assert client.payloads() == [b"x"]


@VERSIONS
def test_many_subscriptions_go_in_one_packet(raw, name, version):
    client = raw(version, "")
    filters = [f"{name}/{number}/+" for number in range(5000)]
    assert client.subscribe(*filters) == [0] * 5000
    client.publish(f"{name}/4999/x", "x")
    assert client.payloads() == [b"x"]
    client.send(m.unsubscribe(version, 9, *filters))
    client.expect(m.UNSUBACK, 9)
    client.publish(f"{name}/4999/x", "x")
    assert client.payloads() == []
