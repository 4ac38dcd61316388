/** `blockferry failover`, `switchover`, `rejoin` and `rollback`: which side serves hosts, and what. */
import type { z } from 'zod';
import {
  failoverAnswerSchema,
  rejoinAnswerSchema,
  rollbackAnswerSchema,
  switchoverAnswerSchema,
  type FailoverAnswer,
  type RejoinAnswer,
  type RollbackAnswer,
  type SwitchoverAnswer,
} from '../api/contract/roles.ts';
import { ask } from './client.ts';
import { confirm } from './confirm.ts';
import { ExitCode } from './exit-codes.ts';
import { print, printJson } from './output.ts';
import { wantedPoint } from './mount.ts';
import { bytesText, durationText, printable } from './text.ts';

export interface RoleOptions {
  readonly state: string;
  readonly group: string;
  readonly yes: boolean;
  readonly dryRun: boolean;
  readonly json: boolean;
}

interface Verb<T> {
  readonly path: 'failover' | 'switchover' | 'rejoin' | 'rollback';
  /** What is said beside whether it is a trial. */
  readonly body?: object;
  readonly answer: z.ZodType<T>;
  /** What it comes to, what is lost first. */
  readonly consequences: (answer: T, group: string) => string[];
  readonly done: (answer: T, group: string) => string[];
}

/** Milliseconds: what has arrived is applied first. */
const PATIENCE = 600_000;

async function change<T extends object>(verb: Verb<T>, options: RoleOptions): Promise<ExitCode> {
  const { state, group, yes, dryRun, json } = options;
  const request = (trial: boolean): Promise<T> => {
    const path = `/groups/${encodeURIComponent(group)}/${verb.path}`;
    return ask(state, {
      method: 'POST',
      path,
      body: { dryRun: trial, ...verb.body },
      answer: verb.answer,
      patience: PATIENCE,
    });
  };
  const isAsking = !dryRun && !yes;
  if (isAsking) await confirm(verb.consequences(await request(true), group));
  const answer = await request(dryRun);
  if (json) printJson({ [verb.path]: !dryRun, group, ...answer });
  else if (dryRun) print([...verb.consequences(answer, group), 'Nothing was changed.']);
  else print(verb.done(answer, group));
  return ExitCode.ok;
}

export function failover(options: RoleOptions & { readonly at?: string }): Promise<ExitCode> {
  const body = options.at === undefined ? {} : { point: wantedPoint(undefined, options.at) };
  return change(
    { path: 'failover', body, answer: failoverAnswerSchema, consequences: failoverLoss, done: failoverDone },
    options,
  );
}

/** The source's volumes become what they were at a point of this side, which serves until the source follows. */
export function restore(options: RoleOptions & { readonly at: string }): Promise<ExitCode> {
  return change(
    {
      path: 'failover',
      body: { point: wantedPoint(undefined, options.at), handBack: true },
      answer: failoverAnswerSchema,
      consequences: (answer, group) => [...failoverLoss(answer, group), ...handedBack(group)],
      done: (answer, group) => [...failoverDone(answer, group), ...handedBack(group)],
    },
    options,
  );
}

function handedBack(group: string): string[] {
  return [
    `The old source gives way when it hears of this; "blockferry rejoin ${group}" there if hosts wrote what is not here. It gets what differs, and nothing else.`,
    'Once it has that, this side hands over to it by itself (alarm handing-back).',
  ];
}

function failoverLoss(answer: FailoverAnswer, group: string): string[] {
  const again = servedAgain(answer, group);
  if (again !== undefined)
    return [`Group ${group} is served from here again, from record ${answer.lsn} on.`, ...again];
  return [
    `Group ${group} is served from here from record ${answer.lsn} on, of ${when(answer.time)}.`,
    `What hosts wrote at the source after that is not here: ${seconds(answer.behindSeconds)} of writes, as far as the clocks agree.`,
    ...broughtBack(answer),
    ...useless(answer),
    ...unfinished(answer),
    'If the source is alive, `blockferry switchover` there loses nothing. If it comes back, it lets its hosts go once it hears of this.',
  ];
}

