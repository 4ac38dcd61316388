/** Commands about the connection itself: who, how protected, what is understood. */
import { sleep } from '../../platform/clock.ts';
import { FAILED_LOGINS_PER_CONNECTION_MAX, FAILED_LOGIN_DELAY } from './limits.ts';
import { farewell, reply, type Reply } from './reply.ts';
import type { Handler, SessionState } from './state.ts';

const TLS_MISSING = 'This receiver takes logins over TLS alone: say AUTH TLS first';

const user: Handler = (session, argument) => {
  if (session.login !== undefined) return reply(503, 'Already logged in');
  if (session.services.tlsRequired && session.control.tlsVersion === undefined)
    return reply(530, TLS_MISSING);
  session.user = argument;
  return reply(331, 'Now the password');
};

const pass: Handler = async (session, argument) => {
  const { services, control, address } = session;
  const name = session.user;
  session.user = undefined;
  if (name === undefined) return reply(503, 'Say USER first');
  const now = services.clock.monotonic();
  if (!services.throttle.allows(address, name, now)) {
    return failedLogin(
      session,
      name,
      farewell(421, 'Too many failed logins from your address: wait a few minutes'),
    );
  }
  const login = services.logins.verify(name, argument);
  if (login === undefined) {
    // Counted before the wait, so that guesses on many connections at once gain nothing.
    services.throttle.failed(address, name, now);
    session.failedLogins++;
    const isLast = session.failedLogins >= FAILED_LOGINS_PER_CONNECTION_MAX;
    return failedLogin(session, name, { code: 530, text: 'User or password is wrong', last: isLast });
  }
  services.throttle.succeeded(address, name);
  if (!services.admission.loggedIn(address, name)) {
    services.log.warn('receiver: too many connections of one login', {
      user: name,
      address: control.remoteAddress,
    });
    return farewell(421, 'Too many connections of this login: close one');
  }
  session.login = login;
  services.log.info('receiver: login', {
    user: name,
    address: control.remoteAddress,
    tls: control.tlsVersion,
  });
  return reply(230, 'Welcome');
};

async function failedLogin(session: SessionState, name: string, answer: Reply): Promise<Reply> {
  const { services, control } = session;
  services.log.warn('receiver: login refused', {
    address: control.remoteAddress,
    // People type passwords where the name belongs: only names that exist are logged.
    user: services.logins.has(name) ? name : undefined,
    reason: answer.text,
  });
  await sleep(services.clock, FAILED_LOGIN_DELAY, control.gone);
  return answer;
}

const auth: Handler = async (session, argument) => {
  const { control, services } = session;
  if (services.secureContext === undefined)
    return reply(502, 'This receiver has no certificate: TLS is not offered');
  // AUTH SSL would imply PROT P, differently from server to server; every client goes on to AUTH TLS.
  if (argument.toUpperCase() !== 'TLS') return reply(504, 'Only AUTH TLS is known');
  if (control.tlsVersion !== undefined) return reply(503, 'TLS is on already');
  if (session.login !== undefined) return reply(503, 'AUTH comes before the login');
  session.user = undefined;
  await control.upgrade(reply(234, 'Go on in TLS'), services.secureContext, services.clock);
  return undefined;
};

const bufferSize: Handler = (session) => {
  if (session.control.tlsVersion === undefined) return reply(503, 'Say AUTH TLS first');
  session.bufferSizeSaid = true;
  return reply(200, 'PBSZ=0');
};

const protection: Handler = (session, argument) => {
  if (!session.bufferSizeSaid) return reply(503, 'Say PBSZ 0 first');
  const level = argument.toUpperCase();
  if (level !== 'P' && level !== 'C') return reply(536, 'Only PROT P and PROT C are known');
  if (level === 'C' && session.services.tlsRequired)
    return reply(534, 'Data connections must be TLS here: PROT P');
  session.protectData = level === 'P';
  return reply(200, level === 'P' ? 'Data connections are TLS' : 'Data connections are plain');
};

const features: Handler = (session) => {
  const tls = session.services.secureContext === undefined ? [] : ['AUTH TLS', 'PBSZ', 'PROT'];
  const always = ['EPSV', 'MDTM', 'MLST type*;size*;modify*;', 'REST STREAM', 'SIZE', 'UTF8'];
  return { code: 211, text: 'Understood', lines: [...tls, ...always] };
};

const options: Handler = (_session, argument) =>
  /^UTF-?8( ON)?$/i.test(argument) ? reply(200, 'UTF-8 it is') : reply(501, 'Only OPTS UTF8 is known');

/** Files are bytes, whatever the type: clients list in type A and transfer in type I. */
const type: Handler = (_session, argument) =>
  /^(?:I|A|A N|L 8)$/i.test(argument)
    ? reply(200, 'Bytes are never changed')
    : reply(504, 'Only types I and A are known');

const only =
  (value: string): Handler =>
  (_session, argument) =>
    argument.toUpperCase() === value ? reply(200, 'As always') : reply(504, `Only ${value} is known`);

/** Connecting where a client says is how one server is made to attack another (RFC 2577, section 3). */
const port: Handler = () => reply(502, 'Only passive transfers are served: PASV or EPSV');

/** Allowed before the login. */
export const LOGIN_COMMANDS: Readonly<Record<string, Handler>> = {
  USER: user,
  PASS: pass,
  AUTH: auth,
  PBSZ: bufferSize,
  PROT: protection,
  FEAT: features,
  SYST: () => reply(215, 'UNIX Type: L8'),
  OPTS: options,
  NOOP: () => reply(200, 'Here'),
  QUIT: () => farewell(221, 'Goodbye'),
};

export const MODE_COMMANDS: Readonly<Record<string, Handler>> = {
  TYPE: type,
  MODE: only('S'),
  STRU: only('F'),
  PORT: port,
  EPRT: port,
};
