/** "Newstyle negotiation": which export a client wants and how it will be talked to. A state machine without a socket. */
import type { HostVolume } from './front-end.ts';
import {
  BASE_ALLOCATION,
  BASE_ALLOCATION_ID,
  HandshakeFlag,
  infoBlockSize,
  infoExport,
  infoName,
  NBDMAGIC,
  Option,
  OPTION_DATA_MAX,
  OPTION_MAGIC,
  OptionReply,
  optionReply,
  OPTIONS_MAX,
  readString,
  transmissionFlags,
} from './protocol.ts';

export interface Agreement {
  readonly volume: HostVolume;
  readonly structured: boolean;
  /** Whether `base:allocation` was chosen for this export. */
  readonly allocation: boolean;
}

/** `ended`: with a reason when the client broke the protocol, without when it said goodbye. */
export type HandshakeResult =
  | { readonly kind: 'more' }
  | { readonly kind: 'agreed'; readonly agreement: Agreement }
  | { readonly kind: 'ended'; readonly reason: string | undefined };

/** Of the exports' names in a text for people; the protocol's strings have 4096 bytes at most. */
const NAMES_LENGTH_MAX = 1000;
const MORE: HandshakeResult = { kind: 'more' };
const CLIENT_FLAGS = HandshakeFlag.fixedNewstyle | HandshakeFlag.noZeroes;

export class Handshake {
  readonly #volumes: readonly HostVolume[];
  readonly #send: (bytes: Buffer) => void;
  #clientFlags: number | undefined;
  #options = 0;
  #structured = false;
  /** The export that the metadata context was chosen for. */
  #allocationOf: HostVolume | undefined;

  constructor(volumes: readonly HostVolume[], send: (bytes: Buffer) => void) {
    this.#volumes = volumes;
    this.#send = send;
    send(Buffer.concat([NBDMAGIC, Buffer.from([0, CLIENT_FLAGS])]));
  }

  /** Takes one message from the start of `bytes`; `used` says how many bytes it had, 0 when it is not all there yet. */
  take(bytes: Buffer): { readonly used: number; readonly result: HandshakeResult } {
    if (this.#clientFlags === undefined) return this.#takeFlags(bytes);
    if (bytes.length < 16) return { used: 0, result: MORE };
    if (!bytes.subarray(0, 8).equals(OPTION_MAGIC)) return ended('an option without its magic number');
    const option = bytes.readUInt32BE(8);
    const length = bytes.readUInt32BE(12);
    this.#options += 1;
    if (length > OPTION_DATA_MAX) return ended(`an option of ${length} bytes`);
    if (this.#options > OPTIONS_MAX) return ended(`more than ${OPTIONS_MAX} options`);
    if (bytes.length < 16 + length) {
      this.#options -= 1;
      return { used: 0, result: MORE };
    }
    return { used: 16 + length, result: this.#option(option, bytes.subarray(16, 16 + length)) };
  }

  #takeFlags(bytes: Buffer): { used: number; result: HandshakeResult } {
    if (bytes.length < 4) return { used: 0, result: MORE };
    const flags = bytes.readUInt32BE(0);
    if ((flags & ~CLIENT_FLAGS) !== 0) return ended(`unknown client flags ${flags}`);
    this.#clientFlags = flags;
    return { used: 4, result: MORE };
  }

  #option(option: number, data: Buffer): HandshakeResult {
    switch (option) {
      case Option.exportName:
        return this.#exportName(data.toString('utf8'));
      case Option.abort:
        this.#send(optionReply(option, OptionReply.ack));
        return { kind: 'ended', reason: undefined };
      case Option.list:
        return this.#list(data);
      case Option.info:
      case Option.go:
        return this.#go(option, data);
      case Option.structuredReply:
        if (data.length > 0) return this.#refuse(option, OptionReply.errInvalid, 'this option has no data');
        this.#structured = true;
        this.#send(optionReply(option, OptionReply.ack));
        return MORE;
      case Option.listMetaContext:
      case Option.setMetaContext:
        return this.#metaContext(option, data);
      default:
        return this.#refuse(option, OptionReply.errUnsupported, 'this option is not supported');
    }
  }

  /** The oldest way: there is no reply for an error but to hang up. */
  #exportName(name: string): HandshakeResult {
    const volume = this.#find(name);
    if (volume === undefined) return { kind: 'ended', reason: `there is no export ${JSON.stringify(name)}` };
    const reply = Buffer.alloc((this.#clientFlags ?? 0) & HandshakeFlag.noZeroes ? 10 : 134);
    reply.writeBigUInt64BE(BigInt(volume.size), 0);
    reply.writeUInt16BE(transmissionFlags(volume), 8);
    this.#send(reply);
    return this.#agree(volume);
  }

  #list(data: Buffer): HandshakeResult {
    if (data.length > 0) return this.#refuse(Option.list, OptionReply.errInvalid, 'this option has no data');
    for (const { name } of this.#volumes) {
      const bytes = Buffer.from(name, 'utf8');
      const entry = Buffer.alloc(4 + bytes.length);
      entry.writeUInt32BE(bytes.length, 0);
      bytes.copy(entry, 4);
      this.#send(optionReply(Option.list, OptionReply.server, entry));
    }
    this.#send(optionReply(Option.list, OptionReply.ack));
    return MORE;
  }

  #go(option: number, data: Buffer): HandshakeResult {
    const name = readString(data, 0);
    const requests = name === undefined || name.end + 2 > data.length ? -1 : data.readUInt16BE(name.end);
    if (name === undefined || requests < 0 || name.end + 2 + requests * 2 !== data.length) {
      return this.#refuse(option, OptionReply.errInvalid, 'malformed option');
    }
    const volume = this.#find(name.text);
    if (volume === undefined) return this.#refuse(option, OptionReply.errUnknown, this.#unknown(name.text));
    this.#send(optionReply(option, OptionReply.info, infoExport(volume)));
    this.#send(optionReply(option, OptionReply.info, infoName(volume.name)));
    this.#send(optionReply(option, OptionReply.info, infoBlockSize()));
    this.#send(optionReply(option, OptionReply.ack));
    return option === Option.go ? this.#agree(volume) : MORE;
  }

