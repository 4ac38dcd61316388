/** What groups and markers may be called. They become path segments and environment variables, so nothing else is taken. */
export const NAME_PATTERN = /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/;

/** The same in words, for messages. */
export const NAME_RULE =
  '1 to 63 letters, digits, dots, underscores or hyphens, beginning with a letter or digit';
