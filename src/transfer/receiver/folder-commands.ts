/** Commands about names: the current folder, sizes, times, renames, removals. */
import type { Inbox } from './inbox.ts';
import { facts, timeValue, type ListedEntry } from './listing.ts';
import { Refusal, reply } from './reply.ts';
import type { Handler, SessionState } from './state.ts';
import { folderPath, resolvePlace, type Place } from './tree.ts';

const changeFolder: Handler = (session, argument) => {
  const place = resolvePlace(session.folder, argument);
  if (place.kind !== 'folder') return reply(550, 'No such folder');
  session.folder = place.folder;
  return reply(250, `Now in ${folderPath(place.folder)}`);
};

const upwards: Handler = (session) => {
  session.folder = 'root';
  return reply(250, 'Now in /');
};

const whereAmI: Handler = (session) => reply(257, `"${folderPath(session.folder)}" is the current folder`);

const makeFolder: Handler = (session, argument) => {
  const place = resolvePlace(session.folder, argument);
  if (place.kind !== 'folder' || place.folder === 'root') return reply(550, 'No folder can be made here');
  return reply(257, `"${folderPath(place.folder)}" is there`);
};

/** What lies at a place; undefined for what is not there, and for folders. */
export async function fileAt(inbox: Inbox, place: Place): Promise<ListedEntry | undefined> {
  if (place.kind === 'folder' || place.kind === 'nowhere') return undefined;
  return place.kind === 'status-file' ? inbox.statusEntry() : inbox.entry(place.kind, place.name);
}

/** What SIZE, MDTM and MLST tell of; folders are told by MLST alone. @throws Refusal 550 when it is not there */
async function fileEntry(session: SessionState, place: Place): Promise<ListedEntry> {
  const entry = await fileAt(session.loggedIn.inbox, place);
  if (entry === undefined) throw new Refusal(550, 'No such file');
  return entry;
}

const size: Handler = async (session, argument) => {
  const place = resolvePlace(session.folder, argument);
  // Asked before a resume: a lost connection that still writes would make the answer wrong.
  if (place.kind === 'part') await session.loggedIn.inbox.endWriter(place.name);
  return reply(213, String((await fileEntry(session, place)).size));
};

const modified: Handler = async (session, argument) =>
  reply(213, timeValue((await fileEntry(session, resolvePlace(session.folder, argument))).modifiedAt));

const describe: Handler = async (session, argument) => {
  const place = resolvePlace(session.folder, argument);
  if (place.kind === 'folder') {
    return { code: 250, text: 'Listed', lines: [`type=dir; ${folderPath(place.folder)}`] };
  }
  const entry = await fileEntry(session, place);
  return { code: 250, text: 'Listed', lines: [`${facts(entry)} ${entry.name}`] };
};

const renameFrom: Handler = async (session, argument) => {
  const place = resolvePlace(session.folder, argument);
  if (place.kind !== 'part') return reply(553, 'Only what is called .part can be renamed');
  await fileEntry(session, place);
  session.renameFrom = place.name;
  return reply(350, 'Now RNTO');
};

const renameTo: Handler = async (session, argument) => {
  const name = session.renameFrom;
  session.renameFrom = undefined;
  if (name === undefined) return reply(503, 'Say RNFR just before');
  const place = resolvePlace(session.folder, argument);
  const isWhole = place.kind === 'segment' || place.kind === 'test' || place.kind === 'answer';
  if (!isWhole || place.name !== name) return reply(553, 'NAME.part can become NAME alone');
  await session.loggedIn.inbox.publish(name);
  if (place.kind === 'segment') announce(session, name);
  return reply(250, 'Stored');
};

/** A segment is complete and durable: the destination may wake. */
export function announce(session: SessionState, name: string): void {
  const { log, onStored } = session.services;
  const { user } = session.loggedIn;
  log.info('receiver: segment stored', { user, name, address: session.control.remoteAddress });
  onStored(user, name);
}

const remove: Handler = async (session, argument) => {
  const place = resolvePlace(session.folder, argument);
  const { inbox } = session.loggedIn;
  if (place.kind === 'test') await inbox.removeTest(place.name);
  else if (place.kind === 'part') await inbox.removePart(place.name);
  else if (place.kind === 'kept') await inbox.removeKept(place.name);
  else return reply(550, 'Only what is called .part, and what lies in the outbox, can be deleted');
  return reply(250, 'Deleted');
};

export const FOLDER_COMMANDS: Readonly<Record<string, Handler>> = {
  CWD: changeFolder,
  CDUP: upwards,
  PWD: whereAmI,
  MKD: makeFolder,
  SIZE: size,
  MDTM: modified,
  MLST: describe,
  RNFR: renameFrom,
  RNTO: renameTo,
  DELE: remove,
};
