/**
 * One run: two sites that change their parts, on simulated machines, from one seed. Each is a whole roled group of the
 * product; hosts write to whichever serves them, an operator has them fail over, switch over and rejoin. When all trouble is
 * over one of them serves, and the other one has what it has.
 */
import type { RoledGroup } from '../../../src/daemon/roles/roled-group.ts';
import type { World } from '../../../src/daemon/world.ts';
import { errorCode } from '../../../src/platform/errors.ts';
import type { Log, LogFields } from '../../../src/platform/log.ts';
import { reasonsOf } from '../oracle/reasons.ts';
import { Violation } from '../oracle/violation.ts';
import { FOLDER, SNAPSHOTS, volumePath } from '../pair/configs.ts';
import type { FrontEnd } from '../pair/front-end.ts';
import { Host } from '../pair/host.ts';
import { FAIR, FileServer } from '../pair/server.ts';
import { Site } from '../pair/site.ts';
import { lookAtStore } from '../pair/stored.ts';
import { Troubles } from '../pair/troubles.ts';
import { makeVolumes } from '../pair/volumes.ts';
import { makeWorld } from '../pair/world.ts';
import { Dice } from '../platform/dice.ts';
import { Loop } from '../platform/loop.ts';
import { Machine } from '../platform/machine.ts';
import type { Program } from '../platform/program.ts';
import type { RunResult } from '../result.ts';
import type { SiteName } from '../steps.ts';
import { RolesOperator } from './operator.ts';
import { RolesOracle } from './oracle.ts';
import type { RoleScenario, RoleStep } from './scenario.ts';
import { Side } from './side.ts';
import { NO_PROGRAMS, servingIn, SNAPSHOTS_INSIDE, startRoled, transportOf, wordPath } from './sites.ts';

/** Milliseconds without any trouble after which one side serves and the other follows: a drain gives up after thirty seconds. */
export const SETTLE_LIMIT = 300_000;
/** Milliseconds in which a pair that stands still says why. */
const REASON_LIMIT = 10_000;
const SITES = ['source', 'destination'] as const;

type BySite<T> = Readonly<Record<SiteName, T>>;

export async function runRoles(scenario: RoleScenario): Promise<RunResult> {
  return new RolesSimulation(scenario).run();
}

class RolesSimulation {
  readonly #scenario: RoleScenario;
  readonly #loop = new Loop();
  readonly #dice: Dice;
  readonly #machines: BySite<Machine>;
  readonly #sites: BySite<Site<RoledGroup>>;
  readonly #sides: BySite<Side>;
  readonly #oracle: RolesOracle;
  readonly #servers: { readonly server: FileServer; readonly depot: FileServer };
  readonly #troubles: Troubles;
  readonly #log: string[] = [];
  readonly #hosts: BySite<Host[]> = { source: [], destination: [] };
  readonly #frontEnds = new Map<SiteName, FrontEnd>();
  readonly #operator: RolesOperator;

