import { run } from '@ostler/kit/run.ts'
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const UBUNTU = ['focal', 'jammy', 'noble'] as const

export type Suite = 'bullseye' | 'bookworm' | 'trixie' | (typeof UBUNTU)[number]

const DEBIAN_KEYS = '/usr/share/keyrings/debian-archive-keyring.gpg'
const UBUNTU_MIRROR = 'http://archive.ubuntu.com/ubuntu'
/** Whose signatures count, as Ubuntu publishes them: its archive's of 2012 and 2018, and its images' of 2012. */
const UBUNTU_FINGERPRINTS = [
  '790BC7277767219C42C86F933B4FE6ACC0B21F32',
  '843938DF228D22F7B3742BC0D94AA3F0EFE21092',
  'F6ECB3762474EDA9D21B7022871920D1991BC93C',
]
const FETCH_MS = 240_000

/**
 * The line by which apt knows the archive of a suite, with the keys that must have signed it.
 * @param cache a folder that is kept, for keys that Debian does not bring.
 */
export async function archiveOf(suite: Suite, cache: string): Promise<string> {
  const isUbuntu = (UBUNTU as readonly string[]).includes(suite)
  return isUbuntu
    ? `deb [signed-by=${await ubuntuKeys(cache)}] ${UBUNTU_MIRROR} ${suite} main universe`
    : `deb [signed-by=${DEBIAN_KEYS}] http://deb.debian.org/debian ${suite} main`
}

/** Ubuntu's keyring, out of a package that nothing vouches for: so it is looked at, and only files are taken out of it. */
async function ubuntuKeys(cache: string): Promise<string> {
  const kept = join(cache, 'ubuntu-keys')
  const keys = join(kept, 'usr/share/keyrings/ubuntu-archive-keyring.gpg')
  if (existsSync(keys)) return keys
  const work = mkdtempSync(join(tmpdir(), 'ostler-keys-'))
  try {
    await fetchPackage('ubuntu-keyring', work)
    const draft = join(work, 'tree')
    const found = join(draft, 'usr/share/keyrings/ubuntu-archive-keyring.gpg')
    await run('sh', ['-c', 'exec dpkg-deb --extract ubuntu-keyring_*.deb tree'], { cwd: work })
    const shown = await run('gpg', ['--homedir', work, '--show-keys', '--with-colons', found])
    const fingerprints = [...shown.stdout.matchAll(/^fpr:+([0-9A-F]{40}):/gm)].map(([, print]) => print)
    if (String(fingerprints.sort()) !== String(UBUNTU_FINGERPRINTS))
      throw new Error(
        `the keyring from ${UBUNTU_MIRROR} has keys that we do not know: ${fingerprints.join(' ')}`,
      )
    rmSync(kept, { recursive: true, force: true })
    await run('cp', ['--archive', draft, `${kept}.${process.pid}`])
    renameSync(`${kept}.${process.pid}`, kept)
    return keys
  } finally {
    rmSync(work, { recursive: true, force: true })
  }
}

/** Downloads a package of Ubuntu's by an apt that knows nothing else. */
async function fetchPackage(name: string, folder: string): Promise<void> {
  for (const place of ['lists/partial', 'cache/archives/partial'])
    mkdirSync(join(folder, place), { recursive: true })
  writeFileSync(join(folder, 'sources.list'), `deb [trusted=yes] ${UBUNTU_MIRROR} noble main\n`)
  const options = {
    'Dir::Etc::sourcelist': join(folder, 'sources.list'),
    'Dir::Etc::sourceparts': '-',
    'Dir::State::lists': join(folder, 'lists'),
    'Dir::Cache': join(folder, 'cache'),
    'APT::Sandbox::User': 'root',
  }
  const words = Object.entries(options).flatMap(([key, value]) => ['-o', `${key}=${value}`])
  for (const step of [['update'], ['download', name]])
    await run('apt-get', [...words, '--quiet', ...step], {
      cwd: folder,
      timeoutMs: FETCH_MS,
      env: process.env,
    })
}
