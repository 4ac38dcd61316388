/** Something that must hold did not. `code` names the check, so that a shorter trace of the same failure can be told. */
export class Violation extends Error {
  readonly code: string;

  constructor(code: string, message: string) {
    super(`${code}: ${message}`);
    this.name = 'Violation';
    this.code = code;
  }
}
