// Looks at the console in a real browser: every page, narrow and wide, light and dark, with JavaScript off; and the charts with it.
//   node console-shots.mjs BUSY_URL EMPTY_URL [DIRECTORY]
// Prints one line per finding and ends with 1 when there is any. With a directory, it keeps a picture of each.
import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import { chromium } from 'playwright-core';

const [busy, empty, directory] = process.argv.slice(2).map(argument => argument.replace(/\/$/, ''));
if (!empty) {
  console.error('usage: node console-shots.mjs BUSY_URL EMPTY_URL [DIRECTORY]');
  process.exit(2);
}
if (directory) await mkdir(directory, { recursive: true });

const findings = [];
// Milliseconds. Against a page that never comes, not a busy machine.
const patience = 300_000;
const browser = await chromium.launch({
  timeout: patience,
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: ['--headless', '--no-sandbox', '--disable-gpu', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
});

async function open(options) {
  const context = await browser.newContext(options);
  context.setDefaultTimeout(patience);
  return context;
}

// The list names the detail page, as a person finds it.
async function firstClient() {
  const context = await open({ javaScriptEnabled: false });
  const page = await context.newPage();
  await page.goto(`${busy}/clients`);
  const address = await page.locator('tbody th a').first().getAttribute('href');
  await context.close();
  return address;
}

const client = busy + await firstClient();
const pages = [
  ['overview', `${busy}/`, 'Site'],
  ['clients', `${busy}/clients`, 'Clients'],
  ['client', client, 'Software'],
  ['software-filter', `${client}?software=example17&all=1`, 'libexample170-dev'],
  ['collections', `${busy}/collections`, 'until that is confirmed'],
  ['collection-failed', `${busy}/collections/Lab`, 'cannot be evaluated'],
  ['collection-held', `${busy}/collections/Branch%20offices`, 'capstan collection edit'],
  ['software', `${busy}/software`, 'Firefox'],
  ['advertisements', `${busy}/advertisements`, 'halted'],
  ['advertisement-halted', `${busy}/advertisements/k3fq7zbm`, 'nothing more of it begins'],
  ['advertisement-running', `${busy}/advertisements/live2345`, 'Over time'],
  ['advertisement-failed', `${busy}/advertisements/k3fq7zbm?state=failed`, 'Show all'],
  ['why', `${client.replace(/#.*/, '')}/why/k3fq7zbm`, 'The whole chain'],
  ['health', `${busy}/health`, 'Health'],
  ['caps', `${busy}/caps`, 'The same figures as a table'],
  ['status', `${busy}/status`, 'Status'],
  ['quarantine', `${busy}/quarantine`, 'Quarantine'],
  ['not-found', `${busy}/clients/nobody`, 'Not found'],
  ['empty-overview', `${empty}/`, 'No client access point yet'],
  ['empty-clients', `${empty}/clients`, 'No client yet'],
  ['empty-collections', `${empty}/collections`, 'No collection of your own yet'],
  ['empty-software', `${empty}/software`, 'oftware'],
  ['empty-advertisements', `${empty}/advertisements`, 'No advertisement yet'],
  ['empty-caps', `${empty}/caps`, 'No client access point yet'],
  ['empty-status', `${empty}/status`, 'No status messages'],
  ['empty-quarantine', `${empty}/quarantine`, 'Nothing is in quarantine'],
];

async function look(width) {
  const context = await open({ viewport: { width, height: 900 }, javaScriptEnabled: false });
  for (const [name, address, expected] of pages) {
    const page = await context.newPage();
    let what = `${name} at ${width} px`;
    page.on('console', message => {
      // The browser itself notes that a page was answered with 404, which that page is for.
      if (['error', 'warning'].includes(message.type()) && name !== 'not-found') findings.push(`${what}: console: ${message.text()}`);
    });
    page.on('pageerror', error => findings.push(`${what}: ${error.message}`));
    page.on('dialog', async dialog => { findings.push(`${what}: a script ran: ${dialog.message()}`); await dialog.dismiss(); });
    page.on('request', request => { if (!request.url().startsWith(new URL(address).origin) && !request.url().startsWith('data:')) findings.push(`${what}: asks ${request.url()}`); });
    await page.goto(address, { waitUntil: 'load' });
    if (!(await page.locator('body').innerText()).includes(expected)) findings.push(`${what}: does not say "${expected}"`);
    const heights = {};
    for (const colorScheme of ['light', 'dark']) {
      what = `${name} at ${width} px, ${colorScheme}`;
      await page.emulateMedia({ colorScheme });
      const { height, found } = await inspect(page);
      findings.push(...found.map(finding => `${what}: ${finding}`));
      heights[colorScheme] = Math.min(height, 2400);
    }
    // After looking, because taking a picture leaves marks in the page.
    for (const [colorScheme, height] of directory ? Object.entries(heights) : []) {
      await page.emulateMedia({ colorScheme });
      // The top of a long page shows all that there is to see.
      await page.screenshot({ path: path.join(directory, `${name}-${width}-${colorScheme}.png`), fullPage: true, clip: { x: 0, y: 0, width, height } });
    }
    await page.close();
  }
  await context.close();
}

await Promise.all([look(320), look(1440)]);

// The same with script allowed: the policy must keep what a client reported from running.
const scripted = await open({ viewport: { width: 1440, height: 900 } });
for (const [name, address] of pages) {
  const page = await scripted.newPage();
  page.on('dialog', async dialog => { findings.push(`${name}: a script ran: ${dialog.message()}`); await dialog.dismiss(); });
  await page.goto(address, { waitUntil: 'load' });
  await page.close();
}

// Charts: drawn in both schemes and widths, with nothing of the policy broken; the table is closed under them, and whole.
const charts = await scripted.newPage();
await charts.goto(`${busy}/caps`, { waitUntil: 'load' });
const brought = await charts.locator('figure.chart').count() > 0;
// Each with how many lines it has.
const drawn = [['chart', `${busy}/caps`, 5], ['curve', `${busy}/advertisements/k3fq7zbm`, 5]];
for (const [name, address, lines] of brought ? drawn : []) for (const width of [320, 1440]) {
  await charts.setViewportSize({ width, height: 900 });
  for (const colorScheme of ['light', 'dark']) {
    const what = `${name} at ${width} px, ${colorScheme}`;
    const page = await scripted.newPage();
    page.on('console', message => { if (['error', 'warning'].includes(message.type())) findings.push(`${what}: console: ${message.text()}`); });
    page.on('pageerror', error => findings.push(`${what}: ${error.message}`));
    page.on('request', request => { if (!request.url().startsWith(busy) && !request.url().startsWith('data:')) findings.push(`${what}: asks ${request.url()}`); });
    await page.setViewportSize({ width, height: 900 });
    await page.emulateMedia({ colorScheme });
    await page.goto(address, { waitUntil: 'load' });
    const { height, found } = await inspect(page);
    findings.push(...found.map(finding => `${what}: ${finding}`));
    findings.push(...await page.evaluate(lines => {
      const canvas = document.querySelector('figure.chart canvas');
      const box = canvas.getBoundingClientRect();
      const pixels = new Set(new Uint32Array(canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data.buffer));
      return [
        pixels.size < 20 && `has ${pixels.size} colours only`,
        box.height < 200 && `is ${box.height} px high`,
        document.querySelector('details').open && 'leaves the table open',
        Chart.getChart(canvas).data.datasets.length !== lines && 'lacks a line',
      ].filter(Boolean);
    }, lines).then(all => all.map(finding => `${what}: ${finding}`)));
    if (directory) await page.screenshot({ path: path.join(directory, `${name}-${width}-${colorScheme}.png`), fullPage: true, clip: { x: 0, y: 0, width, height: Math.min(height, 2400) } });
    await page.close();
  }
}

// What goes on is read again while it is looked at, and says so in the funnel, the table and the chart; an answer that is no such page changes nothing, and the next one counts again.
let renewals = 0;
if (brought) {
  const page = await scripted.newPage();
  page.on('pageerror', error => findings.push(`renewal: ${error.message}`));
  await page.clock.install();
  await page.goto(`${busy}/advertisements/live2345`, { waitUntil: 'load' });
  const shown = () => page.evaluate(() => ({
    funnel: Number(document.querySelectorAll('#funnel-rows tr')[4].cells[1].textContent),
    table: Number(document.querySelector('#curve-rows tr').cells[4].dataset.value),
    chart: Chart.getChart(document.querySelector('figure.chart canvas')).data.datasets[0].data.at(-1).y,
    open: document.querySelector('details').open,
  }));
  const address = page.url();
  // The next reading is armed when the one before was taken in: until then time passes for nothing.
  const renew = async () => {
    const answered = page.waitForResponse(answer => answer.url() === address);
    let isThere = false;
    answered.then(() => { isThere = true; }, () => { isThere = true; });
    while (!isThere) {
      await page.clock.runFor(15_000);
      await Promise.race([answered, new Promise(done => setTimeout(done, 250))]);
    }
    await (await answered).finished();
  };
  const until = async (what, test) => { try { await page.waitForFunction(test.test, test.with, { polling: 50, timeout: patience }); renewals++; } catch { findings.push(`renewal: ${what}: ${JSON.stringify(await shown())}`); } };
  const first = await shown();
  const rises = before => ({ test: before => Number(document.querySelectorAll('#funnel-rows tr')[4].cells[1].textContent) > before, with: before });
  await renew();
  await until('does not renew what is shown', rises(first.funnel));
  const second = await shown();
  for (const part of ['table', 'chart']) if (!(second[part] > first[part])) findings.push(`renewal: the ${part} stays at ${second[part]}`);
  if (second.open) findings.push('renewal: opens the table');
  // Signed out, or a proxy that is in the way. That a second one is asked for says that the first was taken in.
  await page.route(address, route => route.fulfill({ status: 200, contentType: 'text/html', body: '<h1>Sign in</h1>' }));
  await renew();
  await renew();
  if ((await shown()).funnel !== second.funnel) findings.push('renewal: another page changes what is shown');
  await page.unroute(address);
  await renew();
  await until('does not go on after another page', rises(second.funnel));
  await page.close();
}

await browser.close();
for (const finding of findings) console.log(finding);
console.log(`${pages.length} pages in 4 forms, ${brought ? `charts in ${drawn.length * 4}, ${renewals} renewals` : 'no charts'}, ${findings.length} findings`);
process.exitCode = findings.length > 0 ? 1 : 0;

// The inspector's evaluate runs in its own world, also where the page's script is off.
async function inspect(page) {
  return await page.evaluate(() => {
    const found = [];
    const root = document.documentElement;
    if (root.scrollWidth > root.clientWidth) {
      const wide = [...document.querySelectorAll('body *')].filter(e => e.getBoundingClientRect().right > root.clientWidth + 1 && !e.closest('.scroll') && getComputedStyle(e).position !== 'absolute');
      found.push(`scrolls sideways: ${root.scrollWidth} of ${root.clientWidth} px (${wide.slice(0, 3).map(e => e.tagName + '.' + e.className).join(', ')})`);
    }
    for (const landmark of ['header', 'main', 'nav', 'footer', 'h1, .empty h2'])
      if (!document.querySelector(landmark)) found.push(`has no ${landmark}`);
    if (document.querySelectorAll('h1').length > 1) found.push('has two h1');
    for (const header of document.querySelectorAll('th')) if (!header.hasAttribute('scope')) found.push(`a table header without scope: ${header.textContent}`);
    for (const field of document.querySelectorAll('input:not([type=hidden]), select')) if (!document.querySelector(`label[for="${field.id}"]`)) found.push(`a field without label: ${field.name}`);
    if (document.querySelector('script:not([src^="/assets/"]), [style]:not(figure *), iframe')) found.push('has a script of its own, a style attribute or a frame');
    // Contrast of every text against what lies behind it (WCAG 2.2: 4.5, or 3 for large text).
    const channel = value => (value /= 255, value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4);
    const parse = color => (color.match(/[\d.]+/g) ?? []).map(Number);
    const luminance = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
    const behind = element => {
      for (let at = element; at; at = at.parentElement) {
        const color = parse(getComputedStyle(at).backgroundColor);
        if (color.length === 3 || color[3] > 0.99) return color;
      }
      return [255, 255, 255];
    };
    const poor = new Set();
    for (const element of document.querySelectorAll('body *')) {
      if (![...element.childNodes].some(node => node.nodeType === 3 && node.textContent.trim()) || element.closest('.skip, .unseen')) continue;
      const style = getComputedStyle(element);
      const [a, b] = [luminance(parse(style.color)), luminance(behind(element))].sort((x, y) => y - x);
      const size = parseFloat(style.fontSize);
      const ratio = (a + 0.05) / (b + 0.05);
      if (ratio < (size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700) ? 3 : 4.5)) poor.add(`contrast ${ratio.toFixed(2)} of ${element.tagName}.${element.className}`);
    }
    return { height: Math.max(root.scrollHeight, innerHeight), found: found.concat([...poor]) };
  });
}