  #metaContext(option: number, data: Buffer): HandshakeResult {
    const listing = option === Option.listMetaContext;
    // What was set before is gone, whether or not this attempt succeeds.
    if (!listing) this.#allocationOf = undefined;
    const name = readString(data, 0);
    if (name === undefined || name.end + 4 > data.length) {
      return this.#refuse(option, OptionReply.errInvalid, 'malformed option');
    }
    const queries = readQueries(data, name.end);
    if (queries === undefined || !this.#structured) {
      return this.#refuse(
        option,
        OptionReply.errInvalid,
        'malformed option, or structured replies were not agreed on',
      );
    }
    const volume = this.#find(name.text);
    if (volume === undefined) return this.#refuse(option, OptionReply.errUnknown, this.#unknown(name.text));
    const wanted = queries.some((query) => query === BASE_ALLOCATION || (listing && query === 'base:'));
    const offered = wanted || (listing && queries.length === 0);
    if (!listing) this.#allocationOf = wanted ? volume : undefined;
    if (offered) {
      const context = Buffer.alloc(4 + BASE_ALLOCATION.length);
      context.writeUInt32BE(BASE_ALLOCATION_ID, 0);
      context.write(BASE_ALLOCATION, 4);
      this.#send(optionReply(option, OptionReply.metaContext, context));
    }
    this.#send(optionReply(option, OptionReply.ack));
    return MORE;
  }

  /** The default export, whose name is empty, is the group's volume when it has just one. */
  #find(name: string): HostVolume | undefined {
    if (name === '' && this.#volumes.length === 1) return this.#volumes[0];
    return this.#volumes.find((volume) => volume.name === name);
  }

  #unknown(name: string): string {
    const names = this.#volumes
      .map((volume) => volume.name)
      .join(', ')
      .slice(0, NAMES_LENGTH_MAX);
    return name === '' ? `name one of the exports: ${names}` : `there is no such export; there are: ${names}`;
  }

  #agree(volume: HostVolume): HandshakeResult {
    const allocation = this.#structured && this.#allocationOf === volume;
    return { kind: 'agreed', agreement: { volume, structured: this.#structured, allocation } };
  }

  #refuse(option: number, error: number, text: string): HandshakeResult {
    this.#send(optionReply(option, error, Buffer.from(text, 'utf8')));
    return MORE;
  }
}

function readQueries(data: Buffer, at: number): string[] | undefined {
  const count = data.readUInt32BE(at);
  const queries: string[] = [];
  let position = at + 4;
  while (queries.length < count) {
    const query = readString(data, position);
    if (query === undefined) return undefined;
    queries.push(query.text);
    position = query.end;
  }
  return position === data.length ? queries : undefined;
}

function ended(reason: string): { used: number; result: HandshakeResult } {
  return { used: 0, result: { kind: 'ended', reason } };
}
