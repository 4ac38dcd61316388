/** Breaks of what two sites rely on that change their parts. */
import { edit, plantFrom, type Plant } from './plant.ts';

const rolesPlantFrom =
  (from: number) =>
  (...args: Parameters<ReturnType<typeof plantFrom>>): Plant => ({
    ...plantFrom(from)(...args),
    roles: true,
  });

export const ROLES_PLANTS: readonly Plant[] = [
  rolesPlantFrom(1)(
    'I11',
    'a side that takes over serves before its folder is that of a source',
    20,
    edit(
      'daemon/roles/roled-group.ts',
      "this.note({ kind: 'taking-over', takeover,",
      "this.note({ kind: 'source', takeover,",
    ),
  ),
  rolesPlantFrom(1)(
    'I11',
    'a side that was deposed does not note it',
    20,
    edit(
      'daemon/roles/roled-group.ts',
      "await this.noteAtLast({ kind: 'deposed', ...parted });",
      "this.role = { kind: 'deposed', ...parted };",
    ),
  ),
  rolesPlantFrom(5)(
    'I11',
    'hosts are let in before the other side was heard',
    20,
    edit(
      'daemon/source/source.ts',
      'await this.#other.hear(this.#run.parts.streams, this.#world.platform.clock);',
    ),
  ),
  rolesPlantFrom(2)(
    'I11',
    'hosts write behind the last record of an epoch',
    20,
    edit(
      'daemon/source/source.ts',
      'await host.stopServing();\n    return host.handOver(payload);',
      'return host.handOver(payload);',
    ),
  ),
  rolesPlantFrom(95)(
    'I11',
    'a side that took over says so once',
    60,
    edit(
      'transfer/link.ts',
      'if (reading.status.epoch.number <= this.#options.epoch.number) this.#announced = false;',
    ),
  ),
  rolesPlantFrom(3)(
    'I10',
    'what a side has that gives way is overwritten before it is kept',
    20,
    edit('destage/destination-back.ts', 'this.#keepDivergence();\n    const before', 'const before'),
  ),
  rolesPlantFrom(3)(
    'I10',
    'what a side has that gives way is not asked for',
    20,
    edit(
      'daemon/source-back/diverged.ts',
      'map.mark(record.volume, record.offset, record.offset + record.length);',
    ),
  ),
  rolesPlantFrom(3)(
    'I10',
    'a side gives way with what the other one lacks, and nobody was asked',
    20,
    edit(
      'daemon/roles/roled-group.ts',
      "if (this.role.kind === 'following' || giving.answer?.keptAs === undefined)",
      'if (giving.answer !== undefined)',
    ),
  ),
  rolesPlantFrom(3)(
    'I10',
    'what was kept is to be kept again',
    20,
    edit(
      'destage/destination-back.ts',
      'this.#keepDivergence();\n    const before = this.#state;\n',
      'const before = this.#state;\n    this.#keepDivergence();\n',
    ),
  ),
  rolesPlantFrom(3)(
    'I10',
    'a way back is noted once hosts are served',
    20,
    edit(
      'daemon/roles/roled-group.ts',
      'note();\n          await this.again();',
      'await this.again();\n          note();',
    ),
  ),
  rolesPlantFrom(3)(
    'I10',
    'what a way back gives up is not kept',
    20,
    edit('daemon/source/source-rollback.ts', 'await this.#mark(kept);'),
    edit('daemon/source/source-rollback.ts', 'await points.create(kept);', ';'),
  ),
  rolesPlantFrom(3)(
    'I10',
    'hosts are served before the volumes are back',
    20,
    edit(
      'daemon/source/source.ts',
      'if (this.#other.rollback === undefined) await',
      "if (this.name !== '') await",
    ),
  ),
  rolesPlantFrom(201)(
    'I10',
    'what a way back needs of the journal goes with it',
    20,
    edit('daemon/roles/turns.ts', 'if (rollback !== undefined) keepSegments(files, folder, rollback.point);'),
  ),
  rolesPlantFrom(3)(
    'I3',
    'snapshots of a history that is left count for the next one',
    20,
    edit('destage/destination-back.ts', 'this.#applier.leave(applied);'),
  ),
  rolesPlantFrom(73_000_421)(
    'I10',
    'a way back to what was kept before a copy anew leaves out a piece',
    1,
    edit(
      'daemon/source/source-rollback.ts',
      'host.rewrite(step.pieces)',
      'host.rewrite(step.pieces.slice(1))',
    ),
  ),
  rolesPlantFrom(73_003_785)(
    'I11',
    'a handover that was left out on a full disk is not put again',
    1,
    edit(
      'capture/group-host.ts',
      'if (this.#handover !== undefined) this.#control(RecordKind.handover, this.#handover, 0);',
    ),
  ),
  rolesPlantFrom(76_001_079)(
    'I11',
    'a side goes on that is still taken for one that was deposed',
    1,
    edit(
      'daemon/roles/roled-group.ts',
      "this.#giving = undefined;\n      const at = Math.round(this.options.world.platform.clock.now());\n      this.note({ kind: 'going-on', takeover: { epoch, fork: by.fork, at } });",
      "const at = Math.round(this.options.world.platform.clock.now());\n      this.note({ kind: 'going-on', takeover: { epoch, fork: by.fork, at } });\n      this.#giving = undefined;",
    ),
  ),
];
