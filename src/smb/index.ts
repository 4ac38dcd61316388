/**
 * A client for SMB servers: files on a share, by SMB 3.1.1, 3.0.2, 3.0 or 2.1, whichever is the best that the server speaks.
 * It needs nothing but Node. What is exported here is for use; the other files are its inside.
 *
 * - {@link SmbClient} is connected to a share when it is used, and again after the connection was lost.
 * - {@link SmbTree} is the share while it is connected to, {@link SmbFile} an open file on it.
 * - {@link SmbError} is everything that they throw, with a code to decide by.
 *
 * Log-ons are NTLMv2 with a MIC. Every message of a session is signed or encrypted, without a setting to turn that off, and
 * nothing is believed that is not. Not here: Kerberos, guests, DFS, several channels, oplocks and leases, durable handles
 * (after a lost connection a file is opened again), printers and pipes.
 */
export { SmbClient, type SmbClientOptions } from './client.ts';
export type { CipherName } from './crypto/algorithms.ts';
export { SmbError, type SmbErrorCode } from './errors.ts';
export type { SmbFile, Upload } from './file.ts';
export { UNACKNOWLEDGED_MAX } from './limits.ts';
export type { SessionOptions } from './session.ts';
export type { ListedFile, ListOptions, OpenOptions, SmbTree } from './tree.ts';
