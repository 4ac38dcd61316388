/** Commands that need a data connection, and those that prepare one. */
import { isIPv4, isIPv6 } from 'node:net';
import type { Duplex } from 'node:stream';
import { STATUS_FILE } from '../../journal/names.ts';
import { STATUS_SIZE_MAX } from '../../journal/status.ts';
import { announce, fileAt } from './folder-commands.ts';
import { LISTING_BATCH, SEGMENT_SIZE_MAX } from './limits.ts';
import { listingLine, type ListedEntry, type ListingKind } from './listing.ts';
import type { Inbox } from './inbox.ts';
import type { PassiveListener } from './passive.ts';
import { Refusal, reply, type Reply } from './reply.ts';
import type { Handler, SessionState } from './state.ts';
import { Transfer, sendAll } from './transfer.ts';
import { FOLDERS, isAnswer, resolvePlace, type Folder, type Place } from './tree.ts';
import { upload, type UploadTarget } from './upload.ts';

/** Opens a passive port in place of the one before. @throws Refusal 425 when none is free */
async function openPassive(session: SessionState): Promise<PassiveListener> {
  const { services, control } = session;
  session.closePassive();
  session.passive = await services.passivePorts.open(
    control.localAddress,
    control.remoteAddress,
    (stranger) =>
      services.log.warn('receiver: data connection from another address refused', {
        user: session.login?.user,
        address: stranger,
        expected: control.remoteAddress,
      }),
  );
  if (session.passive === undefined) {
    services.log.warn('receiver: no passive port is free', { user: session.login?.user });
    throw new Refusal(425, 'No passive port is free: try again later');
  }
  return session.passive;
}

const passive: Handler = async (session) => {
  const address = session.services.publicAddress ?? session.control.localAddress;
  if (session.extendedOnly) return reply(503, 'EPSV ALL was said');
  if (!isIPv4(address)) return reply(425, 'PASV is for IPv4: say EPSV');
  const { port } = await openPassive(session);
  const numbers = [...address.split('.'), port >> 8, port & 0xff].join(',');
  return reply(227, `Entering Passive Mode (${numbers})`);
};

const extendedPassive: Handler = async (session, argument) => {
  const wanted = argument.toUpperCase();
  if (wanted === 'ALL') {
    session.extendedOnly = true;
    return reply(200, 'EPSV alone from now on');
  }
  const family = isIPv6(session.control.localAddress) ? '2' : '1';
  if (wanted !== '' && wanted !== family)
    return reply(522, `Network protocol not supported, use (${family})`);
  const { port } = await openPassive(session);
  return reply(229, `Entering Extended Passive Mode (|||${port}|)`);
};

const restart: Handler = (session, argument) => {
  if (!/^\d{1,12}$/.test(argument)) return reply(501, 'REST takes a number of bytes');
  session.restartAt = Number(argument);
  return reply(350, 'Now the transfer');
};

function takeRestart(session: SessionState): number {
  const offset = session.restartAt;
  session.restartAt = 0;
  return offset;
}

interface Upload {
  readonly name: string;
  readonly from: number | 'end';
  /** Stored under the final name: published once it is complete. */
  readonly publish: boolean;
}

const store: Handler = (session, argument) => {
  const from = takeRestart(session);
  const place = resolvePlace(session.folder, argument);
  if (place.kind === 'part') return receive(session, { name: place.name, from, publish: false });
  if (place.kind !== 'segment')
    return reply(553, 'Only segments go here: inbox/NAME.seg.part or inbox/NAME.seg');
  if (from > 0) return reply(554, 'A segment is resumed as NAME.seg.part');
  return receive(session, { name: place.name, from, publish: true });
};

const append: Handler = async (session, argument) => {
  takeRestart(session);
  const place = resolvePlace(session.folder, argument);
  if (place.kind === 'part') return receive(session, { name: place.name, from: 'end', publish: false });
  if (place.kind !== 'segment')
    return reply(553, 'Only segments go here: inbox/NAME.seg.part or inbox/NAME.seg');
  const existing = await session.loggedIn.inbox.entry('segment', place.name);
  if (existing !== undefined) return reply(553, 'A complete segment never changes');
  return receive(session, { name: place.name, from: 0, publish: true });
};

function receive(session: SessionState, wanted: Upload): Promise<Reply> {
  const { inbox } = session.loggedIn;
  return transfer(session, async (connection) => {
    const release = await inbox.claim(wanted.name, connection.end);
    try {
      if (!isAnswer(wanted.name)) await inbox.allowance.begin();
      await receiveClaimed(session, wanted, connection);
      if (wanted.publish) await inbox.publishClaimed(wanted.name);
    } finally {
      release();
    }
    if (wanted.publish) announce(session, wanted.name);
  });
}

async function receiveClaimed(session: SessionState, wanted: Upload, connection: Transfer): Promise<void> {
  const { inbox } = session.loggedIn;
  const part = await inbox.openPart(wanted.name, wanted.from);
  try {
    const data = await connection.open();
    await part.truncate();
    const { clock } = session.services;
    await upload(data, { part, ...limitsOf(inbox, wanted.name), clock, signal: connection.signal });
    // The end of a data connection is the end of the file, or that of a client that was killed: FTP cannot tell.
    if (wanted.publish && !(await part.endsAsSegment())) {
      throw new Refusal(426, 'The file does not end as a segment does; the part is kept');
    }
  } finally {
    await part.close();
  }
}

