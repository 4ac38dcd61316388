/** A server that breaks the protocol, and somebody between client and server. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { createServer, type Server, type Socket } from 'node:net';
import fc from 'fast-check';
import { SmbClient, type SmbClientOptions } from '../../src/smb/client.ts';
import { SmbError } from '../../src/smb/errors.ts';
import { COMMANDS, FLAG_ASYNC, FLAG_FROM_SERVER, HEADER_FIELDS } from '../../src/smb/messages/header.ts';
import { frameHeader } from '../../src/smb/wire/frames.ts';
import { SambaServer } from '../servers/samba.ts';
import { MIB, optionsFor, refused, upload, using } from './bench.ts';
import { Tap } from './tap.ts';
import { PREAUTH_EXCHANGE } from './vectors.ts';

const STATUS_PENDING = 0x103;

const commandOf = (message: Buffer): number => message.readUInt16LE(HEADER_FIELDS.command);
const isPlain = (message: Buffer): boolean => message[0] === 0xfe;

describe('SMB client and a server that breaks the protocol', () => {
  let server: Server;
  let options: SmbClientOptions;
  const sockets = new Set<Socket>();
  let serve: (socket: Socket) => void;
  before(async () => {
    server = createServer((socket) => {
      sockets.add(socket);
      socket.on('error', () => undefined);
      serve(socket);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const address = server.address();
    options = {
      host: '127.0.0.1',
      port: address !== null && typeof address === 'object' ? address.port : 0,
      share: 'share',
      user: 'user',
      password: 'password',
      domain: '',
      timeout: 60_000,
      encryption: 'when-demanded',
    };
  });
  after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  const connecting = (changes: Partial<SmbClientOptions> = {}): Promise<unknown> =>
    using({ ...options, ...changes }, () => Promise.resolve());
  /** Answers the first message with these bytes. */
  const answering = (bytes: Buffer) => (socket: Socket) => void socket.once('data', () => socket.end(bytes));

  it('is told from one that closes, and from one that says nothing', async () => {
    serve = (socket) => void socket.destroy();
    await refused('CONNECTION_LOST', connecting());
    serve = () => undefined;
    await refused('TIMEOUT', connecting({ timeout: 300 }));
  });

  it('never brings the client down, whatever it sends', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 300 }), fc.boolean(), async (bytes, framed) => {
        const message = Buffer.from(bytes);
        serve = answering(framed ? Buffer.concat([frameHeader(message.length), message]) : message);
        await assert.rejects(connecting(), SmbError);
      }),
      { numRuns: 40 },
    );
  });

  it('never brings the client down, however an honest answer is changed', async () => {
    const honest = Buffer.from(PREAUTH_EXCHANGE[1].message);
    // Of this client the first message has the id 0.
    honest.writeBigUInt64LE(0n, HEADER_FIELDS.messageId);
    await fc.assert(
      fc.asyncProperty(fc.nat(honest.length - 1), fc.nat(255), async (at, byte) => {
        const message = Buffer.from(honest);
        message[at] = byte;
        serve = answering(Buffer.concat([frameHeader(message.length), message]));
        await assert.rejects(connecting(), SmbError);
      }),
      { numRuns: 60 },
    );
  });

  it('is refused a message longer than any that was asked for', async () => {
    serve = (socket) => void socket.once('data', () => socket.write(frameHeader(0xffffff)));
    await refused('MALFORMED', connecting());
  });

  it('is refused an answer to what was not asked, and one to another command', async () => {
    for (const [field, value] of [
      [HEADER_FIELDS.messageId, 9],
      [HEADER_FIELDS.command, 8],
    ] as const) {
      const message = Buffer.from(PREAUTH_EXCHANGE[1].message);
      message.writeBigUInt64LE(0n, HEADER_FIELDS.messageId);
      message[field] = value;
      serve = answering(Buffer.concat([frameHeader(message.length), message]));
      await refused('MALFORMED', connecting());
    }
  });

  it('is refused when it grants no credits to go on with', async () => {
    const message = Buffer.from(PREAUTH_EXCHANGE[1].message);
    message.writeBigUInt64LE(0n, HEADER_FIELDS.messageId);
    message.writeUInt16LE(0, HEADER_FIELDS.credits);
    serve = (socket) =>
      void socket.once('data', () => socket.write(Buffer.concat([frameHeader(message.length), message])));
    assert.match((await refused('MALFORMED', connecting())).message, /credits/);
  });
});

