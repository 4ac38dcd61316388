import { reloadAnswerSchema } from '../api/contract/reload.ts';
import { ask } from './client.ts';
import { ExitCode } from './exit-codes.ts';
import { print } from './output.ts';
import { printable } from './text.ts';

export async function reload({ state }: { readonly state: string }): Promise<ExitCode> {
  const { changed } = await ask(state, { method: 'POST', path: '/reload', answer: reloadAnswerSchema });
  if (changed.length === 0) print(['Nothing has changed.']);
  else print(['In force now:', ...changed.map((setting) => `  ${printable(setting)}`)]);
  if (changed.some((setting) => setting.endsWith('.buffer')))
    print(['A buffer is being moved; `blockferry status` says how far that is.']);
  return ExitCode.ok;
}
