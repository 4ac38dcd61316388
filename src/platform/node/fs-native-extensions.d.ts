declare module 'fs-native-extensions' {
  /** An exclusive lock on the whole file; false when somebody else has it. */
  export function tryLock(fd: number): boolean;
}
