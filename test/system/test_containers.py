# SPDX-License-Identifier: Apache-2.0
"""The images and the compose file, with podman, in a network namespace of this test's own:
netavark leaves firewall tables behind, and the compose file's ports are fixed.
"""
import json
import os
import shutil
import subprocess
import time

import pytest

from brokers import ROOT, wait_until
from clients import Printer

PROJECT = "plexus-test"
NAMESPACE = f"plexus-test-{os.getpid()}"
MINIMAL = "localhost/plexus:minimal"
STORE = ROOT / "build-containers"
MINIMAL_BYTES_MAX = 12_000_000
# What ./dev image exits with where no image can be built, podman where none can be run.
NOT_TO_BE_BUILT, NOT_TO_BE_RUN = 2, 125
NEEDED = ("podman", "podman-compose", "buildah", "runc", "ip", "nsenter", "nft", "mosquitto_pub")

# What podman's own choices trip over: crun in a hybrid cgroup tree, limits above our own.
CONTAINERS_CONF = """
[containers]
default_ulimits = ["nofile=4096:4096", "nproc=4096:4096"]
log_driver = "k8s-file"
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
[network]
network_backend = "netavark"
"""
STORAGE_CONF = """
[storage]
driver = "overlay"
graphroot = "{store}/graph"
runroot = "{store}/run"
"""


def why_not():
    if os.geteuid() != 0:
        return "containers need root here"
    missing = [name for name in NEEDED if not shutil.which(name)]
    return f"not installed: {', '.join(missing)}" if missing else None


pytestmark = [
    pytest.mark.xdist_group("containers"),
    pytest.mark.skipif(why_not() is not None, reason=str(why_not())),
]


class Podman:
    """Commands with this test's configuration, inside its namespace or in the host's."""

    def __init__(self):
        STORE.mkdir(exist_ok=True)
        (STORE / "containers.conf").write_text(CONTAINERS_CONF)
        (STORE / "storage.conf").write_text(STORAGE_CONF.format(store=STORE))
        self.env = {**os.environ, "PLEXUS_ENGINE": "podman",
                    "CONTAINERS_CONF": str(STORE / "containers.conf"),
                    "CONTAINERS_STORAGE_CONF": str(STORE / "storage.conf")}

    def host(self, *words, timeout=60):
        return subprocess.run(words, capture_output=True, text=True, timeout=timeout,
                              env=self.env, cwd=ROOT)

    def inside(self, *words, timeout=60, check=True):
        done = self.host("nsenter", f"--net=/run/netns/{NAMESPACE}", *words, timeout=timeout)
        assert not check or done.returncode == 0, f"{words}:\n{done.stdout}{done.stderr}"
        return done

    def compose(self, *words, **options):
        return self.inside("podman-compose", "-p", PROJECT, "-f", "docker/compose.yaml", *words,
                           **options)

    def container(self, service):
        names = self.inside("podman", "ps", "-a", "--format", "{{.Names}}").stdout.split()
        return next(n for n in names if PROJECT in n and service in n)

    def inspect(self, service, template):
        return self.inside("podman", "inspect", "-f", template,
                           self.container(service)).stdout.strip()

    def logs(self):
        names = self.inside("podman", "ps", "-a", "--format", "{{.Names}}").stdout.split()
        return "\n".join(self.inside("podman", "logs", name, check=False).stderr
                         for name in names)


@pytest.fixture(scope="module")
def images():
    """Both images, built."""
    podman = Podman()
    probe = podman.host("podman", "info")
    if probe.returncode != 0:
        pytest.skip(f"podman does not work here: {probe.stderr.strip()[-200:]}")
    done = podman.host("./dev", "image", timeout=900)
    if done.returncode == NOT_TO_BE_BUILT:
        pytest.skip(f"no images here: {done.stderr.strip().splitlines()[-1]}")
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    probe = podman.host("podman", "run", "--rm", "--network", "none", MINIMAL, "--version")
    if probe.returncode == NOT_TO_BE_RUN:
        pytest.skip(f"podman runs no containers here: {probe.stderr.strip()[-200:]}")
    return podman


