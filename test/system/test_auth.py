# SPDX-License-Identifier: Apache-2.0
"""Users of a password file: names and passwords by common clients, SCRAM-SHA-256 by the
byte, and what becomes of a file that changes."""
import json
import os
import signal
import socket
import subprocess
import threading

import pytest

import brokers
import clients
import rawmqtt as m
from certificates import Authority
from rawmqtt import V5, V311, VERSIONS
from scram import Scram

METHOD = "SCRAM-SHA-256"
BAD_PASSWORD, NOT_AUTHORIZED, BUSY, BAD_METHOD = 0x86, 0x87, 0x89, 0x8C


def passwd(path, user, password=None, *flags, code=0):
    done = subprocess.run([brokers.program(brokers.default_build(), "plexus"), "passwd",
                           str(path), user, *flags], input=password, text=True,
                          capture_output=True, timeout=30, env=brokers.CLIENT_ENV)
    assert done.returncode == code, done.stderr
    return done.stderr


@pytest.fixture(scope="module")
def users(tmp_path_factory):
    path = tmp_path_factory.mktemp("users") / "users"
    passwd(path, "alice", "wonder land\n", "--iterations", "4096")
    passwd(path, "bob", "b,=uilder", "--iterations", "4096")
    return path


def with_users(path, *more):
    """Refusals do not wait, unless told otherwise: all tests come from one address."""
    settings = (f"security.password_file={path}", "security.failure_delay_ms=0", *more)
    return [word for each in settings for word in ("--set", each)]


@pytest.fixture(scope="module")
def broker(users):
    """Takes the place of rawmqtt's for this file: raw() makes clients of it."""
    started = brokers.Brokers()
    try:
        yield started.start("raw", args=with_users(users))
    finally:
        started.stop()


raw = m.raw


def code_for(version, reason):
    return reason if version == V5 else {BAD_PASSWORD: 4, NOT_AUTHORIZED: 5, BUSY: 3}[reason]


# ---- names and passwords ----

@VERSIONS
@pytest.mark.parametrize("words,code", [
    (["-u", "alice", "-P", "wonder land"], 0),
    (["-u", "bob", "-P", "b,=uilder"], 0),
    (["-u", "alice", "-P", "wonderland"], BAD_PASSWORD),
    (["-u", "ghost", "-P", "wonder land"], BAD_PASSWORD),
    (["-u", "alice"], BAD_PASSWORD),
    ([], NOT_AUTHORIZED),
], ids=["right", "other", "wrong", "unknown", "no password", "none"])
def test_mosquitto_pub_comes_in_with_the_right_password(broker, version, words, code):
    done = subprocess.run(
        ["mosquitto_pub", "-p", str(broker.mqtt_port), "-V", "mqttv5" if version == V5 else
         "mqttv311", "-t", "t", "-m", "x", "-q", "1", *words],
        capture_output=True, text=True, timeout=brokers.PATIENCE_S)
    expected = code_for(version, code) if code else 0
    assert done.returncode == expected, done.stderr


def test_what_is_published_with_a_password_is_received_with_one(broker):
    command = ["stdbuf", "-oL", "mosquitto_sub", "-p", str(broker.mqtt_port), "-u", "bob", "-P",
               "b,=uilder", "-t", "news", "-d", "-F", "GOT %t %x"]
    with clients.Printer(command) as sub:
        sub.wait_line("Subscribed")
        subprocess.run([brokers.program(broker.build, "plexus"), "pub", "-p",
                        str(broker.mqtt_port), "-u", "alice", "-P", "wonder land", "-t", "news",
                        "-m", "hello"], check=True, timeout=brokers.PATIENCE_S,
                       env=brokers.CLIENT_ENV)
        brokers.wait_until(lambda: sub.got["news"] == [b"hello"], "the message")


def refused(raw, version, reason, **hello):
    client = raw(version, None)
    client.hello("x", **hello)
    assert client.connack.reason == code_for(version, reason)
    assert client.until_closed() == []


