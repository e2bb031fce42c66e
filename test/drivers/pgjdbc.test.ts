import { fileURLToPath } from 'node:url'
import { isHere } from './process.ts'
import { describeScript } from './script.ts'

const source = 'java/PgjdbcChecks.java'

/** TEST_PGJDBC is the driver's jar. */
function scriptOf() {
  const jar = process.env.TEST_PGJDBC
  if (jar === undefined) {
    console.log('TEST_PGJDBC names no jar: pgjdbc is not tried')
    return undefined
  }
  if (!isHere('a JDK', 'javac', ['-version'])) return undefined
  const options = ['-XX:TieredStopAtLevel=1', '-XX:+UseSerialGC', '-Dfile.encoding=UTF-8', '-cp', jar]
  return { command: 'java', args: [...options, fileURLToPath(new URL(source, import.meta.url))] }
}

describeScript('pgjdbc', source, scriptOf())
