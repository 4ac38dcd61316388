import type { FastifyInstance } from 'fastify';
import { initializeRequestSchema, type InitializeAnswer } from './contract/initialize.ts';
import {
  MOUNT_NAME_PATTERN,
  mountRequestSchema,
  type MountEntry,
  type Unmounted,
} from './contract/mounts.ts';
import { markerRequestSchema, type PlacedMarker } from './contract/markers.ts';
import type { RecoveryPoints } from './contract/points.ts';
import type { ReloadAnswer } from './contract/reload.ts';
import {
  SNAPSHOT_ID_PATTERN,
  snapshotRequestSchema,
  type RetentionReport,
  type SnapshotDeleted,
  type SnapshotEntry,
  type SnapshotList,
} from './contract/snapshots.ts';
import type { StatusReport } from './contract/status.ts';
import { resizeRequestSchema, type ResizeAnswer } from './contract/volumes.ts';
import { nameAt } from '../journal/marker-names.ts';
import { checkedBody } from './checked-body.ts';
import { checkedGroup, checkedName } from './checked-names.ts';
import type { DaemonControl } from './control.ts';
import { groupUnknown, RequestRefused } from './refusals.ts';

interface GroupRoute {
  Params: { name: string };
}

interface DestinationRoute {
  Params: { name: string; destination: string };
}

interface VolumeRoute {
  Params: { name: string; volume: string };
}

interface MountRoute {
  Params: { name: string; mount: string };
}

interface SnapshotRoute {
  Params: { name: string; id: string };
}

export function addRoutes(app: FastifyInstance, control: DaemonControl): void {
  app.get('/status', (): StatusReport | Promise<StatusReport> => control.status());

  /** The same report with this group alone in it. */
  app.get<GroupRoute>('/groups/:name/status', async (request): Promise<StatusReport> => {
    const name = checkedGroup(request.params.name);
    const report = await control.status();
    const groups = report.groups.filter((group) => group.name === name);
    if (groups.length === 0) throw groupUnknown(name);
    return { ...report, groups };
  });

  app.post<GroupRoute>('/groups/:name/markers', async (request, reply): Promise<PlacedMarker> => {
    const group = checkedGroup(request.params.name);
    const { kind, name } = checkedBody(markerRequestSchema, request.body, {
      what: 'a marker',
      fix: 'send {"kind":"snapshot"}, {"kind":"snapshot","name":NAME} or {"kind":"custom","name":NAME}',
    });
    const placed = await control.placeMarker(group, { kind, name: name ?? nameAt(Date.now()) });
    reply.code(201);
    return placed;
  });

  app.post<GroupRoute>('/groups/:name/initialize', async (request): Promise<InitializeAnswer> => {
    const group = checkedGroup(request.params.name);
    const how = checkedBody(initializeRequestSchema, request.body, {
      what: 'how to initialize',
      fix: 'send {"compare":false}, or {"compare":true} where the destinations have old copies',
    });
    return control.initialize(group, how);
  });

  app.post<VolumeRoute>('/groups/:name/volumes/:volume/size', async (request): Promise<ResizeAnswer> => {
    const [group, volume] = [checkedGroup(request.params.name), checkedName('volume', request.params.volume)];
    const wanted = checkedBody(resizeRequestSchema, request.body, {
      what: 'a size',
      fix: 'send {"size":BYTES}, or {} for what the volume’s file has; {"dryRun":true} changes nothing',
    });
    return control.resize(group, volume, wanted);
  });

  app.post<DestinationRoute>('/groups/:name/destinations/:destination/test', (request) => {
    const { name, destination } = request.params;
    return control.testLink(checkedName('group', name), checkedName('destination', destination));
  });

  app.post('/reload', (): ReloadAnswer => ({ changed: [...control.reload()] }));

  addSnapshotRoutes(app, control);
  addMountRoutes(app, control);
}

function addSnapshotRoutes(app: FastifyInstance, control: DaemonControl): void {
  app.get<GroupRoute>('/groups/:name/snapshots', async (request): Promise<SnapshotList> => {
    const snapshots = await control.snapshots(checkedGroup(request.params.name));
    return { snapshots: [...snapshots] };
  });

  app.post<GroupRoute>('/groups/:name/snapshots', async (request, reply): Promise<SnapshotEntry> => {
    const group = checkedGroup(request.params.name);
    const wanted = checkedBody(snapshotRequestSchema, request.body, {
      what: 'a snapshot',
      fix: 'send {} or {"name":NAME}',
    });
    const made = await control.createSnapshot(group, wanted.name);
    reply.code(201);
    return made;
  });

  app.get<GroupRoute>('/groups/:name/points', (request): Promise<RecoveryPoints> =>
    control.points(checkedGroup(request.params.name)),
  );

  app.get<GroupRoute>('/groups/:name/retention', (request): Promise<RetentionReport> =>
    control.retention(checkedGroup(request.params.name)),
  );

  app.delete<SnapshotRoute>('/groups/:name/snapshots/:id', async (request): Promise<SnapshotDeleted> => {
    const group = checkedGroup(request.params.name);
    const { id } = request.params;
    if (!SNAPSHOT_ID_PATTERN.test(id)) {
      throw new RequestRefused(
        400,
        'REQUEST_INVALID',
        `${JSON.stringify(id)} cannot be a snapshot's id`,
        'an id has 32 hexadecimal digits; the list of snapshots has them',
      );
    }
    await control.deleteSnapshot(group, id);
    return { id };
  });
}

function addMountRoutes(app: FastifyInstance, control: DaemonControl): void {
  app.post<GroupRoute>('/groups/:name/mounts', async (request, reply): Promise<MountEntry> => {
    const group = checkedGroup(request.params.name);
    const wanted = checkedBody(mountRequestSchema, request.body, {
      what: 'a recovery point',
      fix: 'send {"point":{"kind":"snapshot","called":NAME}}, or {"kind":"lsn","lsn":…}, or {"kind":"time","time":…} for it',
    });
    const mounted = await control.mount(group, wanted);
    reply.code(201);
    return mounted;
  });

  app.delete<MountRoute>('/groups/:name/mounts/:mount', (request): Promise<Unmounted> => {
    const { name, mount } = request.params;
    if (MOUNT_NAME_PATTERN.test(mount)) return control.unmount(checkedGroup(name), mount);
    throw new RequestRefused(
      400,
      'REQUEST_INVALID',
      `${JSON.stringify(mount)} cannot be a mount's name`,
      'the status of the group lists its mounts',
    );
  });
}
