import {
  chmodSync,
  closeSync,
  constants,
  fchmodSync,
  fchownSync,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  futimesSync,
  lchownSync,
  linkSync,
  lstatSync,
  lutimesSync,
  mkdirSync,
  openSync,
  readdirSync,
  readlinkSync,
  readSync,
  renameSync,
  rmdirSync,
  type Stats,
  statfsSync,
  symlinkSync,
  unlinkSync,
  writeSync,
} from 'node:fs'
import { confine, type Confined } from './confined.ts'
import { PacketReader, PacketWriter, type Wanted } from './packet.ts'
import { ASK, MAX_DATA, MAX_PACKET, OPEN_FLAG, Refusal, SAY, STATUS, statusOf, VERSION } from './protocol.ts'

/** What is open under a handle: a file, or a folder whose names were read and are being told. */
type Open =
  | { readonly kind: 'file'; readonly fd: number; readonly append: boolean }
  | { readonly kind: 'folder'; readonly path: Buffer; names: Buffer[] | undefined; told: number }

type Answer = (id: number, ask: PacketReader) => void

const MAX_OPEN = 1_000
/** A name is what it says, and nothing is waited for that another program must do first. */
const SAFE = constants.O_NOFOLLOW | constants.O_NONBLOCK | constants.O_NOCTTY
/** What sshfs looks for. */
const EXTENSIONS = {
  'posix-rename@openssh.com': '1',
  'statvfs@openssh.com': '2',
  'hardlink@openssh.com': '1',
  'fsync@openssh.com': '1',
}
const WRITING: ReadonlySet<number> = new Set([
  ...[ASK.write, ASK.setstat, ASK.fsetstat, ASK.remove, ASK.mkdir, ASK.rmdir, ASK.rename, ASK.symlink],
])

/**
 * Serves one folder by SFTP version 3, and nothing outside of it (`Confined`). Every request is done and answered
 * before the next is looked at, so the answers come in order and no two requests get in each other's way.
 */
export class SftpServer implements Disposable {
  readonly #confined: Confined
  readonly #readOnly: boolean
  readonly #open = new Map<number, Open>()
  readonly #out = new PacketWriter()
  readonly #answers: Readonly<Record<number, Answer>>
  #lastHandle = 0
  #greeted = false

