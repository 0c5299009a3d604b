import { Fault } from '@ostler/contract/fault.ts'
import {
  chownSync,
  closeSync,
  existsSync,
  fsyncSync,
  ftruncateSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { type Home, POOLED } from '../../model/home.ts'
import type { DesktopSpec } from '../hypervisor.ts'
import { isMountedAt, makeHomeImage } from './home-image.ts'

/** Folders of a node that have to do with homes. */
export interface HomePlaces {
  /** `path.run` */
  readonly run: string
  /** `path.storage.homefs` */
  readonly homes: string
}

export interface HomeOwner {
  readonly uid: number
  readonly gid: number
}

const MB = 2 ** 20

/** What a driver hands to a desktop: a folder, or the file of a disk. */
export function homeOf(places: HomePlaces, { id, home }: Pick<DesktopSpec, 'id' | 'home'>): string {
  return home.kind === 'image' ? openHome(places, id).mount : join(places.homes, home.path)
}

/** Where that is of which desktops have their homes. */
export function openHomes({ run }: Pick<HomePlaces, 'run'>): string {
  return join(run, 'homes')
}

/** What exists on the node while a desktop has its home: outside of its run folder, which is removed with all that it holds. */
export function openHome(places: Pick<HomePlaces, 'run'>, id: number) {
  const root = join(openHomes(places), String(id))
  return { root, keeper: join(root, 'keeper'), image: join(root, 'image'), mount: join(root, 'mount') }
}

/** Numbers of the desktops for which this node has a home open. */
export function homesOpenHere(run: string): number[] {
  const folder = openHomes({ run })
  return existsSync(folder) ? readdirSync(folder).map(Number) : []
}

/** What there is of the home of a pool's desktop, locks apart: paths below `homes`. */
export function pooledHomesHere({ homes }: Pick<HomePlaces, 'homes'>, id: number): string[] {
  const folder = join(homes, POOLED)
  if (!existsSync(folder)) return []
  const names = readdirSync(folder).filter((name) => name.split('.')[0] === String(id))
  return names.filter((name) => !name.endsWith('.lock')).map((name) => `${POOLED}/${name}`)
}

/** @throws Fault `home.unmounted` when nothing is mounted where homes lie. */
export function requireMounted(homes: string): void {
  if (!isMountedAt(homes)) throw new Fault('home.unmounted', { folder: homes })
}

/**
 * Looks for a home, and whether it is fit.
 *
 * @param path its whole path.
 * @param isOurs true when the lock beside it says that this home was being made there.
 * @returns false when it is yet to be made.
 * @throws Fault `home.missing`, `home.orphan`, `home.owner`.
 */
export function findHome(path: string, home: Home, isOurs: boolean, owner: HomeOwner): boolean {
  const found = lstatSync(path, { throwIfNoEntry: false })
  if (found === undefined && home.isMade) throw new Fault('home.missing', { home: path })
  if (found === undefined) return false
  if (!home.isMade && !isOurs) throw new Fault('home.orphan', { home: path })
  const refuse = (reason: string): Fault => new Fault('home.owner', { folder: path, reason })
  const isRight = home.kind === 'directory' ? found.isDirectory() : found.isFile()
  if (!isRight) throw refuse(home.kind === 'directory' ? 'it is no folder' : 'it is no file')
  if ((found.mode & 0o022) !== 0) throw refuse(`others may write to it; cure: chmod go-w ${path}`)
  if (home.kind === 'directory' && found.uid !== owner.uid)
    throw refuse(
      `it belongs to user ${found.uid}, not to ${owner.uid}; cure: chown ${owner.uid}:${owner.gid} ${path}`,
    )
  return true
}

/** Makes a home. A file comes into its place whole. */
export async function makeHome(path: string, home: Home, owner: HomeOwner): Promise<void> {
  mkdirSync(dirname(path), { recursive: true, mode: 0o755 })
  if (home.kind === 'directory') {
    mkdirSync(path, { mode: 0o755 })
    chownSync(path, owner.uid, owner.gid)
    return
  }
  const draft = `${path}.new`
  rmSync(draft, { force: true })
  const file = openSync(draft, 'wx', 0o600)
  try {
    ftruncateSync(file, home.limitMb * MB)
    if (home.kind === 'image') await makeHomeImage(draft)
    fsyncSync(file)
  } finally {
    closeSync(file)
  }
  renameSync(draft, path)
}
