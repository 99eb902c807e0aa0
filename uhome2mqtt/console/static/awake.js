// Whether the page has stood still: a machine that has slept and a page that was frozen show what was, as if it were.

const JUMP = 5_000;
let looked = { date: Date.now(), clock: performance.now() };

/** How often `stoodStill` has to be asked, in milliseconds. */
export const LOOK = 5_000;

/** Tell whether the page has stood still since this was last asked: `{asleep, frozen}`.
 *
 * Asleep the monotonic clock stands still, and the wall clock does not: `asleep` are milliseconds, below 0 where the wall clock was
 * put back, 0 where the clocks agree. A frozen page has both, but its timers did not run.
 */
export function stoodStill() {
  const now = { date: Date.now(), clock: performance.now() };
  const [byDate, byClock] = [now.date - looked.date, now.clock - looked.clock];
  looked = now;
  const asleep = byDate - byClock;
  return { asleep: Math.abs(asleep) > JUMP ? asleep : 0, frozen: Math.max(byDate, byClock) - LOOK > JUMP };
}
