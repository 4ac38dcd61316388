import type { FastifyInstance } from 'fastify';
import { checkedBody } from './checked-body.ts';
import { checkedGroup } from './checked-names.ts';
import {
  acceptRequestSchema,
  verificationRequestSchema,
  type Accepted,
  type VerificationBegun,
  type VerificationProgress,
} from './contract/verification.ts';
import type { DaemonControl } from './control.ts';

interface GroupRoute {
  Params: { name: string };
}

interface VerificationRoute {
  Params: { name: string; pass: string };
}

export function addVerificationRoutes(app: FastifyInstance, control: DaemonControl): void {
  app.post<GroupRoute>('/groups/:name/verifications', async (request, reply): Promise<VerificationBegun> => {
    const group = checkedGroup(request.params.name);
    const wanted = checkedBody(verificationRequestSchema, request.body, {
      what: 'a verification',
      fix: 'send {"full":true} or {"full":false}',
    });
    const pass = await control.verify(group, wanted);
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

  app.post<GroupRoute>('/groups/:name/source-changes/accept', (request): Promise<Accepted> => {
    const wanted = checkedBody(acceptRequestSchema, request.body, {
      what: 'what is accepted',
      fix: 'send {"upTo":LSN} with the highest LSN of the changes that the group’s status tells',
    });
    return control.acceptSourceChanges(checkedGroup(request.params.name), wanted);
  });
}
