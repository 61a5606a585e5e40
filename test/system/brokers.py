# SPDX-License-Identifier: Apache-2.0
"""Start real brokers on free loopback ports, watch them, stop them. Standard library only:
./dev mesh uses it too, on a machine that has nothing else.
"""
import ctypes
import json
import os
import pathlib
import re
import signal
import subprocess
import threading
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
READY = re.compile(r"\bserver\.ready\b.*?\bmqtt=(\S+).*?\bweb=(\S+)")
SANITIZER = re.compile(r"AddressSanitizer|LeakSanitizer|UndefinedBehaviorSanitizer"
                       r"|runtime error:|Assertion .* failed")
# What a program of ours runs with: sanitizers that speak up, and none of our own variables,
# which would be taken for keys of the configuration.
PROGRAM_ENV = {
    **{name: value for name, value in os.environ.items() if not name.startswith("PLEXUS_")},
    "ASAN_OPTIONS": "detect_leaks=1:exitcode=99",
    "UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1",
}
# The same for the plexus program, which links Paho.
CLIENT_ENV = {**PROGRAM_ENV, "LSAN_OPTIONS": "print_suppressions=0:suppressions="
              + str(pathlib.Path(__file__).with_name("paho.supp"))}
# How long something that is awaited may take on a busy machine before it counts as lost.
PATIENCE_S = 20


LIBC = ctypes.CDLL(None)
PR_SET_PDEATHSIG = 1


def in_own_group():
    """For a child before exec: out of reach of Ctrl-C, and dead when we are."""
    os.setpgid(0, 0)
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def default_build():
    chosen = os.environ.get("PLEXUS_BUILD")
    if chosen:
        return pathlib.Path(chosen).resolve()
    sanitized = ROOT / "build-asan"
    return sanitized if (sanitized / "build.ninja").exists() else ROOT / "build"


def program(build, name):
    if not (build / name).is_file():
        raise FileNotFoundError(f"{build} has no {name}: build it first (./dev build)")
    return str(build / name)


def wait_until(condition, what, timeout_s=PATIENCE_S, every_s=0.02):
    """Call condition until it returns something true, and return that."""
    deadline = time.monotonic() + timeout_s
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {timeout_s} s in vain for {what}")
        time.sleep(every_s)


def split_port(address):
    host, port = address.rsplit(":", 1)
    return host, int(port)


