import { readFileSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';

interface Endpoint {
  readonly address: { readonly socket?: string; readonly host?: string; readonly port?: number };
  readonly token: string;
}

/** One request to a daemon's API, as its CLI makes it. */
export function connectDaemon(
  stateFolder: string,
  method: string,
  path: string,
  body?: object,
): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const { address, token } = JSON.parse(readFileSync(join(stateFolder, 'api.json'), 'utf8')) as Endpoint;
    const where =
      address.socket === undefined
        ? { host: address.host, port: address.port }
        : { socketPath: address.socket };
    const type = body === undefined ? {} : { 'content-type': 'application/json' };
    const headers = { authorization: `Bearer ${token}`, ...type };
    const call = request({ ...where, method, path, headers, timeout: 60_000, agent: false }, (response) => {
      let text = '';
      response.on('data', (bytes: Buffer) => (text += bytes.toString()));
      response.on('end', () => {
        if (response.statusCode === 200 || response.statusCode === 201) resolve(JSON.parse(text));
        else reject(new Error(`${method} ${path}: ${response.statusCode ?? 0} ${text}`));
      });
    });
    call.on('error', reject);
    call.on('timeout', () => call.destroy(new Error('no answer')));
    call.end(body === undefined ? undefined : JSON.stringify(body));
  });
}
