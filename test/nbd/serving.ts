/** A server on memory volumes, and real clients as child processes (the server runs in this one, so nothing may block it). */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { NbdServer } from '../../src/nbd/server.ts';
import type { Log } from '../../src/platform/log.ts';
import { nodeClock } from '../../src/platform/node/clock.ts';
import { temporaryFolder } from '../support/folder.ts';
import type { MemoryVolume } from '../support/memory-volume.ts';

export interface Serving {
  readonly server: NbdServer;
  readonly path: string;
  readonly port: number;
  /** Warnings so far. */
  readonly warnings: string[];
  /** URIs of an export, by unix socket and by TCP. */
  readonly unix: (name: string) => string;
  readonly tcp: (name: string) => string;
}

const started: NbdServer[] = [];

export async function serve(volumes: readonly MemoryVolume[], connectionsMax = 32): Promise<Serving> {
  const warnings: string[] = [];
  const quiet = (): void => undefined;
  const log: Log = { debug: quiet, info: quiet, error: quiet, warn: (message) => warnings.push(message) };
  const server = new NbdServer({ volumes, log, clock: nodeClock, connectionsMax });
  started.push(server);
  const path = join(temporaryFolder(), 'nbd.sock');
  await server.listen({ kind: 'socket', path });
  const address = await server.listen({ kind: 'tcp', host: '127.0.0.1', port: 0 });
  assert.ok(address.kind === 'tcp' && address.port > 0);
  const { port } = address;
  return {
    server,
    path,
    port,
    warnings,
    unix: (name) => `nbd+unix:///${name}?socket=${path}`,
    tcp: (name) => `nbd://127.0.0.1:${port}/${name}`,
  };
}

/** Ends every server that the test started. */
export async function stopServing(): Promise<void> {
  for (const server of started.splice(0)) await server.close();
}

export function run(program: string, ...args: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    const keep = (text: Buffer): void => void (output += text.toString());
    child.stdout.on('data', keep);
    child.stderr.on('data', keep);
    child.on('error', reject);
    child.on('close', (code, signal) => {
      if (code === 0) resolve(output);
      else reject(new Error(`${program} ${args.join(' ')}: ${code ?? signal ?? ''}\n${output}`));
    });
  });
}

export async function until(what: string, condition: () => boolean): Promise<void> {
  for (let i = 0; !condition(); i += 1) {
    assert.ok(i < 6000, what);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