/** I8: an answer is what makes room on this side, so that it is taken where there is hardly any. */
function limitsOf(inbox: Inbox, name: string): Pick<UploadTarget, 'allowance' | 'sizeMax'> {
  if (!isAnswer(name)) return { allowance: inbox.allowance, sizeMax: SEGMENT_SIZE_MAX };
  return { allowance: { spend: (_bytes, write) => write() }, sizeMax: STATUS_SIZE_MAX };
}

const retrieve: Handler = async (session, argument) => {
  const from = takeRestart(session);
  const place = resolvePlace(session.folder, argument);
  if (place.kind === 'part' || place.kind === 'segment')
    return reply(550, 'What is put here is not given back');
  if (place.kind === 'kept') return sendKept(session, place.name, from);
  const content = await readable(session.loggedIn.inbox, place);
  if (content === undefined) return reply(550, 'No such file');
  if (from > content.length) return reply(554, `The file has ${content.length} bytes`);
  return transfer(session, (connection) => send(session, connection, [content.subarray(from)]));
};

async function sendKept(session: SessionState, name: string, from: number): Promise<Reply> {
  const kept = await session.loggedIn.inbox.openKept(name);
  if (kept === undefined) return reply(550, 'No such file');
  try {
    if (from > kept.size) return reply(554, `The file has ${kept.size} bytes`);
    return await transfer(session, (connection) => send(session, connection, kept.chunks(from)));
  } finally {
    await kept.close();
  }
}

async function readable(inbox: Inbox, place: Place): Promise<Buffer | undefined> {
  if (place.kind === 'status-file') return inbox.readStatus();
  if (place.kind === 'answer') return inbox.readAnswer();
  return place.kind === 'test' ? await inbox.readTest(place.name) : undefined;
}

const list =
  (kind: ListingKind): Handler =>
  (session, argument) => {
    // Options of `ls`, as many clients send them, mean nothing here.
    const path = kind === 'MLSD' ? argument : argument.replace(/^(?:-\S* *)+/, '');
    const place = resolvePlace(session.folder, path);
    if (place.kind === 'nowhere') return reply(550, 'No such folder');
    if (kind === 'MLSD' && place.kind !== 'folder') return reply(501, 'MLSD lists folders');
    const { clock } = session.services;
    const entries = listedAt(session.loggedIn.inbox, place, clock.now());
    return transfer(session, (connection) => send(session, connection, batches(kind, entries, clock.now())));
  };

async function* listedAt(inbox: Inbox, place: Place, now: number): AsyncGenerator<ListedEntry> {
  if (place.kind === 'folder' && place.folder === 'root') {
    for (const name of FOLDERS) yield { name, kind: 'folder', size: 0, modifiedAt: now };
  } else if (place.kind === 'folder' && (place.folder === 'inbox' || place.folder === 'outbox')) {
    yield* inbox.entries(place.folder);
  } else {
    const entry = await fileAt(inbox, place.kind === 'folder' ? onlyFileOf(place.folder) : place);
    if (entry !== undefined) yield entry;
  }
}

function onlyFileOf(folder: Folder): Place {
  return folder === 'status' ? { kind: 'status-file' } : { kind: 'answer', name: STATUS_FILE };
}

/** Lines put together, so that a long listing takes neither much memory nor many packets. */
async function* batches(
  kind: ListingKind,
  entries: AsyncIterable<ListedEntry>,
  now: number,
): AsyncGenerator<Buffer> {
  let text = '';
  for await (const entry of entries) {
    text += listingLine(kind, entry, now);
    if (text.length < LISTING_BATCH) continue;
    yield Buffer.from(text);
    text = '';
  }
  if (text !== '') yield Buffer.from(text);
}

async function send(
  session: SessionState,
  connection: Transfer,
  chunks: AsyncIterable<Buffer> | Iterable<Buffer>,
): Promise<void> {
  const data: Duplex = await connection.open();
  await sendAll(data, chunks, { clock: session.services.clock, signal: connection.signal });
}

/** Runs a transfer; its reply goes out before the data connection of a failed one is reset. */
async function transfer(session: SessionState, act: (connection: Transfer) => Promise<void>): Promise<Reply> {
  const connection = await Transfer.begin(session);
  let refused = true;
  try {
    await act(connection);
    refused = false;
  } finally {
    connection.close(refused);
  }
  return reply(226, 'Done');
}

export const TRANSFER_COMMANDS: Readonly<Record<string, Handler>> = {
  PASV: passive,
  EPSV: extendedPassive,
  REST: restart,
  STOR: store,
  APPE: append,
  RETR: retrieve,
  LIST: list('LIST'),
  NLST: list('NLST'),
  MLSD: list('MLSD'),
  ABOR: () => reply(226, 'Nothing is under way any more'),
};
