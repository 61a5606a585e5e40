# SPDX-License-Identifier: Apache-2.0
"""Three brokers in a line and events from one end to the other: what ./dev mesh runs."""
import collections
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.dont_write_bytecode = True
sys.path.insert(0, str(ROOT / "test" / "system"))

import brokers  # noqa: E402

TOPIC = "plant/1/temperature"


class Subscriber:
    """A client at the far end; every line it prints is counted and passed on."""

    def __init__(self, broker, show):
        self.seen, self.show = collections.Counter(), show
        self.process = subprocess.Popen(self.command(broker), stdout=subprocess.PIPE, text=True)
        threading.Thread(target=self.read, daemon=True).start()

    @staticmethod
    def command(broker):
        if shutil.which("mosquitto_sub"):
            return ["stdbuf", "-oL", "mosquitto_sub", "-h", "127.0.0.1", "-p", str(broker.mqtt_port),
                    "-V", "mqttv5", "-q", "2", "-t", "plant/#"]
        return [brokers.program(broker.build, "plexus"), "sub", "-h", "127.0.0.1", "-p",
                str(broker.mqtt_port), "-q", "2", "-t", "plant/#"]

    def read(self):
        for line in self.process.stdout:
            self.seen[line.strip()] += 1
            if self.show:
                print(f"  cloud received {line.strip()}", flush=True)

    def stop(self):
        self.process.terminate()
        self.process.wait(10)


def publish(broker, payload, qos):
    client = ["mosquitto_pub"] if shutil.which("mosquitto_pub") else \
        [brokers.program(broker.build, "plexus"), "pub"]
    subprocess.run([*client, "-h", "127.0.0.1", "-p", str(broker.mqtt_port), "-q", str(qos),
                    "-t", TOPIC, "-m", payload], check=True, timeout=20)


def await_interest(edge, subscriber):
    """Publish until the far end is heard of: interest travels, nobody configured a route."""
    for attempt in range(200):
        publish(edge, f"hello {attempt}", 0)
        time.sleep(0.05)
        if any(line.startswith("hello") for line in subscriber.seen):
            return
    raise AssertionError("nothing published at edge arrives at cloud")


def check_once(edge, subscriber):
    sent = [f"event {n} at QoS {qos}" for qos in (0, 1, 2) for n in range(5)]
    for payload in sent:
        publish(edge, payload, int(payload[-1]))
    brokers.wait_until(lambda: all(subscriber.seen[p] for p in sent), "every event", 10)
    time.sleep(0.3)
    wrong = {p: subscriber.seen[p] for p in sent if subscriber.seen[p] != 1}
    assert not wrong, f"not exactly once: {wrong}"
    print(f"{len(sent)} events of QoS 0, 1 and 2 arrived at cloud exactly once")


def publish_for_ever(edge, cloud):
    print(f"\nThe same events live in a browser: {cloud.web_url}/")
    print(f"Publish your own: mosquitto_pub -p {edge.mqtt_port} -t plant/2/door -m open")
    print("Ctrl-C ends it.\n", flush=True)
    number = 0
    while True:
        number += 1
        publish(edge, f'{{"event": {number}, "celsius": {20 + number % 7}}}', number % 3)
        time.sleep(1)


def run(once):
    mesh = brokers.Brokers(ROOT / "build")
    subscriber = None
    try:
        started = time.monotonic()
        edge, hub, cloud = mesh.line("edge", "hub", "cloud")
        print(f"edge {edge.mqtt} - hub {hub.mqtt} - cloud {cloud.mqtt}: a mesh after "
              f"{time.monotonic() - started:.1f} s")
        subscriber = Subscriber(cloud, show=True)
        await_interest(edge, subscriber)
        if once:
            check_once(edge, subscriber)
        else:
            publish_for_ever(edge, cloud)
    finally:
        if subscriber:
            subscriber.stop()
        mesh.stop()


def main(arguments):
    if arguments not in ([], ["--once"]):
        print("usage: ./dev mesh [--once]", file=sys.stderr)
        return 2
    signal.signal(signal.SIGTERM, lambda *_: (_ for _ in ()).throw(KeyboardInterrupt()))
    try:
        run("--once" in arguments)
    except KeyboardInterrupt:
        print()
    except (AssertionError, OSError, subprocess.SubprocessError) as error:
        print(f"mesh: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    os.chdir(ROOT)
    sys.exit(main(sys.argv[1:]))
