/** For what serves recovery points, where nobody mounts any. */
export function noMounts(): never {
  throw new Error('nobody mounts anything here');
}
