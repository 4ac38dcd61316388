/** Who listens where, and what must not be offered to a network unprotected. Pure. */
import { collide, formatAddress, isLoopback, type Address } from '../address.ts';
import type { Lenient, LenientFile } from '../lenient.ts';
import { formatPath, type Finding, type SettingPath } from '../problems.ts';
import type { DestinationFile } from '../schema.ts';
import { defaultApiSocket, type RuleContext } from './context.ts';

interface Listener {
  readonly path: SettingPath;
  readonly address: Address;
}

export function checkNetwork(file: LenientFile, context: RuleContext): Finding[] {
  const servers = Object.entries(file.groups ?? {}).flatMap(([name, group]): NbdServerEntry[] => {
    const path = ['groups', name];
    return [
      ...(group?.nbd === undefined ? [] : [{ path: [...path, 'nbd'], server: group.nbd }]),
      ...(group?.views === undefined ? [] : [{ path: [...path, 'views'], server: group.views }]),
    ];
  });
  return [
    ...servers.flatMap(checkNbd),
    ...checkApi(file),
    ...checkReceiver(file, context),
    ...checkListeners(file, servers),
    ...checkSockets(file, servers, context),
  ];
}

/** Of a group, `nbd` or `views`. */
interface NbdServerEntry {
  readonly path: SettingPath;
  readonly server: Lenient<DestinationFile['views']>;
}

/** NBD has no login, and the export is the whole volume. */
function checkNbd({ path, server }: NbdServerEntry): Finding[] {
  const { listen } = server;
  if (listen === undefined || isLoopback(listen.host) || server['allow-unauthenticated'] === true) return [];
  return [
    {
      path: [...path, 'listen'],
      message: `offers the volumes on ${formatAddress(listen)} to everyone who reaches it: NBD asks for no password`,
      fix: 'listen on 127.0.0.1, or add allow-unauthenticated: true where only the hosts reach this network',
    },
  ];
}

function checkApi(file: LenientFile): Finding[] {
  const listen = file.api?.listen;
  if (listen === undefined || listen.host === '127.0.0.1' || listen.host === '::1') return [];
  const message = `${formatAddress(listen)} is not on loopback, where alone the API listens`;
  return [{ path: ['api', 'listen'], message, fix: 'write 127.0.0.1 or ::1 and a port' }];
}

function checkReceiver(file: LenientFile, context: RuleContext): Finding[] {
  const written = context.written(['receiver']);
  const logins = Object.entries(file.groups ?? {}).flatMap(([name, group]) => {
    const path = ['groups', name, 'login'];
    return group?.role === 'destination' && context.written(path) ? [path] : [];
  });
  if (!written) {
    const fix = 'add receiver: with listen:, or leave the login out where another server fills the inbox';
    return logins.map((path) => ({
      path,
      at: 'key',
      message: 'is a login to a receiver that is not there',
      fix,
    }));
  }
  const findings: Finding[] = [];
  if (logins.length === 0) {
    const fix = 'add login: with user: to the groups that it receives, or leave the receiver out';
    findings.push({
      path: ['receiver'],
      at: 'key',
      message: 'has nobody to receive from: no group has a login',
      fix,
    });
  }
  const { listen, 'allow-plain': allowPlain, 'passive-ports': passive } = file.receiver ?? {};
  if (listen === undefined) return findings;
  if (!isLoopback(listen.host) && !context.written(['receiver', 'tls']) && allowPlain === false) {
    findings.push({
      path: ['receiver', 'listen'],
      message: `takes passwords unencrypted on ${formatAddress(listen)}: there is no tls`,
      fix: 'add tls: with certificate: and key:, or allow-plain: true where the network is trusted',
    });
  }
  if (passive !== undefined && listen.port >= passive.first && listen.port <= passive.last) {
    const message = `holds the port ${listen.port} that the receiver listens on`;
    findings.push({ path: ['receiver', 'passive-ports'], message, fix: 'choose a range without it' });
  }
  return findings;
}

function checkListeners(file: LenientFile, servers: readonly NbdServerEntry[]): Finding[] {
  const listeners: Listener[] = [];
  const add = (path: SettingPath, address: Address | undefined): void => {
    if (address !== undefined) listeners.push({ path, address });
  };
  add(['api', 'listen'], file.api?.listen);
  add(['receiver', 'listen'], file.receiver?.listen);
  for (const { path, server } of servers) add([...path, 'listen'], server.listen);
  return listeners.flatMap(({ path, address }, index): Finding[] => {
    const earlier = listeners.slice(0, index).find((other) => collide(other.address, address));
    if (earlier === undefined) return [];
    const message = `${formatAddress(address)} is taken by ${formatPath(earlier.path)}`;
    return [{ path, message, fix: 'choose another port' }];
  });
}

function checkSockets(
  file: LenientFile,
  servers: readonly NbdServerEntry[],
  context: RuleContext,
): Finding[] {
  const first = new Map<string, SettingPath>();
  const api =
    file.api?.socket ??
    (file.state === undefined ? undefined : defaultApiSocket(file.state, context.platform));
  if (api !== undefined && !context.written(['api', 'listen'])) first.set(api, ['api', 'socket']);
  return servers.flatMap(({ path, server }): Finding[] => {
    const { socket } = server;
    if (socket === undefined) return [];
    const earlier = first.get(socket);
    const at = [...path, 'socket'];
    if (earlier === undefined) {
      first.set(socket, at);
      return [];
    }
    return [{ path: at, message: `is the socket of ${formatPath(earlier)} too`, fix: 'choose another path' }];
  });
}
