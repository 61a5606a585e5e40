# SPDX-License-Identifier: Apache-2.0
"""Sessions, takeover and wills, clause by clause."""
import pytest

import rawmqtt as m
from rawmqtt import V311, V5, VERSIONS, broker, name, raw  # noqa: F401

FOR_EVER = 0xFFFFFFFF


def keep(seconds=60, **more):
    return {"clean": False, "props": [(m.SESSION_EXPIRY, seconds)], **more}


def leave(client, *goodbye):
    client.send(m.disconnect(*goodbye))
    assert client.until_closed() == []


# ---- sessions ----

@VERSIONS
def test_session_present_tells_what_the_server_has(raw, name, version):
    """[MQTT-3.2.2-2] [MQTT-3.2.2-3] [MQTT-3.1.2-4] [MQTT-3.1.2-5] [MQTT-3.1.2-6]
    [MQTT311-3.1.2-4] [MQTT311-3.1.2-6] [MQTT311-3.2.2-1] [MQTT311-3.2.2-2] [MQTT311-3.2.2-3]"""
    for hello, present in ((keep(), 0), (keep(), 1), (keep(clean=True), 0), (keep(), int(version == V5)),
                           ({"clean": True}, 0), (keep(), 0), (keep(), 1)):
        client = raw(version, name, **hello)
        assert client.connack.present == present
        leave(client)


@VERSIONS
def test_subscriptions_and_messages_wait_for_a_client_that_is_away(raw, name, version):
    """[MQTT-4.1.0-1] [MQTT-4.1.0-2] [MQTT311-3.1.2-5] [MQTT311-4.1.0-1] [MQTT311-4.1.0-2]"""
    client, source = raw(version, name, **keep()), raw(version, "")
    client.subscribe((name, 2))
    leave(client)
    for number in range(30):
        source.publish(name, str(number), 1 + number % 2)
    client = raw(version, name, **keep())
    assert client.payloads() == [str(number).encode() for number in range(30)]
    leave(client)
    client = raw(version, name, clean=True)
    source.publish(name, "x", 1)
    assert client.messages() == []


def test_without_an_expiry_a_session_ends_with_its_connection(raw, name):
    """[MQTT5 3.1.2.11.2]"""
    for props, goodbye, present in (((), (), 0), ([(m.SESSION_EXPIRY, 0)], (), 0),
                                    ([(m.SESSION_EXPIRY, 60)], (0, [(m.SESSION_EXPIRY, 0)]), 0),
                                    ([(m.SESSION_EXPIRY, 60)], (0, [(m.SESSION_EXPIRY, 30)]), 1),
                                    ([(m.SESSION_EXPIRY, 60)], (), 1)):
        leave(raw(V5, name, props=props), *goodbye)
        again = raw(V5, name, clean=False)
        assert again.connack.present == present
        leave(again)


def test_a_session_expires_after_its_interval(raw, name):
    """[MQTT5 3.1.2.11.2] [MQTT-4.1.0-2] The will of the end tells when."""
    client, watch = raw(V5, name, will=(name, b"end", 0, False, [(m.WILL_DELAY, 1000)]),
                        **keep(1)), raw(V5, "")
    watch.subscribe(name)
    client.drop()
    assert watch.expect(m.PUBLISH).payload == b"end"
    assert raw(V5, name, clean=False).connack.present == 0


def test_an_expiry_cannot_be_given_at_the_end_to_a_session_that_had_none(raw, name):
    """[MQTT5 3.14.2.2.2]"""
    client = raw(V5, name)
    client.send(m.disconnect(0, [(m.SESSION_EXPIRY, 5)])).closed_for(0x82)
    assert raw(V5, name, clean=False).connack.present == 0


def test_the_server_says_when_it_keeps_a_session_shorter(raw, name):
    """[MQTT-3.2.2-21] [MQTT5 3.2.2.3.2]"""
    shorter = raw(V5, name, **keep(FOR_EVER)).connack.prop(m.SESSION_EXPIRY)
    assert 0 < shorter < FOR_EVER
    assert raw(V5, name, **keep(10)).connack.prop(m.SESSION_EXPIRY) is None


@VERSIONS
def test_the_newcomer_takes_a_client_id_over(raw, name, version):
    """[MQTT-3.1.4-3] [MQTT311-3.1.4-2]"""
    first = raw(version, name, **keep())
    first.subscribe((name, 1))
    second = raw(version, name, **keep())
    assert second.connack.present == 1
    first.closed_for(0x8E)
    second.publish(name, "x", 1)
    assert second.payloads() == [b"x"]
    third = raw(version, name, clean=True)
    assert third.connack.present == 0
    second.closed_for(0x8E)


@VERSIONS
def test_a_crowd_with_one_client_id_leaves_one(raw, name, version):
    """[MQTT-3.1.4-3] [MQTT311-3.1.4-2]"""
    crowd = [raw(version, name, clean=number % 2 == 0) for number in range(50)]
    for one in crowd[:-1]:
        one.closed_for(0x8E)
    assert crowd[-1].until_ping() == []


def test_a_session_goes_from_version_to_version(raw, name):
    client = raw(V311, name, clean=False)
    client.subscribe((name, 1))
    leave(client)
    client = raw(V5, name, **keep())
    assert client.connack.present == 1
    client.publish(name, "x", 1, props=[(m.USER, ("a", "b"))])
    one = client.expect(m.PUBLISH)
    client.drop()
    client = raw(V311, name, clean=False)
    again = client.expect(m.PUBLISH, one.pid)
    assert again.dup and again.payload == b"x"


# ---- wills ----

