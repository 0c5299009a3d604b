// Folders of the client beside sshfs over ssh, on loopback, between the same two folders: both with encryption, ours
// through a process that splices as a door does.
import { selfSigned } from '@ostler/kit/certificate.ts'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chownSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { FolderRoom } from '../fixtures/folder-room.ts'
import { SshServer } from '../fixtures/ssh-server.ts'
import { load, median, print } from './figures.ts'

const ROUNDS = Number(process.argv[2] ?? 5)
const MEGABYTES = 256
const FILES = 10_000

const identity = await selfSigned(['localhost'], 1)
await using room = await FolderRoom.open({ identity })
const [cert, key] = ['cert.pem', 'key.pem'].map((name) => join(room.root, name)) as [string, string]
writeFileSync(cert, identity.certificate)
writeFileSync(key, identity.key)
const shared = room.folder('shared')
const small = join(shared, 'small')
mkdirSync(small)
for (let file = 0; file < FILES; file += 1) writeFileSync(join(small, `file ${file}`), 'small')
chownSync(shared, room.account.uid, room.account.gid)

/** Starts a program of the bench; its first line, and what ends it. */
async function start(program: string, args: readonly string[]) {
  const path = join(import.meta.dirname, program)
  const child = spawn(process.execPath, [path, ...args], { stdio: ['pipe', 'pipe', 'inherit'] })
  const [line] = (await once(createInterface(child.stdout), 'line')) as [string]
  return { line, [Symbol.asyncDispose]: () => endOf(child) }
}

async function endOf(child: ChildProcess): Promise<void> {
  const exit = once(child, 'exit')
  child.stdin?.end()
  await exit
}

interface Figures {
  readonly write: number[]
  readonly read: number[]
  readonly list: number[]
}

/** Measures what a user of the desktop sees in a mount of the shared folder. */
async function measure(point: string, into: Figures): Promise<void> {
  const bytes = MEGABYTES * 1_048_576
  const file = join(point, 'large')
  const timed = async (...[program, ...args]: [string, ...string[]]): Promise<number> => {
    const { code, out, ms } = await room.user(program, args, 120_000)
    if (code !== 0) throw new Error(`${program}: ${out.slice(-200)}`)
    return ms / 1_000
  }
  into.list.push(await timed('ls', '-l', join(point, 'small')))
  const written = await timed('dd', 'if=/dev/zero', `of=${file}`, 'bs=1M', `count=${MEGABYTES}`, 'conv=fsync')
  into.write.push(bytes / written / 1e6)
}

/** In another mount than it was written in: that one's pages would be read. */
async function measureRead(point: string, into: Figures): Promise<void> {
  const { code, ms } = await room.user('dd', [`if=${join(point, 'large')}`, 'of=/dev/null', 'bs=1M'], 120_000)
  if (code !== 0) throw new Error('dd failed')
  into.read.push((MEGABYTES * 1_048_576) / (ms / 1_000) / 1e6)
}

const kinds = {
  sshfs: async (work: (point: string) => Promise<void>) => {
    await using server = await SshServer.start(room)
    await using mount = await server.mount(shared)
    await work(mount.point)
  },
  'ours, no door': async (work: (point: string) => Promise<void>) => {
    await using _client = await start('../fixtures/folder-client.ts', [String(room.port), shared, 'tls'])
    await work(room.point('bench'))
  },
  'ours, by a door': async (work: (point: string) => Promise<void>) => {
    await using door = await start('folders/door.ts', [String(room.port), cert, key])
    await using _client = await start('../fixtures/folder-client.ts', [door.line, shared, 'tls'])
    await work(room.point('bench'))
  },
}

const nothing = (): Figures => ({ write: [], read: [], list: [] })
const figures = Object.keys(kinds).map((kind) => [kind, nothing()] as const)
for (let round = 0; round < ROUNDS; round += 1)
  for (const [kind, into] of figures) {
    const open = kinds[kind as keyof typeof kinds]
    await open((point) => measure(point, into))
    await open((point) => measureRead(point, into))
    await room.folders.endAll('the round is over')
    rmSync(join(shared, 'large'))
  }

print(`load ${load()}, median of ${ROUNDS}, MB/s and seconds`)
print(`${''.padEnd(16)} write ${MEGABYTES} MB   read ${MEGABYTES} MB   ls -l of ${FILES}`)
for (const [kind, { write, read, list }] of figures)
  print(
    `${kind.padEnd(16)} ${median(write).toFixed(0).padStart(8)} ${median(read).toFixed(0).padStart(13)} ${median(list).toFixed(3).padStart(13)}`,
  )
