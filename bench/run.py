#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Measure plexusd beside the ceiling and Mosquitto: ./dev bench

The method
- What counts is CPU time of the broker per delivered message (of all brokers of a line
  together), read from its process clock at both edges of the measured window. Wall-clock
  figures on a shared machine drift by a factor; CPU time by a tenth.
- "Ceiling" is a bare epoll forwarder (ceiling.c): parse, match one exact topic, copy, one
  send per connection and turn. It says what this machine allows today. Within a row the
  brokers take turns, three rounds, each freshly started; medians are shown, and the ratio
  to the ceiling is the median of the ratios within a round.
- The load generator (load.c) is one thread that publishes and subscribes. It shares no
  code with the broker. Every message carries publisher, number and time of sending: loss,
  duplicates and disorder are counted exactly, over warm-up and window and until the last
  message has arrived. Any of it is printed as FAIL and the exit status is 1. In flight are
  never more than `--window` messages per publisher; publishers write `--batch` at once.
- Window and batch of each row (rows.py) are calibrated so that the ceiling takes what the
  design's table says. Saturated rows need batches: at one message per write every broker
  measures the kernel. Latencies of saturated rows are queueing in the window; the rows
  "one message at a time" show the way through the broker.
- Brokers run on the first CPUs, the load on the last (of those allowed). "busy" is the
  brokers' share of one CPU: far below 100 % the load generator was the slower one, which
  shrinks batches and makes a message dearer.
- Across hops, subscribers stand at the far end. Before the clock runs each pair sends
  probes until the route is learnt.
- Memory: growth of resident memory between 1,000 and 15,000 connections that have done
  CONNECT, divided by 14,000; cpu % over one idle second with all of them open.
- Storms: 50 clients at once come under ever new names, do what the row says and go; CPU per
  cycle, from the first SYN to the closed socket.
- Paced: 10 publishers send 10,000 messages a second between them, evenly; here the latencies
  count, and stand beside the ceiling's.
- Subscriptions: 20 clients hold them, one in ten ends in +, one in ten is like +/+/NAME/#.
  One publisher publishes topics at random, each of which one of them matches: CPU per
  publish, what that is above a thousand subscriptions, and the growth of resident memory
  for each subscription (before anything is published).
- What is kept (durable.py): a client subscribes in a kept session and goes away, publishers
  send to it, and what counts is what the broker acknowledged; "in store" is the CPU time of
  its other threads, "written" what reached the disk for each byte of payload, "disk" a write
  with fdatasync on the same disk in the same run. Then the client comes back and takes all:
  each once, in order. Mosquitto keeps nothing on a disk here, nor does plexusd-no-data.
- TLS: nobody verifies anything, the certificate has a P-256 key. The ceiling has no TLS:
  compare with the plain row.
- Mosquitto runs with its limits raised and TCP_NODELAY; one hop is a static bridge. Its
  WebSocket listener binds all addresses whatever it is told, so it is open while it runs.

