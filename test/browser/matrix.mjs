// SPDX-License-Identifier: Apache-2.0
// MQTT.js over every transport, on Node and in a headless Chromium. Prints one JSON object a
// line: {"test", "ok", "why"}. Usage: matrix.mjs STAGE, a JSON object of what test_matrix says.
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import net from 'node:net';
import mqtt from 'mqtt';
import { chromium } from 'playwright-core';

const stage = JSON.parse(process.argv[2]);
const patienceMs = 20000;
const ca = readFileSync(stage.ca);
const schemes = { tcp: 'mqtt', tls: 'mqtts', ws: 'ws', wss: 'wss' };

// One client's part, on Node and in the page: everything at each QoS comes back once and in
// order, and what is retained comes to a second client. Returns what is wrong, or ''.
async function play(connect, topic, patience) {
  const payloads = ['once at most', 'once at least '.repeat(3000), 'once exactly', 'kept'];
  const wait = (emitter, what, ready) => new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`no ${what}`)), patience);
    emitter.on('error', reject);
    ready((value) => { clearTimeout(timer); resolve(value); });
  });
  const start = async () => {
    const client = connect();
    const got = [];
    client.on('message', (name, payload) => got.push(new TextDecoder().decode(payload)));
    await wait(client, 'CONNACK', (done) => client.on('connect', done));
    await wait(client, 'SUBACK', (done) => client.subscribe(`${topic}/#`, { qos: 2 }, done));
    return { client, got };
  };
  const until = (one, count) => wait(one.client, `${count} messages, but ${one.got.length}`, (done) => {
    const look = () => (one.got.length >= count ? done() : setTimeout(look, 10));
    look();
  });
  const first = await start();
  for (const [n, payload] of payloads.entries()) {
    const options = n < 3 ? { qos: n } : { qos: 1, retain: true };
    await wait(first.client, `answer to publish ${n}`,
      (done) => first.client.publish(`${topic}/${n}`, payload, options, done));
  }
  await until(first, payloads.length);
  const late = await start();
  await until(late, 1);
  await new Promise((done) => { setTimeout(done, 50); });
  for (const each of [first, late]) each.client.end(true);
  if (first.got.join() !== payloads.join()) return `got ${first.got.map((text) => text.slice(0, 20))}`;
  return late.got.join() === 'kept' ? '' : `kept ${late.got.length}`;
}

function nodeClient(name, protocolVersion) {
  const { way, port, host } = stage.transports[name];
  const options = { protocolVersion, reconnectPeriod: 0, ca, servername: 'localhost' };
  if (way === 'unix') {
    return new mqtt.MqttClient(() => net.connect(stage.path), options);
  }
  if (name === 'mtls') {
    options.cert = readFileSync(stage.cert);
    options.key = readFileSync(stage.key);
  }
  if (way === 'wss') options.wsOptions = { ca, servername: 'localhost', ALPNProtocols: ['http/1.1'] };
  const where = host.includes(':') ? `[${host}]` : host;
  return mqtt.connect(`${schemes[way]}://${where}:${port}/mqtt`, options);
}

async function attempt(test, run) {
  let why;
  try {
    why = await run();
  } catch (error) {
    why = String(error);
  }
  console.log(JSON.stringify({ test, ok: why === '', why }));
}

const mqttJs = readFileSync(new URL('node_modules/mqtt/dist/mqtt.min.js', import.meta.url));
const server = createServer((request, response) => {
  const script = request.url === '/mqtt.js';
  response.setHeader('content-type', script ? 'text/javascript' : 'text/html');
  response.end(script ? mqttJs
    : '<!doctype html><link rel="icon" href="data:,"><script src="/mqtt.js"></script>');
});
await new Promise((listening) => { server.listen(0, '127.0.0.1', listening); });
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
    '--disable-background-networking', '--disable-component-update', '--disable-sync'],
});
const context = await browser.newContext({ ignoreHTTPSErrors: true });
const tab = await context.newPage();

for (const [name, { way, port }] of Object.entries(stage.transports)) {
  for (const version of [4, 5]) {
    await attempt(`node-${name}-${version}`,
      () => play(() => nodeClient(name, version), `node/${name}/${version}`, patienceMs));
    if (way !== 'ws' && way !== 'wss') continue;
    await attempt(`chromium-${name}-${version}`, async () => {
      await tab.goto(`http://127.0.0.1:${server.address().port}/`);
      await tab.evaluate(`window.play = ${play}`);
      return tab.evaluate(([url, protocolVersion, topic, patience]) => window.play(
        () => window.mqtt.connect(url, { protocolVersion, reconnectPeriod: 0 }), topic, patience),
      [`${way}://127.0.0.1:${port}/mqtt`, version, `chromium/${name}/${version}`, patienceMs]);
    });
  }
}
await browser.close();
server.close();