@VERSIONS
@pytest.mark.parametrize("qos", [0, 1, 2])
@pytest.mark.parametrize("retain", [False, True])
def test_a_will_is_published_as_it_was_made(raw, name, version, qos, retain):
    """[MQTT-3.1.2-7] [MQTT-3.1.2-8] [MQTT-3.1.2-14] [MQTT-3.1.2-15] [MQTT-3.1.2-18]
    [MQTT311-3.1.2-8] [MQTT311-3.1.2-16] [MQTT311-3.1.2-17]"""
    watch = raw(version, "")
    watch.subscribe((name, 2))
    raw(version, "", will=(name, b"\0\xff", qos, retain)).drop()
    one = watch.expect(m.PUBLISH)
    assert (one.topic, one.payload, one.qos, one.retain) == (name, b"\0\xff", qos, 0)
    late = raw(version, "")
    late.subscribe((name, 2))
    assert [(kept.qos, kept.retain) for kept in late.messages()] == [(qos, 1)] * retain


@VERSIONS
def test_a_will_comes_after_every_end_but_a_goodbye(raw, name, version):
    """[MQTT-3.1.2-8] [MQTT-3.1.2-10] [MQTT-3.14.4-3]
    [MQTT311-3.1.2-8] [MQTT311-3.1.2-10] [MQTT311-3.14.4-3]"""
    watch = raw(version, "")
    watch.subscribe((name, 0))

    def device(text, **more):
        return raw(version, more.pop("client_id", ""), will=(name, text), **more)

    leave(device(b"goodbye"))
    device(b"malformed").send(m.packet(0x00)).until_closed()
    device(b"protocol").send(m.connect(version, "x")).until_closed()
    device(b"half").send(b"\x30\x7f").drop()
    first = device(b"taken over", client_id=name)
    device(b"", client_id=name)
    first.until_closed()
    device(b"silent", keep_alive=1).until_closed()
    assert [watch.expect(m.PUBLISH).payload for _ in range(5)] == [
        b"malformed", b"protocol", b"half", b"taken over", b"silent"]


@pytest.mark.parametrize("reason, published", [(None, 0), (0, 0), (4, 1), (0x80, 1), (0x82, 1), (0x95, 1)])
def test_the_reason_of_a_disconnect_decides_about_the_will(raw, name, reason, published):
    """[MQTT-3.14.4-3] [MQTT5 3.14.2.1]"""
    watch = raw(V5, "")
    watch.subscribe((name, 0))
    leave(raw(V5, "", will=(name, b"x")), *([] if reason is None else [reason]))
    watch.publish(name, "probe")
    assert watch.payloads() == [b"x"] * published + [b"probe"]


def test_a_will_keeps_its_properties_but_not_its_delay(raw, name):
    """[MQTT-3.1.3-10] [MQTT5 3.1.3.2]"""
    props = [(m.USER, ("b", "1")), (m.FORMAT, 1), (m.USER, ("a", "2")), (m.CONTENT_TYPE, "t"),
             (m.RESPONSE_TOPIC, "r"), (m.CORRELATION, b"\0\1")]
    watch = raw(V5, "")
    watch.subscribe((name, 1))
    raw(V5, "", will=(name, b"x", 1, False, [(m.WILL_DELAY, 0), *props, (m.EXPIRY, 77)])).drop()
    one = watch.expect(m.PUBLISH)
    assert one.prop(m.EXPIRY) == 77
    assert [pair for pair in one.props if pair[0] != m.EXPIRY] == props


def test_a_delayed_will_waits_and_is_forgotten_when_its_client_returns(raw, name):
    """[MQTT-3.1.3-9]"""
    watch = raw(V5, "")
    watch.subscribe((name, 0))

    def device(text, seconds, **more):
        return raw(V5, name, will=(name, text, 0, False, [(m.WILL_DELAY, seconds)]), **more)

    device(b"returns", 1, **keep()).drop()
    device(b"comes", 1, **keep()).drop()
    assert watch.expect(m.PUBLISH).payload == b"comes"
    device(b"clean", 1000, **keep()).drop()
    leave(raw(V5, name, clean=True))  # the session ends, and the will with it is published
    assert watch.expect(m.PUBLISH).payload == b"clean"
    device(b"no session", 1000).drop()
    assert watch.expect(m.PUBLISH).payload == b"no session"
    first = device(b"kept back", 1000, **keep())
    second = raw(V5, name, **keep())
    first.closed_for(0x8E)
    leave(second)
    watch.publish(name, "probe")
    assert watch.payloads() == [b"probe"]


@VERSIONS
@pytest.mark.parametrize("topic", ["", "a/#", "+", "a\0"])
def test_a_will_needs_a_topic_name(raw, version, topic):
    """[MQTT-3.1.3-11] [MQTT-4.7.1-1] [MQTT-4.7.3-1]
    [MQTT311-3.1.3-10] [MQTT311-4.7.1-1] [MQTT311-4.7.3-1]"""
    client = raw(version, None)
    client.send(m.connect(version, "x", will=(topic, b"x")))
    assert all(one.reason for one in client.until_closed())


@VERSIONS
def test_an_empty_will_clears_what_is_retained(raw, name, version):
    """[MQTT-3.3.1-6] [MQTT311-3.3.1-10]"""
    watch = raw(version, "")
    watch.publish(name, "kept", 1, retain=True)
    watch.subscribe((name, 0))
    assert watch.payloads() == [b"kept"]
    raw(version, "", will=(name, b"", 1, True)).drop()
    assert watch.expect(m.PUBLISH).payload == b""
    watch.subscribe((name, 0))
    assert watch.messages() == []