Exit status: 0, 1 after any FAIL, 2 when it could not begin.
"""
import argparse
import fnmatch
import json
import os
import pathlib
import platform
import signal
import subprocess
import sys
import tempfile
import time

import durable
import rows as works
import table
from brokers import Kinds, StartError, child_setup

KINDS = ('plexusd', 'ceiling', 'mosquitto')
LOAD_TIMEOUT_S = 180


class Bench:
    def __init__(self, args, kinds, cpus):
        self.args, self.kinds = args, kinds
        self.load_cpu = cpus[-1]
        self.load = args.build / 'bench' / 'bench-load'

    def _pinned(self, argv, **more):
        return subprocess.Popen([str(a) for a in argv], text=True, stdout=subprocess.PIPE,
                                preexec_fn=child_setup(self.load_cpu), **more)

    def measure(self, kind, row):
        """One run of one broker; a dict as bench-load prints it."""
        if row.durable:
            return durable.Durable(self.kinds, self.args.duration, self.run).measure(kind, row)
        with tempfile.TemporaryDirectory(dir=self.kinds.directory) as data:
            try:
                line = self.kinds.start(kind, row, data)
            except StartError as err:
                return {'ok': False, 'failure': str(err)}
            try:
                return (self._idle(kind, row, line) if row.mode == 'idle'
                        else self._work(kind, row, line))
            finally:
                line.stop()

    def _work(self, kind, row, line):
        port = 'web' if row.ws else 'mqtt'
        argv = [*row.load, '--duration', self.args.duration,
                '--pub', f'127.0.0.1:{getattr(line.first, port)}',
                '--sub', f'127.0.0.1:{getattr(line.last, port)}']
        for broker in line.brokers:
            argv += ['--pid', broker.pid]
        if row.mode == 'subs':
            for step in row.subs_steps(kind):
                argv += ['--subs', step]
        return self.run(argv)

    def run(self, argv):
        """Run the load generator; a dict as it prints it."""
        process = self._pinned([self.load, *argv])
        try:
            out, _ = process.communicate(timeout=LOAD_TIMEOUT_S)
            return json.loads(out)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            return {'ok': False, 'failure': f'not done within {LOAD_TIMEOUT_S} s'}
        except ValueError:
            return {'ok': False, 'failure': 'the load generator died'}

    def _idle(self, kind, row, line):
        # Mosquitto polls every WebSocket connection at every event: 15,000 take minutes.
        few, many = (200, 1000) if kind == 'mosquitto' and row.ws else (1000, 15000)
        broker = line.first
        process = self._pinned(
            [self.load, '--mode', 'idle', '--n', many, *(['--ws'] if row.ws else []),
             *(['--tls'] if row.tls else []), '--pub', f'127.0.0.1:{broker.web if row.ws else broker.mqtt}'],
            stdin=subprocess.PIPE)

        def hold(number):
            process.stdin.write(f'{number}\n')
            process.stdin.flush()
            answer = json.loads(process.stdout.readline())
            time.sleep(0.3)  # what a broker does after the last handshake belongs to it
            return answer, broker.rss()
        try:
            _, before = hold(few)
            answer, after = hold(many)
            cpu = broker.cpu_s()
            time.sleep(1)
            return {'ok': True, 'rss_each': (after - before) / (many - few), 'rss': after,
                    'connect_us': answer['connect_us'], 'idle_cpu': broker.cpu_s() - cpu,
                    'connections': many, 'failure': ''}
        except (OSError, ValueError):
            return {'ok': False, 'failure': 'connections were refused or lost'}
        finally:
            process.stdin.close()
            process.stdout.close()
            process.wait(LOAD_TIMEOUT_S)

    def row(self, row, kinds):
        """All brokers in turn, round by round."""
        runs = {kind: [] for kind in row.brokers(kinds)}
        # Memory hardly differs from one time to the next, and handshakes take long.
        for at in range(1 if row.mode in ('idle', 'backlog') else self.args.rounds):
            for kind in runs:
                progress(f'{row.id} round {at + 1}/{self.args.rounds} {kind}')
                runs[kind].append(self.measure(kind, row))
        progress('')
        return runs


def progress(text):
    if sys.stderr.isatty():
        sys.stderr.write(f'\r\033[K{text}')
        sys.stderr.flush()


def show(row, runs):
    """Print a row and return it for the JSON file."""
    print(f'\n{table.heading(row)}\n{table.head(row)}')
    result = {'id': row.id, 'title': row.title, 'load': [str(a) for a in row.load]
              if row.mode != 'idle' else [], 'brokers': {}}
    if row.bar:
        result['bar'] = vars(row.bar)
    for kind, kind_runs in runs.items():
        median = table.summary(kind_runs)
        times = table.ratio(kind_runs, runs['ceiling']) if 'ceiling' in runs else None
        if 'ceiling' in runs and row.mode == 'paced':
            for part in ('p50_us', 'p99_us'):
                median['times_' + part] = table.ratio(kind_runs, runs['ceiling'], part)
        print(table.line(kind, row, median, times), flush=True)
        result['brokers'][kind] = {
            'median': median, 'times_ceiling': times, 'runs': kind_runs,
            'verdict': table.verdict(row, median, times) if kind == 'plexusd' else ''}
    if row.durable and 'plexusd' in runs:
        result['verdict'] = durable.verdict(
            row, {kind: b['median'] for kind, b in result['brokers'].items()})
        print(f'  plexusd {result["verdict"]}', flush=True)
    return result


def machine():
    model = 'unknown'
    with open('/proc/cpuinfo') as f:
        for text in f:
            if text.startswith('model name'):
                model = text.split(':', 1)[1].strip()
                break
    return {'cpu': model, 'cpus': len(os.sched_getaffinity(0)), 'kernel': platform.release(),
            'load_average': os.getloadavg()[0],
            'date': time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())}


def arguments():
    root = pathlib.Path(__file__).resolve().parent.parent
    parser = argparse.ArgumentParser(
        description='Broker CPU per delivered message, throughput, latency and idle memory, '
        'beside a bare forwarder and Mosquitto.')
    parser.add_argument('--json', type=pathlib.Path, metavar='FILE', help='write all figures')
    parser.add_argument('--quick', action='store_true', help='a few rows, one short round')
    parser.add_argument('--full', action='store_true', help='every combination')
    parser.add_argument('--only', action='append', metavar='PATTERN',
                        help='rows whose id contains it (* and ? allowed); may be repeated')
    parser.add_argument('--brokers', default=','.join(KINDS), metavar='A,B', help='%(default)s')
    parser.add_argument('--rounds', type=int, help='3, or 1 with --quick')
    parser.add_argument('--duration', type=float, metavar='S', help='1, or 0.4 with --quick')
    parser.add_argument('--build', type=pathlib.Path, default=root / 'build', metavar='DIR',
                        help='a release build with -Dbench=true (%(default)s)')
    parser.add_argument('--help-runner', action='help', help=argparse.SUPPRESS)
    parser.add_argument('--list', action='store_true', help='print the ids and stop')
    args = parser.parse_args()
    args.rounds = args.rounds or (1 if args.quick else 3)
    args.duration = args.duration or (0.4 if args.quick else 1)
    return args


def wanted_rows(args):
    found = works.full() if args.full else works.quick() if args.quick else works.usual()
    if args.only:
        found = [r for r in found if any(fnmatch.fnmatch(r.id, f'*{p}*') for p in args.only)]
    return found


def wanted_kinds(args, kinds):
    """The brokers asked for that are there; None when one is missing that must not be."""
    wanted = []
    for kind in args.brokers.split(','):
        if kind not in KINDS:
            print(f'bench: no broker {kind}; there are {", ".join(KINDS)}', file=sys.stderr)
            return None
        if not kinds.missing(kind):
            wanted.append(kind)
        elif kind == 'mosquitto':
            print('bench: mosquitto is not installed, its lines are left out', file=sys.stderr)
        else:
            print(f'bench: {kinds.programs[kind]} is missing; build it (./dev build, '
                  '-Dbench=true)', file=sys.stderr)
            return None
    return wanted


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # brokers and files go too
    args = arguments()
    found = wanted_rows(args)
    if args.list:
        print('\n'.join(r.id for r in found))
        return 0
    cpus = sorted(os.sched_getaffinity(0))
    with tempfile.TemporaryDirectory(prefix='plexus-bench-') as directory:
        kinds = Kinds(args.build, pathlib.Path(directory), cpus[:-1] or cpus)
        wanted = wanted_kinds(args, kinds)
        if not wanted or not found:
            return 2
        bench = Bench(args, kinds, cpus)
        about = machine()
        print(f'{about["cpu"]}, {about["cpus"]} CPUs, Linux {about["kernel"]}, load average '
              f'{about["load_average"]:.2f}; {args.rounds} rounds of {args.duration:g} s')
        results = [show(row, bench.row(row, wanted)) for row in found]
    if args.json:
        args.json.write_text(json.dumps({'machine': about, 'rows': results}, indent=1) + '\n')
    failed = [f'{r["id"]} {kind}' for r in results for kind, b in r['brokers'].items()
              if not b['median']['ok']]
    if failed:
        print('\nFAIL: ' + ', '.join(failed))
    return 1 if failed else 0


if __name__ == '__main__':
    sys.exit(main())
