import type { FastifyInstance } from 'fastify';
import type { z } from 'zod';
import { whyInvalid } from '../platform/invalid.ts';
import { checkedGroup } from './checked-names.ts';
import {
  seedExportRequestSchema,
  seedImportRequestSchema,
  type SeedCancelled,
  type SeedExportStatus,
  type SeedImportStatus,
} from './contract/seed.ts';
import type { DaemonControl } from './control.ts';
import { RequestRefused } from './refusals.ts';

interface GroupRoute {
  Params: { name: string };
}

export function addSeedRoutes(app: FastifyInstance, control: DaemonControl): void {
  app.post<GroupRoute>('/groups/:name/seed/export', async (request, reply): Promise<SeedExportStatus> => {
    const group = checkedGroup(request.params.name);
    const answer = await control.exportSeed(group, checked(seedExportRequestSchema, request.body));
    reply.code(201);
    return answer;
  });

  app.post<GroupRoute>('/groups/:name/seed/import', async (request, reply): Promise<SeedImportStatus> => {
    const group = checkedGroup(request.params.name);
    const answer = await control.importSeed(group, checked(seedImportRequestSchema, request.body));
    reply.code(201);
    return answer;
  });

  app.delete<GroupRoute>('/groups/:name/seed', async (request): Promise<SeedCancelled> => {
    const group = checkedGroup(request.params.name);
    await control.cancelSeed(group);
    return { group };
  });
}

function checked<S extends z.ZodType>(schema: S, body: unknown): z.output<S> {
  const parsed = schema.safeParse(body);
  if (parsed.success) return parsed.data;
  throw new RequestRefused(
    400,
    'REQUEST_INVALID',
    `not a seed: ${whyInvalid(parsed.error)}`,
    'send {"folder":FOLDER}',
  );
}
