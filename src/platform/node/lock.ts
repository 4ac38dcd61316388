import { closeSync, openSync } from 'node:fs';
import { tryLock } from 'fs-native-extensions';

/** A lock that ends with the process, however it ends. Undefined when another process holds it. */
export function lockFile(path: string): { release(): void } | undefined {
  const fd = openSync(path, 'a+', 0o600);
  if (!tryLock(fd)) {
    closeSync(fd);
    return undefined;
  }
  let held = true;
  return {
    release: () => {
      // A second close could hit a descriptor that is somebody else's by then.
      if (held) closeSync(fd);
      held = false;
    },
  };
}