/** By a source that was deposed, or hands over. */
function servedAgain({ insteadOf, calledOff }: FailoverAnswer, group: string): string[] | undefined {
  if (insteadOf !== undefined)
    return [
      `The other side took over at ${when(insteadOf.at)}, at record ${insteadOf.lsn}, in epoch ${insteadOf.epoch}: what hosts wrote there since is not here.`,
      `It lets them go once it hears of this; \`blockferry rejoin ${group}\` there says how much that is, and keeps it aside.`,
    ];
  if (calledOff === undefined) return undefined;
  return [
    `The switchover is called off. If the other side has the last record already, it serves in epoch ${calledOff}: then this side gives way when it hears of that,`,
    'and what hosts wrote here meanwhile is kept aside. Make sure that the other side is down, or cut off.',
  ];
}

function failoverDone(answer: FailoverAnswer, group: string): string[] {
  const again = servedAgain(answer, group);
  if (again !== undefined)
    return [
      `Group ${group} is served here, at ${printable(answer.hosts)}, in epoch ${answer.epoch}.`,
      ...again,
    ];
  return [
    `Group ${group} is served here, at ${printable(answer.hosts)}, in epoch ${answer.epoch}.`,
    `Its volumes are as of record ${answer.lsn}, ${when(answer.time)}: ${seconds(answer.behindSeconds)} before now; what the source took after that was not received.`,
    ...broughtBack(answer),
    ...useless(answer),
    ...unfinished(answer),
  ];
}

function broughtBack({ rollback }: FailoverAnswer): string[] {
  if (rollback === undefined) return [];
  const { point, discardedSeconds, changedBytes, keptAs } = rollback;
  return [
    `Before hosts are served the volumes become what they were at ${printable(point.name)}, record ${point.lsn}, of ${when(point.time)}; "blockferry status" says how far that is.`,
    `Of what arrived, ${durationText(discardedSeconds)} of writes are in them no more then${atMost(changedBytes)}: they are kept as snapshot ${keptAs}.`,
  ];
}

function useless({ uselessSegments, uselessBytes }: FailoverAnswer): string[] {
  if (uselessSegments === 0) return [];
  return [
    `${uselessSegments} replication files (of ${bytesText(uselessBytes)} in the buffer) lie behind a gap and are of no use.`,
  ];
}

function unfinished({ markers }: FailoverAnswer): string[] {
  return markers.length === 0
    ? []
    : [`Programs that are not run to their end: ${markers.map(printable).join(', ')}.`];
}

export function switchover(options: RoleOptions): Promise<ExitCode> {
  return change(
    {
      path: 'switchover',
      answer: switchoverAnswerSchema,
      consequences: switchoverLoss,
      done: switchoverDone,
    },
    options,
  );
}

function switchoverLoss({ hosts, to, lagBytes }: SwitchoverAnswer, group: string): string[] {
  return [
    `Group ${group} is not served here any more: ${hosts} connections of hosts are closed. Nothing that was written is lost.`,
    `${printable(to)} serves once it has the last ${bytesText(lagBytes)}; until then nobody does.`,
  ];
}

function switchoverDone({ to, epoch }: SwitchoverAnswer, group: string): string[] {
  return [
    `Group ${group} is served here no more; ${printable(to)} serves it in epoch ${epoch} once it has everything.`,
    `"blockferry status ${group}" there says so, and here that this side follows.`,
  ];
}

export function rejoin(options: RoleOptions): Promise<ExitCode> {
  return change(
    { path: 'rejoin', answer: rejoinAnswerSchema, consequences: rejoinLoss, done: rejoinDone },
    options,
  );
}

function rejoinLoss(answer: RejoinAnswer, group: string): string[] {
  const { fork, at, writes, bytes, volumes, from, to, keptAs, anew, lacks } = answer;
  if (lacks !== undefined) return lackLoss(answer, lacks);
  if (anew !== undefined) return joinLoss({ ...answer, anew });
  const span = from === undefined || to === undefined ? '' : `, from ${when(from)} to ${when(to)}`;
  return [
    `The other side took over at ${when(at)}, at record ${fork.lsn}, of ${when(fork.time)}.`,
    ...(keptAs === undefined
      ? []
      : [
          `Hosts wrote ${writes} times here since${span}: up to ${bytesText(bytes)} of the volumes (${perVolume(volumes)}). The other side does not have that.`,
          `It is kept as snapshot ${keptAs}, which can be mounted; the volumes of group ${group} become what the other side has.`,
          `To go on with this side's instead, and have the other side give way: \`blockferry failover ${group}\` here.`,
        ]),
  ];
}

