import type { FastifyInstance } from 'fastify';
import { checkedBody } from './checked-body.ts';
import { checkedGroup } from './checked-names.ts';
import {
  failoverRequestSchema,
  roleRequestSchema,
  rollbackRequestSchema,
  type FailoverAnswer,
  type RejoinAnswer,
  type RollbackAnswer,
  type SwitchoverAnswer,
} from './contract/roles.ts';
import type { DaemonControl } from './control.ts';

interface GroupRoute {
  Params: { name: string };
}

export function addRoleRoutes(app: FastifyInstance, control: DaemonControl): void {
  const isTrial = (body: unknown): boolean =>
    checkedBody(roleRequestSchema, body, { what: 'a change of roles', fix: 'send {} or {"dryRun":true}' })
      .dryRun;

  app.post<GroupRoute>('/groups/:name/failover', (request): Promise<FailoverAnswer> =>
    control.failover(
      checkedGroup(request.params.name),
      checkedBody(failoverRequestSchema, request.body, {
        what: 'a failover',
        fix: 'send {}, or {"point":{"kind":"time","time":MILLISECONDS}} or a point as a mount has it; {"dryRun":true} changes nothing',
      }),
    ),
  );

  app.post<GroupRoute>('/groups/:name/switchover', (request): Promise<SwitchoverAnswer> =>
    control.switchover(checkedGroup(request.params.name), isTrial(request.body)),
  );

  app.post<GroupRoute>('/groups/:name/rejoin', (request): Promise<RejoinAnswer> =>
    control.rejoin(checkedGroup(request.params.name), isTrial(request.body)),
  );

  app.post<GroupRoute>('/groups/:name/rollback', (request): Promise<RollbackAnswer> => {
    const fix =
      'send {"point":{"kind":"snapshot","called":NAME}}, or a point as a mount has it; {"dryRun":true} changes nothing';
    const wanted = checkedBody(rollbackRequestSchema, request.body, { what: 'a rollback', fix });
    return control.rollback(checkedGroup(request.params.name), wanted);
  });
}
