import { fileURLToPath } from 'node:url'
import { isHere } from './process.ts'
import { describeScript } from './script.ts'

const python = process.env.TEST_PYTHON

/** TEST_PYTHON is a Python that has the driver. */
function scriptOf(module: string, file: string) {
  if (python === undefined) {
    console.log(`TEST_PYTHON names no Python: ${module} is not tried`)
    return undefined
  }
  if (!isHere(module, python, ['-c', `import ${module}`])) return undefined
  return { command: python, args: [fileURLToPath(new URL(file, import.meta.url))] }
}

for (const [name, module, file] of [
  ['psycopg 3', 'psycopg', 'python/psycopg_three.py'],
  ['psycopg 2', 'psycopg2', 'python/psycopg_two.py'],
  ['asyncpg', 'asyncpg', 'python/asyncpg_checks.py'],
  ['SQLAlchemy', 'sqlalchemy', 'python/sqlalchemy_checks.py'],
] as const) {
  describeScript(name, file, scriptOf(module, file))
}
