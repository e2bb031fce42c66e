/** graphile-worker's log as ours: what is routine there is debug here. */
import { type LogFunctionFactory, Logger } from 'graphile-worker'
import type { Log } from '../observe/log.ts'

export function queueLogger(log: Log): Logger {
  const factory: LogFunctionFactory = scope => (level, message, meta) => {
    const fields = { ...scope, ...(meta?.error === undefined ? {} : { error: meta.error }) }
    switch (level) {
      case 'error':
        return log.error(fields, message)
      case 'warning':
        return log.warn(fields, message)
      case 'info':
      case 'debug':
        return log.debug(fields, message)
    }
  }
  return new Logger(factory)
}

/** Making the queue fails with an error or has nothing to say. */
export const silentLogger = new Logger(() => () => {})
