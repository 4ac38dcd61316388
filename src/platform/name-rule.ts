/**
 * What groups, volumes, destinations and markers may be called, in a configuration, on the command line and in the API.
 * Names become folders, path segments and environment variables, on systems that know no case and on Windows, which
 * opens a device by some names whatever is behind a dot, and drops a dot at the end.
 */
export const NAME_PATTERN =
  /^(?!(?:con|prn|aux|nul|com\d|lpt\d)(?:\.|$))[a-z0-9](?:[a-z0-9._-]{0,61}[a-z0-9_-])?$/;

/** Most of it in words, for messages. */
export const NAME_RULE =
  '1 to 63 lower-case letters, digits, dots, underscores and hyphens, beginning with a letter or digit';
