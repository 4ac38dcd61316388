import type { Timer } from '../../platform/clock.ts';
import { describeError, errorCode } from '../../platform/errors.ts';
import { diskFull } from './allowance.ts';
import { parseCommand } from './command.ts';
import { FOLDER_COMMANDS } from './folder-commands.ts';
import { IDLE_TIME, LOGIN_TIME } from './limits.ts';
import { LOGIN_COMMANDS, MODE_COMMANDS } from './login-commands.ts';
import { Refusal, farewell, reply, type Reply } from './reply.ts';
import type { Handler, SessionState } from './state.ts';
import { TRANSFER_COMMANDS } from './transfer-commands.ts';

const BEFORE_LOGIN = new Map(Object.entries(LOGIN_COMMANDS));
const AFTER_LOGIN = new Map(Object.entries({ ...MODE_COMMANDS, ...FOLDER_COMMANDS, ...TRANSFER_COMMANDS }));
/** Watched by time limits of their own. */
const TRANSFERS: ReadonlySet<string> = new Set(['STOR', 'APPE', 'RETR', 'LIST', 'NLST', 'MLSD']);

/** Greets the client and carries out its commands, one after the other, until it leaves. Never rejects. */
export async function runSession(session: SessionState): Promise<void> {
  const { control, services } = session;
  control.onAbort = () => session.abortTransfer();
  const loginTimer = services.clock.after(LOGIN_TIME, () => {
    if (session.login === undefined) expire(session, 'You have not logged in in time');
  });
  try {
    await control.send(reply(220, 'Blockferry receiver'));
    while (await step(session));
  } catch (error) {
    services.log.error('receiver: a session failed', { reason: describeError(error) });
  } finally {
    loginTimer.cancel();
    session.dispose();
  }
}

/** One command. False: the connection is to be closed. */
async function step(session: SessionState): Promise<boolean> {
  const { control, services } = session;
  const watch = (): Timer =>
    services.clock.after(IDLE_TIME, () => expire(session, 'Nothing was said for too long'));
  let timer = watch();
  try {
    const line = await control.nextLine();
    if (line === undefined) return false;
    if (line === 'too-long') {
      // What follows may be the rest of the line or a command: there is no telling.
      services.log.warn('receiver: over-long line', {
        address: control.remoteAddress,
        user: session.login?.user,
      });
      await control.send(farewell(500, 'Line too long'));
      return false;
    }
    const command = parseCommand(line);
    const isTransfer = command !== undefined && TRANSFERS.has(command.verb);
    if (isTransfer) timer.cancel();
    const answer = command === undefined ? reply(500, 'Not a command') : await carryOut(session, command);
    // One that was refused has left its passive port behind.
    if (isTransfer) session.closePassive();
    timer.cancel();
    timer = watch();
    if (answer !== undefined) await control.send(answer);
    return answer?.last !== true && !control.gone.aborted;
  } finally {
    timer.cancel();
  }
}

async function carryOut(
  session: SessionState,
  command: { readonly verb: string; readonly argument: string },
): Promise<Reply | undefined> {
  const { verb, argument } = command;
  if (verb !== 'RNTO') session.renameFrom = undefined;
  try {
    const early = BEFORE_LOGIN.get(verb);
    if (early !== undefined) return await early(session, argument);
    const handler: Handler | undefined = AFTER_LOGIN.get(verb);
    if (session.login === undefined) return reply(530, 'Log in with USER and PASS first');
    return handler === undefined ? reply(502, 'Not served here') : await handler(session, argument);
  } catch (error) {
    return refusalOf(session, verb, error);
  }
}

/** What a client is told of an error; only those that are somebody's to repair are logged. */
function refusalOf(session: SessionState, verb: string, error: unknown): Reply {
  const user = session.login?.user;
  const { log } = session.services;
  if (error instanceof Refusal) {
    log.debug('receiver: refused', { user, verb, reason: error.message });
    return error.reply;
  }
  const code = errorCode(error);
  if (code === 'ENOSPC' || code === 'EDQUOT') return diskFull().reply;
  if (code === 'ENOENT' && ['RNTO', 'DELE', 'RETR'].includes(verb)) return reply(550, 'No such file');
  log.error('receiver: a command failed', { user, verb, reason: describeError(error) });
  return reply(451, 'The destination has a problem with its disk; its log tells more');
}

/** Says why, if the client still reads, and closes. */
function expire(session: SessionState, text: string): void {
  void session.control.send(farewell(421, text));
  session.control.destroy();
}
