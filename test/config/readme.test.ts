import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { settingsTable } from '../../src/config/print.ts'
import { loadConfig, settings } from '../../src/config.ts'

it('the table of settings in the README is what "postern config print --markdown" prints', () => {
  const readme = readFileSync(join(import.meta.dirname, '../../README.md'), 'utf8')
  const table = /<!-- settings: postern config print --markdown -->\n([\s\S]*?)\n<!-- \/settings -->/.exec(readme)?.[1]
  expect(table).toBe(settingsTable(loadConfig('/dev/null', {}).config, settings))
})
