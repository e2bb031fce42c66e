import { dirname, join, resolve } from 'node:path'
import type { Config } from '../config.ts'

/** The folder of semantic/<tenant>.yml: the same one whichever folder a process was started in. */
export function semanticDirOf({ semantic, dataDir }: Pick<Config, 'semantic' | 'dataDir'>): string {
  return resolve(semantic.dir ?? join(dirname(resolve(dataDir)), 'semantic'))
}
