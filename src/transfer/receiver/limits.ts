/** Every limit of the receiver. Times in milliseconds, sizes in bytes. */

/** A command with its argument, without the line's end (RFC 959 names none; the longest legal path has 63 bytes). */
export const COMMAND_LINE_MAX = 512;
/** Of pipelined commands kept while one is carried out; then the control connection is not read on. */
export const CONTROL_BUFFER_MAX = 8 * 1024;

/** From the connection to its login, TLS included. */
export const LOGIN_TIME = 30_000;
export const TLS_HANDSHAKE_TIME = 10_000;
/** Between two commands after the login. */
export const IDLE_TIME = 300_000;
/** From a transfer command to its data connection. */
export const DATA_CONNECT_TIME = 15_000;
/** Without a byte on a data connection. */
export const DATA_IDLE_TIME = 60_000;
/** A client gets this long to close its end of a data connection that has done its work. */
export const DATA_LINGER_TIME = 2_000;
/** The same after a refusal: time to read it on the control connection before the data connection is reset. */
export const REFUSED_LINGER_TIME = 500;

/** Connections of one address that have not logged in; an IPv6 network of 64 bits is one address. */
export const NOT_LOGGED_IN_PER_ADDRESS_MAX = 16;
export const CONNECTIONS_PER_LOGIN_MAX = 32;
/** Refused connections are logged at most this often, with their count. */
export const REFUSAL_LOG_INTERVAL = 10_000;

export const FAILED_LOGIN_DELAY = 2_000;
/** Then the connection is closed. */
export const FAILED_LOGINS_PER_CONNECTION_MAX = 3;
/** Failures are counted from the first one on for this long. */
export const LOGIN_FAILURE_WINDOW = 300_000;
/** Of one user from one address; low enough that one stream's wrong password does not lock out its neighbours. */
export const LOGIN_FAILURES_PER_USER_MAX = 5;
export const LOGIN_FAILURES_PER_ADDRESS_MAX = 20;
/** Counters remembered; the oldest is forgotten first. */
export const LOGIN_FAILURE_ENTRIES_MAX = 4_096;

/** Twice what a source merges into one. */
export const SEGMENT_SIZE_MAX = 4 * 1024 * 1024 * 1024;
/** Received and not yet written, of one transfer. */
export const UPLOAD_BUFFER_MAX = 1024 * 1024;
/** Left free on the file system, so that the status file can still say that it is full. */
export const FREE_SPACE_RESERVE = 4 * 1024 * 1024;
/** Received between two looks at the free space. */
export const FREE_SPACE_INTERVAL = 1024 * 1024;
/** Bytes of a listing put together before they are sent. */
export const LISTING_BATCH = 64 * 1024;