@pytest.fixture(scope="module")
def composed(images):
    """The compose file, running."""
    made = images.host("ip", "netns", "add", NAMESPACE)
    if made.returncode != 0:
        pytest.skip(f"no network namespaces here: {made.stderr.strip()}")
    try:
        images.inside("ip", "link", "set", "lo", "up")
        images.compose("down", check=False)
        images.compose("up", "-d", timeout=120)
        yield images
    finally:
        images.compose("down", timeout=120, check=False)
        images.inside("podman", "rm", "-fa", check=False)
        images.host("ip", "netns", "del", NAMESPACE)


def client(podman, program, port, *words, **options):
    return podman.inside(program, "-h", "127.0.0.1", "-p", str(port), "-V", "mqttv5", *words,
                         **options)


def await_answer(podman, port):
    wait_until(lambda: client(podman, "mosquitto_pub", port, "-t", "x", "-n",
                              check=False).returncode == 0, f"port {port}", 30, 0.2)


def test_the_images_are_built_and_the_minimal_one_is_small(images):
    size = images.host("podman", "image", "inspect", "--format", "{{.Size}}",
                       MINIMAL).stdout
    assert 0 < int(size) < MINIMAL_BYTES_MAX


def test_what_is_published_at_edge_arrives_at_cloud(composed):
    for port in (1883, 2883):
        await_answer(composed, port)
    with Printer(["nsenter", f"--net=/run/netns/{NAMESPACE}", "stdbuf", "-oL", "mosquitto_sub",
                  "-h", "127.0.0.1", "-p", "2883", "-V", "mqttv5", "-q", "2", "-t", "box/#",
                  "-F", "GOT %t %x"]) as subscriber:
        def probed():
            client(composed, "mosquitto_pub", 1883, "-t", "box/probe", "-m", "probe")
            time.sleep(0.1)
            return subscriber.got["box/probe"]

        try:
            wait_until(probed, "interest to travel", 30)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{composed.logs()[-3000:]}") from None
        events = [b"event-%d" % qos for qos in (0, 1, 2)]
        for qos, event in enumerate(events):
            client(composed, "mosquitto_pub", 1883, "-q", str(qos), "-t", "box/data",
                   "-m", event.decode())
        wait_until(lambda: len(subscriber.got["box/data"]) >= 3, "an event of each QoS", 10)
        time.sleep(0.2)
        assert sorted(subscriber.got["box/data"]) == events


@pytest.mark.parametrize("service", ["edge", "hub", "cloud"])
def test_the_health_check_passes_as_a_user_without_a_name(composed, service):
    name = composed.container(service)
    wait_until(lambda: composed.inside("podman", "healthcheck", "run", name,
                                       check=False).returncode == 0, "health", 30, 0.5)
    assert composed.inspect(service, "{{.Config.User}}").split(":")[0] == "65532"
    assert composed.inspect(service, "{{.HostConfig.ReadonlyRootfs}}") == "true"


def test_the_page_answers_on_the_published_port(composed):
    fetch = "import urllib.request as u; print(u.urlopen('http://127.0.0.1:8080/').status)"
    assert composed.inside("/usr/bin/python3", "-c", fetch).stdout.strip() == "200"


def test_the_image_says_what_to_write_when_anybody_could_enter(images):
    done = images.host("podman", "run", "--rm", "--network", "none", MINIMAL,
                       "--mqtt", "0.0.0.0:1883")
    assert done.returncode == 2 and "allow_anonymous" in done.stderr, done.stderr


def test_stopping_a_container_is_orderly(composed):
    """Last in this file: cloud does not come back."""
    name = composed.container("cloud")
    composed.inside("podman", "stop", "-t", "10", name, timeout=30)
    state = json.loads(composed.inside("podman", "inspect", "-f", "{{json .State}}", name).stdout)
    assert state["ExitCode"] == 0, composed.logs()[-2000:]
