import type { FastifyInstance } from 'fastify';
import { checkedBody } from './checked-body.ts';
import { checkedGroup } from './checked-names.ts';
import {
  rehearsalRequestSchema,
  type RehearsalBegun,
  type RehearsalProgress,
} from './contract/rehearsals.ts';
import type { DaemonControl } from './control.ts';

interface GroupRoute {
  Params: { name: string };
}

interface RehearsalRoute {
  Params: { name: string; number: string };
}

export function addRehearsalRoutes(app: FastifyInstance, control: DaemonControl): void {
  app.post<GroupRoute>('/groups/:name/rehearsals', async (request, reply): Promise<RehearsalBegun> => {
    const group = checkedGroup(request.params.name);
    const wanted = checkedBody(rehearsalRequestSchema, request.body, {
      what: 'a rehearsal',
      fix: 'send {} for the newest recovery point, or {"point":…} with what a mount takes',
    });
    const number = await control.rehearse(group, wanted);
    reply.code(201);
    return { number };
  });

  app.get<RehearsalRoute>('/groups/:name/rehearsals/:number', (request): RehearsalProgress => {
    const { name, number } = request.params;
    return control.rehearsal(checkedGroup(name), Number(number));
  });
}
