# SPDX-License-Identifier: Apache-2.0
"""Clients that are not ours, behind one face: Paho (Python), mosquitto_pub and _sub."""
import collections
import queue
import re
import subprocess
import threading
import time
import uuid

import paho.mqtt.client as paho
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

import brokers
from brokers import PATIENCE_S

V31, V311, V5 = paho.MQTTv31, paho.MQTTv311, paho.MQTTv5
MOSQUITTO_VERSION = {V31: "mqttv31", V311: "mqttv311", V5: "mqttv5"}


def properties(kind, **values):
    made = Properties(getattr(PacketTypes, kind))
    for name, value in values.items():
        setattr(made, name, value)
    return made


class Client:
    """A Paho client on its own thread. Every wait ends in an assertion, never in silence."""

    def __init__(self, broker, version=V5, transport="tcp", client_id=None, persistent=False,
                 will=None, keepalive=60):
        self.version, self.broker = version, broker
        self.messages, self.events = queue.Queue(), queue.Queue()
        self.connack = self.disconnected = None
        clean = {} if version == V5 else {"clean_session": not persistent}
        self.paho = paho.Client(client_id or "t-" + uuid.uuid4().hex[:12], protocol=version,
                                transport=transport, **clean)
        if transport == "websockets":
            self.paho.ws_set_options("/mqtt")
        if will:
            self.paho.will_set(*will)
        self.paho.on_connect = lambda c, u, flags, code, *rest: self.on_connect(flags, code)
        self.paho.on_disconnect = lambda c, u, code, *rest: self.on_disconnect(code)
        self.paho.on_message = lambda c, u, message: self.messages.put(message)
        self.paho.on_subscribe = lambda c, u, mid, *rest: self.events.put(("suback", mid))
        self.paho.on_unsubscribe = lambda c, u, mid, *rest: self.events.put(("unsuback", mid))
        self.persistent, self.keepalive = persistent, keepalive

    def on_connect(self, flags, code):
        self.connack = (flags, int(getattr(code, "value", code)))
        self.events.put(("connack", code))

    def on_disconnect(self, code):
        self.disconnected = int(getattr(code, "value", code) or 0)
        self.events.put(("disconnected", self.disconnected))

    def connect(self):
        port = self.broker.web_port if self.paho._transport == "websockets" \
            else self.broker.mqtt_port
        more = {}
        if self.version == V5:
            expiry = 3600 if self.persistent else 0
            more = {"clean_start": not self.persistent,
                    "properties": properties("CONNECT", SessionExpiryInterval=expiry)}
        self.paho.reconnect_delay_set(3600, 3600)
        self.paho.connect("127.0.0.1", port, self.keepalive, **more)
        self.paho.loop_start()
        self.await_event("connack")
        assert self.connack[1] == 0, f"refused: {self.connack}"
        return self

    @property
    def session_present(self):
        return bool(self.connack[0]["session present"])

    def await_event(self, kind, timeout_s=PATIENCE_S):
        deadline = time.monotonic() + timeout_s
        while True:
            try:
                event = self.events.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                raise AssertionError(f"no {kind} within {timeout_s} s") from None
            if event[0] == kind:
                return event[1]

    def subscribe(self, topic, qos=0, **options):
        if self.version == V5:
            result, _ = self.paho.subscribe(topic, options=SubscribeOptions(qos, **options))
        else:
            result, _ = self.paho.subscribe(topic, qos)
        assert result == paho.MQTT_ERR_SUCCESS
        self.await_event("suback")
        return self

    def unsubscribe(self, topic):
        self.paho.unsubscribe(topic)
        self.await_event("unsuback")

    def publish(self, topic, payload=b"", qos=0, retain=False, wait=True):
        sent = self.paho.publish(topic, payload, qos, retain)
        assert sent.rc == paho.MQTT_ERR_SUCCESS, sent.rc
        if wait:
            sent.wait_for_publish(PATIENCE_S)
            assert sent.is_published(), f"QoS {qos} publish was not acknowledged"
        return sent

    def receive(self, timeout_s=PATIENCE_S):
        try:
            return self.messages.get(timeout=timeout_s)
        except queue.Empty:
            raise AssertionError(f"no message within {timeout_s} s") from None

    def expect_silence(self, for_s=0.3):
        try:
            message = self.messages.get(timeout=for_s)
        except queue.Empty:
            return
        raise AssertionError(f"unexpected {message.topic}: {message.payload[:80]!r}")

    def drop(self):
        """Close the socket without a DISCONNECT, as a lost device does."""
        self.paho._sock_close()
        self.paho.loop_stop()

    def close(self):
        self.paho.disconnect()
        self.paho.loop_stop()

    def __enter__(self):
        return self.connect()

    def __exit__(self, *_):
        self.close()


class Printer:
    """A subscribing program whose lines, `GOT topic hex`, are collected."""

    LINE = re.compile(r"GOT (\S+) ([0-9a-fA-F]*)$")

    def __init__(self, command):
        self.lines, self.got = [], collections.defaultdict(list)
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True,
                                        stderr=subprocess.STDOUT, preexec_fn=brokers.in_own_group,
                                        env=brokers.CLIENT_ENV)
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def read(self):
        for line in self.process.stdout:
            self.lines.append(line.rstrip("\n"))
            match = self.LINE.search(line.rstrip("\n"))
            if match:
                self.got[match.group(1)].append(bytes.fromhex(match.group(2)))

    def wait_line(self, text):
        brokers.wait_until(lambda: any(text in line for line in self.lines),
                           f"{text!r} from {self.process.args}")

    def close(self):
        """Stop it and read what it says to that, a sanitizer's report included."""
        self.process.terminate()
        self.process.wait(10)
        self.reader.join(10)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def mosquitto_sub(broker, topic, qos, version=V5):
    command = ["stdbuf", "-oL", "mosquitto_sub", "-h", "127.0.0.1", "-p", str(broker.mqtt_port),
               "-V", MOSQUITTO_VERSION[version], "-q", str(qos), "-t", topic, "-d",
               "-F", "GOT %t %x"]
    printer = Printer(command)
    printer.wait_line("Subscribed")
    return printer


def mosquitto_pub(broker, topic, payload, qos=0, version=V5, retain=False):
    """Payload goes in by standard input, so that any bytes may."""
    command = ["mosquitto_pub", "-h", "127.0.0.1", "-p", str(broker.mqtt_port), "-V",
               MOSQUITTO_VERSION[version], "-q", str(qos), "-t", topic]
    command += ["-s"] if payload else ["-n"]
    command += ["-r"] if retain else []
    done = subprocess.run(command, input=payload, capture_output=True, timeout=PATIENCE_S)
    assert done.returncode == 0, done.stderr.decode()
