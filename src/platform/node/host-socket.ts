/**
 * A host's connection, as fast as `net` can be made to be. All its bytes are read into one place: each read is given memory of
 * its own otherwise, 64 KiB at most, which has to be copied to where the journal takes it from and to be collected. 4 KiB
 * writes are 1.4 to 1.6 times as fast for it, 1 MiB writes 1.7 times. `onread` is for sockets that one makes oneself: an
 * accepted one is made again.
 */
import { writeSync } from 'node:fs';
import { Socket, type SocketConstructorOpts } from 'node:net';
import { assert } from '../errors.ts';
import { Attention } from './attention.ts';
import { setSendBuffer } from './native.ts';

/** The system's side of a socket. */
type Handle = NonNullable<SocketConstructorOpts['handle']>;

/**
 * Bytes that a unix socket holds for a host, two chunks of READ replies: by the system's own choice, 208 KiB, not one fits, and each
 * end waits for the other. Reads of 1 MiB in order are 1.7 times as fast for it. TCP grows its own (tcp(7), tcp_wmem).
 */
const LOCAL_SEND_BUFFER = 512 * 1024;

export interface HostSocketOptions {
  /** Where each read puts what it gives. */
  readonly inbox: Buffer;
  readonly onArrived: (count: number) => void;
}

export interface HostSocket {
  readonly socket: Socket;
  /** The bytes must stay as they are until `socket.writableLength` is 0. */
  readonly send: (bytes: Buffer) => void;
}

/** This thread's: each has modules of its own. */
const attention = new Attention({ now: () => performance.now(), next: setImmediate });

/** In the place of `accepted`, which was not read from yet (`pauseOnConnect`), and which its server is rid of. */
export function hostSocket(accepted: Socket, { inbox, onArrived }: HostSocketOptions): HostSocket {
  const holder = accepted as unknown as { _handle?: Handle | null };
  const handle = holder._handle;
  assert(handle !== undefined && handle !== null, 'an accepted socket has a handle');
  const fd = fdOf(handle);
  if (fd !== undefined && accepted.remoteAddress === undefined) setSendBuffer(fd, LOCAL_SEND_BUFFER);
  holder._handle = null;
  accepted.destroy();
  const host = Symbol('host');
  const socket = new Socket({
    handle,
    // A host that has said all it wants still gets its replies.
    allowHalfOpen: true,
    onread: {
      buffer: inbox,
      callback: (count) => {
        attention.pay(host, () => onArrived(count));
        return true;
      },
    },
  });
  const send = (bytes: Buffer): void => {
    const sent = socket.destroyed || socket.writableLength > 0 ? 0 : sendNow(handle, bytes);
    if (sent < bytes.length) socket.write(bytes.subarray(sent));
  };
  return { socket, send };
}

/** What the system takes at once it takes without a request of the stream's, and another turn for its end. Returns how much. */
function sendNow(handle: { readonly fd?: unknown }, bytes: Buffer): number {
  const fd = fdOf(handle);
  if (fd === undefined) return 0;
  try {
    return writeSync(fd, bytes);
  } catch {
    // No more for now (EAGAIN), or never again, which the stream's own attempt tells.
    return 0;
  }
}

/** Below zero once it is closed; another file may have its number then. */
function fdOf(handle: { readonly fd?: unknown }): number | undefined {
  return typeof handle.fd === 'number' && handle.fd >= 0 ? handle.fd : undefined;
}
