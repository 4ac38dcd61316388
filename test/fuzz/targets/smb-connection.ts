/** A server at the other end of a connection: `smb/connection.ts`, over a socket of its own. */
import assert from 'node:assert/strict';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { Connection } from '../../../src/smb/connection.ts';
import { Encryption } from '../../../src/smb/crypto/encryption.ts';
import { Signer } from '../../../src/smb/crypto/signing.ts';
import { SmbError } from '../../../src/smb/errors.ts';
import { COMMANDS, type Command } from '../../../src/smb/messages/header.ts';
import { encodeEmptyRequest } from '../../../src/smb/messages/session-setup.ts';
import { Prng } from '../engine/prng.ts';
import type { FuzzTarget } from '../engine/target.ts';
import { MIB } from './expect.ts';

/** Bits of an input's first byte. */
const Mode = { signed: 1, encrypted: 2, keepFrame: 4, keepHeader: 8, keepSignature: 16 } as const;
const KEY = Buffer.alloc(16, 6);
const SESSION = 7n;
const ASKED: readonly Command[] = ['echo', 'echo', 'logoff'];
const HEADER = 64;

/** An input: mode, seed of the cuts, and frames, each behind its length in one byte. */
export async function smbConnectionTarget(): Promise<FuzzTarget> {
  let answer: readonly Buffer[] = [];
  const server = createServer((socket) => speak(socket, answer));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', () => resolve()));
  return {
    seeds: seeds(),
    lengthMax: 2048,
    memory: (input) => 8 * MIB + 4096 * input.length,
    timeLimit: 5000,
    close: () => void server.close(),
    async run(input) {
      answer = pieces(input);
      await ask(server, input[0] ?? 0);
    },
  };
}

function seeds(): Buffer[] {
  const frame = (status: number, flags: number): Buffer => {
    const bytes = Buffer.alloc(HEADER + 4);
    bytes.writeUInt32LE(status, 8);
    bytes.writeUInt16LE(8, 14);
    bytes.writeUInt32LE(1 | flags, 16);
    bytes.writeUInt16LE(4, HEADER);
    return Buffer.concat([Buffer.from([bytes.length]), bytes]);
  };
  const frames = Buffer.concat([frame(0, 0), frame(0x103, 2), frame(0, 0), frame(0, 0)]);
  return [0, Mode.signed, Mode.encrypted, Mode.signed | Mode.encrypted].map((mode) =>
    Buffer.concat([Buffer.from([mode, 1]), frames]),
  );
}

function pieces(input: Buffer): Buffer[] {
  const mode = input[0] ?? 0;
  const encryption = encryptionOf();
  const signer = new Signer('HMAC-SHA256', KEY);
  const frames: Buffer[] = [];
  for (let at = 2, number = 0; at < input.length; number += 1) {
    const end = Math.min(at + 1 + (input[at] ?? 0), input.length);
    const frame = Buffer.from(input.subarray(at + 1, end));
    at = end;
    if (frame.length >= HEADER && (mode & Mode.keepHeader) === 0) mendHeader(frame, number);
    // Flags that the signer, which is the client's own, never sees.
    if (frame.length >= HEADER) frame[19] = (frame[19] ?? 0) & 0x7f;
    if (frame.length >= HEADER && (mode & (Mode.signed | Mode.keepSignature)) === Mode.signed)
      signer.sign([frame]);
    const wire = (mode & Mode.encrypted) === 0 ? frame : Buffer.concat(encryption.encrypt([frame]));
    const length = Buffer.alloc(4);
    length.writeUInt32BE(wire.length);
    frames.push((mode & Mode.keepFrame) === 0 ? Buffer.concat([length, wire]) : wire);
  }
  const stream = Buffer.concat(frames);
  const cuts = new Prng(input[1] ?? 0);
  const cut: Buffer[] = [];
  for (let at = 0; at < stream.length;) {
    const size = 1 + cuts.below(200);
    cut.push(stream.subarray(at, at + size));
    at += size;
  }
  return cut;
}

const encryptionOf = (): Encryption =>
  new Encryption({ cipher: 'AES-128-GCM', sessionId: SESSION, sending: KEY, receiving: KEY });

/** An answer to what was asked, if it is as many as there were questions. */
function mendHeader(frame: Buffer, number: number): void {
  frame.writeUInt32LE(0x424d53fe, 0);
  frame.writeUInt16LE(HEADER, 4);
  frame.writeUInt16LE(COMMANDS[ASKED[number % ASKED.length] ?? 'echo'], 12);
  frame.writeUInt32LE((frame.readUInt32LE(16) | 1) >>> 0, 16);
  frame.writeBigUInt64LE(BigInt(number), 24);
}

function speak(socket: Socket, answer: readonly Buffer[]): void {
  socket.on('error', () => undefined);
  socket.setNoDelay(true);
  socket.once('data', () => {
    for (const piece of answer) socket.write(piece);
    socket.end();
  });
}

/** However the server answers, everything that was asked comes to an end, with an answer or an error with a code. */
async function ask(server: Server, mode: number): Promise<void> {
  const { port } = server.address() as AddressInfo;
  const connection = await Connection.open({ host: '127.0.0.1', port, timeout: 60_000 });
  const isProtected = (mode & (Mode.signed | Mode.encrypted)) !== 0;
  if (isProtected) {
    connection.protection = {
      sessionId: SESSION,
      signer: new Signer('HMAC-SHA256', KEY),
      encryption: encryptionOf(),
    };
  }
  const encrypt = (mode & Mode.encrypted) !== 0;
  const asked = ASKED.map((command) => connection.request({ command, body: encodeEmptyRequest(), encrypt }));
  for (const result of await Promise.allSettled(asked)) {
    if (result.status === 'fulfilled') continue;
    const error: unknown = result.reason;
    if (!(error instanceof SmbError)) throw error;
  }
  connection.end(new SmbError('CANCELLED', 'the test is over'));
  assert.ok(connection.ended !== undefined);
}
