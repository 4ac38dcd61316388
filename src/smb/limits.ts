/** Every limit of this client in one place. Sizes in bytes, times in milliseconds. */

/** One READ, WRITE or listing at most, whatever the server allows. */
export const PAYLOAD_MAX = 1 << 20;
/** One message of the server at most: a READ's answer with its headers, encrypted. */
export const FRAME_MAX = PAYLOAD_MAX + 4096;
/** What a credit pays for (MS-SMB2 3.1.5.2). */
export const CREDIT_BYTES = 65_536;
/** Credits that the client tries to have: twice what one transfer keeps under way. */
export const CREDITS_WANTED = 256;
/** Requests that wait for credits at most. */
export const QUEUE_MAX = 10_000;
/** A listing's page. */
export const LISTING_PAGE = 65_536;
/** Bytes of a path below the share, as the server counts them. */
export const PATH_BYTES_MAX = 32_767 * 2;
/** Milliseconds that a server has to say goodbye; then the connection is closed without it. */
export const GOODBYE_LIMIT = 2_000;
/** How many times the time limit a request may stay unanswered by a server that is alive. */
export const PATIENCE = 10;
/** A transfer's first write, from which it doubles while answers are quick. */
export const WRITE_FIRST = 65_536;
/** Writes that a transfer keeps under way. */
export const WRITES_UNDER_WAY = 8;
/** Buffers that a connection keeps between uploads. */
export const BUFFERS_KEPT = WRITES_UNDER_WAY + 1;
/** Bytes that an upload has under way at most: behind the last one acknowledged no more than these are in the file. */
export const UNACKNOWLEDGED_MAX = WRITES_UNDER_WAY * PAYLOAD_MAX;
/** A write answered later than this makes the next ones half as long, and one answered sooner twice as long. */
export const WRITE_SLOW = 2_000;
export const WRITE_QUICK = 500;
