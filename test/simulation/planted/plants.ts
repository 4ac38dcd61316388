import { DELIVERY_PLANTS } from './delivery-plants.ts';
import { JOURNAL_PLANTS } from './journal-plants.ts';
import type { Plant } from './plant.ts';
import { ROLES_PLANTS } from './roles-plants.ts';

export const PLANTS: readonly Plant[] = [...JOURNAL_PLANTS, ...DELIVERY_PLANTS, ...ROLES_PLANTS];
