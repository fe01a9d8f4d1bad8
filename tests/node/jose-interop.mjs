// An independent JOSE implementation opens what Capstan seals, and makes what Capstan must open.
// Usage: node jose-interop.mjs VERB KEYS-FILE INPUT-FILE OUTPUT-FILE
// KEYS: {"device":JWK,"site":JWK} with private parts. Exit code 0 and the result in OUTPUT, or 1 with the reason.
import { readFileSync, writeFileSync } from 'node:fs';
import { gunzipSync, gzipSync } from 'node:zlib';
import * as jose from 'jose';

const [verb, keysFile, input, output] = process.argv.slice(2);
const keys = JSON.parse(readFileSync(keysFile, 'utf8'));
const publicPart = ({ kty, crv, x, y }) => ({ kty, crv, x, y });
const content = readFileSync(input);
const text = content.toString('latin1');

async function open(compact, jwk, cty) {
  const { plaintext, protectedHeader } = await jose.compactDecrypt(compact, await jose.importJWK(jwk, 'ECDH-ES'), {
    keyManagementAlgorithms: ['ECDH-ES'],
    contentEncryptionAlgorithms: ['A256GCM'],
  });
  expect(protectedHeader.cty === cty, `cty ${protectedHeader.cty}`);
  expect(protectedHeader.kid === (await jose.calculateJwkThumbprint(publicPart(jwk))), 'kid is not the thumbprint of the recipient');
  return Buffer.from(plaintext);
}

async function verify(compact, jwk, cty) {
  const { payload, protectedHeader } = await jose.compactVerify(compact, await jose.importJWK(publicPart(jwk), 'ES256'), { algorithms: ['ES256'] });
  expect(protectedHeader.cty === cty, `cty ${protectedHeader.cty}`);
  expect(protectedHeader.kid === (await jose.calculateJwkThumbprint(publicPart(jwk))), 'kid is not the thumbprint of the signer');
  return { payload: Buffer.from(payload), header: protectedHeader };
}

async function sign(payload, jwk, cty, extra = {}) {
  const header = { alg: 'ES256', cty, kid: await jose.calculateJwkThumbprint(publicPart(jwk)), ...extra };
  return new jose.CompactSign(payload).setProtectedHeader(header).sign(await jose.importJWK(jwk, 'ES256'));
}

async function seal(plaintext, jwk, cty) {
  const header = { alg: 'ECDH-ES', enc: 'A256GCM', cty, kid: await jose.calculateJwkThumbprint(publicPart(jwk)) };
  return new jose.CompactEncrypt(plaintext).setProtectedHeader(header).encrypt(await jose.importJWK(publicPart(jwk), 'ECDH-ES'));
}

function expect(holds, what) {
  if (!holds) throw new Error(`unexpected: ${what}`);
}

const verbs = {
  async 'open-upload'() {
    const record = (await open(text, keys.site, 'capstan-record')).toString('latin1');
    const { payload, header } = await verify(record, keys.device, 'capstan-upload+gzip');
    const upload = gunzipSync(payload);
    const asks = JSON.parse(upload).items.some((item) => item.kind === 'configuration-request');
    expect(('jwk' in header) === asks, 'jwk header and configuration request do not go together');
    return upload;
  },
  async 'make-upload'() {
    const asks = JSON.parse(text).items.some((item) => item.kind === 'configuration-request');
    const record = await sign(gzipSync(content), keys.device, 'capstan-upload+gzip', asks ? { jwk: publicPart(keys.device) } : {});
    return seal(Buffer.from(record, 'latin1'), keys.site, 'capstan-record');
  },
  async 'verify-receipts'() {
    return (await verify(text, keys.site, 'capstan-receipts')).payload;
  },
  async 'make-receipts'() {
    return sign(content, keys.site, 'capstan-receipts');
  },
  async 'open-secrets'() {
    return open(text, keys.device, 'capstan-secrets');
  },
  async 'make-secrets'() {
    return seal(content, keys.device, 'capstan-secrets');
  },
};

writeFileSync(output, await verbs[verb]());
