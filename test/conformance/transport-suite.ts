/**
 * What every {@link Transport} must do, whatever is behind it. Which of the three functions describes one depends on
 * what its bench can do; each includes the one before it. Tests of one kind of server are beside it.
 */
import { countFor } from './server-counts.ts';
import { describeBasics } from './transport-basics.ts';
import type { ServerBench, StoredBench, TransportBench } from './transport-bench.ts';
import { describeCuts } from './transport-cuts.ts';
import { describeFetching } from './transport-fetching.ts';
import { describePace } from './transport-pace-suite.ts';
import { describeStorage } from './transport-storage.ts';
import { Subject } from './transport-subject.ts';
import { describeTroubles } from './transport-troubles.ts';

/** Of each transport; its further settings, over which the same code runs, need fewer. */
const CUTS = 100;

/** A transport without a file system or a server that could be in trouble: in memory, or a decorator. */
export function describeTransport(title: string, start: () => Promise<TransportBench>): void {
  describeSubject(title, start, (subject) => {
    describeBasics(subject);
    describePace(subject);
    describeFetching(subject, { cuts: 3, cut: () => subject.transport.close() }, { isThorough: true });
    describeCuts(subject, { cuts: CUTS, cut: () => subject.transport.close() });
  });
}

/** One whose files lie on this machine. */
export function describeStoredTransport(title: string, start: () => Promise<StoredBench>): void {
  describeSubject(title, start, (subject) => {
    describeBasics(subject);
    describePace(subject);
    describeFetching(subject, { cuts: 3, cut: () => subject.transport.close() }, { isThorough: true });
    describeCuts(subject, { cuts: CUTS, cut: () => subject.transport.close() });
    describeStorage(subject);
  });
}

/** One with a server behind it, which is started once for all of it. */
export function describeServerTransport(
  title: string,
  start: () => Promise<ServerBench>,
  { cuts = CUTS } = {},
): void {
  describeSubject(title, start, (subject) => {
    describeBasics(subject);
    describePace(subject);
    const isThorough = cuts === CUTS;
    const cut = (): Promise<void> | void => subject.bench.server.killSessions();
    describeFetching(subject, { cuts: isThorough ? 2 : 1, cut }, { isThorough });
    describeCuts(subject, { cuts, cut });
    describeStorage(subject);
    describeTroubles(subject);
  });
}

function describeSubject<Bench extends TransportBench>(
  title: string,
  start: () => Promise<Bench>,
  describeTests: (subject: Subject<Bench>) => void,
): void {
  describe(`transport: ${title}`, () => {
    const subject = new Subject(start);
    countFor(title);
    before(() => subject.start());
    after(() => subject.stop());
    describeTests(subject);
  });
}
