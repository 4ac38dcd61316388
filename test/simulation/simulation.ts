/**
 * One run: a source and a destination with everything between them, on simulated machines, from one seed. The product's own
 * code captures, journals, seals, sends, receives, applies and recovers; an oracle watches. When nothing more is done to
 * the pair it must come in step by itself.
 */
import { buildDestinationWorker, buildSourceBack } from '../../src/daemon/build-threads.ts';
import { startDestination } from '../../src/daemon/destination.ts';
import { Links } from '../../src/daemon/links.ts';
import { startSource } from '../../src/daemon/source.ts';
import { SourceHost } from '../../src/daemon/source-host.ts';
import type { World } from '../../src/daemon/world.ts';
import { decodeStatus } from '../../src/journal/status-codec.ts';
import { errorCode } from '../../src/platform/errors.ts';
import type { Log } from '../../src/platform/log.ts';
import type { Events, RemoteThread } from '../../src/platform/node/threads.ts';
import { openSnapshotStore } from '../../src/recovery/open-store.ts';
import { Markers } from './oracle/markers.ts';
import { Oracle } from './oracle/oracle.ts';
import { Reasons } from './oracle/reasons.ts';
import { Violation } from './oracle/violation.ts';
import { Attacker } from './pair/attacker.ts';
import {
  destinationConfig,
  FOLDER,
  GROUP,
  keyOf,
  SNAPSHOTS,
  sourceConfig,
  volumePath,
} from './pair/configs.ts';
import { FrontEnd } from './pair/front-end.ts';
import { Host } from './pair/host.ts';
import { MarkerPrograms } from './pair/marker-programs.ts';
import { RecordedVolume } from './pair/recorder.ts';
import { FAIR, FileServer, SimulatedTransport } from './pair/server.ts';
import { Site } from './pair/site.ts';
import { Dice } from './platform/dice.ts';
import { Loop } from './platform/loop.ts';
import { Machine } from './platform/machine.ts';
import { Program } from './platform/program.ts';
import { startSimulatedThread, type Emit, type Thread } from './platform/threads.ts';
import { Troubles } from './pair/troubles.ts';
import { makeVolumes } from './pair/volumes.ts';
import type { Scenario, SiteName, Step } from './scenario.ts';

/** Milliseconds without any trouble after which the pair must be in step: backoff and timeouts are a minute at the most. */
export const SETTLE_LIMIT = 300_000;

export interface RunResult {
  readonly violation: Violation | undefined;
  /** Milliseconds of simulated time. */
  readonly time: number;
  readonly steps: number;
  /** Platform calls made at each site. */
  readonly calls: Readonly<Record<SiteName, number>>;
  readonly log: readonly string[];
  /** What was done and seen, counted: a run that does nothing proves nothing. */
  readonly records: number;
  readonly snapshots: number;
  readonly markerRuns: number;
}

export async function runScenario(scenario: Scenario): Promise<RunResult> {
  const simulation = new Simulation(scenario);
  return simulation.run();
}

class Simulation {
  readonly #scenario: Scenario;
  readonly #loop = new Loop();
  readonly #dice: Dice;
  readonly #machines: Readonly<Record<SiteName, Machine>>;
  readonly #sites: Readonly<Record<SiteName, Site>>;
  readonly #oracle: Oracle;
  readonly #markers: Markers;
  readonly #programs: MarkerPrograms;
  readonly #server: FileServer;
  readonly #attacker: Attacker;
  readonly #troubles: Troubles;
  readonly #log: string[] = [];
  #hosts: Host[] = [];
  #frontEnd: FrontEnd | undefined;

