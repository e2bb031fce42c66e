/**
 * Checks written in a driver's own language. A check is a function whose name begins with `it_` (or `it` and a capital),
 * which throws when something is not as it must be. The program runs them all, each against the gateway that libpq's
 * variables name, and prints a line of JSON for each: { "check", "error": null or text }. SLOW_QUERY holds one.
 */
import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { z } from 'zod'
import type { Served } from '../support/served.ts'
import { expectNothingLeft, serveCompany, slowQuery } from './company.ts'
import { libpqEnvironment, run } from './process.ts'

const lineSchema = z.strictObject({ check: z.string(), error: z.string().nullable() })

export interface Script {
  /** Beside this file. */
  readonly source: string
  readonly command: string
  readonly args: readonly string[]
  readonly environment?: Record<string, string>
  readonly folder?: string
}

/** The script's checks as tests of the file that calls this; all skipped where `script` is undefined. */
export function describeScript(name: string, source: string, script: Omit<Script, 'source'> | undefined): void {
  const text = readFileSync(new URL(source, import.meta.url), 'utf8')
  const checks = [...text.matchAll(/^\s*(?:async )?(?:def|static void|func) (it(?:_[a-z]|[A-Z])\w*)/gm)].map(
    found => found[1]!,
  )

  describe.skipIf(script === undefined)(name, () => {
    let served: Served
    let outcome: { readonly errors: ReadonlyMap<string, string | null>; readonly tail: string }
    beforeAll(async () => {
      served = await serveCompany()
      if (script !== undefined) outcome = await runScript(served, script)
    }, 90_000)
    afterAll(() => served?.stop())

    it.each(checks)('%s', check => {
      const error = outcome.errors.has(check) ? outcome.errors.get(check) : `was not run: ${outcome.tail}`
      expect(error).toBeNull()
    })
    it('leaves nothing behind', () => expectNothingLeft(served))
  })
}

async function runScript(served: Served, script: Omit<Script, 'source'>) {
  const environment = { ...libpqEnvironment(served.gateway), SLOW_QUERY: slowQuery, ...script.environment }
  const options = { environment, ...(script.folder === undefined ? {} : { folder: script.folder }) }
  const { out, err, code } = await run(script.command, script.args, options)
  const lines = out.split('\n').filter(line => line.startsWith('{'))
  const results = lines.map(line => lineSchema.parse(JSON.parse(line)))
  return {
    errors: new Map(results.map(({ check, error }) => [check, error])),
    tail: `it ended with ${code} ${err.slice(-2000)}`,
  }
}
