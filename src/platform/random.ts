/** Unpredictable bytes: ids, salts, jitter. */
export interface Random {
  bytes(count: number): Buffer;
  /** Uniform in [0, 1). */
  fraction(): number;
}
