/** `20261121t014600.123z`: what a snapshot marker without a name is called; a legal name, and sorted as text by time. */
export function nameAt(time: number): string {
  return new Date(time).toISOString().replaceAll(/[-:]/g, '').toLowerCase();
}

/** Whether it is a name of that kind: nobody chose it. */
export function isNameOfTime(name: string): boolean {
  return /^\d{8}t\d{6}\.\d{3}z$/.test(name);
}
