/**
 * One run: a source and a destination with everything between them, on simulated machines, from one seed. The product's own
 * code captures, journals, seals, sends, receives, applies and recovers; an oracle watches. When nothing more is done to
 * the pair it must come in step by itself.
 */
import { startDestination } from '../../src/daemon/destination/destination.ts';
import { Links } from '../../src/daemon/links.ts';
import type { RunningGroup } from '../../src/daemon/running-group.ts';
import { startSource } from '../../src/daemon/source/source.ts';
import type { World } from '../../src/daemon/world.ts';
import { decodeDestinationStatus } from '../support/destination-status.ts';
import { errorCode } from '../../src/platform/errors.ts';
import type { Log } from '../../src/platform/log.ts';
import { LineWatch } from './oracle/line.ts';
import { Markers } from './oracle/markers.ts';
import { Oracle } from './oracle/oracle.ts';
import { OwnSnapshots } from './oracle/own-snapshots.ts';
import { Reasons, reasonsOf } from './oracle/reasons.ts';
import { Violation } from './oracle/violation.ts';
import { Attacker } from './pair/attacker.ts';
import {
  destinationConfig,
  FOLDER,
  GROUP,
  keyOf,
  linksConfig,
  OTHER_FOLDER,
  volumePath,
} from './pair/configs.ts';
import type { FrontEnd } from './pair/front-end.ts';
import { Host } from './pair/host.ts';
import { MarkerPrograms } from './pair/marker-programs.ts';
import { Operator } from './pair/operator.ts';
import { Rot } from './pair/rot.ts';
import { FAIR, FileServer, SimulatedTransport } from './pair/server.ts';
import { Site } from './pair/site.ts';
import { lookAtStore } from './pair/stored.ts';
import { Dice } from './platform/dice.ts';
import { Loop } from './platform/loop.ts';
import { Machine } from './platform/machine.ts';
import type { Program } from './platform/program.ts';
import { Troubles } from './pair/troubles.ts';
import { makeVolumes } from './pair/volumes.ts';
import { makeWorld } from './pair/world.ts';
import type { RunResult } from './result.ts';
import type { Scenario } from './scenario.ts';
import type { SiteName, Step } from './steps.ts';

/** Milliseconds without any trouble after which the pair must be in step: backoff and timeouts are a minute at the most. */
export const SETTLE_LIMIT = 300_000;

