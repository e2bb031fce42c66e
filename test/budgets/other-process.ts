/** Run by node as a process of its own: makes calls at once against a shared store, and says how many got through. */

import { admitted, testLimiter } from './limiter.ts'
import { connectRedis, ready } from './redis.ts'

const [url = '', limit = '', calls = ''] = process.argv.slice(2)
const redis = connectRedis(url)
await ready(redis)
const limiter = testLimiter({ principalPerDay: Number(limit) }, { redis })
process.stdout.write('ready\n')
process.stdin.once('data', async () => {
  const through = await admitted(limiter, Number(calls))
  await limiter.close()
  redis.disconnect()
  process.stdout.write(`${through}\n`)
  process.stdin.destroy()
})