@VERSIONS
def test_a_refusal_is_in_the_log_without_the_password(raw, version):
    refused(raw, version, BAD_PASSWORD, username="alice", password="hunter2 sesame")
    match = raw.broker.wait_log(r"client\.refused client=\"?x\"? .*reason=\"[^\"]*password.*")
    assert "0x86" in match.group(0)
    assert "hunter2" not in raw.broker.log() and "wonder land" not in raw.broker.log()


@VERSIONS
def test_what_follows_a_connect_at_once_waits_for_the_answer(raw, version):
    client = raw(version, None)
    client.send(m.connect(version, "eager", username="alice", password="wonder land"),
                m.subscribe(version, 1, "eager/t"), m.publish(version, "eager/t", b"early"))
    assert client.expect(m.CONNACK).reason == 0
    client.expect(m.SUBACK, 1)
    assert client.expect(m.PUBLISH).payload == b"early"


def test_a_password_without_a_name_is_refused(raw):
    refused(raw, V5, BAD_PASSWORD, password="wonder land")


# ---- SCRAM-SHA-256 ----

def auth(reason, data, method=METHOD):
    props = ((m.AUTH_METHOD, method),) + (((m.AUTH_DATA, data),) if data is not None else ())
    return m.auth(reason, props)


def auth_from(packet):
    """Reason and data of an AUTH packet."""
    assert packet is not None and packet.kind == m.AUTH, packet
    assert packet.prop(m.AUTH_METHOD) == METHOD  # [MQTT-4.12.0-5]
    return packet.reason, packet.prop(m.AUTH_DATA)


def scram_connect(raw, user, password, client_id="s"):
    """The client, and what ended the exchange."""
    client, scram = raw(V5, None), Scram(user, password)
    client.send(m.connect(V5, client_id,
                          props=((m.AUTH_METHOD, METHOD), (m.AUTH_DATA, scram.first()))))
    reason, challenge = auth_from(client.next())
    assert reason == 0x18  # [MQTT-4.12.0-2]
    client.send(auth(0x18, scram.final(challenge)))
    client.connack = client.expect(m.CONNACK)
    if client.connack.reason == 0:
        assert client.connack.prop(m.AUTH_METHOD) == METHOD
        scram.verify(client.connack.prop(m.AUTH_DATA))
    return client, scram


def again(client, user, password):
    """Authenticate once more; what ended it."""
    scram = Scram(user, password)
    client.send(auth(0x19, scram.first()))
    reason, challenge = auth_from(client.next())
    assert reason == 0x18
    client.send(auth(0x18, scram.final(challenge)))
    last = client.next()
    if last.kind == m.AUTH:
        reason, data = auth_from(last)
        assert reason == 0
        scram.verify(data)
    return last


@pytest.mark.parametrize("user,password", [("alice", "wonder land"), ("bob", "b,=uilder")])
def test_scram_proves_the_password_both_ways(raw, user, password):
    client, _ = scram_connect(raw, user, password)
    assert client.connack.reason == 0
    assert client.subscribe("s/t") == [0]
    client.publish("s/t", b"x")
    assert client.payloads() == [b"x"]


def test_scram_with_a_wrong_password_or_an_unknown_name_fails_alike(raw):
    wrong, one = scram_connect(raw, "alice", "Wonder land")
    unknown, two = scram_connect(raw, "ghost", "wonder land")
    _, three = scram_connect(raw, "ghost", "wonder land")
    assert wrong.connack.reason == unknown.connack.reason == BAD_PASSWORD
    assert wrong.until_closed() == unknown.until_closed() == []
    assert (one.iterations, len(one.salt)) == (two.iterations, len(two.salt))
    assert two.salt == three.salt != one.salt


# [MQTT-4.12.1-1] [MQTT-4.12.1-2]
def test_a_client_authenticates_again_while_it_goes_on(raw):
    client, _ = scram_connect(raw, "alice", "wonder land")
    client.subscribe("again/t")
    scram = Scram("alice", "wonder land")
    client.send(auth(0x19, scram.first()), m.publish(V5, "again/t", b"between"))
    _, challenge = auth_from(client.next())
    assert client.expect(m.PUBLISH).payload == b"between"
    client.send(auth(0x18, scram.final(challenge)))
    reason, data = auth_from(client.next())
    assert reason == 0
    scram.verify(data)
    assert again(client, "alice", "wonder land").kind == m.AUTH
    client.until_ping()


