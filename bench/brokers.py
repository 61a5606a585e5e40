# SPDX-License-Identifier: Apache-2.0
"""Start and stop the brokers that are compared: one, or a line of them."""
import ctypes
import json
import os
import re
import resource
import shutil
import signal
import socket
import subprocess
import time

READY = re.compile(r'ready\b.*?\bmqtt=127\.0\.0\.1:(\d+).*?\bweb=127\.0\.0\.1:(\d+)')
START_TIMEOUT_S = 15

# Limits raised so that it forwards and does not shed; nothing but the work runs in it.
MOSQUITTO = '''
user root
persistence false
allow_anonymous true
set_tcp_nodelay true
max_queued_messages 0
max_inflight_messages 0
max_queued_bytes 0
sys_interval 0
log_dest none
listener {mqtt} 127.0.0.1
{tls}
listener {web}
protocol websockets
{tls}
'''

# A static bridge that takes everything from the broker before it in the line.
MOSQUITTO_BRIDGE = '''
connection before
address 127.0.0.1:{port}
topic # in {qos}
notifications false
try_private true
cleansession true
bridge_protocol_version mqttv311
'''


# What a session of plexusd may keep, raised like Mosquitto's limits.
KEEP_MUCH = ['--set', 'session.queue_messages_max=50000000',
             '--set', 'session.queue_bytes_max=100GiB', '--set', 'limits.inflight_max=2000']


class StartError(Exception):
    """A broker did not come up."""


def child_setup(cpu):
    """For preexec_fn: runs on that CPU, and does not outlive the bench however it ends."""
    libc = ctypes.CDLL(None)

    def setup():
        libc.prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG
        os.sched_setaffinity(0, {cpu})
    return setup


class Broker:
    """One process. Its ports are known once it is ready."""

    def __init__(self, argv, cpu, log_path, ports=None):
        self.mqtt, self.web = ports or (None, None)
        self.log_path = log_path
        with open(log_path, 'wb') as log:
            self.process = subprocess.Popen(
                [str(a) for a in argv], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                preexec_fn=child_setup(cpu))
        self.pid = self.process.pid
        self._wait_ready(argv[0])

    def _wait_ready(self, name):
        until = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < until:
            if self.process.poll() is not None:
                break
            if self._is_ready():
                return
            time.sleep(0.01)
        self.stop()
        with open(self.log_path, errors='replace') as log:
            said = log.read()[-500:].strip()
        raise StartError(f'{name} did not start: {said or "it said nothing"}')

    def _is_ready(self):
        """A line on standard error says so; of a broker whose ports we chose, a connection."""
        if self.mqtt is None:
            with open(self.log_path, errors='replace') as log:
                found = READY.search(log.read())
            if found:
                self.mqtt, self.web = int(found[1]), int(found[2])
            return bool(found)
        try:
            for port in (self.mqtt, self.web):
                socket.create_connection(('127.0.0.1', port), 1).close()
            return True
        except OSError:
            return False

    def rss(self):
        """Resident bytes, exactly (the counter in status lags)."""
        with open(f'/proc/{self.pid}/smaps_rollup') as f:
            return int(re.search(r'^Rss:\s+(\d+)', f.read(), re.M)[1]) * 1024

    def cpu_s(self):
        """CPU seconds used so far."""
        total = 0
        for task in os.listdir(f'/proc/{self.pid}/task'):
            with open(f'/proc/{self.pid}/task/{task}/schedstat') as f:
                total += int(f.read().split()[0])
        return total / 1e9

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
        self.process.wait()


class Line:
    """Brokers in a row; publishers stand at the first, subscribers at the last."""

    def __init__(self, brokers):
        self.brokers = brokers
        self.first, self.last = brokers[0], brokers[-1]

    def stop(self):
        for broker in self.brokers:
            broker.stop()


def free_port():
    with socket.socket() as s:
        s.bind(('127.0.0.1', 0))
        return s.getsockname()[1]


