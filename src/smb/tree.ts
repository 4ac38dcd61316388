/** A share that is connected to (MS-SMB2 3.2.4.2.4), and what is done with the files on it. */
import { malformed, SmbError } from './errors.ts';
import { SmbFile } from './file.ts';
import { GOODBYE_LIMIT, LISTING_PAGE, PATH_BYTES_MAX } from './limits.ts';
import {
  ACCESS,
  ATTRIBUTE_FOLDER,
  ATTRIBUTE_REPARSE_POINT,
  decodeCreateResponse,
  encodeCreateRequest,
  encodeHandleRequest,
  OPTION_FOLDER,
  OPTION_NO_FOLDER,
  OPTION_OPEN_REPARSE_POINT,
  SHARE_ALL,
  type CreateResponse,
  type Disposition,
} from './messages/create.ts';
import {
  decodeQueryDirectoryResponse,
  encodeDeleteRequest,
  encodeQueryDirectoryRequest,
  type DirectoryEntry,
} from './messages/query.ts';
import { encodeEmptyRequest } from './messages/session-setup.ts';
import {
  decodeTreeConnectResponse,
  encodeTreeConnectRequest,
  SHARE_ENCRYPTS,
  SHARE_TYPE_DISK,
} from './messages/tree.ts';
import { noCipher, validateNegotiation, type Session } from './session.ts';
import { Share } from './share.ts';
import { STATUS_NO_MORE_FILES, STATUS_SUCCESS, statusError } from './status.ts';

export interface OpenOptions {
  /** What is done with it; `write` reads too. */
  readonly mode: 'read' | 'write';
  readonly disposition: Disposition;
}

/** A file or folder in a listing. */
export interface ListedFile {
  readonly name: string;
  /** Bytes. */
  readonly size: number;
  readonly kind: 'file' | 'folder' | 'link';
}

export interface ListOptions {
  /** More entries than this are refused with `TOO_LARGE`. */
  readonly limit: number;
  readonly signal?: AbortSignal | undefined;
}

/** Paths are below the share, parts set apart by backslashes; the empty path is the share itself. */
export class SmbTree {
  readonly #share: Share;

  private constructor(share: Share) {
    this.#share = share;
  }

  get session(): Session {
    return this.#share.session;
  }

  /** TREE_CONNECT (MS-SMB2 2.2.9). @throws SmbError `SHARE_NOT_FOUND`, `ACCESS_DENIED`, `INTEGRITY` … */
  static async connect(session: Session, path: string, signal?: AbortSignal): Promise<SmbTree> {
    const { connection } = session;
    const body = encodeTreeConnectRequest(path);
    const { header, message } = await connection.request({
      command: 'treeConnect',
      body,
      encrypt: session.encrypts,
      signal,
    });
    if (header.status !== STATUS_SUCCESS) throw statusError(header.status, `connecting to ${path}`);
    const { shareType, shareFlags } = decodeTreeConnectResponse(message);
    if (shareType !== SHARE_TYPE_DISK) throw new SmbError('SHARE_NOT_FOUND', `${path} is no share for files`);
    await validateNegotiation(session, header.treeId, signal);
    const encrypts = session.encrypts || (shareFlags & SHARE_ENCRYPTS) !== 0;
    if (encrypts && connection.protection?.encryption === undefined) throw noCipher();
    return new SmbTree(new Share(session, header.treeId, encrypts));
  }

