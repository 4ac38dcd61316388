import { Buffers } from './buffers.ts';
import type { Exchange, Request } from './request.ts';
import type { Session } from './session.ts';
import { WRITE_FIRST } from './limits.ts';
import { STATUS_SUCCESS, statusError } from './status.ts';

/** A request whose tree id and encryption are the share's. */
export type ShareRequest = Omit<Request, 'treeId' | 'encrypt'>;

/** A share that was connected to: where requests about its files go. */
export class Share {
  readonly session: Session;
  /** Bytes of an upload's next write: what the last one came to, as the link is the same. */
  writeSize = WRITE_FIRST;
  readonly buffers = new Buffers();
  readonly #treeId: number;
  readonly #encrypts: boolean;

  constructor(session: Session, treeId: number, encrypts: boolean) {
    this.session = session;
    this.#treeId = treeId;
    this.#encrypts = encrypts;
  }

  request(request: ShareRequest): Promise<Exchange> {
    return this.session.connection.request({ ...request, treeId: this.#treeId, encrypt: this.#encrypts });
  }

  /** The answer, where success is the only good one. @throws SmbError `ACTION: STATUS_…` */
  async expect(request: ShareRequest, action: string): Promise<Buffer> {
    const { header, message } = await this.request(request);
    if (header.status !== STATUS_SUCCESS) throw statusError(header.status, action);
    return message;
  }
}
