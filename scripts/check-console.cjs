// Uses the console in a real browser. Called by check-console.sh.
const assert = require('assert');
const fs = require('fs');
const puppeteer = require('puppeteer-core');

const [way, url] = process.argv.slice(2);
const { SYNOD_BROWSER, SYNOD_VIEWER_KEY, SYNOD_OPERATOR_KEY, SYNOD_ADMIN_KEY, SYNOD_BUNDLE, SYNOD_PICTURES } = process.env;
const LONGEST = 30_000;

/// What the browser complained of, and what was asked of others.
const trouble = [];

/// Looks after what happens on pages of the console; those of an identity provider are its own.
function watch(page) {
  const isOurs = () => page.url().startsWith(`${url}/`);
  page.on('pageerror', (error) => isOurs() && trouble.push(`a script failed: ${error.message}`));
  page.on('console', (message) => {
    if (!isOurs()) return;
    // Whoever is not known, or sends nonsense, or has no network, is told so: that is no mistake of the page's.
    const isRefusal = message.text().startsWith('Failed to load resource') && /40[014]|DISCONNECTED/.test(message.text());
    if (message.type() === 'error' && !isRefusal) trouble.push(`the browser says: ${message.text()}`);
  });
  page.on('request', (request) => {
    if (way === 'use' && !request.url().startsWith(`${url}/`)) trouble.push(`${request.url()} is asked for`);
  });
}

/// Waits until something holds in the page.
function until(page, what, holds, ...values) {
  const waited = page.waitForFunction(holds, { timeout: LONGEST, polling: 50 }, ...values);
  return waited.catch(async () => {
    throw new Error(`not ${what}; the page says:\n${await page.evaluate(() => document.body.innerText)}`);
  });
}

/// Waits until an element says something.
function says(page, selector, text) {
  const holds = (selector, text) => [...document.querySelectorAll(selector)].some((found) => found.innerText.includes(text));
  return until(page, `“${text}” in ${selector}`, holds, selector, text);
}

async function click(page, selector) {
  await page.waitForSelector(selector, { timeout: LONGEST });
  // As with the keyboard: what is redrawn meanwhile is another element with the same id.
  await page.$eval(selector, (found) => (found.focus(), found.click()));
}

/// Confirms what a dialog asks, and waits until it is done.
async function confirm(page, expected) {
  await click(page, '#dialog-confirm');
  await says(page, '#said', expected);
  await until(page, 'closed', () => document.querySelector('dialog') === null);
}

async function shot(page, name) {
  if (SYNOD_PICTURES) await page.screenshot({ path: `${SYNOD_PICTURES}/${name}.png`, fullPage: true });
}

/// What a screen reader or a keyboard would stumble over.
async function barriers(page, where) {
  await page.evaluate(fs.readFileSync(require.resolve('axe-core'), 'utf8'));
  const { violations } = await page.evaluate(() => axe.run(document, { resultTypes: ['violations'] }));
  const told = violations.map((found) => `${found.id}: ${found.help}: ${found.nodes.map((node) => node.html).join(' ')}`);
  assert.deepStrictEqual(told, [], `barriers ${where}`);
}

async function enter(page, key) {
  await page.waitForSelector('#key', { timeout: LONGEST });
  await page.$eval('#key', (found, key) => (found.value = key), key);
  await click(page, '#key-form button');
}

/// Has rows scored, by the way that programs take.
async function score(from, to) {
  const number = (row, step) => ((row * step) % 997) / 997 / 2;
  const rows = [];
  for (let row = from; row < to; row += 1) rows.push({ a: number(row, 7), b: number(row, 113), c: number(row, 31) });
  const headers = { authorization: `Bearer ${SYNOD_ADMIN_KEY}`, 'content-type': 'application/json' };
  const answer = await fetch(`${url}/v1/score`, { method: 'POST', headers, body: JSON.stringify(rows) });
  assert.strictEqual(answer.status, 200);
  return (await answer.json()).map((each) => each.votes[0].model_version);
}

async function ids(page, beginning) {
  return page.$$eval(`[id^="${beginning}"]`, (found) => found.map((each) => each.id));
}

async function nobody(page) {
  await page.goto(`${url}/console`);
  await says(page, '#entry', 'Nobody is logged in');
  assert.strictEqual(await page.$('#login'), null, 'nobody can log in here');
  assert.ok(await page.$eval('#content', (found) => found.hidden), 'nothing is shown to nobody');
  await barriers(page, 'when nobody is logged in');
  await shot(page, 'nobody');
  await enter(page, 'synod_wrong_key');
  await says(page, '#refused', 'does not take this API key');
}

/// What comes from the service is text, wherever it is shown.
async function hostile(page) {
  const found = await page.evaluate(() => [document.querySelectorAll('img, script:not([src])').length, window.hostile === undefined]);
  assert.deepStrictEqual(found, [0, true], 'what came from the service became markup');
}

