// SPDX-License-Identifier: Apache-2.0
// A headless Chromium at one broker, mosquitto_pub at another. Prints one JSON object a line:
// {"test", "ok", "why"}. Usage: run.mjs EDGE_MQTT_PORT CLOUD_WEB_URL
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { chromium } from 'playwright-core';

const [edgePort, cloudUrl] = process.argv.slice(2);
const patienceMs = 30000;
const mqttJs = readFileSync(new URL('node_modules/mqtt/dist/mqtt.min.js', import.meta.url));
const page = '<!doctype html><link rel="icon" href="data:,"><script src="/mqtt.js"></script>';

function publish(topic, payload, qos) {
  const done = spawnSync('mosquitto_pub', ['-h', '127.0.0.1', '-p', edgePort, '-t', topic,
    '-q', String(qos), '-s'], { input: payload });
  if (done.status !== 0) throw new Error(`mosquitto_pub: ${done.stderr}`);
}

const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

async function until(condition, what) {
  for (const deadline = Date.now() + patienceMs; Date.now() < deadline; await sleep(50)) {
    if (await condition()) return;
  }
  throw new Error(`waited in vain for ${what}`);
}

// Runs in the page: connect, subscribe, keep what arrives.
function subscribeInPage({ url, protocolVersion, topic, qos }) {
  window.got = [];
  return new Promise((resolve, reject) => {
    window.client = window.mqtt.connect(url, { protocolVersion, reconnectPeriod: 0 });
    window.client.on('error', (error) => reject(new Error(String(error))));
    window.client.on('close', () => reject(new Error('closed')));
    window.client.on('message', (name, payload) => window.got.push([name, [...payload]]));
    window.client.on('connect', () => window.client.subscribe(topic, { qos }, (error, granted) =>
      (error ? reject(error) : resolve(granted[0].qos))));
  });
}

async function mqttJsReceives(tab, pageUrl, protocolVersion, qos) {
  const topic = `browser/${protocolVersion}/${qos}`;
  const url = `${cloudUrl.replace('http', 'ws')}/mqtt`;
  await tab.goto(pageUrl);
  const granted = await tab.evaluate(subscribeInPage,
    { url, protocolVersion, topic: `${topic}/#`, qos });
  if (granted !== qos) throw new Error(`granted QoS ${granted}`);
  const got = (name) => tab.evaluate((wanted) =>
    window.got.filter(([topicName]) => topicName === wanted).map(([, bytes]) => bytes), name);
  await until(async () => {
    publish(`${topic}/probe`, 'probe', 0);
    return (await got(`${topic}/probe`)).length > 0;
  }, 'interest to travel');
  const sent = [Buffer.from('21.5 °C'), Buffer.from([0, 1, 254, 255]), Buffer.alloc(100000, 7)];
  for (const payload of sent) publish(`${topic}/data`, payload, qos);
  await until(async () => (await got(`${topic}/data`)).length >= sent.length, 'the events');
  await sleep(200);
  const arrived = (await got(`${topic}/data`)).map((bytes) => Buffer.from(bytes).toString('hex'));
  const wanted = sent.map((payload) => payload.toString('hex'));
  if (arrived.sort().join() !== wanted.sort().join()) {
    throw new Error(`${arrived.length} events arrived, not the ${wanted.length} sent`);
  }
  await tab.evaluate(() => window.client.removeAllListeners('close').end(true));
}

async function ownPageShows(tab) {
  const mark = `seen-${Date.now()}`;
  const errors = [];
  tab.on('pageerror', (error) => errors.push(String(error)));
  await tab.goto(`${cloudUrl}/`);
  await until(async () => {
    publish('plant/7/door', mark, 0);
    return tab.evaluate((wanted) => document.body.innerText.includes(wanted), mark);
  }, `the page to show ${mark}`);
  const text = await tab.evaluate(() => document.body.innerText);
  if (!text.includes('plant/7/door')) throw new Error('the topic is not shown');
  const markup = '<img src=x onerror="document.title=1">';
  await until(async () => {
    publish('plant/7/door', markup, 0);
    return tab.evaluate((wanted) => document.body.innerText.includes(wanted), markup);
  }, 'markup in a payload to be shown as text');
  if (errors.length > 0) throw new Error(errors.join('; '));
}

const server = createServer((request, response) => {
  const script = request.url === '/mqtt.js';
  response.setHeader('content-type', script ? 'text/javascript' : 'text/html');
  response.end(script ? mqttJs : page);
});
await new Promise((listening) => server.listen(0, '127.0.0.1', listening));
const pageUrl = `http://127.0.0.1:${server.address().port}/`;
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
    '--disable-background-networking', '--disable-component-update', '--disable-sync'],
});

async function attempt(test, run) {
  const tab = await browser.newPage();
  try {
    await run(tab);
    console.log(JSON.stringify({ test, ok: true }));
  } catch (error) {
    console.log(JSON.stringify({ test, ok: false, why: String(error) }));
  }
  await tab.close();
}

for (const protocolVersion of [4, 5]) {
  for (const qos of [0, 1, 2]) {
    await attempt(`mqttjs-v${protocolVersion}-qos${qos}`,
      (tab) => mqttJsReceives(tab, pageUrl, protocolVersion, qos));
  }
}
await attempt('own-page', ownPageShows);
await browser.close();
server.close();
