import type { FastifyInstance } from 'fastify';
import { whyInvalid } from '../platform/invalid.ts';
import { checkedGroup } from './checked-names.ts';
import {
  verificationRequestSchema,
  type VerificationBegun,
  type VerificationProgress,
} from './contract/verification.ts';
import type { DaemonControl } from './control.ts';
import { RequestRefused } from './refusals.ts';

interface GroupRoute {
  Params: { name: string };
}

interface VerificationRoute {
  Params: { name: string; pass: string };
}

export function addVerificationRoutes(app: FastifyInstance, control: DaemonControl): void {
  app.post<GroupRoute>('/groups/:name/verifications', async (request, reply): Promise<VerificationBegun> => {
    const group = checkedGroup(request.params.name);
    const wanted = verificationRequestSchema.safeParse(request.body);
    if (!wanted.success) {
      throw new RequestRefused(
        400,
        'REQUEST_INVALID',
        `not a verification: ${whyInvalid(wanted.error)}`,
        'send {"full":true} or {"full":false}',
      );
    }
    const pass = await control.verify(group, wanted.data);
    reply.code(201);
    return { pass };
  });

  app.get<VerificationRoute>(
    '/groups/:name/verifications/:pass',
    (request): Promise<VerificationProgress> => {
      const { name, pass } = request.params;
      return control.verification(checkedGroup(name), Number(pass));
    },
  );
}