@pytest.mark.parametrize("user,password", [("alice", "wrong"), ("bob", "b,=uilder"),
                                           ("ghost", "x")],
                         ids=["wrong password", "another user", "unknown user"])
def test_who_fails_to_authenticate_again_is_disconnected(raw, user, password):
    client, _ = scram_connect(raw, "alice", "wonder land")
    last = again(client, user, password)
    assert last.kind == m.DISCONNECT and last.reason == NOT_AUTHORIZED
    assert client.until_closed() == []


@pytest.mark.parametrize("method,data,reason", [
    ("PLAIN", b"\0alice\0wonder land", BAD_METHOD), ("", b"", BAD_METHOD),
    (METHOD, b"n,,n=alice", NOT_AUTHORIZED), (METHOD, b"\xff" * 65535, NOT_AUTHORIZED)])
def test_what_is_no_such_exchange_is_refused(raw, method, data, reason):
    refused(raw, V5, reason, props=((m.AUTH_METHOD, method), (m.AUTH_DATA, data)))


def test_who_begins_without_data_is_asked_for_some(raw):
    client, scram = raw(V5, None), Scram("alice", "wonder land")
    client.send(m.connect(V5, "late", props=((m.AUTH_METHOD, METHOD),)))
    assert auth_from(client.next()) == (0x18, None)
    client.send(auth(0x18, scram.first()))
    client.send(auth(0x18, scram.final(auth_from(client.next())[1])))
    assert client.expect(m.CONNACK).reason == 0


# ---- beside other transports ----

@VERSIONS
def test_passwords_count_over_websocket_too(raw, version):
    for password, reason in (("wonder land", 0), ("x", code_for(version, BAD_PASSWORD))):
        client = raw(version, None, transport=m.Web(raw.broker))
        # One frame, of which the second packet waits for the answer to the first.
        client.send(m.connect(version, "web", username="alice", password=password) + m.PING)
        assert client.expect(m.CONNACK).reason == reason
        assert [one.kind for one in ([client.next()] if reason == 0 else client.until_closed())] \
            == [m.PINGRESP] * (reason == 0)


def test_whom_a_certificate_names_is_not_asked_for_a_password(mesh, users, tmp_path):
    authority = Authority(tmp_path).make("server", "localhost").make("device", "device")
    strict = {"name": "strict", "address": "0.0.0.0:0",
              "tls": authority.tls("server", ca_file=authority.path("ca.pem"),
                                   client_certificate="optional", username_from_certificate=True)}
    broker = mesh.start("secure", args=with_users(users, "listeners=" + json.dumps([strict])))
    port = broker.wait_log(r"listener\.strict=\S*:(\d+)").group(1)

    def publish(*words):
        return subprocess.run(
            ["mosquitto_pub", "-h", "localhost", "-p", port, "--cafile", authority.path("ca.pem"),
             "-V", "mqttv5", "-t", "t", "-m", "x", *words],
            capture_output=True, timeout=brokers.PATIENCE_S).returncode

    certificate = ["--cert", authority.path("device.pem"), "--key", authority.path("device.key")]
    assert publish(*certificate) == 0
    assert publish(*certificate, "-u", "alice", "-P", "wrong") == 0  # it is device all the same
    assert publish("-u", "alice", "-P", "wonder land") == 0
    assert publish("-u", "device") == BAD_PASSWORD
    assert publish() == NOT_AUTHORIZED


# ---- the file ----

def connack_of(broker, version=V5, **hello):
    client = m.Raw(m.Tcp(broker), version)
    try:
        return client.hello("", **hello).connack.reason
    finally:
        client.drop()


