# SPDX-License-Identifier: Apache-2.0
"""What was acknowledged survives kill -9: real processes, real clients, real disks.

The rounds of test_kill_9_under_load are few by default; PLEXUS_KILL_ROUNDS=200 makes it a
long run.
"""
import collections
import contextlib
import json
import os
import pathlib
import queue
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time

import paho.mqtt.client as paho
import pytest

from brokers import PATIENCE_S, PROGRAM_ENV, Broker, program, wait_until
from clients import V311, V5, Client

ROUNDS = int(os.environ.get("PLEXUS_KILL_ROUNDS", "4"))


@pytest.fixture
def durable(tmp_path):
    """A broker with a data directory, that can be killed and started again."""
    broker = Broker("durable", data=tmp_path / "data",
                    args=["--set", "session.queue_messages_max=1000000"]).start()
    yield broker
    if broker.alive():
        broker.stop()
    broker.check_clean()


def restart(broker):
    broker.kill()
    broker.start()


def test_sessions_subscriptions_and_queues_survive(durable):
    with Client(durable, client_id="kept", persistent=True) as client:
        client.subscribe("a/#", 1)
        client.subscribe("b/+", 2)
    with Client(durable) as publisher:
        for i in range(5):
            publisher.publish("a/x", f"one {i}", 1)
            publisher.publish("b/x", f"two {i}", 2)
    restart(durable)
    with Client(durable, client_id="kept", persistent=True) as client:
        assert client.session_present
        got = [client.receive() for _ in range(10)]
        for qos, word in ((1, "one"), (2, "two")):  # Paho shows QoS 2 only when it is over
            assert [m.payload.decode() for m in got if m.qos == qos] == [
                f"{word} {i}" for i in range(5)]
        client.publish("a/y", "still subscribed", 1)
        assert client.receive().payload == b"still subscribed"


def test_a_client_knows_its_own_retained_message_after_a_restart(durable):
    """[MQTT-3.8.3-3] And nobody else takes it for their own."""
    with Client(durable, client_id="x") as client:
        client.publish("a", "m", 1, retain=True)
    restart(durable)
    for name in ("other", "x"):
        with Client(durable, client_id=name) as client:
            client.subscribe("a", 1, noLocal=True)
            if name == "other":
                assert client.receive().payload == b"m"
            client.subscribe("b").publish("b", "end")
            assert client.receive().payload == b"end"


def test_version_3_sessions_survive_too(durable):
    with Client(durable, V311, client_id="old", persistent=True) as client:
        client.subscribe("a", 1)
    with Client(durable, V311) as publisher:
        publisher.publish("a", "m", 1)
    restart(durable)
    with Client(durable, V311, client_id="old", persistent=True) as client:
        assert client.session_present
        assert client.receive().payload == b"m"


def test_what_was_taken_from_the_queue_does_not_come_back(durable):
    with Client(durable, client_id="kept", persistent=True) as client:
        client.subscribe("a", 2)
        client.publish("a", "m", 2)
        assert client.receive().payload == b"m"
    durable.stop()
    durable.start()
    with Client(durable, client_id="kept", persistent=True) as client:
        assert client.session_present
        client.expect_silence()


def test_a_session_that_was_ended_stays_ended(durable):
    with Client(durable, client_id="kept", persistent=True) as client:
        client.subscribe("a", 1)
    with Client(durable, client_id="kept"):
        pass
    restart(durable)
    with Client(durable, client_id="kept", persistent=True) as client:
        assert not client.session_present


def test_retained_messages_survive_and_deleted_ones_stay_away(durable):
    with Client(durable) as client:
        client.publish("r/one", "1", 1, retain=True)
        client.publish("r/two", "2", 1, retain=True)
        client.publish("r/two", "", 1, retain=True)
        client.publish("r/zero", "0", 0, retain=True)
        time.sleep(1.2)  # QoS 0 is kept within a second, and nothing tells
    restart(durable)
    with Client(durable) as client:
        client.subscribe("r/#", 1)
        got = sorted([client.receive().topic, client.receive().topic])
        assert got == ["r/one", "r/zero"]
        client.expect_silence()