def certificate(directory):
    """A certificate signed by itself, and its key: paths."""
    pair = directory / 'server.pem', directory / 'server.key'
    if not pair[0].exists():
        subprocess.run(
            ['openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256',
             '-nodes', '-days', '2', '-subj', '/CN=localhost', '-out', pair[0], '-keyout', pair[1]],
            check=True, capture_output=True)
    return [str(path) for path in pair]


class Kinds:
    """Knows how to start each kind; `cpus` are those the brokers may use, in turn."""

    def __init__(self, build, directory, cpus):
        self.build, self.directory, self.cpus = build, directory, cpus
        self.programs = {
            'plexusd': build / 'plexusd',
            'ceiling': build / 'bench' / 'bench-ceiling',
            'mosquitto': shutil.which('mosquitto', path=os.environ.get('PATH', '') + ':/usr/sbin'),
        }
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))

    def missing(self, kind):
        program = self.programs[kind]
        return not program or not os.access(program, os.X_OK)

    def start(self, kind, row, data=None):
        """A line of row.hops + 1 brokers of that kind; `data` is for rows about what is kept, and
        used by who keeps it. Raises StartError."""
        started = []
        try:
            if (row.durable or row.data) and kind != 'mosquitto':
                return Line(self._keeper(data if kind == 'plexusd' else None, started))
            return Line(getattr(self, '_' + kind)(row, started))
        except BaseException:
            for broker in started:
                broker.stop()
            raise

    def _one(self, started, argv, ports=None):
        at = len(started)
        cpu = self.cpus[at % len(self.cpus)]
        started.append(Broker(argv, cpu, self.directory / f'broker-{at}.log', ports))
        return started[-1]

    def _ceiling(self, row, started):
        for at in range(row.hops + 1):
            up = ['--up', started[-1].mqtt] if at else []
            self._one(started, [self.programs['ceiling'], *up])
        return list(started)

    def _mosquitto(self, row, started):
        for at in range(row.hops + 1):
            ports = free_port(), free_port()
            tls = ('certfile {}\nkeyfile {}'.format(*certificate(self.directory))
                   if row.tls else '')
            text = MOSQUITTO.format(mqtt=ports[0], web=ports[1], tls=tls)
            if at:
                text += MOSQUITTO_BRIDGE.format(port=started[-1].mqtt, qos=row.qos)
            config = self.directory / f'mosquitto-{at}.conf'
            config.write_text(text)
            self._one(started, [self.programs['mosquitto'], '-c', config], ports)
        return list(started)

    def _keeper(self, data, started):
        """A lone plexusd whose sessions may keep a lot."""
        return [self._one(started, [
            self.programs['plexusd'], '--name', 'keeper', '--mqtt', '127.0.0.1:0',
            '--web', '127.0.0.1:0', *(['--data', data] if data else ['--no-data']), *KEEP_MUCH])]

    def _plexusd(self, row, started):
        """The one in the middle (or the last of two) is the hub the others join."""
        ports, listeners = None, []
        if row.tls:
            ports = free_port(), free_port()
            tls = dict(zip(('certificate_file', 'key_file'), certificate(self.directory)))
            listeners = [{'name': protocol, 'address': f'127.0.0.1:{port}', 'protocol': protocol,
                          'tls': tls}
                         for port, protocol in zip(ports, ('mqtt', 'web'))]

        def plexusd(name, *more):
            return self._one(started, [
                self.programs['plexusd'], '--name', name, '--mqtt', '127.0.0.1:0',
                '--web', '127.0.0.1:0', '--no-data', '--set', 'listeners=' + json.dumps(listeners),
                *more], ports)
        hub = plexusd('hub')
        join = ['--join', f'ws://127.0.0.1:{hub.web}/mesh']
        if row.hops == 0:
            return [hub]
        edge = plexusd('edge', *join)
        return [edge, hub] if row.hops == 1 else [edge, hub, plexusd('cloud', *join)]
