// The layering of the README's "Where things live": imports go down only, stations do not know each other.
const stations = ['capture', 'transfer', 'destage', 'recovery'];

/** @type {import('dependency-cruiser').IConfiguration} */
export default {
  forbidden: [
    { name: 'no-circular', severity: 'error', from: {}, to: { circular: true } },
    {
      name: 'no-orphans',
      severity: 'error',
      from: { orphan: true, path: '^src/', pathNot: ['^src/launch\\.js$', '\\.d\\.ts$'] },
      to: {},
    },
    ...stations.map((station) => ({
      name: `${station}-stands-alone`,
      comment: 'What one station needs of another is handed to it by daemon/ as a small interface.',
      severity: 'error',
      from: { path: `^src/${station}/` },
      to: {
        path: '^src/',
        pathNot: `^src/((${station}|journal|volume|platform${station === 'transfer' ? '|smb' : ''})/|nbd/front-end\\.ts$)`,
      },
    })),
    {
      name: 'nbd-serves-what-it-is-handed',
      comment: 'Whatever implements its front-end.ts: a source’s volumes, a view of a recovery point.',
      severity: 'error',
      from: { path: '^src/nbd/' },
      to: { path: '^src/', pathNot: '^src/(nbd|platform)/' },
    },
    {
      name: 'smb-stands-alone',
      comment: 'A client for SMB servers of its own, fit to be used without the rest.',
      severity: 'error',
      from: { path: '^src/smb/' },
      to: { path: '^src/', pathNot: '^src/smb/' },
    },
    {
      name: 'smb-is-one-transport-s-business',
      severity: 'error',
      from: { path: '^src/', pathNot: '^src/(smb/|transfer/transports/smb(-errors)?\\.ts$)' },
      to: { path: '^src/smb/' },
    },
    {
      name: 'smb-is-used-through-its-index',
      severity: 'error',
      from: { path: '^src/', pathNot: '^src/smb/' },
      to: { path: '^src/smb/', pathNot: '^src/smb/index\\.ts$' },
    },
    {
      name: 'journal-and-volume-know-the-platform-only',
      severity: 'error',
      from: { path: '^src/(journal|volume)/' },
      to: { path: '^src/', pathNot: '^src/(journal|volume|platform)/' },
    },
    {
      name: 'platform-is-the-bottom',
      severity: 'error',
      from: { path: '^src/platform/' },
      to: { path: '^src/', pathNot: '^src/platform/' },
    },
    {
      name: 'cli-talks-through-the-contract',
      comment:
        'Only serve and demo build a daemon, check reads a configuration and inspect a segment. Sizes are written as there.',
      severity: 'error',
      from: { path: '^src/cli/', pathNot: '^src/cli/(serve|demo|check|inspect)' },
      to: { path: '^src/', pathNot: '^src/((cli|api/contract|platform)/|config/units\\.ts$)' },
    },
    {
      name: 'configuration-does-not-know-who-uses-it',
      severity: 'error',
      from: { path: '^src/config/' },
      to: { path: '^src/(cli|daemon|api|dashboard)/' },
    },
    {
      name: 'contract-is-types-and-schemas',
      comment: 'The rule of names is the configuration’s too.',
      severity: 'error',
      from: { path: '^src/api/contract/' },
      to: { path: '^src/', pathNot: '^src/(api/contract/|platform/name-rule\\.ts$)' },
    },
    {
      name: 'the-world-is-reached-through-the-platform',
      comment: 'Decisions, formats and engines run on a simulated platform as they are.',
      severity: 'error',
      from: {
        path: '^src/(journal|volume|nbd|capture|destage|recovery|transfer)/',
        pathNot: '^src/(nbd/(server|client)\\.ts$|transfer/transports/|transfer/receiver/)',
      },
      to: {
        dependencyTypes: ['core'],
        path: '^(node:)?(fs|fs/promises|net|tls|http|child_process|worker_threads|timers.*|os|dgram)$',
      },
    },
    {
      name: 'src-does-not-import-tests',
      severity: 'error',
      from: { path: '^src/' },
      to: { path: '^(test|tools)/' },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'node', 'default'] },
  },
};
