/** CancelRequest on a connection of its own. Manual: "Canceling Requests in Progress". */
import type { BackendKeyData } from '../wire/session-start.ts'
import { encodeCancelRequest } from '../wire/startup.ts'
import { abortError, type DialOptions, dial } from './dial.ts'

/** @throws SqlError 08001 where it could not be delivered, or the server has not closed in time: it may still strike */
export async function sendCancel(options: DialOptions, key: BackendKeyData, signal: AbortSignal): Promise<void> {
  const { socket } = await dial(options, signal)
  await new Promise<void>((resolve, reject) => {
    const onAbort = () => {
      socket.destroy()
      reject(abortError(signal))
    }
    signal.addEventListener('abort', onAbort)
    // The server answers nothing; that it closes says that it has passed the signal on.
    socket.on('close', () => {
      signal.removeEventListener('abort', onAbort)
      resolve()
    })
    socket.resume()
    socket.write(encodeCancelRequest(key))
  })
}
