/** What the product notes of a site's part, written down anew. */
import type { EpochName } from './histories.ts';

/** As in `role.json` (journal/role-file.ts). */
export interface NotedRole {
  readonly kind:
    'destination' | 'taking-over' | 'source' | 'handing-over' | 'deposed' | 'following' | 'going-on';
  readonly takeover?: NotedTakeover;
  readonly by?: NotedTakeover;
  readonly epoch?: EpochName;
  readonly handsBack?: boolean;
}

export interface NotedTakeover {
  readonly epoch: EpochName;
  readonly fork: { readonly epoch: EpochName; readonly lsn: number };
}

/** As in `destination-state.json`, as far as it is looked at. */
export interface FollowedState {
  readonly applied: number;
  readonly consistent: boolean;
  readonly epoch?: EpochName;
  readonly divergence?: { readonly epoch: EpochName; readonly lsn: number };
  readonly resync?: { readonly id: string };
}