def test_the_will_of_who_was_connected_is_sent_after_the_crash(durable):
    with Client(durable, client_id="heir", persistent=True) as heir:
        heir.subscribe("will/#", 1)
    mortal = paho.Client("mortal", protocol=paho.MQTTv311)
    mortal.will_set("will/mortal", "gone", 1)
    mortal.connect("127.0.0.1", durable.mqtt_port)
    mortal.loop_start()
    wait_until(mortal.is_connected, "the mortal")
    time.sleep(0.7)  # the will of a clean session is written lazily
    mortal.loop_stop()
    restart(durable)
    with Client(durable, client_id="heir", persistent=True) as heir:
        assert heir.receive().payload == b"gone"


def test_a_backlog_survives_and_drains_in_order(durable):
    count = 20000
    with Client(durable, client_id="slow", persistent=True) as client:
        client.subscribe("q", 1)
    with Client(durable) as publisher:
        for i in range(count):
            publisher.publish("q", str(i), 1, wait=i == count - 1)
    wait_until(lambda: durable.ask("status") and True, "the broker")
    restart(durable)
    assert f"queued={count}" in durable.log()
    with Client(durable, client_id="slow", persistent=True) as client:
        numbers = [int(client.receive().payload) for _ in range(count)]
    assert numbers == list(range(count))


def test_a_directory_has_one_broker(durable):
    other = Broker("other", data=durable.data).start(wait=False)
    assert other.process.wait(PATIENCE_S) == 2
    other.reader.join()
    assert "in use" in other.log() or "another" in other.log(), other.log()


def store_command(broker, *words):
    return subprocess.run([program(broker.build, "plexus"), "store", *words], text=True,
                          capture_output=True, check=False, env=PROGRAM_ENV, timeout=60)


def keep_three(broker):
    """A session that is away, with three messages."""
    with Client(broker, client_id="kept", persistent=True) as client:
        client.subscribe("a", 1)
    with Client(broker) as publisher:
        for i in range(3):
            publisher.publish("a", str(i), 1)


def test_a_backup_is_whole_and_can_be_gone_back_to(durable):
    keep_three(durable)
    durable.process.send_signal(signal.SIGUSR1)
    copy = pathlib.Path(durable.wait_log(r'store\.backup dir="([^"]+)"').group(1))
    durable.wait_log(r"store\.backup_done")
    with Client(durable, client_id="kept", persistent=True) as client:
        assert [client.receive().payload for _ in range(3)] == [b"0", b"1", b"2"]
    durable.stop()
    assert store_command(durable, "check", str(copy)).returncode == 0
    shown = json.loads(store_command(durable, "dump", "--json", str(copy)).stdout)
    assert "kept" in json.dumps(shown)
    shutil.rmtree(durable.data / "store")
    copy.rename(durable.data / "store")
    durable.start()
    with Client(durable, client_id="kept", persistent=True) as client:
        assert client.session_present
        assert [client.receive().payload for _ in range(3)] == [b"0", b"1", b"2"]


def test_damage_is_found_named_and_gone_around(durable):
    keep_three(durable)
    with Client(durable) as client:
        client.publish("r", "kept", 1, retain=True)
    durable.kill()
    journal = sorted((durable.data / "store").glob("journal-*.log"))[0]
    raw = bytearray(journal.read_bytes())
    at = raw.index(b"kept")  # the session's name
    raw[at] ^= 0x10
    journal.write_bytes(raw)
    said = store_command(durable, "check", str(durable.data))
    assert said.returncode == 1 and journal.name in said.stdout, said
    durable.start()
    assert journal.name in durable.wait_log(r"store\.damage .*").group(0)
    with Client(durable) as client:
        client.subscribe("r", 1)
        assert client.receive().payload == b"kept", "the rest is served"


PAGE = 4096


def page_of(raw, what):
    """Where the page of the tables begins that the last transaction wrote and that has it."""
    pages = [at for at in range(2 * PAGE, len(raw), PAGE) if what in raw[at:at + PAGE]]
    assert pages, what
    return pages[-1]


def leaf_head_bit(raw):
    """The number of rows in a page of messages."""
    at = page_of(raw, b"text 0 of 7")
    raw[at + 12] ^= 0x04
    return at // PAGE


def head_bit(raw):
    """Where the tree of all tables begins, in the head of the last transaction."""
    head = max((0, 1), key=lambda page: raw[page * PAGE + 16 + 128])
    raw[head * PAGE + 16 + 24 + 48 + 40] ^= 0x01
    return head


def lost_sector(raw):
    """The end of a page of messages, which its first rows are in."""
    at = page_of(raw, b"text 0 of 7")
    raw[at + PAGE - 512:at + PAGE] = bytes(512)
    return at // PAGE