describe('SMB client and somebody in between', () => {
  let server: SambaServer;
  let tap: Tap;
  let options: SmbClientOptions;
  before(async () => {
    server = await SambaServer.start();
  });
  beforeEach(async () => {
    tap = await Tap.start(server.port);
    options = { ...optionsFor(server), port: tap.port, timeout: 60_000 };
  });
  afterEach(() => tap.stop());
  after(() => server.stop());
  const asking = (changes: Partial<SmbClientOptions> = {}): Promise<unknown> =>
    using({ ...options, ...changes }, async (tree) => {
      for (let round = 0; round < 3; round++) await tree.hasFolder('group');
    });

  it('is no hindrance while nothing is changed', async () => {
    await asking();
    await asking({ encryption: 'required' });
  });

  for (const encryption of ['when-demanded', 'required'] as const) {
    it(`who changes a bit of an answer is found out, encryption ${encryption}`, async () => {
      tap.onAnswer = (message, send) => {
        if (!isPlain(message) || commandOf(message) === COMMANDS.create) message[message.length - 1]! ^= 1;
        send(message);
      };
      await refused('INTEGRITY', asking({ encryption }));
    });
  }

  it('who lets the client in, in the server’s name, is found out before anything is asked', async () => {
    let asked = 0;
    tap.onRequest = (message, send) => {
      if (commandOf(message) === COMMANDS.treeConnect) asked += 1;
      send(message);
    };
    tap.onAnswer = (message, send) => {
      const letIn = commandOf(message) === COMMANDS.sessionSetup && message.readUInt32LE(8) === 0;
      if (letIn) message[HEADER_FIELDS.signature]! ^= 1;
      send(message);
    };
    await refused('INTEGRITY', asking());
    assert.equal(asked, 0);
  });

  it('who takes the signature away is found out', async () => {
    tap.onAnswer = (message, send) => {
      if (isPlain(message) && commandOf(message) === COMMANDS.create) {
        message.writeUInt32LE(FLAG_FROM_SERVER, HEADER_FIELDS.flags);
        message.fill(0, HEADER_FIELDS.signature, HEADER_FIELDS.signature + 16);
      }
      send(message);
    };
    await refused('INTEGRITY', asking());
  });

  it('who answers in clear what was encrypted is found out', async () => {
    let asked = 0n;
    tap.onRequest = (message, send) => {
      if (isPlain(message)) asked = message.readBigUInt64LE(HEADER_FIELDS.messageId);
      send(message);
    };
    tap.onAnswer = (message, send) => {
      if (isPlain(message)) {
        send(message);
        return;
      }
      const forged = Buffer.from(PREAUTH_EXCHANGE[1].message);
      forged.writeUInt16LE(COMMANDS.treeConnect, HEADER_FIELDS.command);
      forged.writeBigUInt64LE(asked + 1n, HEADER_FIELDS.messageId);
      send(forged);
    };
    await refused('INTEGRITY', asking({ encryption: 'required' }));
  });

  it('who has the server think less of the client’s dialects or ciphers is found out', async () => {
    /** Where the newest dialect stands in our NEGOTIATE. */
    const newest = 64 + 36 + 3 * 2;
    tap.onRequest = (message, send) => {
      if (commandOf(message) === COMMANDS.negotiate) message.writeUInt16LE(0x0210, newest);
      send(message);
    };
    // Of a server that knows of it by the validation, it ends the connection itself (MS-SMB2 3.3.5.15.12).
    await assert.rejects(
      asking(),
      (error) => error instanceof SmbError && /INTEGRITY|CONNECTION_LOST/.test(error.code),
    );
    tap.onRequest = (message, send) => send(message);
    tap.onAnswer = (message, send) => {
      // The server's GUID, which changes nothing but the hash.
      if (commandOf(message) === COMMANDS.negotiate) message[64 + 8]! ^= 1;
      send(message);
    };
    await refused('INTEGRITY', asking());
  });

  it('who repeats an answer is found out', async () => {
    tap.onAnswer = (message, send) => {
      send(message);
      if (isPlain(message) && commandOf(message) === COMMANDS.create) send(message);
    };
    await refused('MALFORMED', asking());
  });

  it('who ends the session in the server’s name does no more than cut the line', async () => {
    tap.onAnswer = (message, send) => {
      if (commandOf(message) === COMMANDS.create) {
        message.writeUInt32LE(0xc0000203, 8);
        message.writeUInt32LE(FLAG_FROM_SERVER, HEADER_FIELDS.flags);
      }
      send(message);
    };
    await refused('CONNECTION_LOST', asking());
  });

  it('asks a silent server for a sign of life before it gives up an answer that is late', async () => {
    let echoes = 0;
    let late: (() => void) | undefined;
    tap.onAnswer = (message, send) => {
      if (commandOf(message) === COMMANDS.flush) {
        late = () => send(message);
        return;
      }
      send(message);
      // Two halves of its patience are over by then.
      if (commandOf(message) === COMMANDS.echo && ++echoes === 3) late?.();
    };
    await using({ ...options, timeout: 2_000 }, async (tree) => {
      const file = await tree.open('late', { mode: 'write', disposition: 'openOrCreate' });
      await file.flush();
      await file.close();
    });
    assert.ok(echoes >= 3);
  });

  it('keeps writes short where answers are slow, and makes them long where they are quick', async () => {
    const lengths: number[] = [];
    tap.onRequest = (message, send) => {
      if (commandOf(message) === COMMANDS.write) lengths.push(message.readUInt32LE(64 + 4));
      send(message);
    };
    const longest = async (size: number): Promise<number> => {
      lengths.length = 0;
      await using(options, async (tree) => {
        const file = await tree.open('sized', { mode: 'write', disposition: 'openOrCreate' });
        await upload(file, Buffer.alloc(size, 1));
        await file.close();
      });
      return lengths.reduce((longest, length) => Math.max(longest, length), 0);
    };
    assert.ok((await longest(32 * MIB)) > 4 * 65_536, lengths.join());
    tap.onAnswer = (message, send) => {
      if (commandOf(message) === COMMANDS.write) setTimeout(() => send(message), 700);
      else send(message);
    };
    assert.equal(await longest(MIB), 65_536);
  });

  it('waits for the answer behind an interim one, and cancels by the id that it gives', async () => {
    const asyncId = 77n;
    const cancelled: bigint[] = [];
    let held: (() => void) | undefined;
    tap.onRequest = (message, send) => {
      if (commandOf(message) !== COMMANDS.cancel) {
        send(message);
        return;
      }
      assert.ok((message.readUInt32LE(HEADER_FIELDS.flags) & FLAG_ASYNC) !== 0);
      cancelled.push(message.readBigUInt64LE(32));
      held?.();
    };
    tap.onAnswer = (message, send) => {
      if (commandOf(message) !== COMMANDS.read) {
        send(message);
        return;
      }
      const interim = Buffer.alloc(64 + 9);
      message.copy(interim, 0, 0, 64);
      interim.writeUInt32LE(STATUS_PENDING, 8);
      interim.writeUInt16LE(0, HEADER_FIELDS.credits);
      interim.writeUInt32LE(FLAG_FROM_SERVER | FLAG_ASYNC, HEADER_FIELDS.flags);
      interim.writeBigUInt64LE(asyncId, 32);
      interim.writeUInt16LE(9, 64);
      send(interim);
      held = () => send(message);
      if (cancelled.length > 0) held();
    };
    const client = new SmbClient(options);
    await client.use(async (tree) => {
      const content = randomBytes(1000);
      const file = await tree.open('interim', { mode: 'write', disposition: 'openOrCreate' });
      await file.write(0, content);
      const cancel = new AbortController();
      const reading = refused('CANCELLED', file.read(0, 1000, cancel.signal));
      while (held === undefined) await file.size();
      cancel.abort();
      await reading;
      assert.ok((await file.read(0, 1000)).equals(content));
      assert.deepEqual(cancelled, [asyncId]);
      await file.close();
    });
    await client.close();
  });
});