/** Of a destination. */
function lackLoss(
  { volumes, keptAs }: RejoinAnswer,
  { first, last }: NonNullable<RejoinAnswer['lacks']>,
): string[] {
  return [
    `Records ${first} to ${last} are not here. If the source says "records-gone" of them, nobody has them any more; if not, they come by themselves.`,
    'This side goes on without them: of all volumes what differs here comes over, and until it has there is no new recovery point.',
    keptAs === undefined
      ? 'What the volumes hold here is written over.'
      : `What the volumes hold here (${perVolume(volumes)}) is kept as snapshot ${keptAs}.`,
  ];
}

/** Of a side that lost the group's folder. */
function joinLoss(answer: RejoinAnswer & { readonly anew: number }): string[] {
  const { epoch, at, anew, bytes, volumes, keptAs } = answer;
  return [
    `This side's folder of the group is new. The other side serves since ${when(at)}, in epoch ${epoch}.`,
    `This side follows it: of the ${bytesText(anew)} of its volumes what differs here comes over.`,
    ...(keptAs === undefined
      ? ['The volumes hold nothing here.']
      : [
          `What the volumes hold here, at most ${bytesText(bytes)} (${perVolume(volumes)}), is kept as snapshot ${keptAs}.`,
        ]),
  ];
}

function rejoinDone({ epoch, keptAs }: RejoinAnswer, group: string): string[] {
  return [
    `Group ${group} follows the other side here, in epoch ${epoch}.`,
    ...(keptAs === undefined
      ? []
      : [`What only this side had is snapshot ${keptAs}: "blockferry mount ${group} ${keptAs}".`]),
  ];
}

function perVolume(volumes: RejoinAnswer['volumes']): string {
  return volumes.map(({ name, bytes }) => `${printable(name)} ${bytesText(bytes)}`).join(', ');
}

export function rollback(options: RoleOptions & { readonly at: string }): Promise<ExitCode> {
  return change(
    {
      path: 'rollback',
      body: { point: wantedPoint(undefined, options.at) },
      answer: rollbackAnswerSchema,
      consequences: rollbackLoss,
      done: rollbackDone,
    },
    options,
  );
}

function rollbackLoss(answer: RollbackAnswer, group: string): string[] {
  const { point, lsn, behindSeconds, hosts, mounts, keptAs, changedBytes } = answer;
  return [
    `All volumes of group ${group}, here and at its destinations, become what they were at ${printable(point.name)}, record ${point.lsn}, of ${when(point.time)}.`,
    `What hosts wrote since, up to record ${lsn}, is in them no more: ${durationText(behindSeconds)} of writes${atMost(changedBytes)}. It is kept as snapshot ${keptAs}.`,
    `${hosts} connections of hosts are closed, and nobody is served until it is done.`,
    ...(mounts.length === 0 ? [] : [`Mounts that end: ${mounts.map(printable).join(', ')}.`]),
  ];
}

function rollbackDone({ point, keptAs }: RollbackAnswer, group: string): string[] {
  return [
    `The volumes of group ${group} are being brought back to ${printable(point.name)}, of ${when(point.time)}; hosts are served once that is done: "blockferry status ${group}" says how far it is.`,
    `What they held before is snapshot ${keptAs}: "blockferry rollback ${group} --at ${keptAs}" takes this back.`,
  ];
}

/** Of what is in the volumes by now. */
function atMost(bytes: number | undefined): string {
  return bytes === undefined ? '' : ` (at most ${bytesText(bytes)} of the volumes, as they are now)`;
}

function when(time: number): string {
  return time === 0 ? 'a time that is not known' : new Date(time).toISOString();
}

function seconds(count: number): string {
  return `${count.toFixed(1)} s`;
}
