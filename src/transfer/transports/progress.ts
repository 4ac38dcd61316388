/** Progress that never goes back, however often a transfer is begun again, and never past the file's size. */
export type ReportProgress = (bytes: number) => void;

export function monotonicProgress(size: number, report: ReportProgress | undefined): ReportProgress {
  let reported = -1;
  return (bytes) => {
    const taken = Math.min(bytes, size);
    if (taken <= reported) return;
    reported = taken;
    report?.(taken);
  };
}
