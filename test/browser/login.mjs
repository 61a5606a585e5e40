// SPDX-License-Identifier: Apache-2.0
// A headless Chromium signs in on a broker's page. Prints one JSON object a line:
// {"test", "ok", "why"}. Usage: login.mjs WEB_URL USER PASSWORD MQTT_PORT
import { spawnSync } from 'node:child_process';
import { chromium } from 'playwright-core';

const [webUrl, user, password, mqttPort] = process.argv.slice(2);
const wait = { timeout: 30000 };
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
    '--disable-background-networking', '--disable-component-update', '--disable-sync'],
});
const context = await browser.newContext();
const tab = await context.newPage();
const errors = [];
tab.on('pageerror', (error) => errors.push(String(error)));

function check(condition, what) {
  if (!condition) throw new Error(what);
}

async function state(text) {
  await tab.waitForFunction((wanted) => document.getElementById('state').innerText.includes(wanted),
    text, wait);
}

async function signIn(secret) {
  await tab.fill('#username', user);
  await tab.fill('#password', secret);
  await tab.click('#login button');
}

const kept = () => tab.evaluate(() => sessionStorage.length + localStorage.length);

const tests = {
  async 'asks-who-one-is'() {
    await tab.goto(`${webUrl}/`);
    await tab.waitForSelector('#login', { state: 'visible', ...wait });
    await state('not signed in');
  },
  async 'says-that-a-password-is-wrong'() {
    await signIn('guess');
    await state('wrong user name or password');
    check(await tab.isVisible('#login'), 'it does not ask again');
    check(await kept() === 0, 'a wrong password is kept');
    check(await tab.inputValue('#password') === '', 'a wrong password is shown again');
  },
  async 'shows-events-to-who-is-in'() {
    await signIn(password);
    await state('connected');
    check(!await tab.isVisible('#login'), 'it still asks');
    check(await tab.innerText('#user') === user, 'it does not say who is in');
    const mark = `seen-${Date.now()}`;
    const done = spawnSync('mosquitto_pub', ['-p', mqttPort, '-u', user, '-P', password, '-r',
      '-q', '1', '-t', 'plant/7/door', '-m', mark]);
    check(done.status === 0, String(done.stderr));
    await tab.waitForFunction((wanted) => document.body.innerText.includes(wanted), mark, wait);
  },
  async 'knows-one-after-a-reload'() {
    await tab.reload();
    await state('connected');
    const other = await context.newPage();
    await other.goto(`${webUrl}/`);
    await other.waitForSelector('#login', { state: 'visible', ...wait });
    await other.close();
  },
  async 'forgets-who-signs-out'() {
    await tab.click('#leave');
    await tab.waitForSelector('#login', { state: 'visible', ...wait });
    check(await kept() === 0, 'something is kept');
    check(errors.length === 0, errors.join('; '));
  },
};

for (const [test, run] of Object.entries(tests)) {
  try {
    await run();
    console.log(JSON.stringify({ test, ok: true }));
  } catch (error) {
    console.log(JSON.stringify({ test, ok: false, why: String(error) }));
  }
}
await browser.close();