  /**
   * @param confined by default the best that this system has.
   * @throws the system's error when `root` cannot be opened.
   */
  constructor(root: string, readOnly: boolean, confined: Confined = confine(root)) {
    this.#confined = confined
    this.#readOnly = readOnly
    this.#answers = {
      [ASK.open]: (id, ask) => this.#openFile(id, ask),
      [ASK.close]: (id, ask) => this.#close(id, ask),
      [ASK.read]: (id, ask) => this.#read(id, ask),
      [ASK.write]: (id, ask) => this.#write(id, ask),
      [ASK.lstat]: (id, ask) => this.#stat(id, ask),
      // Nothing is followed: with links shown as links, sshfs never needs it.
      [ASK.stat]: (id, ask) => this.#stat(id, ask),
      [ASK.fstat]: (id, ask) =>
        this.#say(SAY.attrs, id)
          .attributes(fstatSync(this.#file(ask).fd))
          .end(),
      [ASK.setstat]: (id, ask) => {
        this.#confined.reach(ask.bytes(), (place) => setAttributes(place, ask.attributes()))
        this.#status(id, STATUS.ok)
      },
      [ASK.fsetstat]: (id, ask) => {
        setOpenAttributes(this.#file(ask).fd, ask.attributes())
        this.#status(id, STATUS.ok)
      },
      [ASK.opendir]: (id, ask) => this.#openFolder(id, ask.bytes()),
      [ASK.readdir]: (id, ask) => this.#readFolder(id, ask),
      [ASK.remove]: (id, ask) => this.#act(id, ask, unlinkSync),
      [ASK.mkdir]: (id, ask) =>
        this.#act(id, ask, (place) => mkdirSync(place, { mode: ask.attributes().mode ?? 0o777 })),
      [ASK.rmdir]: (id, ask) => this.#act(id, ask, (place) => rmdirSync(place)),
      [ASK.realpath]: (id, ask) => this.#realPath(id, ask.bytes()),
      [ASK.rename]: (id, ask) => this.#rename(id, ask, false),
      [ASK.readlink]: (id, ask) => {
        const target = this.#confined.reach(ask.bytes(), (place) => readlinkSync(place, 'buffer'))
        this.#name(id, target)
      },
      [ASK.symlink]: (id, ask) => {
        const target = ask.bytes() // in OpenSSH's order, which is not the draft's
        this.#act(id, ask, (place) => symlinkSync(target, place))
      },
      [ASK.extended]: (id, ask) => this.#extended(id, ask),
    }
  }

  /** What is to be sent; good until the next `take`, once it was sent `sent` is to be called. */
  get answers(): Buffer {
    return this.#out.written
  }

  sent(): void {
    this.#out.clear()
  }

  /**
   * Does what one request wants.
   * @param packet without its length.
   * @throws Refusal for what cannot even be answered: the stream is of no more use then.
   */
  take(packet: Buffer): void {
    const ask = new PacketReader(packet)
    const kind = ask.byte()
    if (kind === ASK.init) return this.#greet(ask.number())
    if (!this.#greeted) throw new Refusal(STATUS.badMessage)
    const id = ask.number()
    const before = this.answers.length
    try {
      const answer = Object.hasOwn(this.#answers, kind) ? this.#answers[kind] : undefined
      if (answer === undefined) throw new Refusal(STATUS.unsupported)
      if (this.#readOnly && WRITING.has(kind)) throw new Refusal(STATUS.permissionDenied)
      answer(id, ask)
    } catch (error) {
      if (this.answers.length > before) this.#out.undo()
      this.#status(id, statusOf(error))
    }
  }

  [Symbol.dispose](): void {
    for (const open of this.#open.values()) if (open.kind === 'file') closeSync(open.fd)
    this.#open.clear()
    this.#confined[Symbol.dispose]()
  }

  #greet(version: number): void {
    if (this.#greeted || version < VERSION) throw new Refusal(STATUS.badMessage)
    this.#greeted = true
    const out = this.#out.begin(SAY.version, undefined).number(VERSION)
    for (const [name, data] of Object.entries(EXTENSIONS)) out.text(name).text(data)
    out.end()
  }

  #say(kind: number, id: number): PacketWriter {
    return this.#out.begin(kind, id)
  }

  #status(id: number, status: number): void {
    this.#say(SAY.status, id).number(status).text('').text('').end()
  }

  #act(id: number, ask: PacketReader, act: (place: Buffer) => unknown): void {
    this.#confined.reach(ask.bytes(), act)
    this.#status(id, STATUS.ok)
  }

  #name(id: number, name: Buffer): void {
    this.#say(SAY.name, id).number(1).bytes(name).bytes(name).number(0).end()
  }

  #stat(id: number, ask: PacketReader): void {
    const found = this.#confined.reach(ask.bytes(), (place) => lstatSync(place, { throwIfNoEntry: false }))
    if (found === undefined) this.#status(id, STATUS.noSuchFile)
    else this.#say(SAY.attrs, id).attributes(found).end()
  }

  #realPath(id: number, path: Buffer): void {
    this.#confined.reach(path, () => {})
    this.#name(id, Buffer.concat([Buffer.from('/'), path.subarray(path[0] === 0x2f ? 1 : 0)]))
  }

  #keep(id: number, open: Open): void {
    this.#lastHandle = (this.#lastHandle + 1) >>> 0
    this.#open.set(this.#lastHandle, open)
    const handle = Buffer.alloc(4)
    handle.writeUInt32BE(this.#lastHandle)
    this.#say(SAY.handle, id).bytes(handle).end()
  }