class Broker:
    """One plexusd. start() returns when it is ready; the ports stay the same over restarts."""

    def __init__(self, name, join=(), args=(), build=None, data=None):
        self.build = build or default_build()
        self.name, self.join, self.args, self.data = name, list(join), list(args), data
        self.mqtt = self.web = "127.0.0.1:0"
        self.lines, self.process, self.reader = [], None, None
        self.asked = self.killed = False
        self.changed = threading.Condition()

    def command(self):
        words = [program(self.build, "plexusd"), "--name", self.name, "--mqtt", self.mqtt,
                 "--web", self.web]
        words += ["--data", str(self.data)] if self.data else ["--no-data"]
        for url in self.join:
            words += ["--join", url]
        return words + self.args

    def start(self, wait=True):
        self.lines, self.asked, self.killed = [], False, False
        self.process = subprocess.Popen(
            self.command(), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE, text=True, errors="replace", preexec_fn=in_own_group,
            env=PROGRAM_ENV)
        self.reader = threading.Thread(target=self.read, args=(self.process,), daemon=True)
        self.reader.start()
        if wait:
            self.wait_ready()
        return self

    def read(self, process):
        for line in process.stderr:
            with self.changed:
                self.lines.append(line.rstrip("\n"))
                self.changed.notify_all()
        with self.changed:
            self.changed.notify_all()

    def log(self):
        with self.changed:
            return "\n".join(self.lines)

    def wait_log(self, pattern, timeout_s=PATIENCE_S):
        """The first match of pattern in the log, now or later."""
        deadline = time.monotonic() + timeout_s
        with self.changed:
            while True:
                match = re.search(pattern, "\n".join(self.lines))
                if match:
                    return match
                left = deadline - time.monotonic()
                if left <= 0 or (self.process.poll() is not None and not self.reader.is_alive()):
                    raise AssertionError(f"{self.name}: no {pattern!r} in its log:\n"
                                         + "\n".join(self.lines[-40:]))
                self.changed.wait(min(left, 0.2))

    def wait_ready(self):
        match = self.wait_log(READY)
        self.mqtt, self.web = match.group(1).split(",")[0], match.group(2).split(",")[0]

    @property
    def mqtt_port(self):
        return split_port(self.mqtt)[1]

    @property
    def web_port(self):
        return split_port(self.web)[1]

    @property
    def web_url(self):
        return f"http://{self.web}"

    @property
    def mesh_url(self):
        return f"ws://{self.web}/mesh"

    def alive(self):
        return self.process is not None and self.process.poll() is None

    def kill(self):
        """As a power cut would."""
        self.killed = True
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def ask_to_stop(self):
        if self.alive() and not self.asked:
            self.asked = True
            self.process.send_signal(signal.SIGTERM)

    def stop(self, timeout_s=10):
        """SIGTERM, once; returns the exit code."""
        self.ask_to_stop()
        try:
            code = self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"{self.name} did not stop within {timeout_s} s of SIGTERM")
        self.reader.join(2)
        return code

    def check_clean(self):
        log = self.log()
        assert not SANITIZER.search(log), f"{self.name} reported:\n{log[-6000:]}"

    def ask(self, *words):
        """The JSON answer of a plexus command about this broker."""
        done = subprocess.run(
            [program(self.build, "plexus"), *words, "--json", "--url", self.web_url],
            capture_output=True, text=True, timeout=30, env=CLIENT_ENV)
        assert done.returncode == 0, f"plexus {words}: {done.returncode} {done.stderr}"
        return json.loads(done.stdout)

    def mesh(self):
        """What `plexus mesh --json` prints, without a process for each look."""
        with urllib.request.urlopen(self.web_url + "/api/v1/mesh", timeout=30) as answer:
            return json.load(answer)

    def reaches(self):
        """The names of the other brokers that this one reaches now."""
        view = self.mesh()
        return {n["name"] for n in view["nodes"] if n["reachable"] and n["name"] != view["self"]}

    def filters_of(self, name):
        return sum(n["filters"] for n in self.mesh()["nodes"] if n["name"] == name)


def wait_converged(brokers, timeout_s=PATIENCE_S):
    """Wait until each broker reaches every other."""
    names = {b.name for b in brokers}
    for broker in brokers:
        wait_until(lambda b=broker: names - {b.name} <= b.reaches(),
                   f"{broker.name} to reach {sorted(names - {broker.name})}", timeout_s, 0.05)


class Brokers:
    """All that one test started; stop() ends them whatever happened and checks their logs."""

    def __init__(self, build=None):
        self.build, self.all = build, []

    def start(self, name, join=(), args=()):
        broker = Broker(name, [b if isinstance(b, str) else b.mesh_url for b in join], args,
                        self.build)
        self.all.append(broker)
        return broker.start()

    def line(self, *names):
        """Brokers where each joins the one before it, converged."""
        started = []
        for name in names:
            started.append(self.start(name, started[-1:]))
        wait_converged(started)
        return started

    def stop(self):
        for broker in self.all:
            broker.ask_to_stop()
        problems = []
        for broker in self.all:
            if broker.process is None:
                continue
            try:
                code = broker.stop()
                broker.check_clean()
                if not broker.killed and code != 0:
                    problems.append(f"{broker.name} exited {code}:\n{broker.log()[-4000:]}")
            except AssertionError as error:
                problems.append(str(error))
        self.all.clear()
        assert not problems, "\n".join(problems)