  constructor(scenario: RoleScenario) {
    this.#scenario = scenario;
    this.#dice = new Dice(`${scenario.seed}/run`);
    const machine = (name: string, skew: number): Machine =>
      new Machine(name, this.#loop, this.#dice.fork(name), scenario.wallStart + skew);
    const machines = { source: machine('source', 0), destination: machine('destination', 137) };
    this.#machines = machines;
    this.#servers = {
      server: new FileServer(machines.destination, FOLDER, this.#dice.fork('server')),
      depot: new FileServer(machines.destination, FOLDER, this.#dice.fork('depot')),
    };
    this.#oracle = new RolesOracle({
      loop: this.#loop,
      initial: makeVolumes(scenario, machines, this.#dice.fork('volumes')),
      note: (text) => this.#note(text),
      published: (site, bytes) => {
        if (site === 'destination') this.#servers.server.published(bytes);
      },
    });
    this.#troubles = new Troubles(machines, this.#servers.server, (text) => {
      this.#disturbs(SITES.find((site) => text.startsWith(site)));
      this.#note(text);
    });
    this.#sides = { source: this.#side('source'), destination: this.#side('destination') };
    this.#sites = { source: this.#site('source'), destination: this.#site('destination') };
    const [loop, oracle] = [this.#loop, this.#oracle];
    this.#operator = new RolesOperator(this.#sites, {
      ...{ loop, oracle, returns: (site) => this.#sides[site].returns, note: (text) => this.#note(text) },
    });
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
      records: SITES.reduce((sum, site) => sum + this.#sides[site].model.last, 0),
      snapshots: this.#oracle.histories.losses.length,
      markerRuns: this.#oracle.histories.count - 1,
    };
  }

  async #play(): Promise<void> {
    for (const site of SITES) this.#sites[site].start();
    for (const site of SITES)
      for (let number = 0; number < this.#scenario.connections; number += 1)
        this.#hosts[site].push(this.#host(site, number));
    this.#operator.operate();
    for (const step of this.#scenario.steps) this.#loop.after(step.at, () => this.#do(step));
    await this.#loop.run(() => false, this.#scenario.length);
    this.#calm();
    if (!(await this.#loop.run(() => this.#inStep() !== undefined, SETTLE_LIMIT))) throw await this.#stuck();
    this.#final();
  }

  #side(site: SiteName): Side {
    const machine = this.#machines[site];
    const other = this.#machines.destination;
    return new Side({
      site,
      machine,
      folder: FOLDER,
      volumes: this.#scenario.volumes.map((_, index) => volumePath(index)),
      isServing: () => this.#frontEnds.get(site)?.accepts === true,
      hears: () => servingIn(other.disk.find(wordPath(site))?.content(), this.#scenario),
      roles: this.#oracle,
    });
  }

  #site(site: SiteName): Site<RoledGroup> {
    const log = this.#logOf(site);
    const { clones, own } = this.#scenario;
    return new Site({
      machine: this.#machines[site],
      clones: site === 'destination' ? clones : own?.clones === true,
      processes: NO_PROGRAMS,
      log,
      start: (world) => startRoled(site, this.#scenario, { world, log }),
      world: (program) => this.#world(site, program),
      onDeath: (power) => {
        for (const host of this.#hosts[site]) host.cutOff();
        this.#frontEnds.delete(site);
        if (site !== 'destination' || !power) return;
        const { server } = this.#servers;
        server.powerLost();
        this.#oracle.disturbs(this.#loop.now + 20);
        this.#loop.after(10, () => (server.up = true));
      },
      onUncaught: (error) => this.#oracle.fail(crash(error)),
    });
  }

  #world(site: SiteName, program: Program): World {
    const side = this.#sides[site];
    side.begins();
    const world = makeWorld({
      program,
      log: this.#logOf(site),
      oracle: side,
      server: this.#servers[site === 'destination' ? 'server' : 'depot'],
      transport: (link) =>
        transportOf(link, program, this.#servers, (bytes) => {
          const epoch = servingIn(bytes, this.#scenario);
          if (epoch !== undefined && program.alive) side.hears(epoch);
        }),
      dice: this.#dice,
      onFrontEnd: (frontEnd) => {
        frontEnd.onListening = () => side.letsIn();
        this.#frontEnds.set(site, frontEnd);
      },
      onThreadEnd: (error) => {
        this.#note(`${site}: ${error.message}`);
        for (const host of this.#hosts[site]) host.cutOff();
        // I8: a full disk is waited out; nobody has to start anything again.
        if (errorCode(error.cause) === 'ENOSPC') this.#oracle.fail(crash(error.cause));
      },
    });
    const { threads } = world;
    const sourceHost: typeof threads.sourceHost = (...options) => {
      side.sourceStarts();
      return threads.sourceHost(...options);
    };
    return { ...world, threads: { ...threads, sourceHost } };
  }

  #host(site: SiteName, number: number): Host {
    const index = number % this.#scenario.volumes.length;
    return new Host(this.#loop, () => this.#frontEnds.get(site), {
      volume: { name: `v${index}`, index },
      number: number + (site === 'source' ? 0 : 100),
      structured: number % 2 === 0,
      oracle: this.#sides[site],
    });
  }

  #do(step: RoleStep): void {
    this.#note(JSON.stringify(step));
    switch (step.kind) {
      case 'host':
        this.#hosts[step.site][step.connection]?.act(step.action);
        return;
      case 'turn':
        this.#operator.turn(step);
        return;
      case 'snapshot':
        this.#operator.snapshot(step);
        return;
      case 'restart':
        this.#sites[step.site].restart();
        return;
      case 'death':
        if (step.calls === 0) this.#sites[step.site].kill(step.power);
        else this.#troubles.do(step);
        return;
      case 'weather':
      case 'freeze':
        this.#oracle.disturbs(this.#loop.now + step.time + 1000);
        this.#troubles.do(step);
        return;
      case 'room':
        this.#disturbs(step.site, step.time);
        this.#troubles.do(step);
        return;
      case 'io-error':
      case 'clock':
        this.#troubles.do(step);
    }
  }

  /** Something fails at a site, for so long: what is not heard, or not noted, is tried again a little later. */
  #disturbs(site: SiteName | undefined, time = 0): void {
    const until = this.#loop.now + time + 5000;
    this.#oracle.disturbs(until);
    if (site !== undefined) this.#sides[site].disturbs(until);
  }

  #calm(): void {
    this.#note('calm');
    this.#operator.calm();
    this.#troubles.end();
    const { server } = this.#servers;
    server.weather = FAIR;
    server.frozenUntil = 0;
  }

  /** One serves hosts, and the other one has everything. */
  #inStep(): { readonly serving: Side; readonly following: Side } | undefined {
    const [serving, more] = SITES.filter((site) => this.#frontEnds.get(site)?.accepts === true);
    if (serving === undefined || more !== undefined) return undefined;
    const [one, other] = [this.#sides[serving], this.#sides[serving === 'source' ? 'destination' : 'source']];
    if (SITES.some((site) => this.#sites[site].group === undefined || this.#sides[site].returns.isPending))
      return undefined;
    const { history, model } = one;
    if (history === undefined || !one.isSource || other.isSource || one.checkpoint !== model.last)
      return undefined;
    if (one.role?.handsBack === true) return undefined;
    const { epoch, consistent, applied, divergence } = other.state;
    if (epoch?.id !== history.epoch.id || !consistent || applied !== model.last) return undefined;
    if (divergence !== undefined) return undefined;
    const waiting = this.#hosts[serving].some(({ outstanding }) => outstanding > 0);
    return waiting ? undefined : { serving: one, following: other };
  }

  async #stuck(): Promise<Violation> {
    const reasons: string[] = [];
    void reasonsOf(Object.values(this.#sites)).then((found) => reasons.push(...found));
    await this.#loop.run(() => reasons.length > 0, REASON_LIMIT);
    const standing = SITES.map((site) => {
      const { role, history, model, state, checkpoint } = this.#sides[site];
      const { number = 0 } = history?.epoch ?? {};
      const served = this.#frontEnds.get(site)?.accepts === true ? 'serves' : 'serves nobody';
      const way = this.#sides[site].returns.isPending ? ', on its way back' : '';
      const follows = `follows ${state.epoch?.number ?? 0} at ${state.applied}${state.consistent ? '' : ', not consistent'}`;
      return `${site}: ${role?.kind ?? 'as configured'}, ${served}, its epoch ${number} at ${checkpoint} of ${model.last}${way}, ${follows}`;
    });
    return new Violation(
      'liveness',
      `${SETTLE_LIMIT} ms after all trouble ended: ${standing.join('; ')}; they say: ${reasons.join('; ')}`,
    );
  }

  #final(): void {
    const { serving, following } = this.#inStep()!;
    this.#oracle.checkBoth(serving, following);
    const { own } = this.#scenario;
    for (const site of SITES) {
      const folder = site === 'source' && own === undefined ? SNAPSHOTS_INSIDE : SNAPSHOTS;
      lookAtStore(this.#machines[site], this.#dice, { settings: this.#scenario, folder }, (...store) => {
        this.#oracle.checkArchives(site, ...store);
        this.#oracle.checkSnapshots(site, serving.model, store);
        this.#sides[site].returns.check(...store);
      });
    }
    if (this.#loop.failed) throw this.#oracle.violation ?? new Violation('crash', 'failed without a reason');
  }

  #logOf(site: SiteName): Log {
    const line =
      (level: string) =>
      (message: string, fields?: LogFields): void => {
        this.#sides[site].returns.said(message);
        this.#note(`${site} ${level}: ${message}${fields === undefined ? '' : ` ${JSON.stringify(fields)}`}`);
      };
    return { debug: line('debug'), info: line('info'), warn: line('warn'), error: line('error') };
  }

  #note(text: string): void {
    this.#log.push(`${this.#loop.now.toFixed(1).padStart(9)} ${text}`);
  }
}

function crash(error: unknown): Violation {
  return new Violation('crash', String((error as Error).stack));
}
