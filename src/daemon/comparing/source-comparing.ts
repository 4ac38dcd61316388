/** A source group's comparing with its destinations, as the API asks for it. */
import type { InitializeRequest } from '../../api/contract/initialize.ts';
import type { Accepted, AcceptRequest, VerificationProgress } from '../../api/contract/verification.ts';
import type { MendRange, PatrolProgress } from '../../capture/patrol.ts';
import type { SourceGroupConfig } from '../../config/config.ts';
import { lsn, type Lsn } from '../../journal/ids.ts';
import type { GroupFile } from '../../journal/source-files.ts';
import type { DestinationStatus } from '../../journal/status.ts';
import type { Log } from '../../platform/log.ts';
import type { Events, Remote } from '../../platform/node/threads.ts';
import type { Platform } from '../../platform/platform.ts';
import type { SourceBack } from '../source-back/source-back.ts';
import { compareNeedsEveryWrite, initializeNeedsSource } from '../source/source-facts.ts';
import type { SourceGroup } from '../source/source-group.ts';
import type { SourceHost } from '../source/source-host.ts';
import type { PlacedVolume } from '../source/source-volumes.ts';
import { toldChange } from './verification-status.ts';
import { progressOf } from './verify-report.ts';
import { Verifying } from './verifying.ts';

export interface SourceComparingOptions {
  readonly config: SourceGroupConfig;
  readonly log: Log;
  readonly platform: Pick<Platform, 'clock' | 'files'>;
  readonly host: Remote<SourceHost>;
  readonly back: Remote<SourceBack>;
  readonly group: SourceGroup;
  /** They may grow. */
  readonly volumes: () => readonly PlacedVolume[];
  /** What each destination last said. */
  readonly answers: () => ReadonlyMap<string, DestinationStatus | undefined>;
}

/** What the host's thread says of its patrol. `verifying`: undefined until there is one. */
export function patrolEvents(verifying: () => Verifying | undefined): Events {
  return {
    patrolled: (progress: PatrolProgress) => verifying()?.patrolled(progress),
    mended: (range: MendRange, lsn: Lsn) => verifying()?.mended(range, lsn),
    patrolTrouble: (message: string | undefined) => verifying()?.trouble(message),
  };
}

export class SourceComparing {
  readonly verifying: Verifying;
  readonly #options: SourceComparingOptions;

  constructor(options: SourceComparingOptions) {
    this.#options = options;
    const { config, log, platform, host, back, group, volumes, answers } = options;
    this.verifying = new Verifying({
      ...platform,
      log,
      waits: group.waits,
      host,
      folder: config.folder,
      volumes,
      every: config.verifyEvery,
      inStep: () => group.mode === 'journal',
      answers,
      medium: () => ({ ...group.medium, applied: group.checkpoint.applied }),
      known: (range) => back.known(range),
    });
  }

  /** @throws OperatorError `VERIFICATION_GONE` */
  progress(pass: number, identity: GroupFile): VerificationProgress {
    const { key, name } = this.#options.config;
    const { sourceChanges } = this.verifying;
    return progressOf(this.verifying.progress(pass), { ...identity, name }, { key, sourceChanges });
  }

  /** @throws OperatorError `COMPARE_INTERVAL`; `SOURCE_DIFFERS` what is known to be wrong here is not sent over what may be right */
  checkInitialize({ compare }: InitializeRequest): void {
    const { name, replicateEvery } = this.#options.config;
    if (compare && replicateEvery !== undefined) throw compareNeedsEveryWrite(name);
    if (this.verifying.sourceChanges.length > 0) throw initializeNeedsSource(name);
  }

  /** What the volumes hold though no host wrote it is right, as far as it was told. Durable when this resolves. */
  async accept({ upTo }: AcceptRequest): Promise<Accepted> {
    const { group, volumes, log } = this.#options;
    const changes = await group.acceptMedium(lsn(upTo));
    const accepted = changes.map((change) => toldChange(volumes(), change));
    for (const change of accepted) log.warn('what no host wrote is accepted as right', { ...change });
    return { accepted };
  }
}
