/** Limits of the API, known to both sides. */

/** Bytes of a request's body. The largest legal one, a marker, has about a hundred. */
export const REQUEST_BODY_SIZE_MAX = 16 * 1024;
/** Bytes of a request's headers. */
export const REQUEST_HEADER_SIZE_MAX = 8 * 1024;
/** Milliseconds in which a request must have arrived whole. */
export const REQUEST_TIME_MAX = 10_000;
/** Connections at once; one more is closed. */
export const CONNECTIONS_MAX = 32;
/** Bytes of an answer: 64 groups with all their waits, or a long list of snapshots, have a tenth of it. */
export const ANSWER_SIZE_MAX = 16 * 1024 * 1024;
/** Bytes of the endpoint file. */
export const ENDPOINT_FILE_SIZE_MAX = 4096;
