/**
 * Settles as `work` does, or rejects with what `onLimit` makes when that takes longer than `limit` milliseconds. The work
 * itself is not stopped by this; what it does later is ignored.
 */
export async function withTimeLimit<T>(work: Promise<T>, limit: number, onLimit: () => Error): Promise<T> {
  const { promise: expired, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(onLimit()), limit);
  try {
    return await Promise.race([work, expired]);
  } finally {
    clearTimeout(timer);
  }
}