async function viewer(page) {
  await enter(page, SYNOD_VIEWER_KEY);
  await says(page, '#models', 'robust');
  await says(page, '#session', 'viewer');
  await says(page, '#trying', 'Nothing is tried');
  await says(page, '#health', 'operate:service');
  for (const act of ['promote', 'rollback', 'propose', 'upload', 'begin', 'rollout-']) assert.deepStrictEqual(await ids(page, act), [], act);
  await says(page, '#models td', '<img src=x onerror="window.hostile=1">');
  await says(page, '#models td', 'unsigned');
  await click(page, '#card-robust-2');
  await says(page, 'dialog h3', 'robust, version 2');
  await says(page, 'dialog td', '<img src=x onerror="window.hostile=1">');
  await says(page, 'dialog td', '<script>window.hostile=1</script> of the | desk');
  await says(page, 'dialog code', 'synod_detector_score_psi');
  assert.ok((await page.$$('dialog h4')).length >= 3, 'a card has sections');
  await barriers(page, 'in a model card');
  await hostile(page);
  await shot(page, 'card');
  await page.keyboard.press('Escape');
  await until(page, 'back at the button', () => document.activeElement.id === 'card-robust-2');
  await click(page, '#leave');
  await says(page, '#entry', 'Nobody is logged in');
  const left = await page.$eval('#content', (found) => [found.hidden, found.textContent.includes('robust')]);
  assert.deepStrictEqual(left, [true, false], 'what was shown to the viewer is gone');
}

/// Model cards are the service's own, but a renderer that is safe is safe with any text.
async function cards(page) {
  const rendered = await page.evaluate(async () => {
    const { markdown } = await import('/console/assets/markdown.js');
    const text = ['# A *b*', 'one', 'two `<i>` \\<b\\> <u>', '', '- x', '  y', '- z', '| h | k |', '|---|:-:|', '| a \\| b | `c` |', '```', '<p> \\<', '```', '`', '|', '- ', '```'];
    return markdown(text.join('\n')).innerHTML;
  });
  const wide = '<div class="wide" tabindex="0" role="group" aria-label="A table of the card"><table>';
  const expected = [
    '<h3>A *b*</h3><p>one two <code>&lt;i&gt;</code> &lt;b&gt; &lt;u&gt;</p><ul><li>x y</li><li>z</li></ul>',
    `${wide}<thead><tr><th>h</th><th>k</th></tr></thead><tbody><tr><td>a | b</td><td><code>c</code></td></tr></tbody></table></div>`,
    '<pre><code>&lt;p&gt; \\&lt;</code></pre><p>`</p>',
    `${wide}<tbody><tr></tr></tbody></table></div><ul><li></li></ul><pre><code></code></pre>`,
  ];
  assert.strictEqual(rendered, expected.join(''));
}

async function versions(page) {
  await enter(page, SYNOD_ADMIN_KEY);
  await click(page, '#promote-robust-2');
  await says(page, 'dialog li', 'instead of version 1');
  await barriers(page, 'in a question');
  await shot(page, 'promote');
  await click(page, '#dialog-cancel');
  await until(page, 'closed', () => document.querySelector('dialog') === null);
  assert.deepStrictEqual(await score(0, 1), [1], 'whoever cancels has nothing done');
  await click(page, '#promote-robust-2');
  await confirm(page, 'Judging now: robust 2');
  assert.deepStrictEqual(await score(1, 2), [2]);
  await says(page, '#models dd', 'version 2');
  await says(page, '#health', 'Every part of the service is well');
  await click(page, '#rollback-robust');
  await says(page, 'dialog li', 'instead of version 2');
  await confirm(page, 'Judging now: robust 1');
  assert.deepStrictEqual(await score(2, 3), [1]);
  await click(page, '#propose-robust-2');
  await confirm(page, 'Version 2 of robust is the candidate');
  await until(page, 'proposed', () => document.getElementById('propose-robust-2') === null);
}

/// Whoever is called at night takes back, and changes nothing else.
async function operator(page) {
  await click(page, '#leave');
  await enter(page, SYNOD_OPERATOR_KEY);
  await says(page, '#session', 'operator');
  await page.waitForSelector('#rollback-robust', { timeout: LONGEST });
  for (const act of ['promote', 'propose', 'upload', 'begin']) assert.deepStrictEqual(await ids(page, act), [], act);
  await says(page, '#health', 'Every part of the service is well');
  await click(page, '#leave');
  await enter(page, SYNOD_ADMIN_KEY);
  await says(page, '#session', 'admin');
}

async function uploads(page) {
  await click(page, '#upload-robust');
  const input = await page.waitForSelector('#bundle', { timeout: LONGEST });
  await input.uploadFile(__filename);
  await click(page, '#dialog-confirm');
  await until(page, 'refused in the dialog', () => document.querySelector('dialog .refused').innerText !== '');
  await input.uploadFile(SYNOD_BUNDLE);
  await confirm(page, 'Version 3 of robust is there');
  await says(page, '#models th', '3');
  await click(page, '#propose-robust-2');
  await confirm(page, 'Version 2 of robust is the candidate');
  await until(page, 'proposed', () => document.getElementById('propose-robust-2') === null);
}