@pytest.mark.parametrize("damage", [leaf_head_bit, head_bit, lost_sector])
def test_damage_in_the_tables_is_found_named_and_gone_around(durable, damage):
    sessions, texts = 20, 5
    for i in range(sessions):
        with Client(durable, client_id=f"kept {i}", persistent=True) as client:
            client.subscribe(f"a/{i}", 1)
    with Client(durable) as publisher:
        for i in range(sessions):
            for text in range(texts):
                publisher.publish(f"a/{i}", f"text {text} of {i}" + 400 * "-", 1)
    durable.process.send_signal(signal.SIGUSR1)  # what is copied is in the tables
    durable.wait_log(r"store\.backup_done")
    durable.kill()
    tables = durable.data / "store" / "tables.mdb"
    raw = bytearray(tables.read_bytes())
    page = damage(raw)
    tables.write_bytes(raw)
    said = store_command(durable, "check", str(durable.data))
    assert said.returncode == 1 and f"tables.mdb: page {page}:" in said.stdout, said
    assert tables.read_bytes() == bytes(raw), "who only looks changes nothing"
    durable.start()
    durable.wait_log(rf"store\.damage .*tables\.mdb: page {page}:")
    assert (tables.parent / "tables-damaged-1.mdb").read_bytes() == bytes(raw)
    assert durable.ask("status")["store"]["damaged"] > 0
    lost = 0
    for i in range(sessions):
        with Client(durable, client_id=f"kept {i}", persistent=True) as client:
            assert client.session_present
            client.publish(f"a/{i}", "the end", 1)
            got = [client.receive().payload.decode()]
            while got[-1] != "the end":
                got.append(client.receive().payload.decode())
            all_of_it = [f"text {text} of {i}" + 400 * "-" for text in range(texts)]
            assert [text for text in all_of_it if text in got] == got[:-1]
            lost += texts + 1 - len(got)
    assert lost <= (PAGE // 400 if damage is lost_sector else 0)
    restart(durable)
    assert "store.damage" not in durable.log(), "it is whole again"


def test_a_running_brokers_store_is_left_alone(durable):
    said = store_command(durable, "check", str(durable.data))
    assert said.returncode == 1 and "using" in said.stdout + said.stderr


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 48 MiB."""
    where = tmp_path / "disk"
    where.mkdir()
    if os.geteuid() != 0 or subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=48m", "plexus-test", where],
            check=False, capture_output=True).returncode:
        pytest.skip("a file system of its own needs root, and may not be had in a container")
    yield where
    subprocess.run(["umount", "-l", where], check=True)


def test_a_full_disk_refuses_and_recovers_and_loses_nothing(small_disk):
    broker = Broker("full", data=small_disk / "data").start()
    try:
        with Client(broker, client_id="kept", persistent=True) as client:
            client.subscribe("a", 1)
        filler = small_disk / "filler"
        with open(filler, "wb") as file, contextlib.suppress(OSError):
            while True:
                file.write(bytes(65536))
        acked, held = [], None
        with Client(broker, V311) as publisher:
            for i in range(2000):  # 3.1.1 hears of no refusal: it waits until there is room
                info = publisher.paho.publish("a", i.to_bytes(4, "big") + bytes(60000), 1)
                wait_until(lambda m=info: m.is_published() or refuses(broker), "an answer")
                if not info.is_published() and refuses(broker):
                    held = info
                    break
                acked.append(i)
            assert held and "store.full" in broker.log()
            filler.unlink()
            broker.wait_log(r"store\.full[\s\S]*store\.well")
            wait_until(held.is_published, "the answer that waited")
            acked.append(i)
            publisher.publish("a", (i + 1).to_bytes(4, "big"), 1)
            acked.append(i + 1)
        restart(broker)
        got = []
        with Client(broker, client_id="kept", persistent=True) as client:
            while len(got) < len(acked):
                payload = client.receive().payload
                if len(payload) > 1:  # no probe that was taken
                    got.append(int.from_bytes(payload[:4], "big"))
        assert got == acked
    finally:
        broker.stop()
    broker.check_clean()


class Drain:
    """What a session gets, over all its connections; what one of them did not come to acknowledge
    comes again."""

    def __init__(self, broker):
        self.broker, self.numbers = broker, []

    def note(self, payload):
        number = int.from_bytes(payload[:4], "big")
        if len(payload) > 1 and number >= len(self.numbers):  # no probe, and no repetition
            self.numbers.append(number)

    def until(self, condition, what):
        def step():
            with contextlib.suppress(queue.Empty):
                self.note(client.messages.get(timeout=0.02).payload)
            return condition()

        with Client(self.broker, client_id="kept", persistent=True) as client:
            wait_until(step, what, every_s=0)
        while not client.messages.empty():  # it has acknowledged them
            self.note(client.messages.get().payload)


def test_a_disk_that_is_full_to_the_last_byte_drains_and_goes_on(small_disk):
    """More goes through than there is room for, although none comes back from outside."""
    broker = Broker("full", data=small_disk / "data").start()
    drain, count, times_full = Drain(broker), 900, 0
    try:
        with Client(broker, client_id="kept", persistent=True) as client:
            client.subscribe("a", 1)
        with Client(broker, V311) as publisher:
            for i in range(count):
                if i == 100:  # it has made ahead what it needs
                    fill_up(small_disk / "filler")
                sent = publisher.paho.publish("a", i.to_bytes(4, "big") + bytes(60000), 1)
                wait_until(lambda m=sent: m.is_published() or refuses(broker), "an answer")
                if not sent.is_published():
                    times_full += 1
                    drain.until(sent.is_published, "room that draining makes")
        drain.until(lambda: len(drain.numbers) == count, "the rest")
        assert drain.numbers == list(range(count))
        assert times_full > 1 and count * 60000 > 3 * 16 << 20
    finally:
        broker.stop()
    broker.check_clean()


def fill_up(path):
    """Leave no byte of the file system."""
    for size in (65536, 1):
        with contextlib.suppress(OSError), open(path, "ab", 0) as file:
            while True:
                file.write(bytes(size))


def refuses(broker):
    """Does a client of version 5 hear 0x97 for a message that a session waits for?"""
    with socket.create_connection(("127.0.0.1", broker.mqtt_port), PATIENCE_S) as s:
        s.sendall(bytes.fromhex("1010 0004 4d515454 05 02 003c 00 0003 666c6c"))
        kind, length = s.recv(2, socket.MSG_WAITALL)
        assert kind == 0x20 and s.recv(length, socket.MSG_WAITALL)
        s.sendall(bytes.fromhex("32 07 0001 61 0009 00 78"))
        s.settimeout(0.5)
        try:
            kind, length = s.recv(2, socket.MSG_WAITALL)
            said = s.recv(length, socket.MSG_WAITALL)
        except TimeoutError:
            return False
        return kind == 0x40 and length > 2 and said[2] == 0x97


def test_without_a_directory_named_the_users_state_is_where_it_goes():
    if os.geteuid() != 0:
        pytest.skip("somebody who may not write /var/lib is at hand for root only")
    with tempfile.TemporaryDirectory() as home:
        os.chmod(home, 0o777)
        process = subprocess.Popen(
            ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups",
             program(Broker("x").build, "plexusd"), "--name", "at/home", "--mqtt", "127.0.0.1:0",
             "--web", "none"], env={**PROGRAM_ENV, "HOME": home, "XDG_STATE_HOME": ""},
            stderr=subprocess.PIPE, text=True)
        line = next(text for text in process.stderr if "server.start" in text)
        process.terminate()
        process.communicate(timeout=PATIENCE_S)
        assert f'data="{home}/.local/state/plexus/at_home"' in line


def test_a_broker_without_memory_says_so():
    broker = Broker("forgets").start()
    broker.wait_log(r"server\.no_data")
    broker.stop()
    broker.check_clean()


class ExactClient(paho.Client):
    """Paho 1.6 forgets with its second attempt to come back which of its messages had PUBREC:
    it sends them again as if they were new, after PUBREL."""

    def _messages_reconnect_reset_out(self):
        released = [m for m in self._out_messages.values()
                    if m.state == paho.mqtt_ms_resend_pubrel]
        super()._messages_reconnect_reset_out()
        for message in released:
            message.state = paho.mqtt_ms_resend_pubrel


def is_published(info):
    """Paho raises for a message that waited for a connection, even when it has been sent."""
    with info._condition:
        return info._published


class Publisher:
    """Publishes numbers, as many as are acknowledged in time, over any number of crashes."""

    def __init__(self, broker, name, qos):
        self.name, self.qos, self.sent, self.infos = name, qos, 0, {}
        self.stop = threading.Event()
        self.client = ExactClient(name, clean_session=False, protocol=paho.MQTTv311)
        self.client.reconnect_delay_set(0.05, 0.2)
        self.client.max_inflight_messages_set(50)
        self.client.connect("127.0.0.1", broker.mqtt_port)
        self.client.loop_start()
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    @property
    def acked(self):
        return {n for n, info in self.infos.copy().items() if is_published(info)}

    def has_room(self):
        """The oldest of the last forty has been answered."""
        return self.sent < 40 or is_published(self.infos[self.sent - 39])

    def run(self):
        while not self.stop.is_set():
            if self.client.is_connected() and self.has_room():
                self.sent += 1
                self.infos[self.sent] = self.client.publish(
                    f"load/{self.name}", str(self.sent), self.qos)
                if self.sent % 10 == 0:
                    self.client.publish(f"state/{self.name}", str(self.sent), 1, retain=True)
            else:
                time.sleep(0.001)

    def finish(self):
        self.stop.set()
        self.thread.join()
        wait_until(lambda: len(self.acked) >= self.sent, f"the answers to {self.name}", 60)
        self.client.disconnect()
        self.client.loop_stop()


class Subscriber:
    def __init__(self, broker, name, qos):
        self.name, self.qos, self.got = name, qos, collections.defaultdict(list)
        self.client = paho.Client(name, clean_session=False, protocol=paho.MQTTv311)
        self.client.reconnect_delay_set(0.05, 0.2)
        self.client.on_message = self.on_message
        self.client.on_connect = self.on_connect
        self.lost, self.subscribed = 0, threading.Event()
        self.client.on_subscribe = lambda *_: self.subscribed.set()
        self.client.connect("127.0.0.1", broker.mqtt_port)
        self.client.loop_start()
        assert self.subscribed.wait(PATIENCE_S)

    def on_connect(self, client, _userdata, flags, _code):
        if not self.subscribed.is_set():
            client.subscribe([("load/#", self.qos), ("will/#", 1)])
        elif not flags["session present"]:
            self.lost += 1

    def on_message(self, _client, _userdata, message):
        self.got[message.topic].append(int(message.payload))

    def close(self):
        self.client.disconnect()
        self.client.loop_stop()


def check(subscriber, publisher):
    got = subscriber.got[f"load/{publisher.name}"]
    first = list(dict.fromkeys(got))
    assert set(got) >= publisher.acked, (
        f"{subscriber.name} lost {sorted(publisher.acked - set(got))[:9]} of {publisher.name}")
    assert first == sorted(first), f"{subscriber.name}: {publisher.name} came in disorder"
    if min(subscriber.qos, publisher.qos) == 2:
        again = [n for n, times in collections.Counter(got).items() if times > 1]
        assert not again, f"{subscriber.name} got {again[:9]} of {publisher.name} twice"


def come_to_die(broker, number):
    """A client that is connected, with a will, when the broker goes; it does not come back."""
    client = paho.Client(f"mortal-{number}", clean_session=False, protocol=paho.MQTTv311)
    client.will_set("will/mortal", str(number), 1)
    client.connect("127.0.0.1", broker.mqtt_port)
    client.loop_start()
    wait_until(client.is_connected, "a client with a will")
    return client


def test_kill_9_under_load(durable):
    rand = random.Random(os.environ.get("PLEXUS_SEED", "7"))
    subscribers = [Subscriber(durable, "exact", 2), Subscriber(durable, "least", 1)]
    publishers = [Publisher(durable, "one", 1), Publisher(durable, "two", 2)]
    for number in range(ROUNDS):
        mortal = come_to_die(durable, number)
        time.sleep(rand.uniform(0.05, 1.0))
        durable.kill()
        mortal.loop_stop()
        durable.start()
    for each in publishers:
        each.finish()
    for subscriber in subscribers:
        for publisher in publishers:
            wait_until(lambda s=subscriber, p=publisher:
                       set(s.got[f"load/{p.name}"]) >= p.acked or None,
                       f"what {publisher.name} sent at {subscriber.name}", 300, every_s=0.5)
            check(subscriber, publisher)
        assert subscriber.lost == 0
        assert set(subscriber.got["will/mortal"]) == set(range(ROUNDS)), subscriber.name
        subscriber.close()
    with Client(durable) as late:
        late.subscribe("state/#", 1)
        for _ in publishers:
            message = late.receive()
            sent = {p.name: p.sent for p in publishers}[message.topic.split("/")[1]]
            assert sent - 10 <= int(message.payload) <= sent
    assert all(p.sent > 20 * ROUNDS for p in publishers), "there was a load"
