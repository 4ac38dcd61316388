/** The transports' decisions, which need no server. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { join, posix, win32 } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import fc from 'fast-check';
import { TransportError, type TransportErrorCode } from '../../src/transfer/transport.ts';
import { fileError } from '../../src/transfer/transports/file-errors.ts';
import { filePlace } from '../../src/transfer/transports/folder-path.ts';
import { ftpError } from '../../src/transfer/transports/ftp-errors.ts';
import { isLegalPart, parseName } from '../../src/transfer/transports/names.ts';
import { monotonicProgress } from '../../src/transfer/transports/progress.ts';
import { sftpError } from '../../src/transfer/transports/sftp-errors.ts';
import { uploadTo } from '../../src/transfer/transports/sftp-upload.ts';
import { RESUME_MIN, resumeOffset } from '../../src/transfer/transports/resume.ts';
import { temporaryFolder } from '../support/folder.ts';

const failure = (message: string, code?: string | number): Error =>
  Object.assign(new Error(message), { code });

describe('what an FTP server answers', () => {
  const context = { server: 'ftp://u@h:21/g', action: 'sending inbox/a.seg' };
  const cases: readonly (readonly [TransportErrorCode, string, (string | number)?])[] = [
    ['Busy', '421 There are too many connected users, please try later.', 421],
    ['Busy', '530 Sorry, the maximum number of clients (1) for this user are already connected.', 530],
    ['Busy', '450 File busy', 450],
    ['Busy', '451 Local error in processing', 451],
    ['ConnectionLost', '425 Unable to build data connection', 425],
    ['ConnectionLost', '426 Connection closed; transfer aborted.', 426],
    ['ConnectionLost', 'read ECONNRESET (control socket)', 'ECONNRESET'],
    ['ConnectionLost', 'connect ECONNREFUSED 127.0.0.1:21', 'ECONNREFUSED'],
    ['ConnectionLost', 'getaddrinfo ENOTFOUND nowhere', 'ENOTFOUND'],
    ['ConnectionLost', 'Server sent FIN packet unexpectedly, closing connection.'],
    ['ConnectionLost', 'Premature close', 'ERR_STREAM_PREMATURE_CLOSE'],
    ['Timeout', 'Timeout (control socket)'],
    ['Timeout', 'connect ETIMEDOUT 10.0.0.1:21', 'ETIMEDOUT'],
    ['Timeout', "None of the available transfer strategies work. Last error response was 'Error: Timeout'."],
    ['Auth', "None of the available transfer strategies work. Last error response was 'FTPError: 530 No'."],
    ['Auth', '530 Login incorrect.', 530],
    ['Auth', '550 Permission denied.', 550],
    ['Auth', '553 Could not create file.', 553],
    ['NotFound', '550 inbox: No such file or directory', 550],
    ['NoSpace', '452 Transfer aborted. No space left on device', 452],
    ['NoSpace', '552 Quota exceeded', 552],
    ['NoSpace', '451 Failure writing to local file.', 451],
    ['NoSpace', '550 Disk quota exceeded', 550],
    ['Integrity', 'self-signed certificate', 'DEPTH_ZERO_SELF_SIGNED_CERT'],
    ['Integrity', 'certificate has expired', 'CERT_HAS_EXPIRED'],
    ['Integrity', 'Hostname/IP does not match', 'ERR_TLS_CERT_ALTNAME_INVALID'],
    ['Protocol', 'wrong version number', 'ERR_SSL_WRONG_VERSION_NUMBER'],
    ['Protocol', '500 Unknown command', 500],
  ];
  for (const [expected, message, code] of cases) {
    it(`${message} is ${expected}`, () => {
      const error = ftpError(failure(message, code), context);
      assert.equal(error.code, expected);
      assert.ok(error.message.startsWith('ftp://u@h:21/g: sending inbox/a.seg: '));
      assert.notEqual(error.remedy, '');
    });
  }

  it('takes a certificate that is refused on an open connection, which comes as a bare string, for Integrity', () => {
    assert.equal(ftpError('DEPTH_ZERO_SELF_SIGNED_CERT', context).code, 'Integrity');
  });

  it('leaves an error of ours as it is', () => {
    const ours = new TransportError('TooLarge', 'x', { remedy: 'y' });
    assert.equal(ftpError(ours, context), ours);
  });
});

describe('what an SFTP server answers', () => {
  const context = { server: 'sftp://u@h:22/g', action: 'sending inbox/a.seg' };
  const cases: readonly (readonly [TransportErrorCode, string, (string | number)?])[] = [
    ['NotFound', 'No such file', 2],
    ['Auth', 'Permission denied', 3],
    ['Protocol', 'Failure', 4],
    ['Protocol', 'Operation unsupported', 8],
    ['Exists', 'File already exists', 11],
    ['NoSpace', 'No space', 14],
    ['NoSpace', 'Quota', 15],
    ['Busy', 'Lock', 17],
    ['Auth', 'All configured authentication methods failed'],
    ['Timeout', 'Timed out while waiting for handshake'],
    ['Timeout', 'connect ETIMEDOUT 10.0.0.1:22', 'ETIMEDOUT'],
    ['Timeout', 'Keepalive timeout'],
    ['ConnectionLost', 'connect ECONNREFUSED 127.0.0.1:22', 'ECONNREFUSED'],
    ['ConnectionLost', 'getaddrinfo ENOTFOUND nowhere', 'ENOTFOUND'],
    ['ConnectionLost', 'read ECONNRESET', 'ECONNRESET'],
    ['ConnectionLost', 'Connection lost before handshake'],
    ['ConnectionLost', 'the connection was closed'],
    ['ConnectionLost', 'No response from server'],
    ['Protocol', 'Protocol version not supported'],
  ];
  for (const [expected, message, code] of cases) {
    it(`${message} is ${expected}`, () => {
      const error = sftpError(failure(message, code), context);
      assert.equal(error.code, expected);
      assert.ok(error.message.startsWith('sftp://u@h:22/g: sending inbox/a.seg: '));
      assert.notEqual(error.remedy, '');
    });
  }
});

describe('an upload with many writes under way', () => {
  it('leaves no hole behind when a write in the middle is refused, whatever the order of the answers', async () => {
    const folder = temporaryFolder();
    const path = join(folder, 'source');
    writeFileSync(path, Buffer.alloc(3 << 20, 7));
    for (let round = 0; round < 20; round++) {
      const file = await open(path);
      const refused = round * 4096 * 37;
      let length = 0;
      const told: number[] = [];
      const upload = uploadTo(
        { local: { path, size: 3 << 20 }, file, start: 0, pace: undefined },
        (position) => void told.push(position),
        {
          write: async (bytes, position) => {
            for (let turns = (position / 32768) % 5; turns > 0; turns--) await turn();
            if (position <= refused && refused < position + bytes.length) throw new Error('full');
            length = Math.max(length, position + bytes.length);
          },
          truncate: (size) => Promise.resolve((length = Math.min(length, size))),
        },
        [],
      );
      await assert.rejects(upload, /full/);
      await file.close();
      assert.ok(length <= refused && (told.at(-1) ?? 0) === length, `${length} bytes, refused at ${refused}`);
    }
  });
});

describe('what a file system says', () => {
  const cases: readonly (readonly [TransportErrorCode, readonly string[]])[] = [
    ['NoSpace', ['ENOSPC', 'EDQUOT']],
    ['Auth', ['EACCES', 'EPERM', 'EROFS']],
    ['NotFound', ['ENOENT']],
    ['Timeout', ['ETIMEDOUT']],
    ['ConnectionLost', ['EIO', 'ESTALE', 'ENOTCONN', 'EHOSTDOWN']],
    ['Busy', ['EBUSY', 'EMFILE']],
    ['Exists', ['EISDIR', 'ENOTDIR', 'ELOOP']],
    ['Protocol', ['EWHATEVER']],
  ];
  for (const [expected, codes] of cases) {
    it(`${codes.join(', ')}: ${expected}, and the remedy names the path`, () => {
      for (const code of codes) {
        const error = fileError(failure('x', code), 'sending inbox/a.seg to /share', '/share');
        assert.equal(error.code, expected, code);
        assert.ok(error.remedy.includes('/share'));
      }
    });
  }
});

describe('whether an FTP upload is resumed', () => {
  it('never for less than what a file that changes under its name may have, never past the end', () => {
    const sizes = fc.integer({ min: 0, max: 4 * RESUME_MIN });
    fc.assert(
      fc.property(fc.option(sizes, { nil: undefined }), sizes, (held, size) => {
        const offset = resumeOffset(held, size);
        assert.ok(offset === 0 || (offset === held && offset >= RESUME_MIN && offset <= size));
      }),
    );
    assert.equal(resumeOffset(RESUME_MIN, 2 * RESUME_MIN), RESUME_MIN);
    assert.equal(resumeOffset(RESUME_MIN, RESUME_MIN), RESUME_MIN);
    assert.equal(resumeOffset(RESUME_MIN + 1, RESUME_MIN), 0);
  });
});

describe('names', () => {
  it('a legal part has no byte that a path, a command or a listing gives a meaning to', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 300 }), (part) => {
        if (isLegalPart(part)) assert.match(part, /^[A-Za-z0-9][\w.-]{0,199}$/);
      }),
    );
    assert.deepEqual(parseName('inbox/00000001-0000000000000001-0000000000000002.seg'), {
      folder: 'inbox',
      file: '00000001-0000000000000001-0000000000000002.seg',
    });
  });
});

describe('where a file lies below a folder', () => {
  it('is the same on a disk, a share by its UNC path, and one that is written with slashes or long', () => {
    const roots: readonly (readonly [string, string])[] = [
      [String.raw`\\server\share\group`, String.raw`\\server\share\group`],
      [String.raw`\\server\share`, String.raw`\\server\share`],
      ['\\\\server\\share\\', String.raw`\\server\share`],
      ['//server/share/group', String.raw`\\server\share\group`],
      [String.raw`\\server\a share$\Büro`, String.raw`\\server\a share$\Büro`],
      [String.raw`\\?\UNC\server\share\group`, String.raw`\\?\UNC\server\share\group`],
      [String.raw`Z:\group`, String.raw`Z:\group`],
      ['Z:\\', 'Z:'],
    ];
    for (const [root, plain] of roots) {
      assert.deepEqual(filePlace(root, 'inbox/a.seg', win32), {
        directory: String.raw`${plain}\inbox`,
        path: String.raw`${plain}\inbox\a.seg`,
      });
    }
    assert.equal(filePlace('/mnt/share/group/', 'a.json', posix).path, '/mnt/share/group/a.json');
  });

  it('never leaves the folder, by whatever name and on whatever system', () => {
    const parts = fc.oneof(fc.constantFrom('..', '.', 'C:', 'nul', 'a', 'b.seg', '\\\\x', ''), fc.string());
    fc.assert(
      fc.property(fc.array(parts, { maxLength: 3 }), fc.constantFrom(posix, win32), (name, rules) => {
        const root = rules === win32 ? String.raw`\\server\share\group` : '/mnt/group';
        let place;
        try {
          place = filePlace(root, name.join('/'), rules);
        } catch (error) {
          assert.ok(error instanceof TransportError && error.code === 'BadName');
          return;
        }
        const below = rules.relative(root, place.path).split(rules.sep);
        assert.deepEqual(below, name.join('/').split('/'));
      }),
    );
  });
});

describe('progress', () => {
  it('is told in rising steps up to the size, whatever order the news come in', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(2000)), (news) => {
        const told: number[] = [];
        const progress = monotonicProgress(1000, (bytes) => void told.push(bytes));
        for (const bytes of news) progress(bytes);
        assert.deepEqual(
          told,
          [...new Set(told)].sort((a, b) => a - b),
        );
        assert.ok(told.every((bytes) => bytes <= 1000));
      }),
    );
  });
});