async function rollout(page) {
  await click(page, '#begin');
  await click(page, '#own-steps');
  await page.$eval('.steps-editor .share', (found) => (found.value = '0'));
  await page.$eval('.steps-editor .hold', (found) => (found.value = 'an hour'));
  await click(page, '#dialog-confirm');
  await says(page, 'dialog .refused', 'no time span');
  await barriers(page, 'where a rollout is begun');
  await shot(page, 'begin');
  for (const place of [0, 1]) await page.$$eval('.steps-editor .hold', (found, place) => (found[place].value = '1h'), place);
  await confirm(page, 'A rollout has begun: robust 2');
  await says(page, '#trying', 'robust 2 instead of robust 1');
  // Its engine is made ready first.
  for (let round = 0; !(await page.$('#report meter')); round += 1) {
    assert.ok(round < 200, 'nothing is compared');
    await score(100 + round * 40, 140 + round * 40);
    await new Promise((done) => setTimeout(done, 200));
  }
  assert.strictEqual((await page.$$('#report meter')).length, 5, 'one for each guard');
  await says(page, '#report td', '1000 times');
  await says(page, '#report th', 'tried: block');
  await click(page, '#report a');
  await says(page, 'dialog pre', '"votes"');
  await shot(page, 'decision');
  await click(page, 'dialog .close');
  await until(page, 'closed', () => document.querySelector('dialog') === null);
  await barriers(page, 'beside a rollout');
  await shot(page, 'rollout');
  await narrow(page);
  await click(page, '#rollout-next');
  await says(page, 'dialog', '50 % of the entities, instead of 0 %');
  await confirm(page, 'Step 2 of 2: a share of 50 %');
  await says(page, '#trying [aria-current]', '50 %');
  assert.deepStrictEqual(await ids(page, 'rollout-next'), [], 'there is no step after the last one');
  await click(page, '#rollout-stop');
  await page.type('#why', 'seen <b>enough</b>');
  await confirm(page, 'Stopped: seen <b>enough</b>');
  await says(page, '#ended td', 'seen <b>enough</b>');
  await says(page, '#trying', 'Nothing is tried');
  await click(page, '[id^="report-"]');
  await says(page, 'dialog', 'rows were judged by both sides');
  await page.keyboard.press('Escape');
}

/// On a phone, and in the dark.
async function narrow(page) {
  const ground = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  const light = await ground();
  await page.setViewport({ width: 360, height: 740 });
  await page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: 'dark' }]);
  const width = await page.evaluate(() => document.documentElement.scrollWidth);
  assert.ok(width <= 360, `a phone of 360 pixels shows ${width}`);
  assert.notStrictEqual(await ground(), light);
  await barriers(page, 'on a phone, in the dark');
  await shot(page, 'phone');
  await page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: 'light' }]);
  await page.setViewport({ width: 1280, height: 900 });
}

async function away(page) {
  await page.setOfflineMode(true);
  await says(page, '#unread', 'cannot be reached');
  await page.setOfflineMode(false);
}

async function use(page) {
  for (const step of [nobody, cards, viewer, versions, operator, uploads, rollout, hostile, away]) {
    await step(page);
    console.log(`${step.name}: as it should be`);
  }
}

async function logIn(page) {
  await page.goto(`${url}/console`);
  await click(page, '#login');
  await page.waitForSelector('input[name="login"]', { timeout: LONGEST });
  await page.type('input[name="login"]', 'ana');
  await page.type('input[name="password"]', 'any');
  await Promise.all([page.waitForNavigation(), page.click('button[type="submit"]')]);
  if (!page.url().startsWith(url)) await Promise.all([page.waitForNavigation(), page.click('button[type="submit"]')]);
  await says(page, '#session', 'ana of the desk (analyst)');
  await says(page, '#models', 'forest');
  assert.deepStrictEqual(await ids(page, 'promote'), [], 'an analyst promotes nothing');
  // What changes something needs the session's token.
  await click(page, '#leave');
  await says(page, '#said', 'logged out');
  await says(page, '#entry', 'Nobody is logged in');
}

async function main() {
  const browser = await puppeteer.launch({ executablePath: SYNOD_BROWSER, args: ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage'] });
  try {
    const page = await browser.newPage();
    await page.setViewport({ width: 1280, height: 900 });
    watch(page);
    await { use, 'log-in': logIn }[way](page);
    assert.deepStrictEqual(trouble, []);
  } finally {
    await browser.close();
  }
}

main().catch((error) => {
  console.error(error.message, error.stack, trouble.join('\n'));
  process.exitCode = 1;
});
