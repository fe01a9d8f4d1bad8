// Judges a client access point with tuf-js: serves its folder on loopback, refreshes from root version 1 and downloads targets.
// usage: node tuf-verify.mjs <cap folder> <empty work folder> <target path>...
// prints one line of JSON: { rootVersion, timestampVersion, targets: { <path>: <content> | null }, reads: [<path>...] }
import { createReadStream, copyFileSync, existsSync, mkdirSync, readFileSync, statSync } from 'node:fs';
import { createServer } from 'node:http';
import path from 'node:path';
import { Updater } from 'tuf-js';

const [cap, work, ...wanted] = process.argv.slice(2);
const metadataDir = path.join(work, 'metadata');
const targetDir = path.join(work, 'targets');
mkdirSync(metadataDir, { recursive: true });
mkdirSync(targetDir, { recursive: true });
copyFileSync(path.join(cap, 'metadata', '1.root.json'), path.join(metadataDir, 'root.json'));

const reads = [];
const server = createServer((request, response) => {
  const name = decodeURIComponent(new URL(request.url, 'http://cap').pathname).slice(1);
  const file = path.join(cap, name);
  reads.push(name);
  if (!file.startsWith(path.resolve(cap) + path.sep) || !existsSync(file) || !statSync(file).isFile()) {
    response.writeHead(404).end();
    return;
  }
  createReadStream(file).pipe(response);
});
await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
const base = `http://127.0.0.1:${server.address().port}`;

try {
  const updater = new Updater({
    metadataDir,
    metadataBaseUrl: `${base}/metadata`,
    targetDir,
    targetBaseUrl: `${base}/targets`,
    config: { fetchRetry: 0, fetchRetries: 0 },
  });
  await updater.refresh();
  const targets = {};
  for (const target of wanted) {
    const info = await updater.getTargetInfo(target);
    targets[target] = info ? readFileSync(await updater.downloadTarget(info), 'utf8') : null;
  }
  const version = (name) => JSON.parse(readFileSync(path.join(metadataDir, `${name}.json`), 'utf8')).signed.version;
  console.log(JSON.stringify({ rootVersion: version('root'), timestampVersion: version('timestamp'), targets, reads }));
} finally {
  server.closeAllConnections();
  server.close();
}
