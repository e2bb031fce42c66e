// tally.mjs <vitest's JSON> <vitest's exit code> <may-skip>: prints "passed failed skipped"; what is wrong goes to stderr.
import { existsSync, readFileSync } from 'node:fs'
import { relative } from 'node:path'

const [resultPath, exitCode, maySkipPath] = process.argv.slice(2)
const maySkip = readFileSync(maySkipPath, 'utf8').split('\n').filter(line => line !== '' && !line.startsWith('#'))

let passed = 0
let failed = 0
let skipped = 0

function complain(reason) {
  failed += 1
  console.error(`FAILED: ${reason}`)
}

const files = existsSync(resultPath) ? JSON.parse(readFileSync(resultPath, 'utf8')).testResults : []
for (const file of files) {
  const name = relative(process.cwd(), file.name)
  const failedBefore = failed
  for (const test of file.assertionResults) {
    if (test.status === 'passed') passed += 1
    else if (test.status === 'failed') complain(`${name} ${test.fullName}`)
    else if (maySkip.some(line => `${name} ${test.fullName}`.startsWith(line))) skipped += 1
    else {
      skipped += 1
      complain(`${name} ${test.fullName}: skipped, but must run`)
    }
  }
  // A file that does not load, or that leaves something behind, fails without any of its tests failing.
  if (file.status === 'failed' && failed === failedBefore) complain(`${name}: ${file.message.split('\n')[0]}`)
}
if (passed === 0) complain('no test has run')
if (exitCode !== '0' && failed === 0) complain(`vitest ended with ${exitCode}`)
console.log(passed, failed, skipped)
