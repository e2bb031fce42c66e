/** What a door hears of one statement that it had run. */
import type { Collected } from './collect.ts'
import type { StatementRun } from './run.ts'

/** What the session knows of it, beside what came. `run` undefined: there was no statement in the text. */
export function outcomeOf(run: StatementRun | undefined, collected: Collected, text: string) {
  if (run === undefined)
    return {
      statementKind: 'empty' as const,
      sqlExecuted: text,
      relations: [],
      truncated: undefined,
      waitMs: 0,
      runMs: 0,
    }
  return {
    statementKind: run.plan.kind,
    sqlExecuted: run.plan.text,
    relations: run.plan.relations,
    truncated: collected.rowsLeftOut > 0 ? ('bytes' as const) : run.truncated,
    waitMs: run.waitMs,
    runMs: run.endedAtMs - run.startedAtMs,
  }
}
