# SPDX-License-Identifier: Apache-2.0
"""The rows about what is kept: messages that wait for a session that is away."""
import re
import tempfile
import threading
import time

from brokers import StartError

MIB = 1024 * 1024
BACKLOG = 1000000
NAME = 'backlog'

RECOVERED = re.compile(r'store\.recovered .*\bms=(\d+)')


class Peak:
    """The largest resident memory of a broker while the block runs."""

    def __init__(self, broker):
        self.broker, self.bytes, self.over = broker, broker.rss(), threading.Event()
        self.thread = threading.Thread(target=self._watch)

    def _watch(self):
        while not self.over.wait(0.05):
            try:
                self.bytes = max(self.bytes, self.broker.rss())
            except OSError:
                return  # it died; who asks for the peak hears of it

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()
        self.bytes = max(self.bytes, self.broker.rss())


class Durable:
    """Measures one row; `run` starts the load generator with arguments and reads its report."""

    def __init__(self, kinds, duration, run):
        self.kinds, self.duration, self.run = kinds, duration, run

    def measure(self, kind, row):
        """One run of one broker in a directory of its own; a dict."""
        with tempfile.TemporaryDirectory(dir=self.kinds.directory) as data:
            try:
                if row.mode == 'backlog':
                    return self._backlog(row, data)
                line = self.kinds.start(kind, row, data)
            except StartError as err:
                return {'ok': False, 'failure': str(err)}
            except ProcessLookupError:
                return {'ok': False, 'failure': 'the broker died'}
            try:
                return self.run(self._load(row, line.first, data))
            finally:
                line.stop()

    def _load(self, row, broker, data):
        return [*row.load, '--duration', self.duration, '--disk', data, '--disk-cpu', self.kinds.cpus[0],
                '--pub', f'127.0.0.1:{broker.mqtt}', '--pid', broker.pid]

    def _backlog(self, row, data):
        """Fill, kill, start, take all back."""
        each = BACKLOG // row.n
        kept = ['--name', NAME, '--count', each]
        result = {'ok': False}
        line = self.kinds.start('plexusd', row, data)
        try:
            before = line.first.rss()
            with Peak(line.first) as peak:
                filled = self.run([*self._load(row, line.first, data), *kept, '--leave'])
                time.sleep(1)  # the tables are behind the journal
            if not filled['ok']:
                return {**result, 'failure': filled['failure'] or 'not all was acknowledged'}
            result['fill_per_s'], result['fill_cpu_us'] = filled['msgs_per_s'], filled['cpu_us']
            result['disk_us'] = filled['disk_us']
            result['rss_grown'] = peak.bytes - before
            line.first.process.kill()
        finally:
            line.stop()
        began = time.monotonic()
        line = self.kinds.start('plexusd', row, data)
        try:
            result['restart_s'] = time.monotonic() - began
            with open(line.first.log_path, errors='replace') as log:
                result['recovery_ms'] = int(RECOVERED.search(log.read())[1])
            result['rss_restart'] = line.first.rss() - before
            with Peak(line.first) as peak:
                drained = self.run(['--mode', 'drain', '--n', row.n, '--qos', row.qos, '--size',
                                    row.size, '--pub', f'127.0.0.1:{line.first.mqtt}', '--pid',
                                    line.first.pid, *kept])
            result['rss_drain'] = peak.bytes - before
        finally:
            line.stop()
        return {**drained, **result, 'ok': drained['ok']}


HEADS = {
    'durable': f'{"":22}{"µs CPU/msg":>11}{"in store":>10}{"msgs/s":>10}{"busy":>6}'
               f'{"p50":>10}{"p99":>10}{"written":>9}{"drain/s":>10}{"disk":>9}  ',
    'backlog': f'{"":22}{"fill/s":>9}{"µs CPU":>8}{"RSS +":>8}{"restart":>9}{"recovery":>10}'
               f'{"RSS +":>8}{"drain/s":>9}{"µs CPU":>8}{"RSS +":>8}{"disk":>9}  ',
}
HEADS['lone'] = HEADS['durable']


def line(row, result, us, count):
    """The figures of one broker's line of a row."""
    if row.mode == 'backlog':
        def mib(key):
            return f'{result[key] / MIB:.0f} M'
        return (f'{count(result["fill_per_s"]):>9}{result["fill_cpu_us"]:8.2f}'
                f'{mib("rss_grown"):>8}{result["restart_s"]:7.2f} s{result["recovery_ms"]:7.0f} ms'
                f'{mib("rss_restart"):>8}{count(result["msgs_per_s"]):>9}{result["cpu_us"]:8.2f}'
                f'{mib("rss_drain"):>8}{us(result["disk_us"]):>9}  ')
    return (f'{result["cpu_us"]:11.3f}'
            f'{result["cpu_us"] - result["main_cpu_us"]:10.3f}{count(result["msgs_per_s"]):>10}'
            f'{result["cpu_share"] * 100:5.0f}%{us(result["p50_us"]):>10}{us(result["p99_us"]):>10}'
            f'{result["written_ratio"]:8.2f}×{count(result["drained_per_s"]):>10}'
            f'{us(result["disk_us"]):>9}  ')


def verdict(row, runs):
    """How plexusd with data stands to the bars."""
    own = runs['plexusd']
    said = []
    if not own['ok']:
        return 'FAILED'
    if row.mode == 'durable' and runs.get('mosquitto', {}).get('cpu_us'):
        said.append(('less CPU than Mosquitto without persistence',
                     own['cpu_us'] < runs['mosquitto']['cpu_us']))
    if row.mode == 'durable':
        said.append(('100,000 a second', own['msgs_per_s'] >= 1e5))
    if row.mode == 'lone':
        said.append((f'p50 within a sync + 0.2 ms (+ {own["p50_us"] - own["disk_us"]:.0f} µs; of '
                     f'the fastest tenth {own["p10_us"]:.0f} and {own["disk_p10_us"]:.0f} µs)',
                     own['p50_us'] <= own['disk_us'] + 200))
    if row.mode == 'backlog':
        said += [('RSS growth ≤ 64 MiB', max(own[k] for k in ('rss_grown', 'rss_restart',
                                                              'rss_drain')) <= 64 * MIB),
                 ('restart ≤ 1 s', own['restart_s'] <= 1),
                 ('drain ≥ 100,000 a second', own['msgs_per_s'] >= 1e5)]
    return '; '.join(f'{"meets" if met else "MISSES"}: {what}' for what, met in said)
