/** The embedded cluster of a data folder: started, or joined where another of our processes runs it already. */
import { join } from 'node:path'
import { findServerAccount } from '../embedded/account.ts'
import { startCluster } from '../embedded/cluster.ts'
import { openFolder, readNote } from '../embedded/folder.ts'
import { SqlError } from '../errors.ts'

export interface EmbeddedCluster {
  /** The superuser's, to the database postgres. */
  readonly url: string
  /** Where gates and the provisioner connect: the socket's folder; for a joined one the loopback address. */
  readonly host: string
  readonly port: number
  /** Run by another process: `stop` leaves it alone. */
  readonly joined: boolean
  stop(): Promise<void>
}

/** @throws SqlError as startCluster */
export async function openCluster(dataDir: string, signal?: AbortSignal): Promise<EmbeddedCluster> {
  const folder = join(dataDir, 'postgres')
  try {
    const { url, socketDir, port, stop } = await startCluster({ dataDir: folder })
    signal?.throwIfAborted()
    return { url, host: socketDir, port, joined: false, stop }
  } catch (error) {
    if (error instanceof SqlError && error.code === '55006') return joinCluster(folder, error)
    throw error
  }
}

function joinCluster(dataDir: string, inUse: SqlError): EmbeddedCluster {
  const folder = openFolder(dataDir, findServerAccount())
  const password = readNote(folder, 'password')
  const port = Number(readNote(folder, 'port'))
  if (password === undefined || !(port > 0)) throw inUse // it is being made for the first time
  const url = `postgres://postgres:${encodeURIComponent(password)}@127.0.0.1:${port}/postgres`
  return { url, host: '127.0.0.1', port, joined: true, stop: () => Promise.resolve() }
}
