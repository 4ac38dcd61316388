import type { Api, ApiOptions } from '../api/server.ts';
import { startApi } from '../api/server.ts';
import { sleep, type Clock } from '../platform/clock.ts';
import { describeError } from '../platform/errors.ts';
import { isNoRoom } from '../platform/reserve.ts';

/** Milliseconds. */
const RETRY = 5000;

/**
 * Opens the API; where the state folder's disk is full, as soon as there is room: hosts and replication do not need it, and
 * must not stand still for want of a file with an address in it (I8). @throws OperatorError as `startApi` does
 */
export async function openApi(options: ApiOptions, clock: Clock): Promise<Api> {
  const api = await tryApi(options);
  if (api !== undefined) return api;
  options.log.error(
    `there is no room left in ${options.stateFolder}: the API is opened as soon as there is, until then no command reaches this daemon; hosts and replication go on`,
  );
  const stop = new AbortController();
  const later = openLater(options, clock, stop.signal);
  return {
    async close() {
      stop.abort();
      await (await later)?.close();
    },
  };
}

async function openLater(options: ApiOptions, clock: Clock, signal: AbortSignal): Promise<Api | undefined> {
  try {
    for (;;) {
      await sleep(clock, RETRY, signal);
      if (signal.aborted) return undefined;
      const api = await tryApi(options);
      if (api !== undefined) return api;
    }
  } catch (error) {
    options.log.error(`the API cannot be opened: ${describeError(error)}; restart blockferry`);
    return undefined;
  }
}

/** Undefined when there is no room for it. */
async function tryApi(options: ApiOptions): Promise<Api | undefined> {
  try {
    return await startApi(options);
  } catch (error) {
    if (!isNoRoom(error)) throw error;
    return undefined;
  }
}