  /**
   * CREATE (MS-SMB2 2.2.13). Others may do what they like with it meanwhile: a handle that a server keeps for a connection that was cut must
   * not lock out the one that comes after it.
   */
  async open(path: string, options: OpenOptions, signal?: AbortSignal): Promise<SmbFile> {
    const writes = options.mode === 'write';
    const { fileId, size, attributes } = await this.#create(path, {
      access:
        ACCESS.readData |
        ACCESS.readAttributes |
        ACCESS.synchronize |
        (writes ? ACCESS.writeData | ACCESS.writeAttributes | ACCESS.delete : 0),
      share: SHARE_ALL,
      disposition: options.disposition,
      options: OPTION_NO_FOLDER | OPTION_OPEN_REPARSE_POINT,
      signal,
    });
    const file = new SmbFile({ share: this.#share, fileId, path, size });
    if ((attributes & ATTRIBUTE_REPARSE_POINT) === 0) return file;
    await file.close();
    throw new SmbError('EXISTS', `opening ${path}: it is a link`);
  }

  /** CREATE (MS-SMB2 2.2.13): makes a folder unless it is there. Its parent must be. */
  async makeFolder(path: string, signal?: AbortSignal): Promise<void> {
    const { fileId } = await this.#create(path, {
      access: ACCESS.readAttributes,
      share: SHARE_ALL,
      disposition: 'openOrCreate',
      options: OPTION_FOLDER,
      signal,
    });
    await this.#close(fileId, path);
  }

  /** SET_INFO with FileRenameInformation (MS-SMB2 2.2.39, MS-FSCC 2.4.42). `replace`: over a file that is there. */
  async rename(from: string, to: string, replace: boolean, signal?: AbortSignal): Promise<void> {
    const file = await this.open(from, { mode: 'write', disposition: 'open' }, signal);
    await finish(file.rename(to, replace), () => file.close());
  }

  /** SET_INFO with FileDispositionInformation (MS-SMB2 2.2.39, MS-FSCC 2.4.11): deletes a file. @throws SmbError `NOT_FOUND` … */
  async remove(path: string, signal?: AbortSignal): Promise<void> {
    const { fileId } = await this.#create(path, {
      access: ACCESS.delete,
      share: SHARE_ALL,
      disposition: 'open',
      options: OPTION_NO_FOLDER | OPTION_OPEN_REPARSE_POINT,
      signal,
    });
    const marking = this.#share.expect(
      { command: 'setInfo', body: encodeDeleteRequest(fileId) },
      `deleting ${path}`,
    );
    await finish(marking, () => this.#close(fileId, path));
  }

  /** QUERY_DIRECTORY (MS-SMB2 2.2.33), a page at a time: the names in a folder, in the server's order, without `.` and `..`. */
  async list(path: string, options: ListOptions): Promise<ListedFile[]> {
    const { fileId } = await this.#create(path, {
      access: ACCESS.readData | ACCESS.readAttributes | ACCESS.synchronize,
      share: SHARE_ALL,
      disposition: 'open',
      options: OPTION_FOLDER,
      signal: options.signal,
    });
    return finish(this.#pages(fileId, path, options), () => this.#close(fileId, path));
  }

  /** CREATE (MS-SMB2 2.2.13): whether the folder is there. @throws SmbError for any other answer than yes and no */
  async hasFolder(path: string, signal?: AbortSignal): Promise<boolean> {
    try {
      const { fileId } = await this.#create(path, {
        access: ACCESS.readAttributes,
        share: SHARE_ALL,
        disposition: 'open',
        options: OPTION_FOLDER,
        signal,
      });
      await this.#close(fileId, path);
      return true;
    } catch (error) {
      if (error instanceof SmbError && error.code === 'NOT_FOUND') return false;
      throw error;
    }
  }

  /** TREE_DISCONNECT and LOGOFF (MS-SMB2 2.2.11, 2.2.7), and the connection is closed. What is under way is rejected. */
  async close(): Promise<void> {
    const { connection, encrypts } = this.session;
    const closed = new SmbError('CANCELLED', 'the connection was closed');
    const timer = setTimeout(() => connection.end(closed), GOODBYE_LIMIT);
    try {
      await this.#share.request({ command: 'treeDisconnect', body: encodeEmptyRequest() });
      await connection.request({ command: 'logoff', body: encodeEmptyRequest(), encrypt: encrypts });
    } catch {
      // It is gone already, which is what was wanted.
    }
    clearTimeout(timer);
    connection.end(closed);
  }

  async #create(
    path: string,
    create: {
      readonly access: number;
      readonly share: number;
      readonly disposition: Disposition;
      readonly options: number;
      readonly signal: AbortSignal | undefined;
    },
  ): Promise<CreateResponse> {
    checkPath(path);
    const body = encodeCreateRequest({ ...create, path });
    // Not cancelled on the way: an answer that nobody waits for would leave a handle open at the server.
    if (create.signal?.aborted === true) throw new SmbError('CANCELLED', `opening ${path} was cancelled`);
    const created = decodeCreateResponse(
      await this.#share.expect({ command: 'create', body }, `opening ${path}`),
    );
    const wantsFolder = (create.options & OPTION_FOLDER) !== 0;
    if (wantsFolder && (created.attributes & ATTRIBUTE_FOLDER) === 0)
      throw malformed('a file where a folder was opened');
    return created;
  }

  async #pages(fileId: Buffer, path: string, { limit, signal }: ListOptions): Promise<ListedFile[]> {
    const files: ListedFile[] = [];
    for (let restart = true; ; restart = false) {
      const page = await this.#page({ fileId, path, restart, signal });
      if (page === undefined) return files;
      files.push(...page.filter(({ name }) => name !== '.' && name !== '..').map(listed));
      if (files.length > limit)
        throw new SmbError('TOO_LARGE', `listing ${path}: there are more than ${limit} names`);
    }
  }

  /** Undefined when there are no more names. */
  async #page(query: {
    readonly fileId: Buffer;
    readonly path: string;
    readonly restart: boolean;
    readonly signal: AbortSignal | undefined;
  }): Promise<DirectoryEntry[] | undefined> {
    const { header, message } = await this.#share.request({
      command: 'queryDirectory',
      body: encodeQueryDirectoryRequest({
        fileId: query.fileId,
        length: LISTING_PAGE,
        restart: query.restart,
      }),
      expected: LISTING_PAGE,
      signal: query.signal,
    });
    if (header.status === STATUS_NO_MORE_FILES) return undefined;
    if (header.status !== STATUS_SUCCESS) throw statusError(header.status, `listing ${query.path}`);
    const page = decodeQueryDirectoryResponse(message);
    if (page.length === 0) throw malformed('a page of a listing without a name');
    return page;
  }

  async #close(fileId: Buffer, path: string): Promise<void> {
    await this.#share.expect({ command: 'close', body: encodeHandleRequest(fileId) }, `closing ${path}`);
  }
}

/** What `work` comes to; the handle is closed either way, and of two errors the first counts. */
async function finish<T>(work: Promise<T>, close: () => Promise<void>): Promise<T> {
  let result;
  try {
    result = await work;
  } catch (error) {
    await close().catch(() => undefined);
    throw error;
  }
  await close();
  return result;
}

function listed({ name, size, attributes }: DirectoryEntry): ListedFile {
  if ((attributes & ATTRIBUTE_REPARSE_POINT) !== 0) return { name, size, kind: 'link' };
  return { name, size, kind: (attributes & ATTRIBUTE_FOLDER) === 0 ? 'file' : 'folder' };
}

/** What separates parts here, and what would end a name elsewhere, is the caller's mistake. */
function checkPath(path: string): void {
  if (
    path.includes('/') ||
    path.includes('\0') ||
    path.startsWith('\\') ||
    path.length * 2 > PATH_BYTES_MAX
  ) {
    throw new SmbError('NOT_FOUND', `${JSON.stringify(path.slice(0, 80))} is no path below a share`);
  }
}