def test_a_changed_file_counts_at_once_and_who_is_in_stays(mesh, tmp_path):
    path = tmp_path / "users"
    passwd(path, "alice", "one", "--iterations", "4096")
    broker = mesh.start("solo", args=with_users(path))
    client = m.Raw(m.Tcp(broker), V5).hello("stays", username="alice", password="one")
    assert client.connack.reason == 0
    passwd(path, "alice", None, "--delete")
    passwd(path, "carol", "two", "--iterations", "4096")  # the broker sees it by itself
    brokers.wait_until(lambda: connack_of(broker, username="carol", password="two") == 0,
                       "carol to come in")
    assert connack_of(broker, username="alice", password="one") == BAD_PASSWORD
    path.write_text(path.read_text() + "dave:secret\n")
    broker.process.send_signal(signal.SIGHUP)
    broker.wait_log(r"users\.unusable.*users:2: ")
    assert connack_of(broker, username="carol", password="two") == 0
    os.remove(path)
    broker.process.send_signal(signal.SIGHUP)
    broker.wait_log(r"users\.unusable.*cannot be read")
    assert connack_of(broker, username="carol", password="two") == 0
    assert client.until_ping() == []
    client.drop()


def test_a_password_file_and_its_rules_come_with_a_reload(mesh, tmp_path):
    users, config = tmp_path / "users", tmp_path / "plexus.json"
    config.write_text("{}")
    broker = mesh.start("solo", args=["--config", str(config)])
    assert connack_of(broker) == 0
    assert connack_of(broker, username="anybody") == 0
    passwd(users, "alice", "one", "--iterations", "4096")
    config.write_text('{"security": {"password_file": "%s"}}' % users)
    broker.process.send_signal(signal.SIGHUP)
    broker.wait_log(r"config\.reload.*done")
    assert connack_of(broker) == NOT_AUTHORIZED
    assert connack_of(broker, username="anybody") == BAD_PASSWORD
    assert connack_of(broker, username="alice", password="one") == 0
    config.write_text('{"security": {"password_file": "%s", "allow_anonymous": true}}' % users)
    broker.process.send_signal(signal.SIGHUP)
    brokers.wait_until(lambda: connack_of(broker) == 0, "anybody to come in again")
    assert connack_of(broker, username="anybody") == BAD_PASSWORD


def start_refused(*words):
    done = subprocess.run([brokers.program(brokers.default_build(), "plexusd"), "--no-data",
                           "--mqtt", "127.0.0.1:0", "--web", "none", *words],
                          capture_output=True, text=True, timeout=30, env=brokers.PROGRAM_ENV)
    assert done.returncode == 2, done.stderr
    return done.stderr


def test_a_file_that_cannot_be_used_stops_the_start(tmp_path):
    path = tmp_path / "users"
    assert f"{path}: cannot be read" in start_refused(*with_users(path))
    path.write_text("# people\nalice:secret\n\nbob\n")
    said = start_refused(*with_users(path))
    assert f"{path}:2: " in said and f"{path}:4: " in said and "secret" not in said


def test_with_a_password_file_a_broker_may_be_reached_from_outside(mesh, users):
    broker = mesh.start("open", args=[*with_users(users), "--mqtt", "0.0.0.0:0"])
    broker.wait_log(r"users\.loaded.*users=2")
    assert connack_of(broker) == NOT_AUTHORIZED
    assert connack_of(broker, username="bob", password="b,=uilder") == 0


def test_links_of_other_brokers_are_not_asked_for_a_password(mesh, users):
    hub = mesh.start("hub", args=with_users(users))
    edge = mesh.start("edge", [hub], args=with_users(users))
    brokers.wait_converged([hub, edge])
    sub = m.Raw(m.Tcp(hub), V5).hello("", username="alice", password="wonder land")
    sub.subscribe("far")
    brokers.wait_until(lambda: edge.filters_of("hub") > 0, "the interest of hub")
    pub = m.Raw(m.Tcp(edge), V5).hello("", username="bob", password="b,=uilder")
    pub.publish("far", b"x")
    assert sub.expect(m.PUBLISH).payload == b"x"
    sub.drop()
    pub.drop()


