import { mkdirSync } from 'node:fs'

/** As root the embedded server runs as another account, which has to pass through; what is in it is closed by itself. */
export function makeDataDir(path: string): void {
  mkdirSync(path, { recursive: true, mode: process.getuid?.() === 0 ? 0o711 : 0o700 })
}