/** Milliseconds that a link's schedule has it closed at most, what a jump of the clocks adds included. */
const CLOSED_MAX = 2 * 3_600_000;
/** Milliseconds in which a pair that stands still says why. */
const REASON_LIMIT = 10_000;

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
  readonly #own: OwnSnapshots;
  readonly #programs: MarkerPrograms;
  readonly #server: FileServer;
  readonly #attacker: Attacker;
  readonly #troubles: Troubles;
  readonly #rot: Rot;
  readonly #operator: Operator;
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
    if (scenario.week !== undefined)
      this.#server.line = new LineWatch(
        scenario.week,
        scenario.segmentSize,
        this.#machines.source,
        (violation) => this.#oracle.fail(violation),
      );
    this.#attacker = new Attacker(this.#server, this.#dice.fork('attacker'));
    const initial = makeVolumes(scenario, this.#machines, this.#dice.fork('volumes'));
    const paths = scenario.volumes.map((_, index) => volumePath(index));
    this.#oracle = new Oracle({
      ...this.#machines,
      sourceFolders: [FOLDER, OTHER_FOLDER],
      destinationFolder: FOLDER,
      sourceVolumes: paths,
      destinationVolumes: paths,
      initial,
      decodeStatus: (bytes) => decodeDestinationStatus(bytes, keyOf(scenario), GROUP),
      onStatus: (bytes) => this.#server.published(bytes),
    });
    this.#markers = new Markers(this.#oracle);
    this.#own = new OwnSnapshots(this.#oracle, this.#dice.fork('own snapshots'));
    const { source, destination } = this.#machines;
    this.#programs = new MarkerPrograms(
      destination,
      this.#dice.fork('programs'),
      this.#markers,
      scenario.programTrouble,
    );
    this.#troubles = new Troubles(this.#machines, this.#server, (text) => this.#note(text));
    this.#rot = new Rot(this.#machines, this.#oracle, this.#dice.fork('rot'));
    this.#sites = { source: this.#site('source'), destination: this.#site('destination') };
    this.#operator = new Operator(this.#sites.source, scenario, source, this.#oracle, (text) =>
      this.#note(text),
    );
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
    this.#operator.start();
    new Reasons(this.#loop, this.#oracle, Object.values(this.#sites));
    this.#hosts = Array.from({ length: this.#scenario.connections }, (_, number) => this.#host(number));
    for (const step of this.#scenario.steps) this.#loop.after(step.at, () => this.#do(step));
    await this.#loop.run(() => false, this.#scenario.length);
    this.#calm();
    this.#insist();
    if (await this.#settle()) this.#final();
    else if (this.#oracle.isRotten || this.#oracle.mayStand) await this.#stopped();
    else throw this.#stuck();
  }

  /** Whether it comes in step within the limit, which is not counted while the link's schedule has it closed. */
  async #settle(): Promise<boolean> {
    const { line } = this.#server;
    const isOpen = (): boolean => line?.isOpen !== false;
    for (let left = SETTLE_LIMIT; left > 0;) {
      if (!(await this.#loop.run(() => isOpen() || this.#inStep(), CLOSED_MAX))) return false;
      const since = this.#loop.now;
      await this.#loop.run(() => this.#inStep() || !isOpen(), left);
      if (this.#inStep()) return true;
      left -= Math.max(1, this.#loop.now - since);
    }
    return false;
  }

  /** What rotted is lost, or two histories cannot be made one: the replica stays what it was at one LSN, and somebody says why it does. */
  async #stopped(): Promise<void> {
    const reasons: string[] = [];
    void reasonsOf(Object.values(this.#sites)).then((found) => reasons.push(...found));
    if (!(await this.#loop.run(() => reasons.length > 0, REASON_LIMIT))) throw this.#stuck();
    this.#note(`stands still: ${reasons.join('; ')}`);
    this.#oracle.replica.stands();
  }

  #site(name: SiteName): Site {
    return new Site<RunningGroup>({
      machine: this.#machines[name],
      clones: name === 'destination' ? this.#scenario.clones : this.#scenario.own?.clones === true,
      processes: this.#programs,
      log: this.#logOf(name),
      start: (world, log) => {
        if (name === 'destination') return startDestination(destinationConfig(this.#scenario), log, world);
        this.#oracle.sourceStarts();
        const links = new Links(world.platform.clock, linksConfig(this.#scenario));
        this.#server.line?.begin();
        return startSource(this.#operator.config, log, world, links);
      },
      world: (program) => this.#world(name, program),
      onDeath: (power) => {
        for (const host of name === 'source' ? this.#hosts : []) host.cutOff();
        if (name === 'source') this.#frontEnd = undefined;
        if (name === 'destination' && power) {
          this.#server.powerLost();
          this.#oracle.replica.lost();
        }
        if (name === 'destination') this.#loop.after(10, () => (this.#server.up = true));
      },
      onUncaught: (error) => this.#crashed(error),
    });
  }

  #world(name: SiteName, program: Program): World {
    return makeWorld({
      program,
      log: this.#logOf(name),
      oracle: this.#oracle,
      server: this.#server,
      transport: () => new SimulatedTransport(this.#server, program),
      dice: this.#dice,
      onFrontEnd: (frontEnd) => (this.#frontEnd = frontEnd),
      onThreadEnd: (error) => {
        this.#note(error.message);
        for (const host of this.#hosts) host.cutOff();
        // I8: a full disk is waited out; nobody has to start anything again.
        if (errorCode(error.cause) === 'ENOSPC') this.#crashed(error.cause);
      },
    });
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

  #do(step: Step): void {
    this.#note(JSON.stringify(step));
    switch (step.kind) {
      case 'host':
        this.#hosts[step.connection]?.act(step.action);
        return;
      case 'marker':
        this.#markers.place(this.#sites.source.group, step.type, step.name);
        return;
      case 'own':
        this.#own.do(this.#sites.source.group, step.action);
        return;
      case 'initialize':
        this.#sites.source.group?.initialize({ compare: step.compare }).catch(() => undefined);
        return;
      case 'verify':
        this.#sites.source.group?.verify({ full: true }).catch(() => undefined);
        return;
      case 'restart':
        this.#sites[step.site].restart();
        return;
      case 'attack':
        this.#attacker.attack(step.attack);
        return;
      case 'resize':
      case 'quota':
      case 'move':
      case 'image':
      case 'set-back':
        this.#operator.do(step);
        return;
      case 'rot':
        this.#note(`rotten: ${this.#rot.strike(step.place) ?? 'nothing'}`);
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

  /**
   * A source that was set back is found out when it goes on, as its hosts do until then: in the end by few records at a
   * time, so that a segment begins right behind what the destination has.
   */
  #insist(): void {
    const { before, model, replica } = this.#oracle;
    if (before === undefined) return;
    this.#loop.after(1.3 * this.#scenario.segmentAge, () => {
      const left = Math.max(before.last, replica.acknowledged) - model.last;
      // The destination had nothing of what was undone, and follows what has become of the source: there is nothing to find.
      const isFollowed = left <= 0 && !this.#oracle.isForked;
      const write = { kind: 'write', offset: 0, length: 512, fua: false, fill: 'stamp' } as const;
      const count = isFollowed ? 0 : Math.min(left + 1, Math.max(1 + this.#dice.below(2), left - 8));
      for (let i = 0; i < count; i += 1) this.#hosts[0]?.act(write);
      this.#insist();
    });
  }

  /** Nothing more is done to the pair. */
  #calm(): void {
    this.#note('calm');
    this.#operator.calm();
    this.#troubles.end();
    this.#programs.trouble = 0;
    this.#server.weather = FAIR;
    this.#server.frozenUntil = 0;
    this.#server.forgedStatus = undefined;
  }

  #inStep(): boolean {
    const { source, destination } = this.#sites;
    if (!source.group || !destination.group || this.#frontEnd?.accepts !== true) return false;
    if (!this.#oracle.isSettled || this.#markers.running || !this.#operator.isMoved) return false;
    return this.#hosts.every(({ outstanding }) => outstanding === 0);
  }

  #stuck(): Violation {
    const errors = Object.values(this.#sites).flatMap(({ startError }) => startError ?? []);
    const outstanding = this.#hosts.reduce((sum, host) => sum + host.outstanding, 0);
    const text = `${SETTLE_LIMIT} ms after all trouble ended ${this.#oracle.standing}; ${outstanding} requests wait; ${errors.join('; ')}`;
    return new Violation('liveness', text);
  }

  #final(): void {
    const { model } = this.#oracle;
    this.#oracle.replica.is('final', model.last);
    this.#oracle.sourceVolumesAre(model.last);
    const { source, destination } = this.#machines;
    const settings = this.#scenario;
    lookAtStore(destination, this.#dice, { settings }, (...store) => this.#markers.check(...store));
    if (settings.own !== undefined)
      lookAtStore(source, this.#dice, { settings }, (...store) => this.#own.check(...store));
    if (this.#loop.failed) throw this.#oracle.violation ?? new Violation('crash', 'failed without a reason');
  }

  #logOf(name: SiteName): Log {
    const line =
      (level: string) =>
      (message: string): void => {
        this.#note(`${name} ${level}: ${message}`);
        if (name === 'source') this.#own.said(message);
      };
    return { debug: line('debug'), info: line('info'), warn: line('warn'), error: line('error') };
  }

  #note(text: string): void {
    this.#log.push(`${this.#loop.now.toFixed(1).padStart(9)} ${text}`);
  }
}