# ---- storms ----

def knock(broker, count, results):
    """Connect with a wrong password, count times, all at once."""
    packet = m.connect(V311, "storm", username="alice", password="wrong")
    sockets = [socket.create_connection(("127.0.0.1", broker.mqtt_port), brokers.PATIENCE_S)
               for _ in range(count)]
    for each in sockets:
        each.sendall(packet)
    for each in sockets:
        results.append(each.recv(4))
        each.close()


def test_who_is_in_is_served_while_strangers_try_passwords(mesh, tmp_path):
    path = tmp_path / "users"
    passwd(path, "alice", "one", "--iterations", "20000")
    broker = mesh.start("solo", args=with_users(
        path, "security.password_checks_max=20", "limits.connect_timeout_ms=600s"))
    canary = m.Raw(m.Tcp(broker), V5).hello("canary", username="alice", password="one")
    canary.subscribe("canary")
    results = []
    threads = [threading.Thread(target=knock, args=(broker, 50, results)) for _ in range(4)]
    for thread in threads:
        thread.start()
    served = 0
    while any(thread.is_alive() for thread in threads) or served < 10:
        canary.publish("canary", b"%d" % served)
        assert canary.payloads() == [b"%d" % served]
        served += 1
        # Its password is known again without work, however many wait.
        assert connack_of(broker, username="alice", password="one") == 0
    for thread in threads:
        thread.join()
    assert len(results) == 200
    # 4: refused, after the work; 3: too many waited. Nobody came in.
    assert set(results) == {b"\x20\x02\x00\x04", b"\x20\x02\x00\x03"}
    canary.drop()


def test_a_broker_stops_while_passwords_wait(mesh, tmp_path):
    path = tmp_path / "users"
    passwd(path, "alice", "one", "--iterations", "60000")
    broker = mesh.start("solo", args=with_users(path))
    sockets = [socket.create_connection(("127.0.0.1", broker.mqtt_port)) for _ in range(20)]
    for each in sockets:
        each.sendall(m.connect(V311, "storm", username="alice", password="wrong"))
    sockets[0].recv(4)  # the first is done, the others wait
    assert broker.stop() == 0
    for each in sockets:
        each.close()


# ---- who tries passwords ----

def come_in(broker, address, user, password):
    client = m.Raw(m.Tcp(broker, source=address), V5)
    client.send(m.connect(V5, "", username=user, password=password))
    return client


def test_who_tries_passwords_is_slowed_and_nobody_else(mesh, tmp_path):
    path = tmp_path / "users"
    passwd(path, "alice", "one", "--iterations", "4096")
    passwd(path, "bob", "two", "--iterations", "4096")
    # Waits as long as the test, so that nothing is a matter of time.
    broker = mesh.start("solo", args=with_users(
        path, "security.failure_delay_ms=500s", "security.failure_delay_max_ms=500s",
        "limits.connect_timeout_ms=600s"))

    def answer(*words):
        client = come_in(broker, *words)
        try:
            return client.expect(m.CONNACK).reason
        finally:
            client.drop()

    def passwords():
        return broker.ask("status")["passwords"]

    assert answer("127.0.0.2", "alice", "one") == 0
    attempts = [come_in(broker, "127.0.0.2", "alice", f"wrong {i}") for i in range(30)]
    brokers.wait_until(lambda: passwords()["wrong"] + passwords()["refused_early"] == 30,
                       "all to be decided")
    stats = passwords()
    assert 10 <= stats["wrong"] == stats["refusals_waiting"] <= 12
    assert stats["addresses"] == 1
    assert answer("127.0.0.2", "alice", "one") == 0, "known, whoever else is there"
    assert answer("127.0.0.2", "bob", "two") == BUSY, "not looked at"
    assert answer("127.0.0.3", "bob", "two") == 0, "another address is another's"
    scram = Scram("bob", "two")
    client = m.Raw(m.Tcp(broker, source="127.0.0.2"), V5)
    client.send(m.connect(V5, "", props=((m.AUTH_METHOD, METHOD), (m.AUTH_DATA, scram.first()))))
    assert client.expect(m.CONNACK).reason == BUSY
    for each in (client, *attempts):
        each.drop()
    assert answer("127.0.0.2", "bob", "wrong") == BUSY, "leaving helps nobody"
    assert broker.log().count("passwords.wrong") == 1


