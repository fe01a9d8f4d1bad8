// Signs a repository with @tufjs/models, which knows nothing of ours, for our client to verify: ECDSA P-256, two root versions (the second with a
// threshold of two), a delegation by path, one by hash prefix, and succinct roles below a normal delegation. Unknown members stand everywhere.
// usage: node tuf-sign.mjs <empty folder>
// prints one line of JSON: { rootHash, timestampVersion, targets: { <path>: <content> } }
import { createHash, generateKeyPairSync, sign } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { Key, Metadata, MetaFile, Root, Signature, Snapshot, TargetFile, Targets, Timestamp } from '@tufjs/models';

const [out] = process.argv.slice(2);
const expires = '2099-01-01T00:00:00Z';
const sha256 = (data) => createHash('sha256').update(data).digest('hex');

function newKey(keyType) {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const pem = publicKey.export({ type: 'spki', format: 'pem' });
  const keyID = sha256(pem);
  return { privateKey, key: new Key({ keyID, keyType, scheme: 'ecdsa-sha2-nistp256', keyVal: { public: pem }, unrecognizedFields: { 'x-note': 'é "quoted" \\ \n' } }) };
}

function signed(body, ...keys) {
  const metadata = new Metadata(body);
  for (const { key, privateKey } of keys)
    metadata.sign((data) => new Signature({ keyID: key.keyID, sig: sign('sha256', data, privateKey).toString('hex') }));
  return metadata;
}

const files = {};
const write = (name, metadata) => { files[name] = Buffer.from(JSON.stringify(metadata.toJSON(), null, 1)); return files[name]; };

// Both spellings of the key type are in use.
const keys = Object.fromEntries(['root', 'root2', 'targets', 'snapshot', 'timestamp', 'site', 'hashed', 'policy', 'bins'].map((name, i) => [name, newKey(i % 2 ? 'ecdsa' : 'ecdsa-sha2-nistp256')]));

function root(version, rootKeys, threshold) {
  const body = new Root({ version, specVersion: '1.0.31', expires, consistentSnapshot: true, unrecognizedFields: { 'x-root': [1, true, null, { b: 'ü', a: '' }] } });
  for (const key of rootKeys)
    body.addKey(key.key, 'root');
  for (const role of ['targets', 'snapshot', 'timestamp'])
    body.addKey(keys[role].key, role);
  const json = body.toJSON();
  json.roles.root.threshold = threshold;
  return Root.fromJSON(json);
}
write('1.root.json', signed(root(1, [keys.root], 1), keys.root));
write('2.root.json', signed(root(2, [keys.root, keys.root2], 2), keys.root, keys.root2));

const contents = { 'top.txt': 'listed by targets itself' };
const byRole = { targets: ['top.txt'], site: [], hashed: [] };
const place = (role, name, content) => { contents[name] = content; (byRole[role] ??= []).push(name); };
place('site', 'site/site.json', '{"site":"other"}');

const bins = { keyids: [keys.bins.key.keyID], threshold: 1, bit_length: 5, name_prefix: 'policy' };
const delegations = (keyList, rest) => ({ keys: Object.fromEntries(keyList.map(({ key }) => [key.keyID, key.toJSON()])), ...rest });
const targets = (version, names, delegated) => {
  const body = new Targets({ version, specVersion: '1.0', expires, targets: {} }).toJSON();
  for (const name of names)
    body.targets[name] = { length: Buffer.byteLength(contents[name]), hashes: { sha256: sha256(contents[name]), sha512: createHash('sha512').update(contents[name]).digest('hex') }, custom: { any: 'thing' } };
  if (delegated)
    body.delegations = delegated;
  return Targets.fromJSON(body);
};
const policy = targets(6, [], delegations([keys.bins], { succinct_roles: bins }));
const succinct = policy.delegations.succinctRoles;
for (let i = 0; i < 40; i++) {
  const name = `policy/device-${i}.json`;
  place(succinct.getRoleForTarget(name), name, `policy ${i}`);
}
place('hashed', 'anything/at/all.bin', 'found by the hash of its path');

const meta = {};
const role = (name, version, body, key) => { write(`${version}.${name}.json`, signed(body, key)); meta[`${name}.json`] = new MetaFile({ version }); };
role('targets', 3, targets(3, byRole.targets, delegations([keys.site, keys.hashed, keys.policy], {
  roles: [
    { name: 'site', keyids: [keys.site.key.keyID], threshold: 1, paths: ['site/*', 'cap-list/??.json'], terminating: false },
    { name: 'policy', keyids: [keys.policy.key.keyID], threshold: 1, paths: ['policy/*'], terminating: true },
    { name: 'hashed', keyids: [keys.hashed.key.keyID], threshold: 1, path_hash_prefixes: [sha256('anything/at/all.bin').slice(0, 3)], terminating: false },
  ],
})), keys.targets);
role('site', 4, targets(4, byRole.site), keys.site);
role('hashed', 5, targets(5, byRole.hashed), keys.hashed);
role('policy', 6, policy, keys.policy);
for (const name of succinct.getRoles())
  role(name, 7, targets(7, byRole[name] ?? []), keys.bins);
// Some entries with length and hash, as the specification allows.
const siteBytes = files['4.site.json'];
meta['site.json'] = new MetaFile({ version: 4, length: siteBytes.length, hashes: { sha256: sha256(siteBytes) } });
write('8.snapshot.json', signed(new Snapshot({ version: 8, specVersion: '1.0.31', expires, meta }), keys.snapshot));
write('timestamp.json', signed(new Timestamp({ version: 9, specVersion: '1.0.31', expires, snapshotMeta: new MetaFile({ version: 8 }) }), keys.timestamp));

mkdirSync(path.join(out, 'metadata'), { recursive: true });
for (const [name, bytes] of Object.entries(files))
  writeFileSync(path.join(out, 'metadata', name), bytes);
for (const [name, content] of Object.entries(contents)) {
  const { dir, base } = path.parse(name);
  mkdirSync(path.join(out, 'targets', dir), { recursive: true });
  writeFileSync(path.join(out, 'targets', dir, `${sha256(content)}.${base}`), content);
}
console.log(JSON.stringify({ rootHash: sha256(files['1.root.json']), timestampVersion: 9, targets: contents }));