  constructor(scenario: Scenario) {
    this.#scenario = scenario;
    this.#dice = new Dice(`${scenario.seed}/run`);
    const machine = (name: string, skew: number): Machine =>
      new Machine(name, this.#loop, this.#dice.fork(name), scenario.wallStart + skew);
    this.#machines = { source: machine('source', 0), destination: machine('destination', 137) };
    this.#server = new FileServer(this.#machines.destination, FOLDER, this.#dice.fork('server'));
    this.#attacker = new Attacker(this.#server, this.#dice.fork('attacker'));
    this.#machines.destination.disk.makeDirectory('/volumes');
    const initial = makeVolumes(scenario, this.#machines.source, this.#dice.fork('volumes'));
    const paths = scenario.volumes.map((_, index) => volumePath(index));
    this.#oracle = new Oracle({
      ...this.#machines,
      sourceFolder: FOLDER,
      destinationFolder: FOLDER,
      sourceVolumes: paths,
      destinationVolumes: paths,
      initial,
      decodeStatus: (bytes) => decodeStatus(bytes, keyOf(scenario), GROUP),
      onStatus: (bytes) => this.#server.published(bytes),
    });
    this.#markers = new Markers(this.#oracle);
    const { destination } = this.#machines;
    this.#programs = new MarkerPrograms(
      destination,
      this.#dice.fork('programs'),
      this.#markers,
      scenario.programTrouble,
    );
    this.#troubles = new Troubles(this.#machines, this.#server, (text) => this.#note(text));
    this.#sites = { source: this.#site('source'), destination: this.#site('destination') };
  }

  async run(): Promise<RunResult> {
    let violation: Violation | undefined;
    try {
      await this.#play();
    } catch (error) {
      violation = error instanceof Violation ? error : new Violation('crash', String((error as Error).stack));
    }
    return {
      violation,
      time: this.#loop.now,
      steps: this.#loop.steps,
      calls: { source: this.#machines.source.calls, destination: this.#machines.destination.calls },
      log: this.#log,
      records: this.#oracle.model.last,
      snapshots: this.#markers.snapshots,
      markerRuns: this.#markers.runs,
    };
  }

  async #play(): Promise<void> {
    this.#sites.source.start();
    this.#sites.destination.start();
    this.#operate();
    new Reasons(this.#loop, this.#oracle, Object.values(this.#sites));
    this.#hosts = Array.from({ length: this.#scenario.connections }, (_, number) => this.#host(number));
    for (const step of this.#scenario.steps) this.#loop.after(step.at, () => this.#do(step));
    await this.#loop.run(() => false, this.#scenario.length);
    this.#calm();
    if (!(await this.#loop.run(() => this.#inStep(), SETTLE_LIMIT))) throw this.#stuck();
    this.#final();
  }

  #site(name: SiteName): Site {
    return new Site({
      machine: this.#machines[name],
      clones: name === 'destination' && this.#scenario.clones,
      processes: this.#programs,
      log: this.#logOf(name),
      start: (world, log) => {
        if (name === 'destination') return startDestination(destinationConfig(this.#scenario), log, world);
        this.#oracle.sourceStarts();
        const links = new Links(world.platform.clock, { links: [], groups: [], transfers: 16 });
        return startSource(sourceConfig(this.#scenario), log, world, links);
      },
      world: (program) => this.#world(name, program),
      onDeath: (power) => {
        if (name === 'source') for (const host of this.#hosts) host.cutOff();
        if (name === 'source') this.#frontEnd = undefined;
        if (name === 'destination' && power) {
          this.#server.powerLost();
          this.#oracle.destinationLost();
        }
        if (name === 'destination') this.#loop.after(10, () => (this.#server.up = true));
      },
      onUncaught: (error) => this.#crashed(error),
    });
  }

  #world(name: SiteName, program: Program): World {
    const log = this.#logOf(name);
    return {
      platform: program.platform,
      threads: {
        sourceBack: (options, onExit) =>
          this.#thread(program, {}, onExit, ({ platform }) => buildSourceBack(platform, options)),
        sourceHost: (options, events, onExit) =>
          this.#thread(program, events, onExit, (thread, emit) => {
            return new SourceHost(thread.platform, options, emit, (volumes) => {
              const recorded = volumes.map(
                (volume, index) => new RecordedVolume(volume, index, this.#oracle),
              );
              this.#oracle.sourceServes(volumes);
              return (this.#frontEnd = new FrontEnd(thread, recorded));
            });
          }),
        destinationWorker: (options, events, onExit) =>
          this.#thread(program, events, onExit, ({ platform }) =>
            buildDestinationWorker(platform, log, options, () => {
              throw new Error('nobody mounts anything here');
            }),
          ),
      },
      lockGroup: (_, folder) => {
        program.platform.files.makeDirectory(folder);
        return { release: () => undefined };
      },
      transport: () => new SimulatedTransport(this.#server, program),
      watch: (_, onChange) => {
        // An event may be missed.
        this.#server.onArrival = () => {
          if (this.#dice.chance(0.8)) program.after(this.#dice.fraction() * 5, onChange);
        };
        return () => (this.#server.onArrival = () => undefined);
      },
    };
  }

  #thread<T extends object>(
    program: Program,
    events: Events,
    onExit: (error: Error) => void,
    build: (thread: Thread, emit: Emit) => T,
  ): RemoteThread<T> {
    const ended = (error: Error): void => {
      this.#note(error.message);
      for (const host of this.#hosts) host.cutOff();
      // I8: a full disk is waited out; nobody has to start anything again.
      if (errorCode(error.cause) === 'ENOSPC') this.#crashed(error.cause);
      onExit(error);
    };
    return startSimulatedThread(program, events, ended, build);
  }

  #crashed(error: unknown): void {
    this.#oracle.fail(new Violation('crash', String((error as Error).stack)));
  }

  #host(number: number): Host {
    const index = number % this.#scenario.volumes.length;
    return new Host(this.#loop, () => this.#frontEnd, {
      volume: { name: `v${index}`, index },
      number,
      structured: number % 2 === 0,
      oracle: this.#oracle,
    });
  }

  /** An operator restarts a source that says it must be. */
  #operate(): void {
    this.#loop.after(500, () => {
      const { source } = this.#sites;
      const { group, program } = source;
      const look = (status: { readonly role: string; readonly mode?: string }): void => {
        if (program !== source.program || status.mode !== 'stopped') return;
        this.#note('the operator restarts the source');
        source.kill(false);
      };
      // A thread that has ended answers nothing any more.
      group?.status().then(look, (error: unknown) => {
        if (errorCode(error) === 'THREAD_ENDED') look({ role: 'source', mode: 'stopped' });
      });
      this.#operate();
    });
  }

  #do(step: Step): void {
    this.#note(JSON.stringify(step));
    switch (step.kind) {
      case 'host':
        this.#hosts[step.connection]?.act(step.action);
        return;
      case 'marker':
        this.#markers.place(this.#sites.source.group, step.type, step.name);
        return;
      case 'initialize':
        this.#sites.source.group?.initialize().catch(() => undefined);
        return;
      case 'restart':
        this.#sites[step.site].restart();
        return;
      case 'attack':
        this.#attacker.attack(step.attack);
        return;
      case 'death':
        if (step.calls === 0) this.#sites[step.site].kill(step.power);
        else this.#troubles.do(step);
        return;
      case 'io-error':
      case 'room':
      case 'clock':
      case 'weather':
      case 'freeze':
        this.#troubles.do(step);
    }
  }

  /** Nothing more is done to the pair. */
  #calm(): void {
    this.#note('calm');
    this.#troubles.end();
    this.#programs.trouble = 0;
    this.#server.weather = FAIR;
    this.#server.frozenUntil = 0;
    this.#server.forgedStatus = undefined;
  }

  #inStep(): boolean {
    const { source, destination } = this.#sites;
    if (source.group === undefined || destination.group === undefined || this.#frontEnd?.accepts !== true)
      return false;
    if (!this.#oracle.isSettled || this.#markers.running) return false;
    return this.#hosts.every((host) => host.outstanding === 0);
  }

  #stuck(): Violation {
    const errors = Object.values(this.#sites).flatMap(({ startError }) => startError ?? []);
    const outstanding = this.#hosts.reduce((sum, host) => sum + host.outstanding, 0);
    const text = `${SETTLE_LIMIT} ms after all trouble ended ${this.#oracle.standing}; ${outstanding} requests wait; ${errors.join('; ')}`;
    return new Violation('liveness', text);
  }

  #final(): void {
    const { model } = this.#oracle;
    this.#oracle.destinationIs('final', model.last);
    this.#oracle.sourceVolumesAre(model.last);
    const files = new Program({
      machine: this.#machines.destination,
      clones: false,
      dice: this.#dice.fork('reader'),
      processes: this.#programs,
      onDeath: () => undefined,
      onUncaught: (error) => this.#crashed(error),
    }).platform.files;
    this.#machines.destination.watcher = {};
    const volumes = this.#scenario.volumes.map((size, index) => ({
      name: `v${index}`,
      path: volumePath(index),
      size,
    }));
    const store = openSnapshotStore(files, this.#logOf('destination'), { folder: SNAPSHOTS, volumes });
    this.#markers.check(store, volumes);
    store.close();
    if (this.#loop.failed) throw this.#oracle.violation ?? new Violation('crash', 'failed without a reason');
  }

  #logOf(name: SiteName): Log {
    const line =
      (level: string) =>
      (message: string): void =>
        this.#note(`${name} ${level}: ${message}`);
    return { debug: line('debug'), info: line('info'), warn: line('warn'), error: line('error') };
  }

  #note(text: string): void {
    this.#log.push(`${this.#loop.now.toFixed(1).padStart(9)} ${text}`);
  }
}
