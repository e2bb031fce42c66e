import { execFileSync } from 'node:child_process'
import { chownSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { findServerAccount } from '../../src/embedded/account.ts'

/** What `openssl req` makes a key and a signature of. */
export const keyKinds = {
  'RSA with SHA-256': ['-newkey', 'rsa:2048', '-sha256'],
  'RSA with SHA-512': ['-newkey', 'rsa:2048', '-sha512'],
  'RSA with SHA-1': ['-newkey', 'rsa:2048', '-sha1'],
  'RSA-PSS with SHA-384': ['-newkey', 'rsa:2048', '-sha384', '-sigopt', 'rsa_padding_mode:pss'],
  'ECDSA with SHA-384': ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-384', '-sha384'],
} as const

export interface CertificateFolder {
  readonly certificatePath: string
  readonly keyPath: string
  /** Makes a new self-signed certificate for `localhost` in place of the last one. @returns its PEM */
  renew(kind: readonly string[]): string
  remove(): void
}

/** Files that the embedded server may read. */
export function makeCertificateFolder(): CertificateFolder {
  const folder = mkdtempSync(join(tmpdir(), 'postern-tls-'))
  const [certificatePath, keyPath] = [join(folder, 'server.crt'), join(folder, 'server.key')]
  const account = findServerAccount()
  if (account) chownSync(folder, account.uid, account.gid)
  const renew = (kind: readonly string[]) => {
    const names = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost']
    execFileSync(
      'openssl',
      ['req', '-x509', '-nodes', '-days', '2', ...kind, ...names, '-keyout', keyPath, '-out', certificatePath],
      { stdio: 'pipe' },
    )
    if (account) for (const path of [certificatePath, keyPath]) chownSync(path, account.uid, account.gid)
    return readFileSync(certificatePath, 'utf8')
  }
  return { certificatePath, keyPath, renew, remove: () => rmSync(folder, { recursive: true, force: true }) }
}
