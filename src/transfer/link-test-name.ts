/** Names of the files that a link test leaves in the inbox for a moment: no segment has one. Pure. */

const LINK_TEST_NAME = /^link-test-[0-9a-f]{16}\.tmp$/;
/** Random bytes in a name. */
export const LINK_TEST_ID_SIZE = 8;
/** Bytes of what it reads back. */
export const LINK_TEST_READ_MAX = 16 * 1024;

export function linkTestName(id: Buffer): string {
  return `link-test-${id.toString('hex')}.tmp`;
}

export function isLinkTestName(name: string): boolean {
  return LINK_TEST_NAME.test(name);
}