  #opened(ask: PacketReader): Open & { readonly handle: number } {
    const bytes = ask.bytes()
    const handle = bytes.length === 4 ? bytes.readUInt32BE() : -1
    const open = this.#open.get(handle)
    if (open === undefined) throw new Refusal(STATUS.failure)
    return Object.assign(open, { handle })
  }

  #file(ask: PacketReader): Open & { readonly kind: 'file' } {
    const open = this.#opened(ask)
    if (open.kind !== 'file') throw new Refusal(STATUS.failure)
    return open
  }

  #openFile(id: number, ask: PacketReader): void {
    if (this.#open.size >= MAX_OPEN) throw new Refusal(STATUS.failure)
    const path = ask.bytes()
    const wanted = ask.number()
    const { mode = 0o666 } = ask.attributes()
    const has = (flag: number): boolean => (wanted & flag) !== 0
    if (this.#readOnly && (wanted & ~OPEN_FLAG.read) !== 0) throw new Refusal(STATUS.permissionDenied)
    const fd = this.#confined.reach(path, (place) => {
      // A pipe or a device would do something by being opened alone.
      const there = lstatSync(place, { throwIfNoEntry: false })
      if (there !== undefined && !there.isFile()) throw new Refusal(STATUS.failure)
      return openSync(place, systemFlags(has) | SAFE, mode)
    })
    if (!fstatSync(fd).isFile()) {
      closeSync(fd)
      throw new Refusal(STATUS.failure)
    }
    this.#keep(id, { kind: 'file', fd, append: has(OPEN_FLAG.append) })
  }

  #close(id: number, ask: PacketReader): void {
    const open = this.#opened(ask)
    this.#open.delete(open.handle)
    // Only now a file system on a network says that something could not be written.
    if (open.kind === 'file') closeSync(open.fd)
    this.#status(id, STATUS.ok)
  }

  #read(id: number, ask: PacketReader): void {
    const { fd } = this.#file(ask)
    const from = ask.large()
    const most = Math.min(ask.number(), MAX_DATA)
    let got = 0
    const out = this.#say(SAY.data, id).filled(most, (place) => (got = readSync(fd, place, 0, most, from)))
    if (got === 0 && most > 0) throw new Refusal(STATUS.eof)
    out.end()
  }

  #write(id: number, ask: PacketReader): void {
    const { fd, append } = this.#file(ask)
    const from = ask.large()
    const bytes = ask.bytes()
    for (let done = 0; done < bytes.length;)
      done += writeSync(fd, bytes, done, bytes.length - done, append ? null : from + done)
    this.#status(id, STATUS.ok)
  }

  #openFolder(id: number, path: Buffer): void {
    if (this.#open.size >= MAX_OPEN) throw new Refusal(STATUS.failure)
    const found = this.#confined.reach(path, (place) => lstatSync(place))
    if (!found.isDirectory()) throw new Refusal(STATUS.noSuchFile)
    this.#keep(id, { kind: 'folder', path: Buffer.from(path), names: undefined, told: 0 })
  }

  #readFolder(id: number, ask: PacketReader): void {
    const open = this.#opened(ask)
    if (open.kind !== 'folder') throw new Refusal(STATUS.failure)
    // One walk to the folder serves all names of an answer.
    const path = Buffer.concat([open.path, Buffer.from('/.')])
    this.#confined.reach(path, (place) => {
      const names = (open.names ??= [DOT, DOT_DOT, ...readdirSync(place, { encoding: 'buffer' })])
      if (open.told >= names.length) throw new Refusal(STATUS.eof)
      this.#tell(id, open, names, place)
    })
  }

  #tell(id: number, open: Open & { kind: 'folder' }, names: readonly Buffer[], place: Buffer): void {
    const before = Buffer.concat([place, Buffer.from('/')])
    const entries: { name: Buffer; attributes: Stats }[] = []
    let bytes = 0
    for (; open.told < names.length && bytes < MAX_DATA; open.told += 1) {
      const name = names[open.told] ?? DOT
      // What lies above the shared folder is nobody's business, so `..` looks like `.`.
      const look = name === DOT_DOT ? DOT : name
      const attributes = lstatSync(Buffer.concat([before, look]), { throwIfNoEntry: false })
      if (attributes === undefined) continue // it has gone meanwhile
      entries.push({ name, attributes })
      bytes += name.length + 48
    }
    const out = this.#say(SAY.name, id).number(entries.length)
    for (const { name, attributes } of entries) out.bytes(name).text('').attributes(attributes)
    out.end()
  }

  #rename(id: number, ask: PacketReader, overwriting: boolean): void {
    const [from, to] = [ask.bytes(), ask.bytes()]
    this.#confined.reach(from, (source) =>
      this.#confined.reach(to, (target) => {
        if (!overwriting && lstatSync(target, { throwIfNoEntry: false }) !== undefined)
          throw new Refusal(STATUS.failure)
        renameSync(source, target)
      }),
    )
    this.#status(id, STATUS.ok)
  }

  #extended(id: number, ask: PacketReader): void {
    const name = ask.bytes().toString('latin1')
    if (name === 'statvfs@openssh.com') return this.#room(id, ask)
    if (!Object.hasOwn(EXTENSIONS, name)) throw new Refusal(STATUS.unsupported)
    if (this.#readOnly) throw new Refusal(STATUS.permissionDenied)
    if (name === 'posix-rename@openssh.com') return this.#rename(id, ask, true)
    if (name === 'fsync@openssh.com') fsyncSync(this.#file(ask).fd)
    else {
      const [from, to] = [ask.bytes(), ask.bytes()]
      this.#confined.reach(from, (source) => this.#confined.reach(to, (target) => linkSync(source, target)))
    }
    this.#status(id, STATUS.ok)
  }

  /** How much room there is. */
  #room(id: number, ask: PacketReader): void {
    const of = this.#confined.reach(ask.bytes(), (place) => statfsSync(place))
    const out = this.#say(SAY.extendedReply, id).large(of.bsize).large(of.bsize)
    for (const value of [of.blocks, of.bfree, of.bavail, of.files, of.ffree, of.ffree]) out.large(value)
    const [identity, readOnlyFlag, longestName] = [0, this.#readOnly ? 1 : 0, 255]
    out.large(identity).large(readOnlyFlag).large(longestName).end()
  }
}

