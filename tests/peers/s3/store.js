// store - an S3 server for tests: s3rver, which takes any signature of version 4, behind a check of each by aws4
//
// usage: node store.js FOLDER PORT [CERTIFICATE]
//
// CERTIFICATE: a PEM file with its key; the server speaks TLS then.
//
// A request whose signature or body hash is another one gets what S3 says to it. The access key and the secret are both
// S3RVER; a session token of "expired" is one. It prints "listening on PORT" once it is.
'use strict';

const [folder, port, certificate] = process.argv.slice(2);
const crypto = require('crypto');
const fs = require('fs');
const http = require('http');
const https = require('https');
const aws4 = require('aws4');
const S3rver = require('s3rver');

function refuse(response, status, code) {
  response.writeHead(status, { 'Content-Type': 'application/xml' });
  response.end(`<?xml version="1.0"?>\n<Error><Code>${code}</Code><Message>refused</Message></Error>`);
}

// The Authorization that aws4 makes for the same request, from the header fields that are said to be signed.
function expected(request, service, region, names) {
  const headers = {};
  for (const name of names) headers[name] = request.headers[name];
  const signed = aws4.sign(
    { service, region, host: request.headers.host, method: request.method, path: request.url, headers },
    { accessKeyId: 'S3RVER', secretAccessKey: 'S3RVER' },
  );
  return /Signature=([0-9a-f]+)/.exec(signed.headers.Authorization)[1];
}

// The code of an error, or undefined.
function mistake(request, body) {
  const form = /^AWS4-HMAC-SHA256 Credential=([^/]+)\/\d{8}\/([^/]+)\/([^/]+)\/aws4_request,SignedHeaders=([^,]+),Signature=(\w+)$/;
  const match = form.exec(request.headers.authorization || '');
  if (!match) return 'AccessDenied';
  const [, key, region, service, list, signature] = match;
  const names = list.split(';');
  const sha256 = crypto.createHash('sha256').update(body).digest();
  const checksum = request.headers['x-amz-checksum-sha256'];
  if (key !== 'S3RVER') return 'InvalidAccessKeyId';
  if (Object.keys(request.headers).some(name => name.startsWith('x-amz-') && !names.includes(name)))
    return 'AccessDenied';
  if (signature !== expected(request, service, region, names)) return 'SignatureDoesNotMatch';
  if (request.headers['x-amz-security-token'] === 'expired') return 'ExpiredToken';
  if (request.headers['x-amz-content-sha256'] !== sha256.toString('hex')) return 'XAmzContentSHA256Mismatch';
  if (checksum && checksum !== sha256.toString('base64')) return 'BadDigest';
  return undefined;
}

function pass(request, body, response, inner) {
  const onward = http.request(
    { host: '127.0.0.1', port: inner, method: request.method, path: request.url, headers: request.headers },
    answer => {
      response.writeHead(answer.statusCode, answer.headers);
      answer.pipe(response);
    },
  );
  onward.on('error', () => response.destroy());
  onward.end(body);
}

async function main() {
  const store = new S3rver({
    directory: folder,
    address: '127.0.0.1',
    port: 0,
    silent: true,
    serviceEndpoint: 'localhost',
    configureBuckets: [{ name: 'reports', configs: [] }],
  });
  const inner = (await store.run()).port;
  const pem = certificate && fs.readFileSync(certificate);
  const listen = pem ? answer => https.createServer({ cert: pem, key: pem }, answer) : http.createServer;
  const server = listen((request, response) => {
    const pieces = [];
    request.on('data', piece => pieces.push(piece));
    request.on('end', () => {
      const body = Buffer.concat(pieces);
      const code = mistake(request, body);
      if (code) refuse(response, 403, code);
      else pass(request, body, response, inner);
    });
  });
  server.listen(Number(port), '127.0.0.1', () => console.log(`listening on ${server.address().port}`));
}

main();
