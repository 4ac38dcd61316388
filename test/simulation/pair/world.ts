/** What one site's daemon is built on: its program's platform, threads without threads, and the server in the middle. */
import { buildDestinationWorker, buildSourceBack } from '../../../src/daemon/build-threads.ts';
import { SourceHost } from '../../../src/daemon/source/source-host.ts';
import type { HostVolume } from '../../../src/nbd/front-end.ts';
import type { World } from '../../../src/daemon/world.ts';
import type { Log } from '../../../src/platform/log.ts';
import type { Events, RemoteThread } from '../../../src/platform/node/threads.ts';
import { noMounts } from '../../support/no-mounts.ts';
import type { Dice } from '../platform/dice.ts';
import type { Program } from '../platform/program.ts';
import { startSimulatedThread, type Emit, type Thread } from '../platform/threads.ts';
import { FrontEnd } from './front-end.ts';
import { RecordedVolume, type RecorderOracle } from './recorder.ts';
import type { FileServer } from './server.ts';

/** Sees what hosts are served. */
export interface ServedOracle extends RecorderOracle {
  sourceServes(volumes: readonly HostVolume[]): void;
  /** Another engine takes over in a program that goes on. */
  sourceTakesOver(act: () => void, volumes: () => readonly HostVolume[]): void;
}

export interface WorldOptions extends Pick<World, 'transport'> {
  readonly program: Program;
  readonly log: Log;
  readonly oracle: ServedOracle;
  /** Where what is sent to this site arrives. */
  readonly server: FileServer;
  readonly dice: Dice;
  readonly onFrontEnd: (frontEnd: FrontEnd) => void;
  /** A thread ended without being asked to. */
  readonly onThreadEnd: (error: Error) => void;
}

/** Told to the oracle when its engine is succeeded by another. */
function watchedHost(oracle: ServedOracle): typeof SourceHost {
  let served: readonly HostVolume[] = [];
  return class extends SourceHost {
    constructor(...[platform, options, emit, serve]: ConstructorParameters<typeof SourceHost>) {
      super(platform, options, emit, (volumes) => serve((served = volumes)));
    }

    override resume(group: Parameters<SourceHost['resume']>[0]): Promise<void> {
      let done = Promise.resolve();
      oracle.sourceTakesOver(
        () => {
          done = super.resume(group);
        },
        () => served,
      );
      return done;
    }
  };
}

export function makeWorld(options: WorldOptions): World {
  const { program, log, oracle, server, dice, transport, onFrontEnd } = options;
  const thread = <T extends object>(
    events: Events,
    onExit: (error: Error) => void,
    build: (thread: Thread, emit: Emit) => T,
  ): RemoteThread<T> => {
    const ended = (error: Error): void => {
      options.onThreadEnd(error);
      onExit(error);
    };
    return startSimulatedThread(program, events, ended, build);
  };
  return {
    platform: program.platform,
    threads: {
      sourceBack: (back, events, onExit) =>
        thread(events, onExit, ({ platform }) => buildSourceBack(platform, log, back, noMounts)),
      sourceHost: (host, events, onExit) =>
        thread(events, onExit, (own, emit) => {
          const Watched = watchedHost(oracle);
          return new Watched(own.platform, host, emit, (volumes) => {
            const isAlive = (): boolean => program.alive;
            const recorded = volumes.map(
              (volume, index) => new RecordedVolume(volume, index, oracle, isAlive),
            );
            oracle.sourceServes(volumes);
            const frontEnd = new FrontEnd(own, recorded);
            onFrontEnd(frontEnd);
            return frontEnd;
          });
        }),
      destinationWorker: (worker, events, onExit) =>
        thread(events, onExit, ({ platform }) => buildDestinationWorker(platform, log, worker, noMounts)),
    },
    lockGroup: (_, folder) => {
      program.platform.files.makeDirectory(folder);
      return { release: () => undefined };
    },
    transport,
    watch: (_, onChange) => {
      // An event may be missed.
      server.onArrival = () => {
        if (dice.chance(0.8)) program.after(dice.fraction() * 5, onChange);
      };
      return () => (server.onArrival = () => undefined);
    },
  };
}