const DOT = Buffer.from('.')
const DOT_DOT = Buffer.from('..')

function systemFlags(has: (flag: number) => boolean): number {
  const both = has(OPEN_FLAG.read) && has(OPEN_FLAG.write)
  return (
    (both ? constants.O_RDWR : has(OPEN_FLAG.write) ? constants.O_WRONLY : constants.O_RDONLY) |
    (has(OPEN_FLAG.append) ? constants.O_APPEND : 0) |
    (has(OPEN_FLAG.create) ? constants.O_CREAT : 0) |
    (has(OPEN_FLAG.truncate) ? constants.O_TRUNC : 0) |
    (has(OPEN_FLAG.exclusive) ? constants.O_EXCL : 0)
  )
}

/** Sets attributes of what a path names, which is no link that would be followed. */
function setAttributes(place: Buffer, wanted: Wanted): void {
  const there = lstatSync(place)
  const { mode, owner, size, times } = wanted
  if (size !== undefined) {
    if (!there.isFile()) throw new Refusal(STATUS.failure)
    const fd = openSync(place, constants.O_WRONLY | SAFE)
    try {
      ftruncateSync(fd, size)
    } finally {
      closeSync(fd)
    }
  }
  if (mode !== undefined) setMode(place, mode)
  if (times !== undefined) lutimesSync(place, times.accessed, times.modified)
  if (owner !== undefined && (owner.uid !== there.uid || owner.gid !== there.gid))
    lchownSync(place, owner.uid, owner.gid)
}

/** Follows no link: files and folders are opened, and anything else keeps its permissions. */
function setMode(place: Buffer, mode: number): void {
  const there = lstatSync(place)
  if (!there.isFile() && !there.isDirectory()) throw new Refusal(STATUS.unsupported)
  try {
    const fd = openSync(place, constants.O_RDONLY | SAFE)
    try {
      fchmodSync(fd, mode)
    } finally {
      closeSync(fd)
    }
  } catch (error) {
    // One that its owner may not read may still be given other permissions by her.
    if ((error as NodeJS.ErrnoException).code !== 'EACCES') throw error
    chmodUnread(place, mode)
  }
}

function chmodUnread(place: Buffer, mode: number): void {
  const fd = openSync(place, 0o10000000 | constants.O_NOFOLLOW)
  try {
    if (fstatSync(fd).isSymbolicLink()) throw new Refusal(STATUS.unsupported)
    chmodSync(`/proc/self/fd/${fd}`, mode)
  } finally {
    closeSync(fd)
  }
}

function setOpenAttributes(fd: number, { mode, owner, size, times }: Wanted): void {
  if (size !== undefined) ftruncateSync(fd, size)
  if (mode !== undefined) fchmodSync(fd, mode)
  if (times !== undefined) futimesSync(fd, times.accessed, times.modified)
  if (owner !== undefined) {
    const there = fstatSync(fd)
    if (owner.uid !== there.uid || owner.gid !== there.gid) fchownSync(fd, owner.uid, owner.gid)
  }
}

/**
 * Serves SFTP on two open files until the first ends. It blocks: this is for a process of its own.
 * @throws Refusal for what is no SFTP, after what was asked before is answered.
 */
export function serveSftp(server: SftpServer, input: number, output: number): void {
  const bytes = Buffer.allocUnsafe(2 * MAX_PACKET)
  let filled = 0
  for (;;) {
    const got = readSync(input, bytes, filled, bytes.length - filled, null)
    if (got === 0) return
    filled += got
    let at = 0
    try {
      while (filled - at >= 4) {
        const length = bytes.readUInt32BE(at)
        if (length === 0 || length > MAX_PACKET - 4) throw new Refusal(STATUS.badMessage)
        if (filled - at - 4 < length) break
        server.take(bytes.subarray(at + 4, at + 4 + length))
        at += 4 + length
        if (server.answers.length >= MAX_PACKET) flush(server, output)
      }
    } finally {
      flush(server, output)
    }
    bytes.copyWithin(0, at, filled)
    filled -= at
  }
}

function flush(server: SftpServer, output: number): void {
  const { answers } = server
  for (let done = 0; done < answers.length;) done += writeSync(output, answers, done)
  server.sent()
}
