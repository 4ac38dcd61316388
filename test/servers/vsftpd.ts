import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fetched, libraryPath } from './cache.ts';
import type { ServerCommand, ServerSettings } from './settings.ts';

/** An anonymous login with a password (`secure_email_list`): no account of this machine is needed. */
export function vsftpd(settings: ServerSettings): ServerCommand {
  const { folder, root, certificate } = settings;
  const file = join(folder, 'vsftpd.conf');
  mkdirSync(join(folder, 'empty'));
  writeFileSync(join(folder, 'passwords'), `${settings.password}\n`);
  const lines = [
    'listen=YES',
    'listen_address=127.0.0.1',
    `listen_port=${settings.port}`,
    'background=NO',
    // No chroot, no change of user: paths are absolute ones of this machine.
    'run_as_launching_user=YES',
    'ftp_username=root',
    'anonymous_enable=YES',
    'secure_email_list_enable=YES',
    `email_password_file=${folder}/passwords`,
    `anon_root=${root}`,
    'allow_writeable_chroot=YES',
    'write_enable=YES',
    'anon_upload_enable=YES',
    'anon_mkdir_write_enable=YES',
    'anon_other_write_enable=YES',
    'anon_world_readable_only=NO',
    'anon_umask=022',
    'pasv_address=127.0.0.1',
    `pasv_min_port=${settings.passivePorts.first}`,
    `pasv_max_port=${settings.passivePorts.last}`,
    'seccomp_sandbox=NO',
    `vsftpd_log_file=${folder}/log`,
    `secure_chroot_dir=${folder}/empty`,
    `ssl_enable=${settings.tls === 'none' ? 'NO' : 'YES'}`,
    'allow_anon_ssl=YES',
    'force_local_data_ssl=NO',
    'force_local_logins_ssl=NO',
    'ssl_ciphers=HIGH',
    `rsa_cert_file=${certificate.bothFile}`,
    `implicit_ssl=${settings.tls === 'implicit' ? 'YES' : 'NO'}`,
    `anon_max_rate=${settings.bytesPerSecond ?? 0}`,
    ...settings.configuration,
  ];
  writeFileSync(file, `${lines.join('\n')}\n`, { mode: 0o600 });
  return {
    argv: [fetched('vsftpd', 'usr/sbin/vsftpd'), file],
    environment: { LD_LIBRARY_PATH: libraryPath() },
    visibleRoot: root,
  };
}
