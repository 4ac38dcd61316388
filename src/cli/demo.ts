import { runDemo, type DemoResult } from './demo/demo.ts';
import { ExitCode } from './exit-codes.ts';

/** Runs the demo; with `json` the last line of the output is one JSON object. Resolves with the exit code. */
export async function demo(options: { readonly json: boolean }): Promise<number> {
  const stop = new AbortController();
  process.once('SIGINT', () => stop.abort());
  process.once('SIGTERM', () => stop.abort());
  const result = await runDemo((line) => void process.stdout.write(`${line}\n`), stop.signal);
  process.stdout.write(options.json ? `${JSON.stringify(result)}\n` : describe(result));
  return result.ok ? ExitCode.ok : ExitCode.failure;
}

function describe(result: DemoResult): string {
  const verdict = (identical: boolean): string => (identical ? 'identical' : 'DIFFERENT');
  return [
    ...result.volumes.map(
      ({ name, bytes, identical }) => `volume ${name} (${bytes} bytes): ${verdict(identical)}`,
    ),
    ...result.snapshots.map(
      ({ name, lsn, identical }) => `snapshot ${name} at LSN ${lsn}: ${verdict(identical)}`,
    ),
    ...result.markers.map(
      ({ name, runs }) => `custom marker ${name}: its program ran ${runs} time${runs === 1 ? '' : 's'}`,
    ),
    `${result.segments} segments, ${result.bytesOnWire} bytes on the wire, lag at most ${result.lagSecondsMax.toFixed(1)} s`,
    result.ok ? 'the copy is right' : 'THE COPY IS NOT RIGHT',
    '',
  ].join('\n');
}
