/** Every limit of the configuration. Sizes in bytes, times in milliseconds. */

const KIB = 1024;
const MIB = 1024 * KIB;
const SECOND = 1000;
const HOUR = 3600 * SECOND;

export const CONFIG_FILE_MAX = MIB;
/** Deepest setting: `groups.NAME.destinations.NAME.ftp.host`. */
export const NESTING_MAX = 16;
/** Values of the file, those that an alias repeats counted again: what keeps an alias bomb small. */
export const NODES_MAX = 50_000;
/** Reported at once; a file of another kind altogether makes one of each of its lines. */
export const PROBLEMS_MAX = 100;

/** Key files and password files; certificates. */
export const SECRET_FILE_MAX = 4 * KIB;
export const PEM_FILE_MAX = 256 * KIB;
export const KEY_LENGTH = 32;

/** Becomes a folder's name. */
export const NAME_LENGTH_MAX = 63;
export const TEXT_LENGTH_MAX = 1024;
export const PATH_LENGTH_MAX = 4096;
/** `sun_path` of unix(7) holds 108 bytes with its end; a socket is made at `PATH.d/s` before it gets its name. */
export const SOCKET_PATH_MAX = 103;

export const GROUPS_MAX = 64;
export const LINKS_MAX = 64;
export const WINDOWS_PER_SCHEDULE_MAX = 128;
export const VOLUMES_PER_GROUP_MAX = 64;
export const DESTINATIONS_PER_GROUP_MAX = 16;
export const MARKERS_PER_GROUP_MAX = 64;
export const PROGRAM_ARGUMENTS_MAX = 64;

export const SECTOR = 512;
/** 2^53 less one sector. */
export const VOLUME_SIZE_MAX = Number.MAX_SAFE_INTEGER - (SECTOR - 1);
export const QUOTA_MIN = 64 * MIB;
/** One open, one being sealed, one being sent and one to spare. */
export const QUOTA_SEGMENTS_MIN = 4;

/** A longer open segment would not be read back after a crash. */
export const SEGMENT_SIZE = { min: MIB, max: 64 * MIB } as const;
export const SEGMENT_AGE = { min: 100, max: HOUR } as const;
/** Between the points in time that are brought over. */
export const REPLICATE_EVERY = { min: SECOND, max: 31 * 24 * HOUR } as const;
/** For a pass over all volumes. */
export const VERIFY_EVERY = { min: 60 * SECOND, max: 366 * 24 * HOUR } as const;
export const COMPRESSION = { min: 0, max: 19 } as const;
export const PARALLEL = { min: 1, max: 16 } as const;
/** Without an answer of a file server. */
export const SERVER_TIMEOUT = { min: SECOND, max: 10 * 60 * SECOND } as const;
/** Files under way at once: over one link, and over all. */
export const LINK_FILES = { min: 1, max: 256 } as const;
export const TRANSFERS = { min: 1, max: 1024 } as const;
export const WEIGHT = { min: 1, max: 1000 } as const;
/** Percent: neither side may starve the other. */
export const COPY_SHARE = { min: 1, max: 99 } as const;
/** Bytes a second: 8 kbit/s to 1 Tbit/s. */
export const RATE = { min: 1000, max: 125e9 } as const;
export const FILE_DELAY = { min: 100, max: 24 * HOUR } as const;
/** Snapshots that a rule of retention keeps; a store holds 4,096. */
export const RETENTION = { min: 1, max: 4096 } as const;
/** What is applied and kept, to go back to any point in time. */
export const RETAIN_TIME = { min: 60 * SECOND, max: 366 * 24 * HOUR } as const;
export const RETAIN_SIZE = { min: 16 * MIB, max: 2 ** 50 } as const;
export const MARKER_TIME_LIMIT = { min: SECOND, max: 7 * 24 * HOUR } as const;
/** Less is within what any file takes on its way. */
export const OBJECTIVE = { min: 10 * SECOND, max: 30 * 24 * HOUR } as const;
export const ALARM_TIME_LIMIT = { min: SECOND, max: HOUR } as const;
export const NBD_CONNECTIONS = { min: 1, max: 1024 } as const;
/** Its table in memory has up to 8 MiB for each GiB. */
export const SCRATCH_SIZE = { min: MIB, max: 64 * 1024 * MIB } as const;
export const RECEIVER_CONNECTIONS = { min: 1, max: 1024 } as const;
export const LOG_SIZE = { min: 64 * KIB, max: 1024 * MIB } as const;
export const LOG_FILES = { min: 1, max: 100 } as const;