def test_scram_and_passwords_share_an_account_and_refusals_come(mesh, tmp_path):
    path = tmp_path / "users"
    passwd(path, "alice", "one", "--iterations", "4096")
    broker = mesh.start("solo", args=with_users(
        path, "security.failure_delay_ms=20ms", "security.failure_delay_max_ms=100ms"))
    client = come_in(broker, "127.0.0.2", "alice", "wrong")
    assert client.expect(m.CONNACK).reason == BAD_PASSWORD
    assert client.until_closed() == []
    client, scram = m.Raw(m.Tcp(broker, source="127.0.0.2"), V5), Scram("alice", "wrong")
    client.send(m.connect(V5, "", props=((m.AUTH_METHOD, METHOD), (m.AUTH_DATA, scram.first()))))
    client.send(auth(0x18, scram.final(auth_from(client.next())[1])))
    assert client.expect(m.CONNACK).reason == BAD_PASSWORD
    assert client.until_closed() == []
    stats = broker.ask("status")["passwords"]
    assert (stats["wrong"], stats["addresses"], stats["refusals_waiting"]) == (2, 1, 0)


# ---- plexus passwd ----

def test_passwd_keeps_what_else_is_in_the_file(tmp_path):
    path = tmp_path / "users"
    passwd(path, "alice", "one\n")
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.read_text().startswith("alice:SCRAM-SHA-256$15000:")
    path.write_text("# people\n" + path.read_text() + "\n# the end\n")
    before = path.read_text()
    passwd(path, "alice", "two\n")
    lines = path.read_text().split("\n")
    assert lines[0] == "# people" and lines[2:] == ["", "# the end", ""]
    assert path.read_text() != before
    passwd(path, "bob", "three", "--password-stdin")
    passwd(path, "alice", None, "--delete")
    assert [line.split(":")[0] for line in path.read_text().split("\n")] == [
        "# people", "", "# the end", "bob", ""]
    assert "alice" in passwd(path, "alice", None, "--delete", code=1)
    assert os.listdir(tmp_path) == ["users"]


@pytest.mark.parametrize("words,code", [
    (["a:b"], 2), (["#a"], 2), ([""], 2), (["a", "b"], 2), (["a", "--iterations", "4095"], 2),
    (["a", "--iterations"], 2), (["a", "--frobnicate"], 2)])
def test_passwd_refuses_what_no_file_could_hold(tmp_path, words, code):
    passwd(tmp_path / "users", words[0], "secret", *words[1:], code=code)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("password", ["", "\n", "x" * 1025])
def test_passwd_refuses_passwords_that_are_none(tmp_path, password):
    passwd(tmp_path / "users", "alice", password, code=1)
    assert os.listdir(tmp_path) == []


def test_passwd_asks_twice_on_a_terminal_and_shows_nothing(tmp_path):
    path, primary, secondary = tmp_path / "users", *os.openpty()
    command = [brokers.program(brokers.default_build(), "plexus"), "passwd", str(path), "alice"]
    process = subprocess.Popen(command, stdin=secondary, stdout=secondary, stderr=secondary,
                               preexec_fn=brokers.in_own_group, env=brokers.CLIENT_ENV)
    os.close(secondary)
    shown = b""
    for _ in range(2):
        while not shown.endswith(b": "):
            shown += os.read(primary, 100)
        os.write(primary, b"sesame\n")
        shown += os.read(primary, 1)
    assert process.wait(brokers.PATIENCE_S) == 0
    os.close(primary)
    assert b"Password: " in shown and b"Once more: " in shown and b"sesame" not in shown
    assert path.read_text().startswith("alice:SCRAM-SHA-256$")
