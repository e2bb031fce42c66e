import { realpathSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import type { Config } from '../config.ts'
import { Registry } from '../materialize/registry.ts'

/** The connector types that ship. */
const shipped = join(import.meta.dirname, '../../connectors')

/** The same folders whichever folder a process was started in. Nothing is read yet. */
export function openRegistry({ dataDir, materialize }: Pick<Config, 'dataDir' | 'materialize'>): Registry {
  const beside = dirname(resolve(dataDir))
  const own = resolve(materialize.connectorsDir ?? join(beside, 'connectors'))
  return new Registry({
    connectorsDirs: isSame(shipped, own) ? [shipped] : [shipped, own],
    pipelinesDir: resolve(materialize.pipelinesDir ?? join(beside, 'pipelines')),
  })
}

function isSame(a: string, b: string): boolean {
  try {
    return realpathSync(a) === realpathSync(b)
  } catch {
    return false
  }
}
